-- SPDX-License-Identifier: Apache-2.0
-- What the claims of one call change besides the jobs themselves, gathered and written at once:
-- jobs in flight, jobs that wait, counters of caps, run times of types, virtual times, breakers.
local tally = { mean = fair.any, types_max = 5000, seed = 1, least = 0.1 }

-- L: the settings of limits, nil for none; is_counted: P:queued can be trusted (claims only).
function tally.new(L, is_counted)
    return {
        L = L, counted = is_counted, active = {}, queued = {}, known = {}, touched = {}, ended = {},
        times = L and L.breaker_type and {}, silent = L and L.breaker_type and {},
    }
end

-- What follows the time in the value of a claim, parsed; the same few again and again. Read only.
local parsed = cache.new(1500)

local function parse_rest(rest)
    local p = parsed.young[rest] or cache.get(parsed, rest)
    if p then
        return p
    end
    local org, kind, charge, more = string.match(rest, '^([^ ]+) ?([^ ]*) ?([%d.]*)(.*)$')
    local name, marks = string.match(more or '', '^ ([^ ]*) ?(.*)$')
    p = {
        org = org or '', kind = kind ~= '' and kind or nil, charge = tonumber(charge or '') or 0,
        group = name or '', is_keyed = string.find(marks or '', 'u', 1, true) ~= nil,
        level = string.match(marks or '', '%d'),
        is_last = string.find(marks or '', 'l', 1, true) ~= nil,
    }
    return cache.put(parsed, rest, p)
end

-- '<claimed at> <org> <type> <charge> <group> <marks>' of a claim: {org, kind, charge, group, is_keyed, level, is_last}
-- and the time; level: where groups of the org take turns. One that somebody else wrote has org ''. Read only.
function tally.parse(value)
    if string.byte(value, 14) == 32 then -- 13 digits of ms and a blank
        local at = tonumber(string.sub(value, 1, 13))
        if at then
            return parse_rest(string.sub(value, 15)), at
        end
    end
    local at, rest = string.match(value, '^(%d+) (.+)$')
    return parse_rest(rest or ''), tonumber(at or 0)
end

local NEITHER = { snooze = true, cancelled = true }
local QUIET = { release = true, recover = true, expired = true }
local UNSTARTED = { not_started = true, no_handler = true }
local GIVEN_BACK = { release = true, recover = true }
local PLAIN = {}

-- What an end says besides its outcome (docs/protocol.md, wh1_cycle). is_quiet: no handler ran to its end; is_free: nor
-- does the claim cost anything, for it was the worker's doing; is_own: its delay is not the handler's wish; snoozed:
-- dead, for it was put off for too long.
local function meaning(outcome, category, says)
    if outcome == 'ok' then
        return PLAIN
    end
    return {
        is_quiet = QUIET[outcome] or UNSTARTED[category] or UNSTARTED[says],
        is_free = GIVEN_BACK[outcome],
        is_own = says == 'own_delay',
        is_neither = NEITHER[outcome] or says == 'snoozed',
    }
end

-- What ended so far with the same org, type and charge: n claims; ran of them took time, claimed at the sum at; idle
-- ones never reached a handler, claimed at idle_at.
local function entry_of(t, p)
    local h = t.ended[p]
    if not h then
        h = { p = p, n = 0, ran = 0, at = 0, idle = 0, idle_at = 0 }
        t.ended[p] = h
    end
    return h
end

-- For the breaker of a type, in t.times or t.silent: when what ended was claimed, of a failure negative.
local function remember(by_kind, kind, at)
    local times = kind and by_kind[kind]
    if times then
        times[#times + 1] = at
    elseif kind then
        by_kind[kind] = { at }
    end
end

-- n claims of this value ended well. Returns what the value says.
function tally.completed(t, value, n)
    local p, at = tally.parse(value)
    local h = t.ended[p] or entry_of(t, p)
    h.n, h.ran, h.at = h.n + n, h.ran + n, h.at + n * at
    for _ = 1, t.times and n or 0 do
        remember(t.times, p.kind, at)
    end
    return p
end

-- For the breaker of its type.
local function remember_end(t, kind, at, failed, is_silent)
    if t.times then
        remember(is_silent and t.silent or t.times, kind, failed and -at or at)
    end
end

-- What claims pay for, ms: their time from claim to end, also of those that no handler had (a worker was busy with
-- them), and no job is for nothing: who sends only such ones has others before him too.
local function paid(h, now)
    local ms = math.max(h.ran * now - h.at, tally.least * h.ran)
    return h.idle == 0 and ms or ms + math.max(h.idle * now - h.idle_at, tally.least * h.idle)
end

-- One claim ended in another way. Run times are learned of those that a handler had.
function tally.note(t, value, c)
    local p, at = tally.parse(value)
    local h, says = entry_of(t, p), meaning(c.outcome, c.category, c.result)
    h.n = h.n + 1
    if says.is_quiet then
        if not says.is_free then
            h.idle, h.idle_at = h.idle + 1, h.idle_at + at
        end
        return remember_end(t, p.kind, at, false, true)
    end
    h.ran, h.at = h.ran + 1, h.at + at
    local failed = breaker.failures[c.category == '' and 'error' or c.category] -- as meta.note_error has it
    failed = failed and (c.outcome == 'retry' or c.outcome == 'dead') and not says.is_neither
    if failed then
        h.bad = (h.bad or 0) + 1
    elseif says.is_neither then
        h.neither = (h.neither or 0) + 1
    end
    remember_end(t, p.kind, at, failed, says.is_neither)
    if breaker.overload[c.category] then
        h.overload = (h.overload or 0) + 1
        h.wait = math.max(h.wait or 0, c.category == 'rate_limited' and not says.is_own and c.delay or 0)
    end
end

-- Claims given away: jobs of an org left the queue. The org's P:queued was read before.
function tally.claimed(t, org, n, bytes)
    if n > 0 then
        t.active[org] = (t.active[org] or 0) + n
        queued.take(t.known, t.touched, org, n, bytes)
    end
end

-- How much of a deviation of n claims is corrected, ms. Small ones are most often noise: one in eight of them is
-- corrected, eightfold, which comes to the same over time. Those over 20 ms a job always are.
function tally.weigh(ms, n)
    local deviation = math.abs(ms)
    if deviation > 20 * n then
        return ms
    elseif deviation > 0.1 * n then
        tally.seed = tally.seed * 16807 % 2147483647 -- Park, Miller 1988: exact in doubles
        return tally.seed < 268435456 and ms * 8 or 0
    end
    return 0
end

-- A cap of a type leaves worker time, and so measured time counts in its turns; a rate leaves jobs.
local function correct_turns(k, t, now)
    local owed = {}
    for _, h in pairs(t.ended) do
        local p = h.p
        if p.kind and limit.type_cap(t.L, p.kind) then
            owed[p.kind] = owed[p.kind] or {}
            owed[p.kind][p.org] = (owed[p.kind][p.org] or 0) + paid(h, now) - h.n * p.charge
        end
    end
    for kind, orgs in pairs(owed) do
        if turns.any(k, kind) then
            for org, ms in pairs(orgs) do
                local weights = fair.weights(k, { org })
                turns.correct(k, kind, org, ms / (weights and weights[org] or 1))
            end
        end
    end
end

-- Groups pay for what their jobs took beyond their charge: in the ring of their level, and under a cap of the type in
-- that of those that wait for it. Of small deviations as tally.weigh says.
local function correct_groups(k, t, now)
    local rings = {}
    local function add(key, member, us, move)
        rings[key] = rings[key] or { moves = {}, move = move }
        local moves = rings[key].moves
        moves[member] = (moves[member] or 0) + us
    end
    for _, h in pairs(t.ended) do
        local p = h.p
        local times = p.level and p.kind and tally.weigh(paid(h, now) - h.n * p.charge, h.n)
        if times and times ~= 0 then
            local us = fair.micros(times)
            add(p.org .. ':' .. p.level, p.group, us, function(moves)
                group.move(k, p.org, p.level, moves)
            end)
            if t.L and limit.type_cap(t.L, p.kind) then
                add(p.org .. ' ' .. p.kind, p.level .. '/' .. p.group, us, function(moves)
                    hold.charge(k, p.org, p.kind, moves, {})
                end)
            end
        end
    end
    for _, ring in pairs(rings) do
        ring.move(ring.moves)
    end
end

-- Sums by type and by org: list of types, orgs, what each org owes in ms, its claims.
local function sum_up(t, now)
    local kinds, list, orgs, owed, count = {}, {}, {}, {}, {}
    for _, h in pairs(t.ended) do
        local p = h.p
        local took, org = math.max(h.ran * now - h.at, 0), p.org
        t.active[org] = (t.active[org] or 0) - h.n
        if not owed[org] then
            orgs[#orgs + 1], owed[org], count[org] = org, 0, 0
        end
        owed[org], count[org] = owed[org] + paid(h, now) - h.n * p.charge, count[org] + h.n
        local c = p.kind and kinds[p.kind]
        if p.kind and not c then
            c = { kind = p.kind, n = 0, ms = 0, good = 0, told = 0, overload = 0, wait = 0 }
            kinds[p.kind], list[#list + 1] = c, c
        end
        if c then
            c.n, c.ms = c.n + h.ran, c.ms + took
            local told = h.ran - (h.neither or 0)
            c.good, c.told = c.good + told - (h.bad or 0), c.told + told + (h.overload or 0)
            c.overload, c.wait = c.overload + (h.overload or 0), math.max(c.wait, h.wait or 0)
        end
    end
    return list, orgs, owed, count
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

local function correct(k, orgs, owed, count)
    local list = {}
    for _, org in ipairs(orgs) do
        owed[org] = tally.weigh(owed[org], count[org])
        if owed[org] ~= 0 then
            list[#list + 1] = org
        end
    end
    if #list > 0 then
        fair.correct(k, list, owed)
    end
end

-- Counters of caps go down, and who was kept out by them may come in.
local function free(k, t, x)
    local members, seen, load, any = {}, {}, {}, redis.call('EXISTS', k.parked) == 1
    local function let_go(member)
        if any and not seen[member] then
            seen[member], members[#members + 1] = true, member
        end
    end
    for _, h in pairs(t.ended) do
        local p = h.p
        for _, name in ipairs(limit.loads(t.L, p.org, p.kind or '', p.group)) do
            load[name] = (load[name] or 0) - h.n
        end
        if any and t.L.active_org then
            let_go('org/' .. p.org)
        end
        if p.kind and t.L.active_type then
            let_go('type/' .. p.kind)
        end
        if p.group ~= '' and t.L.by_group then
            for level = 0, 9 do
                let_go(group.parked(p.org, string.format('%d', level), p.group))
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
        local b, times = breaker.setting(t.L, c.kind), t.times and t.times[c.kind] or {}
        local silent = t.silent and t.silent[c.kind] or {}
        if b and breaker.note(x, c.kind, b, times, silent) then
            parked.recheck(k, 'type/' .. c.kind)
        end
        local a = t.L.adaptive['type/' .. c.kind]
        if a and c.told > 0 then
            breaker.adapt(x, c.kind, a, c.good, c.overload, c.wait)
        end
    end
end

-- Writes what ended: before the claims of the same call, which see it.
function tally.settle_ended(k, now, t)
    if next(t.ended) == nil then
        return
    end
    local list, orgs, owed, count = sum_up(t, now)
    learn(k, list)
    correct(k, orgs, owed, count)
    correct_groups(k, t, now)
    if t.L then
        if t.L.active_type then
            correct_turns(k, t, now)
        end
        local x = limit.open(k, now, t.L, t.active)
        judge(k, t, x, list)
        free(k, t, x)
        limit.close(x)
    end
    t.ended, t.times, t.silent = {}, t.times and {}, t.silent and {}
end

-- Writes P:active and P:queued; fields of 0 go.
function tally.settle(k, now, t)
    tally.settle_ended(k, now, t)
    queued.settle(k, t.queued, t.known, t.touched)
    local orgs = {}
    for org, d in pairs(t.active) do
        if d ~= 0 then
            orgs[#orgs + 1] = org
        end
    end
    for from = 1, #orgs, 1000 do
        local set, drop = { 'HSET', k.active }, {}
        local part = { unpack(orgs, from, math.min(from + 999, #orgs)) }
        local now_active = redis.call('HMGET', k.active, unpack(part))
        for i, org in ipairs(part) do
            local n = (tonumber(now_active[i] or 0) or 0) + t.active[org]
            if n > 0 then
                set[#set + 1], set[#set + 2] = org, args.decimal(n)
            else
                drop[#drop + 1] = org
            end
        end
        if #set > 2 then
            keys.hset(set)
        end
        if #drop > 0 then
            redis.call('HDEL', k.active, unpack(drop))
        end
    end
    t.active, t.queued, t.known, t.touched = {}, {}, {}, {}
end
