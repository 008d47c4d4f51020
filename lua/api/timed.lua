-- SPDX-License-Identifier: Apache-2.0
-- What a scheduler calls as time passes; every claim does a little of it too, so that none of it
-- depends on a scheduler. ARGV batch (1 to 1000). Errors WHBADARG WHBADDATA.
--   wh1_promote -> [now_ms, promoted, next_due_ms]          O(batch · log n)
--   wh1_recover -> [now_ms, jobs, workers, next_lease_ms]   O(batch · log n)
--   wh1_expire  -> [now_ms, expired, next_expiry_ms]        O(batch · workers)
--   wh1_trim    -> [now_ms, removed, left over]             O(batch · log n)
local function begin(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: batch')
    local batch = args.int(ARGV[1], 1, LIMIT.batch, 'WHBADARG batch must be 1 to 1000')
    keys.guard(k)
    local ctl = redis.call('HMGET', k.ctl, 'keep_count', 'keep_ms')
    return k, clock.now(), batch, args.stored(ctl[1], done.keep_count), args.stored(ctl[2], done.keep_ms)
end

args.register('wh1_promote', function(KEYS, ARGV)
    local k, now, batch = begin(KEYS, ARGV)
    local n = timed.promote(k, now, batch)
    wake.due_now(k, now, tally.new(limit.holding(limit.now(k))))
    return { now, n, timed.next_in(k, now) }
end, { 'allow-oom' })

args.register('wh1_recover', function(KEYS, ARGV)
    local k, now, batch, keep = begin(KEYS, ARGV)
    local jobs, workers = recover.run(k, now, batch, keep)
    return { now, jobs, workers, delay.next_in(k.workers, now) }
end, { 'allow-oom' })

args.register('wh1_expire', function(KEYS, ARGV)
    local k, now, batch, keep = begin(KEYS, ARGV)
    local n = timed.expire(k, now, batch, keep)
    return { now, n, delay.next_in(k.expiry, now) }
end, { 'allow-oom' })

args.register('wh1_trim', function(KEYS, ARGV)
    local k, now, batch, keep, keep_ms = begin(KEYS, ARGV)
    local n = done.trim_age(k, now, keep_ms, batch)
    if n < batch then
        n = n + done.trim_count(k, keep, batch - n)
    end
    return { now, n, done.left_over(k, now, keep_ms, keep) }
end, { 'allow-oom' })
