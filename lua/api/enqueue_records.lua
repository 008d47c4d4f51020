-- SPDX-License-Identifier: Apache-2.0
-- wh1_enqueue_records: many jobs in one call, whose records the producer made as they are stored.
--   ARGV stamp_ms groups (head count)×groups (id record)…, 1 to 1,000 pairs, those of each group one behind the other
--   -> [created, now_ms, as_is, index, id text, …] (the pairs: those that exist already)
-- stamp_ms: now_ms of an answer that the producer has from this Redis, not more than 250 ms old; a record is that
-- stamp (9 bytes), the head as it is stored and the payload. as_is: 1, they were stored so; 0, one was not like that
-- (or a job not new, or not for the short way), and all were stored as by wh1_enqueue_batch.
-- No record is made of its parts here: to Lua, which hashes every byte of a string, that is most of the work.
-- errors WHBADARG WHTOOBIG WHBADDATA WHBACKPRESSURE OOM. O(1) per job and O(log orgs) per org.
args.register('wh1_enqueue_records', function(KEYS, ARGV)
    local k, counts = keys.of(KEYS), bulk.counts(ARGV)
    local settings, now = enqueue.settings(k), clock.now()
    local created = bulk.run_records(k, now, ARGV, counts, settings)
    if created then
        return { created, now, 1 }
    end
    local jobs = enqueue.triples(bulk.triples_of(ARGV, counts), 1, settings)
    local reply = enqueue.answer(k, now, jobs, settings)
    table.insert(reply, 3, 0)
    return reply
end, {})
