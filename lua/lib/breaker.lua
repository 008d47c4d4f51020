-- SPDX-License-Identifier: Apache-2.0
-- Circuit breakers and adaptive rates of types, P:breaker:<type>. Closed: counts successes and
-- failures in two windows, the older one weighted by what it still overlaps (a sliding window in
-- O(1)). Open until a time; then half open: a few probes run, all good closes, one bad opens.
-- Adaptive rate: additive increase, multiplicative decrease (Chiu, Jain 1989).
local breaker = {
    fields = {
        'state', 'at', 'window', 'good', 'bad', 'good0', 'bad0', 'probes', 'rate', 'rate_at', 'halved_at', 'tat',
    },
    failures = {
        timeout = true, connection = true, rate_limited = true, unavailable = true, crash = true, error = true,
    },
    overload = { rate_limited = true, unavailable = true },
}

-- The state of a type; kept in the session x for one call.
function breaker.load(x, kind)
    local b = x.breakers[kind]
    if b then
        return b
    end
    b = {}
    local values = redis.pcall('HMGET', x.k.breaker_ .. kind, unpack(breaker.fields))
    for i, name in ipairs(breaker.fields) do
        local v = not values.err and values[i]
        b[name] = name == 'state' and (v or 'closed') or tonumber(v or 0) or 0
    end
    x.breakers[kind] = b
    return b
end

-- Writes back what changed.
function breaker.save(x)
    for kind, b in pairs(x.breakers) do
        if b.changed then
            local set = { 'HSET', x.k.breaker_ .. kind }
            for _, name in ipairs(breaker.fields) do
                set[#set + 1] = name
                set[#set + 1] = name == 'state' and b.state or string.format('%.3f', b[name])
            end
            if type(redis.pcall('HLEN', x.k.breaker_ .. kind)) ~= 'number' then
                redis.call('DEL', x.k.breaker_ .. kind)
            end
            redis.call(unpack(set))
            b.changed = false
        end
    end
end

local function turn(x, kind, b, state, at)
    b.state, b.at, b.probes, b.good, b.bad, b.good0, b.bad0 = state, at, 0, 0, 0, 0, 0
    b.window, b.changed = x.now, true
    event.add(x.k, 'breaker', nil, nil, { 'type', kind, 'state', state })
end

-- How many jobs the breaker lets through now, and when to ask again.
function breaker.room(x, kind, c)
    local b = breaker.load(x, kind)
    if b.state == 'closed' then
        return math.huge
    end
    if b.state == 'open' then
        if x.now < b.at then
            return 0, b.at
        end
        return c.probes
    end
    if b.probes >= c.probes and x.now >= b.at then
        return c.probes -- the probes were never heard of again
    end
    return c.probes - b.probes, b.at
end

-- n jobs were claimed.
function breaker.spend(x, kind, c, n)
    local b = breaker.load(x, kind)
    if b.state == 'closed' then
        return
    end
    if b.state == 'open' then
        turn(x, kind, b, 'half_open', 0)
    elseif b.probes >= c.probes then
        b.probes = 0
    end
    b.probes, b.at, b.changed = b.probes + n, x.now + c.cooldown, true
end

local function slide(b, now, width)
    if now >= b.window + 2 * width then
        b.good0, b.bad0, b.good, b.bad = 0, 0, 0, 0
        b.window = now
    elseif now >= b.window + width then
        b.good0, b.bad0, b.good, b.bad = b.good, b.bad, 0, 0
        b.window = b.window + width
    end
end

-- Claims of a type ended: good and bad ones. Returns whether the type may run more than before.
function breaker.note(x, kind, c, good, bad)
    local b = breaker.load(x, kind)
    if b.state == 'open' then
        return false -- claimed before it opened
    end
    b.changed = true
    if b.state == 'half_open' then
        if bad > 0 then
            turn(x, kind, b, 'open', x.now + c.cooldown)
        else
            b.good = b.good + good
            if b.good >= c.probes then
                turn(x, kind, b, 'closed', 0)
                return true
            end
        end
        return false
    end
    slide(b, x.now, c.window)
    b.good, b.bad = b.good + good, b.bad + bad
    local old = 1 - (x.now - b.window) / c.window
    local failed = b.bad + b.bad0 * old
    local all = failed + b.good + b.good0 * old
    if all >= c.volume and failed * 100 >= c.percent * all and failed > 0 then
        turn(x, kind, b, 'open', x.now + c.cooldown)
    end
    return false
end

-- Adaptive rate of a type now, in jobs per second.
function breaker.rate(x, kind, c)
    local b = breaker.load(x, kind)
    return b.rate > 0 and math.min(math.max(b.rate, c.min), c.max) or c.max
end

-- good: successes; overload: how many were told to slow down; wait_ms: the longest time they were told
-- to wait.
function breaker.adapt(x, kind, c, good, overload, wait_ms)
    local b = breaker.load(x, kind)
    local rate = breaker.rate(x, kind, c)
    if overload > 0 then
        if x.now >= b.halved_at + 1000 then
            rate, b.halved_at = rate / 2, x.now
        end
        b.tat = math.max(b.tat, x.now + wait_ms)
    elseif good > 0 then
        rate = rate + c.step * math.min(math.max(x.now - b.rate_at, 0), 1000) / 1000
    end
    b.rate, b.rate_at, b.changed = math.min(math.max(rate, c.min), c.max), x.now, true
end
