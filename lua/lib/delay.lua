-- SPDX-License-Identifier: Apache-2.0
-- The index of jobs that are not due yet.
local delay = {}

-- Delays an id; the scheduler is woken when it is due before all others.
function delay.add(k, raw, due)
    local first = redis.call('ZRANGE', k.delayed, 0, 0, 'WITHSCORES')[2]
    redis.call('ZADD', k.delayed, due, raw)
    if not first or due < tonumber(first) then
        bell.wake_scheduler(k)
    end
end

-- Milliseconds to the earliest member of a sorted set of times, 0 when due, -1 when empty.
function delay.next_in(key, now)
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
    if not first then
        return -1
    end
    return math.max(0, tonumber(first) - now)
end
