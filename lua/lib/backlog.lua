-- SPDX-License-Identifier: Apache-2.0
-- Where the jobs that wait are: set aside for a type, or parked. Ids of jobs that ended stand among them until a claim
-- meets them; P:queued says how many of an org's ids are such, not where they stand: then a place's part of its org's
-- ids is taken, and never more is told of an org than its ready jobs. A group that keeps its order and waits
-- for a type counts with the jobs set aside for that type. Reads only. O(orgs + their places), `most` of them.
local backlog = { most = 5000, scan = 1000 }

-- Calls fn(field, value) for the fields of a hash, about backlog.most of them; returns how many. One that is
-- being resized shows some twice.
function backlog.each_field(key, fn)
    local cursor, n = '0', 0
    repeat
        local reply = redis.call('HSCAN', key, cursor, 'COUNT', backlog.scan)
        local flat = reply[2]
        for i = 1, #flat, 2 do
            fn(flat[i], flat[i + 1])
        end
        cursor, n = reply[1], n + #flat / 2
    until cursor == '0' or n >= backlog.most
    return n
end

-- What was found out by a call. left: how many keys may be looked at still.
function backlog.open(k)
    return { k = k, left = backlog.most, is_counted = queued.is_counted(k), orgs = {} }
end

-- The length of a place; 0 when enough were looked at.
local function length_of(w, command, key)
    if w.left <= 0 then
        return 0
    end
    w.left = w.left - 1
    local n = redis.pcall(command, key)
    return type(n) == 'number' and n or 0
end

-- Ids of an org in a level's groups.
local function in_groups(w, org, level)
    local n, list = 0, keys.ready(w.k, org, level)
    local names = redis.pcall('ZRANGE', w.k.groups_ .. org .. ':' .. level, 0, backlog.scan - 1)
    for _, name in ipairs(names.err and {} or names) do
        n = n + (name ~= '' and length_of(w, 'LLEN', list .. ':' .. name) or 0)
    end
    return n
end

-- Ids of an org that were not set aside one by one.
local function plain_ids(w, o)
    local n = 0
    for _, e in ipairs(o.plain and {} or o.view.order) do
        if e.kind == 'soonest' then
            n = n + length_of(w, 'ZCARD', w.k.soonest_ .. o.org .. ':' .. e.level)
        else
            n = n + length_of(w, 'LLEN', keys.ready(w.k, o.org, e.level))
            n = n + (e.kind == 'groups' and in_groups(w, o.org, e.level) or 0)
        end
    end
    o.plain = o.plain or n
    return o.plain
end

-- Ids that wait for a type of an org. Those of a group that keeps its order stand in the list of the group.
local function ids_aside(w, o, kind)
    local n = length_of(w, 'ZCARD', aside.key(w.k, o.org, kind))
    hold.each(w.k, o.org, kind, function(key, level, name)
        local own, member = length_of(w, 'ZCARD', key), level .. '/' .. name
        if own == 0 and w.left > 0 and not o.in_order[member] and group.is_out(w.k, o.org, level, name) then
            own = length_of(w, 'LLEN', keys.ready(w.k, o.org, string.format('%d', level)) .. ':' .. name)
            o.in_order[member], o.moved = true, o.moved + own
        end
        n = n + own
    end, backlog.scan)
    return n
end

-- part: of the org's ids how many are jobs; room: how many jobs there are to tell of.
local function weigh(w, o)
    local jobs, _, stale = queued.parse(redis.call('HGET', w.k.queued, o.org))
    if not w.is_counted then
        return
    end
    o.room = jobs
    if stale > 0 then
        local ids = plain_ids(w, o) + o.aside - o.moved
        o.part = ids > stale and (ids - stale) / ids or 0
        o.room = math.min(jobs, math.max(ids - stale, 0))
    end
end

-- What is known of an org: kinds: {kind, n ids} of what is set aside; aside: the ids of all; plain, once asked for: the
-- others, with the `moved` ones that keep their order in their groups.
local function look(w, org, view)
    local o = w.orgs[org]
    if not o then
        o = { org = org, kinds = {}, aside = 0, moved = 0, in_order = {}, part = 1, room = math.huge }
        o.view, w.orgs[org] = view or levels.of(w.k, org), o
        for _, kind in ipairs(o.view.asides) do
            local n = ids_aside(w, o, kind)
            o.kinds[#o.kinds + 1] = n > 0 and { kind = kind, n = n } or nil
            o.aside = o.aside + n
        end
        weigh(w, o)
    end
    return o
end

-- The jobs among n ids of an org, which are not told again.
local function tell(o, n)
    n = math.min(math.floor(math.max(n, 0) * o.part + 0.5), o.room)
    o.room = o.room - n
    return n
end

-- Jobs set aside: how many, and by type, {kind, n, org: one of those that have them}, those with most first.
function backlog.set_aside(w)
    local sum, list, by_kind = 0, {}, {}
    backlog.each_field(w.k.levels, function(org, text)
        if not string.find(text, ',', 1, true) or w.orgs[org] then
            return
        end
        local o = look(w, org, levels.view(text))
        for _, c in ipairs(o.kinds) do
            local n, of = tell(o, c.n), by_kind[c.kind]
            if n > 0 and not of then
                of = { kind = c.kind, n = 0, org = org }
                by_kind[c.kind], list[#list + 1] = of, of
            end
            if n > 0 then
                of.n, sum = of.n + n, sum + n
            end
        end
    end)
    table.sort(list, function(a, b)
        return a.n > b.n or (a.n == b.n and a.kind < b.kind)
    end)
    return sum, list
end

-- Orgs that are paused and have jobs count as parked before a claim met them.
local function add_paused(w, L, p, is_org)
    for scope in pairs(L.pause_org and L.pause or {}) do
        local org = string.match(scope, '^org/(.+)$')
        if org and not is_org[org] and w.left > 0 then
            w.left = w.left - 1
            local o = look(w, org)
            local n = tell(o, plain_ids(w, o) - o.moved)
            p.orgs, p.jobs, is_org[org] = p.orgs + (n > 0 and 1 or 0), p.jobs + n, true
        end
    end
end

-- What is parked, after what is set aside was told: jobs of orgs and groups, how many orgs, types, groups, and whether
-- the queue is. What is due may run again as soon as somebody asks for work.
function backlog.parked(w, now, L)
    local p, is_org = { jobs = 0, orgs = 0, types = 0, groups = 0, queue = 0 }, {}
    local after = '(' .. string.format('%.0f', now)
    w.left = backlog.most
    local members = redis.call('ZRANGE', w.k.parked, after, '+inf', 'BYSCORE', 'LIMIT', 0, backlog.most)
    for _, member in ipairs(members) do
        local org = string.match(member, '^org/([^/]+)$')
        if org then
            local o = look(w, org)
            p.orgs, is_org[org] = p.orgs + 1, true
            p.jobs = p.jobs + tell(o, plain_ids(w, o) - o.moved)
        elseif string.find(member, '^type/') then
            p.types = p.types + 1
        elseif member == 'queue' then
            p.queue = 1
        end
    end
    add_paused(w, L, p, is_org)
    for _, member in ipairs(members) do
        local org, level, name = string.match(member, '^org/([^/]+)/group/(%d)/(.*)$')
        if org then
            p.groups = p.groups + 1
            local o = not is_org[org] and look(w, org)
            if o and not o.in_order[level .. '/' .. name] then
                p.jobs = p.jobs + tell(o, length_of(w, 'LLEN', keys.ready(w.k, org, level) .. ':' .. name))
            end
        end
    end
    return p
end
