-- SPDX-License-Identifier: Apache-2.0
-- wh1_usage: what waits and why, and how much of the quotas, of Redis' memory and of the workers is used.
-- ARGV rows -> [flat fact, value…, [type, set aside, orgs, reason, until ms]…, [org, jobs, bytes, …]…]
-- (docs/protocol.md section 8). Errors WHBADARG WHBADDATA. Reads only. O(workers + orgs + what is parked), each
-- looked at 5,000 times at most: never O(jobs).
local usage = { most = 5000, scan = 1000 }

-- Calls fn(field, value) for the fields of a hash, about usage.most of them; returns how many. One that is
-- being resized shows some twice.
local function each_field(key, fn)
    local cursor, n = '0', 0
    repeat
        local reply = redis.call('HSCAN', key, cursor, 'COUNT', usage.scan)
        local flat = reply[2]
        for i = 1, #flat, 2 do
            fn(flat[i], flat[i + 1])
        end
        cursor, n = reply[1], n + #flat / 2
    until cursor == '0' or n >= usage.most
    return n
end

-- Jobs set aside, all and by type: {kind, n}.
local function set_aside(k)
    local sum, list, by_kind, looks, seen = 0, {}, {}, 0, {}
    each_field(k.levels, function(org, text)
        if not string.find(text, ',', 1, true) or seen[org] then
            return
        end
        seen[org] = true
        for _, kind in ipairs(levels.view(text).asides) do
            local n = 0
            local function count(key)
                n = n + (looks < usage.most and redis.call('ZCARD', key) or 0)
                looks = looks + 1
            end
            count(aside.key(k, org, kind))
            hold.each(k, org, kind, count, usage.most)
            if n > 0 and not by_kind[kind] then
                by_kind[kind] = { kind = kind, n = 0 }
                list[#list + 1] = by_kind[kind]
            end
            if n > 0 then
                by_kind[kind].n, sum = by_kind[kind].n + n, sum + n
            end
        end
    end)
    table.sort(list, function(a, b)
        return a.n > b.n or (a.n == b.n and a.kind < b.kind)
    end)
    return sum, list
end

-- Ids of an org in a level's groups, all or those of one.
local function in_groups(k, org, level, p)
    local n = 0
    for _, name in ipairs(redis.call('ZRANGE', k.groups_ .. org .. ':' .. level, 0, usage.scan - 1)) do
        if name ~= '' and p.looks < usage.most then
            p.looks, n = p.looks + 1, n + redis.call('LLEN', keys.ready(k, org, level) .. ':' .. name)
        end
    end
    return n
end

local function in_org(k, org, p)
    local n = 0
    for _, e in ipairs(levels.of(k, org).order) do
        p.looks = p.looks + 1
        if e.kind == 'soonest' then
            n = n + redis.call('ZCARD', k.soonest_ .. org .. ':' .. e.level)
        else
            n = n + redis.call('LLEN', keys.ready(k, org, e.level))
            n = n + (e.kind == 'groups' and in_groups(k, org, e.level, p) or 0)
        end
    end
    return n
end

-- What is parked: jobs of orgs and groups, how many orgs, types, groups, and whether the queue is. What is due
-- may run again as soon as somebody asks for work.
local function parked_now(k, now)
    local p = { jobs = 0, orgs = 0, types = 0, groups = 0, queue = 0, looks = 0 }
    local after, is_org = '(' .. string.format('%.0f', now), {}
    local members = redis.call('ZRANGE', k.parked, after, '+inf', 'BYSCORE', 'LIMIT', 0, usage.most)
    for _, member in ipairs(members) do
        local org = string.match(member, '^org/([^/]+)$')
        if org then
            p.orgs, is_org[org] = p.orgs + 1, true
            p.jobs = p.jobs + (p.looks < usage.most and in_org(k, org, p) or 0)
        elseif string.find(member, '^type/') then
            p.types = p.types + 1
        elseif member == 'queue' then
            p.queue = 1
        end
    end
    for _, member in ipairs(members) do
        local org, level, name = string.match(member, '^org/([^/]+)/group/(%d)/(.*)$')
        if org then
            p.groups = p.groups + 1
            p.jobs = p.jobs + (is_org[org] and 0 or redis.call('LLEN', keys.ready(k, org, level) .. ':' .. name))
        end
    end
    return p
end

local function percent(there, max)
    return max and there * 100 / max or 0
end

-- Does a come before b: more of its quota used, else more jobs, else by name?
local function is_before(a, b)
    if a.share ~= b.share then
        return a.share > b.share
    end
    return a.jobs > b.jobs or (a.jobs == b.jobs and a.org < b.org)
end

-- Puts a list in order and keeps the first `rows`, each org once.
local function prune(list, rows)
    table.sort(list, is_before)
    local n = 0
    for i = 1, #list do
        local o = list[i]
        list[i] = nil
        if n < rows and (n == 0 or list[n].org ~= o.org) then
            n = n + 1
            list[n] = o
        end
    end
end

-- The orgs that use most of their quota; those without one by their jobs. Also how many there are, and how
-- many were looked at. Most are no match for those found before and make no table.
local function orgs_by_use(k, L, rows)
    local list, total, worst = {}, math.max(redis.call('HLEN', k.queued) - 1, 0), nil
    local any_jobs, any_bytes, has_quota = L.jobs['org/*'], L.bytes['org/*'], L.jobs_org or L.bytes_org
    local n = each_field(k.queued, function(org, value)
        local jobs, bytes = queued.parse(value)
        local jobs_max, bytes_max, share = nil, nil, 0
        if has_quota then
            local scope = 'org/' .. org
            jobs_max, bytes_max = L.jobs[scope] or any_jobs, L.bytes[scope] or any_bytes
            share = math.max(percent(jobs, jobs_max), percent(bytes, bytes_max))
        end
        if worst and (share < worst.share or (share == worst.share and jobs < worst.jobs)) then
            return
        end
        if org ~= queued.all and jobs > 0 and args.is_name(org) then
            list[#list + 1] = {
                org = org, jobs = jobs, bytes = bytes, jobs_max = jobs_max, bytes_max = bytes_max, share = share,
            }
            if #list > 2 * rows + 20 then
                prune(list, rows)
                worst = list[rows]
            end
        end
    end)
    prune(list, rows)
    return list, total, n
end

local function put_fleet(out, f)
    local put = record.put
    fleet.put(out, f)
    put(out, 'workers_full', record.decimal(f.full))
    put(out, 'pressure', f.why or (f.full > 0 and 'slots'))
    local claiming = (f.seen or 0) - f.quiet
    put(out, 'backpressure', claiming > 0 and string.format('%.2f', f.load / claiming))
end

local function put_quotas(out, k, now, L)
    local put, number = record.put, record.decimal
    local jobs, bytes = queued.parse(redis.call('HGET', k.queued, queued.all))
    put(out, 'jobs', number(jobs))
    put(out, 'jobs_max', number(L.jobs.queue))
    put(out, 'bytes', number(bytes))
    put(out, 'bytes_max', number(L.bytes.queue))
    local ok, share = pcall(quota.memory, now) -- whose user may not ask for INFO is told the rest
    put(out, 'memory_percent', ok and share > 0 and string.format('%.1f', share))
    put(out, 'memory_max', number(L.memory.queue))
end

local function put_waiting(out, k, now, aside_sum)
    local put, number, p = record.put, record.decimal, parked_now(k, now)
    local pending = figures.pending(k, figures.held(k))
    local held = p.queue == 1 and math.max(pending - aside_sum, 0) or math.min(p.jobs, pending)
    put(out, 'ready', number(math.max(pending - held - aside_sum, 0)))
    put(out, 'delayed', number(redis.call('ZCARD', k.delayed)))
    put(out, 'parked', number(held))
    put(out, 'set_aside', number(aside_sum))
    put(out, 'parked_orgs', number(p.orgs))
    put(out, 'parked_types', number(p.types))
    put(out, 'parked_groups', number(p.groups))
    put(out, 'parked_queue', number(p.queue))
end

-- Why a type's jobs are set aside now: reason and until; '' when it admits some again.
local function type_row(k, x, c)
    local room, at, reason = limit.type_room(x, c.kind)
    local left = tonumber(at or '')
    return {
        c.kind, c.n, redis.call('ZCARD', k.waiting_ .. c.kind), room <= 0 and reason or '',
        room <= 0 and left and at ~= 'inf' and math.max(0, math.ceil(left - x.now)) or -1,
    }
end

args.register('wh1_usage', function(KEYS, ARGV)
    local k, now = keys.of(KEYS), clock.now()
    args.count(ARGV, 1, 'WHBADARG usage: rows')
    local rows = args.int(ARGV[1], 0, LIMIT.batch, 'WHBADARG rows must be 0 to 1000')
    local L = limit.now(k) or limit.nothing()
    local x, facts, types, orgs = limit.open(k, now, L, {}), { 'now_ms', record.decimal(now) }, {}, {}
    local sum, kinds = set_aside(k)
    put_waiting(facts, k, now, sum)
    put_quotas(facts, k, now, L)
    put_fleet(facts, fleet.read(k, now))
    local list, total, seen = orgs_by_use(k, L, rows)
    record.put(facts, 'orgs_waiting', record.decimal(total))
    record.put(facts, 'orgs_seen', record.decimal(math.min(seen, total)))
    for i = 1, math.min(#kinds, rows) do
        types[i] = type_row(k, x, kinds[i])
    end
    for i = 1, #list do
        local o = list[i]
        orgs[i] = { o.org, o.jobs, o.bytes, o.jobs_max or 0, o.bytes_max or 0, math.floor(o.share + 0.5) }
    end
    return { facts, types, orgs }
end, { 'no-writes' })
