-- SPDX-License-Identifier: Apache-2.0
-- Claims: takes ids from the ready lists in fair order and makes them fields of
-- P:run:<worker>. Bounded: at most `want` jobs and 200 + want visits of orgs; what is left is
-- for the next call.
local claim = { visits = 200, window = 100 }

-- Digits of the levels besides 5 of these orgs, nil when no org has any.
local function levels_of(k, shares)
    if redis.call('EXISTS', k.levels) == 0 then
        return nil
    end
    local orgs = {}
    for i, s in ipairs(shares) do
        orgs[i] = s.org
    end
    return redis.call('HMGET', k.levels, unpack(orgs))
end

-- Turns popped ids into claims; ids of finished jobs are dropped here. share_of[i] is the share
-- that ids[i] came from; its `valid` counts the jobs that were claimed.
local function accept(k, st, ids, share_of)
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local metas = redis.call('HMGET', k.meta, unpack(ids))
    local c, r, n = st.claimed, st.run, #st.claimed
    for i = 1, #ids do
        local raw, rec, packed, s = ids[i], recs[i], metas[i], share_of[i]
        local m = packed and meta.unpack(packed)
        if rec == '' or (m and m[M.status]) then
            done.unqueue(k, raw, rec, m)
        elseif record.is_record(rec) then
            local token = m and id.token(raw, m[M.fence] + 1) or raw .. '1'
            c[n + 1], c[n + 2], c[n + 3] = token, packed or '', rec
            n = n + 3
            r[#r + 1], r[#r + 2] = token, s.held
            s.valid = s.valid + 1
        end
    end
end

-- Pops the ids of the shares.
local function pop(k, st, shares, leave)
    local levels = levels_of(k, shares)
    local ids, share_of = {}, {}
    for i, s in ipairs(shares) do
        st.visits = st.visits + 1
        s.valid, s.got = 0, 0
        if st.empty[s.org] then
            -- It ran empty in this call and came up again: only now does it leave the ring, so
            -- that an org cannot win by emptying and refilling its list.
            leave[#leave + 1] = s.org
            st.n_empty = st.n_empty - 1
        else
            s.held = st.now_text .. s.org
            s.got = ready.take(k, s.org, levels and levels[i] or nil, s.n, ids)
            for j = #share_of + 1, #ids do
                share_of[j] = s
            end
            if s.got == 0 then
                leave[#leave + 1] = s.org
            end
        end
    end
    return ids, share_of
end

-- One pass over the orgs with the lowest virtual times. Returns false when the ring is empty.
local function pass(k, st)
    local ring = redis.call('ZRANGE', k.ring, 0, math.min(st.need, claim.window) - 1, 'WITHSCORES')
    if #ring == 0 then
        return false
    end
    local shares = fair.shares(ring, fair.weights(k, ring), st.need)
    local move, leave = { 'ZADD', k.ring, 'XX' }, { 'ZREM', k.ring }
    local ids, share_of = pop(k, st, shares, leave)
    if #ids > 0 then
        accept(k, st, ids, share_of)
    end
    for _, s in ipairs(shares) do
        if s.got > 0 then
            move[#move + 1], move[#move + 2] = string.format('%.17g', s.v + s.valid / s.w), s.org
            st.delta[s.org] = (st.delta[s.org] or 0) + s.valid
            st.need = st.need - s.valid
            if s.got < s.n then
                st.empty[s.org], st.n_empty = true, st.n_empty + 1
            end
        end
    end
    if #move > 3 then
        redis.call(unpack(move))
    end
    if #leave > 2 then
        redis.call(unpack(leave))
    end
    return true
end

-- Returns claimed (flat), and whether work is probably left. delta as in finish.
function claim.take(k, now, worker, want, delta)
    local st = {
        need = want, visits = 0, empty = {}, n_empty = 0, delta = delta,
        claimed = {}, run = {}, now_text = string.format('%.0f ', now),
    }
    local more = true
    while st.need > 0 and st.visits < claim.visits + want do
        more = pass(k, st)
        if not more then
            break
        end
    end
    if #st.run > 0 then
        redis.call('HSET', k.run_ .. worker, unpack(st.run))
        event.count(k, 'claimed', #st.run / 2)
    end
    if more then
        more = redis.call('ZCARD', k.ring) > st.n_empty
    end
    return st.claimed, more
end
