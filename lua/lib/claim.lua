-- SPDX-License-Identifier: Apache-2.0
-- Claims: takes ids in fair order and makes them fields of P:run:<worker>. Bounded: at most `want`
-- jobs, 200 + want visits of orgs; what is left is for the next call.
-- Without settings of limits (st.x is nil) nothing below looks for any.
-- What it costs to set jobs aside is counted as it is done, st.work: jobs and commands, some 5 us each. Beyond `work`
-- an org is visited no more in this call that had such jobs, beyond `most` nobody is. `visit`: of an org, also when
-- groups of it wait; `back`: of a capped group whose jobs go back; `grouped`: of a job of another group; `job`: what a
-- job may cost.
-- Ids of ended jobs that are dropped count as well, st.dropped of it: an org that had `ended` of them in this call is
-- visited no more while others are, and each moves its virtual time by `ended_ms`: those that have only such ids have
-- turns too. `ended_visit`: of an org that had nothing else.
local claim = {
    visits = 200, window = 100, work = 1000, most = 1600, visit = 12, back = 4, grouped = 4, job = 12, ended = 100,
    ended_visit = 4, ended_ms = 0.001,
}

-- Of jobs that go back, by group: {place, ids, the first job}.
local function lines_of(k, st)
    local lines, by_key = {}, {}
    for i = #st.back, 1, -1 do
        local job = st.back[i]
        local p = place.of(k, job.head)
        local line = by_key[p.key]
        if not line then
            line = { p = p, ids = {} }
            by_key[p.key], lines[#lines + 1] = line, line
        end
        line.ids[#line.ids + 1], line.job = job.raw, job
    end
    return lines
end

-- The jobs of capped groups keep their order: the group waits, for a finish of its own or for the type of its first
-- job.
local function put_groups_back(k, st)
    local waits = {}
    for _, line in ipairs(lines_of(k, st)) do
        local p, job = line.p, line.job
        place.unpop(k, p, line.ids)
        st.work = st.work + claim.back
        if job.why == 'group' then
            group.park(k, st.now, p.org, p.level, { job.name })
        else
            waits[p.org] = waits[p.org] or hold.none()
            hold.note(waits[p.org], p.level, job.name, job.kind)
            hold.stays(job.source.share or job.source, job.kind, p.level, job.name)
        end
    end
    for org, at in pairs(waits) do
        hold.put(k, org, at, st.joins)
        st.work = st.work + claim.visit
    end
end

local function line_of(s, job)
    return s.org .. '/' .. job.head[3] .. '/' .. job.name
end

-- A job that may not run now goes where it waits without being in the way. why: what holds it, 'type', 'group'
-- or 'order' (one of its group before it).
local function put_back(st, s, job, why)
    if job.name ~= '' and limit.group_cap(st.x.L, s.org, job.name) then
        job.why, s.is_held = why, s.is_held or why == 'type'
        st.back[#st.back + 1], st.held[line_of(s, job)], s.holds = job, true, true
        st.work = st.work + 1
        return
    end
    s.put = s.put or {}
    local list = s.put[job.kind]
    if not list then
        list = {}
        s.put[job.kind], s.put[#s.put + 1] = list, job.kind
    end
    local at = #list
    list[at + 1], list[at + 2], list[at + 3] = job.raw, job.rec, aside.again(job.m)
    if job.name ~= '' then -- its group may have waited as a whole, under a cap that ended
        hold.stays(s, job.kind, string.format('%d', job.head[3]), job.name)
        st.work = st.work + claim.grouped
    end
end

-- May this job be claimed? Takes its part of the limits if so. What was set aside was popped in its turn.
local function is_admitted(k, st, s, job)
    if job.name ~= '' and st.held[line_of(s, job)] then
        put_back(st, s, job, 'order')
        return false
    end
    local popped, why = st.taken[job.kind] or 0, nil
    if popped > 0 and job.source.is_aside then
        st.taken[job.kind] = popped - 1
        why = limit.pair_room(st.x, s.org, job.kind) <= 0 and 'type' or nil
    elseif not blocked.is_its_turn(k, st, s, job.kind, popped) then
        why = 'type'
    end
    if not why and job.name ~= '' and limit.group_room(st.x, s.org, job.name) <= 0 then
        why = 'group'
    end
    if why then
        put_back(st, s, job, why)
        return false
    end
    grant.spend(st, s, job.kind, job.name, 1)
    if s.groups and s.groups[job.kind] then
        hold.claimed(s.groups[job.kind], job, fair.micros(grant.cost(k, st, job.kind)))
    end
    return true
end

-- A job with a group or a key, on its last chance, or of a type that is held or given in turns.
local function accept_special(k, st, source, raw, rec, m, packed, head)
    local s = source.share or source
    head = head or record.decode(rec)
    local o = head[4] or {}
    local job = { raw = raw, rec = rec, m = m, kind = head[1], head = head, name = o.g or '', source = source }
    local is_last = chance.is_one(m)
    if is_last and chance.must_wait(k, st, raw) then
        return
    end
    if st.x and not is_admitted(k, st, s, job) then
        return
    end
    grant.take(st, s, raw, rec, m, packed, grant.special(k, st, s, job.kind, o, head[3], is_last))
    st.has_last = is_last or st.has_last
    if o.ku == 'q' then
        unique.release(k, raw, head)
    end
end

-- How many plain jobs of the type, that were not set aside, may be claimed of those that the org has just popped,
-- before this is asked again: 0 where somebody waits for the type.
local function plain_room(k, st, source, s, kind)
    if not st.x then
        return math.huge
    end
    if source.is_aside or st.taken[kind] or (s.groups and s.groups[kind]) then
        return 0
    end
    local room = limit.pair_room(st.x, s.org, kind)
    return room > 0 and blocked.has_turns(k, st, s, kind) and 0 or room
end

-- One of the popped ids; those of finished jobs are dropped here.
local function accept_one(k, st, source, raw, rec, packed)
    local s, m = source.share or source, packed and meta.unpack(packed)
    if rec == '' or (m and m[M.status]) then
        done.unqueue(k, raw, rec, m)
        queued.add(st.t.queued, s.org, 0, 0, -1)
        s.ended = (s.ended or 0) + 1
    elseif record.is_record(rec) then
        local kind, start, head = record.alike(rec)
        local room = kind and not chance.is_one(m) and plain_room(k, st, source, s, kind) or 0
        if room > 0 then
            grant.take(st, s, raw, rec, m, packed, grant.value(k, st, s, kind))
            s.start, st.start, st.kind = start, start, kind
            grant.spend(st, s, kind, '', 1)
            s.room = room - 1
        else
            accept_special(k, st, source, raw, rec, m, packed, head)
        end
    else
        event.count(k, 'damaged', 1)
    end
end

-- Pops the ids of a share: s.got of s.wanted. An org that got less has nothing more to run now.
local function pop(k, st, s)
    local n = s.n
    if st.x then
        local room, at = limit.org_room(st.x, s.org)
        if room <= 0 then
            parked.add(k, st.x.now, 'org/' .. s.org, at)
            blocked.pass(st, s)
            s.wanted, s.is_parked = 1, true
            return
        end
        n = math.min(n, room)
    end
    s.got = (s.only or #s.view.asides > 0) and blocked.take(k, st, s, n) or ready.take(k, s, n, st)
    s.wanted = s.again and s.got or n
end

-- The shares of a pass: what each visit of an org knows. Of fair.shares: org, v: its virtual time, w: its weight, n: so
-- many jobs are its turn; valid, spent, bytes: jobs claimed, their ms and bytes; kind, cost, value, start, tail: of the
-- claim before; room: how many more like it (grant.lua). Then view (levels.lua); got ids of so many wanted; again:
-- others may be found at once; ended: ids of ended jobs among them, nil for none.
-- Only where something is held: is_parked; put: {type, …} and by type {id, record, aside.again, …}, what goes aside;
-- holds: jobs of capped groups go back, is_held: for their type; given: jobs claimed by type; popped: ids of set-aside
-- jobs by type; groups: by type those that wait for it (hold.lua).
-- Of all shares, in st: taken: ids of set-aside jobs by type, until they are admitted, and of '<org>/<group>'; back:
-- jobs of capped groups that go back, held: their groups; vacant: types for which an org waited in vain; passed: by
-- type the orgs that let others have it in this call; joins: who begins to wait for types (turns.lua); turn_of: by type
-- what turns.open saw where others had the turn. only: of a share: visited for its turn of this type (blocked.lua).
local function shares_of(k, st)
    local need = st.need
    if st.work > 0 then
        local each = st.work > st.dropped and claim.job or 1
        need = math.min(need, math.max(math.floor((claim.most - st.work) / each), 8))
    end
    local shares, n = blocked.next_turns(k, st, need)
    local window = math.min(math.ceil(st.need / st.least) + st.n_skip + #shares, claim.window)
    local ring = redis.call('ZRANGE', k.ring, '0', args.decimal(window - 1), 'WITHSCORES')
    if #ring == 0 then
        return nil
    end
    local flat, orgs, is_in = {}, {}, {}
    for _, s in ipairs(shares) do
        is_in[s.org] = true
    end
    for i = 1, #ring, 2 do
        if not st.skip[ring[i]] and not is_in[ring[i]] then
            flat[#flat + 1], flat[#flat + 2] = ring[i], ring[i + 1]
            orgs[#orgs + 1] = ring[i]
        end
    end
    if #orgs > 0 and n < need then
        for _, s in ipairs(fair.shares(flat, fair.weights(k, orgs), need - n, fair.units(st.cost), st.least)) do
            shares[#shares + 1] = s
        end
    end
    if #shares == 0 then
        return {}
    end
    local names = {}
    for i, s in ipairs(shares) do
        names[i] = s.org
    end
    local views, known = levels.many(k, names), st.t.known
    queued.read(k, names, known)
    if st.x then
        limit.read_active(st.x, names)
    end
    for i, s in ipairs(shares) do
        s.view = views and views[i] or levels.view('')
    end
    return shares
end

local function skip(st, org, why)
    if not st.skip[org] then
        st.skip[org], st.n_skip = why, st.n_skip + 1
    end
end

-- The org gave ids of ended jobs: returns what they move its virtual time by, in ms.
local function count_ended(st, s)
    local n = s.ended
    if not n then
        return 0
    end
    local work = n + (s.valid == 0 and claim.ended_visit or 0)
    st.work, st.dropped = st.work + work, st.dropped + work
    st.ended[s.org] = (st.ended[s.org] or 0) + n
    return n * claim.ended_ms
end

-- Nobody is left but orgs that were skipped for such ids: they are visited again. Returns whether there are any.
local function visit_ended(st)
    local any = false
    for org, n in pairs(st.ended) do
        if n >= claim.ended and st.skip[org] == 'ended' then
            st.skip[org], st.n_skip, any = nil, st.n_skip - 1, true
        end
    end
    st.ended = {}
    return any
end

-- What may not run goes aside, and then what types admitted is charged.
local function settle_types(k, st, shares)
    for _, s in ipairs(shares) do
        if s.put then
            st.work = st.work + aside.put(k, s.org, s.put, st.joins)
        end
        if s.put or s.holds then
            st.work = st.work + claim.visit
        end
    end
    turns.join_all(k, st.joins)
    st.joins = {}
    local waits = {}
    for _, s in ipairs(shares) do
        for kind, n in pairs(s.given or {}) do
            if waits[kind] == nil then
                waits[kind] = turns.any(k, kind)
            end
            if waits[kind] then
                turns.charge(k, kind, s.org, n * grant.cost(k, st, kind) / s.w)
            end
        end
        hold.settle(k, s)
    end
    st.turns, st.taken = {}, {}
    for _, s in ipairs(shares) do
        s.popped = nil
    end
end

-- The org stays in the ring, though some of its jobs may not run now.
local function pass_blocked(k, st, s)
    if s.put or s.is_held then
        ahead.put_aside(k, st, s, claim.work)
    end
    if (s.put or s.holds or (st.later and s.valid == 0)) and st.work >= claim.work then
        skip(st, s.org, 'blocked')
    elseif (st.ended[s.org] or 0) >= claim.ended then
        skip(st, s.org, 'ended')
    end
end

-- After the pops: virtual times move, and who has nothing left leaves.
local function settle(k, st, shares)
    local move, leave = { 'ZADD', k.ring, 'XX' }, {}
    if st.x then
        settle_types(k, st, shares)
    end
    for _, s in ipairs(shares) do
        st.need = st.need - s.valid
        tally.claimed(st.t, s.org, s.valid, s.bytes)
        local v = fair.after(s.v, (s.spent + count_ended(st, s)) / s.w)
        local is_done = st.t.counted and queued.is_empty(st.t.known, st.t.queued, s.org)
        if is_done and s.view ~= levels.view('') then
            redis.call('HDEL', k.levels, s.org)
            blocked.leave(k, st, s)
            ready.forget(k, s)
        end
        local leaves = is_done or s.got < s.wanted
        if leaves and st.x and not s.is_parked and (s.put or s.holds or #s.view.asides > 0) then
            leaves = blocked.wait(k, st, s)
            st.work = st.work + #s.view.asides + (s.put and #s.put or 0)
        end
        if leaves then
            leave[#leave + 1], leave[#leave + 2] = v, s.org
        else
            move[#move + 1], move[#move + 2] = v, s.org
            pass_blocked(k, st, s)
        end
    end
    if #move > 3 then
        redis.call(unpack(move))
    end
    if #leave > 0 then
        fair.leave(k, leave)
    end
    if st.x then
        turns.join_all(k, st.joins)
    end
    blocked.call_next(k, st)
end

-- One pass over the orgs with the lowest virtual times. Returns false when there are none.
local function pass(k, st)
    local shares = shares_of(k, st)
    if not shares then
        return false
    end
    st.ids, st.src, st.back, st.held, st.taken, st.turns, st.vacant = {}, {}, {}, {}, {}, {}, {}
    st.of_groups, st.joins = {}, {}
    for _, s in ipairs(shares) do
        st.visits = st.visits + 1 + math.floor(#s.view.asides / 8) -- each of its types costs something
        st.part = st.part + 1
        pop(k, st, s)
    end
    if #st.ids > 0 then
        grant.all(k, st, accept_one)
        group.settle(k, st.of_groups)
        put_groups_back(k, st)
    end
    settle(k, st, shares)
    if #shares == 0 then
        st.visits = visit_ended(st) and st.visits or math.huge
    else -- no more is asked of the next ones than these had
        st.least = math.max(math.min(st.least, math.ceil(#st.ids / #shares)), 1)
    end
    return true
end

local function new_state(k, now, worker, want, t)
    local mean = redis.call('HGET', k.types, tally.mean)
    local cost = math.max(tonumber(mean or '') or 1, 0.1)
    return {
        worker = worker, need = want, visits = 0, t = t, n = 0, start = false, kind = false,
        claimed = {}, run = { 'HSET', '' }, costs = {}, cost_texts = {},
        skip = {}, n_skip = 0, passed = {}, turn_of = {},
        work = 0, dropped = 0, ended = {}, looks = 0, part = now, now = now, now_text = string.format('%d ', now),
        cost = cost, least = fair.least(want, cost),
    }
end

-- Returns claimed (flat), and whether work is probably left. t: the call's tally.
function claim.take(k, now, worker, want, t)
    local st = new_state(k, now, worker, want, t)
    if t.L then
        st.x = limit.open(k, now, t.L, t.active)
        local room, at = limit.queue_room(st.x)
        if room <= 0 then
            limit.close(st.x)
            parked.add(k, now, 'queue', at)
            return {}, false
        end
        st.need = math.min(want, room)
    end
    local wanted, more = st.need, true
    while st.need > 0 and st.visits < claim.visits + want and st.work < claim.most do
        more = pass(k, st)
        if not more then
            break
        end
    end
    chance.settle(k, st)
    if st.n > 0 then
        st.run[2] = k.run_ .. worker
        event.count(k, 'claimed', st.n)
        keys.hset(st.run)
    end
    if st.x then
        limit.close(st.x)
        if wanted < want and st.need == 0 then
            local _, at = limit.queue_room(st.x)
            parked.add(k, now, 'queue', at or 'inf')
            return st.claimed, false
        end
    end
    if more then
        more = redis.call('EXISTS', k.ring) == 1
    end
    return st.claimed, more
end