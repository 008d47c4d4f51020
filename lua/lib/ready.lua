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
        group.enter(p.ring, p.group)
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
    if p.ring and at_head then
        hold.free(k, p.org, p.level, p.group)
    end
    fair.enter(k, { p.org })
end

-- A waiting job's record changed: by deadline its place has changed too, also where it is set aside. again: it starts
-- over now (nil: it does not): where it is set aside, it goes to the end.
function ready.move(k, raw, rec, old_head, again)
    local p, o = place.of(k, old_head), record.decode(rec)[4]
    if p.kind == 'soonest' then
        redis.pcall('ZADD', p.key, 'XX', deadline(rec, o), raw)
    elseif not again then
        return
    end
    local score = string.format('%.0f', aside.score(rec, old_head[3], o, again))
    for _, word in ipairs({ old_head[1], levels.rest }) do
        redis.pcall('ZADD', (aside.place(k, p.org, word, p.level, old_head[4])), 'XX', score, raw)
    end
end

-- What is to be put into places: one command each, by the place's key; marked: places that need more than
-- that; orgs: who has something to run then (the same org twice does no harm).
function ready.plan()
    return { commands = {}, by_key = {}, marked = {}, held = {}, orgs = {} }
end

-- The command that fills a place.
function ready.command(plan, p)
    local c = plan.by_key[p.key]
    if not c then
        c = { (p.kind == 'soonest' or p.kind == 'aside') and 'ZADD' or 'RPUSH', p.key }
        plan.by_key[p.key], plan.commands[#plan.commands + 1] = c, c
        if p.group and p.kind == 'aside' then
            plan.held[#plan.held + 1] = p
        elseif p.kind ~= 'aside' then -- where jobs stand aside already, their org waits
            local orgs = plan.orgs
            if orgs[#orgs] ~= p.org then
                orgs[#orgs + 1] = p.org
            end
            if p.mark ~= levels.default then
                plan.marked[#plan.marked + 1] = p
            end
        end
    end
    return c
end

-- Adds a job to the command of a place.
function ready.add(c, p, raw, rec, options)
    if p.kind == 'soonest' then
        c[#c + 1] = deadline(rec, options)
    elseif p.kind == 'aside' then
        c[#c + 1] = aside.score(rec, tonumber(p.level), options)
    end
    c[#c + 1] = raw
end

local function take_back(c)
    if c[1] == 'RPUSH' then
        redis.call('RPOP', c[2], #c - 2)
        return
    end
    local ids = {}
    for i = 4, #c, 2 do
        ids[#ids + 1] = c[i]
    end
    redis.call('ZREM', c[2], unpack(ids))
end

-- Pushes what was gathered. All or nothing: false when a key has a wrong type, before anything else was written,
-- and what was pushed is taken back.
function ready.try_push(k, plan)
    for _, p in ipairs(plan.marked) do
        if p.ring and type(redis.pcall('ZCARD', p.ring)) == 'table' then
            return false
        end
    end
    for i, c in ipairs(plan.commands) do
        local reply = redis.pcall(unpack(c))
        if type(reply) == 'table' and reply.err then
            for j = 1, i - 1 do
                take_back(plan.commands[j])
            end
            return false
        end
    end
    for _, p in ipairs(plan.marked) do
        mark(k, p)
    end
    for _, p in ipairs(plan.held) do
        hold.enter(k, p.org, p.type, p.level, { p.group })
    end
    if #plan.orgs > 0 then
        fair.enter(k, plan.orgs)
    end
    return true
end

-- The same; a key of a wrong type is an error. Returns whether there is something to run now.
function ready.push_all(k, plan)
    if not ready.try_push(k, plan) then
        args.fail(args.WRONG_TYPE)
    end
    return #plan.orgs > 0
end

-- Takes up to n ids of one place of an org; e: its entry in the org's view. Its mark goes when it ran empty.
local function take_place(k, s, e, n, st)
    local count
    if e.kind == 'list' then
        count = place.pop(keys.ready(k, s.org, e.level), n, st, s)
    elseif e.kind == 'soonest' then
        count = place.pop_set(k.soonest_ .. s.org .. ':' .. e.level, n, st, s)
    else
        count = group.take(k, s, e, n, st)
    end
    if count < n and e.mark ~= levels.default then
        if e.kind ~= 'groups' or redis.call('EXISTS', k.groups_ .. s.org .. ':' .. e.level) == 0 then
            levels.drop(k, s.org, e.mark)
            if e.kind == 'groups' and redis.call('EXISTS', keys.ready(k, s.org, e.level)) == 1 then
                levels.add(k, s.org, e.level)
            end
        end
    end
    return count
end

-- Takes up to n ids of an org, in the order in which they run, of one level (nil: of all); returns how many.
function ready.take(k, s, n, st, level)
    local got = 0
    for _, e in ipairs(s.view.order) do
        if got < n and (not level or e.level == level) then
            got = got + take_place(k, s, e, n - got, st)
        end
    end
    return got
end

-- The highest level at which an org has something that may be ready; nil: it has nothing but what waits for its types.
function ready.top(k, s)
    for _, e in ipairs(s.view.order) do
        local key = e.kind == 'soonest' and k.soonest_ .. s.org .. ':' .. e.level or keys.ready(k, s.org, e.level)
        if redis.call('EXISTS', key) == 1 or (e.kind == 'groups' and #group.first(k, s.org, e.level, 1) > 0) then
            return e.level
        end
    end
    return nil
end

-- Nothing of the org waits any more: what its groups have had is forgotten.
function ready.forget(k, s)
    local del = { 'DEL' }
    for _, e in ipairs(s.view.order) do
        if e.kind == 'groups' then
            local ring = k.groups_ .. s.org .. ':' .. e.level
            del[#del + 1], del[#del + 2] = ring, fair.left_of(ring)
        end
    end
    for _, word in ipairs(s.view.asides) do
        local ring = hold.key(k, s.org, word)
        del[#del + 1], del[#del + 2] = ring, fair.left_of(ring)
    end
    if #del > 1 then
        redis.call(unpack(del))
    end
end

-- Calls fn(key, command to read a part of it, its length, {level, name} of a group) for each place of an
-- org with ready jobs; of `most` groups a level and a type (nil: of all).
function ready.each(k, org, fn, most)
    for _, e in ipairs(levels.of(k, org).order) do
        if e.kind == 'soonest' then
            local key = k.soonest_ .. org .. ':' .. e.level
            fn(key, 'ZRANGE', redis.call('ZCARD', key))
        else
            local key = keys.ready(k, org, e.level)
            fn(key, 'LRANGE', redis.call('LLEN', key))
            if e.kind == 'groups' then
                for _, g in ipairs(group.all(k, org, e.level, most)) do
                    local length = redis.call('LLEN', key .. ':' .. g)
                    fn(key .. ':' .. g, 'LRANGE', length, { level = e.level, name = g })
                end
            end
        end
    end
    for _, t in ipairs(levels.of(k, org).asides) do
        local function tell(key)
            fn(key, 'ZRANGE', redis.call('ZCARD', key))
        end
        tell(aside.key(k, org, t))
        hold.each(k, org, t, tell, most)
    end
end
