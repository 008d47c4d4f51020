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

local function check(max, there, change, text)
    if max and change > 0 and there + change > max then
        refuse(text)
    end
end

-- Would these changes (org -> {jobs, bytes}) pass a quota? What makes nothing more never does. Reads only.
function quota.check(k, now, L, changes)
    if L.memory.queue and quota.memory(now) > L.memory.queue then
        refuse('Redis uses more of its maxmemory than the queue allows')
    end
    if not (L.jobs_queue or L.jobs_org or L.bytes_queue or L.bytes_org) then
        return
    end
    local orgs, jobs, bytes = {}, 0, 0
    for org, c in pairs(changes) do
        orgs[#orgs + 1] = org
        jobs, bytes = jobs + c[1], bytes + c[2]
    end
    orgs[#orgs + 1] = queued.all
    local values = redis.call('HMGET', k.queued, unpack(orgs))
    for i, org in ipairs(orgs) do
        local there, size = queued.parse(values[i])
        if org == queued.all then
            check(L.jobs.queue, there, jobs, 'the queue is full: too many jobs wait')
            check(L.bytes.queue, size, bytes, 'the queue is full: the waiting jobs have too many bytes')
        else
            local scope, c = 'org/' .. org, changes[org]
            check(L.jobs[scope] or L.jobs['org/*'], there, c[1], 'the org is full: too many jobs wait')
            check(L.bytes[scope] or L.bytes['org/*'], size, c[2], 'the org is full: its jobs have too many bytes')
        end
    end
end
