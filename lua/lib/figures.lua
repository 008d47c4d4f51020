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

-- Ids in ready lists: all known ids less those that stand elsewhere. Finished jobs that still
-- stand in a list are counted with the kept ones, tombstones with the ready ones until popped.
function figures.pending(k, held)
    local others = redis.call('ZCARD', k.delayed) + redis.call('ZCARD', k.done) + redis.call('XLEN', k.dlq)
    return math.max(0, redis.call('HLEN', k.jobs) - others - held)
end
