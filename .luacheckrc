-- What a Redis 7.0 function sees: its Lua 5.1 subset plus Redis' own modules.
-- tests/lint/test_lua.py checks the assembled library, so that a part may use the
-- table of an earlier part, and names the source file of each finding.
stds.redis_function = {
    read_globals = {
        "assert", "collectgarbage", "error", "getmetatable", "ipairs", "next", "pairs",
        "pcall", "rawequal", "rawget", "select", "setmetatable", "tonumber", "tostring",
        "type", "unpack", "xpcall",
        "math", "string", "table",
        "redis", "cjson", "cmsgpack", "struct", "bit",
    },
}
std = "redis_function"
max_line_length = 120
max_cyclomatic_complexity = 20
