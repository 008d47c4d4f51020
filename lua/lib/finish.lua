-- SPDX-License-Identifier: Apache-2.0
-- Ends claims. A claim is a field of P:run:<worker>; every function here takes tokens that
-- were found there and leaves it to the caller to delete the fields and to settle P:active.
local finish = {}

-- One claim that ends with anything but plain success. c: {raw, rec, m, head, outcome,
-- delay, category, message, context, result}; m has fence, started_at and worker set.
local outcome = {}

function outcome.ok(k, now, c, keep)
    c.m[M.result] = c.result ~= '' and c.result
    done.finish(k, now, c.raw, c.m, 'completed', false, keep)
    event.count(k, 'completed', 1)
end

function outcome.cancelled(k, now, c, keep)
    done.finish(k, now, c.raw, c.m, 'cancelled', false, keep)
    event.add(k, 'cancelled', c.raw, c.head)
    event.count(k, 'cancelled', 1)
end

function outcome.expired(k, now, c, keep)
    done.finish(k, now, c.raw, c.m, 'expired', false, keep)
    event.add(k, 'expired', c.raw, c.head)
    event.count(k, 'expired', 1)
end

function outcome.dead(k, now, c)
    c.m[M.attempts] = c.m[M.attempts] + 1
    meta.note_error(c.m, now, c.category, c.message, c.context)
    dlq.add(k, now, c.raw, c.rec, c.m)
end

-- Runs again after delay ms.
function finish.again(k, now, c)
    if c.delay > 0 then
        local due = now + c.delay
        c.m[M.next_retry_at] = due
        meta.put(k, c.raw, c.m)
        delay.add(k, c.raw, due)
    else
        c.m[M.next_retry_at] = now
        meta.put(k, c.raw, c.m)
        ready.push(k, c.raw, c.head, false)
        bell.ring(k, now)
    end
end

function outcome.retry(k, now, c, keep)
    if c.m[M.cancel] then
        return outcome.cancelled(k, now, c, keep)
    end
    c.m[M.attempts] = c.m[M.attempts] + 1
    meta.note_error(c.m, now, c.category, c.message, c.context)
    finish.again(k, now, c)
    event.add(k, 'retried', c.raw, c.head, {
        'category', c.m[M.category], 'attempts', c.m[M.attempts], 'delay_ms', c.delay,
    })
    event.count(k, 'retried', 1)
end

function outcome.snooze(k, now, c, keep)
    if c.m[M.cancel] then
        return outcome.cancelled(k, now, c, keep)
    end
    finish.again(k, now, c)
    event.count(k, 'snoozed', 1)
end

function outcome.release(k, now, c, keep)
    if c.m[M.cancel] then
        return outcome.cancelled(k, now, c, keep)
    end
    meta.put(k, c.raw, c.m)
    ready.push(k, c.raw, c.head, true)
    bell.ring(k, now)
    event.count(k, 'released', 1)
end

-- A worker was lost with it.
function outcome.recover(k, now, c, keep)
    if c.m[M.cancel] then
        return outcome.cancelled(k, now, c, keep)
    end
    c.m[M.recoveries] = c.m[M.recoveries] + 1
    if c.m[M.recoveries] >= LIMIT.poison then
        meta.note_error(c.m, now, 'lost_worker', 'its worker was lost 3 times while it ran', '')
        dlq.add(k, now, c.raw, c.rec, c.m)
    else
        meta.put(k, c.raw, c.m)
        ready.push(k, c.raw, c.head, true)
        bell.ring(k, now)
    end
    event.add(k, 'recovered', c.raw, c.head, { 'worker', c.m[M.worker] })
    event.count(k, 'recovered', 1)
end

finish.outcomes = outcome

-- "<claimed at> <org>" of a claim.
function finish.held(value)
    local space = string.find(value, ' ', 1, true)
    if not space then
        return 0, '' -- not ours
    end
    return tonumber(string.sub(value, 1, space - 1)) or 0, string.sub(value, space + 1)
end

-- Can the job go back to its list, if that is where it goes?
local function may_go_back(k, c, sound)
    local kept_out = c.outcome == 'ok' or c.outcome == 'dead' or c.outcome == 'cancelled' or c.outcome == 'expired'
    if kept_out or c.delay > 0 then
        return true
    end
    local level = string.format('%d', c.head[3])
    local name = c.head[2] .. ':' .. level
    if sound[name] == nil then
        sound[name] = ready.is_sound(k, c.head[2], level)
    end
    return sound[name]
end

-- Reads what the claims stand for, and writes nothing. list of {token, held, outcome, delay, …}.
-- Returns those that can be ended: not those whose list has a wrong type.
function finish.prepare(k, worker, list)
    if #list == 0 then
        return list
    end
    local ids, able, sound = {}, {}, {}
    for i, c in ipairs(list) do
        ids[i] = id.of_token(c.token)
    end
    local recs = redis.call('HMGET', k.jobs, unpack(ids))
    local metas = redis.call('HMGET', k.meta, unpack(ids))
    for i, c in ipairs(list) do
        local claimed_at, org = finish.held(c.held)
        c.raw, c.org = ids[i], org
        if record.is_record(recs[i]) then -- lost data otherwise: nothing but the claim is left to end
            c.rec, c.m, c.head = recs[i], meta.unpack(metas[i]), record.decode(recs[i])
            c.m[M.fence], c.m[M.started_at], c.m[M.worker] = id.fence(c.token), claimed_at, worker
        end
        if not c.rec or may_go_back(k, c, sound) then
            able[#able + 1] = c
        end
    end
    return able
end

-- Ends prepared claims one by one. delta: org -> change of P:active, filled in.
function finish.run(k, now, worker, list, keep, delta)
    if #list == 0 then
        return
    end
    local tokens = {}
    for i, c in ipairs(list) do
        tokens[i] = c.token
    end
    redis.call('HDEL', k.run_ .. worker, unpack(tokens))
    for _, c in ipairs(list) do
        delta[c.org] = (delta[c.org] or 0) - 1
        if c.rec then
            if c.outcome ~= 'ok' then
                c.m[M.progress], c.m[M.progress_message] = false, false
            end
            outcome[c.outcome](k, now, c, keep)
        end
    end
end

-- Both at once; returns how many were ended. What can't be ended stays claimed.
function finish.each(k, now, worker, list, keep, delta)
    local able = finish.prepare(k, worker, list)
    finish.run(k, now, worker, able, keep, delta)
    return #able
end

-- The common case, many at once: completed without a result.
function finish.completed(k, now, worker, tokens, held, keep, delta)
    local n = #tokens
    if n == 0 then
        return
    end
    local ids, org_of = {}, {}
    for i = 1, n do
        ids[i] = string.sub(tokens[i], 1, 16)
        local org = org_of[held[i]]
        if not org then
            local _, o = finish.held(held[i])
            org, org_of[held[i]] = o, o
        end
        delta[org] = (delta[org] or 0) - 1
    end
    redis.call('HDEL', k.run_ .. worker, unpack(tokens))
    if keep == 0 then
        redis.call('HDEL', k.jobs, unpack(ids))
        redis.call('HDEL', k.meta, unpack(ids))
    else
        finish.keep(k, now, worker, tokens, held, ids)
    end
    event.count(k, 'completed', n)
end

function finish.keep(k, now, worker, tokens, held, ids)
    local exists = redis.call('HMGET', k.jobs, unpack(ids))
    local metas = redis.call('HMGET', k.meta, unpack(ids))
    local put, add = {}, {}
    for i, raw in ipairs(ids) do
        if record.is_record(exists[i]) then
            local m = meta.unpack(metas[i])
            m[M.fence], m[M.worker] = id.fence(tokens[i]), worker
            m[M.started_at] = finish.held(held[i])
            m[M.status], m[M.finished_at] = 'completed', now
            m[M.next_retry_at], m[M.cancel] = false, false
            put[#put + 1], put[#put + 2] = raw, meta.pack(m)
            add[#add + 1], add[#add + 2] = now, raw
        end
    end
    if #put > 0 then
        redis.call('HSET', k.meta, unpack(put))
        redis.call('ZADD', k.done, unpack(add))
    end
end

-- Writes the changes of P:active; fields of 0 go.
function finish.settle(k, delta)
    local orgs = {}
    for org, d in pairs(delta) do
        if d ~= 0 then
            orgs[#orgs + 1] = org
        end
    end
    if #orgs == 0 then
        return
    end
    local set, drop = {}, {}
    for from = 1, #orgs, 1000 do
        local part = { unpack(orgs, from, math.min(from + 999, #orgs)) }
        local now_active = redis.call('HMGET', k.active, unpack(part))
        for i, org in ipairs(part) do
            local n = (tonumber(now_active[i] or 0) or 0) + delta[org]
            if n > 0 then
                set[#set + 1], set[#set + 2] = org, string.format('%d', n)
            else
                drop[#drop + 1] = org
            end
        end
    end
    if #set > 0 then
        redis.call('HSET', k.active, unpack(set))
    end
    if #drop > 0 then
        redis.call('HDEL', k.active, unpack(drop))
    end
end
