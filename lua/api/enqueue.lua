-- SPDX-License-Identifier: Apache-2.0
-- The core of both enqueue functions, and wh1_enqueue for any Redis client:
--   ARGV type payload [ORG o] [PRIORITY n] [DELAY ms] [ID id] [KEY k] [KEYTTL ms] [MAXATTEMPTS n]
--        [TIMEOUT ms] [EXPIRES ms] [ENTITY type id] [TRACEPARENT tp]
--   -> [id text, "created" | "existing"]; errors WHBADARG WHTOOBIG WHBADDATA OOM
-- O(1) per job, O(log n) for a delayed one. Not allow-oom: a full Redis refuses new work only.
local enqueue = { key_ttl = 86400000 }

-- payload_max, and whether the queue is paused.
function enqueue.settings(k)
    local ctl = redis.call('HMGET', k.ctl, 'payload_max', 'paused')
    return args.stored(ctl[1], LIMIT.payload), ctl[2] == '1'
end

-- Which of the jobs exist already: fills job.existing with an id text. Jobs: {raw, head, payload};
-- one without raw gets a fresh id (behind the look at the keys, which may refuse all).
local function find_existing(k, now, jobs)
    local ids, holders, seen = {}, {}, {}
    for _, job in ipairs(jobs) do
        local key = job.head.options.k
        if key and holders[key] == nil then
            holders[key] = redis.call('GET', k.unique_ .. key)
        end
    end
    for i, job in ipairs(jobs) do
        job.raw = job.raw or id.make(k, now)
        ids[i] = job.raw
    end
    local known = redis.call('HMGET', k.jobs, unpack(ids))
    for i, job in ipairs(jobs) do
        local key = job.head.options.k
        if known[i] or seen[job.raw] then
            job.existing = id.text(job.raw)
        elseif key then
            job.existing = holders[key]
            holders[key] = holders[key] or id.text(job.raw)
        end
        if not job.existing then
            seen[job.raw] = true
        end
    end
end

local function group_for(plan, head)
    local name = head.org .. ':' .. head.level
    local g = plan.by_name[name]
    if not g then
        g = { org = head.org, level = head.level, ids = {} }
        plan.by_name[name], plan.groups[#plan.groups + 1] = g, g
    end
    return g
end

local function make_plan(now, jobs)
    local plan = {
        of_head = {}, by_name = {}, groups = {}, set = {}, delayed = {}, expiry = {}, keys = {}, created = 0,
    }
    local stamp, set = record.stamp(now), plan.set
    for _, job in ipairs(jobs) do
        if not job.existing then
            local head, raw = job.head, job.raw
            local o = head.options
            set[#set + 1], set[#set + 2] = raw, stamp .. head.bytes .. job.payload
            plan.created = plan.created + 1
            if o.dl and o.dl > 0 then
                local due = now + o.dl
                plan.delayed[#plan.delayed + 1], plan.delayed[#plan.delayed + 2] = due, raw
                plan.earliest = math.min(plan.earliest or due, due)
            else
                local g = plan.of_head[head] or group_for(plan, head)
                plan.of_head[head] = g
                g.ids[#g.ids + 1] = raw
            end
            if o.xp then
                plan.expiry[#plan.expiry + 1], plan.expiry[#plan.expiry + 2] = now + o.xp, raw
            end
            if o.k then
                plan.keys[#plan.keys + 1] = { o.k, id.text(raw), o.kt or enqueue.key_ttl }
            end
        end
    end
    return plan
end

-- Writes everything; the lists first, since only they can still fail and be taken back.
local function write_plan(k, now, plan)
    if #plan.groups > 0 then
        ready.push_groups(k, plan.groups)
    end
    redis.call('HSET', k.jobs, unpack(plan.set))
    if #plan.delayed > 0 then
        delay.add_all(k, plan.delayed, plan.earliest)
    end
    if #plan.expiry > 0 then
        redis.call('ZADD', k.expiry, unpack(plan.expiry))
    end
    for _, u in ipairs(plan.keys) do
        redis.call('SET', k.unique_ .. u[1], u[2], 'PX', string.format('%.0f', u[3]))
    end
    event.count(k, 'enqueued', plan.created)
    if #plan.groups > 0 then
        bell.ring(k, now)
    end
end

-- One plain job, and no org has another: a waiting worker may get it at once. Nobody's turn is
-- taken. The case whose price is latency, hence no plan and no guard: each write comes first,
-- follows a read of the same key, or can be taken back.
local function hand_off(k, now, job)
    local h = job.head
    if next(h.options) or h.level ~= ready.default_level or redis.call('ZCARD', k.ring) > 0 then
        return false
    end
    if not bell.hand_off(k, now, job.raw, record.stamp(now) .. h.bytes .. job.payload, h.org) then
        return false
    end
    event.count(k, 'handed', 1)
    return true
end

-- Heads are checked; payloads are within bounds. Returns the number of created jobs.
function enqueue.run(k, now, jobs, paused)
    if #jobs == 1 and jobs[1].raw and not paused and hand_off(k, now, jobs[1]) then
        return 1
    end
    keys.guard(k)
    find_existing(k, now, jobs)
    local plan = make_plan(now, jobs)
    if plan.created > 0 then
        write_plan(k, now, plan)
    end
    return plan.created
end

local WORDS = {
    ORG = 1, PRIORITY = 1, DELAY = 1, ID = 1, KEY = 1, KEYTTL = 1, MAXATTEMPTS = 1, TIMEOUT = 1, EXPIRES = 1,
    ENTITY = 2, TRACEPARENT = 1,
}

local function optional_int(v, lo, hi, text)
    return v and args.int(v, lo, hi, text) or nil
end

-- The head of a job from option words.
local function head_of(argv, found)
    local o = {
        ma = optional_int(found.MAXATTEMPTS, 1, LIMIT.attempts, 'WHBADARG MAXATTEMPTS must be 1 to 1000'),
        to = optional_int(found.TIMEOUT, 1, LIMIT.timeout, 'WHBADARG TIMEOUT must be 1 to 604800000 ms'),
        dl = optional_int(found.DELAY, 0, LIMIT.delay, 'WHBADARG DELAY must be 0 to 315360000000 ms'),
        xp = optional_int(found.EXPIRES, 1, LIMIT.delay, 'WHBADARG EXPIRES must be 1 to 315360000000 ms'),
        kt = optional_int(found.KEYTTL, 1, LIMIT.delay, 'WHBADARG KEYTTL must be 1 to 315360000000 ms'),
        et = found.ENTITY and found.ENTITY[1],
        ei = found.ENTITY and found.ENTITY[2],
        tp = found.TRACEPARENT,
        k = found.KEY,
    }
    local head = { argv[1], found.ORG or 'default', 5 }
    if found.PRIORITY then
        head[3] = args.int(found.PRIORITY, 0, 9, 'WHBADARG PRIORITY must be 0 to 9')
    end
    if next(o) then
        head[4] = o
    end
    local h = record.check(head)
    h.bytes = record.pack_head(head)
    return h
end

args.register('wh1_enqueue', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    if #ARGV < 2 then
        args.fail('WHBADARG usage: type payload [ORG o] [PRIORITY n] [DELAY ms] [ID id] [KEY k] ...')
    end
    local found = args.options(ARGV, 3, WORDS)
    local head = head_of(ARGV, found)
    local payload_max, paused = enqueue.settings(k)
    if #ARGV[2] > payload_max then
        args.fail('WHTOOBIG the payload is over the limit of this partition (payload_max)')
    end
    if not found.ID and not ready.is_sound(k, head.org, head.level) then
        args.fail(args.WRONG_TYPE) -- before making an id, which writes
    end
    local job = { raw = found.ID and id.arg(found.ID), head = head, payload = ARGV[2] }
    enqueue.run(k, clock.now(), { job }, paused)
    if job.existing then
        return { job.existing, 'existing' }
    end
    return { id.text(job.raw), 'created' }
end, {})
