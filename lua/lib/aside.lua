-- SPDX-License-Identifier: Apache-2.0
-- Jobs set aside because their type may not run now: per org and type (`kind` here), in the order in which they
-- run. They are not looked at again until the type admits one; those of an org's types beyond the first 64 (kind
-- `*`), some of them four times a second.
local aside = { some = 100, rest_ms = 250 }

function aside.key(k, org, kind)
    return k.aside_ .. org .. ':' .. kind
end

-- Higher levels first; by deadline, where the partition is in that order; else the older ones. Exact: below 2^53.
function aside.score(rec, level, options)
    local enqueued = record.enqueued_at(rec)
    if options and options.eo then
        return (9 - level) * 1e14 + enqueued + (options.xp or LIMIT.delay)
    end
    return (9 - level) * 1e14 + 5e13 + enqueued
end

-- flat: {id, record, …} of one org and type.
-- The org waits for the type then, with others that do.
function aside.put(k, org, kind, flat)
    local word = levels.add_aside(k, org, kind)
    local key = aside.key(k, org, word)
    local add = { 'ZADD', key }
    for i = 1, #flat, 2 do
        local head = record.decode(flat[i + 1])
        add[#add + 1] = string.format('%.0f', aside.score(flat[i + 1], head[3], head[4]))
        add[#add + 1] = flat[i]
    end
    local reply = redis.pcall(unpack(add))
    if type(reply) == 'table' and reply.err then
        redis.call('DEL', key) -- not ours: what it held was never a job of the org
        redis.call(unpack(add))
    end
    if word ~= levels.rest then
        turns.join(k, kind, org)
    end
end

-- Up to n ids of at least this level (nil: of any).
local function pop_ids(k, org, kind, n, st, source, level)
    local key = aside.key(k, org, kind)
    local most = level and string.format('(%.0f', (10 - level) * 1e14) or '+inf'
    local ids = redis.pcall('ZRANGE', key, '-inf', most, 'BYSCORE', 'LIMIT', 0, n)
    if ids.err or #ids == 0 then
        return 0
    end
    redis.call('ZREM', key, unpack(ids))
    for _, raw in ipairs(ids) do
        st.ids[#st.ids + 1], st.src[#st.ids + 1] = raw, source
    end
    return #ids
end

-- Is it time to look at some of those that stand under `*`?
function aside.may_look(k, org, now)
    local key = k.turns_ .. levels.rest
    local last = redis.pcall('ZSCORE', key, org)
    if type(last) == 'string' and tonumber(last) + aside.rest_ms > now then
        return false
    end
    if type(last) == 'table' and last.err then
        redis.call('DEL', key) -- not ours
    end
    redis.call('ZADD', key, string.format('%.0f', now), org)
    redis.call('PEXPIRE', key, 3600000)
    return true
end

-- Takes up to n: ids of at least this level (nil: of any), which it appends to st.ids with their source, and capped
-- groups, which are in the ring of their level again; now the ones first, now the others. Returns how many ids.
function aside.take(k, org, kind, n, st, source, level)
    local count, groups = 0, 0
    if st.now % 2 == 0 then
        groups = group.resume(k, org, kind, n, level)
    end
    if groups < n then
        count = pop_ids(k, org, kind, n - groups, st, source, level)
    end
    if groups == 0 and count < n then
        groups = group.resume(k, org, kind, n - count, level)
    end
    if groups > 0 then -- their level may have been looked at already
        local s = source.share or source
        s.again = true
    end
    if count + groups < n and not level then
        levels.drop_aside(k, org, kind)
        turns.leave(k, st.now, kind, org)
        st.vacant[kind] = true
    end
    return count
end

-- The ids of a flat list {id, record, …}.
function aside.ids(flat)
    local ids = {}
    for i = 1, #flat, 2 do
        ids[#ids + 1] = flat[i]
    end
    return ids
end
