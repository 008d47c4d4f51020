-- SPDX-License-Identifier: Apache-2.0
-- wh1_enqueue for any Redis client:
--   ARGV type payload [ORG o] [PRIORITY n] [DELAY ms] [ID id] [KEY k] [KEYTTL ms] [MAXATTEMPTS n]
--        [TIMEOUT ms] [EXPIRES ms] [ENTITY type id] [TRACEPARENT tp] [GROUP g]
--        [UNIQUE ttl|done|queued] [CONFLICT keep|replace|extend|keep_last] [RETRYFOR ms]
--   -> [id text, "created" | "existing" | "replaced" | "extended"]
-- errors WHBADARG WHTOOBIG WHBADDATA WHBACKPRESSURE OOM
-- O(1) per job, O(log n) for a delayed one. Not allow-oom: a full Redis refuses new work only.
local WORDS = {
    ORG = 1, PRIORITY = 1, DELAY = 1, ID = 1, KEY = 1, KEYTTL = 1, MAXATTEMPTS = 1, TIMEOUT = 1, EXPIRES = 1,
    ENTITY = 2, TRACEPARENT = 1, GROUP = 1, UNIQUE = 1, CONFLICT = 1, RETRYFOR = 1,
}
local UNIQUE = { ttl = false, done = 'd', queued = 'q' }
local CONFLICT = { keep = false, replace = 'r', extend = 'e', keep_last = 'l' }

-- The letter of a word; nil for one that stands for the default.
local function optional_word(v, words, text)
    if v and words[v] == nil then
        args.fail(text)
    end
    return v and words[v] or nil
end

local function optional_int(v, lo, hi, text)
    return v and args.int(v, lo, hi, text) or nil
end

-- The head of a job from option words.
local function head_of(argv, found, settings)
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
        ku = optional_word(found.UNIQUE, UNIQUE, 'WHBADARG UNIQUE must be ttl, done or queued'),
        kc = optional_word(found.CONFLICT, CONFLICT, 'WHBADARG CONFLICT must be keep, replace, extend or keep_last'),
        g = found.GROUP,
        rf = optional_int(found.RETRYFOR, 1, LIMIT.delay, 'WHBADARG RETRYFOR must be 1 to 315360000000 ms'),
    }
    record.check_key(o)
    local head = { argv[1], found.ORG or 'default', limit.priority(settings.limits, argv[1]) }
    if found.PRIORITY then
        head[3] = args.int(found.PRIORITY, 0, 9, 'WHBADARG PRIORITY must be 0 to 9')
    end
    if next(o) then
        head[4] = o
    end
    local h = record.check(head)
    h.bytes, h.inherits = record.pack_head(head), not found.PRIORITY
    return h
end

args.register('wh1_enqueue', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    if #ARGV < 2 then
        args.fail('WHBADARG usage: type payload [ORG o] [PRIORITY n] [DELAY ms] [ID id] [KEY k] ...')
    end
    local found = args.options(ARGV, 3, WORDS)
    local settings = enqueue.settings(k)
    local head = head_of(ARGV, found, settings)
    if #ARGV[2] > settings.payload_max then
        enqueue.refuse_size(#ARGV[2], settings)
    end
    -- Making an id writes; the other keys are looked at before that.
    if not found.ID and not place.is_sound(place.make(k, head.org, head.level, head.options)) then
        args.fail(args.WRONG_TYPE)
    end
    local job = { raw = found.ID and id.arg(found.ID), head = head, payload = ARGV[2] }
    enqueue.run(k, clock.now(), { job }, settings)
    if job.existing then
        return { job.existing, job.reply or 'existing' }
    end
    return { id.text(job.raw), 'created' }
end, {})
