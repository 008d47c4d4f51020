-- SPDX-License-Identifier: Apache-2.0
-- Workers' leases. A worker is live while its deadline in P:workers lies ahead; one whose lease
-- ran out changes nothing any more, whether or not its claims were recovered yet.
local lease = {}

-- Returns when it runs out.
function lease.check(k, now, worker)
    local ends = tonumber(redis.call('ZSCORE', k.workers, worker) or '')
    if not ends or ends <= now then
        args.fail('WHLOST this worker is unknown here or its lease ran out')
    end
    return ends
end

-- The worker that holds this token, or nil. O(workers): for rare questions only.
function lease.holder(k, token)
    for _, worker in ipairs(redis.call('ZRANGE', k.workers, 0, -1)) do
        local held = redis.call('HGET', k.run_ .. worker, token)
        if held then
            return worker, held
        end
    end
    return nil
end
