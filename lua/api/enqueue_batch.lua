-- SPDX-License-Identifier: Apache-2.0
-- wh1_enqueue_batch: many jobs in one call.
--   ARGV (id head payload)…, 1 to 1,000 triples; one bad triple refuses all
--   -> [created, now_ms, index, id text, …] (the pairs: those that exist already)
-- errors WHBADARG WHTOOBIG WHBADDATA WHBACKPRESSURE OOM. O(1) per job and O(log orgs) per org.
args.register('wh1_enqueue_batch', function(KEYS, ARGV)
    local k = keys.of(KEYS)
    if #ARGV < 3 then
        args.fail('WHBADARG jobs must be triples of id, head, payload')
    end
    local ctl, now = enqueue.ctl(k), clock.now()
    local handed, tried = enqueue.at_once(k, now, ARGV, ctl)
    if handed then
        return { 1, now }
    end
    local settings = enqueue.settings(k, ctl)
    settings.tried = tried
    local created = bulk.run(k, now, ARGV, settings)
    if created then
        return { created, now }
    end
    return enqueue.answer(k, now, enqueue.triples(ARGV, 1, settings), settings)
end, {})
