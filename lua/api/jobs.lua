-- SPDX-License-Identifier: Apache-2.0
-- wh1_jobs: a page of jobs of one status.
--   ARGV status cursor limit [ORG o] [TYPE t] [FULL] -> [next cursor ("" at the end), record…]
-- limit (1 to 1000) is what one call looks at. Cursors are positions: jobs that move while
-- somebody pages may be missed or seen twice. Errors WHBADARG. O(limit + orgs or workers before it).
local page = {}

local function offset(cursor)
    if cursor == '' or cursor == '-' then
        return 0
    end
    return args.int(cursor, 0, 1000000000, 'WHBADARG the cursor is none that this status gave')
end

local function next_offset(from, seen, total)
    return from + seen < total and string.format('%d', from + seen) or ''
end

function page.scheduled(k, cursor, count, filter)
    local from = offset(cursor)
    local flat = redis.call('ZRANGE', k.delayed, from, from + count - 1, 'WITHSCORES')
    local ids, due = {}, {}
    for i = 1, #flat, 2 do
        ids[#ids + 1], due[#due + 1] = flat[i], tonumber(flat[i + 1])
    end
    local list = view.list(k, ids, filter, function(_, i)
        return { status = 'scheduled', due = due[i] }
    end)
    return next_offset(from, #ids, redis.call('ZCARD', k.delayed)), list
end

-- completed, cancelled, expired: newest first.
local function finished(status)
    return function(k, cursor, count, filter)
        local from = offset(cursor)
        local ids, total = done.page(k, status, from, count)
        local list = view.list(k, ids, filter, function(_, _, m)
            return m[M.status] == status and { status = status }
        end)
        return next_offset(from, #ids, total), list
    end
end
page.completed, page.cancelled, page.expired = finished('completed'), finished('cancelled'), finished('expired')

function page.in_progress(k, cursor, count, filter)
    local from, seen, ids, at = offset(cursor), 0, {}, {}
    for _, worker in ipairs(redis.call('ZRANGE', k.workers, 0, -1)) do
        local key = k.run_ .. worker
        local n = redis.call('HLEN', key)
        local wanted = #ids < count and seen + n > from
        local flat = wanted and redis.call('HGETALL', key) or {}
        for i = 1, #flat, 2 do
            if seen + (i + 1) / 2 > from and #ids < count then
                ids[#ids + 1] = id.of_token(flat[i])
                at[#at + 1] = { status = 'in_progress', worker = worker, held = flat[i + 1] }
            end
        end
        seen = seen + n
    end
    local list = view.list(k, ids, filter, function(_, i)
        return at[i]
    end)
    return next_offset(from, #ids, seen), list
end

function page.pending(k, cursor, count, filter)
    local from, ids, total = offset(cursor), {}, 0
    for _, org in ipairs(filter.org and { filter.org } or queued.orgs(k)) do
        ready.each(k, org, function(key, command, length)
            local first = math.max(0, from - total)
            if #ids < count and first < length then
                for _, raw in ipairs(redis.call(command, key, first, first + count - #ids - 1)) do
                    ids[#ids + 1] = raw
                end
            end
            total = total + length
        end)
    end
    local list = view.list(k, ids, filter, function(_, _, m)
        return not m[M.status] and { status = 'pending' }
    end)
    return next_offset(from, #ids, total), list
end

function page.failed(k, cursor, count, filter)
    local start = '-'
    if cursor ~= '' and cursor ~= '-' then
        start = '(' .. args.entry(cursor, 'WHBADARG the cursor is none that this status gave')
    end
    local entries, list = redis.call('XRANGE', k.dlq, start, '+', 'COUNT', count), {}
    for _, e in ipairs(entries) do
        local f = record.fields(e[2])
        if dlq.matches(f, filter) then
            list[#list + 1] = view.dead(e[1], f, filter.full)
        end
    end
    return #entries == count and entries[#entries][1] or '', list
end

args.register('wh1_jobs', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    local list_of = ARGV[1] and page[ARGV[1]]
    if not list_of or #ARGV < 3 then
        args.fail('WHBADARG usage: pending|scheduled|in_progress|completed|failed|cancelled|expired cursor limit')
    end
    local count = args.int(ARGV[3], 1, LIMIT.batch, 'WHBADARG limit must be 1 to 1000')
    local found = args.options(ARGV, 4, { ORG = 1, TYPE = 1, FULL = 0 })
    local filter = args.filter(found)
    filter.full = found.FULL
    local cursor, list = list_of(k, ARGV[2], count, filter)
    table.insert(list, 1, cursor)
    return list
end, { 'no-writes' })
