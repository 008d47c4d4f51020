-- SPDX-License-Identifier: Apache-2.0
-- The dead-letter queue as a product: list, replay, purge; by cursor, filtered, dry or real.
--   wh1_dlq_list   ARGV cursor limit [ORG o] [TYPE t] [CATEGORY c] -> [next, [entry, fields], …]
--   wh1_dlq_replay, wh1_dlq_purge ARGV cursor limit [UNTIL entry] [DRYRUN] [filters] -> [next, looked at, matched];
--   then, if any stay because another job has their key: how many
-- The cursor is the last entry seen, "-" to begin; "" at the end. Errors WHBADARG WHBADDATA. O(limit · log n).
local function entry_arg(v)
    return args.entry(v, 'WHBADARG the cursor must be "-" or an entry id such as 1700000000000-0')
end

local function parse_walk(KEYS, ARGV, words)
    local k = keys.of(KEYS)
    if #ARGV < 2 then
        args.fail('WHBADARG usage: cursor limit [filters]')
    end
    local q = { start = '-', stop = '+' }
    if ARGV[1] ~= '-' then
        q.start = '(' .. entry_arg(ARGV[1])
    end
    q.limit = args.int(ARGV[2], 1, LIMIT.batch, 'WHBADARG limit must be 1 to 1000')
    local found = args.options(ARGV, 3, words)
    q.filter, q.dry = args.filter(found), found.DRYRUN
    if found.UNTIL then
        q.stop = entry_arg(found.UNTIL)
    end
    return k, q
end

local function read(k, q)
    local entries = redis.call('XRANGE', k.dlq, q.start, q.stop, 'COUNT', q.limit)
    return entries, #entries == q.limit and entries[#entries][1] or ''
end

args.register('wh1_dlq_list', function(KEYS, ARGV)
    local k, q = parse_walk(KEYS, ARGV, { ORG = 1, TYPE = 1, CATEGORY = 1 })
    local entries, cursor = read(k, q)
    local reply = { cursor }
    for _, e in ipairs(entries) do
        if dlq.matches(record.fields(e[2]), q.filter) then
            reply[#reply + 1] = e
        end
    end
    return reply
end, { 'no-writes' })

-- may(k, raw or nil, fields, keys): does the act concern this entry? 'taken': it does, but another job has its
-- key; keys: those of the call's jobs before. It runs for all before the first act, so that it can refuse the call.
local function walk(may, act)
    return function(KEYS, ARGV)
        local k, q = parse_walk(KEYS, ARGV, { ORG = 1, TYPE = 1, CATEGORY = 1, UNTIL = 1, DRYRUN = 0 })
        keys.guard(k)
        local entries, cursor = read(k, q)
        local now, todo, used, taken = clock.now(), {}, {}, 0
        for _, e in ipairs(entries) do
            local f = record.fields(e[2])
            local raw = dlq.matches(f, q.filter) and dlq.known(k, e[1], f)
            local answer = raw ~= false and may(k, raw, f, used)
            if answer == 'taken' then
                taken = taken + 1
            elseif answer then
                todo[#todo + 1] = { entry = e[1], raw = raw, f = f }
            end
        end
        for i = 1, q.dry and 0 or #todo do
            act(k, now, todo[i])
        end
        return { cursor, #entries, #todo, taken > 0 and taken or nil }
    end
end

args.register('wh1_dlq_replay', walk(function(k, raw, f, used)
    if not raw or not args.is_name(f.type or '') or not args.is_name(f.org or '') then
        return false
    end
    local level = string.format('%d', tonumber(f.priority) or 5)
    if not place.is_sound(place.make(k, f.org, level, { g = f.group })) then
        args.fail(args.WRONG_TYPE)
    end
    local o = dlq.options(f)
    if not o.ku or not o.k then
        return true
    end
    local key = unique.key(k, f.org, o.k)
    if used[key] or not unique.is_free(k, raw, f.org, o) then
        return 'taken'
    end
    used[key] = true
    return true
end, function(k, now, t)
    dlq.revive(k, now, t.entry, t.raw, t.f)
    bell.ring(k, now)
end), { 'allow-oom' })

args.register('wh1_dlq_purge', walk(function()
    return true
end, function(k, _, t)
    dlq.drop(k, t.entry, t.raw, t.f)
end), { 'allow-oom' })
