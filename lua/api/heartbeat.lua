-- SPDX-License-Identifier: Apache-2.0
-- wh1_heartbeat: renews a worker, however many jobs it runs; carries progress and log lines in
-- and commands out.
--   ARGV worker lease_ms mode info (token percent message)… [LOG (token line)…]
--   -> [now_ms, held, command…]; errors WHBADARG WHTOOBIG WHLOST WHBADDATA. O(what it carries).
local function parse_progress(argv, at)
    return {
        token = id.check_token(argv[at]),
        percent = argv[at + 1] ~= '' and args.int(argv[at + 1], 0, 100, 'WHBADARG percent must be 0 to 100'),
        message = args.bytes(argv[at + 2], LIMIT.progress_message, 'WHTOOBIG a progress message is over 256 bytes'),
    }
end

local function parse_heartbeat(argv)
    local q = { progress = {}, lines = {}, mode = argv[3] }
    q.worker = args.name(argv[1], 'WHBADARG the worker must be a name')
    q.lease = args.int(argv[2], 500, 3600000, 'WHBADARG lease_ms must be 500 to 3600000')
    if q.mode ~= 'new' and q.mode ~= 'renew' and q.mode ~= 'bye' then
        args.fail('WHBADARG mode must be new, renew or bye')
    end
    q.info = args.bytes(argv[4], LIMIT.info, 'WHTOOBIG info is missing or over 4096 bytes')
    local at = 5
    while at + 2 <= #argv and argv[at] ~= 'LOG' do
        q.progress[#q.progress + 1] = parse_progress(argv, at)
        at = at + 3
    end
    if argv[at] == 'LOG' then
        at = at + 1
        while at + 1 <= #argv do
            local line = args.bytes(argv[at + 1], LIMIT.log_line, 'WHTOOBIG a log line is over 1024 bytes')
            q.lines[#q.lines + 1] = { token = id.check_token(argv[at]), line = line }
            at = at + 2
        end
    end
    if at <= #argv or #q.progress + #q.lines > LIMIT.batch then
        args.fail('WHBADARG progress comes in threes, log lines in twos behind LOG, 1000 at most')
    end
    return q
end

-- Everything that can refuse the call, before the first write: the claims, the commands and the
-- logs may be keys of a wrong type. Leaves in q only what is held.
local function look(k, q)
    local run = k.run_ .. q.worker
    q.held = redis.call('HLEN', run)
    q.commands = redis.call('SMEMBERS', k.command_ .. q.worker)
    for _, list in ipairs({ q.progress, q.lines }) do
        for _, item in ipairs(list) do
            item.held = q.held > 0 and redis.call('HEXISTS', run, item.token) == 1
        end
    end
    for _, l in ipairs(q.lines) do
        l.key = k.log_ .. id.text(id.of_token(l.token))
        redis.call('LLEN', l.key)
    end
end

local function note_progress(k, q)
    for _, p in ipairs(q.progress) do
        if p.held then
            local raw = id.of_token(p.token)
            local m = meta.get(k, raw)
            m[M.progress] = p.percent or m[M.progress]
            m[M.progress_message] = p.message ~= '' and p.message or m[M.progress_message]
            meta.put(k, raw, m)
        end
    end
end

local function note_lines(q)
    for _, l in ipairs(q.lines) do
        if l.held then
            redis.call('RPUSH', l.key, l.line)
            redis.call('LTRIM', l.key, -LIMIT.log_lines, -1)
            redis.call('PEXPIRE', l.key, 86400000)
        end
    end
end

-- Commands still to be heard; cancels of claims that ended are dropped.
local function commands(k, q, reply)
    for _, c in ipairs(q.commands) do
        local token = string.match(c, '^cancel (.+)$')
        if token and redis.call('HEXISTS', k.run_ .. q.worker, token) == 0 then
            redis.call('SREM', k.command_ .. q.worker, c)
        else
            reply[#reply + 1] = c
        end
    end
    return reply
end

-- A worker that is not known (any more) has left already.
local function bye(k, now, q)
    if redis.call('ZSCORE', k.workers, q.worker) then
        lease.check(k, now, q.worker)
        local _, left = recover.drop_claims(k, now, q.worker, 'release', LIMIT.batch, done.keep_of(k))
        if left == 0 then
            recover.forget(k, q.worker)
        end
        return { now, left }
    end
    return { now, 0 }
end

args.register('wh1_heartbeat', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    local q = parse_heartbeat(ARGV)
    local now = clock.now()
    keys.guard(k)
    look(k, q)
    if q.mode == 'bye' then
        return bye(k, now, q)
    end
    if q.mode == 'renew' or redis.call('ZSCORE', k.workers, q.worker) then
        lease.check(k, now, q.worker)
    end
    if q.mode == 'new' and not queued.is_counted(k) and queued.may_begin(k) then
        queued.begin(k) -- what is handed over at once takes no time for it
    end
    redis.call('ZADD', k.workers, now + q.lease, q.worker)
    if q.info ~= '' then
        redis.call('HSET', k.info, q.worker, q.info)
    end
    note_progress(k, q)
    note_lines(q)
    return commands(k, q, { now, q.held })
end, { 'allow-oom' })
