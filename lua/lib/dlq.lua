-- SPDX-License-Identifier: Apache-2.0
-- Dead jobs: a stream of flat readable fields. The stream entry is the only copy of a dead
-- job; P:jobs keeps `D<entry>` so that its id stays known.
local dlq = {}

local KEY_UNTIL = { d = 'done', q = 'queued' }
local SCOPE_OF = { done = 'd', queued = 'q' }

-- Moves a job there. m carries the error (meta.note_error was called).
function dlq.add(k, now, raw, rec, m)
    local put, number = record.put, record.decimal
    local head, payload = record.decode(rec, true)
    local o = head[4] or {}
    local enqueued = record.enqueued_at(rec)
    local e = { 'XADD', k.dlq, '*', 'id', id.text(raw), 'type', head[1], 'org', head[2] }
    e[#e + 1], e[#e + 2] = 'region', k.region
    e[#e + 1], e[#e + 2] = 'queue', k.queue
    e[#e + 1], e[#e + 2] = 'error_category', m[M.category] or 'error'
    e[#e + 1], e[#e + 2] = 'error_message', m[M.message] or ''
    e[#e + 1], e[#e + 2] = 'failed_at', clock.iso(now)
    put(e, 'error_context', m[M.context])
    put(e, 'attempts', number(m[M.attempts]))
    put(e, 'max_attempts', number(o.ma))
    put(e, 'recoveries', number(m[M.recoveries]))
    put(e, 'priority', number(head[3]))
    put(e, 'entity_type', o.et)
    put(e, 'entity_id', o.ei)
    put(e, 'traceparent', o.tp)
    put(e, 'group', o.g)
    put(e, 'idempotency_key', o.k)
    put(e, 'key_until', KEY_UNTIL[o.ku])
    put(e, 'key_ttl_ms', number(o.kt))
    put(e, 'worker', m[M.worker])
    put(e, 'enqueued_at', clock.iso(enqueued))
    put(e, 'started_at', m[M.started_at] and clock.iso(m[M.started_at]))
    put(e, 'enqueued_at_ms', number(enqueued))
    put(e, 'started_at_ms', number(m[M.started_at]))
    put(e, 'finished_at_ms', number(now))
    put(e, 'timeout_ms', number(o.to))
    put(e, 'fence', number(m[M.fence]))
    put(e, 'history', meta.history_json(m))
    put(e, 'payload', payload)
    local entry = redis.call(unpack(e))
    unique.release(k, raw, head)
    redis.call('HSET', k.jobs, raw, 'D' .. entry)
    redis.call('HDEL', k.meta, raw)
    event.add(k, 'dead', raw, head, { 'category', m[M.category] or 'error' })
    event.count(k, 'dead_total', 1)
end

function dlq.matches(f, filter)
    return (not filter.org or f.org == filter.org)
        and (not filter.type or f.type == filter.type)
        and (not filter.category or f.error_category == filter.category)
end

-- The raw id of an entry that Wherry wrote and still knows, else nil (somebody's own XADD).
function dlq.known(k, entry, f)
    local raw = f.id and id.parse(f.id)
    if raw and redis.call('HGET', k.jobs, raw) == 'D' .. entry then
        return raw
    end
    return nil
end

-- The options with which a dead job runs again. Neither the time in which it had to start nor that in which it
-- could be retried: they are over.
function dlq.options(f)
    return {
        ma = tonumber(f.max_attempts), to = tonumber(f.timeout_ms), et = f.entity_type, ei = f.entity_id,
        tp = f.traceparent, g = f.group, k = f.idempotency_key, ku = SCOPE_OF[f.key_until],
        kt = tonumber(f.key_ttl_ms),
    }
end

-- Makes a dead job run again with all its attempts and its key; the fence goes on growing.
function dlq.revive(k, now, entry, raw, f)
    local options = dlq.options(f)
    local head = { f.type, f.org, tonumber(f.priority) or 5, options }
    local rec = record.stamp(tonumber(f.enqueued_at_ms) or now) .. record.pack_head(head) .. (f.payload or '')
    local m = meta.new()
    m[M.fence] = tonumber(f.fence) or 0
    m[M.next_retry_at] = now
    ready.push(k, raw, rec, head, false) -- first: it alone can fail
    queued.change(k, head[2], 1, #rec)
    redis.call('HSET', k.jobs, raw, rec)
    unique.take(k, raw, f.org, options)
    meta.put(k, raw, m)
    redis.call('XDEL', k.dlq, entry)
    event.add(k, 'replayed', raw, head)
    event.count(k, 'replayed', 1)
end

function dlq.drop(k, entry, raw, f)
    redis.call('XDEL', k.dlq, entry)
    if raw then
        redis.call('HDEL', k.jobs, raw)
        event.add(k, 'purged', raw, { f.type, f.org })
    end
    event.count(k, 'purged', 1)
end
