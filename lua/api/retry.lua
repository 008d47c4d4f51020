-- SPDX-License-Identifier: Apache-2.0
-- wh1_retry: ARGV id -> "pending". A scheduled job runs now; a dead, cancelled or expired one
-- starts over with all its attempts and its key. Errors WHBADARG WHNOTFOUND WHSTATE WHBADDATA. O(log n).
local function check_key(k, raw, org, o)
    if not unique.is_free(k, raw, org, o) then
        args.fail('WHSTATE another job has its idempotency key')
    end
end

local function from_dlq(k, now, raw, entry)
    local found = redis.call('XRANGE', k.dlq, entry, entry)
    if #found == 0 then
        args.fail('WHNOTFOUND the DLQ entry of this job was removed by hand')
    end
    local f = record.fields(found[1][2])
    check_key(k, raw, f.org, dlq.options(f))
    dlq.revive(k, now, entry, raw, f)
end

-- The record without its deadlines, which are over or were for the first try; as of one from the DLQ.
local function without_deadlines(rec)
    local head, payload = record.decode(rec, true)
    local o = head[4]
    if not o or not (o.xp or o.rf) then
        return rec, head
    end
    o.xp, o.rf = nil, nil
    return record.stamp(record.enqueued_at(rec)) .. record.pack_head(head) .. payload, head
end

-- A kept job that ended without success. If its id still stands in its list, it only wakes up there, by
-- deadline as one that has none; set aside it goes to the end.
local function start_over(k, now, raw, old, m)
    local fresh, rec, head = meta.new(), without_deadlines(old)
    local o = head[4] or {}
    check_key(k, raw, head[2], o)
    fresh[M.fence], fresh[M.next_retry_at] = m[M.fence], now
    if not m[M.queued] then
        ready.push(k, raw, rec, head, false)
    end
    if rec ~= old then
        redis.call('HSET', k.jobs, raw, rec)
    end
    if m[M.queued] then
        ready.move(k, raw, rec, head, now)
    end
    queued.change(k, head[2], 1, #rec, m[M.queued] and -1 or 0)
    unique.take(k, raw, head[2], o)
    meta.put(k, raw, fresh)
    redis.call('ZREM', k.done, raw)
    redis.call('ZREM', k.expiry, raw)
end

args.register('wh1_retry', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: id')
    local raw = id.arg(ARGV[1])
    keys.guard(k)
    local now = clock.now()
    local rec = redis.call('HGET', k.jobs, raw)
    local entry = record.dlq_entry(rec)
    if entry then
        from_dlq(k, now, raw, entry)
    else
        if not record.is_record(rec) then
            args.fail('WHNOTFOUND no job with this id in this partition')
        end
        local m, head = meta.get(k, raw), record.decode(rec)
        local status = view.status(k, raw, m)
        if status == 'in_progress' or status == 'completed' then
            args.fail('WHSTATE the job runs or has completed')
        elseif status == 'scheduled' then
            ready.push(k, raw, rec, head, false)
            redis.call('ZREM', k.delayed, raw)
            m[M.next_retry_at] = now
            meta.put(k, raw, m)
        elseif status ~= 'pending' then
            start_over(k, now, raw, rec, m)
        end
    end
    bell.ring(k, now)
    return 'pending'
end, { 'allow-oom' })
