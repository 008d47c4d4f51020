-- SPDX-License-Identifier: Apache-2.0
-- Groups: rings inside one level of one org, served by the same fair queueing: virtual time is worker time, in us.
-- The jobs without a group are the group '' there. A group at its cap is parked, one with a cap whose next job's type
-- may not run is held (hold.lua): it stays in the ring, beyond the others (fair.out), and keeps its virtual time.
local group = { window = 100, rounds = 10, credit = 10, hints = {}, n_hints = 0 }

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

-- A group may not run now.
function group.put_out(k, org, level, name)
    local ring = ring_of(k, org, level)
    local v = fair.reading(redis.call('ZSCORE', ring, name))
    redis.call('ZADD', ring, string.format('%.0f', fair.out + v), name)
end

-- Does it stand beyond those that may run?
function group.is_out(k, org, level, name)
    local score = redis.pcall('ZSCORE', ring_of(k, org, level), name)
    return type(score) == 'string' and not select(2, fair.reading(score))
end

-- at: a time or 'inf', as in P:parked.
function group.park(k, now, org, level, name, at)
    group.put_out(k, org, level, name)
    parked.add(k, now, group.parked(org, level, name), at)
end

-- What a job of the org's groups is expected to take, in us: as the last ones were; else ms, that of any job.
local function hint_of(k, org, ms)
    return group.hints[k.ring .. org] or fair.micros(ms or fair.cost(k, fair.any))
end

local function remember(k, org, cost)
    local name = k.ring .. org
    if not group.hints[name] then
        if group.n_hints >= 5000 then -- a bound on memory
            group.hints, group.n_hints = {}, 0
        end
        group.n_hints = group.n_hints + 1
    end
    group.hints[name] = cost
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
    local v = math.max(fair.reading(score), fair.floor(ring) - group.credit * hint_of(k, org))
    redis.call('ZADD', ring, string.format('%.0f', v), name)
    levels.add(k, org, string.char(97 + tonumber(level)))
    return true
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

-- Groups of a level had so much more or less worker time than they were charged: us by group.
function group.move(k, org, level, moves)
    fair.move(ring_of(k, org, level), moves, fair.band)
end

-- What was taken was charged as expected; now that the types are known, as they say. sources: of what a pass took from
-- groups; spent: ms of what was claimed.
function group.settle(k, sources)
    local moves = {}
    for _, source in ipairs(sources) do
        local g, org = source.group, source.share.org
        local off, ring = fair.micros(g.spent) - g.charged, ring_of(k, org, source.level)
        if g.valid > 0 then
            remember(k, org, fair.micros(g.spent) / g.valid)
        end
        if math.abs(off) >= 1 then
            moves[ring] = moves[ring] or {}
            moves[ring][g.org] = (moves[ring][g.org] or 0) + off
        end
    end
    for ring, of in pairs(moves) do
        fair.move(ring, of, fair.band)
    end
end

-- Returns how many ids it took, and whether the group leaves the ring: true, or 'stays' as it is. One that ran empty
-- stays once more, so that who gets a job at a time does not come back with nothing to pay. What this pass took already
-- is not in the counters yet.
local function take_one(k, s, e, list, g, want, st, cost)
    local n, name = math.min(g.n, want), s.org .. '/' .. g.org
    if st.x and g.org ~= '' then
        local room, taken = limit.group_room(st.x, s.org, g.org), st.taken[name] or 0
        if room <= 0 then
            group.park(k, st.x.now, s.org, e.level, g.org, 'inf')
            return 0, 'stays'
        elseif room <= taken then
            s.again = true
            return 0, 'stays'
        end
        n = math.min(n, room - taken)
    end
    local source = { share = s, group = g, level = e.level, tail = '  ' .. e.level }
    local got = place.pop(g.org == '' and list or list .. ':' .. g.org, n, st, source)
    st.taken[name] = (st.taken[name] or 0) + got
    if got > 0 then
        g.charged, g.spent, g.valid = got * cost, 0, 0
        st.of_groups[#st.of_groups + 1] = source
    end
    return got, got == 0
end

-- Takes up to want ids; e: the entry of the org's view.
function group.take(k, s, e, want, st)
    local ring, list = ring_of(k, s.org, e.level), keys.ready(k, s.org, e.level)
    local got, rounds, full, cost = 0, 0, {}, hint_of(k, s.org, st.cost)
    while got < want and rounds < group.rounds do
        local flat = read_ring(ring, list, full)
        if #flat == 0 then
            break
        end
        local put, drop = { 'ZADD', ring }, { 'ZREM', ring }
        for _, g in ipairs(fair.shares(flat, nil, want - got, cost, 1)) do
            local count, leaves = take_one(k, s, e, list, g, want - got, st, cost)
            got = got + count
            if leaves == 'stays' then
                full[g.org] = true
            elseif leaves then
                drop[#drop + 1] = g.org
            else
                put[#put + 1], put[#put + 2] = string.format('%.0f', g.v + count * cost), g.org
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
