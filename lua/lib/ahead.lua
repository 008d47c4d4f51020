-- SPDX-License-Identifier: Apache-2.0
-- What an org has next and may not run, since its types are held, goes aside in one go: the jobs at the head of its
-- first place, or of the groups there. So its other jobs need not wait for as many visits, and a group costs a few
-- commands, however many jobs of it go. For a claim that met such jobs (claim.lua; st, s: as there).
local ahead = { scan = 200, groups = 50, each = 4 }

-- What these ids are: recs, metas; kinds: the type where it is held, else false.
local function look_at(k, st, s, ids)
    local seen = { ids = ids, recs = redis.call('HMGET', k.jobs, unpack(ids)), metas = meta.many(k, ids), kinds = {} }
    for i = 1, #ids do
        local kind = record.is_record(seen.recs[i]) and record.peek(seen.recs[i])
        seen.kinds[i] = kind and limit.pair_room(st.x, s.org, kind) <= 0 and kind
    end
    return seen
end

local function meta_of(seen, i)
    local packed = seen.metas and seen.metas[i]
    return packed and meta.unpack(packed)
end

-- Those before the first that may run, of from to `to`, are put into `put` (aside.put); of finished jobs nothing is
-- left. Returns how many.
local function gather(k, st, s, seen, from, to, put)
    for i = from, to do
        local kind, m = seen.kinds[i], meta_of(seen, i)
        if not kind then
            return i - from
        elseif m and m[M.status] then
            done.unqueue(k, seen.ids[i], seen.recs[i], m)
            queued.add(st.t.queued, s.org, 0, 0, -1)
            st.work = st.work + 1
        else
            local list = put[kind]
            if not list then
                list = {}
                put[kind], put[#put + 1] = list, kind
            end
            local at = #list
            list[at + 1], list[at + 2], list[at + 3] = seen.ids[i], seen.recs[i], aside.again(m)
        end
    end
    return to - from + 1
end

local function put_aside(k, st, s, put)
    if #put > 0 then
        st.work = st.work + aside.put(k, s.org, put, st.joins)
    end
end

-- Returns nil when the list is empty, and whether there may be more of the kind.
local function of_list(k, st, s, level)
    local key = keys.ready(k, s.org, level)
    local ids = redis.pcall('LRANGE', key, 0, args.decimal(ahead.scan - 1))
    if ids.err or #ids == 0 then
        return nil
    end
    local put = {}
    local n = gather(k, st, s, look_at(k, st, s, ids), 1, #ids, put)
    if n > 0 then
        redis.call('LPOP', key, args.decimal(n))
    end
    put_aside(k, st, s, put)
    return n == ahead.scan
end

-- The first jobs of the groups that are next, and of the jobs without one: parts: {name, key, v (nil: not in the
-- ring), from, to, is_capped: its next job only, is_all: there are no more}; ids: of all of them.
local function parts_of(k, st, s, level)
    local ring, list = group.first(k, s.org, level, ahead.groups), keys.ready(k, s.org, level)
    local parts, ids, has_plain = {}, {}, false
    local each = math.max(math.floor(ahead.scan / (#ring / 2 + 1)), ahead.each)
    for i = 1, #ring + 1, 2 do
        local name = ring[i] or ''
        local is_capped = name ~= '' and limit.group_cap(st.x.L, s.org, name) and true or false
        if ring[i] or not has_plain then
            local key = name == '' and list or list .. ':' .. name
            local some = redis.pcall('LRANGE', key, 0, is_capped and 0 or args.decimal(each - 1))
            local n = some.err and 0 or #some
            if n > 0 then
                parts[#parts + 1] = {
                    name = name, key = key, v = ring[i + 1], from = #ids + 1, to = #ids + n,
                    is_capped = is_capped, is_all = n < each,
                }
            end
            for j = 1, n do
                ids[#ids + 1] = some[j]
            end
        end
        has_plain = has_plain or name == ''
    end
    st.work = st.work + #ring / 2 + 2
    return parts, ids
end

-- A group without a cap, or the jobs without a group: returns whether all that was seen may not run; gone: of those of
-- which nothing is left {keys}, and what leaves the ring {score, name, …}.
local function of_part(k, st, s, seen, part, put, gone)
    local n = gather(k, st, s, seen, part.from, part.to, put)
    local is_held = n == part.to - part.from + 1
    if is_held and part.is_all then
        gone.keys[#gone.keys + 1] = part.key
        if part.v then
            gone.members[#gone.members + 1], gone.members[#gone.members + 2] = part.v, part.name
        end
    elseif n > 0 then
        redis.call('LPOP', part.key, args.decimal(n))
        st.work = st.work + 1
    end
    return is_held
end

-- The same of the groups of a level. Those with a cap keep their order and wait as a whole.
local function of_groups(k, st, s, level)
    local parts, ids = parts_of(k, st, s, level)
    if #ids == 0 then
        return nil
    end
    local seen, put, at = look_at(k, st, s, ids), {}, hold.none()
    local gone, all = { keys = {}, members = {} }, true
    for _, part in ipairs(parts) do
        if not part.is_capped then
            all = of_part(k, st, s, seen, part, put, gone) and all
        else
            local kind, m = seen.kinds[part.from], meta_of(seen, part.from)
            if kind and not (m and m[M.status]) then
                hold.note(at, level, part.name, kind)
            else
                all = false
            end
        end
    end
    if #gone.keys > 0 then
        redis.call('DEL', unpack(gone.keys))
    end
    if #gone.members > 0 then
        group.leave(k, s.org, level, gone.members)
    end
    if #at.kinds > 0 then
        hold.put(k, s.org, at, st.joins)
        st.work = st.work + 4 + 4 * #at.kinds
    end
    put_aside(k, st, s, put)
    return all
end

-- most: what the call may have cost until nobody's go aside in one go any more.
function ahead.put_aside(k, st, s, most)
    for _, e in ipairs(s.view.order) do
        local of = e.kind == 'groups' and of_groups or e.kind == 'list' and of_list
        local more = of and st.work < most and of(k, st, s, e.level)
        while more and st.work < most do
            more = of(k, st, s, e.level)
            st.work = st.work + 4
        end
        if more ~= nil then
            return
        end
    end
end
