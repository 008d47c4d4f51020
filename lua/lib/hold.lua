-- SPDX-License-Identifier: Apache-2.0
-- The groups of an org that wait for one of its types, P:held:<org>:<type>: members '<level>/<group>', by level, and of
-- a level by virtual time: worker time of this type, in us, as in the rings of groups. For a group without a cap stand
-- those of its jobs that were set aside (P:aside:<org>:<type>:<level>:<group>); one with a cap keeps its order and
-- waits as a whole: it stands beyond the others in the ring of its level (group.lua). Member '<level>/': the jobs
-- without a group, while there are groups beside them. A member may outlive what it stands for until it is met.
local hold = { window = 100, rounds = 10, span = 1e14 }

function hold.key(k, org, word)
    return k.held_ .. org .. ':' .. word
end

-- Where the jobs of a group without a cap stand aside.
function hold.ids(k, org, word, level, name)
    return k.aside_ .. org .. ':' .. word .. ':' .. level .. ':' .. name
end

-- Scores of a level begin here: higher levels first.
local function base_of(level)
    return (9 - level) * hold.span
end

local function level_of(score)
    return 9 - math.floor(score / hold.span)
end

function hold.band(score)
    return base_of(level_of(score)), hold.span
end

-- Bound of scores: those of at least this level (nil: of any).
function hold.up_to(level)
    return level and string.format('(%.0f', base_of(level - 1)) or '+inf'
end

-- A group begins to wait, at the lowest virtual time of its level; where it stood, if it stands there still.
function hold.enter(k, org, word, level, name)
    local key, from = hold.key(k, org, word), base_of(tonumber(level))
    local low = string.format('%.0f', from)
    local lowest = redis.pcall('ZRANGE', key, low, hold.up_to(tonumber(level)), 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if lowest.err then
        redis.call('DEL', key) -- not ours
        lowest = {}
    end
    redis.call('ZADD', key, 'NX', lowest[2] or low, level .. '/' .. name)
end

-- The next job of a capped group may not run: the group keeps its order and waits for the type; it is parked too, so
-- that a change of the settings brings it back.
function hold.put(k, now, org, level, name, kind)
    group.park(k, now, org, level, name, 'inf')
    local word = levels.add_aside(k, org, kind)
    if word ~= levels.rest then
        turns.join(k, kind, org)
    end
    hold.enter(k, org, word, level, name)
end

-- A group that is parked runs again, if it has jobs; returns whether it does.
local function bring_back(k, org, level, name)
    redis.call('ZREM', k.parked, group.parked(org, level, name))
    return group.revive(k, org, level, name)
end

-- The first n groups wait here no more: those that stand beyond the others run again. For what stands under `*`.
-- Returns how many there were.
function hold.let_go(k, org, word, n)
    local key = hold.key(k, org, word)
    local members = redis.pcall('ZRANGE', key, 0, n - 1)
    if members.err or #members == 0 then
        return 0
    end
    redis.call('ZREM', key, unpack(members))
    for _, member in ipairs(members) do
        local level, name = string.match(member, '^(%d)/(.*)$')
        if level then
            bring_back(k, org, level, name)
        end
    end
    return #members
end

-- Another job is the first of a group now: it may wait for its type in vain. Returns whether it runs again.
function hold.free(k, org, level, name)
    return group.is_out(k, org, level, name) and bring_back(k, org, level, name)
end

-- A waiting job went otherwise than by a claim.
function hold.look_again(k, now, head)
    local o = head[4]
    if o and o.g and hold.free(k, head[2], string.format('%d', head[3]), o.g) then
        fair.enter(k, { head[2] })
        bell.ring(k, now)
    end
end

-- The cap of one group changed.
function hold.free_one(k, org, name)
    local any = false
    for level = 0, 9 do
        any = hold.free(k, org, string.format('%d', level), name) or any
    end
    if any then
        fair.enter(k, { org })
    end
end

-- Does a group that stands beyond the others in its ring come back? Revision 4 held groups without parking them.
function hold.comes_back(k, org, level, name)
    if not group.is_out(k, org, level, name) or redis.call('ZSCORE', k.parked, group.parked(org, level, name)) then
        return true
    end
    for _, word in ipairs(levels.of(k, org).asides) do
        if redis.call('ZSCORE', hold.key(k, org, word), level .. '/' .. name) then
            return true
        end
    end
    return false
end

-- Calls fn(key, level, name, virtual time) for the sets of set-aside jobs of groups, under one word of an org; at most
-- `most` (nil: all).
function hold.each(k, org, word, fn, most)
    local last = most and string.format('%d', most - 1) or -1
    local members = redis.pcall('ZRANGE', hold.key(k, org, word), 0, last, 'WITHSCORES')
    for i = 1, members.err and 0 or #members, 2 do
        local level, name = string.match(members[i], '^(%d)/(.+)$')
        if level then
            local v = tonumber(members[i + 1]) % hold.span
            fn(hold.ids(k, org, word, level, name), tonumber(level), name, v)
        end
    end
end

-- Who waits for a type of the org, where groups do: array of {level, name, v (nil: none yet), n jobs}.
function hold.members(k, org, kind)
    local list, plain, key = {}, k.aside_ .. org .. ':' .. kind, hold.key(k, org, kind)
    hold.each(k, org, kind, function(ids, level, name, v)
        local n = redis.call('ZCARD', ids)
        if n == 0 and group.is_out(k, org, level, name) then
            n = redis.call('LLEN', keys.ready(k, org, level) .. ':' .. name)
        end
        list[#list + 1] = { level = level, name = name, v = v, n = n }
    end)
    for level = 0, #list > 0 and 9 or -1 do
        local n = redis.call('ZCOUNT', plain, string.format('%.0f', base_of(level)), hold.up_to(level))
        if n > 0 then
            local score = tonumber(redis.call('ZSCORE', key, level .. '/') or '')
            list[#list + 1] = { level = level, name = '', v = score and score % hold.span, n = n }
        end
    end
    return list
end

local function by_virtual_time(a, b)
    return a.v < b.v or (a.v == b.v and a.name < b.name)
end

-- Members of one level, in order, as fair.shares reads them. h: what this take did so far: used: us by member; over:
-- those that have nothing more to give.
local function members_of(h, ring, top, has_plain)
    local list, flat, plain, lowest = {}, {}, top .. '/', nil
    for i = 1, #ring, 2 do
        local name, score = ring[i], tonumber(ring[i + 1])
        if not h.over[name] and level_of(score) == top then
            list[#list + 1] = { name = name, v = score - base_of(top) + (h.used[name] or 0) }
            lowest = lowest or score
            has_plain = has_plain and name ~= plain
        end
    end
    if has_plain and not h.over[plain] then
        list[#list + 1] = { name = plain, v = (lowest or base_of(top)) - base_of(top) }
        redis.call('ZADD', h.key, 'NX', string.format('%.0f', lowest or base_of(top)), plain)
    end
    table.sort(list, by_virtual_time)
    for _, m in ipairs(list) do
        flat[#flat + 1], flat[#flat + 2] = m.name, m.v
    end
    return flat
end

-- What waits at the highest level that has something, of at least `least` (nil: of any).
local function front(h, plain_key, least)
    local most = hold.up_to(least)
    local ring = redis.pcall('ZRANGE', h.key, '-inf', most, 'BYSCORE', 'LIMIT', 0, hold.window + h.n_over, 'WITHSCORES')
    if ring.err then
        redis.call('DEL', h.key) -- not ours
        ring = {}
    end
    local plain = redis.pcall('ZRANGE', plain_key, '-inf', most, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    local first = not plain.err and plain[2] and level_of(tonumber(plain[2])) or -1
    local top = first
    for i = 1, #ring, 2 do
        if not h.over[ring[i]] then
            top = math.max(top, level_of(tonumber(ring[i + 1])))
            break
        end
    end
    return top < 0 and {} or members_of(h, ring, top, first == top)
end

-- A group that keeps its order is in the ring of its level again, if it may run: up to n jobs are promised to it.
local function promise(k, st, org, level, name, n)
    local room = st.x and limit.group_room(st.x, org, name) or math.huge
    if room <= 0 then
        group.park(k, st.now, org, level, name, 'inf')
        return 0
    end
    return bring_back(k, org, level, name) and math.min(n, room) or 0
end

-- Up to n jobs of a member: how many ids it gave, and how many jobs are promised.
local function take_member(k, st, org, kind, member, n, source)
    local level, name = string.match(member, '^(%d)/(.*)$')
    if not level then
        return 0, 0
    elseif name == '' then
        return place.pop_aside(k.aside_ .. org .. ':' .. kind, hold.up_to(tonumber(level)), n, st, source), 0
    end
    local got = place.pop_set(hold.ids(k, org, kind, level, name), n, st, source)
    return got, got == 0 and promise(k, st, org, level, name, n) or 0
end

-- Takes up to n jobs of what waits for a type of the org, of at least level `least` (nil: of any): by level, and of a
-- level the groups take turns. Returns how many ids it appended to st.ids, and how many jobs, in all and by member, are
-- promised to groups that are in their rings again. What is claimed is charged later (hold.charge).
function hold.take(k, org, kind, n, st, source, least)
    local cost = fair.micros(st.costs[kind] or fair.cost(k, kind, st.cost))
    local h, got, promised = { key = hold.key(k, org, kind), used = {}, over = {}, n_over = 0 }, 0, 0
    local promises = {}
    for _ = 1, hold.rounds do
        local flat = front(h, k.aside_ .. org .. ':' .. kind, least)
        if #flat == 0 or got + promised >= n then
            break
        end
        local gone = { 'ZREM', h.key }
        for _, m in ipairs(fair.shares(flat, nil, n - got - promised, cost, 1)) do
            local count, later = take_member(k, st, org, kind, m.org, m.n, source)
            h.used[m.org] = (h.used[m.org] or 0) + (count + later) * cost
            got, promised = got + count, promised + later
            promises[m.org] = later > 0 and later or promises[m.org]
            if count + later == 0 then
                gone[#gone + 1] = m.org
            elseif count < m.n then
                h.over[m.org], h.n_over = true, h.n_over + 1
            end
        end
        if #gone > 2 then
            redis.call(unpack(gone))
        end
    end
    if not st.x then -- nothing is charged later
        fair.move(h.key, h.used, hold.band)
    end
    return got, promised, promises
end

-- A group that got nothing of what it was promised, and is out of its ring again: its first job waits for something
-- else. Returns whether that is so.
function hold.drop_out(k, org, kind, member)
    local level, name = string.match(member, '^(%d)/(.*)$')
    local is_out = group.is_out(k, org, level, name)
    if is_out then
        redis.call('ZREM', hold.key(k, org, kind), member)
    end
    return is_out
end

-- Members that had claims: us by member. by: the same by level and group, of jobs that were set aside: their group has
-- had that much worker time in the ring of its level too.
function hold.charge(k, org, kind, moves, by)
    fair.move(hold.key(k, org, kind), moves, hold.band)
    for level, of in pairs(by) do
        group.move(k, org, level, of)
    end
end
