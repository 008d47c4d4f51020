-- SPDX-License-Identifier: Apache-2.0
-- Brings back what was parked: because its time came, a finish made room, or a setting changed.
local wake = { again_ms = 50, scan = 100 }

-- May the org have anything to run? Delayed jobs count too: then it is visited in vain once. So is one that has marks
-- for nothing (levels.lua): its next job goes where they say, and nobody would look there.
local function has_jobs(k, org)
    local jobs, _, stale = queued.parse(redis.call('HGET', k.queued, org))
    return jobs + stale > 0 or redis.call('HEXISTS', k.levels, org) == 1 or not queued.is_counted(k)
end

local function wake_group(k, org, level, name)
    if group.revive(k, org, level, name) then
        fair.enter(k, { org })
        return true
    end
    return false
end

-- The cap of all groups changed: those that stand beyond the others in their rings run again, in parts, with each
-- call that looks at what is due. From a cursor of HSCAN on P:levels.
function wake.groups(k, cursor)
    if redis.call('EXISTS', k.levels) == 1 then
        parked.add(k, 0, 'levels/' .. (cursor or '0'), 0)
    end
end

-- The groups of an org that stand beyond the others run again, some of them.
local function wake_groups_of(k, now, org)
    if hold.free_some(k, org) then
        parked.add(k, now, 'groups/' .. org, now)
    end
end

-- Those of the next orgs of P:levels; a small hash is read as a whole, its further orgs are for later.
local function wake_groups(k, now, cursor)
    local later, n, part = {}, 0, redis.call('HSCAN', k.levels, cursor, 'COUNT', wake.scan)
    local flat = part[2]
    for i = 1, #flat, 2 do
        if string.find(string.match(flat[i + 1], '^[^,]*'), '%l') then
            n = n + 1
            if n <= wake.scan then
                wake_groups_of(k, now, flat[i])
            else
                later[#later + 1] = { member = 'groups/' .. flat[i], at = 0 }
            end
        end
    end
    parked.add_all(k, 0, later)
    if part[1] ~= '0' then
        wake.groups(k, part[1])
    end
    return n > 0
end

-- The type admits something again: those of the orgs that wait for it whose turn it is.
local function wake_type(k, x, kind)
    local room, at = limit.type_room(x, kind)
    if room <= 0 then
        if turns.any(k, kind) then
            parked.add(k, x.now, 'type/' .. kind, at)
        end
        return false
    end
    local n, more, ends = turns.call(k, x, kind, room, fair.cost(k, kind))
    if more then -- those that were called may not need all of the room
        parked.add(k, x.now, 'type/' .. kind, ends or x.now + (room == math.huge and 0 or wake.again_ms))
    end
    return n > 0
end

local function wake_one(k, x, member)
    local org, level, name = string.match(member, '^org/([^/]+)/group/(%d)/(.*)$')
    if org then
        return wake_group(k, org, level, name)
    end
    org = string.match(member, '^org/([^/]+)$')
    if org then
        if has_jobs(k, org) then
            turns.rejoin(k, org)
            fair.come_back(k, org)
            return true
        end
        return false
    end
    local of = string.match(member, '^groups/(.+)$')
    if of then
        wake_groups_of(k, x.now, of)
        return true
    end
    local cursor = string.match(member, '^levels/(%d+)$')
    if cursor then
        return wake_groups(k, x.now, cursor)
    end
    local kind = string.match(member, '^type/(.+)$')
    if kind then
        return wake_type(k, x, kind)
    end
    return member == 'queue'
end

-- Lets these members go; returns whether any of them brought work. Types come last: an org that comes back goes on
-- where it was, not as one that is called for its turn.
function wake.free(k, x, members)
    local any, types = false, {}
    redis.call('ZREM', k.parked, unpack(members))
    for _, member in ipairs(members) do
        if string.find(member, '^type/') then
            types[#types + 1] = member
        else
            any = wake_one(k, x, member) or any
        end
    end
    for _, member in ipairs(types) do
        any = wake_one(k, x, member) or any
    end
    return any
end

-- Lets go what may run now, up to 100. t: the call's tally.
function wake.due_now(k, now, t)
    local due = redis.call('ZRANGE', k.parked, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, 100)
    local x = limit.open(k, now, t.L or limit.nothing(), t.active)
    if #due > 0 and wake.free(k, x, due) then
        bell.ring(k, now)
    end
    limit.close(x) -- what a slower rate had left is cut for good
end

-- Lets go those of these members that are parked.
function wake.those(k, x, members)
    if #members == 0 then
        return
    end
    local found = {}
    for from = 1, #members, 1000 do
        local part = { unpack(members, from, math.min(from + 999, #members)) }
        for i, at in ipairs(redis.call('ZMSCORE', k.parked, unpack(part))) do
            if at then
                found[#found + 1] = part[i]
            end
        end
    end
    if #found > 0 and wake.free(k, x, found) then
        bell.ring(k, x.now)
    end
end
