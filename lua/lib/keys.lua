-- SPDX-License-Identifier: Apache-2.0
-- The one place where keys are spelled. keys.of(KEYS) checks the partition and gives all key
-- names; they share its hash tag, hence one Cluster slot.
local keys = { cache = {}, n = 0, registry = 'wh:{registry}' }

-- The fixed keys of a partition, and the command that tells each one's length (and fails for a
-- key of another type). No loop makes these: a library has no pairs() while it loads.
local ALL = {
    'jobs', 'meta', 'levels', 'weights', 'info', 'active', 'stats', 'ctl',
    'ring', 'delayed', 'expiry', 'workers', 'idle', 'done', 'dlq', 'events',
}
local LENGTH = {
    jobs = 'HLEN', meta = 'HLEN', levels = 'HLEN', weights = 'HLEN',
    info = 'HLEN', active = 'HLEN', stats = 'HLEN', ctl = 'HLEN',
    ring = 'ZCARD', delayed = 'ZCARD', expiry = 'ZCARD', workers = 'ZCARD', idle = 'ZCARD', done = 'ZCARD',
    dlq = 'XLEN', events = 'XLEN',
}

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
    for _, name in ipairs(ALL) do
        k[name] = p .. ':' .. name
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
    for i = 1, #ALL do
        redis.call(LENGTH[ALL[i]], k[ALL[i]])
    end
end

function keys.ready(k, org, level)
    return k.ready_ .. org .. ':' .. level
end
