-- SPDX-License-Identifier: Apache-2.0
-- What Redis gives to every function, as names of this chunk: to find a global, Lua looks into two tables of Redis
-- each time. While a library loads there are none of these yet: base.find() comes first in each call.
local base = { register = redis.register_function }

function base.globals()
    return redis, string, math, struct, ipairs, pairs, unpack, tonumber, type
end

local redis, string, math, struct, ipairs, pairs, unpack, tonumber, type

function base.find()
    if not redis then
        redis, string, math, struct, ipairs, pairs, unpack, tonumber, type = base.globals()
    end
end
