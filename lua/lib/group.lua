-- SPDX-License-Identifier: Apache-2.0
-- Groups: rings inside one level of one org, served by the same fair queueing. The jobs without a
-- group are the group '' there. A group at its cap leaves the ring for P:parked.
local group = { window = 100 }

local function ring_of(k, org, level)
    return k.groups_ .. org .. ':' .. level
end

function group.parked(org, level, name)
    return 'org/' .. org .. '/group/' .. level .. '/' .. name
end

-- Names of all groups with jobs in a level of an org, also parked ones, without ''.
function group.all(k, org, level)
    local names, seen = {}, {}
    for _, name in ipairs(redis.call('ZRANGE', ring_of(k, org, level), 0, -1)) do
        if name ~= '' then
            names[#names + 1], seen[name] = name, true
        end
    end
    local prefix = group.parked(org, level, '')
    for _, member in ipairs(redis.call('ZRANGE', k.parked, 0, -1)) do
        if string.sub(member, 1, #prefix) == prefix and not seen[string.sub(member, #prefix + 1)] then
            names[#names + 1] = string.sub(member, #prefix + 1)
        end
    end
    return names
end

-- The ring with the jobs without a group in it.
local function read(k, ring, list)
    local flat = redis.call('ZRANGE', ring, 0, group.window - 1, 'WITHSCORES')
    for i = 1, #flat, 2 do
        if flat[i] == '' then
            return flat
        end
    end
    if redis.call('EXISTS', list) == 1 then
        table.insert(flat, 1, flat[2] or '0')
        table.insert(flat, 1, '')
    end
    return flat
end

local function take_one(k, s, e, list, g, want, st)
    local n = g.n
    if st.x and g.org ~= '' then
        n = math.min(n, limit.group_room(st.x, s.org, g.org))
        if n <= 0 then
            parked.add(k, st.x.now, group.parked(s.org, e.level, g.org), 'inf')
            return 0, true
        end
    end
    local source = { share = s, group = g, level = e.level }
    local got = place.pop(g.org == '' and list or list .. ':' .. g.org, math.min(n, want), st, source)
    return got, got < math.min(n, want)
end

-- Takes up to want ids; e: the entry of the org's view.
function group.take(k, s, e, want, st)
    local ring, list = ring_of(k, s.org, e.level), keys.ready(k, s.org, e.level)
    local got, rounds = 0, 0
    while got < want and rounds < 10 do
        local flat = read(k, ring, list)
        if #flat == 0 then
            break
        end
        local put, drop = { 'ZADD', ring }, { 'ZREM', ring }
        for _, g in ipairs(fair.shares(flat, nil, want - got, 1)) do
            local count, leaves = take_one(k, s, e, list, g, want - got, st)
            got = got + count
            if leaves then
                drop[#drop + 1] = g.org
            else
                put[#put + 1], put[#put + 2] = fair.text(g.v + count), g.org
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
    return got
end
