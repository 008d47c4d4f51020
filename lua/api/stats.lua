-- SPDX-License-Identifier: Apache-2.0
-- Figures of a partition. Reads only. O(workers) and at most 100 orgs for stats.
--   wh1_stats -> flat name, integer… · wh1_workers -> flat worker, lease left ms, held, idle, info…
--   wh1_orgs cursor limit -> [next, org, ready, active, weight, …]
-- `handed` counts jobs that were enqueued and claimed in one step: one write less for those.
local COUNTERS = {
    'enqueued', 'claimed', 'completed', 'retried', 'dead_total', 'snoozed', 'released', 'cancelled', 'expired',
    'recovered', 'fenced', 'workers_lost', 'replayed', 'purged', 'promoted', 'cron_fired', 'damaged',
}

-- When the job became ready: after its delay, or at its last retry.
local function ready_since(rec, m)
    local head = record.decode(rec)
    return m[M.next_retry_at] or record.enqueued_at(rec) + (head[4] and head[4].dl or 0)
end

-- Since when the first living job of a place waits, among its first ten ids; nil when there is none.
local function first_since(k, key, read)
    local ids = redis.call(read, key, 0, 9)
    if #ids == 0 then
        return nil
    end
    local recs, metas = redis.call('HMGET', k.jobs, unpack(ids)), redis.call('HMGET', k.meta, unpack(ids))
    for i = 1, #ids do
        local m = meta.unpack(metas[i])
        if record.is_record(recs[i]) and not m[M.status] then
            return ready_since(recs[i], m)
        end
    end
    return nil
end

-- How long the oldest ready job waits, over the first 100 orgs of the ring, and 100 groups in a place of an org, 1,000
-- places in all; -1: nobody waits.
local function oldest(k, now)
    local age, looks = -1, 0
    for _, org in ipairs(redis.call('ZRANGE', k.ring, 0, 99)) do
        if looks < 1000 then
            ready.each(k, org, function(key, read, length)
                local since = length > 0 and first_since(k, key, read)
                age, looks = since and math.max(age, now - since) or age, looks + 1
            end, 100)
        end
    end
    return age
end

args.register('wh1_stats', function(KEYS)
    local k = keys.of(KEYS)
    local now = clock.now()
    local in_flight = figures.held(k)
    local out = {
        'now_ms', now,
        'pending', figures.pending(k, in_flight),
        'scheduled', redis.call('ZCARD', k.delayed),
        'in_progress', in_flight,
        'kept', redis.call('ZCARD', k.done),
        'dead', redis.call('XLEN', k.dlq),
        'orgs', redis.call('ZCARD', k.ring),
        'workers', redis.call('ZCOUNT', k.workers, '(' .. string.format('%.0f', now), '+inf'),
        'idle', redis.call('ZCARD', k.idle),
        'paused', redis.call('HGET', k.ctl, 'paused') == '1' and 1 or 0,
        'oldest_ms', oldest(k, now),
    }
    local values = redis.call('HMGET', k.stats, 'handed', unpack(COUNTERS))
    local handed = tonumber(values[1] or 0) or 0
    for i, name in ipairs(COUNTERS) do
        local n = tonumber(values[i + 1] or 0) or 0
        out[#out + 1], out[#out + 2] = name, i <= 2 and n + handed or n
    end
    return out
end, { 'no-writes' })

args.register('wh1_workers', function(KEYS)
    local k = keys.of(KEYS)
    local now, out = clock.now(), {}
    local flat = redis.call('ZRANGE', k.workers, 0, -1, 'WITHSCORES')
    for i = 1, #flat, 2 do
        local worker = flat[i]
        out[#out + 1] = worker
        out[#out + 1] = tonumber(flat[i + 1]) - now
        out[#out + 1] = redis.call('HLEN', k.run_ .. worker)
        out[#out + 1] = redis.call('ZSCORE', k.idle, worker) and 1 or 0
        out[#out + 1] = redis.call('HGET', k.info, worker) or ''
    end
    return out
end, { 'no-writes' })

args.register('wh1_orgs', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 2, 'WHBADARG usage: cursor limit')
    local from = args.int(ARGV[1], 0, 1000000000, 'WHBADARG the cursor must be a number, 0 to begin')
    local count = args.int(ARGV[2], 1, LIMIT.batch, 'WHBADARG limit must be 1 to 1000')
    local orgs = queued.orgs(k, true)
    local last = math.min(from + count, #orgs)
    local out = { last < #orgs and string.format('%d', last) or '' }
    for i = from + 1, last do
        local org = orgs[i]
        local active = tonumber(redis.call('HGET', k.active, org) or 0) or 0
        if active > 0 or not queued.is_counted(k) or queued.parse(redis.call('HGET', k.queued, org)) > 0 then
            out[#out + 1] = org
            out[#out + 1] = figures.ready(k, org)
            out[#out + 1] = active
            out[#out + 1] = redis.call('HGET', k.weights, org) or '1'
        end
    end
    return out
end, { 'no-writes' })
