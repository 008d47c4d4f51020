-- SPDX-License-Identifier: Apache-2.0
-- Schedules of a partition. When they fire next is computed by schedulers, which know time zones; that one
-- fires once, whoever asks and how often, is decided here. docs/protocol.md section 8.
--   wh1_cron_set name definition next_ms [was was_next_ms] -> created | changed | same | stale
--   wh1_cron_remove name [was] -> OK | stale
--   wh1_cron_pause name -> OK · wh1_cron_resume name next_ms -> OK
--   wh1_cron_fire name expected_ms next_ms (id head payload)… -> [1, created] | [0, next or -1]
--   wh1_cron_list -> [now_ms, name, definition, next_ms or -1, …]
-- Errors WHBADARG WHTOOBIG WHNOTFOUND WHBADDATA OOM. O(log schedules + jobs); list O(schedules), in three commands.
local cron = { definition = 65536, jobs = 100, schedules = 10000, latest = 9999999999999 }

local function begin(KEYS, ARGV, n, usage)
    local k = keys.of(KEYS)
    if #ARGV < n then
        args.fail(usage)
    end
    return k, args.name(ARGV[1], 'WHBADARG the schedule must be a name')
end

local function time_arg(v)
    return args.int(v, 0, cron.latest, 'WHBADARG a fire time must be ms since the epoch')
end

local function must_exist(k, name)
    if redis.call('HEXISTS', k.cron, name) == 0 then
        args.fail('WHNOTFOUND no schedule of this name in this partition')
    end
end

local function set_time(k, name, at)
    if at > 0 then
        redis.call('ZADD', k.cronat, at, name)
    else
        redis.call('ZREM', k.cronat, name)
    end
    bell.wake_scheduler(k)
end

-- Is this still what the caller saw when it decided? was: the definition, '' for none; at: its next fire time, 0 for
-- none.
local function is_as_seen(k, name, old, was, at)
    return (old or '') == was and tonumber(redis.call('ZSCORE', k.cronat, name) or 0) == at
end

args.register('wh1_cron_set', function(KEYS, ARGV)
    local usage = 'WHBADARG usage: name definition next_ms [was was_next_ms]'
    local k, name = begin(KEYS, ARGV, 3, usage)
    args.count(ARGV, ARGV[4] and 5 or 3, usage)
    local text = args.bytes(ARGV[2], cron.definition, 'WHTOOBIG the definition is over 65536 bytes')
    local at, was_at = time_arg(ARGV[3]), ARGV[4] and time_arg(ARGV[5])
    keys.guard(k)
    local old = redis.call('HGET', k.cron, name)
    if old == text then
        return 'same'
    end
    if was_at and not is_as_seen(k, name, old, ARGV[4], was_at) then
        return 'stale'
    end
    if not old and redis.call('HLEN', k.cron) >= cron.schedules then
        args.fail('WHTOOBIG more than 10000 schedules in one partition')
    end
    redis.call('HSET', k.cron, name, text)
    set_time(k, name, at)
    event.add(k, 'cron_set', nil, nil, { 'schedule', name })
    return old and 'changed' or 'created'
end, {})

args.register('wh1_cron_remove', function(KEYS, ARGV)
    local k, name = begin(KEYS, ARGV, 1, 'WHBADARG usage: name [was]')
    args.count(ARGV, ARGV[2] and 2 or 1, 'WHBADARG usage: name [was]')
    keys.guard(k)
    must_exist(k, name)
    if ARGV[2] and redis.call('HGET', k.cron, name) ~= ARGV[2] then
        return 'stale'
    end
    redis.call('HDEL', k.cron, name)
    set_time(k, name, 0)
    event.add(k, 'cron_removed', nil, nil, { 'schedule', name })
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_cron_pause', function(KEYS, ARGV)
    local k, name = begin(KEYS, ARGV, 1, 'WHBADARG usage: name')
    keys.guard(k)
    must_exist(k, name)
    set_time(k, name, 0)
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_cron_resume', function(KEYS, ARGV)
    local k, name = begin(KEYS, ARGV, 2, 'WHBADARG usage: name next_ms')
    local at = time_arg(ARGV[2])
    keys.guard(k)
    must_exist(k, name)
    set_time(k, name, at)
    return redis.status_reply('OK')
end, { 'allow-oom' })

args.register('wh1_cron_fire', function(KEYS, ARGV)
    local k, name = begin(KEYS, ARGV, 3, 'WHBADARG usage: name expected_ms next_ms (id head payload)...')
    local expected, at = time_arg(ARGV[2]), time_arg(ARGV[3])
    local settings = enqueue.settings(k)
    local jobs = enqueue.triples(ARGV, 4, settings)
    if #jobs > cron.jobs then
        args.fail('WHTOOBIG more than 100 jobs in one firing')
    end
    keys.guard(k)
    local due = tonumber(redis.call('ZSCORE', k.cronat, name) or -1)
    if due ~= expected then
        return { 0, due }
    end
    local created = #jobs > 0 and enqueue.run(k, clock.now(), jobs, settings, true) or 0
    set_time(k, name, at)
    event.count(k, 'cron_fired', 1)
    return { 1, created }
end, {})

args.register('wh1_cron_list', function(KEYS)
    local k = keys.of(KEYS)
    local out, flat, at = { clock.now() }, redis.call('HGETALL', k.cron), {}
    local times = redis.call('ZRANGE', k.cronat, 0, -1, 'WITHSCORES')
    for i = 1, #times, 2 do
        at[times[i]] = tonumber(times[i + 1])
    end
    for i = 1, #flat, 2 do
        out[#out + 1], out[#out + 2], out[#out + 3] = flat[i], flat[i + 1], at[flat[i]] or -1
    end
    return out
end, { 'no-writes' })
