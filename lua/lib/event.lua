-- SPDX-License-Identifier: Apache-2.0
-- The capped stream of what happened besides plain success, and the counters.
local event = { keep = 10000 }

-- head may be nil; extra: flat field, value …
function event.add(k, name, raw, head, extra)
    local e = { 'XADD', k.events, 'MAXLEN', '~', event.keep, '*', 'event', name }
    if raw then
        e[#e + 1], e[#e + 2] = 'id', id.text(raw)
    end
    if head then
        e[#e + 1], e[#e + 2] = 'org', head[2]
        e[#e + 1], e[#e + 2] = 'type', head[1]
    end
    for i = 1, extra and #extra or 0 do
        e[#e + 1] = extra[i]
    end
    redis.call(unpack(e))
end

-- A counter that somebody overwrote by hand must not stop a change half-way.
function event.count(k, name, n)
    if n > 0 then
        redis.pcall('HINCRBY', k.stats, name, args.decimal(n))
    end
end
