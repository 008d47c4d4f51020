-- SPDX-License-Identifier: Apache-2.0
-- Who comes next: start-time fair queueing (Goyal, Vin, Cheng 1996) over a ring, in batches.
-- Virtual time is worker time over weight, in whole ns (what is no integer is slow in Redis).
-- Instead of serving the member with the lowest virtual time again and again, the level is computed
-- to which `need` jobs raise the lowest ones (water-filling), and each member below it takes its
-- share at once.
-- What a member was charged at its claim is corrected at the finish (fair.correct).
-- fair.any: the field of P:types that stands for jobs of any type.
local fair = {
    grain = 100, credit = 1000, remembered = 1000, left_ms = 3600000, leaves = 0, any = '*',
}

-- n jobs are the turn of a member. All fields at once: a table that grows is dear.
function fair.share(org, v, w, n)
    return {
        org = org, v = v, w = w, n = n, view = false, valid = 0, got = 0, wanted = 0, spent = 0, bytes = 0,
        kind = false, cost = 0, value = false, start = false, tail = '', room = 0,
    }
end

-- ring: flat {member, virtual time, …} ascending. weights: member -> number or nil. cost: what a
-- job is expected to take. least: no member takes fewer jobs than this. Returns an array of
-- {org, v, w, n}: n jobs to take; their sum is need (or less when ring is empty).
function fair.shares(ring, weights, need, cost, least)
    local list, sum_w, sum_wv, level = {}, 0, 0, 0
    for i = 1, #ring, 2 do
        local v, w = tonumber(ring[i + 1]), weights and weights[ring[i]] or 1
        if #list > 0 and v >= level then
            break -- even the lowest ones do not rise this far
        end
        list[#list + 1] = fair.share(ring[i], v, w, 0)
        sum_w, sum_wv = sum_w + w, sum_wv + w * v
        level = (need * cost + sum_wv) / sum_w
    end
    local left = need
    for i, s in ipairs(list) do
        s.n = math.min(left, math.ceil((level - s.v) * s.w / cost - 1e-9))
        if s.n < least then
            s.n = math.min(left, least)
        end
        left = left - s.n
        if left <= 0 then
            for j = #list, i + 1, -1 do
                list[j] = nil
            end
            break
        end
    end
    return list
end

-- How many jobs a member takes at least when a call wants so many of this cost (ms): visits are what a claim
-- of many short jobs costs. Nobody gets further ahead by it than fair.grain of worker time.
function fair.least(want, cost)
    local members = want > 128 and 2 or want > 32 and 4 or 16
    return math.min(math.ceil(want / members), math.max(math.floor(fair.grain / cost), 1))
end

-- Weights of these orgs, nil when none are set.
function fair.weights(k, orgs)
    if redis.call('EXISTS', k.weights) == 0 then
        return nil
    end
    local values, weights = redis.call('HMGET', k.weights, unpack(orgs)), {}
    for i, org in ipairs(orgs) do
        local w = tonumber(values[i] or 1)
        weights[org] = w and w >= 0.001 and w <= 1000 and w or 1
    end
    return weights
end

-- Members of a ring of groups that may not run now stand at this and their virtual time (revision 3: at 'inf').
fair.out = 2 ^ 52

-- The virtual time of a score in a ring of groups, and whether the member may run.
function fair.reading(score)
    local v = tonumber(score)
    if not v or v == math.huge then
        return 0, false
    end
    return v >= fair.out and v - fair.out or v, v < fair.out
end

-- Where the band begins in which a score of such a ring lies, and how far virtual times reach in it.
function fair.band(score)
    return score < fair.out and 0 or fair.out, fair.out
end

-- What those reached that left a ring of groups, having nothing more: kept while others are in it, of the last ones.
function fair.left_of(ring)
    return ring .. ':left'
end

-- flat: {score, name, …}
local function remember_left(ring, flat)
    local left = fair.left_of(ring)
    redis.call('ZADD', left, unpack(flat))
    redis.call('ZREMRANGEBYRANK', left, 0, -1 - fair.remembered)
    redis.call('PEXPIRE', left, fair.left_ms)
end

-- Members leave: flat {score, name, …}.
function fair.part(ring, flat)
    local names = {}
    for i = 2, #flat, 2 do
        names[#names + 1] = flat[i]
    end
    redis.call('ZREM', ring, unpack(names))
    local left = fair.left_of(ring)
    if type(redis.pcall('ZCARD', left)) ~= 'number' then
        redis.call('DEL', left) -- not ours
    end
    if redis.call('EXISTS', ring) == 1 then
        remember_left(ring, flat)
    else
        redis.call('DEL', left)
    end
end

-- The score at which a member enters or comes back: the lowest there, `low`, or where it left: higher, or so much
-- lower.
function fair.entry(ring, name, low, credit)
    local score = redis.pcall('ZSCORE', fair.left_of(ring), name)
    local left = type(score) == 'string' and tonumber(score)
    return left and math.max(left, low - credit) or low
end

-- The same of several: an array.
function fair.entries(ring, names, low, credit)
    local scores, list = redis.pcall('ZMSCORE', fair.left_of(ring), unpack(names)), {}
    for i = 1, #names do
        local left = not scores.err and tonumber(scores[i] or '')
        list[i] = left and math.max(left, low - credit) or low
    end
    return list
end

-- Of those that are not in the ring: where they left it, or at its lowest, is added to, so that they do not come back
-- with nothing to pay. low_of(name): the lowest score for a member, nil when nobody is there.
local function move_left(ring, moves, names, low_of)
    local put, scores = {}, redis.pcall('ZMSCORE', fair.left_of(ring), unpack(names))
    for i, name in ipairs(names) do
        local at = not scores.err and tonumber(scores[i] or '') or moves[name] > 0 and low_of(name)
        if at then
            put[#put + 1], put[#put + 2] = string.format('%.0f', math.max(at + moves[name], 0)), name
        end
    end
    if #put > 0 and not scores.err then
        remember_left(ring, put)
    end
end

-- Virtual times in a ring of groups move by so many us: moves: {member = us}. band: as fair.band.
function fair.move(ring, moves, band, low_of)
    local names, out, put = {}, {}, { 'ZADD', ring, 'XX' }
    for name in pairs(moves) do
        names[#names + 1] = name
    end
    local scores = redis.pcall('ZMSCORE', ring, unpack(names))
    if scores.err then
        return
    end
    for i, name in ipairs(names) do
        local score = tonumber(scores[i] or '')
        if score then
            local from, span = band(score)
            local v = math.max(math.min(score + moves[name], from + span - 1), from)
            put[#put + 1], put[#put + 2] = string.format('%.0f', v), name
        else
            out[#out + 1] = name
        end
    end
    if #put > 3 then
        redis.call(unpack(put))
    end
    if #out > 0 and redis.call('EXISTS', ring) == 1 then
        move_left(ring, moves, out, low_of)
    end
end

-- The virtual time at which a group enters a ring: the lowest in it.
function fair.floor(ring)
    return (fair.reading(redis.call('ZRANGE', ring, '0', '0', 'WITHSCORES')[2]))
end

-- The virtual time of now: the lowest in the ring; while it is empty and somebody waits outside, what was reached;
-- else a new round begins at 0. As text.
local function now_of(k)
    local lowest = redis.call('ZRANGE', k.ring, '0', '0', 'WITHSCORES')[2]
    return lowest or redis.call('ZSCORE', k.left, '') or '0'
end

-- What a claim of a type is charged, in ms: its expected run time, rounded as the value of the claim says it.
-- other: that of a type without any.
function fair.cost(k, kind, other)
    local mean = tonumber(redis.call('HGET', k.types, kind) or '') or other or 1
    return math.max(math.floor(mean * 10 + 0.5) / 10, 0.1)
end

-- ms in the unit of virtual times of orgs, and of groups.
function fair.units(ms)
    return ms * 1e6
end

function fair.micros(ms)
    return ms * 1000
end

-- The virtual time v, ms later, as text.
function fair.after(v, ms)
    return string.format('%d', math.max(v + ms * 1e6, 0))
end

-- How far below the others an org may be that comes back from being parked, in virtual time of weight 1: a second, or
-- ten jobs. What it was owed when it was at its cap for a moment is not lost; a cap that is always reached saves no
-- more up.
local function credit_of(k)
    return fair.units(math.max(fair.credit, 10 * fair.cost(k, fair.any)))
end

-- Orgs that have something to run enter the ring: at its lowest virtual time, or where they left it
-- when that is higher. Those that are in it stay where they are. Returns how many were not in it.
function fair.enter(k, orgs)
    local floor, add = now_of(k), { 'ZADD', k.ring, 'NX' }
    keys.widen_set(k.ring, #orgs)
    local left = floor ~= '0' and redis.call('EXISTS', k.left) == 1 and redis.call('ZMSCORE', k.left, unpack(orgs))
    local lowest = tonumber(floor)
    for i, org in ipairs(orgs) do
        local v = left and left[i] and tonumber(left[i]) or 0
        add[2 * i + 2], add[2 * i + 3] = v > lowest and left[i] or floor, org
    end
    return redis.call(unpack(add))
end

-- One that was parked comes back: where it left, also when that is a little below the others (credit_of).
function fair.come_back(k, org)
    local floor, left = tonumber(now_of(k)), tonumber(redis.call('ZSCORE', k.left, org) or '')
    if not left or left >= floor then
        return fair.enter(k, { org })
    end
    local weights = fair.weights(k, { org })
    local v = math.max(left, floor - credit_of(k) / (weights and weights[org] or 1))
    redis.call('ZADD', k.ring, 'NX', string.format('%.0f', v), org)
end

local function reached(flat)
    local v = 0
    for i = 1, #flat, 2 do
        v = math.max(v, tonumber(flat[i]))
    end
    return string.format('%d', v)
end

-- Now and then, what is far below the virtual time of now goes from P:left: who comes back enters higher anyway.
local function trim_left(k)
    fair.leaves = (fair.leaves + 1) % 32
    if fair.leaves == 0 then
        local below = string.format('(%.0f', tonumber(now_of(k)) - credit_of(k))
        local old = redis.call('ZRANGE', k.left, '-inf', below, 'BYSCORE', 'LIMIT', 0, 5000)
        if #old > 0 then
            redis.call('ZREM', k.left, unpack(old))
        end
    end
end

-- An org of another weight now keeps no more of its lead than that makes of it: who was served at a weight that was too
-- small does not wait for all that time.
function fair.reweigh(k, org, old, new)
    local ratio = math.min(old / new, 1)
    local floor = tonumber(now_of(k))
    for _, key in ipairs({ k.ring, k.left }) do
        local v = tonumber(redis.call('ZSCORE', key, org) or '')
        if v and v > floor and ratio < 1 then
            redis.call('ZADD', key, 'XX', string.format('%.0f', floor + (v - floor) * ratio), org)
        end
    end
    return ratio
end

-- Orgs leave the ring: flat {virtual time, org, …} goes to P:left. When nobody is left in the ring and nobody is
-- parked, nobody is owed anything: a new round begins. Member '': what was reached when the ring ran empty.
function fair.leave(k, flat)
    local orgs = {}
    for i = 2, #flat, 2 do
        orgs[#orgs + 1] = flat[i]
    end
    redis.call('ZREM', k.ring, unpack(orgs))
    if redis.call('EXISTS', k.ring) == 1 then
        keys.widen_set(k.left, #orgs)
        redis.call('ZADD', k.left, unpack(flat))
        trim_left(k)
    elseif redis.call('EXISTS', k.parked) == 1 then
        redis.call('ZADD', k.left, 'GT', reached(flat), '') -- where they come back
        trim_left(k)
    else
        redis.call('DEL', k.left)
    end
end

-- Adds to virtual times what finished claims took beyond their charge (or less). orgs: array, ms: by org. One that is
-- not in the ring: in P:left, if it stands there or owes.
function fair.correct(k, orgs, ms)
    local weights, put, out, extra = fair.weights(k, orgs), { 'ZADD', k.ring, 'XX' }, {}, {}
    for i, v in ipairs(redis.call('ZMSCORE', k.ring, unpack(orgs))) do
        local org = orgs[i]
        extra[org] = ms[org] / (weights and weights[org] or 1)
        if v then
            put[#put + 1], put[#put + 2] = fair.after(tonumber(v), extra[org]), org
        else
            out[#out + 1] = org
        end
    end
    if #put > 3 then
        redis.call(unpack(put))
    end
    if #out > 0 and redis.call('EXISTS', k.ring, k.left) > 0 then
        local floor, add = tonumber(now_of(k)), { 'ZADD', k.left }
        for i, v in ipairs(redis.call('ZMSCORE', k.left, unpack(out))) do
            if v or extra[out[i]] > 0 then
                add[#add + 1] = fair.after(tonumber(v or floor), extra[out[i]])
                add[#add + 1] = out[i]
            end
        end
        if #add > 2 then
            redis.call(unpack(add))
        end
    end
end
