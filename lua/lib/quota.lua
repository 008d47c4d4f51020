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

local function refuse(text)
    args.fail('WHBACKPRESSURE 1000 ' .. text)
end

-- What a call asks for, by org: jobs and bytes more than wait now, and those that it brings (what replaces a
-- waiting job brings itself and takes that one away). demand: org -> {jobs, bytes, jobs brought, bytes brought}.
function quota.ask(demand, org, jobs, bytes, brought_jobs, brought_bytes)
    local d = demand[org]
    if not d then
        d = { 0, 0, 0, 0 }
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
    local text = 'WHTOOBIG %s has %.0f %s, the quota of %s is %.0f: it never fits; %s or raise the quota'
    args.fail(string.format(text, who, brought, what, of, max, advice))
end

local function check(max, there, change, text)
    if max and change > 0 and there + change > max then
        refuse(text)
    end
end

local function quotas_of_org(L, org)
    local scope = 'org/' .. org
    return L.jobs[scope] or L.jobs['org/*'], L.bytes[scope] or L.bytes['org/*']
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
        refuse('Redis uses more of its maxmemory than the queue allows')
    end
    if not is_counted then
        return
    end
    orgs[#orgs + 1] = queued.all
    local values = redis.call('HMGET', k.queued, unpack(orgs))
    for i, org in ipairs(orgs) do
        local there, size = queued.parse(values[i])
        if org == queued.all then
            check(L.jobs.queue, there, all[1], 'the queue is full: too many jobs wait')
            check(L.bytes.queue, size, all[2], 'the queue is full: the waiting jobs have too many bytes')
        else
            local jobs, bytes = quotas_of_org(L, org)
            check(jobs, there, demand[org][1], 'the org is full: too many jobs wait')
            check(bytes, size, demand[org][2], 'the org is full: its jobs have too many bytes')
        end
    end
end
