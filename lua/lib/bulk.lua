-- SPDX-License-Identifier: Apache-2.0
-- The short way of wh1_enqueue_batch and wh1_enqueue_records, for what most calls are: new jobs that wait in lists,
-- since no option of theirs says otherwise, and none of whose orgs has types set aside. What it finds to be otherwise
-- it leaves, with nothing written, to enqueue.run, which says what is right; both write the same.
-- fresh_ms: how old the stamp of a record may be that a producer made.
local bulk = { keep = 18, fresh_ms = 250 }

-- By the bytes of a head: {list, bytes as they are stored, kind and priority: its type and what that one's priority
-- was, when it names none}, or false: not so simple. By a key: where jobs go, {k, key, org, level, and of the present
-- call at: its first job, jobs, bytes, call: which one that is}; k false: it was too long to be kept. What is pushed is
-- words[from] to words[to]: of triples the list's own.
-- Of a key a call must have one list: a head that is young has one that is young (it is put there first), and a call
-- never fills a generation.
local places, calls = cache.new(3 * LIMIT.batch), 0

local function list_of(k, org, level)
    local key = keys.ready(k, org, level)
    local list = cache.get(places, key)
    if not list or list.k ~= k then
        list = { '', k = k, key = key, org = org, level = level, call = 0, at = 0, jobs = 0, bytes = 0 }
        list.words, list.from, list.to = list, 1, 0
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
    if h == nil or (h and (h.words or is_old(h, L))) then -- words: a head that is the name of a list is none
        return read(k, bytes, L)
    end
    if h then
        h.list = list_of(k, h.list.org, h.list.level)
    end
    return h
end

local function head_of(k, bytes, L)
    local head = places.young[bytes]
    if not head or not head.list or head.list.k ~= k or is_old(head, L) then
        head = find(k, bytes, L)
    end
    return head
end

-- The list gets its first job in this call, which is the call's number `at`.
local function begin(list, used, at)
    list.call, list.at, list.jobs, list.bytes, list.to = calls, at, 0, 0, 0
    used[#used + 1] = list
end

-- Of triples: the ids, {id, record, …} and the lists that they go to; nil for what is not so simple.
local function gather(k, now, argv, settings)
    local payload_max, L = settings.payload_max, settings.limits
    local stamp, ids, pairs_of, used, n = record.stamp(now), {}, {}, {}, 0
    local bytes, head, list = nil, nil, nil
    for at = 1, #argv, 3 do
        local raw, payload = argv[at], argv[at + 2]
        if argv[at + 1] ~= bytes then
            bytes = argv[at + 1]
            head = head_of(k, bytes, L)
            if not head then
                return nil
            end
            list = head.list
            if list.call ~= calls then
                begin(list, used, n + 1)
            end
        end
        if #raw ~= 16 or #payload > payload_max then
            return nil
        end
        local rec, i = stamp .. head.bytes .. payload, list.to + 1
        list[i] = raw
        list.to, list.bytes = i, list.bytes + #rec
        n = n + 1
        ids[n] = raw
        i = n + n
        pairs_of[i - 1] = raw
        pairs_of[i] = rec
    end
    for _, l in ipairs(used) do
        l.jobs = l.to
    end
    return ids, pairs_of, used
end

-- One group of records, whose pairs begin at argv[at]. Returns their bytes, nil where one is not as it is stored: its
-- stamp, the head, a payload.
local function take_group(prefix, argv, at, count, ids, payload_max)
    local most, bytes, n, find_in = #prefix + payload_max, 0, #ids, string.find
    for i = at, at + 2 * count - 1, 2 do
        local raw, rec = argv[i], argv[i + 1]
        if #raw ~= 16 or #rec > most or find_in(rec, prefix, 1, true) ~= 1 then
            return nil
        end
        n, bytes = n + 1, bytes + #rec
        ids[n] = raw
    end
    return bytes
end

-- Of records: the ids, the lists that they go to, and what is pushed; nil for what is not so simple.
local function gather_records(k, now, argv, counts, settings)
    local stamped, at, ids, used, spans = tonumber(argv[1]), counts.first, {}, {}, {}
    if stamped > now or stamped < now - bulk.fresh_ms then
        return nil
    end
    local stamp, L = record.stamp(stamped), settings.limits
    for i, count in ipairs(counts) do
        local head, n = head_of(k, argv[2 * i + 1], L), #ids
        local bytes = head and take_group(stamp .. head.bytes, argv, at, count, ids, settings.payload_max)
        if not bytes then
            return nil
        end
        local list = head.list
        if list.call ~= calls then
            begin(list, used, n + 1)
        end
        list.jobs, list.bytes = list.jobs + count, list.bytes + bytes
        spans[i] = { key = list.key, words = ids, from = n + 1, to = n + count }
        at = at + 2 * count
    end
    return ids, used, spans
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
        orgs[i] = list.org
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

-- Records first, {id, record, …} from there on: that they are fewer than the jobs tells that an id came twice.
local function put(k, ids, pairs_of, from)
    if redis.call('HSET', k.jobs, unpack(pairs_of, from)) == #ids then
        return true
    end
    redis.call('HDEL', k.jobs, unpack(ids))
    return false
end

-- The lists: only they can fail, and nothing of the call is left then.
local function push(k, ids, spans)
    for i, s in ipairs(spans) do
        local reply = redis.pcall('RPUSH', s.key, unpack(s.words, s.from, s.to))
        if type(reply) ~= 'number' then
            for j = 1, i - 1 do
                redis.call('RPOP', spans[j].key, spans[j].to - spans[j].from + 1)
            end
            redis.call('HDEL', k.jobs, unpack(ids))
            args.fail(args.WRONG_TYPE)
        end
        if s.to > bulk.keep then
            s.k = false
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

-- What was gathered: returns the number of jobs, nil when it is not for this.
local function run(k, now, settings, ids, pairs_of, from, used, spans)
    local n = #ids
    keys.guard_new(k)
    local begins = not settings.counted and queued.may_begin(k)
    local marked, orgs, parts = orgs_of(used)
    if not are_fine(k, now, settings.limits, ids, orgs, parts) or not put(k, ids, pairs_of, from) then
        return nil
    end
    push(k, ids, spans)
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

-- argv: triples (id, head, payload), 1,000 at most. Returns the number of jobs, nil when it is not for this: so is one
-- that a waiting worker may get at once (settings.tried: none does).
function bulk.run(k, now, argv, settings)
    local n = #argv / 3
    if n % 1 ~= 0 or n < (settings.tried and 1 or 2) or n > LIMIT.batch then
        return nil
    end
    calls = calls + 1
    local ids, pairs_of, used = gather(k, now, argv, settings)
    return ids and run(k, now, settings, ids, pairs_of, 1, used, used)
end

local GROUPS = 'WHBADARG records: stamp, number of groups, (head, count) of each, then as many pairs of id and record'

-- How many records each group of a call has, and first: where the pairs of id and record begin. argv: stamp, groups,
-- (head, count)…, (id, record)….
function bulk.counts(argv)
    local groups = args.int(argv[2] or '', 1, LIMIT.batch, GROUPS)
    local counts, sum = { first = 3 + 2 * groups }, 0
    args.int(argv[1], 0, 999999999999999, GROUPS)
    for i = 1, groups do
        counts[i] = args.int(argv[2 * i + 2] or '', 1, LIMIT.batch, GROUPS)
        sum = sum + counts[i]
    end
    if #argv ~= counts.first - 1 + 2 * sum then
        args.fail(GROUPS)
    end
    if sum > LIMIT.batch then
        args.fail('WHTOOBIG more than 1000 jobs in one call')
    end
    return counts
end

-- Returns the number of jobs, nil when it is not for this.
function bulk.run_records(k, now, argv, counts, settings)
    if #argv < counts.first + 3 then
        return nil -- one job: a worker may wait for it
    end
    calls = calls + 1
    local ids, used, spans = gather_records(k, now, argv, counts, settings)
    return ids and run(k, now, settings, ids, argv, counts.first, used, spans)
end

-- The triples that such records stand for: what their own heads and stamps say counts for nothing.
function bulk.triples_of(argv, counts)
    local triples, at = {}, counts.first
    for i, count in ipairs(counts) do
        for j = at, at + 2 * count - 1, 2 do
            local n = #triples
            triples[n + 1], triples[n + 2] = argv[j], argv[2 * i + 1]
            triples[n + 3] = record.payload(argv[j + 1])
        end
        at = at + 2 * count
    end
    return triples
end
