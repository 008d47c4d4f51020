-- SPDX-License-Identifier: Apache-2.0
-- The dead-letter queue as a product: list, replay, purge; by cursor, filtered, dry or real.
--   wh1_dlq_list   ARGV cursor limit [ORG o] [TYPE t] [CATEGORY c] -> [next, [entry, fields], …]
--   wh1_dlq_replay, wh1_dlq_purge ARGV cursor limit [UNTIL entry] [DRYRUN] [filters] -> [next, looked at, matched]
-- The cursor is the last entry seen, "-" to begin; "" at the end. Errors WHBADARG WHBADDATA. O(limit · log n).
local function entry_arg(v)
    if #v > 41 or not string.find(v, '^%d+%-%d+$') then
        args.fail('WHBADARG the cursor must be "-" or an entry id such as 1700000000000-0')
    end
    return v
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
        if dlq.matches(dlq.fields(e[2]), q.filter) then
            reply[#reply + 1] = e
        end
    end
    return reply
end, { 'no-writes' })

-- act(entry, raw or nil, fields) returns whether it did something.
local function walk(act)
    return function(KEYS, ARGV)
        local k, q = parse_walk(KEYS, ARGV, { ORG = 1, TYPE = 1, CATEGORY = 1, UNTIL = 1, DRYRUN = 0 })
        keys.guard(k)
        local entries, cursor = read(k, q)
        local now, matched = clock.now(), 0
        for _, e in ipairs(entries) do
            local f = dlq.fields(e[2])
            if dlq.matches(f, q.filter) and act(k, now, e[1], dlq.known(k, e[1], f), f, q.dry) then
                matched = matched + 1
            end
        end
        return { cursor, #entries, matched }
    end
end

args.register('wh1_dlq_replay', walk(function(k, now, entry, raw, f, dry)
    if not raw or not args.is_name(f.type or '') or not args.is_name(f.org or '') then
        return false
    end
    if not dry then
        dlq.revive(k, now, entry, raw, f)
        bell.ring(k, now)
    end
    return true
end), { 'allow-oom' })

args.register('wh1_dlq_purge', walk(function(k, _, entry, raw, f, dry)
    if not dry then
        dlq.drop(k, entry, raw, f)
    end
    return true
end), { 'allow-oom' })
