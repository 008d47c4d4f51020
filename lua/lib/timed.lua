-- SPDX-License-Identifier: Apache-2.0
-- What the passing of time does: delayed jobs become ready, jobs that waited too long expire.
local timed = {}

local function due_ids(key, now, batch)
    return redis.call('ZRANGE', key, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, batch)
end

-- Moves up to batch due ids to their ready lists, in order of their due times.
function timed.promote(k, now, batch)
    local ids = due_ids(k.delayed, now, batch)
    if #ids == 0 then
        return 0
    end
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local groups, by_name, n = {}, {}, 0
    for i, raw in ipairs(ids) do
        if record.is_record(recs[i]) then
            local head = record.decode(recs[i])
            local level = string.format('%d', head[3])
            local name = head[2] .. ':' .. level
            local g = by_name[name]
            if not g then
                g = { org = head[2], level = level, ids = {} }
                by_name[name], groups[#groups + 1] = g, g
            end
            g.ids[#g.ids + 1] = raw
            n = n + 1
        end
    end
    if n > 0 then
        ready.push_groups(k, groups)
        bell.ring(k, now)
    end
    redis.call('ZREM', k.delayed, unpack(ids))
    event.count(k, 'promoted', n)
    return n
end

-- Ends up to batch jobs that did not start in time. One that runs, or ended, only leaves the index.
function timed.expire(k, now, batch, keep)
    local ids = due_ids(k.expiry, now, batch)
    if #ids == 0 then
        return 0
    end
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local n = 0
    for i, raw in ipairs(ids) do
        if record.is_record(recs[i]) then
            local m = meta.get(k, raw)
            local delayed = redis.call('ZSCORE', k.delayed, raw)
            local started = m[M.fence] > 0 or m[M.status]
            if not started and (delayed or not lease.holder(k, id.token(raw, 1))) then
                redis.call('ZREM', k.delayed, raw)
                done.finish(k, now, raw, m, 'expired', not delayed, keep)
                event.add(k, 'expired', raw, record.decode(recs[i]))
                n = n + 1
            end
        end
    end
    redis.call('ZREM', k.expiry, unpack(ids))
    event.count(k, 'expired', n)
    return n
end
