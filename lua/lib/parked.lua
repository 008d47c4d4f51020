-- SPDX-License-Identifier: Apache-2.0
-- P:parked: what may not run now, and when it may: 'org/<org>', 'type/<type>', 'queue',
-- 'org/<org>/group/<level>/<group>'. 'inf': until a finish or a change of the settings frees it.
local parked = { turns_ms = 3600000 }

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

-- Orgs that wait for a type take turns by start-time fair queueing, as in the ring (fair.lua), but of the jobs of this
-- type alone: what an org got of other types, or that it was held back for long, neither helps nor harms it here.
-- P:waiting:<type>: org -> its start tag (jobs over weight). P:turns:<type>: what those that do not wait now have
-- reached; '' there: the latest start tag that had its turn. A key that is not ours held no org.
local function turns_of(k, kind, org)
    local v = redis.pcall('ZMSCORE', k.turns_ .. kind, org, '')
    return v.err and 0 or math.max(tonumber(v[1] or 0), tonumber(v[2] or 0))
end

-- An org that has nothing to run but what a type holds back waits for it.
function parked.wait(k, kind, org)
    local key, tag = k.waiting_ .. kind, turns_of(k, kind, org)
    if type(redis.pcall('ZADD', key, 'NX', tag, org)) ~= 'number' then
        redis.call('DEL', key)
        redis.call('ZADD', key, tag, org)
    end
end

-- Does another org wait whose turn comes before this one's?
function parked.is_others_turn(k, kind, org)
    local first = redis.pcall('ZRANGE', k.waiting_ .. kind, 0, 0, 'WITHSCORES')
    if first.err or not first[2] or first[1] == org then
        return false
    end
    return turns_of(k, kind, org) > tonumber(first[2])
end

-- An org that was called has no job of the type, or may not run any: the next one is called soon.
function parked.call_next(k, now, kind)
    if redis.call('EXISTS', k.waiting_ .. kind) == 1 then
        parked.add(k, now, 'type/' .. kind, now)
    end
end

-- n jobs of the type were given to an org of this weight. Where nobody waits, nobody counts.
function parked.charge(k, kind, org, n, weight)
    local key = k.turns_ .. kind
    if type(redis.pcall('ZCARD', key)) == 'number' and redis.call('EXISTS', key) == 1 then
        redis.call('ZINCRBY', key, n / weight, org)
    end
end

-- Those whose turn it is when a type admits so many jobs, at most 100, wait no more.
function parked.take_waiting(k, kind, room)
    local key, turns = k.waiting_ .. kind, k.turns_ .. kind
    local flat = redis.pcall('ZRANGE', key, 0, 99, 'WITHSCORES')
    if flat.err or #flat == 0 then
        return {}
    end
    local orgs = {}
    for i = 1, #flat, 2 do
        orgs[#orgs + 1] = flat[i]
    end
    local woken, tags, latest = {}, { 'ZADD', turns }, 0
    for _, s in ipairs(fair.shares(flat, fair.weights(k, orgs), math.min(room, 1000), 1, 1)) do
        woken[#woken + 1] = s.org
        tags[#tags + 1], tags[#tags + 2] = s.v, s.org
        latest = math.max(latest, s.v)
    end
    redis.call('ZREM', key, unpack(woken))
    tags[#tags + 1], tags[#tags + 2] = latest, ''
    if type(redis.pcall('ZCARD', turns)) ~= 'number' then
        redis.call('DEL', turns)
    end
    redis.call(unpack(tags))
    redis.call('PEXPIRE', turns, parked.turns_ms)
    return woken
end
