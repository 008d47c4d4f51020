-- SPDX-License-Identifier: Apache-2.0
-- Waking workers: one idle live worker per need. A worker that is woken is taken out of
-- P:idle; its next cycle registers it again if it finds too little. A ring therefore never
-- goes twice to one worker for two needs, and never to one whose lease ran out.
-- Calls are hints: a bell of a wrong type is passed over (pcall), never an error.
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

function bell.ring(k, now)
    for _ = 1, 100 do
        local popped = redis.call('ZPOPMIN', k.idle)
        local worker = popped[1]
        if not worker then
            return false
        end
        local lease = redis.call('ZSCORE', k.workers, worker)
        if lease and tonumber(lease) > now and give(k, worker, 'w') then
            return true
        end
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
