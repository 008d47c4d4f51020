-- SPDX-License-Identifier: Apache-2.0
-- P:queued: of each org the jobs and bytes that wait (ready, delayed, set aside) and the ids of
-- finished jobs that still stand in its lists, as little-endian integers of 6, 6 and 4 bytes; the sums of
-- all under '*'.
-- Changes of one call are gathered and written at once.
-- The counts are trusted only where P:ctl says `counted`: since a moment when nothing waited, so that no job of an
-- older library, which did not count, is forgotten.
local queued = { all = '*' }

-- changes: org -> {jobs, bytes, stale, false}
function queued.change_of(changes, org)
    local c = changes[org]
    if not c then
        c = { 0, 0, 0, false }
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
    local jobs, bytes, stale = struct.unpack('<I6I6I4', value) -- and a position
    return jobs, bytes, stale
end

function queued.format(jobs, bytes, stale)
    return struct.pack('<I6I6I4', jobs, bytes, stale)
end

-- Values of these orgs, and of all, into known: {jobs, bytes, stale, is it touched}.
function queued.read(k, orgs, known)
    local missing = {}
    for _, org in ipairs(orgs) do
        if known[org] == nil then
            missing[#missing + 1] = org
        end
    end
    if known[queued.all] == nil then
        missing[#missing + 1] = queued.all
    end
    if #missing == 0 then
        return
    end
    for i, value in ipairs(redis.call('HMGET', k.queued, unpack(missing))) do
        local jobs, bytes, stale = queued.parse(value)
        known[missing[i]] = { jobs, bytes, stale, false }
    end
end

local function touch(v, touched, org)
    if not v[4] then
        v[4], touched[#touched + 1] = true, org
    end
end

-- n jobs of an org whose value is known were claimed; of all too.
function queued.take(known, touched, org, n, bytes)
    local v, all = known[org], known[queued.all]
    v[1], v[2], all[1], all[2] = v[1] - n, v[2] - bytes, all[1] - n, all[2] - bytes
    touch(v, touched, org)
    touch(all, touched, queued.all)
end

-- Nothing of the org waits any more, as far as is known.
function queued.is_empty(known, changes, org)
    local v, c = known[org], changes[org]
    return v[1] + (c and c[1] or 0) <= 0 and v[3] + (c and c[3] or 0) <= 0
end

local function add_to(v, c, touched, org)
    v[1], v[2], v[3] = v[1] + c[1], v[2] + c[2], v[3] + c[3]
    touch(v, touched, org)
end

-- Adds the changes to what is known. Where nothing is, the change becomes the value.
local function apply(k, changes, known, touched)
    local missing, list, n = {}, {}, 0
    local sum = { 0, 0, 0, false }
    for org, c in pairs(changes) do
        sum[1], sum[2], sum[3] = sum[1] + c[1], sum[2] + c[2], sum[3] + c[3]
        if known[org] then
            add_to(known[org], c, touched, org)
        else
            n = n + 1
            missing[n], list[n] = org, c
        end
    end
    if known[queued.all] then
        add_to(known[queued.all], sum, touched, queued.all)
    elseif n > 0 then
        missing[n + 1], list[n + 1] = queued.all, sum
    end
    for from = 1, #missing, 1000 do
        local values = redis.call('HMGET', k.queued, unpack(missing, from, math.min(from + 999, #missing)))
        for i, value in ipairs(values) do
            local at = from + i - 1
            local org, c = missing[at], list[at]
            if value then
                local jobs, bytes, stale = queued.parse(value)
                c[1], c[2], c[3] = c[1] + jobs, c[2] + bytes, c[3] + stale
            end
            touch(c, touched, org)
            known[org] = c
        end
    end
end

-- Writes what changed; the changes are used up. known: values read before in this call; touched: which
-- of them changed already.
function queued.settle(k, changes, known, touched)
    known, touched = known or {}, touched or {}
    apply(k, changes, known, touched)
    for from = 1, #touched, 1000 do
        local set, drop = { 'HSET', k.queued }, { 'HDEL', k.queued }
        for i = from, math.min(from + 999, #touched) do
            local org = touched[i]
            local v = known[org]
            if v[1] > 0 or v[3] > 0 then
                set[#set + 1] = org
                set[#set + 1] = queued.format(v[1], v[2] > 0 and v[2] or 0, v[3] > 0 and v[3] or 0)
            else
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
end

-- Adds to each of these orgs what its part says, {jobs, bytes} by name, and to the sum; each org is named once; n: all
-- the jobs.
function queued.add_many(k, orgs, parts, n)
    local set, at, sum, pack = { 'HSET', k.queued }, 2, 0, struct.pack
    local values = redis.call('HMGET', k.queued, queued.all, unpack(orgs))
    for i, org in ipairs(orgs) do
        local part, jobs, bytes, stale = parts[i], queued.parse(values[i + 1])
        sum = sum + part.bytes
        set[at + 1] = org
        set[at + 2] = pack('<I6I6I4', jobs + part.jobs, bytes + part.bytes, stale)
        at = at + 2
    end
    local jobs, bytes, stale = queued.parse(values[1])
    set[at + 1] = queued.all
    set[at + 2] = pack('<I6I6I4', jobs + n, bytes + sum, stale)
    keys.hset(set)
end

-- One change at once.
function queued.change(k, org, jobs, bytes, stale)
    local changes = {}
    queued.add(changes, org, jobs, bytes, stale)
    queued.settle(k, changes)
end

-- Nothing waits: whoever begins to count now forgets nobody. A setting parks what it is about, with or without jobs.
function queued.may_begin(k)
    return redis.call('EXISTS', k.jobs) == 0 or redis.call('EXISTS', k.ring, k.delayed, k.parked) == 0
end

function queued.begin(k)
    redis.call('DEL', k.queued)
    redis.call('HSET', k.ctl, 'counted', '1')
end

function queued.is_counted(k)
    return redis.call('HGET', k.ctl, 'counted') == '1'
end

-- Orgs with jobs that wait, in the ring or not, sorted; with_active: also those that only have jobs in
-- flight. O(n log n): for operators.
function queued.orgs(k, with_active)
    local orgs, seen = {}, {}
    local lists = { redis.call('HKEYS', k.queued), redis.call('ZRANGE', k.ring, 0, -1) }
    lists[3] = with_active and redis.call('HKEYS', k.active) or nil
    for _, list in ipairs(lists) do
        for _, name in ipairs(list) do
            if args.is_name(name) and not seen[name] then
                seen[name], orgs[#orgs + 1] = true, name
            end
        end
    end
    table.sort(orgs)
    return orgs
end
