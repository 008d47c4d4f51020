-- SPDX-License-Identifier: Apache-2.0
-- The only clock: Redis' own, in ms.
local clock = {}

function clock.now()
    local t = redis.call('TIME')
    clock.said = t[1] .. string.sub('00000' .. t[2], -6, -4)
    clock.at = tonumber(clock.said)
    return clock.at
end

-- A time as text. That of this call is at hand: to make text of a number costs as much as some commands.
function clock.text(ms)
    return ms == clock.at and clock.said or string.format('%.0f', ms)
end

-- Of a key that ends in so many ms.
function clock.ttl(ms)
    return string.format('%.0f', ms)
end

-- ISO 8601 in UTC with ms. Days to date as in Howard Hinnant's "chrono-compatible low-level
-- date algorithms" (civil_from_days).
function clock.iso(ms)
    local floor = math.floor
    local s = floor(ms / 1000)
    local days = floor(s / 86400)
    local z = days + 719468
    local era = floor(z / 146097)
    local doe = z - era * 146097
    local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
    local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
    local mp = floor((5 * doy + 2) / 153)
    local day = doy - floor((153 * mp + 2) / 5) + 1
    local month = mp < 10 and mp + 3 or mp - 9
    local year = yoe + era * 400 + (month <= 2 and 1 or 0)
    local rest = s - days * 86400
    return string.format(
        '%04d-%02d-%02dT%02d:%02d:%02d.%03dZ',
        year,
        month,
        day,
        floor(rest / 3600),
        floor(rest / 60) % 60,
        rest % 60,
        ms - s * 1000
    )
end
