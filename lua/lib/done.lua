-- SPDX-License-Identifier: Apache-2.0
-- Finished jobs: kept for a while (P:done), or gone at once when keep_count is 0.
-- A job that finishes while its id stands in a ready list (cancelled, expired) leaves a mark
-- (`queued`) or, once trimmed, a tombstone ('' in P:jobs); the claim that meets the id
-- drops it. Taking it out of the list would cost O(length).
local done = { keep_ms = 86400000, keep_count = 10000 }

-- m: its meta with everything known already. is_queued: its id stands in a ready list.
function done.finish(k, now, raw, m, status, is_queued, keep)
    if keep == 0 then
        redis.call('HDEL', k.meta, raw)
        if is_queued then
            redis.call('HSET', k.jobs, raw, '')
        else
            redis.call('HDEL', k.jobs, raw)
        end
        return
    end
    m[M.status] = status
    m[M.finished_at] = now
    m[M.queued] = is_queued and 1
    m[M.next_retry_at] = false
    m[M.cancel] = false
    meta.put(k, raw, m)
    redis.call('ZADD', k.done, now, raw)
end

function done.keep_of(k)
    return args.stored(redis.call('HGET', k.ctl, 'keep_count'), done.keep_count)
end

local function remove(k, ids)
    local metas = redis.call('HMGET', k.meta, unpack(ids))
    local gone, tombs = {}, {}
    for i, raw in ipairs(ids) do
        if metas[i] and meta.unpack(metas[i])[M.queued] then
            tombs[#tombs + 1], tombs[#tombs + 2] = raw, ''
        else
            gone[#gone + 1] = raw
        end
    end
    if #gone > 0 then
        redis.call('HDEL', k.jobs, unpack(gone))
    end
    if #tombs > 0 then
        redis.call('HSET', k.jobs, unpack(tombs))
    end
    redis.call('HDEL', k.meta, unpack(ids))
    redis.call('ZREM', k.done, unpack(ids))
end

-- Removes these finished jobs, in parts that fit unpack.
function done.remove(k, ids)
    for from = 1, #ids, 1000 do
        remove(k, { unpack(ids, from, math.min(from + 999, #ids)) })
    end
end

-- Drops up to batch of those over keep_count.
function done.trim_count(k, keep, batch)
    local over = redis.call('ZCARD', k.done) - keep
    if over <= 0 then
        return 0
    end
    local n = math.min(over, batch)
    done.remove(k, redis.call('ZRANGE', k.done, 0, n - 1))
    return n
end

function done.trim_age(k, now, keep_ms, batch)
    local before = '(' .. string.format('%.0f', now - keep_ms)
    local ids = redis.call('ZRANGE', k.done, '-inf', before, 'BYSCORE', 'LIMIT', 0, batch)
    done.remove(k, ids)
    return #ids
end

-- A claim met the id of a finished job: the list no longer has it.
function done.unqueue(k, raw, rec, m)
    if rec == '' then
        redis.call('HDEL', k.jobs, raw)
    else
        m[M.queued] = false
        meta.put(k, raw, m)
    end
end
