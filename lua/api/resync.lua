-- SPDX-License-Identifier: Apache-2.0
-- wh1_resync: after a reconnect. Claims that the worker does not name never reached it and are
-- released without using an attempt.
--   ARGV worker token… (<= 5,000) -> [released, token…] (those named that are not held)
-- errors WHBADARG WHTOOBIG WHLOST WHBADDATA. O(claims of the worker).
args.register('wh1_resync', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    local worker = args.name(ARGV[1], 'WHBADARG the worker must be a name')
    if #ARGV > 5001 then
        args.fail('WHTOOBIG more than 5000 tokens')
    end
    local named = {}
    for i = 2, #ARGV do
        named[id.check_token(ARGV[i])] = true
    end
    local now = clock.now()
    lease.check(k, now, worker)
    keys.guard(k)
    local keep, t, held = done.keep_of(k), tally.new(limit.holding(limit.now(k))), {}
    local flat = redis.call('HGETALL', k.run_ .. worker)
    for i = 1, #flat, 2 do
        held[flat[i]] = true
    end
    local list = recover.to_drop(flat, 'release', LIMIT.batch, named)
    local released = finish.each(k, now, worker, list, keep, t)
    tally.settle(k, now, t)
    local reply = { released }
    for i = 2, #ARGV do
        if not held[ARGV[i]] then
            reply[#reply + 1] = ARGV[i]
        end
    end
    return reply
end, { 'allow-oom' })
