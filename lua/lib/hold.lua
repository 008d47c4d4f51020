-- SPDX-License-Identifier: Apache-2.0
-- The groups of an org that wait for one of its types, P:held:<org>:<type>: members '<level>/<group>', by level, and of
-- a level by virtual time: worker time of this type, in us, as in the rings of groups. For a group without a cap stand
-- those of its jobs that were set aside (P:aside:<org>:<type>:<level>:<group>); one with a cap keeps its order and
-- waits as a whole: it stands beyond the others in the ring of its level (group.lua). Member '<level>/': the jobs
-- without a group, while there are groups beside them. A member may outlive what it stands for until it is met.
local hold = { window = 100, rounds = 10, some = 100, gathered = 500, span = 1e14 }

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

-- The lowest score of a level; nil: nobody of it waits.
local function low_of(key, level)
    local from = string.format('%.0f', base_of(level))
    local lowest = redis.pcall('ZRANGE', key, from, hold.up_to(level), 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if lowest.err then
        redis.call('DEL', key) -- not ours
        return nil
    end
    return tonumber(lowest[2] or '')
end

-- Groups begin to wait: at the lowest virtual time of their level, or where they left, which may be up to `credit` us
-- lower. Where they stand, if they stand there still. is_first: nobody waits there yet.
function hold.enter(k, org, word, level, names, credit, is_first)
    local key, from = hold.key(k, org, word), base_of(tonumber(level))
    local members, scores, add = {}, nil, {}
    for i, name in ipairs(names) do
        members[i] = level .. '/' .. name
    end
    if not is_first then
        scores = fair.entries(key, members, low_of(key, tonumber(level)) or from, credit or 0)
    end
    for i, member in ipairs(members) do
        local score = scores and math.max(scores[i], from) or from
        add[2 * i - 1], add[2 * i] = string.format('%.0f', score), member
    end
    redis.call('ZADD', key, 'NX', unpack(add))
end

-- Capped groups of an org whose next jobs may not run, for hold.put: kinds: array of types; by_kind: {type = {level =
-- {name, …}}}; by_level: the same of any type.
function hold.none()
    return { kinds = {}, by_kind = {}, by_level = {} }
end

function hold.note(at, level, name, kind)
    local of = at.by_kind[kind]
    if not of then
        of, at.kinds[#at.kinds + 1] = {}, kind
        at.by_kind[kind] = of
    end
    of[level], at.by_level[level] = of[level] or {}, at.by_level[level] or {}
    table.insert(of[level], name)
    table.insert(at.by_level[level], name)
end

-- These groups keep their order and wait for the types. joins: turns.join_all.
function hold.put(k, org, at, joins)
    local word_of, is_new = levels.add_asides(k, org, at.kinds)
    for level, names in pairs(at.by_level) do
        group.put_out(k, org, level, names)
    end
    for _, kind in ipairs(at.kinds) do
        local word, credit = word_of[kind], group.credit * fair.micros(fair.cost(k, kind))
        for level, names in pairs(at.by_kind[kind]) do
            hold.enter(k, org, word, level, names, credit, is_new[word])
        end
        turns.note(joins, kind, word, org)
    end
end

-- A group that is parked runs again, if it has jobs; returns whether it does.
local function bring_back(k, org, level, name)
    redis.call('ZREM', k.parked, group.parked(org, level, name))
    return group.revive(k, org, level, name)
end

-- Some groups wait here no more, at each time others of them: those that stand beyond the others run again. For what
-- stands under `*`. Returns how many there were.
function hold.let_go(k, org, word, n, now)
    local key = hold.key(k, org, word)
    local from = hold.page(redis.pcall('ZCARD', key), n, now)
    local members = redis.pcall('ZRANGE', key, from, from + n - 1)
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

-- Where to look at n of `size` members now: whatever the times are at which somebody looks, all get their turn
-- (multiples of the golden ratio are evenly spread).
function hold.page(size, n, now)
    local pages = type(size) == 'number' and math.ceil(size / n) or 0
    return pages > 1 and math.floor(now * 0.6180339887498949 % 1 * pages) * n or 0
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

-- The cap of all groups changed: those of an org that stand beyond the others run again, `some` of them. Returns
-- whether there are more.
function hold.free_some(k, org)
    local n = 0
    for _, e in ipairs(levels.of(k, org).order) do
        local names = e.kind == 'groups' and n < hold.some and group.all_out(k, org, e.level, hold.some - n) or {}
        for _, name in ipairs(names) do
            hold.free(k, org, e.level, name)
            n = n + 1
        end
    end
    if n > 0 then
        fair.enter(k, { org })
    end
    return n >= hold.some
end

-- Does a group that stands beyond the others in its ring come back?
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

-- Who waits for a type of the org, where groups do: array of {level, name, v (nil: none yet), n jobs}; at most `most`
-- groups.
function hold.members(k, org, kind, most)
    local list, plain, key = {}, k.aside_ .. org .. ':' .. kind, hold.key(k, org, kind)
    hold.each(k, org, kind, function(ids, level, name, v)
        local n = redis.call('ZCARD', ids)
        if n == 0 and group.is_out(k, org, level, name) then
            n = redis.call('LLEN', keys.ready(k, org, level) .. ':' .. name)
        end
        list[#list + 1] = { level = level, name = name, v = v, n = n }
    end, most)
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
        local low = lowest or base_of(top)
        redis.call('ZADD', h.key, 'NX', string.format('%.0f', fair.entry(h.key, plain, low, 0)), plain)
        local v = tonumber(redis.call('ZSCORE', h.key, plain)) - base_of(top) + (h.used[plain] or 0)
        list[#list + 1] = { name = plain, v = v }
    end
    table.sort(list, by_virtual_time)
    for _, m in ipairs(list) do
        flat[#flat + 1], flat[#flat + 2] = m.name, m.v
    end
    return flat
end

-- What waits at the highest level that has something, of at least `least` (nil: of any); n: for how many jobs.
local function front(h, plain_key, least, n)
    local most, window = hold.up_to(least), math.min(hold.window, n + 8) + h.n_over
    local ring = redis.pcall('ZRANGE', h.key, '-inf', most, 'BYSCORE', 'LIMIT', 0, window, 'WITHSCORES')
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
    return top < 0 and {} or members_of(h, ring, top, first == top), top
end

local function newer(a, b)
    return a.age > b.age or (a.age == b.age and id.is_after(a, b))
end

-- The newest of a group's jobs that were set aside, whatever the type, the newest first: {{id, key, age}, …}.
local function newest_aside(k, s, level, name)
    local list = {}
    for _, word in ipairs(s.view.asides) do
        local key = hold.ids(k, s.org, word, level, name)
        local flat = redis.pcall('ZRANGE', key, 0, hold.gathered - 1, 'REV', 'WITHSCORES')
        for i = 1, flat.err and 0 or #flat, 2 do
            local j = { id = flat[i], key = key, age = tonumber(flat[i + 1]) }
            j[1], j[2], j[3] = id.numbers(j.id)
            list[#list + 1] = j
        end
    end
    table.sort(list, newer)
    return list
end

-- Jobs of a group that were set aside before it had a cap: it keeps its order now, so they stand in front of its list
-- again, the oldest first, and the group waits as a whole. `gathered` of them at once; returns whether these are all.
-- Not while jobs of its list are popped, which may go back in front.
local function gather(k, st, s, level, name)
    if st.taken[s.org .. '/' .. name] then
        return false
    end
    local list, ids, gone = newest_aside(k, s, level, name), {}, {}
    for i = 1, math.min(#list, hold.gathered) do
        local j = list[i]
        ids[i], gone[j.key] = j.id, gone[j.key] or { 'ZREM', j.key }
        table.insert(gone[j.key], j.id)
    end
    if #ids > 0 then
        place.unpop(k, place.make(k, s.org, level, { g = name }), ids)
        group.put_out(k, s.org, level, { name })
    end
    for _, zrem in pairs(gone) do
        redis.call(unpack(zrem))
    end
    st.work = st.work + #s.view.asides + #ids
    return #ids == #list
end

-- A group that keeps its order is in the ring of its level again, and gives up to n jobs; returns how many, and whether
-- it waits here no more.
local function take_whole(k, st, s, kind, level, name, n)
    local left, room = group.room(st, s.org, name)
    if room <= 0 then
        group.park(k, st.now, s.org, level, { name })
        return 0, true
    elseif left <= 0 then
        return 0, false
    elseif not bring_back(k, s.org, level, name) then
        return 0, true
    end
    s.again = true -- it may have jobs of other types, and its ring was looked at before
    local g = { org = name }
    local source = { share = s, is_aside = true, group = g, level = level, tail = '  ' .. level }
    s.groups[kind].tried[level .. '/' .. name] = true
    return group.pop(k, st, source, name, math.min(n, left)), false
end

-- Up to n jobs of a member; how many ids it gave, and whether nothing is left there.
local function take_member(k, st, kind, member, n, source)
    local level, name = string.match(member, '^(%d)/(.*)$')
    local s = source.share or source
    if not level then
        return 0, true
    elseif name == '' then
        local key = k.aside_ .. s.org .. ':' .. kind
        local got = place.pop_aside(key, hold.up_to(tonumber(level)), n, st, source)
        return got, got < n
    end
    local key, is_capped = hold.ids(k, s.org, kind, level, name), st.x and limit.group_cap(st.x.L, s.org, name)
    if is_capped and redis.call('EXISTS', key) == 1 and not gather(k, st, s, level, name) then
        s.again = true
        return 0, false
    end
    local got = is_capped and 0 or place.pop_set(key, n, st, source)
    if got == 0 then
        if is_capped or group.is_out(k, s.org, level, name) then -- its own finish may have woken it meanwhile
            return take_whole(k, st, s, kind, level, name, n)
        end
        return 0, true
    end
    return got, redis.call('EXISTS', key) == 0 and not group.is_out(k, s.org, level, name)
end

-- What a visit finds out about the groups of its org that wait for a type: moves, by: what they are charged
-- (hold.charge); tried: members that keep their order and gave jobs, as long as none of these was claimed for the type,
-- or made it wait again.
local function begin(s, kind)
    s.groups = s.groups or {}
    s.groups[kind] = s.groups[kind] or { moves = {}, by = {}, tried = {} }
end

-- Takes up to n jobs of what waits for a type of the org, of at least level `least` (nil: of any): by level, and of a
-- level the groups take turns. Returns how many ids it appended to st.ids. What is claimed is charged later
-- (hold.charge).
function hold.take(k, org, kind, n, st, source, least)
    local cost = fair.micros(st.costs[kind] or fair.cost(k, kind, st.cost))
    local h, got = { key = hold.key(k, org, kind), used = {}, over = {}, n_over = 0 }, 0
    begin(source.share or source, kind)
    for _ = 1, hold.rounds do
        local flat, top = front(h, k.aside_ .. org .. ':' .. kind, least, n - got)
        if #flat == 0 or got >= n then
            break
        end
        local part = {}
        for _, m in ipairs(fair.shares(flat, nil, n - got, cost, 1)) do
            local count, is_over = take_member(k, st, kind, m.org, m.n, source)
            h.used[m.org] = (h.used[m.org] or 0) + count * cost
            got = got + count
            if is_over then
                part[#part + 1] = string.format('%.0f', base_of(top) + m.v)
                part[#part + 1] = m.org
            elseif count < m.n then
                h.over[m.org], h.n_over = true, h.n_over + 1
            end
        end
        if #part > 0 then
            fair.part(h.key, part)
        end
    end
    if not st.x then -- nothing is charged later
        hold.charge(k, org, kind, h.used, {})
    end
    return got
end

local function add_to(moves, name, us)
    moves[name] = (moves[name] or 0) + us
end

-- A job was claimed of a type for which groups of the org wait: its group pays. g: what the visit knows of these.
function hold.claimed(g, job, us)
    local level = string.format('%d', job.head[3])
    local member = level .. '/' .. job.name
    add_to(g.moves, member, us)
    g.tried[member] = nil
    if job.source.is_aside and not job.source.group then
        g.by[level] = g.by[level] or {}
        add_to(g.by[level], job.name, us)
    end
end

-- A group that gave jobs waits for the type again.
function hold.stays(s, kind, level, name)
    if s.groups and s.groups[kind] then
        s.groups[kind].tried[level .. '/' .. name] = nil
    end
end

-- Members that had claims: us by member. by: the same by level and group, of jobs that were set aside: their group has
-- had that much worker time in the ring of its level too.
function hold.charge(k, org, kind, moves, by)
    local key = hold.key(k, org, kind)
    fair.move(key, moves, hold.band, function(member)
        return low_of(key, tonumber(string.sub(member, 1, 1)))
    end)
    for level, of in pairs(by) do
        group.move(k, org, level, of)
    end
end

-- After the claims of a visit: groups that gave nothing of a type, though it was their turn, wait for something else
-- now, and not for this; who had claims pays.
function hold.settle(k, s)
    for kind, g in pairs(s.groups or {}) do
        for member in pairs(g.tried) do
            redis.call('ZREM', hold.key(k, s.org, kind), member)
        end
        if next(g.moves) then
            hold.charge(k, s.org, kind, g.moves, g.by)
        end
    end
end

-- How many of n jobs of an org, at a level, are for those that wait for a type, beside its groups that can run; nil:
-- all. others_first: as group.part has it.
function hold.part(k, org, kind, level, n, others_first)
    local most, names = hold.up_to(tonumber(level)), {}
    local key = k.aside_ .. org .. ':' .. kind
    local plain = redis.pcall('ZRANGE', key, '-inf', most, 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    if not plain.err and plain[2] then
        if level_of(tonumber(plain[2])) > tonumber(level) then
            return nil -- a higher one
        end
        names[1] = ''
    end
    local ring = hold.key(k, org, kind)
    local members = redis.pcall('ZRANGE', ring, '-inf', most, 'BYSCORE', 'LIMIT', 0, group.beside)
    for _, member in ipairs(members.err and {} or members) do
        local of_level, name = string.match(member, '^(%d)/(.*)$')
        if of_level ~= level then
            return nil
        end
        names[#names + 1] = name ~= '' and name or nil
    end
    local function has_aside(name)
        return name == '' or redis.call('EXISTS', hold.ids(k, org, kind, level, name)) == 1
    end
    local w = { held = ring, has_aside = has_aside, others_first = others_first }
    return #names > 0 and group.part(k, org, level, names, n, w) or nil
end
