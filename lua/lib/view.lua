-- SPDX-License-Identifier: Apache-2.0
-- What operators read of a job: flat field, value arrays. Never writes.
local view = {}

local DLQ_AS_IS = {
    'type', 'org', 'region', 'queue', 'error_category', 'error_message', 'error_context', 'attempts', 'max_attempts',
    'recoveries', 'priority', 'entity_type', 'entity_id', 'traceparent', 'group', 'idempotency_key', 'worker',
    'enqueued_at_ms', 'started_at_ms', 'finished_at_ms', 'timeout_ms', 'fence', 'history',
}

-- A dead job from the fields of its entry.
function view.dead(entry, f, full)
    local out = { 'id', f.id or '', 'status', 'failed', 'dlq_entry', entry }
    for _, name in ipairs(DLQ_AS_IS) do
        record.put(out, name, f[name])
    end
    if full then
        record.put(out, 'payload', f.payload)
    end
    return out
end

-- Where a living or kept job stands: status, due, holder, held value.
function view.status(k, raw, m)
    if m[M.status] then
        return m[M.status]
    end
    local due = redis.call('ZSCORE', k.delayed, raw)
    if due then
        return 'scheduled', tonumber(due)
    end
    local worker, held = lease.holder(k, id.token(raw, m[M.fence] + 1))
    if worker then
        return 'in_progress', nil, worker, held
    end
    return 'pending'
end

local function put_error(out, m)
    record.put(out, 'error_category', m[M.category])
    record.put(out, 'error_message', m[M.message])
    record.put(out, 'error_context', m[M.context])
    record.put(out, 'history', meta.history_json(m))
end

-- Its handler put it off, the last time that it had it. due: when it waits for its time.
function view.put_snooze(out, m, due)
    local snooze = m[M.snooze] or {}
    record.put(out, 'snoozed_until_ms', m[M.snooze] and m[M.next_retry_at] == due and record.decimal(due))
    record.put(out, 'snoozes', record.decimal(m[M.snoozes] or nil))
    record.put(out, 'snooze_category', snooze[1])
    record.put(out, 'snooze_message', snooze[2])
end

-- A living or kept job. at: {status, due, worker, held} when the caller knows it.
function view.record(k, raw, rec, m, full, at)
    local head, payload = record.decode(rec, true)
    local o = head[4] or {}
    local status, due, worker, held
    if at then
        status, due, worker, held = at.status, at.due, at.worker, at.held
    else
        status, due, worker, held = view.status(k, raw, m)
    end
    local started = m[M.started_at]
    local fence = m[M.fence]
    if held then
        started = select(2, tally.parse(held))
        fence = fence + 1
    end
    local out = { 'id', id.text(raw), 'type', head[1], 'org', head[2], 'region', k.region, 'queue', k.queue }
    record.put(out, 'status', status)
    record.put(out, 'entity_type', o.et)
    record.put(out, 'entity_id', o.ei)
    record.put(out, 'priority', record.decimal(head[3]))
    record.put(out, 'attempts', record.decimal(m[M.attempts]))
    record.put(out, 'max_attempts', record.decimal(o.ma))
    record.put(out, 'recoveries', record.decimal(m[M.recoveries]))
    local enqueued = record.enqueued_at(rec)
    record.put(out, 'enqueued_at_ms', record.decimal(enqueued))
    record.put(out, 'started_at_ms', record.decimal(started))
    record.put(out, 'finished_at_ms', record.decimal(m[M.finished_at]))
    record.put(out, 'next_retry_at_ms', record.decimal(due))
    put_error(out, m)
    view.put_snooze(out, m, due)
    record.put(out, 'progress', record.decimal(m[M.progress]))
    record.put(out, 'progress_message', m[M.progress_message])
    record.put(out, 'traceparent', o.tp)
    record.put(out, 'group', o.g)
    record.put(out, 'idempotency_key', o.k)
    record.put(out, 'retry_for_ms', record.decimal(o.rf))
    record.put(out, 'worker', worker or m[M.worker])
    record.put(out, 'timeout_ms', record.decimal(o.to))
    record.put(out, 'expires_at_ms', o.xp and record.decimal(enqueued + o.xp))
    record.put(out, 'fence', record.decimal(fence))
    if full then
        record.put(out, 'result', m[M.result])
        record.put(out, 'payload', payload)
    end
    return out
end

-- Any job by its id; nil when unknown.
function view.job(k, raw)
    local rec = redis.call('HGET', k.jobs, raw)
    local entry = record.dlq_entry(rec)
    if entry then
        local found = redis.call('XRANGE', k.dlq, entry, entry)
        if #found == 0 then
            return nil
        end
        return view.dead(entry, record.fields(found[1][2]), true)
    end
    if not record.is_record(rec) then
        return nil
    end
    return view.record(k, raw, rec, meta.get(k, raw), true)
end

-- Records of many ids that share a status; filter: org, type, and full for payload and result too.
function view.list(k, ids, filter, at_of)
    local out = {}
    if #ids == 0 then
        return out
    end
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local metas = redis.call('HMGET', k.meta, unpack(ids))
    for i, raw in ipairs(ids) do
        if record.is_record(recs[i]) then
            local head = record.decode(recs[i])
            local m = meta.unpack(metas[i])
            local at = at_of(raw, i, m)
            if at and (not filter.org or head[2] == filter.org) and (not filter.type or head[1] == filter.type) then
                out[#out + 1] = view.record(k, raw, recs[i], m, filter.full, at)
            end
        end
    end
    return out
end
