-- SPDX-License-Identifier: Apache-2.0
-- Waking workers: one idle live worker per need. A worker that is woken is taken out of
-- P:idle; its next cycle registers it again if it finds too little. A ring therefore never
-- goes twice to one worker for two needs, and never to one whose lease ran out.
-- Calls are hints: a key of a wrong type wakes nobody (pcall) and is never an error.
local bell = { scheduler = 'scheduler', keep = 10, sure_ms = 6000 }

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

-- Registers a worker as idle since now; ends: its lease does then. What the score has besides the time says
-- more without a further key or call: half a millisecond that it takes jobs over the bell (hand-off), a
-- quarter that its lease lasts sure_ms at least. An idle worker asks again sooner than that.
function bell.wait(k, now, worker, takes_jobs, ends)
    local extra = (takes_jobs and 0.5 or 0) + (ends - now >= bell.sure_ms and 0.25 or 0)
    redis.call('ZADD', k.idle, now + extra, worker)
end

-- Does the lease last of a worker that registered with this score?
local function is_live(k, now, worker, score)
    if score % 0.5 > 0 and now - score < bell.sure_ms - 1 then -- the score is up to 0.75 ms late
        return true
    end
    local deadline = redis.pcall('ZSCORE', k.workers, worker)
    return type(deadline) == 'string' and tonumber(deadline) > now
end

-- Takes the live worker that waits longest.
local function next_idle(k, now)
    for _ = 1, 100 do
        local first = redis.pcall('ZPOPMIN', k.idle)
        local worker = first[1]
        if not worker then
            return nil
        end
        if is_live(k, now, worker, tonumber(first[2])) then
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
-- Each write follows a read of its key or can fail (a wrong type) and be taken back. Numbers are
-- text: Redis' way to make text of them costs as much as some commands.
function bell.hand_off(k, now, raw, rec, head)
    local org, first = head.org, redis.pcall('ZPOPMIN', k.idle)
    local worker, score = first[1], tonumber(first[2] or '')
    if not worker then
        return false
    end
    local is_taker = score % 1 >= 0.5
    if is_taker and not is_live(k, now, worker, score) then
        return false -- it is passed over for good
    end
    if not is_taker or redis.pcall('HSETNX', k.jobs, raw, rec) ~= 1 then
        redis.call('ZADD', k.idle, first[2], worker)
        return false
    end
    local token, text = raw .. '1', clock.text(now)
    local active, held, given = redis.pcall('HINCRBY', k.active, org, '1')
    if type(active) == 'number' then
        held = redis.pcall('HSET', k.run_ .. worker, token, text .. ' ' .. org .. ' ' .. head.type .. ' 0') == 1
        given = held and give(k, worker, 'j' .. text .. ' ' .. token .. rec)
    end
    if given then
        redis.pcall('HINCRBY', k.stats, 'handed', '1')
        return true
    end
    redis.call('ZADD', k.idle, first[2], worker)
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

-- A due time earlier than all others, or a new partition: the scheduler must not oversleep it. No scheduler may
-- be listening, so at most one call waits, and not for long.
function bell.wake_scheduler(k)
    local key = k.bell_ .. bell.scheduler
    local length = redis.pcall('LPUSH', key, 's')
    if type(length) == 'number' then
        redis.call('LTRIM', key, 0, 0)
        redis.call('PEXPIRE', key, 60000)
    end
end
