-- SPDX-License-Identifier: Apache-2.0
-- wh1_explain: why does this job not run? ARGV id -> flat fact, value… (docs/protocol.md section 8).
-- Errors WHBADARG WHNOTFOUND WHBADDATA. Reads only. O(jobs before it in its place, 10,000 at most, + workers
-- + orgs in flight).
local explain = { depth = 10000, holders = 10 }

-- How many ids stand before this one in its org, by the order in which they run; nil when it is not found.
local function ahead_in_org(k, org, raw)
    local before, found = 0, nil
    ready.each(k, org, function(key, read, length)
        if not found and before < explain.depth then
            for i, other in ipairs(redis.call(read, key, 0, math.min(length, explain.depth) - 1)) do
                if other == raw then
                    found = before + i - 1
                    return
                end
            end
        end
        before = before + length
    end)
    return found
end

-- "org n, org n": who has most jobs in flight; and how many there are in all.
local function holders(k)
    local flat, list, sum = redis.call('HGETALL', k.active), {}, 0
    for i = 1, #flat, 2 do
        list[#list + 1] = { org = flat[i], n = tonumber(flat[i + 1]) or 0 }
        sum = sum + list[#list].n
    end
    table.sort(list, function(a, b)
        return a.n > b.n or (a.n == b.n and a.org < b.org)
    end)
    local words = {}
    for i = 1, math.min(#list, explain.holders) do
        words[i] = list[i].org .. ' ' .. list[i].n
    end
    return table.concat(words, ', '), sum
end

-- The first thing that holds a ready job: reason, until, setting. Settings are named as wh1_limit does.
local function held_by(k, now, c)
    if redis.call('HGET', k.ctl, 'paused') == '1' then
        return 'queue_paused'
    end
    local L = limit.now(k)
    if L then
        local x = limit.open(k, now, L, {})
        local room, at, why = limit.queue_room(x)
        if room <= 0 then
            return why, at
        end
        room, at, why = limit.org_room(x, c.org)
        if room <= 0 then
            return why, at
        end
        local _
        room, at, _, why = limit.pair_room(x, c.org, c.kind)
        if room <= 0 then
            return why, at
        end
        if c.group ~= '' and limit.group_room(x, c.org, c.group) <= 0 then
            return 'group_cap', 'inf'
        end
    end
    local live = redis.call('ZCOUNT', k.workers, '(' .. string.format('%.0f', now), '+inf')
    return live == 0 and 'no_worker' or 'ready'
end

local SETTING = {
    queue_cap = { 'active', 'queue' }, queue_rate = { 'rate', 'queue' },
    org_paused = { 'pause', 'org' }, org_cap = { 'active', 'org' }, org_rate = { 'rate', 'org' },
    type_paused = { 'pause', 'type' }, type_cap = { 'active', 'type' }, type_rate = { 'rate', 'type' },
    breaker_open = { 'breaker', 'type' }, org_type_rate = { 'rate', 'pair' }, group_cap = { 'active', 'group' },
}

-- The setting that holds it, as it was set, and its value.
local function setting_of(k, reason, c)
    local s = SETTING[reason]
    if not s then
        return nil
    end
    local scopes = {
        queue = { 'queue' },
        org = { 'org/' .. c.org, 'org/*' },
        type = { 'type/' .. c.kind, 'type/*' },
        pair = { 'org/' .. c.org .. '/type/' .. c.kind, 'org/*/type/' .. c.kind },
        group = { 'org/' .. c.org .. '/group/' .. c.group, 'group' },
    }
    for _, scope in ipairs(scopes[s[2]]) do
        local value = redis.call('HGET', k.limits, s[1] .. ':' .. scope)
        if value then
            return s[1] .. ':' .. scope, value
        end
    end
    local adaptive = redis.call('HGET', k.limits, 'adaptive:type/' .. c.kind)
    return adaptive and 'adaptive:type/' .. c.kind, adaptive
end

-- How much of a cap is used.
local function used_of(k, reason, c)
    local field = ({
        queue_cap = 'queue', type_cap = 'type/' .. c.kind, group_cap = 'org/' .. c.org .. '/group/' .. c.group,
    })[reason]
    if field then
        return redis.call('HGET', k.load, field)
    end
    return reason == 'org_cap' and redis.call('HGET', k.active, c.org) or nil
end

-- What can be told of the time it has to wait: the jobs that run before it, by the slots in use.
local function estimate(k, c, active)
    local cost = tonumber(redis.call('HGET', k.types, tally.mean) or '')
    if not cost or not c.ahead or active == 0 then
        return nil
    end
    local orgs = math.max(redis.call('ZCARD', k.ring), 1)
    return (c.ahead + 1) * orgs * cost / active
end

local function add_waiting(k, now, out, c)
    local put, number = record.put, record.decimal
    local reason, at = held_by(k, now, c)
    put(out, 'reason', reason)
    put(out, 'until_ms', tonumber(at) and at ~= 'inf' and number(math.max(0, math.ceil(tonumber(at) - now))))
    local setting, value = setting_of(k, reason, c)
    put(out, 'limit', setting)
    put(out, 'of', value)
    put(out, 'used', used_of(k, reason, c))
    c.ahead = ahead_in_org(k, c.org, c.raw)
    put(out, 'ahead_org', number(c.ahead))
    put(out, 'ahead_orgs', number(redis.call('ZRANK', k.ring, c.org) or nil))
    local names, active = holders(k)
    put(out, 'org_ready', number(ready.length(k, c.org)))
    put(out, 'org_active', redis.call('HGET', k.active, c.org) or '0')
    put(out, 'org_weight', redis.call('HGET', k.weights, c.org) or '1')
    put(out, 'active', number(active))
    put(out, 'holders', names)
    put(out, 'expected_ms', redis.call('HGET', k.types, c.kind))
    if reason == 'ready' then
        put(out, 'wait_ms', number(estimate(k, c, active)))
    end
end

args.register('wh1_explain', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 1, 'WHBADARG usage: id')
    local raw, now = id.arg(ARGV[1]), clock.now()
    local rec = redis.call('HGET', k.jobs, raw)
    if record.dlq_entry(rec) then
        return { 'id', id.text(raw), 'status', 'failed' }
    end
    if not record.is_record(rec) then
        args.fail('WHNOTFOUND no job with this id in this partition')
    end
    local head = record.decode(rec)
    local status, due, worker = view.status(k, raw, meta.get(k, raw))
    local out = { 'id', id.text(raw), 'status', status, 'type', head[1], 'org', head[2] }
    local o = head[4] or {}
    record.put(out, 'group', o.g)
    record.put(out, 'worker', worker)
    local live = redis.call('ZCOUNT', k.workers, '(' .. string.format('%.0f', now), '+inf')
    record.put(out, 'workers', record.decimal(live))
    if status == 'scheduled' then
        record.put(out, 'reason', 'delayed')
        record.put(out, 'until_ms', record.decimal(math.max(0, due - now)))
    elseif status == 'pending' then
        add_waiting(k, now, out, { raw = raw, org = head[2], kind = head[1], group = o.g or '' })
    end
    return out
end, { 'no-writes' })
