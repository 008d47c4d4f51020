/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which function the store sends a batch with: records where few heads stand for many jobs
 * and an answer has just told the time, else triples; either way the jobs are the same.
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
#define TRIPLES "wh1_enqueue_batch"
#define RECORDS "wh1_enqueue_records"
enum { JOBS = 8, FRESH_MS = 200 };

typedef struct fixture {
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_store *store;

    int64_t sent_ms; /* the call before: its answer is not older than that */
    bool
        is_slow; /* this machine took so long that an answer had got old: no more is told */
    bool is_done;
    wh_err err;
    size_t created, existing, first;
    int64_t now_ms;
    char first_id[WH_UUID_TEXT + 1];
    uint8_t ids[JOBS][WH_UUID_BYTES];
    wh_job_spec specs[JOBS];
} fixture;

static int setup(void **state)
{
    static fixture f;
    wh_store_options o = {.on_ready = NULL};

    f = (fixture){.redis = wh_redis_fixture_start(NULL)};
    assert_int_equal(wh_loop_new(&f.loop), WH_OK);
    assert_int_equal(
        wh_endpoint_parse(wh_redis_fixture_url(f.redis), &o.conn.endpoint, NULL),
        WH_OK);
    assert_int_equal(wh_store_new(f.loop, &o, &f.store, NULL), WH_OK);
    wh_endpoint_fini(&o.conn.endpoint);
    wh_store_start(f.store);
    WH_WAIT_FOR(f.loop, wh_store_is_ready(f.store));
    freeReplyObject(
        wh_redis_fixture_cmd(f.redis, "CONFIG SET slowlog-log-slower-than 0"));
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

static void on_enqueued(void *arg, wh_err err, const wh_errbuf *eb,
                        const wh_store_enqueued *e)
{
    fixture *f = arg;

    (void)eb;
    f->is_done = true;
    f->err = err;
    if (err == WH_OK) {
        f->created = e->created;
        f->now_ms = e->now_ms;
        f->existing = e->n_existing;
        if (e->n_existing > 0) {
            f->first = e->existing[0];
            snprintf(f->first_id, sizeof f->first_id, "%s", e->existing_ids[0].p);
        }
    }
}

/* New jobs of that type, each with its number as payload. */
static void make(fixture *f, const char *type)
{
    static const char digits[] = "01234567";

    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(wh_rng_uuid7(f->ids[i]), WH_OK);
        f->specs[i] = (wh_job_spec){
            .type = type, .payload = digits + i, .payload_len = 1, .id = f->ids[i]};
    }
}

static void expect_payload(fixture *f, size_t i)
{
    redisReply *r = wh_redis_fixture_cmd(f->redis, "HGET " P ":jobs %b", f->ids[i],
                                         (size_t)WH_UUID_BYTES);

    assert_int_equal(r->type, REDIS_REPLY_STRING);
    assert_int_equal(r->str[r->len - 1], '0' + (int)i);
    freeReplyObject(r);
}

static void note_pace(fixture *f, int64_t sent_ms)
{
    f->is_slow =
        f->is_slow || (f->sent_ms > 0 && wh_clock_mono_ms() - f->sent_ms >= FRESH_MS);
    f->sent_ms = sent_ms;
}

/* Sends all the jobs; that function was called. */
static void send(fixture *f, size_t created, const char *function)
{
    const wh_store_enqueue_args args = {.partition = P, .specs = f->specs, .n = JOBS};

    freeReplyObject(wh_redis_fixture_cmd(f->redis, "SLOWLOG RESET"));
    f->is_done = false;
    int64_t sent_ms = wh_clock_mono_ms();
    assert_int_equal(wh_store_do_enqueue(f->store, &args, on_enqueued, f, NULL), WH_OK);
    WH_WAIT_FOR(f->loop, f->is_done);
    note_pace(f, sent_ms);
    assert_int_equal(f->err, WH_OK);
    assert_int_equal(f->created, created);
    redisReply *r = wh_redis_fixture_cmd(f->redis, "SLOWLOG GET 1");
    assert_int_equal(r->elements, 1);
    if (!f->is_slow) {
        assert_string_equal(r->element[0]->element[3]->element[1]->str, function);
    }
    freeReplyObject(r);
    for (size_t i = 0; i < JOBS; i++) {
        expect_payload(f, i);
    }
}

/* The first call has no time to go by; names as long as may be have the same form here. */
static void records_follow_an_answer(void **state)
{
    static char longest[WH_JOB_NAME_MAX + 1];
    fixture *f = *state;

    memset(longest, 'x', sizeof longest - 1);
    make(f, "mail");
    send(f, JOBS, TRIPLES);
    for (int i = 0; i < 3; i++) {
        make(f, longest);
        for (size_t j = JOBS / 2; j < JOBS; j++) {
            f->specs[j].org = longest;
        }
        send(f, JOBS, RECORDS);
    }
    send(f, 0, RECORDS); /* all known: not stored as they are, so triples come next */
    assert_int_equal(f->existing, JOBS);
    make(f, "mail");
    send(f, JOBS, TRIPLES);
}

static void which_ones_exist(void **state)
{
    fixture *f = *state;
    char id[WH_UUID_TEXT + 1];

    make(f, "mail");
    send(f, JOBS, TRIPLES);
    wh_rng_uuid_format(f->ids[5], id);
    for (size_t i = 0; i < JOBS; i++) {
        if (i != 5) {
            assert_int_equal(wh_rng_uuid7(f->ids[i]), WH_OK);
        }
    }
    send(f, JOBS - 1, RECORDS);
    assert_int_equal(f->existing, 1);
    assert_int_equal(f->first, 5);
    assert_string_equal(f->first_id, id);
}

static void few_jobs_of_a_head_and_options(void **state)
{
    static const char *const orgs[] = {"a", "b", "c"};
    fixture *f = *state;

    make(f, "mail");
    send(f, JOBS, TRIPLES);
    make(f, "mail");
    for (size_t i = 0; i < JOBS; i++) {
        f->specs[i].org = orgs[i / 3];
    }
    send(f, JOBS, TRIPLES);
    make(f, "mail");
    for (size_t i = 0; i < JOBS; i++) {
        f->specs[i].max_attempts = 3;
    }
    send(f, JOBS, TRIPLES);
    make(f, "mail");
    send(f, JOBS, RECORDS);
}

/* A type that has a priority: what its records say is not what is stored. */
static void the_type_has_a_priority(void **state)
{
    fixture *f = *state;

    freeReplyObject(
        wh_redis_fixture_cmd(f->redis, "FCALL wh1_limit 1 " P " priority:type/mail 8"));
    make(f, "mail");
    send(f, JOBS, TRIPLES);
    make(f, "mail");
    send(f, JOBS, RECORDS);
    assert_int_equal(wh_redis_fixture_int(f->redis, "LLEN " P ":ready:default:8"),
                     2 * JOBS);
    make(f, "mail");
    send(f, JOBS, TRIPLES);
}

static void an_answer_gets_old(void **state)
{
    fixture *f = *state;

    make(f, "mail");
    send(f, JOBS, TRIPLES);
    int64_t then = wh_clock_mono_ms();
    WH_WAIT_FOR(f->loop, wh_clock_mono_ms() - then > FRESH_MS);
    f->sent_ms = 0;
    make(f, "mail");
    send(f, JOBS, TRIPLES);
    make(f, "mail");
    send(f, JOBS, RECORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_follow_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(which_ones_exist, setup, teardown),
        cmocka_unit_test_setup_teardown(few_jobs_of_a_head_and_options, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_type_has_a_priority, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_gets_old, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
