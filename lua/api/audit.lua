-- SPDX-License-Identifier: Apache-2.0
-- wh1_audit: ARGV max_jobs -> [jobs seen, problem…]; none = clean. One atomic pass over all
-- jobs: about 7 us a job during which Redis serves nobody else, hence the bound.
-- Errors WHBADARG WHTOOBIG. O(n).
args.register('wh1_audit', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: max_jobs')
    local max = args.int(ARGV[1], 1, 10000000, 'WHBADARG max_jobs must be 1 to 10000000')
    if redis.call('HLEN', k.jobs) > max then
        args.fail('WHTOOBIG the partition has more jobs than max_jobs')
    end
    local a = audit.run(k)
    table.insert(a.problems, 1, a.seen)
    return a.problems
end, { 'no-writes' })
