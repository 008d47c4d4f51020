/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed calls of the store against a real server: their replies, what they cut and
 * what they refuse.
 */
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/store/store.h"
#include "tests/support/loop_wait.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

#define P "wh:{eu:q}"
enum { JOBS = 3 };

typedef struct fixture {
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_store *store;

    int calls; /* callbacks so far */
    wh_err err;
    char text[320];
    int64_t retry_after_ms;
    wh_store_enqueue_fate fate;
    size_t count, count2;
    int64_t number;
    bool flag;
    char tokens[JOBS][WH_JOB_TOKEN_MAX];
    size_t token_len[JOBS];
    uint8_t ids[JOBS][WH_UUID_BYTES];
} fixture;

static void ready(fixture *f)
{
    wh_store_options o = {.on_ready = NULL};

    assert_int_equal(
        wh_endpoint_parse(wh_redis_fixture_url(f->redis), &o.conn.endpoint, NULL),
        WH_OK);
    assert_int_equal(wh_store_new(f->loop, &o, &f->store, NULL), WH_OK);
    wh_endpoint_fini(&o.conn.endpoint);
    assert_false(wh_store_is_ready(f->store));
    wh_store_start(f->store);
    WH_WAIT_FOR(f->loop, wh_store_is_ready(f->store));
}

static int setup(void **state)
{
    static fixture f;

    f = (fixture){.redis = wh_redis_fixture_start(NULL)};
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_store_free(f->store);
    wh_loop_free(f->loop);
    wh_redis_fixture_stop(f->redis);
    return 0;
}

static void note(fixture *f, wh_err err, const wh_errbuf *eb)
{
    f->calls++;
    f->err = err;
    snprintf(f->text, sizeof f->text, "%s", err == WH_OK ? "" : eb->text);
    f->retry_after_ms = err == WH_OK ? 0 : eb->retry_after_ms;
}

static void on_reply(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    fixture *f = arg;

    note(f, err, eb);
    f->count = wh_reply_count(r);
    f->number = wh_reply_int(wh_reply_at(r, 1), -1);
}

static void on_enqueued(void *arg, wh_err err, const wh_errbuf *eb,
                        const wh_store_enqueued *e)
{
    fixture *f = arg;

    note(f, err, eb);
    if (err == WH_OK) {
        f->count = e->created;
        f->count2 = e->n_existing;
        f->fate = e->fate;
        f->number = e->n_existing > 0 ? (int64_t)e->existing[0] : -1;
    }
}

static void on_cycle(void *arg, wh_err err, const wh_errbuf *eb,
                     const wh_store_cycle *c)
{
    fixture *f = arg;

    note(f, err, eb);
    if (err != WH_OK) {
        assert_null(c);
        return;
    }
    f->count = c->n_claims;
    f->count2 = c->n_fenced;
    f->number = c->next_due_ms;
    for (size_t i = 0; i < c->n_claims && i < JOBS; i++) {
        wh_job *job = NULL;

        assert_int_equal(wh_codec_unpack_job(&c->claims[i], &job, NULL), WH_OK);
        assert_string_equal(job->type, "mail");
        assert_memory_equal(job->payload.p, "body", 4);
        wh_job_free(job);
        memcpy(f->tokens[i], c->claims[i].token.p, c->claims[i].token.n);
        f->token_len[i] = c->claims[i].token.n;
    }
}

static void on_heartbeat(void *arg, wh_err err, const wh_errbuf *eb,
                         const wh_store_heartbeat *h)
{
    fixture *f = arg;

    note(f, err, eb);
    if (err == WH_OK) {
        f->count = h->held;
        f->count2 = h->n_cancels;
        f->flag = h->quiet;
        if (h->n_cancels > 0) {
            assert_int_equal(h->cancels[0].n, f->token_len[0]);
        }
    }
}

static void on_resync(void *arg, wh_err err, const wh_errbuf *eb,
                      const wh_store_resync *r)
{
    fixture *f = arg;

    note(f, err, eb);
    if (err == WH_OK) {
        f->count = r->released;
        f->count2 = r->n_gone;
    }
}

static void await(fixture *f, int calls)
{
    WH_WAIT_FOR(f->loop, f->calls >= calls);
    assert_int_equal(f->calls, calls);
}

static void enqueue(fixture *f)
{
    wh_job_spec specs[JOBS];
    wh_store_enqueue_args args = {.partition = P, .specs = specs, .n = JOBS};
    int before = f->calls;

    for (size_t i = 0; i < JOBS; i++) {
        if (f->ids[i][0] == 0) {
            assert_int_equal(wh_rng_uuid7(f->ids[i]), WH_OK);
        }
        specs[i] = (wh_job_spec){
            .type = "mail", .payload = "body", .payload_len = 4, .id = f->ids[i]};
    }
    assert_int_equal(wh_store_do_enqueue(f->store, &args, on_enqueued, f, NULL), WH_OK);
    assert_int_equal(f->calls, before);
    await(f, before + 1);
    assert_int_equal(f->err, WH_OK);
}

static void beat(fixture *f, wh_store_beat mode)
{
    wh_store_heartbeat_args args = {
        .partition = P, .worker = "w1", .lease_ms = 60000, .mode = mode, .info = "{}"};
    int before = f->calls;

    assert_int_equal(wh_store_do_heartbeat(f->store, &args, on_heartbeat, f), WH_OK);
    await(f, before + 1);
}

static void cycle(fixture *f, unsigned want, const wh_store_finish *finishes, size_t n)
{
    wh_store_cycle_args args = {.partition = P,
                                .worker = "w1",
                                .want = want,
                                .finishes = finishes,
                                .n_finishes = n};
    int before = f->calls;

    assert_int_equal(wh_store_do_cycle(f->store, &args, on_cycle, f), WH_OK);
    await(f, before + 1);
}

static wh_slice token(fixture *f, size_t i)
{
    return (wh_slice){f->tokens[i], f->token_len[i]};
}

static void test_life_of_jobs(void **state)
{
    fixture *f = *state;

    ready(f);
    enqueue(f);
    assert_int_equal(f->count, JOBS);
    assert_int_equal(f->count2, 0);
    enqueue(f); /* the same ids */
    assert_int_equal(f->count, 0);
    assert_int_equal(f->count2, JOBS);
    assert_int_equal(f->number, 0);

    beat(f, WH_STORE_BEAT_NEW);
    assert_int_equal(f->err, WH_OK);
    cycle(f, 10, NULL, 0);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->count, JOBS);
    assert_int_equal(f->number, -1);

    wh_store_finish finishes[JOBS + 1] = {
        {.token = token(f, 0),
         .outcome = WH_STORE_RETRY,
         .delay_ms = 60000,
         .category = "timeout",
         .message = {"late", 4},
         .context = {"{}", 2}},
        {.token = token(f, 1), .outcome = WH_STORE_OK},
        {.token = token(f, 2), .outcome = WH_STORE_OK, .result = {"42", 2}},
        {.token = {"0123456789abcdef1", 17}, .outcome = WH_STORE_OK},
    };
    cycle(f, 0, finishes, JOBS + 1);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->count, 0);
    assert_int_equal(f->count2, 1); /* the token that nobody holds */
    assert_true(f->number > 50000);
    beat(f, WH_STORE_BEAT_BYE);
    assert_int_equal(f->err, WH_OK);
}

/* Who may replace a job hears what became of it; a full queue is refused with a time. */
static void test_one_job(void **state)
{
    fixture *f = *state;
    uint8_t ids[3][WH_UUID_BYTES];
    wh_job_spec spec = {.type = "mail",
                        .payload = "body",
                        .payload_len = 4,
                        .org = "o",
                        .key = "k",
                        .conflict = WH_JOB_CONFLICT_REPLACE};
    wh_store_enqueue_args args = {.partition = P, .specs = &spec, .n = 1};

    ready(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wh_rng_uuid7(ids[i]), WH_OK);
        spec.id = ids[i];
        assert_int_equal(wh_store_do_enqueue(f->store, &args, on_enqueued, f, NULL),
                         WH_OK);
        await(f, i + 1);
        assert_int_equal(f->err, WH_OK);
        assert_int_equal(f->count, i == 0 ? 1 : 0);
        assert_int_equal(f->count2, i == 0 ? 0 : 1);
        assert_int_equal(f->fate, i == 0 ? WH_STORE_EXISTING : WH_STORE_REPLACED);
    }
    wh_call call;
    wh_call_init(&call, "wh1_limit", false, P);
    wh_call_args(&call, "jobs:org/o");
    wh_call_args(&call, "1");
    assert_int_equal(wh_store_call(f->store, &call, on_reply, f), WH_OK);
    await(f, 3);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(wh_rng_uuid7(ids[2]), WH_OK);
    spec = (wh_job_spec){.type = "mail", .org = "o", .id = ids[2]};
    assert_int_equal(wh_store_do_enqueue(f->store, &args, on_enqueued, f, NULL), WH_OK);
    await(f, 4);
    assert_int_equal(f->err, WH_EBACKPRESSURE);
    assert_true(f->retry_after_ms > 0);
}

static void test_long_texts_are_cut(void **state)
{
    static char text[WH_JOB_CONTEXT_MAX * 2];
    fixture *f = *state;
    wh_call c;

    for (size_t i = 0; i + 1 < sizeof text; i += 2) {
        memcpy(text + i, "\xc3\xa4", 2);
    }
    ready(f);
    enqueue(f);
    beat(f, WH_STORE_BEAT_NEW);
    cycle(f, JOBS, NULL, 0);
    wh_store_finish fin = {.token = token(f, 0),
                           .outcome = WH_STORE_DEAD,
                           .category = "invalid",
                           .message = {text + 1, sizeof text - 1},
                           .context = {text, sizeof text}};
    cycle(f, 0, &fin, 1);
    assert_int_equal(f->err, WH_OK);
    wh_store_progress p = {
        .token = token(f, 1), .percent = 400, .message = {text, 600}};
    wh_store_log_line line = {.token = token(f, 1), .line = {text, sizeof text}};
    wh_store_heartbeat_args args = {.partition = P,
                                    .worker = "w1",
                                    .lease_ms = 60000,
                                    .mode = WH_STORE_BEAT_RENEW,
                                    .progress = &p,
                                    .n_progress = 1,
                                    .lines = &line,
                                    .n_lines = 1};
    int before = f->calls;
    assert_int_equal(wh_store_do_heartbeat(f->store, &args, on_heartbeat, f), WH_OK);
    await(f, before + 1);
    assert_string_equal(f->text, "");
    assert_int_equal(f->count, JOBS - 1);
    wh_call_init(&c, "wh1_dlq_list", true, P);
    wh_call_args(&c, "-");
    wh_call_argi(&c, 10);
    assert_int_equal(wh_store_call(f->store, &c, on_reply, f), WH_OK);
    await(f, before + 2);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->count, 2);
}

static void test_refused_up_front(void **state)
{
    static char big[WH_JOB_RESULT_MAX + 1];
    static wh_store_finish many[WH_JOB_BATCH_MAX + 1];
    fixture *f = *state;
    wh_store_finish fin = {
        .token = {"t", 1}, .outcome = WH_STORE_OK, .result = {big, sizeof big}};
    wh_store_cycle_args args = {
        .partition = P, .worker = "w1", .finishes = &fin, .n_finishes = 1};
    wh_job_spec spec = {.type = "bad type", .id = f->ids[0]};
    wh_store_enqueue_args enqueue_args = {.partition = P, .specs = &spec, .n = 1};
    wh_errbuf eb = {0};

    ready(f);
    assert_int_equal(wh_store_do_cycle(f->store, &args, on_cycle, f), WH_ETOOBIG);
    args.finishes = many;
    args.n_finishes = WH_JOB_BATCH_MAX + 1;
    assert_int_equal(wh_store_do_cycle(f->store, &args, on_cycle, f), WH_ETOOBIG);
    args.n_finishes = 0;
    args.want = WH_JOB_BATCH_MAX + 1;
    assert_int_equal(wh_store_do_cycle(f->store, &args, on_cycle, f), WH_EINVAL);
    assert_int_equal(wh_store_do_enqueue(f->store, &enqueue_args, on_enqueued, f, &eb),
                     WH_EINVAL);
    assert_non_null(strstr(eb.text, "job 0"));
    enqueue_args.n = 0;
    assert_int_equal(wh_store_do_enqueue(f->store, &enqueue_args, on_enqueued, f, &eb),
                     WH_EINVAL);
    assert_int_equal(f->calls, 0);
}

static void test_resync_and_cancel(void **state)
{
    fixture *f = *state;
    char id[WH_UUID_TEXT + 1];

    ready(f);
    enqueue(f);
    beat(f, WH_STORE_BEAT_NEW);
    cycle(f, JOBS, NULL, 0);
    wh_slice named[2] = {token(f, 0), {"0123456789abcdef7", 17}};
    wh_store_resync_args args = {
        .partition = P, .worker = "w1", .tokens = named, .n_tokens = 2};
    int before = f->calls;
    assert_int_equal(wh_store_do_resync(f->store, &args, on_resync, f), WH_OK);
    await(f, before + 1);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->count, JOBS - 1);
    assert_int_equal(f->count2, 1);

    uint8_t raw[WH_UUID_BYTES];
    memcpy(raw, f->tokens[0], sizeof raw);
    wh_rng_uuid_format(raw, id);
    redisReply *r = wh_redis_fixture_cmd(f->redis, "FCALL wh1_cancel 1 %s %s", P, id);
    assert_non_null(r);
    assert_string_equal(r->str, "requested");
    freeReplyObject(r);
    beat(f, WH_STORE_BEAT_RENEW);
    assert_int_equal(f->count, 1);
    assert_int_equal(f->count2, 1);

    args.worker = "stranger";
    assert_int_equal(wh_store_do_resync(f->store, &args, on_resync, f), WH_OK);
    await(f, before + 3);
    assert_int_equal(f->err, WH_ELOST);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_life_of_jobs),       WITH_SERVER(test_one_job),
        WITH_SERVER(test_long_texts_are_cut), WITH_SERVER(test_refused_up_front),
        WITH_SERVER(test_resync_and_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
