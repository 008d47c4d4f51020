-- SPDX-License-Identifier: Apache-2.0
-- Which partitions there are, as far as workers and schedulers said. Key wh:{registry}.
--   wh1_register ARGV partition… -> number of new ones · wh1_partitions -> partition keys
--   wh1_unregister ARGV partition… -> number of those that were there; nothing of theirs is looked at
-- A new one rings for a scheduler, at wh:{registry}:bell:scheduler. Errors WHBADARG. O(log n) each.
local function registry_key(KEYS)
    if #KEYS ~= 1 or KEYS[1] ~= keys.registry then
        args.fail('WHBADARG the key must be wh:{registry}')
    end
    return KEYS[1]
end

local function check_partitions(ARGV)
    if #ARGV < 1 or #ARGV > LIMIT.batch then
        args.fail('WHBADARG 1 to 1000 partitions')
    end
    for i = 1, #ARGV do
        keys.of({ ARGV[i] })
    end
end

args.register('wh1_register', function(KEYS, ARGV)
    local key = registry_key(KEYS)
    check_partitions(ARGV)
    local now, add = clock.now(), { 'ZADD', key }
    for i = 1, #ARGV do
        add[#add + 1], add[#add + 2] = now, ARGV[i]
    end
    local added = redis.call(unpack(add))
    if added > 0 then
        bell.wake_scheduler({ bell_ = key .. ':bell:' })
    end
    return added
end, { 'allow-oom' })

args.register('wh1_unregister', function(KEYS, ARGV)
    local key = registry_key(KEYS)
    check_partitions(ARGV)
    return redis.call('ZREM', key, unpack(ARGV))
end, { 'allow-oom' })

args.register('wh1_partitions', function(KEYS)
    return redis.call('ZRANGE', registry_key(KEYS), 0, -1)
end, { 'no-writes' })
