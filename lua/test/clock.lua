-- SPDX-License-Identifier: Apache-2.0
-- The clock of the test build: Redis' own until wh1_test_clock sets it (0 goes back).
local clock = { fixed = 0 }

function clock.now()
    if clock.fixed > 0 then
        return clock.fixed
    end
    local t = redis.call('TIME')
    return t[1] * 1000 + math.floor(t[2] / 1000)
end

function clock.text(ms)
    return string.format('%.0f', ms)
end

-- Keys end by Redis' own clock: none of them before this one says so.
function clock.ttl(ms)
    return string.format('%.0f', clock.fixed > 0 and ms + 3600000 or ms)
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

args.register('wh1_test_clock', function(_, ARGV)
    clock.fixed = tonumber(ARGV[1])
    return clock.now()
end, { 'no-writes' })
