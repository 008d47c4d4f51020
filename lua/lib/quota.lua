-- SPDX-License-Identifier: Apache-2.0
-- Backpressure at enqueue: quotas of waiting jobs and bytes, and Redis' memory.
local quota = { memory_ms = 1000 }

-- Share of maxmemory in use, 0 without a maxmemory. INFO is dear, so it is asked once a second and
-- remembered between calls; what it says is Redis' own and nobody else's.
function quota.memory(now)
    if not quota.asked_at or now - quota.asked_at >= quota.memory_ms or now < quota.asked_at then
        local info = redis.call('INFO', 'memory')
        local used = tonumber(string.match(info, 'used_memory:(%d+)') or 0)
        local max = tonumber(string.match(info, 'maxmemory:(%d+)') or 0)
        quota.share = max > 0 and used * 100 / max or 0
        quota.asked_at = now
    end
    return quota.share
end

-- Of a call of several jobs: the number of the first one of the org that is meant.
local function job_of(d)
    return d.at and string.format('job %d: ', d.at) or ''
end

-- What a call asks for, by org: jobs and bytes more than wait now, and those that it brings (what replaces a
-- waiting job brings itself and takes that one away). demand: org -> {jobs, bytes, jobs brought, bytes brought, at:
-- the number in the call of the first job of that org, where the call may have several}.
function quota.ask(demand, org, at, jobs, bytes, brought_jobs, brought_bytes)
    local d = demand[org]
    if not d then
        d = { 0, 0, 0, 0, at = at }
        demand[org] = d
    end
    d[1], d[2], d[3], d[4] = d[1] + jobs, d[2] + bytes, d[3] + brought_jobs, d[4] + brought_bytes
end

local PHRASE = { queue = 'the queue (%s:queue)', org = 'its org (%s:org/...)' }

-- Over a quota alone: it would not fit if nothing else waited, so that to wait is of no use. d: what is asked for;
-- at: 1 the jobs of it, 2 the bytes.
local function check_alone(max, d, at, what, whose)
    local brought = d[at + 2]
    if not max or d[at] <= 0 or brought <= max then
        return
    end
    local who, advice = 'the job', 'make it smaller'
    if d[3] > 1 then
        who, advice = 'the call', 'enqueue fewer in one call'
    end
    local of = string.format(PHRASE[whose], what)
    local text = 'WHTOOBIG %s%s has %.0f %s, the quota of %s is %.0f: it never fits; %s or raise the quota'
    args.fail(string.format(text, job_of(d), who, brought, what, of, max, advice))
end

local function is_over(max, there, change)
    return max and change > 0 and there + change > max
end

-- d: what is asked for; jobs, bytes: that wait; max_jobs, max_bytes: the quotas, or nil.
local function refuse(d, jobs, bytes, max_jobs, max_bytes, whose)
    local what, there, change, max = 'jobs', jobs, d[1], max_jobs
    if not is_over(max, there, change) then
        what, there, change, max = 'bytes', bytes, d[2], max_bytes
    end
    local text = 'WHBACKPRESSURE 1000 %sthe %s is full: %s that wait: %.0f, more: %.0f, quota: %.0f (%s:%s)'
    local scope = whose == 'org' and 'org/...' or whose
    args.fail(string.format(text, job_of(d), whose, what, there, change, max, what, scope))
end

local function quotas_of_org(L, org)
    local scope = 'org/' .. org
    return L.jobs[scope] or L.jobs['org/*'], L.bytes[scope] or L.bytes['org/*']
end

-- What waits and what is asked for. Of the orgs that are full the one whose job comes first is named, before the queue:
-- whoever leaves its jobs out may have room for the others.
local function check_counts(k, L, demand, orgs, all)
    orgs[#orgs + 1] = queued.all
    local values, first = redis.call('HMGET', k.queued, unpack(orgs)), nil
    for i = 1, #orgs - 1 do
        local d, jobs, bytes = demand[orgs[i]], queued.parse(values[i])
        local max_jobs, max_bytes = quotas_of_org(L, orgs[i])
        local is_full = is_over(max_jobs, jobs, d[1]) or is_over(max_bytes, bytes, d[2])
        if is_full and (not first or (d.at or 1) < (first[1].at or 1)) then
            first = { d, jobs, bytes, max_jobs, max_bytes, 'org' }
        end
    end
    if first then
        refuse(unpack(first, 1, 6))
    end
    local jobs, bytes = queued.parse(values[#orgs])
    if is_over(L.jobs.queue, jobs, all[1]) or is_over(L.bytes.queue, bytes, all[2]) then
        refuse(all, jobs, bytes, L.jobs.queue, L.bytes.queue, 'queue')
    end
end

-- Would what is asked for pass a quota? What makes nothing more never does. Reads only.
function quota.check(k, now, L, demand)
    local is_counted = L.jobs_queue or L.jobs_org or L.bytes_queue or L.bytes_org
    local orgs, all = {}, { 0, 0, 0, 0 }
    for org, d in pairs(demand) do
        orgs[#orgs + 1] = org
        for i = 1, 4 do
            all[i] = all[i] + d[i]
        end
        if is_counted then
            local jobs, bytes = quotas_of_org(L, org)
            check_alone(jobs, d, 1, 'jobs', 'org')
            check_alone(bytes, d, 2, 'bytes', 'org')
        end
    end
    check_alone(L.jobs.queue, all, 1, 'jobs', 'queue')
    check_alone(L.bytes.queue, all, 2, 'bytes', 'queue')
    if L.memory.queue and quota.memory(now) > L.memory.queue then
        local text = 'WHBACKPRESSURE 1000 Redis uses %.0f %% of its maxmemory, the queue allows %.0f (memory:queue)'
        args.fail(string.format(text, math.ceil(quota.memory(now)), L.memory.queue))
    end
    if is_counted then
        check_counts(k, L, demand, orgs, all)
    end
end
