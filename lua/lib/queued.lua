-- SPDX-License-Identifier: Apache-2.0
-- P:queued: of each org the jobs and bytes that wait (ready, delayed, set aside) and the ids of
-- finished jobs that still stand in its lists, as little-endian integers of 6, 6 and 4 bytes; the sums of
-- all under '*'.
-- Changes of one call are gathered and written at once.
local queued = { all = '*' }

-- changes: org -> {jobs, bytes, stale}
function queued.change_of(changes, org)
    local c = changes[org]
    if not c then
        c = { 0, 0, 0 }
        changes[org] = c
    end
    return c
end

function queued.add(changes, org, jobs, bytes, stale)
    local c = queued.change_of(changes, org)
    c[1], c[2], c[3] = c[1] + jobs, c[2] + bytes, c[3] + (stale or 0)
end

-- Packed, since every enqueue and claim reads and writes it for each org that it touches.
function queued.parse(value)
    if not value or #value ~= 16 then
        return 0, 0, 0
    end
    return struct.unpack('<I6I6I4', value)
end

function queued.format(jobs, bytes, stale)
    return struct.pack('<I6I6I4', jobs, bytes, stale)
end

-- Values of orgs, and of all: {jobs, bytes, stale}; kept in known for queued.settle of the same call.
function queued.read(k, orgs, known)
    local names = { queued.all }
    for i = 1, #orgs do
        names[i + 1] = orgs[i]
    end
    for i, value in ipairs(redis.call('HMGET', k.queued, unpack(names))) do
        known[names[i]] = { queued.parse(value) }
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
            known[unknown[i]] = { queued.parse(value) }
        end
    end
    for _, org in ipairs(orgs) do
        local there, c = known[org], changes[org]
        local jobs, bytes = math.max(there[1] + c[1], 0), math.max(there[2] + c[2], 0)
        local stale = math.max(there[3] + c[3], 0)
        if jobs + stale > 0 then
            set[#set + 1], set[#set + 2] = org, queued.format(jobs, bytes, stale)
        elseif there[1] + there[3] > 0 then
            drop[#drop + 1] = org
        end
    end
    if #set > 2 then
        keys.hset(set)
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
