/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listens at the bells of the model's workers: who waits before an enqueue of one job, and who
 * has the job after it. The calls are taken from the bells; whether a worker ever heard one is
 * for it to say at its next resync.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* How many orgs are in the ring; who waits longest, and since when; the jobs that went over
 * bells, each with its worker and the record that it should have. */
static redisReply *look(void)
{
    static const char script[] =
        "local P, out = ARGV[1], {} "
        "local first = redis.call('ZRANGE', P .. 'idle', 0, 0, 'WITHSCORES') "
        "out[1] = redis.call('ZCARD', P .. 'ring') "
        "out[2], out[3] = first[1] or '', first[2] or '' "
        "for _, k in ipairs(redis.call('KEYS', P .. 'bell:w*')) do "
        "for _, call in ipairs(redis.call('LRANGE', k, 0, -1)) do "
        "if string.sub(call, 1, 1) == 'j' then "
        "local raw = string.sub(string.match(call, ' (.*)$'), 1, 16) "
        "out[#out + 1] = string.sub(k, #P + 6) out[#out + 1] = call "
        "out[#out + 1] = redis.call('HGET', P .. 'jobs', raw) or '' end end "
        "redis.call('DEL', k) end return out";
    redisReply *r = wh_lc_cmd("EVAL %s 0 " WH_LC_P ":", script);

    wh_lmr_is_array(r);
    assert_true(r->elements >= 3);
    return r;
}

void wh_lmr_listen(struct wh_lm_call *c)
{
    redisReply *r = look();

    *c = (struct wh_lm_call){
        .ring = (unsigned)r->element[0]->integer, .first = -1, .worker = -1};
    if (r->elements > 3) {
        fail_msg("%s has a job over its bell that nobody saw", r->element[3]->str);
    }
    if (r->element[1]->len > 0) {
        double since = strtod(r->element[2]->str, NULL);
        c->first = (int)strtol(r->element[1]->str + 1, NULL, 10);
        c->takes = since - (double)(long long)since >= 0.5;
    }
    freeReplyObject(r);
}

/* The time, the first token, and the record as it stands. */
static void check_call(const struct wh_lmr *run, unsigned n, const redisReply *call,
                       const redisReply *rec)
{
    char head[32];
    size_t at = (size_t)snprintf(head, sizeof head, "j%lld ", run->m.now);

    assert_int_equal(call->len, at + 17 + rec->len);
    assert_memory_equal(call->str, head, at);
    assert_memory_equal(call->str + at, wh_lc_token(n, 1), 17);
    assert_memory_equal(call->str + at + 17, rec->str, rec->len);
}

void wh_lmr_hear(struct wh_lmr *run, const struct wh_lm_new *s, struct wh_lm_call *c,
                 const struct wh_lm_snap *snap)
{
    redisReply *r = look();

    if (r->elements > 3) {
        c->worker = (int)strtol(r->element[3]->str + 1, NULL, 10);
        if (s == NULL || r->elements != 6) {
            fail_msg("w%d has a job that was refused, or more than one", c->worker);
        }
        check_call(run, s->n, r->element[4], r->element[5]);
        run->handed++;
    }
    const char *wrong = s != NULL ? wh_lm_hand_off(&run->m, s, c, snap) : NULL;
    if (wrong != NULL) {
        fail_msg("job %u (org %u, level %u, type %s): %s", s->n, s->org, s->level,
                 wh_lm_types[s->type], wrong);
    }
    freeReplyObject(r);
}
