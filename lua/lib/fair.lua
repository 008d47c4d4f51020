-- SPDX-License-Identifier: Apache-2.0
-- Who comes next: start-time fair queueing (Goyal, Vin, Cheng 1996) over the ring, in batches.
-- Instead of serving the org with the lowest virtual time again and again, the level is
-- computed to which `need` jobs raise the lowest virtual times (water-filling), and each
-- org below it takes its share at once.
local fair = {}

-- ring: flat {org, virtual time, …} ascending. weights: org -> number or nil. Returns an
-- array of {org, v, w, n}: n jobs to take; their sum is need (or less when ring is empty).
function fair.shares(ring, weights, need)
    local list, sum_w, sum_wv, level = {}, 0, 0, 0
    for i = 1, #ring, 2 do
        local v, w = tonumber(ring[i + 1]), weights and weights[ring[i]] or 1
        if #list > 0 and v >= level then
            break -- even the lowest ones do not rise this far
        end
        list[#list + 1] = { org = ring[i], v = v, w = w }
        sum_w, sum_wv = sum_w + w, sum_wv + w * v
        level = (need + sum_wv) / sum_w
    end
    local left = need
    for i, s in ipairs(list) do
        s.n = math.min(left, math.ceil((level - s.v) * s.w - 1e-9))
        if s.n < 1 then
            s.n = math.min(left, 1)
        end
        left = left - s.n
        if left <= 0 then
            for j = #list, i + 1, -1 do
                list[j] = nil
            end
            break
        end
    end
    return list
end

-- Weights of the orgs in ring, nil when none are set.
function fair.weights(k, ring)
    if redis.call('EXISTS', k.weights) == 0 then
        return nil
    end
    local orgs = {}
    for i = 1, #ring, 2 do
        orgs[#orgs + 1] = ring[i]
    end
    local values, weights = redis.call('HMGET', k.weights, unpack(orgs)), {}
    for i, org in ipairs(orgs) do
        local w = tonumber(values[i] or 1)
        weights[org] = w and w >= 0.001 and w <= 1000 and w or 1
    end
    return weights
end
