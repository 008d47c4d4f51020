-- SPDX-License-Identifier: Apache-2.0
-- The short way of wh1_enqueue_batch, for what most calls are: new jobs that wait in lists, since no option of theirs
-- says otherwise, and none of whose orgs has types set aside. What it finds to be otherwise it leaves, with nothing
-- written, to enqueue.run, which says what is right; both write the same.
local bulk = { keep = 18 }

-- By the bytes of a head: {list, bytes as they are stored, kind and priority: its type and what that one's priority
-- was, when it names none}, or false: not so simple. By a key: where jobs go: the words of an RPUSH, n of them, and {k,
-- org, level, at, jobs and bytes of the present call (at: its first one), call: which one that is}; k false: it was too
-- long to be kept. Of a key a call must have one list: a head that is young has one that is young (it is put there
-- first), and a call never fills a generation.
local places, calls = cache.new(3 * LIMIT.batch), 0

local function list_of(k, org, level)
    local key = keys.ready(k, org, level)
    local list = cache.get(places, key)
    if not list or list.k ~= k then
        list = { 'RPUSH', key, '', k = k, org = org, level = level, call = 0, n = 0, jobs = 0, bytes = 0 }
        cache.put(places, key, list)
    end
    return list
end

-- Its type's priority, when it names none, is another one now.
local function is_old(head, L)
    return head.kind and head.priority ~= (L and limit.priority(L, head.kind) or limit.normal)
end

local function read(k, bytes, L)
    local head, kind, priority = record.read_head(bytes), nil, nil
    if not head.level then
        kind, priority = head.type, limit.priority(L, head.type)
        head = record.at_level(head, priority)
    end
    local h = record.waits_plainly(head.options)
        and { list = false, bytes = head.bytes, kind = kind, priority = priority }
    if record.recurs(bytes, head.options) then
        cache.put(places, bytes, h)
    end
    if h then
        h.list = list_of(k, head.org, head.level)
    end
    return h
end

local function find(k, bytes, L)
    local h = cache.get(places, bytes)
    if h == nil or (h and is_old(h, L)) then
        return read(k, bytes, L)
    end
    if h then
        h.list = list_of(k, h.list.org, h.list.level)
    end
    return h
end

-- Returns the ids, the HSET of their records and the lists that they go to; nil for what is not so simple.
local function gather(k, now, argv, settings)
    local payload_max, L = settings.payload_max, settings.limits
    local stamp, ids, set, used, n, m = record.stamp(now), {}, { 'HSET', k.jobs }, {}, 0, 0
    local bytes, head, list = nil, nil, nil
    for at = 1, #argv, 3 do
        local raw, payload = argv[at], argv[at + 2]
        if argv[at + 1] ~= bytes then
            bytes = argv[at + 1]
            head = places.young[bytes]
            if not head or head.list.k ~= k or is_old(head, L) then
                head = find(k, bytes, L)
            end
            if not head then
                return nil
            end
            list = head.list
            if list.call ~= calls then
                list.call, list.n, list.bytes, list.at = calls, 2, 0, n + 1
                m = m + 1
                used[m] = list
            end
        end
        if #raw ~= 16 or #payload > payload_max then
            return nil
        end
        local rec, i = stamp .. head.bytes .. payload, list.n + 1
        list[i] = raw
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

local function has_twice(ids)
    local seen = {}
    for i = 1, #ids do
        if seen[ids[i]] then
            return true
        end
        seen[ids[i]] = true
    end
    return false
end

-- What several lists of an org get together: names of orgs, and {jobs, bytes} of each.
local function sum_up(used)
    local orgs, parts, by_org = {}, {}, {}
    for _, list in ipairs(used) do
        local part = by_org[list.org]
        if not part then
            part = { org = list.org, at = list.at, jobs = 0, bytes = 0 }
            by_org[list.org], orgs[#orgs + 1], parts[#parts + 1] = part, list.org, part
        end
        part.jobs, part.bytes = part.jobs + list.jobs, part.bytes + list.bytes
    end
    return orgs, parts
end

-- The orgs of the lists, each once, what they get, and the lists that need a mark. Of one level each has one list.
local function orgs_of(used)
    local orgs, marked = {}, {}
    for i, list in ipairs(used) do
        orgs[i], list.jobs = list.org, list.n - 2
        if list.level ~= levels.default then
            marked[#marked + 1] = list
        end
    end
    if #marked > 0 then
        return marked, sum_up(used)
    end
    return marked, orgs, used
end

-- Quotas, of ids of which each counts.
local function check_quotas(k, now, L, parts)
    local demand = {}
    for _, part in ipairs(parts) do
        quota.ask(demand, part.org, part.at, part.jobs, part.bytes, part.jobs, part.bytes)
    end
    quota.check(k, now, L, demand)
end

-- Where jobs of a type stand aside already, further ones do too: this is not for such orgs.
local function any_aside(k, L, orgs)
    for _, v in ipairs(L.by_type and levels.many(k, orgs) or {}) do
        if #v.asides > 0 then
            return true
        end
    end
    return false
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
        local reply = redis.pcall(unpack(list, 1, list.n))
        if type(reply) ~= 'number' then
            for j = 1, i - 1 do
                redis.call('RPOP', used[j][2], used[j].n - 2)
            end
            redis.call('HDEL', k.jobs, unpack(ids))
            args.fail(args.WRONG_TYPE)
        end
        if list.n > bulk.keep then
            list.k = false
        end
    end
end

-- Nothing refuses the jobs, and each of them is new.
local function are_fine(k, now, L, ids, orgs, parts)
    if L and (any_aside(k, L, orgs) or (L.refuses and has_twice(ids))) or not are_new(k, ids) then
        return false
    end
    if L and L.refuses then
        check_quotas(k, now, L, parts)
    end
    return true
end

-- argv: triples (id, head, payload), 1,000 at most. Returns the number of jobs, nil when it is not for this: so is one
-- that a waiting worker may get at once (settings.tried: none does).
function bulk.run(k, now, argv, settings)
    local n = #argv / 3
    if n % 1 ~= 0 or n < (settings.tried and 1 or 2) or n > LIMIT.batch then
        return nil
    end
    calls = calls + 1
    local ids, set, used = gather(k, now, argv, settings)
    if not ids then
        return nil
    end
    keys.guard_new(k)
    local begins = not settings.counted and queued.may_begin(k)
    local marked, orgs, parts = orgs_of(used)
    if not are_fine(k, now, settings.limits, ids, orgs, parts) or not put(k, ids, set) then
        return nil
    end
    push(k, ids, used)
    for _, list in ipairs(marked) do
        levels.add(k, list.org, list.level)
    end
    if begins then
        queued.begin(k)
    end
    fair.enter(k, orgs)
    queued.add_many(k, orgs, parts, n)
    event.count(k, 'enqueued', n)
    bell.ring(k, now)
    return n
end
