-- SPDX-License-Identifier: Apache-2.0
-- Settings of P:limits (syntax.lua), and how much they admit now. A session x lives
-- for one call: it reads each bucket (bucket.lua) and counter once, and limit.close writes what was used.
local limit = { normal = 5 }

local function empty(version)
    local L = { version = version, fields = 0, counts = {} }
    for what in pairs(syntax.scopes) do
        L[what] = {}
    end
    return L
end

-- A setting as it is now; value false: there is none.
local function apply(L, what, scope, value, kind)
    local name = what .. '_' .. kind
    local n = L.counts[name] or { what = what, kind = kind, n = 0 }
    L.counts[name] = n
    n.n = n.n + (value and 1 or 0) - (L[what][scope] and 1 or 0)
    L[what][scope] = value or nil
end

-- What the settings are about. holds: some hold back jobs that wait; refuses: some refuse an enqueue.
local function sum_up(L)
    for name, of in pairs(L.counts) do
        L[name], L['has_' .. of.kind] = nil, nil
    end
    L.holds, L.refuses = nil, nil
    for name, of in pairs(L.counts) do
        if of.n > 0 then
            L[name] = true
            if not syntax.for_enqueue[of.what] then
                L.holds, L['has_' .. of.kind] = true, true
            elseif of.what ~= 'priority' then
                L.refuses = true
            end
        end
    end
    L.by_type = L.has_type or L.has_org_type
    L.by_group = L.has_group or L.has_org_group
end

-- A version that no settings had yet. Fails where somebody overwrote the counter: before anything else is written.
function limit.new_version(k)
    local t = redis.call('TIME')
    return t[1] .. '.' .. t[2] .. '.' .. redis.call('HINCRBY', k.ctl, 'seq', '1')
end

-- All settings under a version, parsed once; nil when there are none.
function limit.of(k, version)
    if not version then
        return nil
    end
    if k.parsed and k.parsed.version == version then
        return k.parsed
    end
    local L = empty(version)
    local flat = redis.call('HGETALL', k.limits)
    for i = 1, #flat, 2 do
        local what, scope, value, kind = syntax.parse(flat[i], flat[i + 1])
        if value then -- a malformed one was put there by hand
            apply(L, what, scope, value, kind)
        end
    end
    L.fields = #flat / 2
    sum_up(L)
    k.parsed = L
    return L
end

-- Settings changed, from one version to the next: what was parsed stays, but where somebody else wrote there too.
-- list: {{what, scope, kind, value (false: none), is_new: it was none}}.
function limit.changed(k, from, version, list)
    local L, fields = k.parsed, redis.call('HLEN', k.limits)
    if not L or L.version ~= from then
        return
    end
    for _, c in ipairs(list) do
        apply(L, c.what, c.scope, c.value, c.kind)
        L.fields = L.fields + (c.is_new and 1 or 0) - (c.value and 0 or 1)
    end
    sum_up(L)
    L.version = L.fields == fields and version or nil
end

-- The settings of a partition that has none, for what was parked under earlier ones.
function limit.nothing()
    return empty('')
end

-- For callers that have not read P:ctl.
function limit.now(k)
    return limit.of(k, redis.call('HGET', k.ctl, 'limits'))
end

-- Only if they hold jobs back that wait; nil otherwise.
function limit.holding(L)
    return L and L.holds and L or nil
end

-- The priority of a job that says none.
function limit.priority(L, kind)
    return L and (L.priority['type/' .. kind] or L.priority.queue) or limit.normal
end

-- active: changes of P:active in this call that are not written yet.
function limit.open(k, now, L, active)
    return { k = k, now = now, L = L, active = active, buckets = {}, loads = {}, breakers = {}, types = {}, orgs = {} }
end

-- The setting of a named scope or of its '*'.
local function pick(table_of, what, name)
    return table_of[what .. '/' .. name] or table_of[what .. '/*']
end

-- A bucket by its key's end; what a slower rate left behind is cut to the burst, once: limit.close
-- writes it, or it would be cut anew at each look.
local function bucket_of(x, name, rate)
    local b = x.buckets[name]
    if not b then
        local ahead = bucket.read(redis.pcall('GET', x.k.ratelimit_ .. name), x.now, rate)
        local is_cut = ahead > rate.depth + rate.n
        b = { ahead = math.min(ahead, rate.depth), rate = rate, used = 0, is_cut = is_cut }
        x.buckets[name] = b
    end
    return b
end

local function bucket_spend(b, n)
    b.ahead, b.used = b.ahead + n * b.rate.period, b.used + n
end

local function load_of(x, name)
    local l = x.loads[name]
    if not l then
        l = { n = tonumber(redis.call('HGET', x.k.load, name) or 0) or 0, used = 0 }
        x.loads[name] = l
    end
    return l
end

-- The smallest of several rooms, with its time and reason.
local function narrow(r, room, at, reason)
    if room < r.room then
        r.room, r.at, r.reason = room, at, reason
    end
end

local function narrow_rate(x, r, name, rate, reason)
    if rate then
        local b = bucket_of(x, name, rate)
        narrow(r, bucket.room(b.ahead, rate), x.now + bucket.wait(b.ahead, rate), reason)
    end
end

-- How many jobs the queue admits now; when more; why not.
function limit.queue_room(x)
    local r = { room = math.huge }
    if x.L.active.queue then
        narrow(r, x.L.active.queue - load_of(x, 'queue').n, 'inf', 'queue_cap')
    end
    narrow_rate(x, r, ':', x.L.rate.queue, 'queue_rate')
    return r.room, r.at, r.reason
end

-- Jobs of an org in flight, this call's finishes and claims included.
local function active_of(x, org)
    if not x.orgs[org] then
        x.orgs[org] = tonumber(redis.call('HGET', x.k.active, org) or 0) or 0
    end
    return x.orgs[org] + (x.active[org] or 0)
end

-- Those of many orgs, at once.
function limit.read_active(x, orgs)
    if x.L.active_org then
        for i, n in ipairs(redis.call('HMGET', x.k.active, unpack(orgs))) do
            x.orgs[orgs[i]] = x.orgs[orgs[i]] or tonumber(n or 0) or 0
        end
    end
end

function limit.org_room(x, org)
    local L = x.L
    if L.pause_org and L.pause['org/' .. org] then
        return 0, 'inf', 'org_paused'
    end
    local cap = L.active_org and pick(L.active, 'org', org)
    local r = { room = cap and cap - active_of(x, org) or math.huge, at = cap and 'inf', reason = cap and 'org_cap' }
    if L.rate_org then
        narrow_rate(x, r, org .. ':', pick(L.rate, 'org', org), 'org_rate')
    end
    return r.room, r.at, r.reason
end

-- What holds for a type in all orgs.
function limit.type_room(x, kind)
    local r, L = { room = math.huge }, x.L
    if not L.has_type then
        return math.huge
    end
    if L.pause['type/' .. kind] then
        return 0, 'inf', 'type_paused'
    end
    local cap = pick(L.active, 'type', kind)
    if cap then
        narrow(r, cap - load_of(x, 'type/' .. kind).n, 'inf', 'type_cap')
    end
    local c = pick(L.breaker, 'type', kind)
    if c then
        local room, at = breaker.room(x, kind, c)
        narrow(r, room, at, 'breaker_open')
    end
    narrow_rate(x, r, ':' .. kind, pick(L.rate, 'type', kind), 'type_rate')
    narrow_rate(x, r, '/' .. kind, limit.adaptive(x, kind), 'type_rate')
    return r.room, r.at, r.reason
end

-- The cap of a type, or nil.
function limit.type_cap(L, kind)
    return pick(L.active, 'type', kind)
end

-- How many jobs of a held type there can be room for at once: its cap, or the burst of its rate; the least of these.
function limit.slots(x, kind)
    local cap, rate = pick(x.L.active, 'type', kind), pick(x.L.rate, 'type', kind)
    if x.L.adaptive['type/' .. kind] or pick(x.L.breaker, 'type', kind) then
        return 1
    end
    return math.max(math.min(cap or math.huge, rate and rate.burst or math.huge, 1000), 1)
end

-- May a type be held back in all orgs?
function limit.holds_type(L, kind)
    return L.has_type and (L.pause['type/' .. kind] or pick(L.active, 'type', kind) or pick(L.breaker, 'type', kind)
        or pick(L.rate, 'type', kind) or L.adaptive['type/' .. kind])
end

-- The adaptive rate of a type as a rate whose bucket lives in the breaker's state.
function limit.adaptive(x, kind)
    local c = x.L.adaptive['type/' .. kind]
    if not c then
        return nil
    end
    local name = '/' .. kind
    if not x.buckets[name] then
        local per_s, b = breaker.rate(x, kind, c), breaker.load(x, kind)
        local rate = breaker.bucket(per_s)
        x.buckets[name] = { ahead = bucket.read(b.tat, x.now, rate), rate = rate, used = 0, kind = kind }
    end
    return x.buckets[name].rate
end

-- Is it the adaptive rate, not the set one, that a type's room of reason `type_rate` is of? After limit.type_room.
function limit.is_adaptive(x, kind)
    local own, set = x.buckets['/' .. kind], x.buckets[':' .. kind]
    return own and (not set or bucket.room(own.ahead, own.rate) < bucket.room(set.ahead, set.rate)) or false
end

-- How an adaptive type goes now: its rate in jobs per second, and until when it is held since a handler said
-- Retry-After; nil: it is not. No rate: the type has none that adapts.
function limit.pace(x, kind)
    local c = x.L.adaptive['type/' .. kind]
    if not c then
        return nil
    end
    local rate, b = limit.adaptive(x, kind), breaker.load(x, kind)
    local ahead = x.buckets['/' .. kind].ahead
    local is_held = b.wait_until > x.now and bucket.room(ahead, rate) <= 0
    return breaker.rate(x, kind, c), is_held and x.now + bucket.wait(ahead, rate) or nil
end

-- A reason of limit.type_room for people: of a rate that adapts, is it what a handler said?
function limit.reason(x, kind, reason)
    local is_told = reason == 'type_rate' and limit.is_adaptive(x, kind) and select(2, limit.pace(x, kind))
    return is_told and 'retry_after' or reason
end

local function rate_of_pair(L, org, kind)
    return L.rate['org/' .. org .. '/type/' .. kind] or L.rate['org/*/type/' .. kind]
end

-- A type in one org: also returns whether it is the type ('type') or the pair ('org') that holds it.
function limit.pair_room(x, org, kind)
    local room, at, reason = limit.type_room(x, kind)
    local L = x.L
    local rate = L.rate_org_type and rate_of_pair(L, org, kind)
    if rate then
        local r = { room = room, at = at, reason = reason }
        narrow_rate(x, r, org .. ':' .. kind, rate, 'org_type_rate')
        if r.reason == 'org_type_rate' then
            return r.room, r.at, 'org', r.reason
        end
    end
    return room, at, 'type', reason
end

function limit.group_cap(L, org, name)
    return L.active['org/' .. org .. '/group/' .. name] or L.active.group
end

local function group_load(org, name)
    return 'org/' .. org .. '/group/' .. name
end

function limit.group_room(x, org, name)
    local cap = limit.group_cap(x.L, org, name)
    if not cap then
        return math.huge
    end
    return cap - load_of(x, group_load(org, name)).n
end

-- Before many groups are asked for: members: {{org = group}, …} of one org.
function limit.read_groups(x, org, members)
    local names = {}
    for _, g in ipairs(members) do
        local name = g.org ~= '' and limit.group_cap(x.L, org, g.org) and group_load(org, g.org)
        if name and not x.loads[name] then
            names[#names + 1] = name
        end
    end
    for i, n in ipairs(#names > 1 and redis.call('HMGET', x.k.load, unpack(names)) or {}) do
        x.loads[names[i]] = { n = tonumber(n or 0) or 0, used = 0 }
    end
end

local function use_bucket(x, name, rate, n)
    if rate then
        bucket_spend(bucket_of(x, name, rate), n)
    end
end

local function use_load(x, name, n)
    local l = load_of(x, name)
    l.n, l.used = l.n + n, l.used + n
end

-- n jobs of an org, a type and a group ('' for none) are claimed: takes their part of everything that limits them.
function limit.spend(x, org, kind, name, n)
    local L = x.L
    use_bucket(x, ':', L.rate.queue, n)
    if L.rate_org then
        use_bucket(x, org .. ':', pick(L.rate, 'org', org), n)
    end
    if L.rate_type then
        use_bucket(x, ':' .. kind, pick(L.rate, 'type', kind), n)
    end
    if L.rate_org_type then
        use_bucket(x, org .. ':' .. kind, rate_of_pair(L, org, kind), n)
    end
    if L.adaptive_type and limit.adaptive(x, kind) then
        bucket_spend(x.buckets['/' .. kind], n)
    end
    for _, load_name in ipairs(limit.loads(L, org, kind, name)) do
        use_load(x, load_name, n)
    end
    if L.breaker_type and pick(L.breaker, 'type', kind) then
        breaker.spend(x, kind, n)
    end
end

local NO_LOADS = {}

-- The counters of P:load that a claim is part of. Read only.
function limit.loads(L, org, kind, name)
    if not (L.active_queue or L.active_type or (name ~= '' and L.by_group)) then
        return NO_LOADS
    end
    local out = {}
    if L.active.queue then
        out[#out + 1] = 'queue'
    end
    if L.active_type and pick(L.active, 'type', kind) then
        out[#out + 1] = 'type/' .. kind
    end
    if name ~= '' and L.by_group and limit.group_cap(L, org, name) then
        out[#out + 1] = 'org/' .. org .. '/group/' .. name
    end
    return out
end

-- Writes what the call used.
function limit.close(x)
    for name, b in pairs(x.buckets) do
        local text = (b.used > 0 or b.is_cut) and bucket.text(b.ahead, x.now, b.rate)
        if text and b.kind then
            local state = breaker.load(x, b.kind)
            state.tat, state.changed = text, true
        elseif text then
            redis.call('SET', x.k.ratelimit_ .. name, text, 'PX', clock.ttl(bucket.lasts(b.ahead, b.rate)))
        end
    end
    local set = { 'HSET', x.k.load }
    for name, l in pairs(x.loads) do
        if l.used > 0 then
            set[#set + 1], set[#set + 2] = name, string.format('%d', l.n)
        end
    end
    if #set > 2 then
        redis.call(unpack(set))
    end
    breaker.save(x)
end
