-- SPDX-License-Identifier: Apache-2.0
-- Workers' leases. A worker is live while its deadline in P:workers lies ahead; one whose lease
-- ran out changes nothing any more, whether or not its claims were recovered yet.
local lease = {}

function lease.check(k, now, worker)
    local deadline = redis.call('ZSCORE', k.workers, worker)
    if not deadline or tonumber(deadline) <= now then
        args.fail('WHLOST this worker is unknown here or its lease ran out')
    end
end

-- Ends up to batch claims of a worker with this outcome ('release' or 'recover'); returns how
-- many it ended and how many are left.
function lease.drop_claims(k, now, worker, how, batch, keep)
    local key = k.run_ .. worker
    local flat
    if redis.call('HLEN', key) <= batch then
        flat = redis.call('HGETALL', key)
    else
        flat = redis.call('HSCAN', key, 0, 'COUNT', batch)[2]
    end
    local list, delta = {}, {}
    for i = 1, math.min(#flat, 2 * batch), 2 do
        list[#list + 1] = {
            token = flat[i], held = flat[i + 1], outcome = how,
            delay = 0, category = '', message = '', context = '', result = '',
        }
    end
    finish.each(k, now, worker, list, keep, delta)
    finish.settle(k, delta)
    return #list, redis.call('HLEN', key)
end

-- Everything that a worker without claims leaves behind.
function lease.forget(k, worker)
    redis.call('ZREM', k.workers, worker)
    redis.call('ZREM', k.idle, worker)
    redis.call('HDEL', k.info, worker)
    redis.call('DEL', k.run_ .. worker, k.bell_ .. worker, k.command_ .. worker)
end

-- Recovers claims of workers whose lease ran out, up to batch jobs. Returns jobs, workers.
function lease.recover(k, now, batch, keep)
    local jobs, workers = 0, 0
    local lost = redis.call('ZRANGE', k.workers, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, 100)
    for _, worker in ipairs(lost) do
        local ended, left = lease.drop_claims(k, now, worker, 'recover', batch - jobs, keep)
        jobs = jobs + ended
        if left == 0 then
            lease.forget(k, worker)
            event.add(k, 'worker_lost', nil, nil, { 'worker', worker })
            workers = workers + 1
        end
        if jobs >= batch then
            break
        end
    end
    event.count(k, 'workers_lost', workers)
    return jobs, workers
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
