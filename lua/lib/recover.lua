-- SPDX-License-Identifier: Apache-2.0
-- Takes claims away from workers: from those whose lease ran out, those that leave, and those that never
-- heard of a claim.
local recover = {}

-- Up to batch claims of a worker, flat {token, held value, …}. One HSCAN may find nothing in a table
-- that was emptied in part, so the cursor is followed.
local function some_claims(key, batch)
    if redis.call('HLEN', key) <= batch then
        return redis.call('HGETALL', key)
    end
    local flat, cursor = {}, '0'
    repeat
        local page = redis.call('HSCAN', key, cursor, 'COUNT', batch)
        cursor = page[1]
        for i = 1, #page[2] do
            flat[#flat + 1] = page[2][i]
        end
    until cursor == '0' or #flat >= 2 * batch
    return flat
end

-- Claims to end with 'release' or 'recover', as finish.each wants them. The last id comes first: each
-- goes to the head of its list, where ids that grow with time then stand in their old order. A worker that
-- never heard of its claims, or left them when it said goodbye, started none of them as far as anybody knows.
function recover.to_drop(flat, how, batch, spare)
    local list, category = {}, how == 'release' and finish.not_started or ''
    for i = 1, #flat, 2 do
        if #list < batch and not (spare and spare[flat[i]]) then
            local c = {
                token = flat[i], held = flat[i + 1], outcome = how,
                delay = 0, category = category, message = '', context = '', result = '',
            }
            c[1], c[2], c[3] = id.numbers(c.token)
            list[#list + 1] = c
        end
    end
    table.sort(list, id.is_after)
    return list
end

-- Ends up to batch claims of a worker with this outcome; returns how many it ended and how many
-- are left.
function recover.drop_claims(k, now, worker, how, batch, keep)
    local key, t = k.run_ .. worker, tally.new(limit.holding(limit.now(k)))
    local list = recover.to_drop(some_claims(key, batch), how, batch)
    local ended = finish.each(k, now, worker, list, keep, t)
    tally.settle(k, now, t)
    return ended, redis.call('HLEN', key)
end

-- Everything that a worker without claims leaves behind.
function recover.forget(k, worker)
    redis.call('ZREM', k.workers, worker)
    redis.call('ZREM', k.idle, worker)
    redis.call('HDEL', k.info, worker)
    redis.call('DEL', k.run_ .. worker, k.bell_ .. worker, k.command_ .. worker)
end

-- Recovers claims of workers whose lease ran out, up to batch jobs. Returns jobs, workers. One whose
-- claims are in a key of a wrong type is passed over; wh1_audit tells of it.
function recover.run(k, now, batch, keep)
    local jobs, workers = 0, 0
    local lost = redis.call('ZRANGE', k.workers, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, 100)
    for _, worker in ipairs(lost) do
        local ended, left = 0, redis.pcall('HLEN', k.run_ .. worker)
        if type(left) == 'number' and left > 0 then
            ended, left = recover.drop_claims(k, now, worker, 'recover', batch - jobs, keep)
        end
        jobs = jobs + ended
        if left == 0 then
            recover.forget(k, worker)
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
