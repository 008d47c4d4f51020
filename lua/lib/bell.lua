-- SPDX-License-Identifier: Apache-2.0
-- Waking workers: one idle live worker per need. A worker that is woken is taken out of
-- P:idle; its next cycle registers it again if it finds too little. A ring therefore never
-- goes twice to one worker for two needs, and never to one whose lease ran out.
local bell = { scheduler = 'scheduler' }

function bell.ring(k, now)
    for _ = 1, 100 do
        local popped = redis.call('ZPOPMIN', k.idle)
        local worker = popped[1]
        if not worker then
            return false
        end
        local lease = redis.call('ZSCORE', k.workers, worker)
        if lease and tonumber(lease) > now then
            redis.call('LPUSH', k.bell_ .. worker, 'w')
            return true
        end
    end
    return false
end

-- Something for the worker's next heartbeat: call it now.
function bell.command(k, worker)
    redis.call('LPUSH', k.bell_ .. worker, 'c')
    redis.call('LTRIM', k.bell_ .. worker, 0, 9)
end

-- A due time earlier than all others: the scheduler must not oversleep it. No scheduler may be
-- listening, so at most one call waits, and not for long.
function bell.wake_scheduler(k)
    local key = k.bell_ .. bell.scheduler
    redis.call('LPUSH', key, 's')
    redis.call('LTRIM', key, 0, 0)
    redis.call('PEXPIRE', key, 60000)
end
