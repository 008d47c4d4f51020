-- SPDX-License-Identifier: Apache-2.0
-- Argument checks and the one way to refuse: args.fail(word and constant text). Texts never
-- contain what the caller sent, so that no reply can be forged through them.
local args = { WRONG_TYPE = 'WHBADDATA a key of this partition has a wrong type' }

local LIMIT = {
    batch = 1000,
    head = 2048,
    payload = 262144,
    message = 1024,
    context = 4096,
    result = 65536,
    info = 4096,
    entity = 256,
    traceparent = 256,
    key = 256,
    progress_message = 256,
    log_line = 1024,
    log_lines = 100,
    history = 5,
    delay = 315360000000,
    timeout = 604800000,
    attempts = 1000,
    poison = 3,
}

function args.fail(text)
    error({ wh = text }, 0)
end

-- The reply to an error of redis.call, which pcall gives as text (or, in some versions, as a
-- table); nil when it is no such error. A key of a wrong type is the partition's fault.
local function reply_to(err)
    if type(err) == 'table' then
        err = err.err
    end
    if type(err) ~= 'string' or not string.find(err, '^%u+ ') then
        return nil
    end
    if string.find(err, '^WRONGTYPE') then
        return args.WRONG_TYPE
    end
    if string.find(err, 'hash value is not an integer', 1, true) then
        return 'WHBADDATA a counter of this partition is no number'
    end
    return err
end

-- Every function runs inside this: a refusal becomes an error reply, an error of redis.call
-- too, anything else (a bug) goes on as it is.
function args.guarded(fn)
    return function(KEYS, ARGV)
        base.find()
        cache.count_call()
        local ok, reply = pcall(fn, KEYS, ARGV)
        if ok then
            return reply
        end
        local text = type(reply) == 'table' and reply.wh or reply_to(reply)
        if text then
            return redis.error_reply(text)
        end
        error(reply, 0)
    end
end

function args.register(name, fn, flags)
    base.register({ function_name = name, callback = args.guarded(fn), flags = flags })
end

-- A small whole number as text. Redis prints a number that it is given as a floating-point one, which is dear.
local decimals = {}

function args.decimal(n)
    local text = decimals[n]
    if not text then
        text = string.format('%d', n)
        if n >= 0 and n <= 1000 then
            decimals[n] = text
        end
    end
    return text
end

-- Decimal text without sign, at most 15 digits, within lo..hi.
function args.int(v, lo, hi, text)
    if not v or #v > 15 or not string.find(v, '^%d+$') then
        args.fail(text)
    end
    local n = tonumber(v)
    if n < lo or n > hi then
        args.fail(text)
    end
    return n
end

function args.is_name(v)
    return type(v) == 'string' and #v >= 1 and #v <= 64 and string.find(v, '^[%w_.-]+$') ~= nil
end

-- A number of P:ctl: somebody's own HSET may have left anything there.
function args.stored(v, default)
    local n = tonumber(v or default)
    if not n or n < 0 or n % 1 ~= 0 then
        args.fail('WHBADDATA a setting in ctl is no whole number')
    end
    return n
end

function args.name(v, text)
    if not v or not args.is_name(v) then
        args.fail(text)
    end
    return v
end

function args.bytes(v, max, text)
    if not v or #v > max then
        args.fail(text)
    end
    return v
end

-- Option words behind `from`: spec maps WORD to the number of its values. Returns word -> value
-- (or array of values); refuses unknown, doubled and incomplete ones.
function args.options(argv, from, spec)
    local found, i = {}, from
    while i <= #argv do
        local word = #argv[i] <= 16 and string.upper(argv[i]) or ''
        local count = spec[word]
        if not count then
            args.fail('WHBADARG unknown option word')
        end
        if found[word] ~= nil then
            args.fail('WHBADARG an option is given twice')
        end
        if i + count > #argv then
            args.fail('WHBADARG the last option lacks its value')
        end
        if count == 0 then
            found[word] = true
        elseif count == 1 then
            found[word] = argv[i + 1]
        else
            found[word] = { argv[i + 1], argv[i + 2] }
        end
        i = i + 1 + count
    end
    return found
end

-- The filter options of listings: ORG, TYPE, CATEGORY.
function args.filter(found)
    local f = {}
    f.org = found.ORG and args.name(found.ORG, 'WHBADARG ORG must be a name')
    f.type = found.TYPE and args.name(found.TYPE, 'WHBADARG TYPE must be a name')
    f.category = found.CATEGORY and args.name(found.CATEGORY, 'WHBADARG CATEGORY must be a name')
    return f
end

-- The id of a stream entry. 19 digits: what Redis can parse for sure.
function args.entry(v, text)
    local ms, seq = string.match(v, '^(%d+)%-(%d+)$')
    if not ms or #ms > 19 or #seq > 19 then
        args.fail(text)
    end
    return v
end

function args.count(argv, n, text)
    if #argv ~= n then
        args.fail(text)
    end
end
