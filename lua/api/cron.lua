-- SPDX-License-Identifier: Apache-2.0
-- Schedules of a partition. When they fire next is computed by schedulers, which know time zones; that one
-- fires once, whoever asks and how often, is decided here. docs/protocol.md section 8.
--   wh1_cron_set name definition next_ms [was was_next_ms [from]] -> created | changed | same | stale | taken
--   wh1_cron_remove name [was] -> OK | stale
--   wh1_cron_pause name -> OK · wh1_cron_resume name next_ms -> OK
--   wh1_cron_fire name expected_ms next_ms (id head payload)… -> [1, created] | [0, next or -1]
--   wh1_cron_fire_batch (name expected_ms next_ms was n (id head payload)…)… -> [1, created | 0 or 2, next or -1, …]
--   wh1_cron_list -> [now_ms, name, definition, next_ms or -1, …]
-- Errors WHBADARG WHTOOBIG WHNOTFOUND WHBADDATA OOM. O(log schedules + jobs); list O(schedules), in three commands.
local cron = { definition = 65536, jobs = 100, schedules = 10000, latest = 9999999999999, firings = 100 }

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

-- What counts here of a definition, '' where it has none: the set of a configuration that declares it, its payload.
local function read(text)
    local ok, d = pcall(cjson.decode, text)
    d = ok and type(d) == 'table' and d or {}
    return type(d.declared) == 'string' and d.declared or '', type(d.payload) == 'string' and d.payload or ''
end

-- A set takes the place of its own schedules only, and of those of the set `from`: neither of another set's nor of
-- those that were made at run time. What is made at run time takes any place.
local function is_taken(set, old, from)
    local has = old and read(old)
    return has and set ~= '' and has ~= set and (has == '' or has ~= from)
end

args.register('wh1_cron_set', function(KEYS, ARGV)
    local usage = 'WHBADARG usage: name definition next_ms [was was_next_ms [from]]'
    local k, name = begin(KEYS, ARGV, 3, usage)
    args.count(ARGV, ARGV[6] and 6 or ARGV[4] and 5 or 3, usage)
    local text = args.bytes(ARGV[2], cron.definition, 'WHTOOBIG the definition is over 65536 bytes')
    local at, was_at = time_arg(ARGV[3]), ARGV[4] and time_arg(ARGV[5])
    local set, payload = read(text)
    local settings = enqueue.settings(k)
    if #payload > settings.payload_max then
        enqueue.refuse_size(#payload, settings)
    end
    keys.guard(k)
    local old = redis.call('HGET', k.cron, name)
    if old == text then
        return 'same'
    end
    if was_at and not is_as_seen(k, name, old, ARGV[4], was_at) then
        return 'stale'
    end
    if is_taken(set, old, ARGV[6]) then
        return 'taken'
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

-- Which of the firings are right: fills f.due with the fire time there is, f.answer with 1, or 0 where that is not
-- the expected one, or 2 where the caller saw another definition (f.was).
local function judge(k, firings)
    local names = {}
    for i, f in ipairs(firings) do
        names[i] = f.name
    end
    local due = redis.call('ZMSCORE', k.cronat, unpack(names))
    local texts = redis.call('HMGET', k.cron, unpack(names))
    for i, f in ipairs(firings) do
        f.due = tonumber(due[i] or -1)
        f.answer = f.due == f.expected and 1 or 0
        if f.was and texts[i] ~= f.was then
            f.answer = 2
        end
    end
end

-- The next fire times of those that are right.
local function move_on(k, firings)
    local add, rem, fired = { 'ZADD', k.cronat }, { 'ZREM', k.cronat }, 0
    for _, f in ipairs(firings) do
        if f.answer == 1 and f.at > 0 then
            add[#add + 1], add[#add + 2] = f.at, f.name
        elseif f.answer == 1 then
            rem[#rem + 1] = f.name
        end
        fired = fired + (f.answer == 1 and 1 or 0)
    end
    for _, command in ipairs({ add, rem }) do
        if #command > 2 then
            redis.call(unpack(command))
        end
    end
    event.count(k, 'cron_fired', fired)
end

-- Enqueues the jobs of those that are right, and sets when they fire next. Returns two numbers for each. Nobody is
-- woken for the next fire times: they are later than the ones that the schedulers wait for.
local function fire(k, firings, settings)
    local jobs, out = {}, {}
    for _, f in ipairs(firings) do
        for i = 1, f.answer == 1 and #f.jobs or 0 do
            jobs[#jobs + 1] = f.jobs[i]
        end
    end
    if #jobs > 0 then
        enqueue.run(k, clock.now(), jobs, settings, true)
    end
    move_on(k, firings)
    for _, f in ipairs(firings) do
        local n = f.answer == 1 and 0 or f.due
        for i = 1, f.answer == 1 and #f.jobs or 0 do
            n = n + (f.jobs[i].existing and 0 or 1)
        end
        out[#out + 1], out[#out + 2] = f.answer, n
    end
    return out
end

-- What schedulers of old call: one firing, whatever the definition is by now.
args.register('wh1_cron_fire', function(KEYS, ARGV)
    local k, name = begin(KEYS, ARGV, 3, 'WHBADARG usage: name expected_ms next_ms (id head payload)...')
    local one = { name = name, expected = time_arg(ARGV[2]), at = time_arg(ARGV[3]) }
    local settings = enqueue.settings(k)
    one.jobs = enqueue.triples(ARGV, 4, settings)
    if #one.jobs > cron.jobs then
        args.fail('WHTOOBIG more than 100 jobs in one firing')
    end
    keys.guard(k)
    judge(k, { one })
    return fire(k, { one }, settings)
end, {})

-- The firing at ARGV[at], and where the one behind it begins. Its jobs are not looked at yet.
local function firing_at(ARGV, at)
    local usage = 'WHBADARG usage: (name expected_ms next_ms was n (id head payload)...)...'
    local n = args.int(ARGV[at + 4], 0, cron.jobs, usage)
    local f = {
        name = args.name(ARGV[at], 'WHBADARG the schedule must be a name'), expected = time_arg(ARGV[at + 1]),
        at = time_arg(ARGV[at + 2]), was = ARGV[at + 3], from = at + 5, to = at + 4 + 3 * n,
    }
    if f.to > #ARGV then
        args.fail(usage)
    end
    return f, f.to + 1
end

args.register('wh1_cron_fire_batch', function(KEYS, ARGV)
    local k, firings, seen, at = keys.of(KEYS), {}, {}, 1
    while at <= #ARGV do
        firings[#firings + 1], at = firing_at(ARGV, at)
        local name = firings[#firings].name
        if seen[name] then
            args.fail('WHBADARG a schedule is there twice')
        end
        seen[name] = true
    end
    if #firings < 1 or #firings > cron.firings then
        args.fail('WHBADARG give 1 to 100 firings')
    end
    local settings, count = enqueue.settings(k), 0
    keys.guard(k)
    judge(k, firings)
    for _, f in ipairs(firings) do
        f.jobs = f.answer == 1 and enqueue.triples(ARGV, f.from, settings, f.to) or {}
        count = count + #f.jobs
    end
    if count > LIMIT.batch then
        args.fail('WHTOOBIG more than 1000 jobs in one call')
    end
    return fire(k, firings, settings)
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
