-- SPDX-License-Identifier: Apache-2.0
-- Ends claims. A claim is a field of P:run:<worker>; every function here takes tokens that
-- were found there. t: the call's tally, which the caller settles.
local finish = { not_started = 'not_started' }

-- One claim that ends with anything but plain success. c: {raw, rec, m, head, outcome,
-- delay, category, message, context, result}; m has fence, started_at and worker set.
local outcome = {}

function outcome.ok(k, now, c, keep)
    unique.release(k, c.raw, c.head)
    c.m[M.result] = c.result ~= '' and c.result
    done.finish(k, now, c.raw, c.m, 'completed', false, keep)
    event.count(k, 'completed', 1)
end

function outcome.cancelled(k, now, c, keep)
    unique.release(k, c.raw, c.head)
    done.finish(k, now, c.raw, c.m, 'cancelled', false, keep)
    event.add(k, 'cancelled', c.raw, c.head)
    event.count(k, 'cancelled', 1)
end

function outcome.expired(k, now, c, keep)
    unique.release(k, c.raw, c.head)
    done.finish(k, now, c.raw, c.m, 'expired', false, keep)
    event.add(k, 'expired', c.raw, c.head)
    event.count(k, 'expired', 1)
end

function outcome.dead(k, now, c)
    c.m[M.attempts] = c.m[M.attempts] + 1
    meta.note_error(c.m, now, c.category, c.message, c.context)
    dlq.add(k, now, c.raw, c.rec, c.m)
end

-- Waits again.
local function requeue(k, now, c, at_head)
    ready.push(k, c.raw, c.rec, c.head, at_head)
    queued.add(c.t.queued, c.org, 1, #c.rec)
    bell.ring(k, now)
end

-- A handler had it; from then on it does not expire (docs/protocol.md section 8). Otherwise it still may: while it
-- was claimed, timed.expire may have dropped it from the index. Of one that waits for it, not_started tells that.
local function note_start(k, c)
    c.m[M.not_started] = c.outcome == 'snooze' and c.delay > 0 and c.category == finish.not_started and 1
    if c.category ~= finish.not_started and c.category ~= 'no_handler' then
        c.m[M.started] = 1
    elseif c.head[4] and c.head[4].xp and not meta.has_run(c.m) then
        delay.expire(k, c.raw, record.enqueued_at(c.rec) + c.head[4].xp)
    end
end

-- What its handler said when it put it off, of the last claim that ended if it did, and how often it did.
local function note_snooze(c)
    c.m[M.snoozes] = (c.m[M.snoozes] or 0) + 1
    c.m[M.snooze] = { c.category, c.message }
end

-- Released, or its worker was lost: its next start is no retry, whose time may be over. Only of jobs with that time.
local function note_given_back(c)
    if c.head[4] and c.head[4].rf then
        c.m[M.given_back] = 1
    end
end

-- Runs again after delay ms.
function finish.again(k, now, c)
    if c.delay > 0 then
        queued.add(c.t.queued, c.org, 1, #c.rec)
        local due = now + c.delay
        c.m[M.next_retry_at] = due
        meta.put(k, c.raw, c.m)
        delay.add(k, c.raw, due)
    else
        c.m[M.next_retry_at] = now
        meta.put(k, c.raw, c.m)
        requeue(k, now, c, false)
    end
end

function outcome.retry(k, now, c, keep)
    if c.m[M.cancel] then
        return outcome.cancelled(k, now, c, keep)
    end
    c.m[M.attempts], c.m[M.given_back] = c.m[M.attempts] + 1, false
    meta.note_error(c.m, now, c.category, c.message, c.context)
    note_start(k, c)
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
    note_start(k, c)
    if c.category ~= finish.not_started then
        c.m[M.given_back] = false
        note_snooze(c)
    end
    finish.again(k, now, c)
    event.count(k, 'snoozed', 1)
end

function outcome.release(k, now, c, keep)
    if c.m[M.cancel] then
        return outcome.cancelled(k, now, c, keep)
    end
    note_start(k, c)
    note_given_back(c)
    meta.put(k, c.raw, c.m)
    requeue(k, now, c, true)
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
        note_given_back(c)
        meta.put(k, c.raw, c.m)
        requeue(k, now, c, true)
    end
    event.add(k, 'recovered', c.raw, c.head, { 'worker', c.m[M.worker] })
    event.count(k, 'recovered', 1)
end

finish.outcomes = outcome

-- Can the job go back to its list, if that is where it goes?
local function may_go_back(k, c, sound)
    local kept_out = c.outcome == 'ok' or c.outcome == 'dead' or c.outcome == 'cancelled' or c.outcome == 'expired'
    if kept_out or c.delay > 0 then
        return true
    end
    local p = place.of(k, c.head)
    if sound[p.key] == nil then
        sound[p.key] = place.is_sound(p)
    end
    return sound[p.key]
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
        local h, at = tally.parse(c.held)
        c.raw, c.org = ids[i], h.org
        if record.is_record(recs[i]) then -- lost data otherwise: nothing but the claim is left to end
            c.rec, c.m, c.head = recs[i], meta.unpack(metas[i]), record.decode(recs[i])
            c.m[M.fence], c.m[M.started_at], c.m[M.worker] = id.fence(c.token), at, worker
        end
        if not c.rec or may_go_back(k, c, sound) then
            able[#able + 1] = c
        end
    end
    return able
end

-- Ends prepared claims one by one.
function finish.run(k, now, worker, list, keep, t)
    if #list == 0 then
        return
    end
    local tokens = {}
    for i, c in ipairs(list) do
        tokens[i] = c.token
    end
    redis.call('HDEL', k.run_ .. worker, unpack(tokens))
    for _, c in ipairs(list) do
        tally.note(t, c.held, c)
        if c.rec then
            c.t = t
            c.m[M.snooze] = false
            if c.outcome ~= 'ok' then
                c.m[M.progress], c.m[M.progress_message] = false, false
            end
            outcome[c.outcome](k, now, c, keep)
        end
    end
end

-- Both at once; returns how many were ended. What can't be ended stays claimed.
function finish.each(k, now, worker, list, keep, t)
    local able = finish.prepare(k, worker, list)
    finish.run(k, now, worker, able, keep, t)
    return #able
end

-- Each token once, and its value; those that were named before.
local function once(tokens, held)
    local seen, list, values, again = {}, {}, {}, {}
    for i, token in ipairs(tokens) do
        if seen[token] then
            again[#again + 1] = token
        else
            seen[token], list[#list + 1], values[#values + 1] = true, token, held[i]
        end
    end
    return list, values, again
end

-- Notes what the values say, most often the same many times in a row. Returns whether a job has a unique key.
local function note_all(t, held)
    local n, first, is_keyed = #held, 1, false
    for i = 1, n do
        local value = held[i]
        if held[i + 1] ~= value then
            is_keyed = tally.completed(t, value, i - first + 1).is_keyed or is_keyed
            first = i + 1
        end
    end
    return is_keyed
end

-- The common case, many at once: completed without a result. Returns how many, and the tokens that were named
-- before, if any.
function finish.completed(k, now, worker, tokens, held, keep, t)
    if #tokens == 0 then
        return 0
    end
    local again
    if redis.call('HDEL', k.run_ .. worker, unpack(tokens)) < #tokens then
        tokens, held, again = once(tokens, held)
    end
    local ids, sub = {}, string.sub
    for i = 1, #tokens do
        ids[i] = sub(tokens[i], 1, 16)
    end
    if note_all(t, held) then
        unique.release_all(k, ids)
    end
    if keep == 0 then
        redis.call('HDEL', k.jobs, unpack(ids))
        if redis.call('EXISTS', k.meta) == 1 then
            redis.call('HDEL', k.meta, unpack(ids))
        end
    else
        finish.keep(k, now, worker, tokens, held, ids)
    end
    event.count(k, 'completed', #tokens)
    return #tokens, again
end

function finish.keep(k, now, worker, tokens, held, ids)
    local exists = redis.call('HMGET', k.jobs, unpack(ids))
    local metas = redis.call('HMGET', k.meta, unpack(ids))
    local put, add = {}, {}
    for i, raw in ipairs(ids) do
        if record.is_record(exists[i]) then
            local m = meta.unpack(metas[i])
            m[M.fence], m[M.worker] = id.fence(tokens[i]), worker
            m[M.started_at] = select(2, tally.parse(held[i]))
            m[M.status], m[M.finished_at] = 'completed', now
            m[M.next_retry_at], m[M.cancel], m[M.snooze] = false, false, false
            put[#put + 1], put[#put + 2] = raw, meta.pack(m)
            add[#add + 1], add[#add + 2] = now, raw
        end
    end
    if #put > 0 then
        redis.call('HSET', k.meta, unpack(put))
        redis.call('ZADD', k.done, unpack(add))
    end
end
