-- SPDX-License-Identifier: Apache-2.0
-- wh1_cycle: finishes a batch and claims the next, one round trip.
--   ARGV worker want n_ok token×n_ok (token outcome delay_ms category message context result)…
--   -> [now_ms, next_due_ms, flags, fenced, claimed]; errors WHBADARG WHTOOBIG WHLOST WHBADDATA
-- O(finishes + claims + orgs visited · log orgs). docs/protocol.md section 8.
local cycle = { paused = 1, more = 2, idle = 4, group = 7 }

local function parse_group(argv, at)
    local c = {
        token = id.check_token(argv[at]),
        outcome = argv[at + 1],
        delay = args.int(argv[at + 2], 0, LIMIT.delay, 'WHBADARG delay_ms must be 0 to 315360000000'),
        category = argv[at + 3],
        message = args.bytes(argv[at + 4], LIMIT.message, 'WHTOOBIG the message is over 1024 bytes'),
        context = args.bytes(argv[at + 5], LIMIT.context, 'WHTOOBIG the context is over 4096 bytes'),
        result = args.bytes(argv[at + 6], LIMIT.result, 'WHTOOBIG the result is over 65536 bytes'),
    }
    if not finish.outcomes[c.outcome] or c.outcome == 'recover' then
        args.fail('WHBADARG outcome must be ok, retry, dead, snooze, release, cancelled or expired')
    end
    if c.category ~= '' and not args.is_name(c.category) then
        args.fail('WHBADARG the category must be empty or a name')
    end
    return c
end

-- Tokens of plain successes, and the rest as groups.
local function parse_cycle(argv)
    local q = { worker = args.name(argv[1], 'WHBADARG the worker must be a name'), groups = {} }
    local want, over_bell = string.match(argv[2] or '', '^(%d+)(+?)$')
    q.want = args.int(want, 0, LIMIT.batch, 'WHBADARG want must be 0 to 1000, and + to take jobs over the bell')
    q.over_bell = over_bell == '+'
    q.n_ok = args.int(argv[3], 0, LIMIT.batch, 'WHBADARG n_ok must be 0 to 1000')
    local rest = #argv - 3 - q.n_ok
    if rest < 0 or rest % cycle.group ~= 0 then
        args.fail('WHBADARG n_ok tokens and then groups of 7 must follow')
    end
    if rest / cycle.group > LIMIT.batch then
        args.fail('WHTOOBIG more than 1000 finishes in one call')
    end
    for at = 4 + q.n_ok, #argv, cycle.group do
        q.groups[#q.groups + 1] = parse_group(argv, at)
    end
    return q
end

-- The common case: all completed and all held. Then nothing is sorted; finish.completed sees if one was named twice.
local function are_all_held(q, values)
    for i = 1, q.n_ok do
        if not values[i] then
            return false
        end
    end
    return #q.groups == 0
end

-- Splits what is held from what is fenced; a token named twice counts once. One that is held is a token; others are
-- looked at.
local function sort_out(k, q, argv)
    local tokens = { unpack(argv, 4, 3 + q.n_ok) }
    for _, c in ipairs(q.groups) do
        tokens[#tokens + 1] = c.token
    end
    local w = { ok = {}, held = {}, rest = {}, fenced = {} }
    if #tokens == 0 then
        redis.call('HLEN', k.run_ .. q.worker) -- refuses a wrong type before the first write
        return w
    end
    local values, taken = redis.call('HMGET', k.run_ .. q.worker, unpack(tokens)), {}
    if are_all_held(q, values) then
        w.ok, w.held = tokens, values
        return w
    end
    for i, token in ipairs(tokens) do
        if not values[i] or taken[token] then
            if #token < 17 or #token > 32 then
                id.check_token(token)
            end
            w.fenced[#w.fenced + 1] = token
        elseif i <= q.n_ok then
            taken[token], w.ok[#w.ok + 1], w.held[#w.held + 1] = true, token, values[i]
        else
            local c = q.groups[i - q.n_ok]
            taken[token], c.held = true, values[i]
            w.rest[#w.rest + 1] = c
        end
    end
    if #finish.prepare(k, q.worker, w.rest) < #w.rest then
        args.fail(args.WRONG_TYPE)
    end
    return w
end

-- Time passes also where no scheduler runs.
local function keep_time(k, now, keep, t)
    if redis.call('ZCOUNT', k.workers, '-inf', clock.text(now)) > 0 then
        recover.run(k, now, 50, keep)
    end
    timed.expire(k, now, 1000, keep, t)
    timed.promote(k, now, 100)
    if redis.call('ZCOUNT', k.parked, '-inf', clock.text(now)) > 0 then
        wake.due_now(k, now, t)
    end
end

local function end_claims(k, now, q, w, keep, t)
    local n, again = finish.completed(k, now, q.worker, w.ok, w.held, keep, t)
    w.fenced = again or w.fenced
    finish.run(k, now, q.worker, w.rest, keep, t)
    tally.settle_ended(k, now, t)
    event.count(k, 'fenced', #w.fenced)
    if keep > 0 and n + #w.rest > 0 then
        done.trim_count(k, keep, 2 * (n + #w.rest))
    end
end

-- Claims, and says whether the worker may sleep. A quiet worker is never idle: a wake-up call
-- would be lost on it.
local function claim_next(k, now, q, state, t)
    if state.quiet then
        if not state.paused and redis.call('ZCARD', k.ring) > 0 then
            bell.ring(k, now)
        end
        return {}, cycle.paused
    end
    if q.want == 0 then -- it is full, or stops: no call is for it
        redis.call('ZREM', k.idle, q.worker)
        if state.paused then
            return {}, cycle.paused
        elseif redis.call('ZCARD', k.ring) > 0 then
            bell.ring(k, now)
            return {}, cycle.more
        end
        return {}, 0
    end
    if state.paused then
        bell.wait(k, now, q.worker, q.over_bell, q.lease_ends)
        return {}, cycle.paused + cycle.idle
    end
    local claimed, more = claim.take(k, now, q.worker, q.want, t)
    if #claimed / 3 < q.want and not more then
        bell.wait(k, now, q.worker, q.over_bell, q.lease_ends)
        return claimed, cycle.idle
    end
    redis.call('ZREM', k.idle, q.worker)
    if more then
        bell.ring(k, now)
    end
    return claimed, more and cycle.more or 0
end

args.register('wh1_cycle', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    local q = parse_cycle(ARGV)
    local now = clock.now()
    q.lease_ends = lease.check(k, now, q.worker)
    keys.guard_cycle(k)
    local ctl = redis.call('HMGET', k.ctl, 'paused', 'keep_count', 'limits', 'counted')
    local keep = args.stored(ctl[2], done.keep_count)
    local state = { paused = ctl[1] == '1' }
    state.quiet = q.want > 0 and redis.call('SISMEMBER', k.command_ .. q.worker, 'quiet') == 1
    local w, t = sort_out(k, q, ARGV), tally.new(limit.holding(limit.of(k, ctl[3])), ctl[4] == '1')
    end_claims(k, now, q, w, keep, t)
    keep_time(k, now, keep, t)
    local claimed, flags = claim_next(k, now, q, state, t)
    tally.settle(k, now, t)
    return { now, timed.next_in(k, now), flags, w.fenced, claimed }
end, { 'allow-oom' })
