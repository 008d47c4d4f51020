-- SPDX-License-Identifier: Apache-2.0
-- What a setting of P:limits says (docs/protocol.md section 10): its text, parsed. Nothing here reads Redis.
local syntax = {}

local function whole(v, lo, hi)
    if not v or #v > 15 or not string.find(v, '^%d+$') then
        return nil
    end
    local n = tonumber(v)
    return n >= lo and n <= hi and n or nil
end

local read_value = {}

function read_value.rate(v)
    local n, period, burst = string.match(v, '^(%d+)/(%d+)/(%d+)$')
    n, period, burst = whole(n, 1, 1e6), whole(period, 1, 86400000), whole(burst, 1, 1e6)
    return n and period and burst and bucket.rate(n, period, burst)
end

function read_value.active(v)
    return whole(v, 1, 1e6)
end

function read_value.pause(v)
    return v == '1' and 1
end

function read_value.jobs(v)
    return whole(v, 1, 1e15 - 1)
end
read_value.bytes = read_value.jobs

function read_value.memory(v)
    return whole(v, 1, 100)
end

function read_value.priority(v)
    return whole(v, 0, 9)
end

function read_value.breaker(v)
    local percent, volume, window, cooldown, probes = string.match(v, '^(%d+)/(%d+)/(%d+)/(%d+)/(%d+)$')
    local c = {
        percent = whole(percent, 1, 100),
        volume = whole(volume, 1, 1e6),
        window = whole(window, 100, 86400000),
        cooldown = whole(cooldown, 1, 86400000),
        probes = whole(probes, 1, 1000),
    }
    return c.percent and c.volume and c.window and c.cooldown and c.probes and c
end

function read_value.adaptive(v)
    local min, max, step = string.match(v, '^([%d.]+)/([%d.]+)/([%d.]+)$')
    min, max, step = tonumber(min or ''), tonumber(max or ''), tonumber(step or '')
    if not (min and max and step) or min < 0.001 or max > 1e6 or min > max or step <= 0 or step > 1e6 then
        return nil
    end
    return { min = min, max = max, step = step }
end

syntax.scopes = {
    rate = { queue = true, org = true, type = true, org_type = true },
    active = { queue = true, org = true, type = true, group = true, org_group = true },
    pause = { named_org = true, named_type = true },
    jobs = { queue = true, org = true },
    bytes = { queue = true, org = true },
    memory = { queue = true },
    breaker = { type = true },
    adaptive = { named_type = true },
    priority = { queue = true, named_type = true },
}
-- What a claim need not look at.
syntax.for_enqueue = { jobs = true, bytes = true, memory = true, priority = true }

local function is_name_or_any(v)
    return v == '*' or args.is_name(v)
end

-- Kind of a scope, nil when it is none.
local function scope_kind(scope, allowed)
    if scope == 'queue' or scope == 'group' then
        return allowed[scope] and scope
    end
    local org, kind = string.match(scope, '^org/([^/]+)/type/([^/]+)$')
    if org then
        return allowed.org_type and is_name_or_any(org) and args.is_name(kind) and 'org_type'
    end
    local holder, name = string.match(scope, '^org/([^/]+)/group/([^/]+)$')
    if holder then
        return allowed.org_group and args.is_name(holder) and args.is_name(name) and 'org_group'
    end
    local what, rest = string.match(scope, '^(%a+)/([^/]+)$')
    if what ~= 'org' and what ~= 'type' then
        return nil
    end
    if allowed['named_' .. what] then
        return args.is_name(rest) and what
    end
    return allowed[what] and is_name_or_any(rest) and what
end

-- what, scope, value (parsed) and kind of a setting; nil when it is malformed. An empty value is false.
function syntax.parse(name, value)
    if #name > 256 or #value > 100 then
        return nil
    end
    local what, scope = string.match(name, '^(%a+):(.+)$')
    local kind = what and syntax.scopes[what] and scope_kind(scope, syntax.scopes[what])
    if not kind then
        return nil
    end
    local parsed = value ~= '' and read_value[what](value)
    if value ~= '' and not parsed then
        return nil
    end
    return what, scope, parsed, kind
end
