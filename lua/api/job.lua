-- SPDX-License-Identifier: Apache-2.0
-- wh1_job: ARGV id -> flat field, value… of the whole record. wh1_log: ARGV id -> kept log lines.
-- Errors WHBADARG WHNOTFOUND. O(workers).
args.register('wh1_job', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: id')
    local found = view.job(k, id.arg(ARGV[1]))
    if not found then
        args.fail('WHNOTFOUND no job with this id in this partition')
    end
    return found
end, { 'no-writes' })

args.register('wh1_log', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: id')
    return redis.call('LRANGE', k.log_ .. id.text(id.arg(ARGV[1])), 0, -1)
end, { 'no-writes' })
