-- SPDX-License-Identifier: Apache-2.0
-- wh1_usage: what waits and why, and how much of the quotas, of Redis' memory and of the workers is used.
-- ARGV rows -> [flat fact, value…, [type, set aside, orgs, reason, until ms]…, [org, jobs, bytes, …]…]
-- (docs/protocol.md section 8). Errors WHBADARG WHBADDATA. Reads only. O(workers + orgs + what is parked), each
-- looked at 5,000 times at most: never O(jobs).

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
    local list, total, worst, with_jobs = {}, math.max(redis.call('HLEN', k.queued) - 1, 0), nil, 0
    local any_jobs, any_bytes, has_quota = L.jobs['org/*'], L.bytes['org/*'], L.jobs_org or L.bytes_org
    local n = backlog.each_field(k.queued, function(org, value)
        local jobs, bytes = queued.parse(value)
        local jobs_max, bytes_max, share = nil, nil, 0
        with_jobs = with_jobs + ((jobs > 0 and org ~= queued.all) and 1 or 0)
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
    if n < backlog.most then -- of some, nothing stands there but ids of jobs that ended
        total = math.min(total, with_jobs)
    end
    return list, total, n
end

local function put_fleet(out, f)
    local put = record.put
    fleet.put(out, f)
    put(out, 'workers_full', record.decimal(f.full))
    local gauge, why = fleet.pressure(f)
    put(out, 'pressure', why)
    put(out, 'backpressure', gauge and string.format('%.2f', gauge))
end

-- is_counted: P:queued can be trusted.
local function put_quotas(out, k, now, L, is_counted)
    local put, number = record.put, record.decimal
    local jobs, bytes = queued.parse(is_counted and redis.call('HGET', k.queued, queued.all))
    put(out, 'jobs', is_counted and number(jobs))
    put(out, 'jobs_max', number(L.jobs.queue))
    put(out, 'bytes', is_counted and number(bytes))
    put(out, 'bytes_max', number(L.bytes.queue))
    local ok, share = pcall(quota.memory, now) -- whose user may not ask for INFO is told the rest
    put(out, 'memory_percent', ok and share > 0 and string.format('%.1f', share))
    put(out, 'memory_max', number(L.memory.queue))
end

-- Of a paused queue all that is ready is held, whether a claim met it or not.
local function put_waiting(out, k, pending, p, aside_sum)
    local put, number, rest = record.put, record.decimal, pending - aside_sum
    local is_paused = redis.call('HGET', k.ctl, 'paused') == '1'
    local held_back = (is_paused or p.queue == 1) and rest or math.min(p.jobs, rest)
    put(out, 'ready', number(rest - held_back))
    put(out, 'delayed', number(redis.call('ZCARD', k.delayed)))
    put(out, 'parked', number(held_back))
    put(out, 'set_aside', number(aside_sum))
    put(out, 'parked_orgs', number(p.orgs))
    put(out, 'parked_types', number(p.types))
    put(out, 'parked_groups', number(p.groups))
    put(out, 'parked_queue', number(p.queue))
    put(out, 'queue_paused', is_paused and '1' or '0')
end

-- What holds the jobs set aside of a type now: the type, or what holds one of the orgs that have them: room, until
-- when, reason.
local function holder_of(x, c)
    local room, at, reason = limit.type_room(x, c.kind)
    if room <= 0 then
        return room, at, reason
    end
    room, at, reason = limit.org_room(x, c.org)
    if room <= 0 then
        return room, at, reason
    end
    local _
    room, at, _, reason = limit.pair_room(x, c.org, c.kind)
    return room, at, reason
end

-- Why a type's jobs are set aside now: reason and until; '' when some may run again.
local function type_row(k, x, c)
    local room, at, reason = holder_of(x, c)
    local is_probed = room <= 0 and reason == 'breaker_open' and breaker.awaited(x, c.kind)
    local left = not is_probed and tonumber(at or '') -- until its probes end: nobody knows when
    reason = limit.reason(x, c.kind, reason)
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
    local w, pending = backlog.open(k), figures.pending(k)
    local sum, kinds = backlog.set_aside(w)
    put_waiting(facts, k, pending, backlog.parked(w, now, L), math.min(sum, pending))
    local is_counted, list = queued.is_counted(k) or queued.may_begin(k), {}
    put_quotas(facts, k, now, L, is_counted)
    put_fleet(facts, fleet.read(k, now))
    if is_counted then
        local total, seen
        list, total, seen = orgs_by_use(k, L, rows)
        record.put(facts, 'orgs_waiting', record.decimal(total))
        record.put(facts, 'orgs_seen', record.decimal(math.min(seen, total)))
    end
    for i = 1, math.min(#kinds, rows) do
        types[i] = type_row(k, x, kinds[i])
    end
    for i = 1, #list do
        local o = list[i]
        orgs[i] = { o.org, o.jobs, o.bytes, o.jobs_max or 0, o.bytes_max or 0, math.floor(o.share + 0.5) }
    end
    return { facts, types, orgs }
end, { 'no-writes' })
