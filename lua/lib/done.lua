-- SPDX-License-Identifier: Apache-2.0
-- Finished jobs: kept for a while (P:done), or gone at once when keep_count is 0. The score is the time of
-- the finish; its negative for jobs that ended without a run to the end (cancelled, expired), so that these
-- are counted and listed on their own: a stream of completed ones does not push them out.
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
    redis.call('ZADD', k.done, status == 'completed' and now or -now, raw)
end

-- Ids from a position on, newest first, and how many there are: of the completed jobs, or of the others.
function done.page(k, status, from, count)
    if status == 'completed' then
        return redis.call('ZRANGE', k.done, '+inf', '0', 'BYSCORE', 'REV', 'LIMIT', from, count),
            redis.call('ZCOUNT', k.done, '0', '+inf')
    end
    return redis.call('ZRANGE', k.done, '-inf', '(0', 'BYSCORE', 'LIMIT', from, count),
        redis.call('ZCOUNT', k.done, '-inf', '(0')
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

-- How many of the completed and of the others are over keep_count.
local function over(k, keep)
    local all = redis.call('ZCARD', k.done)
    if all <= keep then
        return 0, 0
    end
    local others = redis.call('ZCOUNT', k.done, '-inf', '(0')
    return math.max(all - others - keep, 0), math.max(others - keep, 0)
end

-- Drops up to batch of those over keep_count, the oldest first.
function done.trim_count(k, keep, batch)
    local n, others = over(k, keep)
    n = math.min(n, batch)
    others = math.min(others, batch - n)
    if n > 0 then
        done.remove(k, redis.call('ZRANGE', k.done, '0', '+inf', 'BYSCORE', 'LIMIT', 0, n))
    end
    if others > 0 then
        done.remove(k, redis.call('ZRANGE', k.done, '(0', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, others))
    end
    return n + others
end

-- The bounds of those that ended before a time: completed, the others.
local function bounds(before)
    local text = string.format('%.0f', before)
    return { '0', '(' .. text }, { '(-' .. text, '(0' }
end

function done.trim_age(k, now, keep_ms, batch)
    local completed, others = bounds(math.max(now - keep_ms, 0))
    local ids = redis.call('ZRANGE', k.done, completed[1], completed[2], 'BYSCORE', 'LIMIT', 0, batch)
    done.remove(k, ids)
    local n = #ids
    if n < batch then
        ids = redis.call('ZRANGE', k.done, others[2], others[1], 'BYSCORE', 'REV', 'LIMIT', 0, batch - n)
        done.remove(k, ids)
        n = n + #ids
    end
    return n
end

-- How many there are to trim.
function done.left_over(k, now, keep_ms, keep)
    local completed, others = bounds(math.max(now - keep_ms, 0))
    local old = redis.call('ZCOUNT', k.done, completed[1], completed[2])
    local old_others = redis.call('ZCOUNT', k.done, others[1], others[2])
    local n, n_others = over(k, keep)
    return math.max(old, n) + math.max(old_others, n_others)
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
