-- SPDX-License-Identifier: Apache-2.0
-- wh1_enqueue_batch: many jobs in one call.
--   ARGV (id head payload)…, 1 to 1,000 triples; one bad triple refuses all
--   -> [created, now_ms, index, id text, …] (the pairs: those that exist already)
-- errors WHBADARG WHTOOBIG WHBADDATA OOM. O(1) per job and O(log orgs) per org.
args.register('wh1_enqueue_batch', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    local n = #ARGV / 3
    if n < 1 or n % 1 ~= 0 then
        args.fail('WHBADARG arguments must be triples of id, head, payload')
    end
    if n > LIMIT.batch then
        args.fail('WHTOOBIG more than 1000 jobs in one call')
    end
    local jobs = {}
    local max, paused = enqueue.settings(k)
    for i = 1, n do
        local raw, head, payload = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
        if #payload > max then
            args.fail('WHTOOBIG a payload is over the limit of this partition (payload_max)')
        end
        jobs[i] = { raw = #raw == 16 and raw or id.arg(raw), head = record.parse_head(head), payload = payload }
    end
    local now = clock.now()
    local reply = { enqueue.run(k, now, jobs, paused), now }
    for i, job in ipairs(jobs) do
        if job.existing then
            reply[#reply + 1], reply[#reply + 2] = i, job.existing
        end
    end
    return reply
end, {})
