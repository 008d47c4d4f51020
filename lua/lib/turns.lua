-- SPDX-License-Identifier: Apache-2.0
-- Who gets what a held type admits: orgs take turns by start-time fair queueing, as in the ring (fair.lua), but over
-- the jobs of this type alone: what an org got of other types, or that it was held back for long, neither helps nor
-- harms it. Tags: worker time over weight, in whole us.
-- P:waiting:<type>: org -> its start tag, for every org that has jobs of the type set aside and could run them but for
-- the type; it stays there while it is in the ring. P:turns:<type>: the tags of those that do not wait now, where they
-- are ahead; '' there: the latest start tag that was served; '<org>/': of one that made way at its own cap, which comes
-- back there, or a little below the latest. What is `old` (us) goes. A key that is not ours held no org.
-- One that is at its own cap stays, while it is the first of these, and has its turn when a slot of its own is free:
-- others go before it, by one job; then the next slot is kept for it (kept.lua).
local turns = { ttl_ms = 3600000, window = 100, most = 1000, rounds = 4, further = 16, old = 1e7 }

-- ms in the unit of tags.
local function units(ms)
    return math.floor(ms * 1000 + 0.5)
end

local function put(k, kind, ...)
    local key = k.turns_ .. kind
    if type(redis.pcall('ZCARD', key)) ~= 'number' then
        redis.call('DEL', key)
    end
    redis.call('ZADD', key, ...)
    redis.call('PEXPIRE', key, turns.ttl_ms)
end

-- How far below the latest an org may come back that made way at its own cap, as in the ring (fair.lua).
local function credit_of(k, kind)
    return units(math.max(fair.credit, 10 * fair.cost(k, kind)))
end

-- Where an org that made way at its own cap comes back from: a member of P:turns:<type>; no org has such a name.
local function owed(org)
    return org .. '/'
end

-- The start tag of an org that does not wait: where it was ahead of the latest that was served, or, back: where it made
-- way at its own cap (nil: it did not), which may be a little below.
local function start_of(k, kind, own, back, latest)
    if not back then
        return math.max(own, latest)
    end
    return back < latest and math.max(back, latest - credit_of(k, kind)) or back
end

-- The latest that was served, as P:turns says it. Where that expired, since nobody was served beside others for long:
-- the first that waits, or who comes then would have the type alone until it has had as much.
local function latest_of(k, kind, said)
    if said then
        return tonumber(said)
    end
    local first = redis.pcall('ZRANGE', k.waiting_ .. kind, 0, 0, 'WITHSCORES')
    return tonumber(not first.err and first[2] or 0)
end

-- The tag of an org that does not wait, the latest that was served, and the member of P:turns that has the first.
local function reached(k, kind, org)
    local v = redis.pcall('ZMSCORE', k.turns_ .. kind, org, '', owed(org))
    local latest, back = latest_of(k, kind, v[2]), tonumber(v[3] or '')
    return start_of(k, kind, tonumber(v[1] or 0), back, latest), latest, back and owed(org) or org
end

-- The tag of an org that waits, or nil.
local function tag_of(k, kind, org)
    local tag = redis.pcall('ZSCORE', k.waiting_ .. kind, org)
    return type(tag) == 'string' and tonumber(tag) or nil
end

-- An org has jobs of the type that wait for it. Returns whether it did not wait before.
function turns.join(k, kind, org)
    if tag_of(k, kind, org) then
        return false
    end
    local start, _, member = reached(k, kind, org)
    local key, tag = k.waiting_ .. kind, string.format('%.0f', start)
    if type(redis.pcall('ZADD', key, tag, org)) ~= 'number' then
        redis.call('DEL', key)
        redis.call('ZADD', key, tag, org)
    end
    if member ~= org then
        redis.call('ZREM', k.turns_ .. kind, member)
    end
    return true
end

local function join_several(k, kind, orgs)
    local key, add, ask, gone = k.waiting_ .. kind, {}, { '' }, {}
    for i, org in ipairs(orgs) do
        ask[2 * i], ask[2 * i + 1] = org, owed(org)
    end
    local v = redis.pcall('ZMSCORE', k.turns_ .. kind, unpack(ask))
    local latest = latest_of(k, kind, v[1])
    for i, org in ipairs(orgs) do
        local back = tonumber(v[2 * i + 1] or '')
        local tag = start_of(k, kind, tonumber(v[2 * i] or 0), back, latest)
        gone[#gone + 1] = back and owed(org)
        add[2 * i - 1], add[2 * i] = string.format('%.0f', tag), org
    end
    if type(redis.pcall('ZADD', key, 'NX', unpack(add))) ~= 'number' then
        redis.call('DEL', key)
        redis.call('ZADD', key, unpack(add))
    end
    if #gone > 0 then
        redis.call('ZREM', k.turns_ .. kind, unpack(gone))
    end
end

-- An org has set jobs of a type aside, under this word: gathered for turns.join_all.
function turns.note(joins, kind, word, org)
    if word ~= levels.rest then
        joins[kind] = joins[kind] or {}
        table.insert(joins[kind], org)
    end
end

-- Orgs begin to wait for types, as far as they do not wait yet: joins: {type = {org, …}}.
function turns.join_all(k, joins)
    for kind, orgs in pairs(joins) do
        join_several(k, kind, orgs)
    end
end

-- An org that something of its own held comes back.
function turns.rejoin(k, org)
    for _, kind in ipairs(levels.of(k, org).asides) do
        if kind ~= levels.rest then
            turns.join(k, kind, org)
        end
    end
end

-- flat: {org, tag, …} of those that wait. is_owed: they are at their own cap, and come back with what they are owed.
local function leave_all(k, now, kind, flat, is_owed)
    local orgs, ask, ahead = {}, { 'ZMSCORE', k.turns_ .. kind }, {}
    for i = 1, #flat, 2 do
        orgs[#orgs + 1], ask[#ask + 1] = flat[i], flat[i]
    end
    ask[#ask + 1] = ''
    local v = redis.pcall(unpack(ask))
    local latest = latest_of(k, kind, v[#orgs + 1])
    if not v[#orgs + 1] then
        ahead = { string.format('%.0f', latest), '' }
    end
    redis.call('ZREM', k.waiting_ .. kind, unpack(orgs))
    for i, org in ipairs(orgs) do
        local tag = tonumber(flat[2 * i])
        if tag > math.max(tonumber(v[i] or 0), latest) then
            ahead[#ahead + 1], ahead[#ahead + 2] = string.format('%.0f', tag), org
        elseif is_owed then
            ahead[#ahead + 1], ahead[#ahead + 2] = string.format('%.0f', tag), owed(org)
        end
    end
    if #ahead > 0 then
        put(k, kind, unpack(ahead))
    end
    redis.pcall('ZREMRANGEBYSCORE', k.turns_ .. kind, '-inf', string.format('(%.0f', latest - turns.old))
    if redis.call('EXISTS', k.waiting_ .. kind) == 1 then
        parked.add(k, now, 'type/' .. kind, now)
    end
end

-- It has none any more, or something of its own holds it: the next one is called soon.
function turns.leave(k, now, kind, org)
    local tag = tag_of(k, kind, org)
    if tag then
        leave_all(k, now, kind, { org, tag })
    end
end

-- Of those that wait without those that passed.
local function without(passed, flat)
    if not next(passed) then
        return flat
    end
    local left = {}
    for i = 1, #flat, 2 do
        if not passed[flat[i]] then
            left[#left + 1], left[#left + 2] = flat[i], flat[i + 1]
        end
    end
    return left
end

-- Flat {org, tag, …} of the first n that wait.
local function read_first(k, kind, n)
    local last = string.format('%.0f', math.min(n, turns.window) - 1)
    local flat = redis.pcall('ZRANGE', k.waiting_ .. kind, 0, last, 'WITHSCORES')
    return flat.err and {} or flat
end

-- Those of flat that are at their own cap, or whose own rate or pause holds them: array of {org, tag, at: when they
-- may have room, stays: it is no pause, is_far: that is later than a job of the type takes}. And flat without them.
local function find_capped(x, flat, cost)
    local ask, capped, others = {}, {}, {}
    if not x.L.has_org then
        return capped, flat
    end
    for i = 1, #flat, 2 do
        ask[#ask + 1] = not x.orgs[flat[i]] and flat[i] or nil
    end
    if #ask > 0 then
        limit.read_active(x, ask)
    end
    for i = 1, #flat, 2 do
        local room, at, why = limit.org_room(x, flat[i])
        if room > 0 then
            others[#others + 1], others[#others + 2] = flat[i], flat[i + 1]
        else
            local is_far = at ~= 'inf' and at > x.now + kept.span(cost)
            local stays = why ~= 'org_paused'
            capped[#capped + 1] = { org = flat[i], tag = flat[i + 1], at = at, stays = stays, is_far = is_far }
        end
    end
    return capped, others
end

-- However long an org lets others have its turn, at its cap or otherwise, it saves up no more than what is `old`, or
-- ten jobs: for so long it would have the type alone when it comes back. latest: nil: to be read.
function turns.catch_up(k, kind, org, cost, latest)
    if not latest then
        latest = select(2, reached(k, kind, ''))
    end
    local least = latest - math.max(turns.old, units(10 * cost))
    if least > 0 then
        redis.pcall('ZADD', k.waiting_ .. kind, 'XX', 'GT', string.format('%.0f', least), org)
    end
end

-- Which of those at their own cap stays, nil: none; and until when one of the type is kept for it. is_alone: nobody
-- else is there who could take it.
local function choose(k, x, kind, capped, cost, is_alone)
    local first
    for _, c in ipairs(capped) do
        first = first or c.stays and c
    end
    if not first or is_alone then
        return first and first.org
    end
    local holder, ends = kept.holder(x, kind)
    for _, c in ipairs(holder and capped or {}) do
        if c.org == holder then
            return holder, ends
        end
    end
    if not holder then
        local _, latest = reached(k, kind, '')
        holder, ends = kept.begin(x, kind, capped, latest, cost, limit.slots(x, kind))
        if holder then
            return holder, ends
        end
        if tonumber(first.tag) < latest - turns.old then
            turns.catch_up(k, kind, first.org, cost, latest)
        end
    end
    return first.org
end

-- Those at their own cap make way, but for the one that stays. is_first: that was just chosen; where it waits for this
-- type alone, nobody knows yet when to look at it again.
local function make_way(k, x, kind, capped, stays, is_first)
    local away, park = {}, {}
    for _, c in ipairs(capped) do
        if c.org ~= stays then
            away[#away + 1], away[#away + 2] = c.org, c.tag
        end
        if is_first or c.org ~= stays then
            park[#park + 1] = { member = 'org/' .. c.org, at = c.at }
        end
    end
    parked.add_all(k, x.now, park)
    if #away > 0 then
        leave_all(k, x.now, kind, away, true)
    end
end

-- Those that wait and can run, in their turn, as many as `room` can be for: {flat = {org, tag, …}, orgs, room: what
-- others than one at its cap have, ends: until when one is kept, stays: which stays, is_all: no more wait}. who:
-- as turns.open has it.
local function first_of(k, x, kind, room, cost, who)
    local w, passed, chosen = { room = room, orgs = {} }, who.passed or {}, false
    for _ in pairs(passed) do
        room = room + 1
    end
    local n = room
    for round = 1, turns.rounds do
        local flat = read_first(k, kind, n)
        w.is_all = #flat / 2 < math.min(n, turns.window)
        local capped, others = find_capped(x, without(passed, flat), cost)
        local is_first = #capped > 0 and not chosen
        if is_first and round == 1 and not w.is_all then
            capped, others = {}, {} -- the next of those at their cap may be the one that stays
        elseif is_first then
            local is_alone = not who.org and #others == 0 and redis.call('ZCARD', k.waiting_ .. kind) == #capped
            w.stays, w.ends = choose(k, x, kind, capped, cost, is_alone)
            w.room, chosen = w.room - (w.ends and 1 or 0), true
        end
        make_way(k, x, kind, capped, w.stays, is_first)
        w.flat = others
        if #others / 2 >= w.room or w.is_all then
            break
        end
        n = room + turns.further * round
    end
    for i = 1, #w.flat, 2 do
        w.orgs[#w.orgs + 1] = w.flat[i]
    end
    return w
end

local function share_out(t, flat)
    return fair.shares(flat, t.weights, t.room, t.cost, 1)
end

-- Those whose turn it is enter the ring, but for one that has nothing of the type after all. Returns the parts by org,
-- how many they are, and how many of them were in the ring.
local function call(k, now, kind, shares)
    local orgs, parts, enter = {}, {}, {}
    for i, s in ipairs(shares) do
        orgs[i] = s.org
    end
    local views = levels.many(k, orgs)
    for i, s in ipairs(shares) do
        if views and views[i].is_aside[kind] then
            parts[s.org], enter[#enter + 1] = s.n, s.org
        else
            turns.leave(k, now, kind, s.org)
        end
    end
    return parts, #enter, #enter > 0 and #enter - fair.enter(k, enter) or 0
end

-- Of those whose turn it is, n were in the ring, and may be ahead there: as many of the next ones that are not in it
-- enter too. When one of them is visited, those whose turn it is are (blocked.next_turns).
local function call_askers(k, x, kind, w, cost, n)
    local _, flat = find_capped(x, read_first(k, kind, #w.orgs + turns.further), cost)
    local orgs, askers = {}, {}
    for i = 1, #flat, 2 do
        orgs[#orgs + 1] = flat[i]
    end
    for i, v in ipairs(#orgs > 0 and redis.call('ZMSCORE', k.ring, unpack(orgs)) or {}) do
        if not v and #askers < n then
            askers[#askers + 1] = orgs[i]
        end
    end
    if #askers > 0 then
        fair.enter(k, askers)
    end
end

-- What a type that admits `room` jobs, expected to take so many ms each, has for each org now. x: session of limits;
-- who: org: that asks; passed: set of those that take none in this call, though they wait. False: nobody waits, or
-- there is enough for all.
function turns.open(k, x, kind, room, cost, who)
    if room == math.huge then
        return false
    end
    local w, org = first_of(k, x, kind, room, cost, who), who.org
    local orgs = w.orgs
    if #orgs == 0 and not w.ends then
        return false
    end
    local t = { flat = w.flat, room = math.min(w.room, turns.most), cost = units(cost), used = {}, parts = {} }
    if t.room == 0 then
        t.ends = w.ends
    elseif org and orgs[1] == org and (#orgs == 1 or w.room == 1) then
        t.parts[org] = t.room
    elseif #orgs > 0 then
        t.weights = fair.weights(k, orgs)
        t.parts = call(k, x.now, kind, share_out(t, w.flat))
    end
    return t
end

-- The part of one that does not wait: as if it did, beside those that do.
local function part_of_other(k, kind, t, org)
    if tag_of(k, kind, org) then
        return 0 -- behind the first ones
    end
    local tag, flat, is_in = reached(k, kind, org), {}, false
    for i = 1, #t.flat, 2 do
        if not is_in and tonumber(t.flat[i + 1]) >= tag then
            flat[#flat + 1], flat[#flat + 2], is_in = org, tag, true
        end
        flat[#flat + 1], flat[#flat + 2] = t.flat[i], t.flat[i + 1]
    end
    if not is_in then
        flat[#flat + 1], flat[#flat + 2] = org, tag
    end
    if t.weights then
        t.weights[org] = fair.weights(k, { org })[org]
    end
    for _, s in ipairs(share_out(t, flat)) do
        if s.org == org then
            return s.n
        end
    end
    return 0
end

-- How many more jobs are for this org, of what turns.open saw.
function turns.left(k, kind, t, org)
    local part = t.parts[org]
    if not part then
        part = part_of_other(k, kind, t, org)
        t.parts[org] = part
    end
    return part - (t.used[org] or 0)
end

-- n of them were taken.
function turns.use(t, org, n)
    t.used[org] = (t.used[org] or 0) + n
end

-- Does anybody wait for the type?
function turns.any(k, kind)
    return redis.call('EXISTS', k.waiting_ .. kind) == 1
end

-- The org was given jobs of the type: ms of worker time over its weight. Where nobody else waits, nobody counts.
function turns.charge(k, kind, org, ms)
    local key, tag = k.waiting_ .. kind, tag_of(k, kind, org)
    local n = redis.pcall('ZCARD', key)
    if n == 0 or (n == 1 and tag) then
        return
    end
    local start, _, member = tag, nil, org
    if not tag then
        start, _, member = reached(k, kind, org)
    end
    local after = string.format('%.0f', start + units(ms))
    if tag then
        redis.call('ZADD', key, after, org)
        put(k, kind, 'GT', string.format('%.0f', start), '')
    else
        put(k, kind, 'GT', string.format('%.0f', start), '', after, member)
    end
end

-- Its weight changed (fair.reweigh): so much of its lead is left.
function turns.reweigh(k, kind, org, ratio)
    local key, tag = k.waiting_ .. kind, tag_of(k, kind, org)
    if tag and ratio < 1 then
        local first = tonumber(redis.call('ZRANGE', key, '0', '0', 'WITHSCORES')[2])
        redis.call('ZADD', key, string.format('%.0f', first + (tag - first) * ratio), org)
    end
end

-- Claims of the org took so much longer than what they were charged, over its weight.
function turns.correct(k, kind, org, ms)
    local key, tag = k.waiting_ .. kind, tag_of(k, kind, org)
    local n = redis.pcall('ZCARD', key)
    if n == 0 or (n == 1 and tag) then
        return
    end
    if tag then
        redis.call('ZADD', key, string.format('%.0f', math.max(tag + units(ms), 0)), org)
        return
    end
    local own, latest, member = reached(k, kind, org)
    if ms > 0 or own > latest or member ~= org then
        put(k, kind, string.format('%.0f', math.max(own + units(ms), 0)), member)
    end
end

-- A type admits something again: those whose turn it is enter the ring. Returns how many, whether others wait, and
-- when to look again if all of it is kept.
function turns.call(k, x, kind, room, cost)
    if room == math.huge then -- nobody needs to wait
        local flat, orgs = read_first(k, kind, room), {}
        for i = 1, #flat, 2 do
            orgs[#orgs + 1] = flat[i]
        end
        if #orgs > 0 then
            redis.call('ZREM', k.waiting_ .. kind, unpack(orgs))
            fair.enter(k, orgs)
        end
        return #orgs, turns.any(k, kind)
    end
    local w, n = first_of(k, x, kind, room, cost, {}), 0
    if #w.orgs > 0 and w.room > 0 then
        local t = { weights = fair.weights(k, w.orgs), room = math.min(w.room, turns.most), cost = units(cost) }
        local _, called, were_in = call(k, x.now, kind, share_out(t, w.flat))
        if were_in > 0 and not w.is_all then
            call_askers(k, x, kind, w, cost, were_in)
        end
        n = called
    end
    local others = w.stays and redis.pcall('ZCARD', k.waiting_ .. kind) or turns.any(k, kind) and 2 or 0
    return n, others ~= 0 and others ~= 1, w.room == 0 and w.ends or nil
end
