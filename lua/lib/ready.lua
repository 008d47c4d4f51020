-- SPDX-License-Identifier: Apache-2.0
-- Ready lists, their levels, and the ring of orgs.
-- Invariant: an org with a non-empty list is in the ring; a non-empty list of a level other
-- than 5 has its digit in P:levels.
local ready = { default_level = '5' }

-- The virtual time at which an org enters the ring.
function ready.floor(k)
    local lowest = redis.call('ZRANGE', k.ring, 0, 0, 'WITHSCORES')
    return lowest[2] or '0'
end

function ready.note_level(k, org, level)
    if level == ready.default_level then
        return
    end
    local levels = string.gsub(redis.call('HGET', k.levels, org) or '', '[^0-46-9]', '')
    if not string.find(levels, level, 1, true) then
        local digits = {}
        for c in string.gmatch(levels .. level, '.') do
            digits[#digits + 1] = c
        end
        table.sort(digits, function(a, b)
            return a > b
        end)
        redis.call('HSET', k.levels, org, table.concat(digits))
    end
end

-- May ids be pushed there? A list that somebody overwrote must be found before the first write.
function ready.is_sound(k, org, level)
    return type(redis.pcall('LLEN', keys.ready(k, org, level))) == 'number'
end

-- Puts one id back: at the head (it had its turn already) or at the tail.
function ready.push(k, raw, head, at_head)
    local org, level = head[2], string.format('%d', head[3])
    redis.call(at_head and 'LPUSH' or 'RPUSH', keys.ready(k, org, level), raw)
    ready.note_level(k, org, level)
    redis.call('ZADD', k.ring, 'NX', ready.floor(k), org)
end

-- Pushes many ids, groups: array of {org, level, ids}. All or nothing: a list of a wrong type
-- fails before anything else was written, and what was pushed is taken back.
function ready.push_groups(k, groups)
    for i, g in ipairs(groups) do
        local reply = redis.pcall('RPUSH', keys.ready(k, g.org, g.level), unpack(g.ids))
        if type(reply) == 'table' and reply.err then
            for j = 1, i - 1 do
                local b = groups[j]
                redis.call('RPOP', keys.ready(k, b.org, b.level), #b.ids)
            end
            args.fail(args.WRONG_TYPE)
        end
    end
    local floor = ready.floor(k)
    local add = { 'ZADD', k.ring, 'NX' }
    for _, g in ipairs(groups) do
        ready.note_level(k, g.org, g.level)
        add[#add + 1], add[#add + 2] = floor, g.org
    end
    redis.call(unpack(add))
end

-- Levels of an org in the order in which they run; extra: its digits besides 5.
function ready.order(extra)
    if not extra or extra == '' then
        return ready.default_level
    end
    local higher, lower = string.match(extra, '^([6-9]*)([0-4]*)$')
    return (higher or '') .. ready.default_level .. (lower or '')
end

-- Takes up to n ids of an org by level, appends them to out; returns how many. The levels that
-- ran empty leave P:levels.
function ready.take(k, org, extra, n, out)
    local got, order = 0, ready.order(extra)
    for level in string.gmatch(order, '.') do
        local want = n - got
        local popped = redis.pcall('LPOP', keys.ready(k, org, level), want)
        local count = 0
        if popped and not popped.err then
            count = #popped
            for i = 1, count do
                out[#out + 1] = popped[i]
            end
        end
        got = got + count
        if count < want and level ~= ready.default_level then
            extra = string.gsub(extra, level, '')
            if extra == '' then
                redis.call('HDEL', k.levels, org)
            else
                redis.call('HSET', k.levels, org, extra)
            end
        end
        if got == n then
            break
        end
    end
    return got
end

-- Ready ids of an org, over all its levels.
function ready.length(k, org)
    local n = 0
    for level in string.gmatch(ready.order(redis.call('HGET', k.levels, org) or nil), '.') do
        n = n + redis.call('LLEN', keys.ready(k, org, level))
    end
    return n
end
