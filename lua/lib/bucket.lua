-- SPDX-License-Identifier: Apache-2.0
-- Buckets of rates: GCRA in its virtual scheduling form (ITU-T I.371). One number per bucket, the theoretical arrival
-- time. In a call it is how far that is ahead of now, in parts of a ms: a rate of n jobs each `period` ms has n parts
-- a ms, and each job takes `period` of them. They are whole, so that nothing is lost or won however many claims there
-- are; a time since 1970 as one number of ms is exact to 1/4096 only. Stored as ms with 12 decimals.
local bucket = {}

-- n: whole, 1e9 at most. burst: how many jobs at once.
function bucket.rate(n, period, burst)
    return { n = n, period = period, burst = burst, depth = period * burst }
end

-- How far ahead a stored time is: 0 when there is none, or something else was put there. What another rate or an
-- earlier revision left is rounded up to whole parts; the 0.001 is for what 12 decimals do not tell.
function bucket.read(text, now, rate)
    local ms, part = string.match(type(text) == 'string' and text or '', '^(%d+)(%.?%d*)$')
    if not ms then
        return 0
    end
    return math.max((tonumber(ms) - now) * rate.n + math.ceil(tonumber('0' .. part) * rate.n - 0.001), 0)
end

function bucket.text(ahead, now, rate)
    local rest = math.fmod(ahead, rate.n)
    return string.format('%.0f', now + (ahead - rest) / rate.n) .. string.sub(string.format('%.12f', rest / rate.n), 2)
end

-- How many jobs it admits.
function bucket.room(ahead, rate)
    return math.max(math.floor((rate.depth - ahead) / rate.period), 0)
end

-- In how many ms it admits one more.
function bucket.wait(ahead, rate)
    return math.ceil((ahead + rate.period - rate.depth) / rate.n)
end

-- Until when it says anything, in ms from now.
function bucket.lasts(ahead, rate)
    return math.ceil(ahead / rate.n)
end
