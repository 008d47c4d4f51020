-- SPDX-License-Identifier: Apache-2.0
-- P:parked: what may not run now, and when it may: 'org/<org>', 'type/<type>', 'queue',
-- 'org/<org>/group/<level>/<group>'. 'inf': until a finish or a change of the settings frees it.
local parked = {}

-- at: a time in ms or 'inf'. An earlier time that is there already stays.
function parked.add(k, now, member, at)
    if at ~= 'inf' then
        at = math.max(math.ceil(at), now + 1)
        local first = redis.call('ZRANGE', k.parked, 0, 0, 'WITHSCORES')[2]
        redis.call('ZADD', k.parked, 'LT', at, member)
        if not first or at < tonumber(first) then
            bell.wake_scheduler(k)
        end
    else
        redis.call('ZADD', k.parked, 'LT', 'inf', member)
    end
end

-- A setting changed: look at these again (nil: at all of them).
function parked.recheck(k, member)
    if member then
        redis.call('ZADD', k.parked, 0, member)
    elseif redis.call('EXISTS', k.parked) == 1 then
        redis.call('ZUNIONSTORE', k.parked, 1, k.parked, 'WEIGHTS', 0)
    end
    bell.wake_scheduler(k)
end
