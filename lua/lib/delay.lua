-- SPDX-License-Identifier: Apache-2.0
-- The index of jobs that are not due yet, and that of those that must start in time.
local delay = {}

-- Delays ids, flat {due, id, …} and the earliest due time among them; the scheduler is woken
-- when that is before all others.
function delay.add_all(k, flat, earliest)
    local first = redis.call('ZRANGE', k.delayed, '0', '0', 'WITHSCORES')[2]
    redis.call('ZADD', k.delayed, unpack(flat))
    if not first or earliest < tonumber(first) then
        bell.wake_scheduler(k)
    end
end

function delay.add(k, raw, due)
    delay.add_all(k, { due, raw }, due)
end

-- Jobs expire at these times, flat {time, id, …}. The scheduler looks each second while there are such jobs, else
-- seldom: the first ones wake it.
function delay.expire_all(k, flat)
    local n = redis.call('ZADD', k.expiry, unpack(flat))
    if n > 0 and redis.call('ZCARD', k.expiry) == n then
        bell.wake_scheduler(k)
    end
end

function delay.expire(k, raw, at)
    delay.expire_all(k, { at, raw })
end

-- Milliseconds to the earliest member of a sorted set of times, 0 when due, -1 when empty.
function delay.next_in(key, now)
    local first = redis.call('ZRANGE', key, '0', '0', 'WITHSCORES')[2]
    if not first or first == 'inf' then
        return -1
    end
    return math.max(0, tonumber(first) - now)
end
