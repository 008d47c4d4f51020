-- SPDX-License-Identifier: Apache-2.0
-- What the passing of time does: delayed jobs become ready, jobs that waited too long expire.
local timed = { postpone = 60000, expire_most = 50 }

local function due_ids(key, now, batch)
    return redis.call('ZRANGE', key, '-inf', clock.text(now), 'BYSCORE', 'LIMIT', '0', args.decimal(batch))
end

-- Where jobs wait by the outline of their heads, in which partition, and how to tell such a head. Read only.
local outlines = cache.new(1000)

local function remember(k, rec, outline)
    local known = { k = k, place = place.of(k, record.decode(rec)) }
    known.least, known.pattern = record.likeness(outline)
    return cache.put(outlines, outline, known)
end

-- What is known of where a job waits; its head when nothing is.
local function look_at(k, rec)
    local outline = record.outline(rec)
    if not outline then
        return nil, record.decode(rec)
    end
    local known = cache.get(outlines, outline)
    if known and known.k == k then
        return known
    end
    return remember(k, rec, outline)
end

-- The due ids by the place they belong to. With later: one whose place has a wrong type waits a minute more, so
-- that it does not block the others. Most often a job's head has the outline of the one before it.
local function due_places(k, now, ids, recs, later)
    local plan, sound, find = ready.plan(), {}, string.find
    local n, at, least, c, pattern = 0, 0, math.huge
    for i = 1, #ids do
        local raw, rec = ids[i], recs[i]
        if rec and #rec >= least and find(rec, pattern, 10) then
            n, at = n + 1, at + 1
            c[at] = raw
        elseif record.is_record(rec) then
            local known, head = look_at(k, rec)
            local p = known and known.place or place.of(k, head)
            if later and sound[p.key] == nil then
                sound[p.key] = place.is_sound(p)
            end
            if not later or sound[p.key] then
                c, n = ready.command(plan, p), n + 1
                ready.add(c, p, raw, rec, head and head[4])
                at = #c
                least, pattern = known and known.least or math.huge, known and known.pattern
            else
                later[#later + 1], later[#later + 2] = now + timed.postpone, raw
                least = math.huge
            end
        end
    end
    return plan, n
end

-- Moves up to batch due ids to where they are ready, in order of their due times. That a key has a wrong type is
-- looked for only when it has.
function timed.promote(k, now, batch)
    local ids = due_ids(k.delayed, now, batch)
    if #ids == 0 then
        return 0
    end
    local recs, later = redis.call('HMGET', k.jobs, unpack(ids)), nil
    local plan, n = due_places(k, now, ids, recs)
    if n > 0 and not ready.try_push(k, plan) then
        later = { 'ZADD', k.delayed }
        plan, n = due_places(k, now, ids, recs, later)
        if n > 0 then
            ready.push_all(k, plan)
        end
    end
    redis.call('ZREMRANGEBYRANK', k.delayed, '0', args.decimal(#ids - 1))
    if later then
        redis.call(unpack(later))
    end
    if n > 0 then
        bell.ring(k, now)
    end
    event.count(k, 'promoted', n)
    return n
end

-- Milliseconds to what comes first: a delayed job, or something parked. -1: nothing.
function timed.next_in(k, now)
    local due, freed = delay.next_in(k.delayed, now), delay.next_in(k.parked, now)
    if due < 0 or freed < 0 then
        return math.max(due, freed)
    end
    return math.min(due, freed)
end

-- Must this job end now? Not one that ran or ended; nor one that only has the id of an earlier
-- job that left its entry in the index; nor one that is claimed: when it is given back, finish.lua puts it into the
-- index again. This much is known without its claim.
local function may_end(now, rec, m)
    local head = record.decode(rec)
    local within = head[4] and head[4].xp
    return within and record.enqueued_at(rec) + within <= now and not m[M.status] and not meta.has_run(m), head
end

-- Of due ids those that must end: array of {raw, rec, m, head, token: of one that is not delayed}. Others that wait a
-- minute more, since a key has a wrong type, are added to `later`, a command.
local function overdue(k, now, ids, later)
    local recs, metas = redis.call('HMGET', k.jobs, unpack(ids)), redis.call('HMGET', k.meta, unpack(ids))
    local delayed, list, tokens = redis.call('ZMSCORE', k.delayed, unpack(ids)), {}, {}
    for i, raw in ipairs(ids) do
        local m = record.is_record(recs[i]) and meta.unpack(metas[i])
        local is_due, head = false, nil
        if m then
            is_due, head = may_end(now, recs[i], m)
        end
        if is_due then
            local token = not delayed[i] and id.token(raw, m[M.fence] + 1) or nil
            tokens[#tokens + 1] = token
            list[#list + 1] = { raw = raw, rec = recs[i], m = m, head = head, token = token }
        end
    end
    local is_held, ends = lease.held(k, tokens), {}
    for _, j in ipairs(list) do
        if not j.token or (is_held and not is_held[j.token]) then
            ends[#ends + 1] = j
        elseif not is_held then
            later[#later + 1], later[#later + 2] = now + timed.postpone, j.raw
        end
    end
    return ends
end

-- Ends up to batch jobs, but not more than take a few ms, that did not start in time. t: of a call that ended claims
-- before: they are counted first.
function timed.expire(k, now, batch, keep, t)
    local ids = due_ids(k.expiry, now, math.min(batch, timed.expire_most))
    if #ids == 0 then
        return 0
    end
    if t then
        queued.settle(k, t.queued)
        t.queued = {}
    end
    local later, changes = { 'ZADD', k.expiry }, {}
    local ends = overdue(k, now, ids, later)
    local n = #ends
    for _, j in ipairs(ends) do
        local is_queued = j.token ~= nil
        if not is_queued then
            redis.call('ZREM', k.delayed, j.raw)
        end
        queued.add(changes, j.head[2], -1, -#j.rec, is_queued and 1 or 0)
        unique.release(k, j.raw, j.head)
        done.finish(k, now, j.raw, j.m, 'expired', is_queued, keep)
        if is_queued then
            hold.look_again(k, now, j.head)
        end
        event.add(k, 'expired', j.raw, j.head)
    end
    queued.settle(k, changes)
    redis.call('ZREM', k.expiry, unpack(ids))
    if #later > 2 then
        redis.call(unpack(later))
    end
    event.count(k, 'expired', n)
    return n
end
