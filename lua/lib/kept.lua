-- SPDX-License-Identifier: Apache-2.0
-- What is kept for an org whose turn it is for a type while that is at its own cap: a slot of its own and one of the
-- type come free at different times, and others would take the type's in between, for ever. For one org at a time, for
-- the expected run time of the type, a slot of the type (or token of its rate). Called by turns.lua.
-- P:kept::<type>: '<org, or *> <until ms> <its tag> <not before ms>'. An org whose tag changed had its job. Where one
-- had none, the next one of whom the same can be expected waits a few run times.
-- P:kept:<org>:<type>: '<how often in a row it was in vain> <not before ms>': 2, 4 … 64 run times later; 0: it was not
-- the last time, and the org need not wait for others.
local kept = { most_ms = 1000, fails = 6, pause = 4, ttl_ms = 3600000, nobody = '*' }

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

-- How often in a row it was in vain (nil: never tried), and when the next may begin.
local function parse(text)
    local fails, from = string.match(text or '', '^(%d) (%d+)$')
    return tonumber(fails), tonumber(from or 0)
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
    local c = load(x, kind)
    if c.org == kept.nobody then
        return
    end
    local key = key_of(x.k, c.org, kind)
    local old = parse(read(key))
    if not has_same_tag(x, kind, c) then
        if old ~= 0 then
            write(key, '0 0')
        end
    else
        local fails, span = math.min((old or 0) + 1, kept.fails), kept.span(cost)
        write(key, string.format('%d %d', fails, x.now + span * 2 ^ fails))
        c.quiet = x.now + span * kept.pause
    end
    c.org = kept.nobody
    save(x, kind, c)
end

-- Keeps a slot of the type for the first of these for which it may, while none is kept for anybody: list of {org, tag}.
-- Returns the org, and until when; nil: for none now.
function kept.begin(x, kind, list, cost)
    end_last(x, kind, cost)
    local c, ask = load(x, kind), { 'MGET' }
    for i, one in ipairs(list) do
        ask[i + 1] = key_of(x.k, one.org, kind)
    end
    for i, text in ipairs(redis.call(unpack(ask))) do
        local fails, from = parse(text or '')
        if x.now >= from and (fails == 0 or x.now >= c.quiet) then
            c.org, c.ends, c.tag = list[i].org, x.now + kept.span(cost), list[i].tag
            save(x, kind, c)
            parked.add(x.k, x.now, 'type/' .. kind, c.ends)
            return c.org, c.ends
        end
    end
    return nil
end
