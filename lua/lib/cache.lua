-- SPDX-License-Identifier: Apache-2.0
-- What is remembered from call to call: values by key that are dear to make again, in Lua's memory alone. Few, and what
-- nobody asks for is soon forgotten: Lua's collector walks all that there is, and what it walks drives what Redis
-- works with out of the processor's caches. Two generations: one that is full, or after so many calls, becomes the
-- old one; what is found there moves to the young one, and the rest goes with it.
local cache = { all = {}, n = 0, calls = 0, round = 500 }

-- most: entries of a generation.
function cache.new(most)
    local c = { young = {}, old = {}, n = 0, most = most }
    cache.n = cache.n + 1
    cache.all[cache.n] = c
    return c
end

local function age(c)
    c.young, c.old, c.n = {}, c.young, 0
end

-- Anything but nil.
function cache.put(c, key, value)
    if c.n >= c.most then
        age(c)
    end
    c.young[key], c.n = value, c.n + 1
    return value
end

-- nil: not known.
function cache.get(c, key)
    local v = c.young[key]
    if v == nil then
        v = c.old[key]
        if v ~= nil then
            cache.put(c, key, v)
        end
    end
    return v
end

-- A call begins.
function cache.count_call()
    cache.calls = cache.calls + 1
    if cache.calls >= cache.round then
        cache.calls = 0
        for i = 1, cache.n do
            age(cache.all[i])
        end
    end
end
