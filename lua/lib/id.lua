-- SPDX-License-Identifier: Apache-2.0
-- Job ids: 16 raw bytes inside Redis, 36 characters outside. A token is the id and the fence.
local id = {}

-- Raw bytes of an id argument, or nil.
function id.parse(v)
    if #v == 16 then
        return v
    end
    if #v ~= 36 or not string.find(v, '^%x+%-%x+%-%x+%-%x+%-%x+$') then
        return nil
    end
    local hex = string.gsub(v, '-', '')
    if #hex ~= 32 or string.sub(v, 9, 9) ~= '-' or string.sub(v, 14, 14) ~= '-' then
        return nil
    end
    if string.sub(v, 19, 19) ~= '-' or string.sub(v, 24, 24) ~= '-' then
        return nil
    end
    return (string.gsub(hex, '..', function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

function id.arg(v)
    local raw = v and id.parse(v)
    if not raw then
        args.fail('WHBADARG the id must be a UUID: 36 characters or 16 raw bytes')
    end
    return raw
end

function id.text(raw)
    local hex = string.gsub(raw, '.', function(c)
        return string.format('%02x', string.byte(c))
    end)
    return string.sub(hex, 1, 8)
        .. '-'
        .. string.sub(hex, 9, 12)
        .. '-'
        .. string.sub(hex, 13, 16)
        .. '-'
        .. string.sub(hex, 17, 20)
        .. '-'
        .. string.sub(hex, 21)
end

-- A fresh version 7 id for clients that bring none: the time, then 74 bits of SHA-1 over
-- partition, time in us and a counter (Redis' scripts have no random source of their own).
function id.make(k, now)
    local t = redis.call('TIME')
    local seq = redis.call('HINCRBY', k.ctl, 'seq', 1)
    local h = redis.sha1hex(k.p .. ':' .. t[1] .. ':' .. t[2] .. ':' .. seq)
    local stamp = string.format('%012x', now)
    local variant = string.format('%x', 8 + tonumber(string.sub(h, 4, 4), 16) % 4)
    local hex = stamp .. '7' .. string.sub(h, 1, 3) .. variant .. string.sub(h, 5, 19)
    return (string.gsub(hex, '..', function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

function id.of_token(token)
    return string.sub(token, 1, 16)
end

function id.fence(token)
    return tonumber(string.sub(token, 17)) or 0
end

function id.token(raw, fence)
    return raw .. string.format('%d', fence)
end

function id.check_token(v)
    if not v or #v < 17 or #v > 32 or not string.find(v, '^%d+$', 17) then
        args.fail('WHBADARG a token is 16 id bytes and a decimal fence')
    end
    return v
end

-- Three numbers, by which ids, or ids of tokens, are compared: the order of Lua's strings depends on the locale. Of
-- what is no id: zeros.
function id.numbers(raw)
    if #raw < 16 then
        return 0, 0, 0
    end
    return struct.unpack('>I6I6I4', raw)
end

-- Is the id of a after that of b? Both hold id.numbers in 1 to 3.
function id.is_after(a, b)
    if a[1] ~= b[1] then
        return a[1] > b[1]
    end
    if a[2] ~= b[2] then
        return a[2] > b[2]
    end
    return a[3] > b[3]
end
