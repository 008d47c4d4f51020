-- SPDX-License-Identifier: Apache-2.0
-- P:queued: of each org the jobs and bytes that wait (ready, delayed, set aside) and the ids of
-- finished jobs that still stand in its lists: '<jobs> <bytes> <stale>'; the sums of all under '*'.
-- Changes of one call are gathered and written at once.
local queued = { all = '*' }

-- changes: org -> {jobs, bytes, stale}
function queued.add(changes, org, jobs, bytes, stale)
    local c = changes[org]
    if not c then
        c = { 0, 0, 0 }
        changes[org] = c
    end
    c[1], c[2], c[3] = c[1] + jobs, c[2] + bytes, c[3] + (stale or 0)
end

function queued.parse(value)
    local jobs, bytes, stale = string.match(value or '', '^(%d+) (%d+) (%d+)$')
    return tonumber(jobs or 0), tonumber(bytes or 0), tonumber(stale or 0)
end

function queued.format(jobs, bytes, stale)
    return string.format('%.0f %.0f %.0f', jobs, bytes, stale)
end

-- Values of orgs, and of all; kept in known for queued.settle of the same call.
function queued.read(k, orgs, known)
    local names = { queued.all }
    for i = 1, #orgs do
        names[i + 1] = orgs[i]
    end
    local values = redis.call('HMGET', k.queued, unpack(names))
    for i, name in ipairs(names) do
        known[name] = values[i]
    end
end

local function write_part(k, orgs, changes, known)
    local unknown, set, drop = {}, { 'HSET', k.queued }, { 'HDEL', k.queued }
    for _, org in ipairs(orgs) do
        if known[org] == nil then
            unknown[#unknown + 1] = org
        end
    end
    if #unknown > 0 then
        for i, value in ipairs(redis.call('HMGET', k.queued, unpack(unknown))) do
            known[unknown[i]] = value
        end
    end
    for _, org in ipairs(orgs) do
        local jobs, bytes, stale = queued.parse(known[org])
        local c = changes[org]
        jobs, bytes, stale = math.max(jobs + c[1], 0), math.max(bytes + c[2], 0), math.max(stale + c[3], 0)
        if jobs + stale > 0 then
            set[#set + 1], set[#set + 2] = org, queued.format(jobs, bytes, stale)
        elseif known[org] then
            drop[#drop + 1] = org
        end
    end
    if #set > 2 then
        redis.call(unpack(set))
    end
    if #drop > 2 then
        redis.call(unpack(drop))
    end
end

-- known: values read before in this call, or nil.
function queued.settle(k, changes, known)
    local orgs, sum = {}, { 0, 0, 0 }
    for org, c in pairs(changes) do
        if c[1] ~= 0 or c[2] ~= 0 or c[3] ~= 0 then
            orgs[#orgs + 1] = org
            sum = { sum[1] + c[1], sum[2] + c[2], sum[3] + c[3] }
        end
    end
    if #orgs == 0 then
        return
    end
    orgs[#orgs + 1], changes[queued.all] = queued.all, sum
    for from = 1, #orgs, 1000 do
        write_part(k, { unpack(orgs, from, math.min(from + 999, #orgs)) }, changes, known or {})
    end
end

-- One change at once.
function queued.change(k, org, jobs, bytes, stale)
    local changes = {}
    queued.add(changes, org, jobs, bytes, stale)
    queued.settle(k, changes)
end
