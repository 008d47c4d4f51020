-- SPDX-License-Identifier: Apache-2.0
-- How many jobs of a partition are in which state. Reads only.
local figures = {}

-- Claims in flight. O(workers).
function figures.held(k)
    local n = 0
    for _, worker in ipairs(redis.call('ZRANGE', k.workers, 0, -1)) do
        n = n + redis.call('HLEN', k.run_ .. worker)
    end
    return n
end

-- Ready jobs: those that wait less the delayed ones. Where the waiting ones are not counted (lib/queued.lua): all known
-- ids less those that stand elsewhere, tombstones among them until they are popped. in_flight: claims, if known.
function figures.pending(k, in_flight)
    local delayed = redis.call('ZCARD', k.delayed)
    if queued.is_counted(k) then
        return math.max(0, queued.parse(redis.call('HGET', k.queued, queued.all)) - delayed)
    end
    local others = delayed + redis.call('ZCARD', k.done) + redis.call('XLEN', k.dlq) + (in_flight or figures.held(k))
    return math.max(0, redis.call('HLEN', k.jobs) - others)
end

-- Ready jobs of an org, over all its places, without the ids of those that ended there. O(places and groups).
function figures.ready(k, org)
    local _, _, stale = queued.parse(redis.call('HGET', k.queued, org))
    local n = -stale
    ready.each(k, org, function(_, _, length)
        n = n + length
    end)
    return math.max(n, 0)
end
