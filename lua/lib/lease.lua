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

-- Which of these tokens (200 at most) a worker holds: token -> true; nil when a key has a wrong type.
-- O(workers · tokens).
function lease.held(k, tokens)
    local is_held = {}
    for _, worker in ipairs(#tokens > 0 and redis.call('ZRANGE', k.workers, 0, -1) or {}) do
        local values = redis.pcall('HMGET', k.run_ .. worker, unpack(tokens))
        if values.err then
            return nil
        end
        for i, token in ipairs(tokens) do
            is_held[token] = is_held[token] or (values[i] and true)
        end
    end
    return is_held
end
