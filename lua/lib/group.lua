-- SPDX-License-Identifier: Apache-2.0
-- Groups: rings inside one level of one org, served by the same fair queueing: virtual time is worker time, in us.
-- The jobs without a group are the group '' there. A group at its cap is parked, one with a cap whose next job's type
-- may not run is held (hold.lua): it stays in the ring, beyond the others (fair.out), and keeps its virtual time.
local group = { window = 100, rounds = 10, credit = 10, beside = 16 }
local hints = cache.new(1000)

local function ring_of(k, org, level)
    return k.groups_ .. org .. ':' .. level
end

function group.parked(org, level, name)
    return 'org/' .. org .. '/group/' .. level .. '/' .. name
end

-- Names of the groups with jobs in a level of an org, also parked ones, without ''; at most `most` (nil: all).
function group.all(k, org, level, most)
    local names, last = {}, most and string.format('%d', most - 1) or -1
    for _, name in ipairs(redis.call('ZRANGE', ring_of(k, org, level), 0, last)) do
        if name ~= '' then
            names[#names + 1] = name
        end
    end
    return names
end

-- Up to n of those that may not run now.
function group.all_out(k, org, level, n)
    local from = string.format('%.0f', fair.out)
    local names = redis.pcall('ZRANGE', ring_of(k, org, level), from, '+inf', 'BYSCORE', 'LIMIT', 0, n)
    return names.err and {} or names
end

-- Up to n of those that may run now, in order: flat {name, virtual time, …}.
function group.first(k, org, level, n)
    local out = string.format('(%.0f', fair.out)
    local flat = redis.pcall('ZRANGE', ring_of(k, org, level), '-inf', out, 'BYSCORE', 'LIMIT', 0, n, 'WITHSCORES')
    return flat.err and {} or flat
end

-- Groups have nothing more: flat {virtual time, name, …}.
function group.leave(k, org, level, flat)
    fair.part(ring_of(k, org, level), flat)
end

-- These groups may not run now.
function group.put_out(k, org, level, names)
    local ring, add, missing = ring_of(k, org, level), {}, {}
    for i, score in ipairs(redis.call('ZMSCORE', ring, unpack(names))) do
        if score then
            add[#add + 1], add[#add + 2] = string.format('%.0f', fair.out + fair.reading(score)), names[i]
        else
            missing[#missing + 1] = names[i]
        end
    end
    for i, v in ipairs(#missing > 0 and fair.entries(ring, missing, fair.floor(ring), 0) or {}) do
        add[#add + 1], add[#add + 2] = string.format('%.0f', fair.out + v), missing[i]
    end
    redis.call('ZADD', ring, unpack(add))
end

-- Does it stand beyond those that may run?
function group.is_out(k, org, level, name)
    local score = redis.pcall('ZSCORE', ring_of(k, org, level), name)
    return type(score) == 'string' and not select(2, fair.reading(score))
end

-- These are at their caps: until something frees them.
function group.park(k, now, org, level, names)
    local list = {}
    for i, name in ipairs(names) do
        list[i] = { member = group.parked(org, level, name), at = 'inf' }
    end
    group.put_out(k, org, level, names)
    parked.add_all(k, now, list)
end

-- What a job of the org's groups is expected to take, in us: as the last ones were; else ms, that of any job.
local function hint_of(k, org, ms)
    return cache.get(hints, k.ring .. org) or fair.micros(ms or fair.cost(k, fair.any))
end

local function remember(k, org, cost)
    cache.put(hints, k.ring .. org, cost)
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
    local low, credit = fair.floor(ring), group.credit * hint_of(k, org)
    local v = score and math.max(fair.reading(score), low - credit) or fair.entry(ring, name, low, credit)
    redis.call('ZADD', ring, string.format('%.0f', math.max(v, 0)), name)
    levels.add(k, org, string.char(97 + tonumber(level)))
    return true
end

-- A group has jobs in a level: it enters its ring, unless it is there.
function group.enter(ring, name)
    redis.call('ZADD', ring, 'NX', string.format('%.0f', fair.entry(ring, name, fair.floor(ring), 0)), name)
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
        local v, at = fair.entry(ring, '', tonumber(flat[2] or 0), 0), 1
        while flat[at] and tonumber(flat[at + 1]) < v do
            at = at + 2
        end
        table.insert(flat, at, v)
        table.insert(flat, at, '')
    end
    return flat
end

-- Groups of a level had so much more or less worker time than they were charged: us by group.
function group.move(k, org, level, moves)
    local ring = ring_of(k, org, level)
    fair.move(ring, moves, fair.band, function()
        return fair.floor(ring)
    end)
end

-- Groups that wait for a type, as {name, v}, and the set of their names; low: the lowest virtual time in their ring;
-- held, prefix: the ring of those that wait and how members of this level begin there; has_aside(name): are jobs of it
-- set aside? One without any that is in no ring has nothing: it would hide those behind it.
local function waiting_of(ring, names, low, held, prefix, has_aside)
    local list, is_waiting = {}, {}
    local scores, left = redis.call('ZMSCORE', ring, unpack(names)), fair.entries(ring, names, low, 0)
    for i, name in ipairs(names) do
        if scores[i] or has_aside(name) then
            list[#list + 1] = { name = name, v = scores[i] and fair.reading(scores[i]) or left[i] }
            is_waiting[name] = true
        else
            redis.call('ZREM', held, prefix .. name)
        end
    end
    return list, is_waiting
end

-- Adds those that can run, flat {name, score, …}; they may wait for the type as well, further behind: held, its ring.
-- others_first: one that waits and can run does not count as waiting now, or its other jobs would never come.
local function add_running(list, is_waiting, level, held, flat, others_first)
    local members, from = {}, #list
    for i = 1, #flat, 2 do
        local v, may_run = fair.reading(flat[i + 1])
        if may_run and not is_waiting[flat[i]] then
            list[#list + 1], members[#members + 1] = { name = flat[i], v = v }, level .. '/' .. flat[i]
        elseif may_run and others_first then
            is_waiting[flat[i]] = nil
        end
    end
    local scores = #members > 0 and redis.pcall('ZMSCORE', held, unpack(members)) or {}
    for i = 1, scores.err and 0 or #members do
        is_waiting[list[from + i].name] = scores[i] and true or nil
    end
end

-- Of the next n jobs of a level, how many are the turn of groups that wait for a type, beside those of its ring; nil:
-- all. names: the first ones that wait; w: held: the ring of all of them (hold.lua), has_aside: see waiting_of,
-- others_first: see add_running.
function group.part(k, org, level, names, n, w)
    local ring, flat, low, is_in = ring_of(k, org, level), {}, 0, false
    local first = redis.pcall('ZRANGE', ring, 0, math.min(n, group.beside), 'WITHSCORES')
    if not first.err and first[2] then
        low, is_in = fair.reading(first[2])
    end
    if not is_in then
        return nil -- nobody is there
    end
    local list, is_waiting = waiting_of(ring, names, low, w.held, level .. '/', w.has_aside)
    if #list == 0 then
        return nil
    end
    add_running(list, is_waiting, level, w.held, first, w.others_first)
    table.sort(list, function(a, b)
        return a.v < b.v or (a.v == b.v and a.name < b.name)
    end)
    for i, m in ipairs(list) do
        flat[2 * i - 1], flat[2 * i] = m.name, m.v
    end
    local sum = 0
    for _, m in ipairs(fair.shares(flat, nil, n, hint_of(k, org), 1)) do
        sum = sum + (is_waiting[m.org] and m.n or 0)
    end
    return sum < n and sum or nil
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
        fair.move(ring, of, fair.band, function()
            return fair.floor(ring)
        end)
    end
end

-- Pops up to n ids of a group's list for a share; charged: us that its ring was or will be told.
function group.pop(k, st, source, name, n)
    local s, g = source.share, source.group
    local list = keys.ready(k, s.org, source.level)
    local got = place.pop(name == '' and list or list .. ':' .. name, n, st, source)
    local line = s.org .. '/' .. name
    st.taken[line] = (st.taken[line] or 0) + got
    if got > 0 then
        g.charged, g.spent, g.valid = got * (g.each or 0), 0, 0
        st.of_groups[#st.of_groups + 1] = source
    end
    return got
end

-- How many jobs of a group its cap admits still; what this pass took already is not in the counters yet.
function group.room(st, org, name)
    if not st.x or name == '' then
        return math.huge, math.huge
    end
    local room = limit.group_room(st.x, org, name)
    return room - (st.taken[org .. '/' .. name] or 0), room
end

-- Returns how many ids it took; 'stays' when it may give none now; and whether nothing is left there. full: gets its
-- name if it is at its cap.
local function take_one(k, s, e, g, want, st, full)
    local n = math.min(g.n, want)
    local left, room = group.room(st, s.org, g.org)
    if room <= 0 then
        full[#full + 1] = g.org
        return 0, 'stays'
    elseif left <= 0 then
        s.again = true
        return 0, 'stays'
    end
    n = math.min(n, left)
    local got = group.pop(k, st, { share = s, group = g, level = e.level, tail = '  ' .. e.level }, g.org, n)
    return got, nil, got < n
end

-- Those of these groups that have nothing more leave the ring; scores: by name.
local function part_empty(k, s, e, ring, scores)
    local names, lists, flat = {}, { 'EXISTS' }, {}
    local list = keys.ready(k, s.org, e.level)
    for name in pairs(scores) do
        names[#names + 1] = name
        lists[#lists + 1] = name == '' and list or list .. ':' .. name
    end
    if #names == 0 then
        return
    end
    local there = redis.call(unpack(lists))
    for i, name in ipairs(there < #names and names or {}) do
        if there == 0 or redis.call('EXISTS', lists[i + 1]) == 0 then
            flat[#flat + 1], flat[#flat + 2] = scores[name], name
        end
    end
    if #flat > 0 then
        fair.part(ring, flat)
    end
end

-- Takes up to want ids; e: the entry of the org's view.
function group.take(k, s, e, want, st)
    local ring, list = ring_of(k, s.org, e.level), keys.ready(k, s.org, e.level)
    local got, rounds, full, cost, scores = 0, 0, {}, hint_of(k, s.org, st.cost), {}
    while got < want and rounds < group.rounds do
        local flat = read_ring(ring, list, full)
        if #flat == 0 then
            break
        end
        local put, part, capped = { 'ZADD', ring }, {}, {}
        local shares = fair.shares(flat, nil, want - got, cost, 1)
        if st.x then
            limit.read_groups(st.x, s.org, shares)
        end
        for _, g in ipairs(shares) do
            g.each = cost
            local count, stays, is_empty = take_one(k, s, e, g, want - got, st, capped)
            local score = string.format('%.0f', g.v + count * cost)
            got = got + count
            if stays then
                full[g.org] = true
            elseif is_empty then
                part[#part + 1], part[#part + 2], scores[g.org] = score, g.org, nil
            else
                put[#put + 1], put[#put + 2], scores[g.org] = score, g.org, score
            end
        end
        if #put > 2 then
            redis.call(unpack(put))
        end
        if #capped > 0 then
            group.park(k, st.now, s.org, e.level, capped)
            st.work = st.work + 2 * #capped -- claim.lua
        end
        if #part > 0 then
            fair.part(ring, part)
        end
        rounds = rounds + 1
    end
    part_empty(k, s, e, ring, scores)
    s.again = s.again or (rounds == group.rounds and got < want)
    return got
end
