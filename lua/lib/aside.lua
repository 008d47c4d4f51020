-- SPDX-License-Identifier: Apache-2.0
-- Jobs set aside because their type may not run now: per org and type (`kind` here), by level and enqueue
-- time. They are not looked at again until the type admits one.
local aside = {}

function aside.key(k, org, kind)
    return k.aside_ .. org .. ':' .. kind
end

-- Higher levels first, then the older ones. Exact: below 2^53.
local function score(rec, head)
    return (9 - head[3]) * 1e14 + record.enqueued_at(rec)
end

-- flat: {id, record, …} of one org and type.
function aside.put(k, org, kind, flat)
    local add = { 'ZADD', aside.key(k, org, kind) }
    for i = 1, #flat, 2 do
        add[#add + 1] = string.format('%.0f', score(flat[i + 1], record.decode(flat[i + 1])))
        add[#add + 1] = flat[i]
    end
    local reply = redis.pcall(unpack(add))
    if type(reply) == 'table' and reply.err then
        redis.call('DEL', aside.key(k, org, kind)) -- not ours: what it held was never a job of the org
        redis.call(unpack(add))
    end
    levels.add_aside(k, org, kind)
end

-- Takes up to n, appends them to st.ids with their source.
function aside.take(k, org, kind, n, st, source)
    local popped = redis.pcall('ZPOPMIN', aside.key(k, org, kind), n)
    local count = popped.err and 0 or #popped / 2
    for i = 1, 2 * count, 2 do
        st.ids[#st.ids + 1], st.src[#st.src + 1] = popped[i], source
    end
    if count < n then
        levels.drop_aside(k, org, kind)
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
