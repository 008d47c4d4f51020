-- SPDX-License-Identifier: Apache-2.0
-- Groups: rings inside one level of one org, served by the same fair queueing. The jobs without a
-- group are the group '' there. A group at its cap is parked, one with a cap whose next job's type may not run is
-- held: it stays in the ring, beyond the others (fair.out), and keeps its virtual time.
local group = { window = 100, rounds = 10, credit = 10 }

local function ring_of(k, org, level)
    return k.groups_ .. org .. ':' .. level
end

function group.parked(org, level, name)
    return 'org/' .. org .. '/group/' .. level .. '/' .. name
end

-- Names of all groups with jobs in a level of an org, also parked ones, without ''.
function group.all(k, org, level)
    local names = {}
    for _, name in ipairs(redis.call('ZRANGE', ring_of(k, org, level), 0, -1)) do
        if name ~= '' then
            names[#names + 1] = name
        end
    end
    return names
end

-- A group may not run now; `back` of its jobs were taken in vain. Returns its virtual time.
local function put_out(k, org, level, name, back)
    local ring = ring_of(k, org, level)
    local v = math.max(fair.reading(redis.call('ZSCORE', ring, name)) - back, 0)
    redis.call('ZADD', ring, string.format('%.0f', fair.out + v), name)
    return v
end

-- Does it stand beyond those that may run?
function group.is_out(k, org, level, name)
    local score = redis.pcall('ZSCORE', ring_of(k, org, level), name)
    return type(score) == 'string' and not select(2, fair.reading(score))
end

-- at: a time or 'inf', as in P:parked.
function group.park(k, now, org, level, name, at, back)
    put_out(k, org, level, name, back)
    parked.add(k, now, group.parked(org, level, name), at)
end

local function held_key(k, org, word)
    return k.held_ .. org .. ':' .. word
end

-- The next job of a capped group may not run: the group keeps its order and waits for the type, as set-aside jobs
-- do: by level, and of a level by virtual time.
function group.hold(k, org, level, name, kind, back)
    local v = put_out(k, org, level, name, back)
    local score = string.format('%.0f', (9 - tonumber(level)) * 1e14 + math.min(v, 1e13))
    local word = levels.add_aside(k, org, kind)
    local key = held_key(k, org, word)
    if word ~= levels.rest then
        turns.join(k, kind, org)
    end
    if type(redis.pcall('ZADD', key, score, level .. '/' .. name)) ~= 'number' then
        redis.call('DEL', key) -- not ours
        redis.call('ZADD', key, score, level .. '/' .. name)
    end
end

-- A group that was parked or held runs again, if it has jobs: where it was, so that no name decides who comes first,
-- but at most `credit` jobs behind the others, who did not wait for it.
function group.revive(k, org, level, name)
    local ring = ring_of(k, org, level)
    local score = redis.pcall('ZSCORE', ring, name)
    if type(score) == 'table' then
        return false -- not ours
    end
    redis.call('ZREM', ring, name)
    if redis.call('EXISTS', keys.ready(k, org, level) .. ':' .. name) == 0 then
        return false
    end
    local v = math.max(fair.reading(score), fair.floor(ring) - group.credit)
    redis.call('ZADD', ring, string.format('%.0f', v), name)
    levels.add(k, org, string.char(97 + tonumber(level)))
    return true
end

-- The type of up to n held groups of at least this level (nil: of any) admits something: they run again. Returns how
-- many.
function group.resume(k, org, word, n, level)
    local key = held_key(k, org, word)
    local most = level and string.format('(%.0f', (10 - level) * 1e14) or '+inf'
    local members = redis.pcall('ZRANGE', key, '-inf', most, 'BYSCORE', 'LIMIT', 0, n)
    if members.err or #members == 0 then
        return 0
    end
    redis.call('ZREM', key, unpack(members))
    for _, member in ipairs(members) do
        local of_level, name = string.match(member, '^(%d)/(.*)$')
        if of_level then
            group.revive(k, org, of_level, name)
        end
    end
    return #members
end

-- The cap of one group changed.
function group.resume_one(k, org, name)
    local any = false
    for level = 0, 9 do
        any = group.unhold(k, org, string.format('%d', level), name) or any
    end
    if any then
        fair.enter(k, { org })
    end
end

-- The cap of all groups changed: all held ones are looked at again. O(orgs with set-aside jobs + held groups).
function group.resume_all(k)
    local flat = redis.call('HGETALL', k.levels)
    for i = 1, #flat, 2 do
        local any = false
        for _, word in ipairs(levels.view(flat[i + 1]).asides) do
            any = group.resume(k, flat[i], word, 5000) > 0 or any
        end
        if any then
            fair.enter(k, { flat[i] })
        end
    end
end

-- Another job is the first of a group now: it may wait for its type in vain. Returns whether it runs again.
function group.unhold(k, org, level, name)
    if not group.is_out(k, org, level, name) then
        return false
    end
    for _, word in ipairs(levels.of(k, org).asides) do
        if redis.pcall('ZREM', held_key(k, org, word), level .. '/' .. name) == 1 then
            return group.revive(k, org, level, name)
        end
    end
    return false
end

-- A waiting job went otherwise than by a claim.
function group.look_again(k, now, head)
    local o = head[4]
    if o and o.g and group.unhold(k, head[2], string.format('%d', head[3]), o.g) then
        fair.enter(k, { head[2] })
        bell.ring(k, now)
    end
end

-- Does a group that stands beyond the others in its ring come back: is it parked, or held for a type of the org?
function group.comes_back(k, org, level, name)
    if not group.is_out(k, org, level, name) then
        return true
    end
    if redis.call('ZSCORE', k.parked, group.parked(org, level, name)) then
        return true
    end
    for _, word in ipairs(levels.of(k, org).asides) do
        if redis.call('ZSCORE', held_key(k, org, word), level .. '/' .. name) then
            return true
        end
    end
    return false
end

-- Those of the ring that are not parked or full already, with the jobs without a group.
local function read_ring(ring, list, full)
    local flat, has_plain = {}, false
    local members = redis.pcall('ZRANGE', ring, 0, group.window - 1, 'WITHSCORES')
    if members.err then
        return flat
    end
    for i = 1, #members, 2 do
        if not select(2, fair.reading(members[i + 1])) then
            break
        end
        if not full[members[i]] then
            flat[#flat + 1], flat[#flat + 2] = members[i], members[i + 1]
        end
        has_plain = has_plain or members[i] == ''
    end
    if has_plain then
        return flat
    end
    if redis.call('EXISTS', list) == 1 then
        table.insert(flat, 1, flat[2] or '0')
        table.insert(flat, 1, '')
    end
    return flat
end

-- Jobs that were taken in vain are not charged: sources whose group has `vain`.
function group.take_back(k, sources)
    for _, source in ipairs(sources) do
        local g = source.group
        redis.call('ZADD', ring_of(k, source.share.org, source.level), 'XX', 'INCR', -g.vain, g.org)
    end
end

-- Returns how many ids it took, and whether the group leaves the ring: true, or 'stays' as it is. What this
-- pass took already is not in the counters yet.
local function take_one(k, s, e, list, g, want, st)
    local n, name = math.min(g.n, want), s.org .. '/' .. g.org
    if st.x and g.org ~= '' then
        local room, taken = limit.group_room(st.x, s.org, g.org), st.taken[name] or 0
        if room <= 0 then
            group.park(k, st.x.now, s.org, e.level, g.org, 'inf', 0)
            return 0, 'stays'
        elseif room <= taken then
            s.again = true
            return 0, 'stays'
        end
        n = math.min(n, room - taken)
    end
    local source = { share = s, group = g, level = e.level }
    local got = place.pop(g.org == '' and list or list .. ':' .. g.org, n, st, source)
    st.taken[name] = (st.taken[name] or 0) + got
    return got, got < n
end

-- Takes up to want ids; e: the entry of the org's view.
function group.take(k, s, e, want, st)
    local ring, list = ring_of(k, s.org, e.level), keys.ready(k, s.org, e.level)
    local got, rounds, full = 0, 0, {}
    while got < want and rounds < group.rounds do
        local flat = read_ring(ring, list, full)
        if #flat == 0 then
            break
        end
        local put, drop = { 'ZADD', ring }, { 'ZREM', ring }
        for _, g in ipairs(fair.shares(flat, nil, want - got, 1, 1)) do
            local count, leaves = take_one(k, s, e, list, g, want - got, st)
            got = got + count
            if leaves == 'stays' then
                full[g.org] = true
            elseif leaves then
                drop[#drop + 1] = g.org
            else
                put[#put + 1], put[#put + 2] = g.v + count, g.org
            end
        end
        if #put > 2 then
            redis.call(unpack(put))
        end
        if #drop > 2 then
            redis.call(unpack(drop))
        end
        rounds = rounds + 1
    end
    s.again = s.again or (rounds == group.rounds and got < want)
    return got
end
