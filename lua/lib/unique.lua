-- SPDX-License-Identifier: Apache-2.0
-- Idempotency keys that end before their time (UNIQUE done, queued), and what a second job with a
-- taken key does (CONFLICT replace, extend, keep_last).
local unique = { ttl = 86400000 }

-- A key belongs to its org: no other org meets it. The name of an org has no colon.
function unique.key(k, org, name)
    return k.unique_ .. org .. ':' .. name
end

-- The job ends (or, scope 'q', is claimed): its key is free again, unless another has it.
function unique.release(k, raw, head)
    local o = head[4]
    if not o or not o.k or not o.ku then
        return
    end
    local key = unique.key(k, head[2], o.k)
    if redis.pcall('GET', key) == id.text(raw) then
        redis.call('DEL', key)
    end
end

-- A job that ended starts over: may it have its key again, which it had until it ended (ku)? o: its options.
function unique.is_free(k, raw, org, o)
    if not o.k or not o.ku then
        return true
    end
    local holder = redis.pcall('GET', unique.key(k, org, o.k))
    return not holder or holder == id.text(raw)
end

-- It has it again. unique.is_free was asked.
function unique.take(k, raw, org, o)
    if o.k and o.ku then
        local ttl = string.format('%.0f', o.kt or unique.ttl)
        redis.call('SET', unique.key(k, org, o.k), id.text(raw), 'PX', ttl)
    end
end

function unique.release_all(k, ids)
    for i, rec in ipairs(redis.call('HMGET', k.jobs, unpack(ids))) do
        if record.is_record(rec) then
            unique.release(k, ids[i], (record.decode(rec)))
        end
    end
end

-- The job that holds a key of an org, if it waits and never ran: {raw, rec, head, m, due}; else nil. Reads only. A
-- key may outlive its job: one whose id came again holds only the key that its record names.
function unique.waiting(k, org, key, text)
    local raw = id.parse(text)
    local rec = raw and redis.call('HGET', k.jobs, raw)
    if not record.is_record(rec) then
        return nil
    end
    local head, m = record.decode(rec), meta.get(k, raw)
    if head[2] ~= org or not head[4] or head[4].k ~= key then
        return nil
    end
    local status, due = view.status(k, raw, m)
    if (status ~= 'pending' and status ~= 'scheduled') or meta.has_run(m) then
        return nil
    end
    return { raw = raw, rec = rec, head = head, m = m, due = due }
end

-- The same place: what is replaced keeps it. A head that names no priority fits any: what its type has by default
-- may have changed since.
function unique.same_place(old, h)
    local o = old[4] or {}
    local level_fits = h.inherits or old[3] == tonumber(h.level)
    return old[1] == h.type and old[2] == h.org and level_fits and o.g == h.options.g
end

-- The new head of a job that keeps its place: its priority, by deadline or by arrival, as it was. Its times count
-- from now, those of a record from its enqueue: later by `age`.
local function new_options(old, h, age)
    local o, eo = h.options, old[4] and old[4].eo
    if o.eo == eo and old[3] == tonumber(h.level) and not o.xp and not o.rf then
        return o, h.bytes
    end
    local options = {}
    for name, value in pairs(o) do
        options[name] = value
    end
    options.eo = eo
    options.xp = o.xp and math.min(o.xp + age, LIMIT.delay)
    options.rf = o.rf and math.min(o.rf + age, LIMIT.delay)
    return options, record.pack_head({ h.type, h.org, old[3], options })
end

-- The waiting job gets the new payload and options, counted from now, and keeps id, place and enqueue time.
function unique.replace(k, now, old, job)
    local h = job.head
    local o = h.options
    local enqueued = record.enqueued_at(old.rec)
    local options, bytes = new_options(old.head, h, math.max(now - enqueued, 0))
    local rec = string.sub(old.rec, 1, record.stamp_len) .. bytes .. job.payload
    redis.call('HSET', k.jobs, old.raw, rec)
    if not old.due then
        ready.move(k, old.raw, rec, old.head)
    end
    queued.change(k, h.org, 0, #rec - #old.rec, 0)
    if options.xp then
        delay.expire(k, old.raw, enqueued + options.xp)
    else
        redis.call('ZREM', k.expiry, old.raw)
    end
    if o.kc == 'e' then
        if old.due and o.dl and o.dl > 0 then
            delay.add(k, old.raw, now + o.dl)
        end
        redis.call('PEXPIRE', unique.key(k, h.org, o.k), string.format('%.0f', o.kt or unique.ttl))
    end
    job.existing, job.reply = id.text(old.raw), o.kc == 'e' and 'extended' or 'replaced'
end

-- The waiting job makes room for the new one.
function unique.supersede(k, now, old, keep)
    redis.call('ZREM', k.delayed, old.raw)
    queued.change(k, old.head[2], -1, -#old.rec, old.due and 0 or 1)
    done.finish(k, now, old.raw, old.m, 'cancelled', not old.due, keep)
    if not old.due then
        hold.look_again(k, now, old.head)
    end
    event.add(k, 'cancelled', old.raw, old.head)
    event.count(k, 'cancelled', 1)
end

