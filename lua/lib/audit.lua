-- SPDX-License-Identifier: Apache-2.0
-- The proof that all indices of a partition agree, in one atomic pass. Reads only.
local audit = { max_problems = 100 }

local function problem(a, text)
    if #a.problems < audit.max_problems then
        a.problems[#a.problems + 1] = text
    end
end

-- Every id is met in exactly one place.
local function meet(a, raw, where)
    if a.place[raw] then
        problem(a, id.text(raw) .. ' stands in ' .. a.place[raw] .. ' and in ' .. where)
        return
    end
    a.place[raw] = where
end

-- Orgs that may have ready jobs, by every index that names one.
local function ready_orgs(k)
    local orgs, seen = {}, {}
    local function add(list)
        for _, org in ipairs(list) do
            if not seen[org] and args.is_name(org) then
                seen[org], orgs[#orgs + 1] = true, org
            end
        end
    end
    add(redis.call('ZRANGE', k.ring, 0, -1))
    add(redis.call('HKEYS', k.levels))
    add(redis.call('HKEYS', k.queued))
    return orgs
end

-- Who is known to come back: in the ring, parked, or waiting for a type.
local function will_be_visited(k, org)
    if redis.call('ZSCORE', k.ring, org) or redis.call('ZSCORE', k.parked, 'org/' .. org) then
        return true
    end
    for _, kind in ipairs(levels.of(k, org).asides) do -- of the rest: it is parked
        if redis.call('ZSCORE', k.waiting_ .. kind, org) and redis.call('ZSCORE', k.parked, 'type/' .. kind) then
            return true
        end
    end
    return false
end

local function ready_lists(a, k)
    for _, org in ipairs(ready_orgs(k)) do
        local visited = will_be_visited(k, org)
        ready.each(k, org, function(key, command, _, g)
            local is_sure = visited
            if g and redis.call('ZSCORE', k.parked, group.parked(org, g.level, g.name)) then
                is_sure = true
            elseif g and not hold.comes_back(k, org, g.level, g.name) then
                is_sure = false
            end
            for _, raw in ipairs(redis.call(command, key, 0, -1)) do
                meet(a, raw, 'ready')
                a.listed[raw], a.forgotten[raw] = org, not is_sure
            end
        end)
    end
end

-- A hash of counters against what was counted.
local function compare(a, what, flat, counted)
    for i = 1, #flat, 2 do
        if flat[i + 1] ~= tostring(counted[flat[i]]) then
            problem(a, what .. ' of ' .. flat[i] .. ' is ' .. flat[i + 1] .. ', counted ' .. (counted[flat[i]] or 0))
        end
        counted[flat[i]] = nil
    end
    for name, n in pairs(counted) do
        problem(a, what .. ' of ' .. name .. ' is missing, counted ' .. n)
    end
end

-- Probes of breakers that are not closed, against the claims of their types. starts: by type when each was claimed.
local function probes(a, k, L, starts)
    local x, said, counted = limit.open(k, clock.now(), L, {}), {}, {}
    for _, kind in ipairs(redis.call('ZRANGE', k.broken, 0, -1)) do
        local b, n = breaker.load(x, kind), 0
        local held = b.held + b.held0
        for _, at in ipairs((held > 0 or b.state == 'half_open') and starts[kind] or {}) do
            n = n + (at >= b.window and 1 or 0)
        end
        said[#said + 1], said[#said + 2] = kind, string.format('%d', held)
        counted[kind] = n
    end
    compare(a, 'probes', said, counted)
end

local function claims(a, k)
    local held, load, starts, L = {}, {}, {}, limit.now(k) or limit.nothing()
    for _, worker in ipairs(redis.call('ZRANGE', k.workers, 0, -1)) do
        local flat = redis.call('HGETALL', k.run_ .. worker)
        for i = 1, #flat, 2 do
            local raw = id.of_token(flat[i])
            local h, at = tally.parse(flat[i + 1])
            meet(a, raw, 'run')
            a.running[raw] = id.fence(flat[i])
            held[h.org] = (held[h.org] or 0) + 1
            local kind = h.kind or ''
            starts[kind] = starts[kind] or {}
            table.insert(starts[kind], at)
            for _, name in ipairs(limit.loads(L, h.org, h.kind or '', h.group)) do
                load[name] = (load[name] or 0) + 1
            end
        end
    end
    compare(a, 'load', redis.call('HGETALL', k.load), load)
    compare(a, 'active', redis.call('HGETALL', k.active), held)
    probes(a, k, L, starts)
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

-- A finished job that is kept; its id may still stand in a ready list.
local function check_finished(a, raw, m)
    if not a.kept[raw] then
        problem(a, id.text(raw) .. ' is finished in one of meta and done only')
    end
    if (a.listed[raw] ~= nil) ~= (m[M.queued] == 1) then
        problem(a, id.text(raw) .. ' is finished and its queued mark is wrong')
    end
    if a.listed[raw] then
        queued.add(a.queued, a.listed[raw], 0, 0, 1)
    end
end

local function check_unfinished(a, raw, rec, head)
    if a.kept[raw] then
        problem(a, id.text(raw) .. ' is finished in one of meta and done only')
    end
    if a.running[raw] then
        return
    end
    queued.add(a.queued, head[2], 1, #rec)
    if a.forgotten[raw] then
        problem(a, id.text(raw) .. ' is ready, but its org is in neither ring, parked nor waiting')
    end
end

local function check_living(a, raw, rec, packed)
    local m, head = meta.unpack(packed), record.decode(rec)
    if not a.place[raw] then
        return problem(a, id.text(raw) .. ' has a record but stands in no index')
    end
    if m[M.status] then
        check_finished(a, raw, m)
    else
        check_unfinished(a, raw, rec, head)
    end
    if a.running[raw] and a.running[raw] ~= m[M.fence] + 1 then
        problem(a, id.text(raw) .. ' runs with a fence that its meta does not expect')
    end
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
            else
                queued.add(a.queued, a.listed[raw], 0, 0, 1)
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
    for raw, where in pairs(a.place) do
        problem(a, id.text(raw) .. ' stands in ' .. where .. ' but has no record')
    end
end

-- Each dead job points to one entry; entries beyond those are somebody else's.
local function foreign_entries(a, k)
    local foreign = redis.call('XLEN', k.dlq) - a.dead
    if foreign > 0 then
        problem(a, 'the DLQ has ' .. foreign .. ' entries that no job points to')
    end
end

local function waiting(a, k)
    if not queued.is_counted(k) then
        return
    end
    local counted, sum, text = {}, { 0, 0, 0 }, '%.0f jobs, %.0f bytes, %.0f stale'
    for org, c in pairs(a.queued) do
        counted[org] = string.format(text, c[1], c[2], c[3])
        sum = { sum[1] + c[1], sum[2] + c[2], sum[3] + c[3] }
    end
    if sum[1] + sum[3] > 0 then
        counted[queued.all] = string.format(text, sum[1], sum[2], sum[3])
    end
    local flat = redis.call('HGETALL', k.queued)
    for i = 2, #flat, 2 do
        flat[i] = string.format(text, queued.parse(flat[i]))
    end
    compare(a, 'queued', flat, counted)
end

function audit.run(k)
    local a = {
        problems = {}, place = {}, listed = {}, running = {}, kept = {}, queued = {}, forgotten = {},
        seen = 0, dead = 0, expiry = k.expiry,
    }
    ready_lists(a, k)
    claims(a, k)
    indices(a, k)
    records(a, k)
    waiting(a, k)
    foreign_entries(a, k)
    return a
end
