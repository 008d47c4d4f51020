-- SPDX-License-Identifier: Apache-2.0
-- The one place where keys are spelled. keys.of(KEYS) checks the partition and gives all key
-- names; they share its hash tag, hence one Cluster slot.
local keys = { cache = {}, n = 0, registry = 'wh:{registry}' }

-- The fixed keys of a partition by type. No loop makes these: a library has no pairs() while it loads.
local SETS = { 'ring', 'left', 'parked', 'cronat', 'delayed', 'expiry', 'workers', 'idle', 'done', 'broken' }
local HASHES = { 'jobs', 'meta', 'levels', 'weights', 'active', 'limits', 'load', 'types', 'queued', 'info' }
local RARE = { 'stats', 'ctl', 'cron' } -- hashes that a cycle does not touch or reads first
local STREAMS = { 'dlq', 'events' }

function keys.of(KEYS)
    local p = KEYS[1]
    local k = keys.cache[p]
    if k and #KEYS == 1 then
        return k
    end
    local region, queue = string.match(p or '', '^wh:{([%w_.-]+):([%w_.-]+)}$')
    if #KEYS ~= 1 or not region or #region > 64 or #queue > 64 then
        args.fail('WHBADARG the key must be one partition, wh:{region:queue}')
    end
    k = { p = p, region = region, queue = queue }
    for _, list in ipairs({ SETS, HASHES, RARE, STREAMS }) do
        for _, name in ipairs(list) do
            k[name] = p .. ':' .. name
        end
    end
    -- Looks at all sorted sets at once; the last key never exists, so that there is nothing to compare.
    k.look_at_sets = { 'ZINTERCARD', #SETS + 1 }
    for i, name in ipairs(SETS) do
        k.look_at_sets[2 + i] = k[name]
    end
    k.look_at_sets[#SETS + 3] = p .. ':none'
    k.ready_, k.run_ = p .. ':ready:', p .. ':run:'
    k.bell_, k.command_ = p .. ':bell:', p .. ':command:'
    k.unique_, k.log_ = p .. ':unique:', p .. ':log:'
    k.groups_, k.soonest_, k.aside_ = p .. ':groups:', p .. ':soonest:', p .. ':aside:'
    k.waiting_, k.turns_, k.held_ = p .. ':waiting:', p .. ':turns:', p .. ':held:'
    k.breaker_, k.ratelimit_, k.kept_ = p .. ':breaker:', p .. ':ratelimit:', p .. ':kept:'
    if keys.n >= 10000 then
        keys.cache, keys.n = {}, 0
    end
    keys.cache[p], keys.n = k, keys.n + 1
    return k
end

local function look_at_hashes(k, names)
    for i = 1, #names do
        redis.call('HLEN', k[names[i]])
    end
end

-- What a cycle needs of the guard below: it runs for every claim.
function keys.guard_cycle(k)
    look_at_hashes(k, HASHES)
    redis.call(unpack(k.look_at_sets))
    redis.call('XLEN', k.dlq)
    redis.call('XLEN', k.events)
end

-- Fails before the first write if one of the fixed keys was overwritten with another type: a
-- write that failed half-way could not be undone.
function keys.guard(k)
    keys.guard_cycle(k)
    look_at_hashes(k, RARE)
end

-- What new jobs need of it, that come beside others and take no place of theirs. P:ctl and P:jobs are read at that.
function keys.guard_new(k)
    redis.call('HLEN', k.levels)
    redis.call('HLEN', k.queued)
    redis.call(unpack(k.look_at_sets))
end

-- Small hashes and sorted sets are lists inside Redis, and each look-up walks them. A long member makes
-- them tables until they are deleted, also when it is taken out again at once: for those that are
-- asked for many members at a time. It is no name.
keys.long = '-----------------------------------------------------------------'

-- HSET of many fields, set: {'HSET', key, field, value, …}
function keys.hset(set)
    if #set <= 18 then
        redis.call(unpack(set))
        return
    end
    set[#set + 1], set[#set + 2] = keys.long, ''
    redis.call(unpack(set))
    redis.call('HDEL', set[2], keys.long)
end

-- Before a ZADD of n members.
function keys.widen_set(key, n)
    if n > 16 then
        redis.call('ZADD', key, 0, keys.long)
        redis.call('ZREM', key, keys.long)
    end
end

function keys.ready(k, org, level)
    return k.ready_ .. org .. ':' .. level
end
