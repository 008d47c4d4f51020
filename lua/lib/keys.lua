-- SPDX-License-Identifier: Apache-2.0
-- The one place where keys are spelled. keys.of(KEYS) checks the partition and gives all key
-- names; they share its hash tag, hence one Cluster slot.
local keys = { cache = {}, n = 0, registry = 'wh:{registry}' }

local FIXED = {
    hash = { 'jobs', 'meta', 'levels', 'weights', 'info', 'active', 'stats', 'ctl' },
    zset = { 'ring', 'delayed', 'expiry', 'workers', 'idle', 'done' },
    stream = { 'dlq', 'events' },
}
local LENGTH = { hash = 'HLEN', zset = 'ZCARD', stream = 'XLEN' }

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
    for _, names in pairs(FIXED) do
        for _, name in ipairs(names) do
            k[name] = p .. ':' .. name
        end
    end
    k.ready_, k.run_ = p .. ':ready:', p .. ':run:'
    k.bell_, k.command_ = p .. ':bell:', p .. ':command:'
    k.unique_, k.log_ = p .. ':unique:', p .. ':log:'
    if keys.n >= 10000 then
        keys.cache, keys.n = {}, 0
    end
    keys.cache[p], keys.n = k, keys.n + 1
    return k
end

-- Fails before the first write if one of the fixed keys was overwritten with another type: a
-- write that failed half-way could not be undone.
function keys.guard(k)
    for kind, names in pairs(FIXED) do
        local command = LENGTH[kind]
        for i = 1, #names do
            redis.call(command, k[names[i]])
        end
    end
end

function keys.ready(k, org, level)
    return k.ready_ .. org .. ':' .. level
end
