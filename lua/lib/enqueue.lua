-- SPDX-License-Identifier: Apache-2.0
-- The core of all functions that create jobs: checks against what exists, quotas, then all writes.
local enqueue = {}

-- What P:ctl says, as it stands there.
function enqueue.ctl(k)
    return redis.call('HMGET', k.ctl, 'payload_max', 'paused', 'limits', 'order', 'keep_count', 'counted')
end

-- The same: payload_max, paused, limits (parsed settings or nil), order, keep, counted.
function enqueue.settings(k, ctl)
    ctl = ctl or enqueue.ctl(k)
    return {
        payload_max = args.stored(ctl[1], LIMIT.payload),
        paused = ctl[2] == '1',
        limits = limit.of(k, ctl[3]),
        by_deadline = ctl[4] == 'deadline',
        keep = args.stored(ctl[5], done.keep_count),
        counted = ctl[6] == '1',
    }
end

local function key_of(k, head)
    return head.options.k and unique.key(k, head.org, head.options.k)
end

-- What to do with a job whose key is taken: leaves job.existing (an id text) when it creates nothing,
-- job.old when it changes or supersedes that job.
local function meet_holder(k, job, holder)
    local h = job.head
    local conflict = h.options.kc
    local old = conflict and unique.waiting(k, h.org, h.options.k, holder)
    if conflict == 'l' then
        job.old = old
        return
    end
    job.existing = holder
    if old then
        if not unique.same_place(old.head, h) then
            args.fail('WHBADARG CONFLICT replace and extend need the same type, priority and group')
        end
        if not place.is_sound(place.of(k, old.head)) then
            args.fail(args.WRONG_TYPE)
        end
        job.old = old
    end
end

-- The ids of the jobs, '' for none. Of those of one key one counts, the same however often the call is made: the
-- last one that does not keep what is there, else the first. Fills job.key and job.chosen, that one.
local function choose(k, jobs)
    local ids, chosen = {}, {}
    for i, job in ipairs(jobs) do
        ids[i], job.key = job.raw or '', key_of(k, job.head)
        if job.key and (not chosen[job.key] or job.head.options.kc) then
            chosen[job.key] = job
        end
    end
    for _, job in ipairs(jobs) do
        job.chosen = job.key and chosen[job.key] or job
    end
    return ids
end

-- Those that do not count: job.existing says who has their key in the end.
local function follow_chosen(jobs, holders)
    for _, job in ipairs(jobs) do
        local c = job.chosen
        if c ~= job and not job.existing then
            job.existing = c.existing and (holders[job.key] or c.existing) or id.text(c.raw)
        end
    end
end

-- Which of the jobs exist already: fills job.existing with an id text. Jobs: {raw, head, payload};
-- a single one may be without raw, its id is made once nothing refuses the call any more. Returns whether one changes
-- or supersedes another that waits.
local function find_existing(k, jobs)
    local ids, holders, seen, any = choose(k, jobs), {}, {}, false
    local known = redis.call('HMGET', k.jobs, unpack(ids))
    for i, job in ipairs(jobs) do
        local key, counts = job.key, job.chosen == job
        if key and counts then
            holders[key] = redis.call('GET', key)
        end
        if job.raw and (known[i] or seen[job.raw]) then
            job.existing = id.text(job.raw)
        elseif key and counts and holders[key] then
            meet_holder(k, job, holders[key])
            any = any or job.old ~= nil
        end
        if job.raw and counts and not job.existing then
            seen[job.raw] = true
        end
    end
    follow_chosen(jobs, holders)
    return any
end

-- The head as it is stored: with by_deadline, a job that expires says so.
local function bytes_of(head, by_deadline)
    if not by_deadline or not head.options.xp or head.options.g then
        return head.bytes, head.options
    end
    local options = { eo = 1 }
    for name, value in pairs(head.options) do
        options[name] = value
    end
    return record.pack_head({ head.type, head.org, tonumber(head.level), options }), options
end

-- Where jobs of a head wait that are ready at once. Heads live longer than a call, so they remember it.
local function place_of(k, head, o)
    if o ~= head.options then
        return place.make(k, head.org, head.level, o)
    end
    if head.place_in ~= k then
        head.place_in, head.place = k, place.make(k, head.org, head.level, o)
    end
    return head.place
end

-- Where jobs of the type stand aside already, this one does too, in its order.
local function aside_of(k, plan, head, o, p)
    local org = head.org
    if p.kind == 'groups' and limit.group_cap(plan.held_by, org, o.g) then
        return p
    end
    plan.views[org] = plan.views[org] or levels.of(k, org)
    if not plan.views[org].is_aside[head.type] then
        return p
    end
    local key, name = aside.place(k, org, head.type, head.level, o)
    return { kind = 'aside', key = key, org = org, level = head.level, type = head.type, group = name }
end

local function add_to_plan(k, now, plan, job, settings)
    local head, raw = job.head, job.raw
    local bytes, o = bytes_of(head, settings.by_deadline)
    local rec, set = plan.stamp .. bytes .. job.payload, plan.set
    local n = #set
    set[n + 1], set[n + 2] = raw, rec
    plan.created = plan.created + 1
    local c = queued.change_of(plan.queued, head.org)
    c[1], c[2] = c[1] + 1, c[2] + #rec
    if o.dl and o.dl > 0 then
        local due = now + o.dl
        plan.delayed[#plan.delayed + 1], plan.delayed[#plan.delayed + 2] = due, raw
        plan.earliest = math.min(plan.earliest or due, due)
    else
        local p = place_of(k, head, o)
        if plan.held_by then
            p = aside_of(k, plan, head, o, p)
        end
        ready.add(ready.command(plan.ready, p), p, raw, rec, o)
    end
    if o.xp then
        plan.expiry[#plan.expiry + 1], plan.expiry[#plan.expiry + 2] = now + o.xp, raw
    end
    if o.k then
        plan.keys[#plan.keys + 1] = { job.key, id.text(raw), o.kt or unique.ttl }
    end
end

local function make_plan(k, now, jobs, settings)
    local plan = {
        stamp = record.stamp(now), ready = ready.plan(), set = { 'HSET', k.jobs }, delayed = {}, expiry = {},
        keys = {}, queued = {}, created = 0, held_by = settings.limits and settings.limits.by_type and settings.limits,
        views = {},
    }
    for _, job in ipairs(jobs) do
        if not job.existing then
            add_to_plan(k, now, plan, job, settings)
        end
    end
    return plan
end

-- Writes everything; the lists first, since only they can still fail and be taken back.
local function write_plan(k, now, plan, settings)
    local begins = not settings.counted and queued.may_begin(k)
    local any = #plan.ready.commands > 0 and ready.push_all(k, plan.ready)
    if begins then
        queued.begin(k)
    end
    redis.call(unpack(plan.set))
    queued.settle(k, plan.queued)
    if #plan.delayed > 0 then
        delay.add_all(k, plan.delayed, plan.earliest)
    end
    if #plan.expiry > 0 then
        delay.expire_all(k, plan.expiry)
    end
    for _, u in ipairs(plan.keys) do
        redis.call('SET', u[1], u[2], 'PX', string.format('%.0f', u[3]))
    end
    event.count(k, 'enqueued', plan.created)
    if any then
        bell.ring(k, now)
    end
end

-- What the call asks of the quotas.
local function demand_of(jobs, by_deadline)
    local demand = {}
    for _, job in ipairs(jobs) do
        local old = job.old
        if old then
            quota.ask(demand, old.head[2], job.at, -1, -#old.rec, 0, 0)
        end
        if old or not job.existing then
            local size = record.stamp_len + #bytes_of(job.head, by_deadline) + #job.payload
            quota.ask(demand, job.head.org, job.at, 1, size, 1, size)
        end
    end
    return demand
end

-- Does any org have a job that may run? Where there are no limits nothing is parked but what was just freed of them:
-- the next cycle brings it back.
local function any_ready(k, is_limited)
    return (is_limited and redis.call('EXISTS', k.ring) or redis.call('EXISTS', k.ring, k.parked)) > 0
end

-- One plain job, and no org has another: a waiting worker may get it at once. Nobody's turn is
-- taken. The case whose price is latency, hence no plan and no guard: each write comes first,
-- follows a read of the same key, or can be taken back. One that brings no id gets one when somebody is idle. Returns
-- whether it was handed over, and its id.
local function hand_off(k, now, raw, h, payload, is_limited)
    if not record.waits_plainly(h.options) or any_ready(k, is_limited) then
        return false, raw
    end
    if not raw and redis.call('EXISTS', k.idle) == 0 then
        return false, raw
    end
    raw = raw or id.make(k, now)
    return bell.hand_off(k, now, raw, record.stamp(now) .. h.bytes .. payload, h), raw
end

-- What limits and quotas say of such a job: nil when one keeps it from running now, or when others of its org or its
-- type wait already; else the session that it takes its part of. All that is written with it is read here.
local function admit(k, now, L, job, settings, is_free)
    local h = job.head
    if not settings.counted or queued.parse(redis.call('HGET', k.queued, h.org)) > 0 or turns.any(k, h.type) then
        return nil
    end
    if L.refuses and not is_free and not pcall(quota.check, k, now, L, demand_of({ job }, settings.by_deadline)) then
        return nil -- unless it exists already
    end
    local x = limit.open(k, now, L, {})
    if L.breaker_type then
        redis.call('XLEN', k.events)
        redis.call(unpack(k.look_at_sets))
    end
    local has_room = limit.queue_room(x) > 0 and limit.org_room(x, h.org) > 0 and limit.pair_room(x, h.org, h.type) > 0
    return has_room and x or nil
end

-- The only job of a call. Returns whether a worker has it now.
local function try_hand_off(k, now, job, settings, is_free)
    local L, h, x = settings.limits, job.head, nil
    if settings.paused or settings.tried then
        return false
    end
    if L and (L.holds or L.refuses) then
        x = record.waits_plainly(h.options) and admit(k, now, L, job, settings, is_free)
        if not x then
            return false
        end
    end
    local handed, raw = hand_off(k, now, job.raw, h, job.payload, x ~= nil)
    job.raw = raw
    if not handed then
        return false
    end
    if x then
        limit.spend(x, h.org, h.type, '', 1)
        limit.close(x)
    end
    return true
end

-- The head of a job whose head may leave its priority to the partition.
local function head_at_level(bytes, L)
    local h = record.parse_head(bytes)
    return h.level and h or record.at_level(h, limit.priority(L, h.type))
end

-- The triple of a call that has no other, where P:ctl has nothing that bears on it: not even a table is made
-- before it is handed over. Returns whether it was, and whether that was tried.
function enqueue.at_once(k, now, argv, ctl)
    local raw, payload = argv[1], argv[3]
    if #argv ~= 3 or #raw ~= 16 or #payload > LIMIT.payload or ctl[1] or ctl[2] == '1' or ctl[3] then
        return false, false
    end
    local handed = hand_off(k, now, raw, head_at_level(argv[2]), payload, false)
    return handed, true
end

local function change_old(k, now, jobs, settings)
    for _, job in ipairs(jobs) do
        if job.old and job.existing then
            unique.replace(k, now, job.old, job)
        elseif job.old then
            unique.supersede(k, now, job.old, settings.keep)
        end
    end
end

function enqueue.refuse_size(bytes, settings)
    args.fail('WHTOOBIG the payload has ' .. bytes .. ' bytes, this partition takes ' .. settings.payload_max ..
        ' (payload_max; wherry queue set payload-max=SIZE)')
end

-- Jobs from the triples (id, head, payload) of a call, from argv[from] on, to argv[to] or the end.
function enqueue.triples(argv, from, settings, to)
    local jobs, n = {}, ((to or #argv) - from + 1) / 3
    if n % 1 ~= 0 then
        args.fail('WHBADARG jobs must be triples of id, head, payload')
    end
    if n > LIMIT.batch then
        args.fail('WHTOOBIG more than 1000 jobs in one call')
    end
    for i = 1, n do
        local at = from + 3 * (i - 1)
        local raw, head, payload = argv[at], argv[at + 1], argv[at + 2]
        if #payload > settings.payload_max then
            enqueue.refuse_size(#payload, settings)
        end
        local h = head_at_level(head, settings.limits)
        jobs[i] = { raw = #raw == 16 and raw or id.arg(raw), head = h, payload = payload, at = i }
    end
    return jobs
end

-- Heads are checked; payloads are within bounds. is_free: no quota refuses it; settings.tried: nobody takes it
-- at once. Returns the number of created jobs.
function enqueue.run(k, now, jobs, settings, is_free)
    local L = settings.limits
    if #jobs == 1 and try_hand_off(k, now, jobs[1], settings, is_free) then
        return 1
    end
    keys.guard_new(k)
    if find_existing(k, jobs) then
        keys.guard(k)
    end
    if L and L.refuses and not is_free then
        local demand = demand_of(jobs, settings.by_deadline)
        if next(demand) ~= nil then
            quota.check(k, now, L, demand)
        end
    end
    for _, job in ipairs(jobs) do
        job.raw = job.raw or id.make(k, now)
    end
    local plan = make_plan(k, now, jobs, settings)
    if plan.created > 0 then
        write_plan(k, now, plan, settings)
    end
    change_old(k, now, jobs, settings)
    return plan.created
end

-- The reply of a call of many: of those that exist already the number in the call and the id.
function enqueue.answer(k, now, jobs, settings)
    local reply = { enqueue.run(k, now, jobs, settings), now }
    for i, job in ipairs(jobs) do
        if job.existing then
            reply[#reply + 1], reply[#reply + 2] = i, job.existing
        end
    end
    return reply
end
