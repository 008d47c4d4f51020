-- SPDX-License-Identifier: Apache-2.0
-- A job's packed record: time stamp (9 bytes), head (msgpack array), payload (opaque).
-- docs/protocol.md section 3.
-- brief: bytes of a head that is remembered, at most.
local record = {
    stamp_len = 9, damaged = { 'damaged', 'default', 5 }, brief = 128, UNKNOWN = 'WHBADARG head: unknown option',
}

-- Option keys of a head: type, bounds, and what they must be, in the words of both ways to say them.
local OPTION = {
    ma = { 'number', 1, LIMIT.attempts, 'MAXATTEMPTS (ma) must be 1 to 1000' },
    to = { 'number', 1, LIMIT.timeout, 'TIMEOUT (to) must be 1 to 604800000 ms' },
    dl = { 'number', 0, LIMIT.delay, 'DELAY (dl) must be 0 to 315360000000 ms' },
    xp = { 'number', 1, LIMIT.delay, 'EXPIRES (xp) must be 1 to 315360000000 ms' },
    kt = { 'number', 1, LIMIT.delay, 'KEYTTL (kt) must be 1 to 315360000000 ms' },
    et = { 'string', 1, LIMIT.entity, 'the type of ENTITY (et) must have 1 to 256 bytes' },
    ei = { 'string', 1, LIMIT.entity, 'the id of ENTITY (ei) must have 1 to 256 bytes' },
    tp = { 'string', 1, LIMIT.traceparent, 'TRACEPARENT (tp) must have 1 to 256 bytes' },
    k = { 'string', 1, LIMIT.key, 'KEY (k) must be 1 to 256 characters of printable ASCII without blanks' },
    ku = { 'string', 1, 1, 'UNIQUE (ku) must be d or q in a head' },
    kc = { 'string', 1, 1, 'CONFLICT (kc) must be r, e or l in a head' },
    g = { 'string', 1, 64, 'GROUP (g) must be a name: 1 to 64 of A-Z a-z 0-9 _ . -' },
    rf = { 'number', 1, LIMIT.delay, 'RETRYFOR (rf) must be 1 to 315360000000 ms' },
    eo = { 'number', 1, 1, 'eo must be 1' },
}
local WORD = { ku = '^[dq]$', kc = '^[rel]$', g = '^[%w_.-]+$', k = '^[\33-\126]+$' }

function record.stamp(ms)
    return struct.pack('>BI8', 0xcf, ms)
end

function record.enqueued_at(rec)
    return (struct.unpack('>I8', rec, 2))
end

-- Is this value of P:jobs the record of a living or kept job (not a dead one's pointer, not a tombstone)?
function record.is_record(v)
    return v and #v > record.stamp_len and string.byte(v) == 0xcf
end

function record.dlq_entry(v)
    if v and string.byte(v) == 68 then -- 'D'
        return string.sub(v, 2)
    end
    return nil
end

-- The type of a record, and whether its head has options, without decoding it.
function record.peek(rec)
    local array, first = string.byte(rec, 10, 11)
    if first and first >= 0xa1 and first <= 0xbf then
        return string.sub(rec, 12, first - 0xa0 + 11), array ~= 0x93
    end
    local head = record.decode(rec)
    return head[1], true
end

-- Bytes behind the first one of an integer of up to 32 bits; for any other value more than there are.
local function size_of(value)
    if value < 0x80 then
        return 0
    end
    return value > 0xcb and value < 0xcf and 2 ^ (value - 0xcc) or math.huge
end

-- The bytes of a head that say where its job waits, when it has no options but, perhaps, a delay; nil for other
-- heads. Two heads of one outline differ in nothing else, also in whether they are damaged.
function record.outline(rec)
    local array, kind = string.byte(rec, 10, 11)
    local at = kind and kind > 0xa0 and kind < 0xc0 and kind - 0xa0 + 12
    local org = at and string.byte(rec, at)
    local last = org and org > 0xa0 and org < 0xc0 and at + org - 0xa0 + 1
    if last and array == 0x94 then
        local map, size, d, l, value = string.byte(rec, last + 1, last + 5)
        if map ~= 0x81 or size ~= 0xa2 or d ~= 100 or l ~= 108 or not value or #rec < last + 5 + size_of(value) then
            return nil
        end
    elseif not last or array ~= 0x93 then
        return nil
    end
    return string.sub(rec, 10, last)
end

-- Tells fast that a record has this outline, without a string of it: its length is at least this (whatever the
-- delay), and at byte 10 it matches this pattern.
function record.likeness(outline)
    local text = string.gsub(outline, '[%z%p]', function(c)
        return c == '\0' and '%z' or '%' .. c
    end)
    if string.byte(outline) == 0x93 then
        return 9 + #outline, '^' .. text
    end
    return 18 + #outline, '^' .. text .. '\129\162dl[%z\1-\127\204-\206]'
end

-- What follows the stamp in each record of this type whose head has no options; false where that is not known so
-- easily.
function record.start(rec, kind)
    if string.byte(rec, record.stamp_len + 1) ~= 0x93 or #kind > 31 then
        return false
    end
    return string.sub(rec, record.stamp_len + 1, record.stamp_len + 2 + #kind)
end

-- Of a job that a claim need not look at closely: its type and what each record of the same kind begins with behind
-- the stamp (false where that is not known). Options count when they say a group, or that the key goes at the claim or
-- with the end; then nil, and the head.
function record.alike(rec)
    local kind, has_options = record.peek(rec)
    if not has_options then
        return kind, record.start(rec, kind)
    end
    local ok, after, head = pcall(cmsgpack.unpack_one, rec, record.stamp_len)
    if not ok or type(head) ~= 'table' or not pcall(record.check, head) then
        return nil, nil, record.damaged
    end
    local o = head[4]
    if not o or o.g or o.ku then
        return nil, nil, head
    end
    return head[1], string.sub(rec, record.stamp_len + 1, after)
end

-- Options that have no part in where a job waits, and in whether it is new.
local HARMLESS = { ma = true, to = true, rf = true, et = true, ei = true, tp = true }

-- Does a job of these options wait as one without any?
function record.waits_plainly(options)
    for name in pairs(options) do
        if not HARMLESS[name] then
            return false
        end
    end
    return true
end

-- The head and, with want_payload, the payload. A head that somebody overwrote by hand reads as
-- `damaged`: the job goes its way (to the worker that refuses it) instead of blocking the others.
function record.decode(rec, want_payload)
    local ok, after, head = pcall(cmsgpack.unpack_one, rec, record.stamp_len)
    if not ok or type(head) ~= 'table' or not pcall(record.check, head) then
        return record.damaged, string.sub(rec, record.stamp_len + 1)
    end
    if not want_payload then
        return head
    end
    return head, after == -1 and '' or string.sub(rec, after + 1)
end

-- The payload of a record that a producer made, whatever stands before it.
function record.payload(rec)
    local ok, after, head = pcall(cmsgpack.unpack_one, rec, record.stamp_len)
    if #rec <= record.stamp_len or not ok or type(head) ~= 'table' then
        args.fail('WHBADARG a record is 9 bytes, the head, a msgpack array, and the payload')
    end
    return after == -1 and '' or string.sub(rec, after + 1)
end

local function check_option(name, value)
    local rule = OPTION[name]
    if not rule then
        args.fail(record.UNKNOWN)
    end
    local is_number = rule[1] == 'number'
    local size = type(value) == rule[1] and (is_number and value or #value)
    if not size or not (size >= rule[2] and size <= rule[3]) or (is_number and value % 1 ~= 0)
        or (WORD[name] and not string.find(value, WORD[name])) then
        args.fail('WHBADARG ' .. rule[4])
    end
end

-- What is about a key says nothing without one. Of producers: heads that are stored already stay as they are.
function record.check_key(o)
    if not o.k and (o.kt or o.ku or o.kc) then
        args.fail('WHBADARG KEYTTL (kt), UNIQUE (ku) and CONFLICT (kc) need a KEY (k)')
    end
end

-- The options of a head that has none: one table for all, read only.
local NONE = {}

-- Checks a decoded head; returns what enqueue needs of it.
function record.check(head)
    if type(head) ~= 'table' or not args.is_name(head[1]) then
        args.fail('WHBADARG the type must be a name: 1 to 64 of A-Z a-z 0-9 _ . -')
    end
    if not args.is_name(head[2]) then
        args.fail('WHBADARG the org must be a name: 1 to 64 of A-Z a-z 0-9 _ . -')
    end
    local priority = head[3]
    if type(priority) ~= 'number' or priority < 0 or priority > 9 or priority % 1 ~= 0 then
        args.fail('WHBADARG the priority must be 0 to 9')
    end
    if #head > 4 or head[5] ~= nil or (head[4] ~= nil and type(head[4]) ~= 'table') then
        args.fail('WHBADARG head: it has 3 or 4 elements, the fourth a map')
    end
    local options = head[4] or NONE
    for name, value in pairs(options) do
        check_option(name, value)
    end
    return { type = head[1], org = head[2], level = string.format('%d', priority), options = options }
end

-- The bytes of a checked head in the one form that all readers know: no doubled keys, no
-- floating-point integers, no longer encodings than needed, no empty map.
function record.pack_head(head)
    local canonical = { head[1], head[2], head[3] }
    if head[4] and next(head[4]) ~= nil then
        canonical[4] = head[4]
    end
    return cmsgpack.pack(canonical)
end

-- A checked head with its bytes.
local function checked(head)
    local h = record.check(head)
    h.bytes = record.pack_head(head)
    return h
end

local ARRAY = { [0x93] = 3, [0x94] = 4, [0xdc] = 16, [0xdd] = 32 }

-- A head from the wire: one msgpack array and nothing behind it. One without a priority has no level: record.at_level
-- makes it whole.
function record.read_head(bytes)
    if #bytes > LIMIT.head then
        args.fail('WHTOOBIG the head is over 2048 bytes')
    end
    local ok, after, head = pcall(cmsgpack.unpack_one, bytes, 0)
    if not ok or after ~= -1 or not ARRAY[string.byte(bytes)] then
        args.fail('WHBADARG the head is no msgpack array')
    end
    local inherits = ARRAY[string.byte(bytes)] <= 4 and head[3] == nil
    local h = checked(inherits and { head[1], head[2], 0, head[4], head[5] } or head)
    if h.options.eo then
        args.fail(record.UNKNOWN)
    end
    record.check_key(h.options)
    if inherits then
        h.level, h.bytes, h.head, h.at = nil, nil, head, {}
    end
    return h
end

-- Is it worth while to remember a head? One that names what belongs to its job alone does not come again.
function record.recurs(bytes, options)
    return #bytes <= record.brief and not (options.k or options.ei or options.tp)
end

-- Checked heads of the wire by their bytes: producers send the same few again and again. What a head says never
-- changes (enqueue.lua also keeps its place in it).
local heads = cache.new(1000)

-- The same; the result is shared: read only.
function record.parse_head(bytes)
    local h = cache.get(heads, bytes)
    if not h then
        h = record.read_head(bytes)
        if record.recurs(bytes, h.options) then
            cache.put(heads, bytes, h)
        end
    end
    return h
end

-- A head without a priority, with this one (0 to 9), and that it is not its own (inherits).
function record.at_level(h, priority)
    if not h.at[priority] then
        h.at[priority] = checked({ h.head[1], h.head[2], priority, h.head[4] })
        h.at[priority].inherits = true
    end
    return h.at[priority]
end

-- Appends a field to a flat array unless it is absent or empty.
function record.put(out, name, value)
    if value and value ~= '' then
        out[#out + 1], out[#out + 2] = name, value
    end
end

function record.decimal(v)
    return v and string.format('%.0f', v) or nil
end

-- Flat fields -> table.
function record.fields(flat)
    local f = {}
    for i = 1, #flat, 2 do
        f[flat[i]] = flat[i + 1]
    end
    return f
end
