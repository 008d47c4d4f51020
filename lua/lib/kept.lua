-- SPDX-License-Identifier: Apache-2.0
-- What is kept for an org whose turn it is for a type while that is at its own cap: a slot of its own and one of the
-- type come free at different times, and others would take either of them in between, for ever. For one org at a time,
-- for the expected run time of the type: a slot of the type (or token of its rate), while the org's are in use; or,
-- where that was in vain, one of the org's own, while the type's are. Called by turns.lua.
-- P:kept::<type>: '<org, or *> <until ms> <its tag> <not before ms>'. An org whose tag changed had its job. Where one
-- had none, the next one of whom the same can be expected waits 2, 4 … 64 times as long.
-- P:kept:<org>:<type>: 'o' when it is a slot of its own that is kept next, and how often in a row it was in vain; 0: it
-- was not the last time, and the org need not wait for that.
local kept = { most_ms = 1000, fails = 6, ttl_ms = 3600000, nobody = '*' }

-- For how long, in ms; cost: expected run time of the type.
function kept.span(cost)
    return math.ceil(math.min(cost, kept.most_ms))
end

local function read(key)
    local v = redis.pcall('GET', key)
    return type(v) == 'string' and v or ''
end

local function write(key, text)
    local ttl = kept.ttl_ms
    redis.call('SET', key, text, 'PX', ttl)
end

local function key_of(k, org, kind)
    return k.kept_ .. org .. ':' .. kind
end

local function load(x, kind)
    x.kept = x.kept or {}
    local c = x.kept[kind]
    if not c then
        local org, ends, tag, quiet = string.match(read(key_of(x.k, '', kind)), '^(%S+) (%d+) (%S+) (%d+)$')
        c = { org = org or kept.nobody, ends = tonumber(ends or 0), tag = tag or '0', quiet = tonumber(quiet or 0) }
        x.kept[kind] = c
    end
    return c
end

local function save(x, kind, c)
    write(key_of(x.k, '', kind), string.format('%s %d %s %d', c.org, c.ends, c.tag, c.quiet))
end

-- How often in a row it was in vain (nil: never tried), and whether a slot of its own comes next.
local function record_of(k, org, kind)
    local own, fails = string.match(read(key_of(k, org, kind)), '^(o?)(%d)$')
    return tonumber(fails), own == 'o'
end

local function note(k, org, kind, fails, is_own)
    write(key_of(k, org, kind), string.format('%s%d', is_own and 'o' or '', fails))
end

local function has_same_tag(x, kind, c)
    return redis.pcall('ZSCORE', x.k.waiting_ .. kind, c.org) == c.tag
end

-- The org for which one is kept now, and until when; nil: none is.
function kept.holder(x, kind)
    local c = load(x, kind)
    if c.org ~= kept.nobody and x.now < c.ends and has_same_tag(x, kind, c) then
        return c.org, c.ends
    end
    return nil
end

-- What was kept and is no more: did the org have it?
local function end_last(x, kind, cost)
    local c, k = load(x, kind), x.k
    if c.org == kept.nobody then
        return
    end
    local old, is_own = record_of(k, c.org, kind)
    if not has_same_tag(x, kind, c) then
        if old ~= 0 then
            note(k, c.org, kind, 0, is_own)
        end
    else
        local fails = math.min((old or 0) + 1, kept.fails)
        note(k, c.org, kind, fails, not is_own)
        c.quiet = math.max(c.quiet, x.now + kept.span(cost) * 2 ^ fails)
    end
    c.org = kept.nobody
    save(x, kind, c)
end

-- A slot of its own is kept next: its own rate is slower than the type.
function kept.prefer_own(x, kind, org)
    local fails, is_own = record_of(x.k, org, kind)
    if not is_own then
        note(x.k, org, kind, fails or 0, true)
    end
end

-- Keeps a slot of the type for an org with this tag, or is_own: one of its own, while none is kept for anybody. Returns
-- until when; nil: not now, and whether it is the org's own that is kept next.
function kept.begin(x, kind, org, tag, cost, is_own)
    end_last(x, kind, cost)
    local c = load(x, kind)
    local fails, own_next = record_of(x.k, org, kind)
    if own_next ~= is_own or (x.now < c.quiet and fails ~= 0) then
        return nil, own_next
    end
    c.org, c.ends, c.tag = org, x.now + kept.span(is_own and 2 * cost or cost), tag
    save(x, kind, c)
    parked.add(x.k, x.now, 'type/' .. kind, c.ends)
    return c.ends
end

-- Is it a slot of the org's own that is kept next?
function kept.is_own(x, kind, org)
    local _, is_own = record_of(x.k, org, kind)
    return is_own
end

-- In this call a slot of the org's own is kept for the type.
function kept.set_own(x, org, kind, ends)
    x.own = x.own or {}
    x.own[org] = ends and { kind = kind, ends = ends } or nil
end

-- Until when one of its slots is kept for another type than this; nil: none is.
function kept.own_of(x, org, kind)
    local own = x.own and x.own[org]
    return own and own.kind ~= kind and own.ends or nil
end
