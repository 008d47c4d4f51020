-- SPDX-License-Identifier: Apache-2.0
-- P:parked: what may not run now, and when it may: 'org/<org>', 'type/<type>', 'queue',
-- 'org/<org>/group/<level>/<group>'. 'inf': until a finish or a change of the settings frees it.
local parked = {}

-- Array of {member, at}; at: a time in ms or 'inf'. An earlier time that is there already stays.
function parked.add_all(k, now, list)
    local add, soonest = { 'ZADD', k.parked, 'LT' }, math.huge
    for i, p in ipairs(list) do
        local at = p.at
        if at ~= 'inf' then
            at = math.max(math.ceil(at), now + 1)
            soonest = math.min(soonest, at)
        end
        add[2 * i + 2], add[2 * i + 3] = at, p.member
    end
    if #add == 3 then
        return
    end
    local first = soonest < math.huge and redis.call('ZRANGE', k.parked, '0', '0', 'WITHSCORES')[2]
    redis.call(unpack(add))
    if soonest < math.huge and (not first or soonest < tonumber(first)) then
        bell.wake_scheduler(k)
    end
end

function parked.add(k, now, member, at)
    parked.add_all(k, now, { { member = member, at = at } })
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
