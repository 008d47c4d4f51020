-- SPDX-License-Identifier: Apache-2.0
-- What is kept for an org whose turn it is for a type while that is at its own cap: a slot of its own and one of the
-- type come free at different times, and others would take the type's in between, for ever. For one org at a time, for
-- the expected run time of the type, a slot of the type (or token of its rate). Called by turns.lua.
-- What is kept is lost to others: the next time comes when that was but `lost` of the type (of all its slots, or of its
-- rate's burst) over the time since the last one began.
-- P:kept::<type>: '<org, or *> <until ms> <its tag> <since ms; with *: not before ms>'. An org whose tag changed had
-- its job.
-- P:kept:<org>:<type>: '<how often in a row it was in vain> <not before ms>': 2, 4, … 64 run times later.
local kept = { most_ms = 1000, fails = 6, lost = 0.05, lag = 1, ttl_ms = 3600000, nobody = '*' }

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
        local org, ends, tag, from = string.match(read(key_of(x.k, '', kind)), '^(%S+) (%d+) (%S+) (%d+)$')
        c = { org = org or kept.nobody, ends = tonumber(ends or 0), tag = tag or '0', from = tonumber(from or 0) }
        x.kept[kind] = c
    end
    return c
end

local function save(x, kind, c)
    write(key_of(x.k, '', kind), string.format('%s %d %s %d', c.org, c.ends, c.tag, c.from))
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
local function end_last(x, kind, cost, slots)
    local c = load(x, kind)
    if c.org == kept.nobody then
        return
    end
    local key = key_of(x.k, c.org, kind)
    local fails = parse(read(key)) or 0
    if has_same_tag(x, kind, c) then
        fails = math.min(fails + 1, kept.fails)
        write(key, string.format('%d %d', fails, x.now + kept.span(cost) * 2 ^ fails))
    elseif fails > 0 then
        write(key, '0 0')
    end
    local ended = math.min(x.now, c.ends)
    local lost = math.max(math.min(ended - c.from, kept.most_ms), 0)
    c.org, c.from = kept.nobody, ended - lost + math.ceil(lost / (kept.lost * slots))
    save(x, kind, c)
end

-- Of those at their own cap (turns.lua) for whom one may be kept: others that were a job behind it were served, and it
-- may have one of its own in time.
local function candidates(capped, latest, cost)
    local list = {}
    for _, c in ipairs(capped) do
        if c.stays and not c.is_far and latest >= tonumber(c.tag) + fair.micros(cost) * kept.lag then
            list[#list + 1] = c
        end
    end
    return list
end

-- Keeps a slot of the type for the first of those at their own cap for whom it may, while none is kept for anybody.
-- latest: the tag that was served last; slots: limit.slots. Returns the org, and until when; nil: for none now.
function kept.begin(x, kind, capped, latest, cost, slots)
    local list = candidates(capped, latest, cost)
    if #list == 0 then
        return nil
    end
    end_last(x, kind, cost, slots)
    local c, ask = load(x, kind), { 'MGET' }
    if x.now < c.from then
        return nil
    end
    for i, one in ipairs(list) do
        ask[i + 1] = key_of(x.k, one.org, kind)
    end
    for i, text in ipairs(redis.call(unpack(ask))) do
        local _, from = parse(text or '')
        if x.now >= from then
            c.org, c.ends, c.tag, c.from = list[i].org, x.now + kept.span(cost), list[i].tag, x.now
            save(x, kind, c)
            parked.add(x.k, x.now, 'type/' .. kind, c.ends)
            return c.org, c.ends
        end
    end
    return nil
end
