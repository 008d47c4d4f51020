-- SPDX-License-Identifier: Apache-2.0
-- The short way of wh1_enqueue_batch, for what most calls are: many new jobs without options, of priority 5, in a
-- partition without settings of limits. What it finds to be otherwise it leaves, with nothing written, to
-- enqueue.run, which says what is right; both write the same.
local bulk = { most = 1500, keep = 18 }

-- The list of an org by its key, with what the present call puts there: push (the command, n words) and their bytes.
-- They outlive the call, since tables are dear; call tells to which one all this belongs.
local lists, n_lists, epoch, calls = {}, 0, 0, 0

-- The list of a head, nil for one that is not so simple. The head remembers it.
local function list_of(k, head)
    if head.level ~= levels.default or next(head.options) then
        return nil
    end
    local key = keys.ready(k, head.org, head.level)
    local list = lists[key]
    if not list then
        list = { key = key, org = head.org, epoch = epoch, call = 0, n = 0, jobs = 0, bytes = 0, push = false }
        lists[key], n_lists = list, n_lists + 1
    end
    head.list, head.list_in = list, k
    return list
end

-- Two lists of one key in a call would be wrong: none goes while one runs.
local function begin_call()
    if n_lists >= bulk.most then
        lists, n_lists, epoch = {}, 0, epoch + 1
    end
    calls = calls + 1
end

-- Returns the ids, the HSET of their records and the lists that they go to; nil for what is not so simple.
local function gather(k, now, argv, payload_max)
    local stamp, ids, set, used, n, m = record.stamp(now), {}, { 'HSET', k.jobs }, {}, 0, 0
    local bytes, head, list = nil, nil, nil
    for at = 1, #argv, 3 do
        local raw, payload = argv[at], argv[at + 2]
        if argv[at + 1] ~= bytes then
            bytes = argv[at + 1]
            head = record.parse_head(bytes)
            list = head.list
            if not list or head.list_in ~= k or list.epoch ~= epoch then
                list = list_of(k, head)
            end
            if not list then
                return nil
            elseif list.call ~= calls then
                list.call, list.n, list.bytes, list.push = calls, 2, 0, list.push or { 'RPUSH', list.key }
                m = m + 1
                used[m] = list
            end
        end
        if #raw ~= 16 or #payload > payload_max then
            return nil
        end
        local rec, i = stamp .. head.bytes .. payload, list.n + 1
        list.push[i] = raw
        list.n, list.bytes = i, list.bytes + #rec
        n = n + 1
        ids[n] = raw
        i = n + n
        set[i + 1] = raw
        set[i + 2] = rec
    end
    return ids, set, used
end

local function are_new(k, ids)
    local known = redis.call('HMGET', k.jobs, unpack(ids))
    for i = 1, #ids do
        if known[i] then
            return false
        end
    end
    return true
end

-- Records first: that they are fewer than the jobs tells that an id came twice.
local function put(k, ids, set)
    if redis.call(unpack(set)) == #ids then
        return true
    end
    redis.call('HDEL', k.jobs, unpack(ids))
    return false
end

-- The lists: only they can fail, and nothing of the call is left then.
local function push(k, ids, used)
    for i, list in ipairs(used) do
        local reply = redis.pcall(unpack(list.push, 1, list.n))
        if type(reply) ~= 'number' then
            for j = 1, i - 1 do
                redis.call('RPOP', used[j].key, used[j].n - 2)
            end
            redis.call('HDEL', k.jobs, unpack(ids))
            args.fail(args.WRONG_TYPE)
        end
        list.jobs = list.n - 2
        if list.n > bulk.keep then
            list.push = false
        end
    end
end

-- argv: triples (id, head, payload), 2 to 1,000 of them. Returns the number of jobs, nil when it is not for this.
function bulk.run(k, now, argv, settings)
    local n = #argv / 3
    if settings.limits or n % 1 ~= 0 or n < 2 or n > LIMIT.batch then
        return nil
    end
    begin_call()
    local ids, set, used = gather(k, now, argv, settings.payload_max)
    if not ids then
        return nil
    end
    keys.guard(k)
    local begins = not settings.counted and queued.may_begin(k)
    if not are_new(k, ids) or not put(k, ids, set) then
        return nil
    end
    push(k, ids, used)
    if begins then
        queued.begin(k)
    end
    local orgs = {}
    for i, list in ipairs(used) do
        orgs[i] = list.org
    end
    fair.enter(k, orgs)
    queued.add_many(k, orgs, used, n)
    event.count(k, 'enqueued', n)
    bell.ring(k, now)
    return n
end
