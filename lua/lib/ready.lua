-- SPDX-License-Identifier: Apache-2.0
-- Puts jobs into their places and takes them out again.
-- Invariant: an org with a ready job is in the ring, or parked, or waits for a type; each place
-- other than the list of level 5 has its mark in P:levels.
local ready = {}

-- The time by which a job must start.
local function deadline(rec, options)
    return record.enqueued_at(rec) + (options.xp or LIMIT.delay)
end

local function mark(k, p)
    levels.add(k, p.org, p.mark)
    if p.ring then
        redis.call('ZADD', p.ring, 'NX', fair.floor(p.ring), p.group)
    end
end

-- Puts one job back: at the head (it had its turn already) or at the tail.
function ready.push(k, raw, rec, head, at_head)
    local p = place.of(k, head)
    if p.kind == 'soonest' then
        redis.call('ZADD', p.key, deadline(rec, head[4]), raw)
    else
        redis.call(at_head and 'LPUSH' or 'RPUSH', p.key, raw)
    end
    mark(k, p)
    fair.enter(k, { p.org })
end

-- A waiting job's record changed: by deadline its place has changed too.
function ready.move(k, raw, rec, old_head)
    local p = place.of(k, old_head)
    if p.kind == 'soonest' then
        redis.call('ZADD', p.key, 'XX', deadline(rec, record.decode(rec)[4]), raw)
    end
end

-- For ready.push_all: the entry of a place in list.
function ready.entry(list, p)
    local g = list[p.key]
    if not g then
        g = { place = p, ids = {}, flat = p.kind == 'soonest' and {} or nil }
        list[p.key], list[#list + 1] = g, g
    end
    return g
end

-- Adds a job to an entry.
function ready.add(g, raw, rec, options)
    g.ids[#g.ids + 1] = raw
    if g.place.kind == 'soonest' then
        g.flat[#g.flat + 1], g.flat[#g.flat + 2] = deadline(rec, options), raw
    end
end

local function push_some(g)
    if g.place.ring then
        local reply = redis.pcall('ZCARD', g.place.ring)
        if type(reply) == 'table' then
            return reply
        end
    end
    if g.place.kind == 'soonest' then
        return redis.pcall('ZADD', g.place.key, unpack(g.flat))
    end
    return redis.pcall('RPUSH', g.place.key, unpack(g.ids))
end

local function take_back(g)
    if g.place.kind == 'soonest' then
        redis.call('ZREM', g.place.key, unpack(g.ids))
    else
        redis.call('RPOP', g.place.key, #g.ids)
    end
end

-- Pushes what was gathered. All or nothing: a key of a wrong type fails before anything else was
-- written, and what was pushed is taken back.
function ready.push_all(k, list)
    for i, g in ipairs(list) do
        local reply = push_some(g)
        if type(reply) == 'table' and reply.err then
            for j = 1, i - 1 do
                take_back(list[j])
            end
            args.fail(args.WRONG_TYPE)
        end
    end
    local orgs, seen = {}, {}
    for _, g in ipairs(list) do
        if g.place.mark ~= levels.default then
            mark(k, g.place)
        end
        if not seen[g.place.org] then
            seen[g.place.org], orgs[#orgs + 1] = true, g.place.org
        end
    end
    fair.enter(k, orgs)
end

-- Takes up to n ids of an org, in the order in which they run; returns how many. source: what the
-- caller wants to know of each id. Marks of what ran empty go.
function ready.take(k, s, n, st)
    local got = 0
    for _, e in ipairs(s.view.order) do
        local want, count = n - got
        if e.kind == 'list' then
            count = place.pop(keys.ready(k, s.org, e.level), want, st, s)
        elseif e.kind == 'soonest' then
            count = place.pop_soonest(k, s.org, e.level, want, st, s)
        else
            count = group.take(k, s, e, want, st)
        end
        got = got + count
        if count < want and e.mark ~= levels.default then
            if e.kind ~= 'groups' or redis.call('EXISTS', k.groups_ .. s.org .. ':' .. e.level) == 0 then
                levels.drop(k, s.org, e.mark)
                if e.kind == 'groups' and redis.call('EXISTS', keys.ready(k, s.org, e.level)) == 1 then
                    levels.add(k, s.org, e.level)
                end
            end
        end
        if got == n then
            break
        end
    end
    return got
end

-- Calls fn(key, command to read a part of it, its length, name of a group in P:parked) for each place
-- of an org with ready jobs.
function ready.each(k, org, fn)
    for _, e in ipairs(levels.of(k, org).order) do
        if e.kind == 'soonest' then
            local key = k.soonest_ .. org .. ':' .. e.level
            fn(key, 'ZRANGE', redis.call('ZCARD', key))
        else
            local key = keys.ready(k, org, e.level)
            fn(key, 'LRANGE', redis.call('LLEN', key))
            if e.kind == 'groups' then
                for _, g in ipairs(group.all(k, org, e.level)) do
                    local length = redis.call('LLEN', key .. ':' .. g)
                    fn(key .. ':' .. g, 'LRANGE', length, group.parked(org, e.level, g))
                end
            end
        end
    end
    for _, t in ipairs(levels.of(k, org).asides) do
        local key = aside.key(k, org, t)
        fn(key, 'ZRANGE', redis.call('ZCARD', key))
    end
end

-- Ready ids of an org, over all its places.
function ready.length(k, org)
    local n = 0
    ready.each(k, org, function(_, _, length)
        n = n + length
    end)
    return n
end
