-- SPDX-License-Identifier: Apache-2.0
-- wh1_explain: why does this job not run? ARGV id -> flat fact, value… (docs/protocol.md section 8).
-- Errors WHBADARG WHNOTFOUND WHBADDATA. Reads only. O(workers + places and orgs of the ring with a weight + orgs in
-- flight); in a list it looks at 100,000 ids from each end, at 100 for the first of a group, and at about 10,000
-- groups of the org, as many of each level and type, and those of its own type.
local explain = { depth = 100000, holders = 10, heads = 100, groups = 10000 }

-- Where an id stands in a place; nil when it is not found.
local function position(key, read, raw)
    if read == 'ZRANGE' then
        return redis.call('ZRANK', key, raw) or nil
    end
    return redis.call('LPOS', key, raw, 'MAXLEN', explain.depth)
        or redis.call('LPOS', key, raw, 'RANK', -1, 'MAXLEN', explain.depth)
        or nil
end

-- How many jobs run before number `at` of one of several members that take turns: its own, and of each other one those
-- whose turn comes first. members: {name, n jobs}; tags: virtual time by name; who has none counts as the lowest. cost:
-- of a job, in the unit of tags.
local function ahead_of(tags, members, own, at, cost)
    local lowest
    for _, v in pairs(tags) do
        lowest = math.min(lowest or v, v)
    end
    lowest = lowest or 0
    local mine, n = (tags[own] or lowest) + at * cost, at
    for _, m in ipairs(members) do
        local first = math.ceil((mine - (tags[m.name] or lowest)) / cost - 1e-9) -- those before its instant
        first = first + (m.name < own and (mine - (tags[m.name] or lowest)) % cost < 1e-9 and 1 or 0)
        n = n + (m.name ~= own and math.max(0, math.min(m.n, first)) or 0)
    end
    return n
end

-- Of a level's ring. What stands beyond the others (at its cap, or held for its type) counts as though it came back
-- now.
local function ahead_in_ring(ring, members, own, at, cost)
    local flat, tags = redis.call('ZRANGE', ring, 0, -1, 'WITHSCORES'), {}
    for i = 1, #flat, 2 do
        tags[flat[i]] = (fair.reading(flat[i + 1]))
    end
    return ahead_of(tags, members, own, at, cost)
end

-- The same for number `at` of its set of set-aside jobs, where groups of the org wait for the type too.
local function ahead_aside(k, c, at, cost)
    local level, own, higher, tags, members = c.head[3], c.group, 0, {}, {}
    local all = hold.members(k, c.org, c.kind, explain.groups)
    if #all == 0 then
        return at
    end
    for _, m in ipairs(all) do
        if m.level > level then
            higher = higher + m.n
            at = own == '' and m.name == '' and at - m.n or at -- one set for all levels
        elseif m.level == level then
            tags[m.name], members[#members + 1] = m.v, m
        end
    end
    return higher + ahead_of(tags, members, own, at, cost)
end

-- Its place among the jobs set aside for its type, or with those of further types; nil: it is not there.
local function position_aside(k, c, level)
    local at
    for _, key in ipairs({
        (aside.place(k, c.org, c.kind, level, c.head[4])),
        aside.key(k, c.org, c.kind),
        aside.key(k, c.org, levels.rest),
    }) do
        at = at or position(key, 'ZRANGE', c.raw)
    end
    return at
end

-- Finds out how many jobs of its org run before this one (c.ahead; nil when it is not found), how many are ready in all
-- (c.org_ready), and where it stands in its place (c.at; nil when it is not found there). Of one that was set aside
-- (c.is_aside): those of its type that were set aside and run before it.
local function find_in_org(k, c)
    local org, p, cost = c.org, place.of(k, c.head), fair.micros(fair.cost(k, c.kind))
    local list, at = keys.ready(k, org, p.level), position(p.key, p.kind == 'soonest' and 'ZRANGE' or 'LRANGE', c.raw)
    local before, sum, is_reached, members, own = 0, 0, false, {}, levels.of(k, org)
    local aside_at = not at and #own.asides > 0 and position_aside(k, c, p.level) or nil
    ready.each(k, org, function(key, _, length, g)
        sum = sum + length
        if string.sub(key, 1, #k.aside_) == k.aside_ then
            return
        end
        is_reached = is_reached or key == (p.kind == 'soonest' and p.key or list)
        before = before + (is_reached and 0 or length)
        if key == list or (g and g.level == p.level) then
            members[#members + 1] = { name = g and g.name or '', n = length }
        end
    end, math.ceil(explain.groups / (#own.order + #own.asides)))
    local _, _, stale = queued.parse(redis.call('HGET', k.queued, org))
    c.place, c.at, c.org_ready, c.is_aside = p, at, math.max(sum - stale, 0), aside_at ~= nil
    c.ahead = aside_at and ahead_aside(k, c, aside_at, cost)
    if at and (p.kind == 'soonest' or #members == 1) then
        c.ahead = before + at
    elseif at then
        c.ahead = before + ahead_in_ring(k.groups_ .. org .. ':' .. p.level, members, p.group or '', at, cost)
    end
    c.ahead = c.ahead and math.min(c.ahead, math.max(c.org_ready - 1, 0)) -- ids of jobs that ended run before nobody
end

-- The jobs of a group with a cap keep their order: what holds the first of them holds all. Sets c.group_at, the job's
-- number in such a group, and c.first, {id, kind} of the first one when it is another. Ids of jobs that ended do not
-- count, as far as they are the first ones.
local function find_in_group(k, c, L)
    local p = c.place -- nil: delayed, in no group's list
    if not p or not p.ring or c.is_aside or not L or not limit.group_cap(L, c.org, c.group) then
        return
    end
    local ids = redis.pcall('LRANGE', p.key, 0, explain.heads - 1)
    if ids.err or #ids == 0 then
        return
    end
    local recs, metas = redis.call('HMGET', k.jobs, unpack(ids)), redis.call('HMGET', k.meta, unpack(ids))
    for i, raw in ipairs(ids) do
        if record.is_record(recs[i]) and not (metas[i] and meta.unpack(metas[i])[M.status]) then
            c.group_at = c.at and c.at - i + 2
            c.first = raw ~= c.raw and { id = id.text(raw), kind = (record.peek(recs[i])) } or nil
            return
        end
    end
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

-- What holds a type for an org: as held_by_setting. A half open breaker has no known end: its probes decide.
local function held_by_type(x, c, kind)
    local room, at, _, why = limit.pair_room(x, c.org, kind)
    if room > 0 then
        return nil
    end
    local is_adaptive = why == 'type_rate' and limit.is_adaptive(x, kind)
    local held = { why = limit.reason(x, kind, why), at = at, kind = kind, is_adaptive = is_adaptive }
    if why == 'breaker_open' then
        held.probes = breaker.awaited(x, kind)
        held.breaker = held.probes and 'half_open' or 'open'
        held.at = held.probes and 'inf' or at
    end
    return held
end

-- The setting that holds a ready job: {why, at, kind: the type that is held, is_adaptive: by its adaptive rate; of a
-- breaker: its state and, half open, the probes that run}. nil: none does. Sets c.rate, that of the type now if it
-- adapts.
local function held_by_setting(k, now, c, L)
    if redis.call('HGET', k.ctl, 'paused') == '1' then
        return { why = 'queue_paused', kind = c.kind }
    end
    if not L then
        return nil
    end
    local x = limit.open(k, now, L, {})
    local room, at, why = limit.queue_room(x)
    if room > 0 then
        room, at, why = limit.org_room(x, c.org)
    end
    if room <= 0 then
        return { why = why, at = at, kind = c.kind }
    end
    local held = (c.first and held_by_type(x, c, c.first.kind)) or held_by_type(x, c, c.kind)
    c.rate = limit.pace(x, held and held.kind or c.kind)
    if not held and c.group ~= '' and limit.group_room(x, c.org, c.group) <= 0 then
        held = { why = 'group_cap', at = 'inf', kind = c.kind }
    end
    return held
end

local SETTING = {
    queue_cap = { 'active', 'queue' }, queue_rate = { 'rate', 'queue' },
    org_paused = { 'pause', 'org' }, org_cap = { 'active', 'org' }, org_rate = { 'rate', 'org' },
    type_paused = { 'pause', 'type' }, type_cap = { 'active', 'type' }, type_rate = { 'rate', 'type' },
    breaker_open = { 'breaker', 'type' }, org_type_rate = { 'rate', 'pair' }, group_cap = { 'active', 'group' },
}

-- The setting that holds it, as it was set, and its value.
local function setting_of(k, held, c)
    local s = held.is_adaptive and { 'adaptive', 'type' } or SETTING[held.why]
    if not s then
        return nil
    end
    local scopes = {
        queue = { 'queue' },
        org = { 'org/' .. c.org, 'org/*' },
        type = { 'type/' .. held.kind, 'type/*' },
        pair = { 'org/' .. c.org .. '/type/' .. held.kind, 'org/*/type/' .. held.kind },
        group = { 'org/' .. c.org .. '/group/' .. c.group, 'group' },
    }
    for _, scope in ipairs(scopes[s[2]]) do
        local value = redis.call('HGET', k.limits, s[1] .. ':' .. scope)
        if value then
            return s[1] .. ':' .. scope, value
        end
    end
    return nil
end

-- How much of a cap is used.
local function used_of(k, held, c)
    local field = ({
        queue_cap = 'queue', type_cap = 'type/' .. held.kind, group_cap = 'org/' .. c.org .. '/group/' .. c.group,
    })[held.why]
    if field then
        return redis.call('HGET', k.load, field)
    end
    return held.why == 'org_cap' and redis.call('HGET', k.active, c.org) or nil
end

-- The part of the workers' time that is an org's, as long as all orgs of the ring have enough to run.
local function share_of(k, org)
    local own, sum = 1, math.max(redis.call('ZCARD', k.ring), 1)
    local flat = redis.call('HGETALL', k.weights)
    for i = 1, #flat, 2 do
        local w = tonumber(flat[i + 1]) or 1
        own = flat[i] == org and w or own
        sum = redis.call('ZSCORE', k.ring, flat[i]) and sum + w - 1 or sum
    end
    return math.min(own / sum, 1)
end

-- What can be told of the time it has to wait: the jobs that run before it, by the slots there are.
local function estimate(k, c, slots)
    local cost = tonumber(redis.call('HGET', k.types, tally.mean) or '')
    if not cost or not c.ahead or slots == 0 then
        return nil
    end
    return (c.ahead + 1) * cost / slots / share_of(k, c.org)
end

local function put_fleet(out, f)
    fleet.put(out, f)
    record.put(out, 'workers_able', record.decimal(f.able))
    record.put(out, 'able_pressed', record.decimal(f.able_pressed))
    record.put(out, 'able_full', record.decimal(f.able_full))
    record.put(out, 'pressure', f.why)
end

local function add_reason(out, reason, until_ms)
    record.put(out, 'reason', reason)
    record.put(out, 'until_ms', until_ms and record.decimal(math.max(0, math.ceil(until_ms))))
end

-- What holds it, or the first one of its group; returns the reason. free: the reason when nothing does.
local function add_held(k, now, out, c, f, free)
    local put, number, L = record.put, record.decimal, limit.now(k)
    find_in_group(k, c, L)
    local held = held_by_setting(k, now, c, L)
    local by = held and held.why or fleet.held_by(f)
    local reason, at = by or free, held and held.at or not by and c.due
    add_reason(out, reason, at and at ~= 'inf' and tonumber(at) - now)
    if held then
        put(out, 'breaker', held.breaker)
        put(out, 'probes', number(held.probes))
        local setting, value = setting_of(k, held, c)
        put(out, 'limit', setting)
        put(out, 'of', value)
        put(out, 'used', used_of(k, held, c))
        put(out, 'held_type', held.kind ~= c.kind and held.kind)
    end
    put(out, 'adaptive_rate', c.rate and breaker.rate_text(c.rate))
    put(out, 'group_at', number(c.group_at))
    put(out, 'group_first', c.first and c.first.id)
    return reason
end

-- Why it waits for its time: since it was enqueued so, after a failed attempt, given back by a worker whose handler
-- does not start, snoozed by its handler, or put off by one that holds another job on its last chance (chance.lua;
-- whatever else delays one that had a start notes until when).
local function why_delayed(m, f, due)
    if chance.is_one(m) and m[M.next_retry_at] ~= due then
        return 'last_chance'
    elseif m[M.not_started] == 1 then
        return 'not_started'
    elseif m[M.snooze] then
        return 'snoozed'
    end
    local failed = m[M.next_retry_at] and (m[M.attempts] or 0) > 0
    local unknown = failed and m[M.category] == 'no_handler' and fleet.held_by(f) == 'no_handler'
    return unknown and 'no_handler' or failed and 'retry' or 'delayed'
end

-- Its deadlines: ms until it expires, and until no retry of it starts; is_retry: its next start would be one.
local function add_deadlines(now, out, c, rec, o)
    local enqueued, m = record.enqueued_at(rec), c.m
    if o.xp and not meta.has_run(m) then
        record.put(out, 'expires_ms', record.decimal(math.max(0, enqueued + o.xp - now)))
    end
    if o.rf then
        local put_off = m[M.attempts] > 0 or (m[M.started] == 1 and m[M.next_retry_at])
        record.put(out, 'retries_end_ms', record.decimal(math.max(0, enqueued + o.rf - now)))
        record.put(out, 'is_retry', put_off and m[M.given_back] ~= 1 and '1')
    end
end

-- One that waits for its time. When that has come, a claim call or a scheduler brings it back: where it stays, what
-- would hold it then tells most.
local function add_delayed(k, now, out, c, f)
    local why = why_delayed(c.m, f, c.due)
    if c.due > now then
        add_reason(out, why, c.due - now)
    else
        add_held(k, now, out, c, f, why)
        record.put(out, 'overdue_ms', record.decimal(now - c.due))
    end
    put_fleet(out, f)
end

-- What its type admits is kept for another org, whose turn it is.
local function add_kept(k, now, out, c)
    local L = limit.now(k)
    local x = L and limit.open(k, now, L, {})
    local org, ends = nil, 0
    if x and limit.type_room(x, c.kind) == 1 then
        org, ends = kept.holder(x, c.kind)
    end
    if org and org ~= c.org then
        record.put(out, 'kept_for', org)
        record.put(out, 'kept_ms', record.decimal(ends - now))
    end
end

local function add_waiting(k, now, out, c, f)
    local put, number = record.put, record.decimal
    find_in_org(k, c)
    local reason = add_held(k, now, out, c, f, 'ready')
    if reason == 'ready' then
        add_kept(k, now, out, c)
    end
    put_fleet(out, f)
    put(out, 'ahead_org', number(c.ahead))
    put(out, 'ahead_orgs', number(redis.call('ZRANK', k.ring, c.org) or nil))
    local names, active = holders(k)
    put(out, 'org_ready', number(c.org_ready))
    put(out, 'org_active', redis.call('HGET', k.active, c.org) or '0')
    put(out, 'org_weight', redis.call('HGET', k.weights, c.org) or '1')
    put(out, 'active', number(active))
    put(out, 'holders', names)
    put(out, 'expected_ms', redis.call('HGET', k.types, c.kind))
    if reason == 'ready' or reason == 'no_slot' then
        put(out, 'wait_ms', number(estimate(k, c, active > 0 and active or f.slots)))
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
    local m = meta.get(k, raw)
    local status, due, worker = view.status(k, raw, m)
    local out = { 'id', id.text(raw), 'status', status, 'type', head[1], 'org', head[2] }
    local o = head[4] or {}
    record.put(out, 'group', o.g)
    record.put(out, 'worker', worker)
    record.put(out, 'attempts', record.decimal(m[M.attempts]))
    record.put(out, 'recoveries', m[M.recoveries] > 0 and record.decimal(m[M.recoveries]))
    record.put(out, 'error_category', m[M.category])
    view.put_snooze(out, m)
    local ends = worker and tonumber(redis.call('ZSCORE', k.workers, worker) or '')
    record.put(out, 'lost_ms', ends and ends <= now and record.decimal(now - ends))
    if status == 'scheduled' or status == 'pending' then
        local c = { raw = raw, head = head, org = head[2], kind = head[1], group = o.g or '', m = m, due = due }
        local f = fleet.read(k, now, c.kind)
        add_deadlines(now, out, c, rec, o)
        if due then
            add_delayed(k, now, out, c, f)
        else
            add_waiting(k, now, out, c, f)
        end
    end
    return out
end, { 'no-writes' })
