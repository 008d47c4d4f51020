-- SPDX-License-Identifier: Apache-2.0
-- What happened to a job besides enqueue, claim and plain success: an array with the indices
-- below, absent values false (so that it packs as an array). docs/protocol.md section 4.
local M = {
    attempts = 1,
    recoveries = 2,
    fence = 3,
    status = 4,
    queued = 5,
    next_retry_at = 6,
    category = 7,
    message = 8,
    context = 9,
    progress = 10,
    progress_message = 11,
    started_at = 12,
    finished_at = 13,
    result = 14,
    worker = 15,
    history = 16,
    cancel = 17,
    started = 18,
    given_back = 19,
    not_started = 20,
    snoozes = 21,
    snooze = 22,
}
local meta = { size = 22 }

function meta.new()
    local m = { 0, 0, 0 }
    for i = 4, meta.size do
        m[i] = false
    end
    return m
end

-- v: packed bytes or false.
function meta.unpack(v)
    if not v or v == '' then
        return meta.new()
    end
    local ok, m = pcall(cmsgpack.unpack, v)
    if not ok or type(m) ~= 'table' or type(m[1]) ~= 'number' or type(m[2]) ~= 'number' or type(m[3]) ~= 'number' then
        return meta.new() -- not ours; a job must not be lost over it
    end
    for i = 1, meta.size do
        if m[i] == nil then
            m[i] = i <= 3 and 0 or false
        end
    end
    return m
end

-- The packed values of these ids, nil where no job has one: a partition that keeps nothing and where all
-- goes well.
function meta.many(k, ids)
    if redis.call('EXISTS', k.meta) == 0 then
        return nil
    end
    return redis.call('HMGET', k.meta, unpack(ids))
end

function meta.pack(m)
    local last = meta.size
    while last > 3 and not m[last] do
        last = last - 1
    end
    local out = {}
    for i = 1, last do
        out[i] = m[i]
    end
    return cmsgpack.pack(out)
end

function meta.get(k, raw)
    return meta.unpack(redis.call('HGET', k.meta, raw))
end

function meta.put(k, raw, m)
    redis.call('HSET', k.meta, raw, meta.pack(m))
end

-- A handler had it before, or a worker was lost with it. An older library marked no start: of its attempts only the
-- category tells.
function meta.has_run(m)
    return m[M.started] == 1 or m[M.recoveries] > 0 or (m[M.attempts] > 0 and m[M.category] ~= 'no_handler')
end

-- At most max bytes, not ending inside a UTF-8 sequence.
local function cut(text, max)
    if #text <= max then
        return text
    end
    while max > 0 do
        local next_byte = string.byte(text, max + 1)
        if next_byte < 0x80 or next_byte > 0xbf then
            break
        end
        max = max - 1
    end
    return string.sub(text, 1, max)
end

-- Notes an error of the attempt that just ended.
function meta.note_error(m, now, category, message, context)
    m[M.category] = category ~= '' and category or 'error'
    m[M.message] = message
    m[M.context] = context ~= '' and context
    local history = m[M.history] or {}
    history[#history + 1] = { now, m[M.category], cut(message, 200) }
    if #history > LIMIT.history then
        table.remove(history, 1)
    end
    m[M.history] = history
end

-- The history as JSON text for people: [[ISO time, category, message], …]; nil when empty.
function meta.history_json(m)
    if not m[M.history] then
        return nil
    end
    local rows = {}
    for i, h in ipairs(m[M.history]) do
        rows[i] = { clock.iso(h[1]), h[2], h[3] }
    end
    return cjson.encode(rows)
end
