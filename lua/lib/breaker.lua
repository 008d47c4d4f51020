-- SPDX-License-Identifier: Apache-2.0
-- Circuit breakers and adaptive rates of types, P:breaker:<type>. Closed: counts successes and
-- failures in two windows, the older one weighted by what it still overlaps (a sliding window in
-- O(1)). Open for a cooldown; then half open: a few probes are held at a time, as many good ones close, one bad
-- opens. What was claimed before the state changed (`since`) tells nothing of it: only claims after that count.
-- Probes that still run when it opens again keep their places (`held0` of them) until they end. Unless it is closed,
-- all claims from `window` on are probes, held and held0 together are those that run: wh1_audit counts them.
-- Adaptive rate: additive increase, multiplicative decrease (Chiu, Jain 1989).
-- A state goes when nothing changed it for so long that it says nothing any more. P:broken has those that are
-- not closed; a state that says so and is not there was forgotten.
local breaker = {
    switch = { 'state', 'window', 'good', 'bad', 'good0', 'bad0', 'held', 'held0', 'since' },
    pace = { 'rate', 'rate_at', 'halved_at', 'tat', 'wait_until' },
    fields = {
        'state', 'window', 'good', 'bad', 'good0', 'bad0', 'held', 'held0', 'since', 'rate', 'rate_at', 'halved_at',
        'tat', 'wait_until',
    },
    texts = { state = 'closed', tat = '0' }, -- kept as they are stored; the others are numbers
    wait_max = 900000, -- of a type, however long one of its jobs is told to wait
    keep_closed = 60000,
    keep_open = 3600000,
    keep_held = 691200000, -- while a probe runs: longer than any timeout lets it
    keep_pace = 86400000,
    listed = 100,
    touched = 1000,
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
        b[name] = breaker.texts[name] and (v or breaker.texts[name]) or tonumber(v or 0) or 0
    end
    if b.state ~= 'closed' and type(redis.pcall('ZSCORE', x.k.broken, kind)) ~= 'string' then
        for _, name in ipairs(breaker.switch) do
            b[name] = name == 'state' and 'closed' or 0
        end
    end
    if b.since > x.now then -- the clock was set back: what is claimed now is claimed since
        b.since, b.window, b.changed = x.now, math.min(b.window, x.now), true
    end
    x.breakers[kind] = b
    return b
end

-- The setting of a type.
function breaker.setting(L, kind)
    return L.breaker['type/' .. kind] or L.breaker['type/*']
end

-- How long a state matters that nothing changes.
local function time_to_live(L, kind, b)
    local c, ms = breaker.setting(L, kind), 0
    if c then
        local not_closed = b.held + b.held0 > 0 and breaker.keep_held or breaker.keep_open
        ms = 2 * c.window + c.cooldown + (b.state == 'closed' and breaker.keep_closed or not_closed)
    end
    return L.adaptive['type/' .. kind] and math.max(ms, breaker.keep_pace) or ms
end

-- P:broken: those that are not closed, until their state goes.
local function note_state(x, kind, b, ttl)
    if b.state == 'closed' then
        redis.call('ZREM', x.k.broken, kind)
    else
        redis.call('ZREMRANGEBYSCORE', x.k.broken, '-inf', string.format('%.0f', x.now))
        redis.call('ZADD', x.k.broken, string.format('%.0f', x.now + ttl), kind)
    end
end

-- Writes back what changed.
function breaker.save(x)
    for kind, b in pairs(x.breakers) do
        if b.changed then
            local key, ttl = x.k.breaker_ .. kind, time_to_live(x.L, kind, b)
            local set = { 'HSET', key }
            for _, name in ipairs(breaker.fields) do
                set[#set + 1] = name
                set[#set + 1] = breaker.texts[name] and b[name] or string.format('%.3f', b[name])
            end
            if type(redis.pcall('HLEN', key)) ~= 'number' then
                redis.call('DEL', key)
            end
            redis.call(unpack(set))
            redis.call('PEXPIRE', key, string.format('%.0f', ttl))
            if b.turned or b.state ~= 'closed' then
                note_state(x, kind, b, ttl)
            end
            b.changed, b.turned = false, false
        end
    end
end

-- Types whose breaker is not closed, the first ones that there are, and how many more.
function breaker.broken(k, now)
    local from = '(' .. string.format('%.0f', now)
    local n = redis.call('ZCOUNT', k.broken, from, '+inf')
    return redis.call('ZRANGE', k.broken, from, '+inf', 'BYSCORE', 'LIMIT', 0, breaker.listed),
        math.max(n - breaker.listed, 0)
end

-- A setting of a type changed: what was measured under it goes, if there is none or, an adaptive rate, always.
function breaker.forget(k, L, what, kind)
    local key, setting = k.breaker_ .. kind, breaker.setting(L, kind)
    local names = what == 'adaptive' and breaker.pace or breaker.switch
    if what == 'adaptive' or not setting then
        local reply = redis.pcall('HDEL', key, unpack(names))
        local is_last = what == 'breaker' and not L.adaptive['type/' .. kind]
        if type(reply) == 'table' and reply.err or is_last then
            redis.call('DEL', key)
        end
    end
    if what == 'breaker' and not setting then
        redis.call('ZREM', k.broken, kind)
    end
end

-- A setting changed under which these types run: their states live as long as it says.
local function touch(k, now, L, kinds)
    local x = { k = k, now = now, L = L, breakers = {} }
    for _, kind in ipairs(kinds) do
        local b = breaker.load(x, kind)
        b.changed = b.state ~= 'closed'
    end
    breaker.save(x)
end

-- A breaker of a type ('type/<type>'), or of all others ('type/*'), was set or removed: without one nothing is known.
function breaker.reset(k, now, L, scope)
    local kind, keep = string.match(scope, '^type/([^*]+)$'), {}
    if kind then
        breaker.forget(k, L, 'breaker', kind)
        touch(k, now, L, breaker.setting(L, kind) and { kind } or {})
    elseif L.breaker[scope] then
        touch(k, now, L, redis.call('ZRANGE', k.broken, 0, breaker.touched - 1))
    else
        for own in pairs(L.breaker) do
            local at = redis.call('ZSCORE', k.broken, string.sub(own, 6))
            keep[#keep + 1] = at and { at, string.sub(own, 6) } or nil
        end
        redis.call('UNLINK', k.broken)
        for _, entry in ipairs(keep) do
            redis.call('ZADD', k.broken, entry[1], entry[2])
        end
    end
end

local function turn(x, kind, b, state)
    b.held0 = state == 'closed' and 0 or b.held0 + b.held
    b.window = b.held0 > 0 and b.window or x.now
    b.state, b.held, b.good, b.bad, b.good0, b.bad0 = state, 0, 0, 0, 0, 0
    b.since, b.changed, b.turned = x.now, true, true
    event.add(x.k, 'breaker', nil, nil, { 'type', kind, 'state', state })
end

-- An open one: until when. Counted from when it opened: a change of the cooldown counts at once.
function breaker.ends(b, c)
    return b.since + c.cooldown
end

-- How many jobs the breaker lets through now, and when to ask again. Of the probes that it wants, those that are held
-- and those that went well are no more needed. One that runs for long keeps its place, also when it opens again
-- meanwhile: its end gives it back, also that of a lost worker.
function breaker.room(x, kind, c)
    local b = breaker.load(x, kind)
    if b.state == 'closed' then
        return math.huge
    end
    if b.state == 'open' and x.now < breaker.ends(b, c) then
        return 0, breaker.ends(b, c)
    end
    local least = b.held == 0 and 1 or 0 -- when fewer are wanted than before
    local wanted, places = math.max(c.probes - b.held - b.good, least), c.probes - b.held - b.held0
    return math.max(math.min(wanted, places), 0), x.now + c.cooldown
end

-- Of one that lets nothing through: how many probes run whose ends are waited for; nil: it is open until breaker.ends.
function breaker.awaited(x, kind)
    local b = breaker.load(x, kind)
    local is_open = b.state == 'open' and x.now < breaker.ends(b, breaker.setting(x.L, kind))
    return not is_open and b.held + b.held0 or nil
end

-- n jobs were claimed.
function breaker.spend(x, kind, n)
    local b = breaker.load(x, kind)
    if b.state == 'closed' then
        return
    end
    if b.state == 'open' then
        turn(x, kind, b, 'half_open')
    end
    b.held, b.changed = b.held + n, true
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

-- Of claims that ended, the good and the bad ones that were claimed from then on and before. times: when each was
-- claimed, of a bad one negative.
local function count(times, from, before)
    local good, bad = 0, 0
    for _, at in ipairs(times) do
        if at >= from and at < before then
            good = good + 1
        elseif at < 0 and -at >= from and -at < before then
            bad = bad + 1
        end
    end
    return good, bad
end

-- Probes that ended give their places back, also those that said nothing; those of an earlier try say nothing of this
-- one. Returns whether there were any.
local function note_probes(x, kind, b, c, times, silent)
    local from = b.state == 'open' and math.huge or b.since
    local good, bad = count(times, from, math.huge)
    local ended = good + bad + count(silent, from, math.huge)
    local first = b.held0 > 0 and b.window or from
    local early_good, early_bad = count(times, first, from)
    local early = early_good + early_bad + count(silent, first, from)
    if ended + early == 0 then
        return false
    end
    b.held, b.held0, b.changed = math.max(b.held - ended, 0), math.max(b.held0 - early, 0), true
    b.good = b.good + good
    if bad > 0 then
        turn(x, kind, b, 'open')
    elseif b.good >= c.probes then
        turn(x, kind, b, 'closed')
    end
    return true
end

-- Claims of a type ended; times: as above; silent: of those that say nothing, when they were claimed. Returns whether
-- the type may run more than before.
function breaker.note(x, kind, c, times, silent)
    local b = breaker.load(x, kind)
    if b.state ~= 'closed' then
        return note_probes(x, kind, b, c, times, silent) and breaker.room(x, kind, c) > 0
    end
    local good, bad = count(times, b.since, math.huge)
    if good + bad == 0 then
        return false
    end
    b.changed = true
    slide(b, x.now, c.window)
    b.good, b.bad = b.good + good, b.bad + bad
    local old = 1 - (x.now - b.window) / c.window
    local failed = b.bad + b.bad0 * old
    local all = failed + b.good + b.good0 * old
    if all >= c.volume and failed * 100 >= c.percent * all and failed > 0 then
        turn(x, kind, b, 'open')
    end
    return false
end

-- Adaptive rate of a type now, in jobs per second.
function breaker.rate(x, kind, c)
    local b = breaker.load(x, kind)
    return b.rate > 0 and math.min(math.max(b.rate, c.min), c.max) or c.max
end

-- The same as text, without needless zeros.
function breaker.rate_text(per_s)
    return (string.gsub(string.format('%.3f', per_s), '%.?0+$', ''))
end

-- It as a rate of limit.lua: a tenth of a second's jobs at once. Of the rate, as it is stored, three decimals count.
function breaker.bucket(per_s)
    return bucket.rate(math.max(math.floor(per_s * 1000 + 1e-6), 1), 1e6, math.max(1, math.floor(per_s / 10)))
end

-- good: successes; overload: how many were told to slow down; wait_ms: the longest time they were told
-- to wait. Until when, `wait_until` is for people: tat is what holds.
function breaker.adapt(x, kind, c, good, overload, wait_ms)
    local b = breaker.load(x, kind)
    local rate = breaker.rate(x, kind, c)
    if overload > 0 then
        if x.now >= b.halved_at + 1000 then
            rate, b.halved_at = rate / 2, x.now
        end
    elseif good > 0 then
        rate = rate + c.step * math.min(math.max(x.now - b.rate_at, 0), 1000) / 1000
    end
    b.rate, b.rate_at, b.changed = math.min(math.max(rate, c.min), c.max), x.now, true
    if wait_ms > 0 then
        local r = breaker.bucket(b.rate)
        local all_of_it = r.depth - r.period -- or the burst would be admitted before the time is over
        local ahead = math.ceil(math.min(wait_ms, breaker.wait_max)) * r.n + all_of_it
        b.tat = bucket.text(math.max(bucket.read(b.tat, x.now, r), ahead), x.now, r)
        b.wait_until = math.max(b.wait_until, x.now + math.ceil(math.min(wait_ms, breaker.wait_max)))
    end
end
