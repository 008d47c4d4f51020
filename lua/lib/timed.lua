-- SPDX-License-Identifier: Apache-2.0
-- What the passing of time does: delayed jobs become ready, jobs that waited too long expire.
local timed = { postpone = 60000 }

local function due_ids(key, now, batch)
    return redis.call('ZRANGE', key, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, batch)
end

-- The due ids by the place they belong to. One whose place has a wrong type waits a minute more, so
-- that it does not block the others.
local function due_places(k, now, ids)
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local plan, sound, later, n = ready.plan(), {}, { 'ZADD', k.delayed }, 0
    for i, raw in ipairs(ids) do
        if record.is_record(recs[i]) then
            local head = record.decode(recs[i])
            local p = place.of(k, head)
            if sound[p.key] == nil then
                sound[p.key] = place.is_sound(p)
            end
            if sound[p.key] then
                ready.add(ready.command(plan, p), p, raw, recs[i], head[4])
                n = n + 1
            else
                later[#later + 1], later[#later + 2] = now + timed.postpone, raw
            end
        end
    end
    return plan, later, n
end

-- Moves up to batch due ids to where they are ready, in order of their due times.
function timed.promote(k, now, batch)
    local ids = due_ids(k.delayed, now, batch)
    if #ids == 0 then
        return 0
    end
    local plan, later, n = due_places(k, now, ids)
    redis.call('ZREM', k.delayed, unpack(ids))
    if #later > 2 then
        redis.call(unpack(later))
    end
    if n > 0 then
        ready.push_all(k, plan)
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

-- Must this job end now? Not one that runs, ran or ended; nor one that only has the id of an earlier
-- job that left its entry in the index.
local function is_overdue(k, now, raw, rec, m)
    local head = record.decode(rec)
    local within = head[4] and head[4].xp
    if not within or record.enqueued_at(rec) + within > now or m[M.fence] > 0 or m[M.status] then
        return false
    end
    local delayed = redis.call('ZSCORE', k.delayed, raw) and true or false
    local known, holder = pcall(lease.holder, k, id.token(raw, 1)) -- unknown: a key of a wrong type
    return delayed or (known and not holder), delayed, head
end

-- Ends up to batch jobs that did not start in time.
function timed.expire(k, now, batch, keep)
    local ids = due_ids(k.expiry, now, batch)
    if #ids == 0 then
        return 0
    end
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local n = 0
    for i, raw in ipairs(ids) do
        if record.is_record(recs[i]) then
            local m = meta.get(k, raw)
            local overdue, delayed, head = is_overdue(k, now, raw, recs[i], m)
            if overdue then
                redis.call('ZREM', k.delayed, raw)
                queued.change(k, head[2], -1, -#recs[i], delayed and 0 or 1)
                unique.release(k, raw, head)
                done.finish(k, now, raw, m, 'expired', not delayed, keep)
                if not delayed then
                    group.look_again(k, now, head)
                end
                event.add(k, 'expired', raw, head)
                n = n + 1
            end
        end
    end
    redis.call('ZREM', k.expiry, unpack(ids))
    event.count(k, 'expired', n)
    return n
end
