-- SPDX-License-Identifier: Apache-2.0
-- What Redis gives to every function, as names of this chunk: to find a global, Lua looks into two tables of Redis
-- each time. While a library loads there are none of these yet: base.find() comes first in each call.
-- step_percent: how much memory Lua's collector walks in a step, of the 1 KiB that is allocated until the next one;
-- 200 unless somebody says. Redis makes it do 50 steps in every 50th call: those calls were the slowest. A quarter is
-- enough for it to keep up (docs/performance.md). It holds for all libraries of this Redis: they share one Lua.
local base = { register = redis.register_function, step_percent = 50 }

function base.globals()
    return redis, string, math, struct, ipairs, pairs, unpack, tonumber, type
end

local redis, string, math, struct, ipairs, pairs, unpack, tonumber, type

function base.find()
    if not redis then
        redis, string, math, struct, ipairs, pairs, unpack, tonumber, type = base.globals()
        pcall(function() -- a Redis without it runs on as it was
            collectgarbage('setstepmul', base.step_percent)
        end)
    end
end
