-- SPDX-License-Identifier: Apache-2.0
-- What the claims of one call change besides the jobs themselves, gathered and written at once:
-- jobs in flight, jobs that wait, counters of caps, run times of types, virtual times, breakers.
local tally = { mean = '*', types_max = 5000 }

function tally.new(L)
    return { L = L, active = {}, queued = {}, known = {}, ended = {} }
end

-- '<claimed at> <org> <type> <charge> <group> <marks>' of a claim; one that somebody else wrote has org ''.
function tally.parse(value)
    local at, org, kind, charge, name, marks =
        string.match(value, '^(%d+) ([^ ]+) ?([^ ]*) ?([^ ]*) ?([^ ]*) ?([^ ]*)$')
    return {
        at = tonumber(at or 0),
        org = org or '',
        kind = kind ~= '' and kind or nil,
        charge = tonumber(charge ~= '' and charge or 0) or 0,
        group = name or '',
        marks = marks or '',
        n = 0, ran = 0, good = 0, bad = 0, overload = 0, wait = 0,
    }
end

local QUIET = { release = true, recover = true, expired = true }

-- One claim ended. Returns what its value says. A lost worker's or a given back claim took no time.
function tally.note(t, value, outcome, category, delay)
    local h = t.ended[value]
    if not h then
        h = tally.parse(value)
        t.ended[value] = h
    end
    h.n = h.n + 1
    t.active[h.org] = (t.active[h.org] or 0) - 1
    if QUIET[outcome] then
        return h
    end
    h.ran = h.ran + 1
    if breaker.failures[category] and (outcome == 'retry' or outcome == 'dead') then
        h.bad = h.bad + 1
    elseif outcome ~= 'snooze' and outcome ~= 'cancelled' then
        h.good = h.good + 1
    end
    if breaker.overload[category] then
        h.overload, h.wait = h.overload + 1, math.max(h.wait, delay)
    end
    return h
end

-- Claims given away: one job of an org left the queue.
function tally.claimed(t, org, bytes)
    t.active[org] = (t.active[org] or 0) + 1
    queued.add(t.queued, org, -1, -bytes)
end

local function sum_up(t, now)
    local kinds, ms, orgs, list = {}, {}, {}, {}
    for _, h in pairs(t.ended) do
        local took = math.max(now - h.at, 0)
        if not ms[h.org] then
            orgs[#orgs + 1], ms[h.org] = h.org, { owed = 0, n = 0 }
        end
        local o = ms[h.org]
        o.owed, o.n = o.owed + h.ran * took - h.n * h.charge, o.n + h.n
        local c = h.kind and kinds[h.kind]
        if h.kind and not c then
            c = { kind = h.kind, n = 0, ms = 0, good = 0, bad = 0, overload = 0, wait = 0 }
            kinds[h.kind], list[#list + 1] = c, c
        end
        if c then
            c.n, c.ms = c.n + h.ran, c.ms + h.ran * took
            c.good, c.bad, c.overload = c.good + h.good, c.bad + h.bad, c.overload + h.overload
            c.wait = math.max(c.wait, h.wait)
        end
    end
    return list, orgs, ms
end

-- Moving averages of the run times, of each type and of all ('*'). A change under 5 % is not
-- worth a write.
local function learn(k, list)
    local names, all = { tally.mean }, { n = 0, ms = 0 }
    for _, c in ipairs(list) do
        names[#names + 1] = c.kind
        all.n, all.ms = all.n + c.n, all.ms + c.ms
    end
    if all.n == 0 then
        return
    end
    local values, set = redis.call('HMGET', k.types, unpack(names)), {}
    for i, name in ipairs(names) do
        local c = i == 1 and all or list[i - 1]
        local old = tonumber(values[i] or '')
        local mean = c.n > 0 and c.ms / c.n or old
        local new = old and mean and old + (mean - old) * (1 - 0.95 ^ math.min(c.n, 200)) or mean
        local is_new = new and (not old or math.abs(new - old) > 0.05 * old + 0.05)
        if is_new and (old or redis.call('HLEN', k.types) < tally.types_max) then
            set[#set + 1], set[#set + 2] = name, string.format('%.2f', new)
        end
    end
    if #set > 0 then
        redis.call('HSET', k.types, unpack(set))
    end
end

-- Deviations below 5 % of a ms or so per job are noise of the clock, not worth a write.
local function correct(k, orgs, ms)
    local list, owed = {}, {}
    for _, org in ipairs(orgs) do
        if math.abs(ms[org].owed) > 0.5 * ms[org].n then
            list[#list + 1], owed[org] = org, ms[org].owed
        end
    end
    if #list > 0 then
        fair.correct(k, list, owed)
    end
end

-- Counters of caps go down, and who was kept out by them may come in.
local function free(k, t, x)
    local members, seen, load = {}, {}, {}
    local function let_go(member)
        if not seen[member] then
            seen[member], members[#members + 1] = true, member
        end
    end
    for _, h in pairs(t.ended) do
        for _, name in ipairs(limit.loads(t.L, h.org, h.kind or '', h.group)) do
            load[name] = (load[name] or 0) - h.n
        end
        if t.L.active_org then
            let_go('org/' .. h.org)
        end
        if h.kind and t.L.active_type then
            let_go('type/' .. h.kind)
        end
        if h.group ~= '' and t.L.by_group then
            for level = 0, 9 do
                let_go(group.parked(h.org, string.format('%d', level), h.group))
            end
        end
    end
    for name, d in pairs(load) do
        if redis.call('HINCRBY', k.load, name, d) <= 0 then
            redis.call('HDEL', k.load, name)
        end
    end
    if t.L.active.queue then
        let_go('queue')
    end
    return wake.those(k, x, members)
end

local function judge(k, t, x, list)
    for _, c in ipairs(list) do
        local b = t.L.breaker['type/' .. c.kind] or t.L.breaker['type/*']
        if b and c.good + c.bad > 0 and breaker.note(x, c.kind, b, c.good, c.bad) then
            parked.recheck(k, 'type/' .. c.kind)
        end
        local a = t.L.adaptive['type/' .. c.kind]
        if a then
            breaker.adapt(x, c.kind, a, c.good, c.overload, c.wait)
        end
    end
end

-- Writes what ended: before the claims of the same call, which see it.
function tally.settle_ended(k, now, t)
    if next(t.ended) == nil then
        return
    end
    local list, orgs, ms = sum_up(t, now)
    learn(k, list)
    if #orgs > 0 then
        correct(k, orgs, ms)
    end
    if t.L then
        local x = limit.open(k, now, t.L, t.active)
        judge(k, t, x, list)
        free(k, t, x)
        limit.close(x)
    end
    t.ended = {}
end

-- Writes P:active and P:queued; fields of 0 go.
function tally.settle(k, now, t)
    tally.settle_ended(k, now, t)
    queued.settle(k, t.queued, t.known)
    local orgs = {}
    for org, d in pairs(t.active) do
        if d ~= 0 then
            orgs[#orgs + 1] = org
        end
    end
    local set, drop = {}, {}
    for from = 1, #orgs, 1000 do
        local part = { unpack(orgs, from, math.min(from + 999, #orgs)) }
        local now_active = redis.call('HMGET', k.active, unpack(part))
        for i, org in ipairs(part) do
            local n = (tonumber(now_active[i] or 0) or 0) + t.active[org]
            if n > 0 then
                set[#set + 1], set[#set + 2] = org, string.format('%d', n)
            else
                drop[#drop + 1] = org
            end
        end
    end
    if #set > 0 then
        redis.call('HSET', k.active, unpack(set))
    end
    if #drop > 0 then
        redis.call('HDEL', k.active, unpack(drop))
    end
    t.active, t.queued, t.known = {}, {}, {}
end
