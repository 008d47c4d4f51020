-- SPDX-License-Identifier: Apache-2.0
-- wh1_cancel: ARGV id -> "cancelled" (it waited, or was cancelled before) | "requested" (it runs).
-- Errors WHBADARG WHNOTFOUND WHSTATE WHBADDATA. O(log n); O(workers) for one that runs.
local function request(k, raw, m, worker)
    redis.call('SADD', k.command_ .. worker, 'cancel ' .. id.token(raw, m[M.fence] + 1))
    m[M.cancel] = 1
    meta.put(k, raw, m)
    bell.command(k, worker)
    return 'requested'
end

args.register('wh1_cancel', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: id')
    local raw = id.arg(ARGV[1])
    keys.guard(k)
    local rec = redis.call('HGET', k.jobs, raw)
    if record.dlq_entry(rec) then
        args.fail('WHSTATE the job is dead; purge it from the DLQ instead')
    end
    if rec == '' then
        return 'cancelled'
    end
    if not record.is_record(rec) then
        args.fail('WHNOTFOUND no job with this id in this partition')
    end
    local m = meta.get(k, raw)
    local status, _, worker = view.status(k, raw, m)
    if status == 'cancelled' then
        return 'cancelled'
    end
    if status == 'completed' or status == 'expired' then
        args.fail('WHSTATE the job has ended already')
    end
    if worker then
        return request(k, raw, m, worker)
    end
    local keep, head, now = done.keep_of(k), record.decode(rec), clock.now()
    redis.call('ZREM', k.delayed, raw)
    queued.change(k, head[2], -1, -#rec, status == 'pending' and 1 or 0)
    unique.release(k, raw, head)
    done.finish(k, now, raw, m, 'cancelled', status == 'pending', keep)
    if status == 'pending' then
        hold.look_again(k, now, head)
    end
    event.add(k, 'cancelled', raw, head)
    event.count(k, 'cancelled', 1)
    return 'cancelled'
end, { 'allow-oom' })
