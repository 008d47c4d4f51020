-- SPDX-License-Identifier: Apache-2.0
-- Limits, pauses, quotas, breakers of a partition (docs/protocol.md section 10), changed at run time.
--   wh1_limit ARGV (setting value)…, 1 to 100 pairs; an empty value removes -> OK
--   wh1_limits -> flat setting, value…, state:type/<type>, state of the breaker…, state:more, how many others,
--     pace:type/<type>, rate of now, and how long a handler's Retry-After holds the type…
-- Errors WHBADARG WHBADDATA. O(pairs · log parked), for settings of many O(parked), for a breaker of all types
-- O(settings + 1,000); when a cap begins, other than of orgs, what is in flight is counted: O(claims).
local USAGE = 'WHBADARG usage: setting value ...'

-- All claims that there are.
local function all_claims(k)
    local list = {}
    for _, worker in ipairs(redis.call('ZRANGE', k.workers, 0, -1)) do
        for _, value in ipairs(redis.call('HVALS', k.run_ .. worker)) do
            list[#list + 1] = (tally.parse(value))
        end
    end
    return list
end

-- The counters of the caps that now hold: no cap begins wrong.
local function recount(k, L, list)
    local load, flat = {}, {}
    for _, h in ipairs(list) do
        for _, name in ipairs(limit.loads(L, h.org, h.kind or '', h.group)) do
            load[name] = (load[name] or 0) + 1
        end
    end
    redis.call('DEL', k.load)
    for name, n in pairs(load) do
        flat[#flat + 1], flat[#flat + 2] = name, n
    end
    for from = 1, #flat, 2000 do
        redis.call('HSET', k.load, unpack(flat, from, math.min(from + 1999, #flat)))
    end
end

-- No cap is counted by these any more.
local function drop_counters(k, L)
    local gone = {}
    for _, name in ipairs(redis.call('HKEYS', k.load)) do
        local kind, org, of = string.match(name, '^type/(.+)$'), string.match(name, '^org/([^/]+)/group/(.+)$')
        local cap
        if kind then
            cap = limit.type_cap(L, kind)
        elseif org then
            cap = limit.group_cap(L, org, of)
        else
            cap = name == 'queue' and L.active.queue
        end
        gone[#gone + 1] = not cap and name or nil
    end
    for from = 1, #gone, 2000 do
        redis.call('HDEL', k.load, unpack(gone, from, math.min(from + 1999, #gone)))
    end
end

-- Which counters do these changes of L concern? 'begin': some that there are not yet; 'end': some are not needed any
-- more; nil: no cap begins or ends. Orgs are always counted.
local function counted(L, list)
    local any
    for _, c in ipairs(list) do
        if c.what == 'active' and c.kind ~= 'org' and not (L.active[c.scope] and c.value) then
            if c.value then
                return 'begin'
            end
            any = 'end'
        end
    end
    return any
end

-- Who was kept out by a setting is looked at again.
local function recheck(k, kind, scope)
    local org = string.match(scope, '^org/([^/*]+)')
    if kind == 'org_group' then
        hold.free_one(k, string.match(scope, '^org/([^/]+)/group/(.+)$'))
    elseif kind == 'group' then
        wake.groups(k)
    end
    if kind == 'org' and org then
        parked.recheck(k, 'org/' .. org)
    elseif kind == 'type' and not string.find(scope, '*', 1, true) then
        parked.recheck(k, scope)
    else
        parked.recheck(k)
    end
end

-- Those that differ from what is set: a repeated call changes nothing. Of a setting that stands twice the last
-- one counts.
local function changes(k, list)
    local out, last = {}, {}
    for _, c in ipairs(list) do
        last[c.setting] = c
    end
    for _, c in ipairs(list) do
        if last[c.setting] == c then
            local old = redis.call('HGET', k.limits, c.setting) or ''
            c.is_new = old == ''
            out[#out + 1] = c.text ~= old and c or nil
        end
    end
    return out
end

-- The number comes first: it is what can still fail.
local function store(k, list)
    local from, version = redis.call('HGET', k.ctl, 'limits'), limit.new_version(k)
    for _, c in ipairs(list) do
        if c.value then
            redis.call('HSET', k.limits, c.setting, c.text)
        else
            redis.call('HDEL', k.limits, c.setting)
        end
    end
    if redis.call('EXISTS', k.limits) == 1 then
        redis.call('HSET', k.ctl, 'limits', version)
        limit.changed(k, from, version, list)
    else
        redis.call('HDEL', k.ctl, 'limits')
    end
end

args.register('wh1_limit', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    if #ARGV == 0 or #ARGV % 2 ~= 0 or #ARGV > 200 then
        args.fail(USAGE)
    end
    local list = {}
    for i = 1, #ARGV, 2 do
        local what, scope, value, kind = syntax.parse(ARGV[i], ARGV[i + 1])
        if not what then
            args.fail('WHBADARG no such setting, or its value is malformed or out of range')
        end
        list[#list + 1] = {
            setting = ARGV[i], text = ARGV[i + 1], what = what, value = value, kind = kind, scope = scope,
            holds = not syntax.for_enqueue[what],
        }
    end
    keys.guard(k)
    list = changes(k, list)
    if #list == 0 then
        return redis.status_reply('OK')
    end
    local now, what = clock.now(), counted(limit.now(k) or limit.nothing(), list)
    local running = what == 'begin' and all_claims(k)
    store(k, list)
    local L = limit.now(k) or limit.nothing()
    if running then
        recount(k, L, running)
    elseif what then
        drop_counters(k, L)
    end
    for _, c in ipairs(list) do
        if c.what == 'breaker' then
            breaker.reset(k, now, L, c.scope)
        elseif c.what == 'adaptive' then
            breaker.forget(k, L, c.what, string.sub(c.scope, 6))
        end
        if c.holds then
            recheck(k, c.kind, c.scope)
        end
        event.add(k, 'limit', nil, nil, { 'setting', c.setting, 'value', c.text })
    end
    bell.ring(k, now)
    return redis.status_reply('OK')
end, { 'allow-oom' })

-- Of the types that have a breaker of their own, and of the others those that are not closed: the first ones,
-- and how many more there are.
local function breaker_states(k, x, out)
    local L, now, seen, kinds = x.L, x.now, {}, {}
    for scope in pairs(L.breaker) do
        kinds[#kinds + 1] = string.match(scope, '^type/([^*]+)$')
    end
    local broken, more = breaker.broken(k, now)
    for _, kind in ipairs(broken) do
        kinds[#kinds + 1] = kind
    end
    for _, kind in ipairs(kinds) do
        if args.is_name(kind) and not seen[kind] and breaker.setting(L, kind) then
            seen[kind] = true
            local b = breaker.load(x, kind)
            local ends = breaker.ends(b, breaker.setting(L, kind))
            local left = b.state == 'open' and string.format(' %.0f', math.max(0, ends - now)) or ''
            out[#out + 1], out[#out + 2] = 'state:type/' .. kind, b.state .. left
        end
    end
    if more > 0 and L.breaker['type/*'] then
        out[#out + 1], out[#out + 2] = 'state:more', string.format('%d', more)
    end
end

-- Of the types with an adaptive rate.
local function paces(x, out)
    for scope in pairs(x.L.adaptive) do
        local kind = string.sub(scope, 6)
        local rate, ends = limit.pace(x, kind)
        local left = ends and string.format(' %.0f', ends - x.now) or ''
        out[#out + 1], out[#out + 2] = 'pace:' .. scope, breaker.rate_text(rate) .. left
    end
end

args.register('wh1_limits', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 0, 'WHBADARG no arguments')
    local out, L = redis.call('HGETALL', k.limits), limit.now(k)
    if L then
        local x = limit.open(k, clock.now(), L, {})
        breaker_states(k, x, out)
        paces(x, out)
    end
    return out
end, { 'no-writes' })
