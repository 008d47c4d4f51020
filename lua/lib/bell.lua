-- SPDX-License-Identifier: Apache-2.0
-- Waking workers: one idle live worker per need. A worker that is woken is taken out of
-- P:idle; its next cycle registers it again if it finds too little. A ring therefore never
-- goes twice to one worker for two needs, and never to one whose lease ran out.
-- Calls are hints: a key of a wrong type wakes nobody (pcall) and is never an error.
local bell = { scheduler = 'scheduler', keep = 10 }

-- Returns whether it was put there. Only a worker that never listens gathers calls.
local function give(k, worker, call)
    local key = k.bell_ .. worker
    local length = redis.pcall('LPUSH', key, call)
    if type(length) ~= 'number' then
        return false
    end
    if length > bell.keep then
        redis.call('LTRIM', key, 0, bell.keep - 1)
    end
    return true
end

-- Registers a worker as idle since now. One that takes jobs over the bell (hand-off) has half
-- a millisecond more in its score: that says it without a further key or call.
function bell.wait(k, now, worker, takes_jobs)
    redis.call('ZADD', k.idle, takes_jobs and now + 0.5 or now, worker)
end

-- Takes the live worker that waits longest.
local function next_idle(k, now)
    for _ = 1, 100 do
        local worker = redis.pcall('ZPOPMIN', k.idle)[1]
        if not worker then
            return nil
        end
        local deadline = redis.pcall('ZSCORE', k.workers, worker)
        if type(deadline) == 'string' and tonumber(deadline) > now then
            return worker
        end
    end
    return nil
end

function bell.ring(k, now)
    for _ = 1, 100 do
        local worker = next_idle(k, now)
        if not worker then
            return false
        end
        if give(k, worker, 'w') then
            return true
        end
    end
    return false
end

-- A job that is alone, for a worker that waits: the claim is made on the worker's behalf and the
-- job goes over the bell, which saves a round trip. Returns false when nobody took it; a
-- worker that only takes calls is rung then, by the caller's push to the ready list.
-- Each write follows a read of its key or can fail (a wrong type) and be taken back.
function bell.hand_off(k, now, raw, rec, head)
    local org, first = head.org, redis.call('ZRANGE', k.idle, 0, 0, 'WITHSCORES')
    local worker = first[1]
    if not worker or tonumber(first[2]) % 1 == 0 then
        return false
    end
    local deadline = redis.call('ZSCORE', k.workers, worker)
    if not deadline or tonumber(deadline) <= now then
        return false -- bell.ring, which follows, passes it over for good
    end
    if redis.call('HSETNX', k.jobs, raw, rec) == 0 then
        return false
    end
    local token, text = raw .. '1', string.format('%.0f', now)
    local active, held, given = redis.pcall('HINCRBY', k.active, org, 1)
    if type(active) == 'number' then
        held = redis.pcall('HSET', k.run_ .. worker, token, text .. ' ' .. org .. ' ' .. head.type .. ' 0') == 1
        given = held and give(k, worker, 'j' .. text .. ' ' .. token .. rec)
    end
    if given then
        redis.call('ZREM', k.idle, worker)
        return true
    end
    redis.call('HDEL', k.jobs, raw)
    if held then
        redis.call('HDEL', k.run_ .. worker, token)
    end
    if active == 1 then
        redis.call('HDEL', k.active, org)
    elseif type(active) == 'number' then
        redis.call('HINCRBY', k.active, org, -1)
    end
    return false
end

-- Something for the worker's next heartbeat: call it now.
function bell.command(k, worker)
    give(k, worker, 'c')
end

-- A due time earlier than all others: the scheduler must not oversleep it. No scheduler may be
-- listening, so at most one call waits, and not for long.
function bell.wake_scheduler(k)
    local key = k.bell_ .. bell.scheduler
    local length = redis.pcall('LPUSH', key, 's')
    if type(length) == 'number' then
        redis.call('LTRIM', key, 0, 0)
        redis.call('PEXPIRE', key, 60000)
    end
end
