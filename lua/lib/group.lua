-- SPDX-License-Identifier: Apache-2.0
-- Groups: rings inside one level of one org, served by the same fair queueing. The jobs without a
-- group are the group '' there. A group at its cap is parked: it stays in the ring, at 'inf'.
local group = { window = 100, rounds = 10 }

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

-- at: a time or 'inf', as in P:parked.
function group.park(k, now, org, level, name, at)
    redis.call('ZADD', ring_of(k, org, level), 'inf', name)
    parked.add(k, now, group.parked(org, level, name), at)
end

-- Those of the ring that are not parked or full already, with the jobs without a group.
local function read_ring(ring, list, full)
    local flat, has_plain = {}, false
    local members = redis.pcall('ZRANGE', ring, 0, group.window - 1, 'WITHSCORES')
    if members.err then
        return flat
    end
    for i = 1, #members, 2 do
        if members[i + 1] == 'inf' then
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

-- Returns how many ids it took, and whether the group leaves the ring: true, or 'stays' as it is. What this
-- pass took already is not in the counters yet.
local function take_one(k, s, e, list, g, want, st)
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
