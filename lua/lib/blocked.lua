-- SPDX-License-Identifier: Apache-2.0
-- What a claim does about types that are held: whose turn it is, what is taken of the jobs set aside, and how an org
-- that has nothing else waits. st: the claim's state, s: its share of an org. A visit looks at `kinds` types of an
-- org, a call `looks` times at those that stand under `*`.
local blocked = { kinds = 32, looks = 2, asked = 4 }

-- Who gets how much of a type in this pass (turns.open); false: nobody waits for it.
local function turns_of(k, st, kind, org)
    local t = st.turns[kind]
    if t == nil then
        local room = limit.holds_type(st.x.L, kind) and limit.type_room(st.x, kind) or math.huge
        local cost = st.costs[kind] or fair.cost(k, kind, st.cost)
        t = turns.open(k, st.x, kind, room, cost, { org = org, passed = st.passed[kind] })
        st.turns[kind] = t
    end
    return t
end

-- Does anybody wait for the type, so that it is given in turns?
function blocked.has_turns(k, st, s, kind)
    return turns_of(k, st, kind, s.org) and true or false
end

-- May the type give the org a job more? popped: how many were popped for room that there is: no other job takes it.
function blocked.is_its_turn(k, st, s, kind, popped)
    if limit.pair_room(st.x, s.org, kind) <= 0 or (popped > 0 and limit.type_room(st.x, kind) <= popped) then
        return false
    end
    local t = turns_of(k, st, kind, s.org)
    if t then
        if turns.left(k, kind, t, s.org) <= 0 then
            st.turn_of[kind] = t
            return false
        end
        turns.use(t, s.org, 1)
    end
    return true
end

-- The org waits for none of its types now.
function blocked.leave(k, st, s)
    for _, kind in ipairs(s.view.asides) do
        turns.leave(k, st.now, kind, s.org)
        st.vacant[kind] = true
    end
end

-- The org is at its own cap: what was for it is looked at again.
function blocked.pass(st, s)
    for _, kind in ipairs(s.view.asides) do
        st.vacant[kind] = true
    end
end

-- Where one waited in vain, the next ones come into the ring, for the next pass.
function blocked.call_next(k, st)
    for kind in pairs(st.vacant) do
        if st.x and kind ~= levels.rest and limit.type_room(st.x, kind) > 0 then
            st.turn_of[kind] = turns_of(k, st, kind) or nil
        end
    end
end

-- Those whose turn it is of a type that was not given to others for that: they are visited next, for this type alone,
-- wherever they stand in the ring. Else a type would stay idle while an org that is ahead in the ring has its turn.
-- need: for so many jobs at most. Returns their shares, and how many jobs they are for.
function blocked.next_turns(k, st, need)
    local kinds, names, list, n = {}, {}, {}, 0
    for kind, t in pairs(st.turn_of) do
        for org, part in pairs(limit.type_room(st.x, kind) > 0 and t.parts or {}) do
            if part > (t.used[org] or 0) and not kinds[org] and not st.skip[org] then
                kinds[org], names[#names + 1] = { kind = kind, n = part - (t.used[org] or 0) }, org
            end
        end
    end
    st.turn_of = {}
    local weights = #names > 0 and fair.weights(k, names)
    for i, v in ipairs(#names > 0 and redis.call('ZMSCORE', k.ring, unpack(names)) or {}) do
        local org = names[i]
        if v and n < need then
            local s = fair.share(org, tonumber(v), weights and weights[org] or 1, math.min(kinds[org].n, need - n))
            s.only, s.again, list[#list + 1], n = kinds[org].kind, true, s, n + s.n
        end
    end
    return list, n
end

-- How many set-aside jobs of a type an org may take; when more; whether the type or the org holds them. One whose
-- turn it is not waits too.
local function aside_room(k, st, s, kind)
    local room, at, holder = limit.pair_room(st.x, s.org, kind)
    if room <= 0 then
        if holder == 'org' then -- it is not the type that it waits for
            turns.leave(k, st.now, kind, s.org)
        end
        return room, at, holder
    end
    if turns.join(k, kind, s.org) then
        st.turns[kind] = nil
    end
    room = room - (s.popped and s.popped[kind] or 0)
    local t = room > 0 and turns_of(k, st, kind, s.org)
    if t then
        local part = math.min(turns.left(k, kind, t, s.org), t.room - (st.taken[kind] or 0))
        if part <= 0 then
            st.turn_of[kind] = t
            return 0, t.ends or st.now + wake.again_ms, 'type'
        end
        return math.min(room, part), at, holder
    end
    return room, at, holder
end

-- Of an org's further types, those jobs among some of them that may run now, or ended; each time others of them.
local function take_rest(k, st, s, n)
    local key = aside.key(k, s.org, levels.rest)
    local groups, size = hold.let_go(k, s.org, levels.rest, 8, st.now), redis.pcall('ZCARD', key)
    if type(size) ~= 'number' or size == 0 then
        if groups == 0 then
            levels.drop_aside(k, s.org, levels.rest)
        end
        return 0
    end
    local from = hold.page(size, aside.some, st.now)
    local ids = redis.call('ZRANGE', key, from, from + aside.some - 1)
    local recs, drop, picked = redis.call('HMGET', k.jobs, unpack(ids)), { 'ZREM', key }, {}
    for i, raw in ipairs(ids) do
        local kind, room = record.is_record(recs[i]) and record.peek(recs[i]), 1
        if kind then
            room = limit.pair_room(st.x, s.org, kind) - (st.taken[kind] or 0) - (picked[kind] or 0)
        end
        if room > 0 and #drop < n + 2 then
            drop[#drop + 1], st.ids[#st.ids + 1], st.src[#st.ids + 1] = raw, raw, s
            picked[kind or ''] = (picked[kind or ''] or 0) + 1
        end
    end
    if #drop > 2 then
        redis.call(unpack(drop))
    end
    return #drop - 2
end

-- Whose turn it is at a visit: the place of one of the org's types that have jobs set aside, from 0 on; as many as they
-- are: that of the jobs that were not.
local function turn_at(st, s)
    return hold.page(#s.view.asides + 1, 1, st.part)
end

-- Takes from what was set aside, of at least this level (nil: of any), as much as the types admit now. Another type
-- comes first at each visit; of very many a visit looks at some. parts: of these types no more than so many now; spare:
-- as much room is left to jobs that were popped already, whatever their types.
local function take_asides(k, st, s, n, level, parts, spare)
    local got, source, kinds = 0, { share = s, is_aside = true }, s.only and { s.only } or s.view.asides
    local first = turn_at(st, s)
    for i = first, first + math.min(blocked.kinds, #kinds) - 1 do
        local kind = kinds[i % #kinds + 1]
        local part = math.min(parts and parts[kind] or n, n - got)
        if part > 0 and kind ~= levels.rest then
            local most = aside_room(k, st, s, kind)
            if spare and spare > 0 and most > 0 then
                most, s.again = most - spare, true
            end
            if most > 0 then
                local count = aside.take(k, s.org, kind, math.min(part, most), st, source, level)
                got, st.taken[kind] = got + count, (st.taken[kind] or 0) + count
                s.popped = s.popped or {}
                s.popped[kind] = (s.popped[kind] or 0) + count
                if st.turns[kind] then
                    turns.use(st.turns[kind], s.org, count)
                end
            end
        end
    end
    return got
end

-- Without settings nothing is held back any more.
local function take_all_asides(k, st, s, n, level)
    local got = 0
    for _, kind in ipairs(s.view.asides) do
        if got < n then
            got = got + aside.take(k, s.org, kind, n - got, st, s, level)
        end
    end
    return got
end

-- Of the next n jobs at a level how many are of these types, whose groups wait, beside groups that can run: {type =
-- jobs}; nil: all may be. Of very many types a visit asks for some.
local function parts_at(k, st, s, level, n, others_first)
    local parts
    for _, e in ipairs(st.x and s.view.order or {}) do
        if e.level == level and e.kind == 'groups' then
            local kinds = s.view.asides
            local from = #kinds > blocked.asked and st.part % #kinds or 0
            for i = from, from + math.min(#kinds, blocked.asked) - 1 do
                local kind = kinds[i % #kinds + 1]
                local part = kind ~= levels.rest and hold.part(k, s.org, kind, level, n, others_first)
                if part then
                    parts = parts or {}
                    parts[kind] = part
                end
            end
        end
    end
    return parts
end

-- The org takes nothing of these types in this call, though it may be its turn, which it keeps: others have the type
-- now.
local function pass_turns(k, st, s, parts)
    for kind, part in pairs(parts) do
        if part == 0 then
            st.passed[kind] = st.passed[kind] or {}
            st.passed[kind][s.org] = true
            st.turns[kind], st.vacant[kind] = nil, true
            turns.catch_up(k, kind, s.org, st.costs[kind] or fair.cost(k, kind, st.cost))
        end
    end
end

-- May any of the org's set-aside jobs be held still?
local function holds_any(st, s)
    for _, kind in ipairs(s.view.asides) do
        if kind == levels.rest or limit.holds_type(st.x.L, kind) then
            return true
        end
    end
    return false
end

-- Is it the turn of the jobs of a level that were not set aside? It is at one visit for each type that has some and one
-- more: or what was set aside once would come first for ever, since later jobs of its type stand behind it. Not where
-- the org has no room for more than n: the turn of a type and a slot of its own seldom come together (kept.lua).
local function are_others_first(st, s, n)
    if turn_at(st, s) ~= #s.view.asides then
        return false
    end
    return not st.x or limit.org_room(st.x, s.org) > n or not holds_any(st, s)
end

-- What an org has at a level, n at most: most often those first that were set aside, as far as it is their groups'
-- turn.
local function take_level(k, st, s, n, level)
    local take_some, others_first = st.x and take_asides or take_all_asides, are_others_first(st, s, n)
    local parts = parts_at(k, st, s, level, n, others_first)
    if others_first and not parts then
        local higher = level < '9' and take_some(k, st, s, n, level + 1) or 0
        local popped = higher < n and ready.take(k, s, n - higher, st, level) or 0
        local got = higher + popped
        return got < n and got + take_some(k, st, s, n - got, tonumber(level), nil, popped) or got
    end
    local got = take_some(k, st, s, n, tonumber(level), parts)
    local popped = got < n and ready.take(k, s, n - got, st, level) or 0
    got = got + popped
    if parts and got < n then
        got = got + take_some(k, st, s, n - got, tonumber(level), nil, popped)
    elseif parts then
        pass_turns(k, st, s, parts)
    end
    return got
end

-- Of an org that is visited for its turn of a type: not before jobs of a higher level that wait for none, nor before
-- groups that come first.
local function take_turn(k, st, s, n)
    local level, got = ready.top(k, s), 0
    if s.view.is_aside[s.only] then
        got = take_asides(k, st, s, n, tonumber(level), level and parts_at(k, st, s, level, n))
    end
    if got == 0 then
        pass_turns(k, st, s, { [s.only] = 0 })
    end
    return got
end

-- Of an org with jobs set aside: by level.
function blocked.take(k, st, s, n)
    if s.only then
        return take_turn(k, st, s, n)
    end
    local take_some, got, last = st.x and take_asides or take_all_asides, 0, nil
    local left = st.x and s.view.is_aside[levels.rest] and blocked.looks - st.looks
    if left and aside.may_look(k, s.org, st.now, left) then
        st.looks = st.looks + 1
        got = take_rest(k, st, s, n)
    end
    for _, e in ipairs(s.view.order) do
        if got < n and e.level ~= last then
            last = e.level
            got = got + take_level(k, st, s, n - got, last)
        end
    end
    return got < n and got + take_some(k, st, s, n - got) or got
end

-- The org has nothing to run but what its types hold back: it waits for them. Returns false, and it stays
-- in the ring, when one admits something after all: what it gave were ids of finished jobs.
function blocked.wait(k, st, s)
    local kinds = levels.of(k, s.org).asides
    local until_ms, held_by = {}, {}
    for _, kind in ipairs(kinds) do
        if kind ~= levels.rest then
            local room, at, holder = aside_room(k, st, s, kind)
            if room > 0 then
                return false
            end
            until_ms[kind], held_by[kind] = at, holder
        end
    end
    local list = {}
    for _, kind in ipairs(kinds) do
        local at, member = until_ms[kind], 'type/' .. kind
        if kind == levels.rest then
            at, member = st.now + aside.rest_ms, 'org/' .. s.org
        elseif held_by[kind] == 'org' then
            member = 'org/' .. s.org
        else
            turns.join(k, kind, s.org)
        end
        list[#list + 1] = { member = member, at = at }
    end
    parked.add_all(k, st.now, list)
    return true
end
