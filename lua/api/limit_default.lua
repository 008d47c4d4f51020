-- SPDX-License-Identifier: Apache-2.0
-- wh1_limit_default: a cap that is set once in the life of a partition, unless it has one. What an operator set
-- or took away is never changed: P:ctl remembers the first look.
--   ARGV setting value -> 1 it is set now, 0 nothing changed. Errors WHBADARG WHBADDATA. O(1).
-- Only caps of orgs: what they count (P:active) is always there, and a new one frees nobody.
args.register('wh1_limit_default', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    args.count(ARGV, 2, 'WHBADARG usage: setting value')
    local setting, text = ARGV[1], ARGV[2]
    local what, _, value, kind = syntax.parse(setting, text)
    if what ~= 'active' or kind ~= 'org' or not value then
        args.fail('WHBADARG a default is a cap of orgs, like active:org/* 5')
    end
    keys.guard(k)
    if redis.call('HEXISTS', k.ctl, 'default:' .. setting) == 1 then
        return 0
    end
    local version = limit.new_version(k)
    redis.call('HSET', k.ctl, 'default:' .. setting, text)
    if redis.call('HSETNX', k.limits, setting, text) == 0 then
        return 0
    end
    redis.call('HSET', k.ctl, 'limits', version)
    event.add(k, 'limit', nil, nil, { 'setting', setting, 'value', text })
    return 1
end, { 'allow-oom' })
