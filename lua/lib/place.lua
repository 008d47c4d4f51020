-- SPDX-License-Identifier: Apache-2.0
-- The places where ready jobs wait: per org and level a list, one list per group, or a set by
-- deadline.
local place = {}

-- The place of a job: {kind, org, level, key, mark, group, ring}.
function place.make(k, org, level, options)
    local p = { kind = 'list', org = org, level = level, mark = level }
    if options and options.eo then
        p.kind, p.key = 'soonest', k.soonest_ .. org .. ':' .. level
        p.mark = string.char(65 + tonumber(level))
    elseif options and options.g then
        p.kind, p.group = 'groups', options.g
        p.key = keys.ready(k, org, level) .. ':' .. options.g
        p.ring = k.groups_ .. org .. ':' .. level
        p.mark = string.char(97 + tonumber(level))
    else
        p.key = keys.ready(k, org, level)
    end
    return p
end

function place.of(k, head)
    return place.make(k, head[2], string.format('%d', head[3]), head[4])
end

-- May ids be pushed there? A key that somebody overwrote must be found before the first write.
function place.is_sound(p)
    if p.kind == 'soonest' then
        return type(redis.pcall('ZCARD', p.key)) == 'number'
    end
    local sound = type(redis.pcall('LLEN', p.key)) == 'number'
    if sound and p.ring then
        sound = type(redis.pcall('ZCARD', p.ring)) == 'number'
    end
    return sound
end

-- Pops up to n ids of a list, appends them to st.ids; st.src has their source at the first of them.
function place.pop(key, n, st, source)
    local popped = redis.pcall('LPOP', key, args.decimal(n))
    if not popped or popped.err then
        return 0
    end
    local ids, got = st.ids, #popped
    local at = #ids
    st.src[at + 1] = source
    if at == 0 then
        st.ids = popped
        return got
    end
    for i = 1, got do
        ids[at + i] = popped[i]
    end
    return got
end

-- The same of a sorted set, lowest scores first.
function place.pop_set(key, n, st, source)
    local popped = redis.pcall('ZPOPMIN', key, n)
    if popped.err then
        return 0
    end
    for i = 1, #popped, 2 do
        st.ids[#st.ids + 1], st.src[#st.ids + 1] = popped[i], source
    end
    return #popped / 2
end

-- Up to n of the set-aside jobs in a key, of scores up to `most`.
function place.pop_aside(key, most, n, st, source)
    local ids = redis.pcall('ZRANGE', key, '-inf', most, 'BYSCORE', 'LIMIT', 0, n)
    if ids.err then
        redis.call('DEL', key) -- not ours
        return 0
    elseif #ids == 0 then
        return 0
    end
    redis.call('ZREM', key, unpack(ids))
    for _, raw in ipairs(ids) do
        st.ids[#st.ids + 1], st.src[#st.ids + 1] = raw, source
    end
    return #ids
end

-- Jobs of a group become the first ones of its list, the last of `ids` before the others.
function place.unpop(k, p, ids)
    redis.call('LPUSH', p.key, unpack(ids))
    levels.add(k, p.org, p.mark)
end
