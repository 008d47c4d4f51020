-- SPDX-License-Identifier: Apache-2.0
-- Who gets what a held type admits: orgs take turns by start-time fair queueing, as in the ring (fair.lua), but over
-- the jobs of this type alone: what an org got of other types, or that it was held back for long, neither helps nor
-- harms it. Tags: worker time over weight, in whole us.
-- P:waiting:<type>: org -> its start tag, for every org that has jobs of the type set aside and could run them but for
-- the type; it stays there while it is in the ring. P:turns:<type>: the tags of those that do not wait now, where they
-- are ahead; '' there: the latest start tag that was served. A key that is not ours held no org.
local turns = { ttl_ms = 3600000, window = 100, most = 1000 }

-- ms in the unit of tags.
local function units(ms)
    return math.floor(ms * 1000 + 0.5)
end

local function put(k, kind, ...)
    local key = k.turns_ .. kind
    if type(redis.pcall('ZCARD', key)) ~= 'number' then
        redis.call('DEL', key)
    end
    redis.call('ZADD', key, ...)
    redis.call('PEXPIRE', key, turns.ttl_ms)
end

-- The tag of an org that does not wait, and the latest that was served.
local function reached(k, kind, org)
    local v = redis.pcall('ZMSCORE', k.turns_ .. kind, org, '')
    if v.err then
        return 0, 0
    end
    local latest = tonumber(v[2] or 0)
    return math.max(tonumber(v[1] or 0), latest), latest
end

-- The tag of an org that waits, or nil.
local function tag_of(k, kind, org)
    local tag = redis.pcall('ZSCORE', k.waiting_ .. kind, org)
    return type(tag) == 'string' and tonumber(tag) or nil
end

-- An org has jobs of the type that wait for it. Returns whether it did not wait before.
function turns.join(k, kind, org)
    if tag_of(k, kind, org) then
        return false
    end
    local key, tag = k.waiting_ .. kind, string.format('%.0f', (reached(k, kind, org)))
    if type(redis.pcall('ZADD', key, tag, org)) ~= 'number' then
        redis.call('DEL', key)
        redis.call('ZADD', key, tag, org)
    end
    return true
end

local function join_several(k, kind, orgs)
    local key, add = k.waiting_ .. kind, {}
    local v = redis.pcall('ZMSCORE', k.turns_ .. kind, '', unpack(orgs))
    for i, org in ipairs(orgs) do
        local tag = v.err and 0 or math.max(tonumber(v[i + 1] or 0), tonumber(v[1] or 0))
        add[2 * i - 1], add[2 * i] = string.format('%.0f', tag), org
    end
    if type(redis.pcall('ZADD', key, 'NX', unpack(add))) ~= 'number' then
        redis.call('DEL', key)
        redis.call('ZADD', key, unpack(add))
    end
end

-- An org has set jobs of a type aside, under this word: gathered for turns.join_all.
function turns.note(joins, kind, word, org)
    if word ~= levels.rest then
        joins[kind] = joins[kind] or {}
        table.insert(joins[kind], org)
    end
end

-- Orgs begin to wait for types, as far as they do not wait yet: joins: {type = {org, …}}.
function turns.join_all(k, joins)
    for kind, orgs in pairs(joins) do
        join_several(k, kind, orgs)
    end
end

-- An org that something of its own held comes back.
function turns.rejoin(k, org)
    for _, kind in ipairs(levels.of(k, org).asides) do
        if kind ~= levels.rest then
            turns.join(k, kind, org)
        end
    end
end

-- It has none any more, or something of its own holds it: the next one is called soon.
function turns.leave(k, now, kind, org)
    local tag = tag_of(k, kind, org)
    if not tag then
        return
    end
    redis.call('ZREM', k.waiting_ .. kind, org)
    local own, latest = reached(k, kind, org)
    if tag > own then
        put(k, kind, string.format('%.0f', tag), org)
    end
    redis.pcall('ZREMRANGEBYSCORE', k.turns_ .. kind, '-inf', string.format('(%.0f', latest))
    if redis.call('EXISTS', k.waiting_ .. kind) == 1 then
        parked.add(k, now, 'type/' .. kind, now)
    end
end

-- Of those that wait, the first ones, as many as `room` can be for: flat {org, tag, …}, and their names.
local function first_of(k, kind, room)
    local last = math.min(room, turns.window) - 1
    local flat, orgs = redis.pcall('ZRANGE', k.waiting_ .. kind, 0, string.format('%.0f', last), 'WITHSCORES'), {}
    if flat.err then
        return {}, orgs
    end
    for i = 1, #flat, 2 do
        orgs[#orgs + 1] = flat[i]
    end
    return flat, orgs
end

local function share_out(t, flat)
    return fair.shares(flat, t.weights, t.room, t.cost, 1)
end

-- Those whose turn it is enter the ring, but for one that has nothing of the type after all. Returns the parts by org.
local function call(k, now, kind, shares)
    local orgs, parts, enter = {}, {}, {}
    for i, s in ipairs(shares) do
        orgs[i] = s.org
    end
    local views = levels.many(k, orgs)
    for i, s in ipairs(shares) do
        if views and views[i].is_aside[kind] then
            parts[s.org], enter[#enter + 1] = s.n, s.org
        else
            turns.leave(k, now, kind, s.org)
        end
    end
    if #enter > 0 then
        fair.enter(k, enter)
    end
    return parts, #enter
end

-- Of those that wait without those that passed.
local function without(passed, flat)
    local left, orgs = {}, {}
    for i = 1, #flat, 2 do
        if not passed[flat[i]] then
            left[#left + 1], left[#left + 2], orgs[#orgs + 1] = flat[i], flat[i + 1], flat[i]
        end
    end
    return left, orgs
end

-- What a type that admits `room` jobs, expected to take so many ms each, has for each org now. who: org: that asks;
-- passed: set of those that take none in this call, though they wait. False: nobody waits, or there is enough for all.
function turns.open(k, now, kind, room, cost, who)
    if room == math.huge then
        return false
    end
    local org, n_passed = who.org, 0
    for _ in pairs(who.passed or {}) do
        n_passed = n_passed + 1
    end
    local flat, orgs = first_of(k, kind, room + n_passed)
    if n_passed > 0 then
        flat, orgs = without(who.passed, flat)
    end
    if #orgs == 0 then
        return false
    end
    local t = { flat = flat, room = math.min(room, turns.most), cost = units(cost), used = {} }
    if orgs[1] == org and (#orgs == 1 or room == 1) then
        t.parts = { [org] = t.room }
        return t
    end
    t.weights = fair.weights(k, orgs)
    t.parts = call(k, now, kind, share_out(t, flat))
    return t
end

-- The part of one that does not wait: as if it did, beside those that do.
local function part_of_other(k, kind, t, org)
    if tag_of(k, kind, org) then
        return 0 -- behind the first ones
    end
    local tag, flat, is_in = reached(k, kind, org), {}, false
    for i = 1, #t.flat, 2 do
        if not is_in and tonumber(t.flat[i + 1]) >= tag then
            flat[#flat + 1], flat[#flat + 2], is_in = org, tag, true
        end
        flat[#flat + 1], flat[#flat + 2] = t.flat[i], t.flat[i + 1]
    end
    if not is_in then
        flat[#flat + 1], flat[#flat + 2] = org, tag
    end
    if t.weights then
        t.weights[org] = fair.weights(k, { org })[org]
    end
    for _, s in ipairs(share_out(t, flat)) do
        if s.org == org then
            return s.n
        end
    end
    return 0
end

-- How many more jobs are for this org, of what turns.open saw.
function turns.left(k, kind, t, org)
    local part = t.parts[org]
    if not part then
        part = part_of_other(k, kind, t, org)
        t.parts[org] = part
    end
    return part - (t.used[org] or 0)
end

-- n of them were taken.
function turns.use(t, org, n)
    t.used[org] = (t.used[org] or 0) + n
end

-- Does anybody wait for the type?
function turns.any(k, kind)
    return redis.call('EXISTS', k.waiting_ .. kind) == 1
end

-- The org was given jobs of the type: ms of worker time over its weight. Where nobody else waits, nobody counts.
function turns.charge(k, kind, org, ms)
    local key, tag = k.waiting_ .. kind, tag_of(k, kind, org)
    local n = redis.pcall('ZCARD', key)
    if n == 0 or (n == 1 and tag) then
        return
    end
    local start = tag or reached(k, kind, org)
    local after = string.format('%.0f', start + units(ms))
    if tag then
        redis.call('ZADD', key, after, org)
        put(k, kind, 'GT', string.format('%.0f', start), '')
    else
        put(k, kind, 'GT', string.format('%.0f', start), '', after, org)
    end
end

-- Its weight changed (fair.reweigh): so much of its lead is left.
function turns.reweigh(k, kind, org, ratio)
    local key, tag = k.waiting_ .. kind, tag_of(k, kind, org)
    if tag and ratio < 1 then
        local first = tonumber(redis.call('ZRANGE', key, '0', '0', 'WITHSCORES')[2])
        redis.call('ZADD', key, string.format('%.0f', first + (tag - first) * ratio), org)
    end
end

-- Claims of the org took so much longer than what they were charged, over its weight.
function turns.correct(k, kind, org, ms)
    local key, tag = k.waiting_ .. kind, tag_of(k, kind, org)
    local n = redis.pcall('ZCARD', key)
    if n == 0 or (n == 1 and tag) then
        return
    end
    if tag then
        redis.call('ZADD', key, string.format('%.0f', math.max(tag + units(ms), 0)), org)
        return
    end
    local own, latest = reached(k, kind, org)
    if ms > 0 or own > latest then
        put(k, kind, string.format('%.0f', math.max(own + units(ms), 0)), org)
    end
end

-- A type admits something again: those whose turn it is enter the ring. Returns how many, and whether others wait.
function turns.call(k, now, kind, room, cost)
    local flat, orgs = first_of(k, kind, room)
    if #orgs == 0 then
        return 0, false
    end
    if room == math.huge then -- nobody needs to wait
        redis.call('ZREM', k.waiting_ .. kind, unpack(orgs))
        fair.enter(k, orgs)
        return #orgs, turns.any(k, kind)
    end
    local t = { weights = fair.weights(k, orgs), room = math.min(room, turns.most), cost = units(cost) }
    local _, n = call(k, now, kind, share_out(t, flat))
    return n, turns.any(k, kind)
end
