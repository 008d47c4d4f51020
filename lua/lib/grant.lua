-- SPDX-License-Identifier: Apache-2.0
-- How a claim is written down: its token, record and value in P:run, and its charge. st: the state of the claim call
-- (claim.lua), s: an org's share of it.
local grant = {}

-- What a claim of a type is charged: its expected run time, rounded as the value of the claim says it.
function grant.cost(k, st, kind)
    local cost = st.costs[kind]
    if not cost then
        cost = fair.cost(k, kind, st.cost)
        st.costs[kind], st.cost_texts[kind] = cost, ' ' .. cost
    end
    return cost
end

-- The value in P:run of a plain claim of this type by the share's org; most often the same again. s.tail: what the
-- place where it was adds: jobs beside groups say their level.
function grant.value(k, st, s, kind)
    if s.kind ~= kind then
        local cost = grant.cost(k, st, kind)
        s.kind, s.cost, s.start = kind, cost, false
        s.value = st.now_text .. s.org .. ' ' .. kind .. st.cost_texts[kind] .. s.tail
    end
    return s.value
end

-- That of a job with options, on its last chance, or beside groups that wait for its type: its group, then marks: u
-- when its key goes when it is done, l for the last chance, and the level of groups.
function grant.special(k, st, s, kind, options, level, is_last)
    local keyed, name = options.ku == 'd' and 'u' or '', options.g or ''
    local beside = name ~= '' or s.tail ~= '' or (s.groups and s.groups[kind])
    local marks = keyed .. (is_last and 'l' or '') .. (beside and string.format('%d', level) or '')
    local tail = marks ~= '' and ' ' .. name .. ' ' .. marks or ''
    if tail == s.tail then
        return grant.value(k, st, s, kind)
    end
    local cost = grant.cost(k, st, kind)
    s.kind, s.cost, s.start = false, cost, false
    return st.now_text .. s.org .. ' ' .. kind .. st.cost_texts[kind] .. tail
end

-- n claims of a share's org, a type and a group ('' for none) take their part of the limits, if there are any.
function grant.spend(st, s, kind, name, n)
    if not st.x or n == 0 then
        return
    end
    limit.spend(st.x, s.org, kind, name, n)
    if limit.holds_type(st.x.L, kind) then
        s.given = s.given or {}
        s.given[kind] = (s.given[kind] or 0) + n
    end
end

-- A run of ids of one source begins. What is claimed until it ends is its group's.
local function begin(source, s)
    local tail, g = source.tail or '', source.group
    if s.tail ~= tail then
        s.tail, s.kind, s.start = tail, false, false
    end
    if g then
        g.spent, g.valid = s.spent, s.valid
    end
end

-- counted: claims of it that have not taken their part of the limits.
local function finish_run(st, source, s, counted)
    local g = source and source.group
    if counted > 0 then
        grant.spend(st, s, s.kind, '', counted)
    end
    if g then
        g.spent, g.valid = s.spent - g.spent, s.valid - g.valid
    end
end

-- One more claim for the share's org.
function grant.take(st, s, raw, rec, m, packed, value)
    local c, r, n = st.claimed, st.run, st.n
    local token = m and id.token(raw, m[M.fence] + 1) or raw .. '1'
    c[3 * n + 1], c[3 * n + 2], c[3 * n + 3] = token, packed or '', rec
    r[2 * n + 3], r[2 * n + 4] = token, value
    st.n = n + 1
    s.valid, s.spent, s.bytes = s.valid + 1, s.spent + s.cost, s.bytes + #rec
end

-- Turns popped ids into claims. Here is what most jobs need: plain, never claimed before, of the type of the job
-- before; other(k, st, source, id, record, packed meta) sees to the rest. st.src: at the first id of each run of ids
-- that have the same source. s.room: with settings of limits, how many such jobs more may be claimed before the
-- settings are looked at again; other() says it.
function grant.all(k, st, other)
    local ids, src, c, r, source, s = st.ids, st.src, st.claimed, st.run, nil, nil
    local recs, metas = redis.call('HMGET', k.jobs, unpack(ids)), meta.many(k, ids)
    local sub, byte, from = string.sub, string.byte, record.stamp_len + 1
    local counted, free, room = 0, st.x and 0 or math.huge, 0
    for i = 1, #ids do
        local raw, rec, packed = ids[i], recs[i], metas and metas[i]
        if src[i] and src[i] ~= source then
            finish_run(st, source, s, counted)
            source = src[i]
            s = source.share or source
            begin(source, s)
            counted, room = 0, free
        end
        local start = s.start or st.start
        if counted < room and start and rec and not packed and sub(rec, from, from + #start - 1) == start
            and byte(rec) == 0xcf then
            if not s.start then
                grant.value(k, st, s, st.kind)
                s.start = start
            end
            local n, token = st.n, raw .. '1'
            local at = 3 * n
            c[at + 1] = token
            c[at + 2] = ''
            c[at + 3] = rec
            at = 2 * n
            r[at + 3] = token
            r[at + 4] = s.value
            st.n = n + 1
            s.valid, s.spent, s.bytes = s.valid + 1, s.spent + s.cost, s.bytes + #rec
            counted = counted + 1
        else
            grant.spend(st, s, s.kind, '', counted)
            counted, s.room = 0, free
            other(k, st, source, raw, rec, packed)
            room = s.room
        end
    end
    finish_run(st, source, s, counted)
end
