-- SPDX-License-Identifier: Apache-2.0
-- Settings of a partition, changed at run time. Errors WHBADARG WHNOTFOUND WHBADDATA. O(1).
--   wh1_pause, wh1_resume -> OK · wh1_configure (field value)… -> OK
--   wh1_weight org weight -> OK · wh1_quiet worker -> OK
local FIELD = { keep_ms = { 0, LIMIT.delay }, keep_count = { 0, 1000000 }, payload_max = { 1, 67108864 } }
local ORDER = { arrival = true, deadline = true }

args.register('wh1_pause', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 0, 'WHBADARG no arguments')
    keys.guard(k)
    if redis.call('HGET', k.ctl, 'paused') ~= '1' then
        redis.call('HSET', k.ctl, 'paused', '1')
        event.add(k, 'paused')
    end
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_resume', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 0, 'WHBADARG no arguments')
    keys.guard(k)
    if redis.call('HDEL', k.ctl, 'paused') == 1 then
        event.add(k, 'resumed')
        bell.ring(k, clock.now())
    end
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_configure', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    if #ARGV == 0 or #ARGV % 2 ~= 0 or #ARGV > 20 then
        args.fail('WHBADARG usage: field value ...')
    end
    for i = 1, #ARGV, 2 do
        local range, is_order = FIELD[ARGV[i]], ARGV[i] == 'order' and ORDER[ARGV[i + 1]]
        if not range and not is_order then
            args.fail('WHBADARG fields are keep_ms, keep_count, payload_max, order (arrival or deadline)')
        elseif range then
            args.int(ARGV[i + 1], range[1], range[2], 'WHBADARG a value is out of range')
        end
    end
    keys.guard(k)
    redis.call('HSET', k.ctl, unpack(ARGV))
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_weight', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 2, 'WHBADARG usage: org weight')
    local org = args.name(ARGV[1], 'WHBADARG the org must be a name')
    local weight = #ARGV[2] <= 8 and string.find(ARGV[2], '^%d*%.?%d+$') and tonumber(ARGV[2])
    if not weight or weight < 0.001 or weight > 1000 then
        args.fail('WHBADARG the weight must be 0.001 to 1000, a plain decimal number of 8 characters at most')
    end
    keys.guard(k)
    local ratio = fair.reweigh(k, org, (fair.weights(k, { org }) or { [org] = 1 })[org], weight)
    for _, kind in ipairs(levels.of(k, org).asides) do
        turns.reweigh(k, kind, org, ratio)
    end
    if weight == 1 then
        redis.call('HDEL', k.weights, org)
    else
        redis.call('HSET', k.weights, org, ARGV[2])
    end
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_quiet', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: worker')
    local worker = args.name(ARGV[1], 'WHBADARG the worker must be a name')
    keys.guard(k)
    if not redis.call('ZSCORE', k.workers, worker) then
        args.fail('WHNOTFOUND no such worker in this partition')
    end
    redis.call('SADD', k.command_ .. worker, 'quiet')
    redis.call('ZREM', k.idle, worker)
    bell.command(k, worker)
    return redis.status_reply('OK')
end, { 'allow-oom' })
