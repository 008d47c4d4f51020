-- SPDX-License-Identifier: Apache-2.0
-- The workers of a partition added up by what they say about themselves (P:info: JSON text of any
-- version; what is missing there holds nobody back). Reads only. O(workers), 1,000 live ones at most.
local fleet = { most = 1000, claiming = { running = true, starting = true } }

-- What a worker says; {} when that is nothing that can be read.
local function info_of(text)
    local ok, info = pcall(cjson.decode, text or '')
    return ok and type(info) == 'table' and info or {}
end

-- Has it a handler of this type? Also true for one that does not say, or not all.
local function is_able(info, kind)
    local types = info.types
    if type(types) ~= 'table' or not kind or info.types_cut then
        return true
    end
    for _, name in ipairs(types) do
        if name == kind or name == '*' then
            return true
        end
    end
    return false
end

local function slots_of(v)
    return type(v) == 'number' and v >= 0 and v <= 1e6 and v or 0
end

-- One that still claims: has it room?
local function add_claiming(f, info, held, kind)
    local slots = slots_of(info.slots)
    f.slots, f.used = f.slots + slots, f.used + held
    local able = is_able(info, kind) and 1 or 0
    f.able = f.able + able
    local why = type(info.backpressure) == 'string' and info.backpressure ~= '' and info.backpressure
    if why then
        f.pressed, f.why = f.pressed + 1, able == 1 and why or f.why or why
        f.able_pressed = f.able_pressed + able
    elseif slots > 0 and held >= slots then
        f.full, f.able_full = f.full + 1, f.able_full + able
    end
    f.load = f.load + ((why or (slots > 0 and held >= slots)) and 1 or slots > 0 and held / slots or 0)
end

-- live; lost (their lease ran out, their jobs were not recovered yet); of the live ones quiet, of the others
-- able (of this type, when one is given), pressed (why: the reason of one of them, an able one if there is one), full,
-- and of the able ones those that are one of both; their slots, used by jobs of this partition;
-- load, the sum of their backpressure of 0 to 1; away: why a quiet one claims nothing.
function fleet.read(k, now, kind)
    local after = '(' .. string.format('%.0f', now)
    local f = {
        live = redis.call('ZCOUNT', k.workers, after, '+inf'),
        quiet = 0, able = 0, pressed = 0, full = 0, able_pressed = 0, able_full = 0, slots = 0, used = 0, load = 0,
    }
    f.lost = redis.call('ZCARD', k.workers) - f.live
    local names = redis.call('ZRANGE', k.workers, after, '+inf', 'BYSCORE', 'LIMIT', 0, fleet.most)
    if #names == 0 then
        return f
    end
    f.seen = #names
    for i, text in ipairs(redis.call('HMGET', k.info, unpack(names))) do
        local info = info_of(text)
        local told = redis.call('SISMEMBER', k.command_ .. names[i], 'quiet') == 1
        local state = type(info.state) == 'string' and info.state or 'running'
        if told or not fleet.claiming[state] then
            f.quiet = f.quiet + 1
            f.away = (told or state == 'quiet') and 'quiet' or f.away or 'draining'
        else
            add_claiming(f, info, redis.call('HLEN', k.run_ .. names[i]), kind)
        end
    end
    return f
end

-- What every reply says of them.
function fleet.put(out, f)
    local put, number = record.put, record.decimal
    put(out, 'workers', number(f.live))
    put(out, 'workers_lost', number(f.lost))
    put(out, 'workers_quiet', number(f.quiet))
    put(out, 'workers_pressed', number(f.pressed))
    put(out, 'slots', number(f.slots))
    put(out, 'slots_used', number(f.used))
end

-- The mean backpressure of those that claim, 0 to 1, and the reason of one that claims nothing for now. nil: nobody is
-- there.
function fleet.pressure(f)
    local claiming = (f.seen or 0) - f.quiet
    if claiming == 0 then
        return f.away and 1, f.away
    end
    return f.load / claiming, f.why or (f.full > 0 and 'slots' or nil)
end

-- Why no worker that has a handler takes a job that may run; nil: one does, or will.
function fleet.held_by(f)
    if f.live == 0 then
        return f.lost > 0 and 'workers_lost' or 'no_worker'
    elseif f.live > (f.seen or 0) then
        return nil -- too many to tell
    end
    local claiming = f.live - f.quiet
    if claiming == 0 then
        return 'workers_quiet'
    elseif f.able == 0 then
        return 'no_handler'
    elseif f.able_pressed == f.able then
        return 'backpressure'
    end
    return f.able_pressed + f.able_full == f.able and 'no_slot' or nil
end
