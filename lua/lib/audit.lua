-- SPDX-License-Identifier: Apache-2.0
-- The proof that all indices of a partition agree, in one atomic pass. Reads only.
local audit = { max_problems = 100 }

local function problem(a, text)
    if #a.problems < audit.max_problems then
        a.problems[#a.problems + 1] = text
    end
end

-- Every id is met in exactly one place.
local function meet(a, raw, place)
    if a.place[raw] then
        problem(a, id.text(raw) .. ' stands in ' .. a.place[raw] .. ' and in ' .. place)
        return
    end
    a.place[raw] = place
end

local function ready_lists(a, k)
    local orgs = redis.call('ZRANGE', k.ring, 0, -1)
    for _, org in ipairs(orgs) do
        for level in string.gmatch(ready.order(redis.call('HGET', k.levels, org) or nil), '.') do
            for _, raw in ipairs(redis.call('LRANGE', keys.ready(k, org, level), 0, -1)) do
                meet(a, raw, 'ready')
                a.listed[raw] = org
            end
        end
    end
    local levels = redis.call('HGETALL', k.levels)
    for i = 1, #levels, 2 do
        for level in string.gmatch(levels[i + 1], '.') do
            -- A level that ran empty stays until a claim visits it, as its org in the ring does.
            if not redis.call('ZSCORE', k.ring, levels[i]) then
                problem(a, 'levels has org ' .. levels[i] .. ' (level ' .. level .. '), but the ring has not')
            end
        end
    end
end

local function claims(a, k)
    local held = {}
    for _, worker in ipairs(redis.call('ZRANGE', k.workers, 0, -1)) do
        local flat = redis.call('HGETALL', k.run_ .. worker)
        for i = 1, #flat, 2 do
            local raw = id.of_token(flat[i])
            local _, org = finish.held(flat[i + 1])
            meet(a, raw, 'run')
            a.running[raw] = id.fence(flat[i])
            held[org] = (held[org] or 0) + 1
        end
    end
    local active = redis.call('HGETALL', k.active)
    for i = 1, #active, 2 do
        local org, n = active[i], tonumber(active[i + 1])
        if n ~= (held[org] or 0) or n == 0 then
            problem(a, 'active of org ' .. org .. ' is ' .. active[i + 1] .. ', its claims are ' .. (held[org] or 0))
        end
        held[org] = nil
    end
    for org, n in pairs(held) do
        problem(a, 'active of org ' .. org .. ' is missing, its claims are ' .. n)
    end
end

local function indices(a, k)
    for _, raw in ipairs(redis.call('ZRANGE', k.delayed, 0, -1)) do
        meet(a, raw, 'delayed')
    end
    for _, raw in ipairs(redis.call('ZRANGE', k.done, 0, -1)) do
        a.kept[raw] = true
        if not a.listed[raw] then
            meet(a, raw, 'done')
        end
    end
end

local function check_living(a, raw, rec, packed)
    local place, m = a.place[raw], meta.unpack(packed)
    if not place then
        return problem(a, id.text(raw) .. ' has a record but stands in no index')
    end
    local finished = m[M.status] and true or false
    if finished ~= (a.kept[raw] or false) then
        problem(a, id.text(raw) .. ' is finished in one of meta and done only')
    end
    if finished and (a.listed[raw] ~= nil) ~= (m[M.queued] == 1) then
        problem(a, id.text(raw) .. ' is finished and its queued mark is wrong')
    end
    if a.running[raw] and a.running[raw] ~= m[M.fence] + 1 then
        problem(a, id.text(raw) .. ' runs with a fence that its meta does not expect')
    end
    local head = record.decode(rec)
    if a.listed[raw] and a.listed[raw] ~= head[2] then
        problem(a, id.text(raw) .. ' stands in the list of another org')
    end
    -- Nothing ever happened to it: then it must still expire in time.
    if not packed and head[4] and head[4].xp and not a.running[raw] and not redis.call('ZSCORE', a.expiry, raw) then
        problem(a, id.text(raw) .. ' has a time to expire but would not')
    end
end

local function records(a, k)
    local flat, metas = redis.call('HGETALL', k.jobs), {}
    local meta_flat = redis.call('HGETALL', k.meta)
    for i = 1, #meta_flat, 2 do
        metas[meta_flat[i]] = meta_flat[i + 1]
    end
    for i = 1, #flat, 2 do
        local raw, rec = flat[i], flat[i + 1]
        a.seen = a.seen + 1
        local entry = record.dlq_entry(rec)
        if entry then
            if #redis.call('XRANGE', k.dlq, entry, entry) == 0 then
                problem(a, id.text(raw) .. ' is dead but its entry is gone')
            end
            meet(a, raw, 'dlq')
            a.dead = a.dead + 1
        elseif rec == '' then
            if not a.listed[raw] then
                problem(a, id.text(raw) .. ' is a tombstone and stands in no list')
            end
        elseif record.is_record(rec) then
            check_living(a, raw, rec, metas[raw])
        else
            problem(a, id.text(raw) .. ' has a malformed record')
        end
        if metas[raw] and not record.is_record(rec) then
            problem(a, id.text(raw) .. ' has meta but no record')
        end
        metas[raw], a.place[raw] = nil, nil
    end
    for raw in pairs(metas) do
        problem(a, id.text(raw) .. ' has meta but is unknown')
    end
    for raw, place in pairs(a.place) do
        problem(a, id.text(raw) .. ' stands in ' .. place .. ' but has no record')
    end
end

-- Each dead job points to one entry; entries beyond those are somebody else's.
local function foreign_entries(a, k)
    local foreign = redis.call('XLEN', k.dlq) - a.dead
    if foreign > 0 then
        problem(a, 'the DLQ has ' .. foreign .. ' entries that no job points to')
    end
end

function audit.run(k)
    local a = { problems = {}, place = {}, listed = {}, running = {}, kept = {}, seen = 0, dead = 0, expiry = k.expiry }
    ready_lists(a, k)
    claims(a, k)
    indices(a, k)
    records(a, k)
    foreign_entries(a, k)
    return a
end
