/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-off: a single job that finds everything empty and a worker that takes jobs over the
 * bell is claimed by the enqueue itself. docs/protocol.md section 9.
 */
#include "tests/support/lua_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Registers as idle; "4+" also takes jobs over the bell. */
static void wait_idle(const char *worker, const char *want)
{
    redisReply *r = wh_lc_call("wh1_cycle", "%s %s 0", worker, want);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[2]->integer, 4);
    assert_int_equal(r->element[4]->elements, 0);
    freeReplyObject(r);
}

/* The calls on a worker's bell, newest first; taken out. */
static redisReply *take_call(const char *worker)
{
    return wh_lc_cmd("RPOP " WH_LC_P ":bell:%s", worker);
}

static void expect_call(const char *worker, char what)
{
    redisReply *r = take_call(worker);

    assert_int_equal(r->type, REDIS_REPLY_STRING);
    assert_int_equal(r->str[0], what);
    freeReplyObject(r);
}

static void the_job_comes_over_the_bell(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    wh_lc_enqueue(1, "ORG acme");
    wh_lc_status(1, "in_progress");
    wh_lc_field(1, "worker", "w");
    wh_lc_stat("claimed", 1);
    wh_lc_stat("idle", 0);
    redisReply *r = take_call("w");
    const char *space = memchr(r->str, ' ', r->len);
    assert_int_equal(r->str[0], 'j');
    assert_non_null(space);
    assert_memory_equal(space + 1, wh_lc_token(1, 1), 17);
    redisReply *rec = wh_lc_cmd("HGET " WH_LC_P ":jobs %b", WH_LC_RAW(1));
    assert_int_equal(r->len, (size_t)(space + 1 - r->str) + 17 + rec->len);
    assert_memory_equal(space + 18, rec->str, rec->len);
    freeReplyObject(rec);
    freeReplyObject(r);
    wh_lc_audit();
    wh_lc_done("w", 1, 1, true);
    wh_lc_status(1, "completed");
    wh_lc_audit();
}

/* As a bare client enqueues: the reply tells the id that the job got. */
static void one_without_an_id_gets_one(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p ORG acme");
    redisReply *job = wh_lc_call("wh1_job", "%s", r->element[0]->str);
    assert_string_equal(r->element[1]->str, "created");
    assert_string_equal(wh_lc_find(job, "status")->str, "in_progress");
    freeReplyObject(job);
    freeReplyObject(r);
    expect_call("w", 'j');
    freeReplyObject(wh_lc_call("wh1_enqueue", "mail p ORG acme"));
    wh_lc_stat("pending", 1);
    wh_lc_audit();
}

static void only_to_one_that_takes_jobs(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4");
    wh_lc_enqueue(1, "");
    wh_lc_status(1, "pending");
    expect_call("w", 'w');
    wh_lc_claim("w", 4, "1");
    wh_lc_audit();
}

static void never_past_a_ready_job(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "ORG first");
    wh_lc_worker("full");
    wh_lc_worker("w");
    wh_lc_ok("wh1_pause", "");
    freeReplyObject(wh_lc_call("wh1_cycle", "w 4+ 0")); /* idle, and a job is ready */
    wh_lc_enqueue(2, "ORG second"); /* paused: nothing is handed over */
    wh_lc_status(2, "pending");
    wh_lc_ok("wh1_resume", "");
    wh_lc_claim("full", 1, "1");
    wh_lc_audit();
}

/* Also where the queue was paused when it said so. */
static void nor_to_one_that_is_full(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_pause", "");
    freeReplyObject(wh_lc_call("wh1_cycle", "w 4+ 0"));
    wh_lc_stat("idle", 1);
    redisReply *r = wh_lc_call("wh1_cycle", "w 0+ 0");
    assert_int_equal(r->element[2]->integer, 1);
    freeReplyObject(r);
    wh_lc_stat("idle", 0);
    wh_lc_ok("wh1_resume", "");
    wh_lc_enqueue(1, "");
    wh_lc_status(1, "pending");
    wh_lc_claim("w", 4, "1");
    wh_lc_audit();
}

static void not_when_several_come(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    for (unsigned n = 1; n <= 2; n++) {
        wh_lc_add(&a, wh_lc_raw(n), 16);
        wh_lc_add(&a,
                  "\x93\xa4mail\xa4"
                  "acme\x05",
                  12);
        wh_lc_add(&a, "p", 1);
    }
    freeReplyObject(wh_lc_call_args("wh1_enqueue_batch", &a));
    wh_lc_status(1, "pending");
    expect_call("w", 'w');
    wh_lc_audit();
}

static void nor_delayed_ones_nor_to_the_lost(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    wh_lc_enqueue(1, "DELAY 1000");
    wh_lc_status(1, "scheduled");
    wh_lc_advance(3600000);
    wh_lc_enqueue(2, "");
    wh_lc_status(2, "pending");
    redisReply *r = take_call("w");
    assert_int_equal(r->type, REDIS_REPLY_NIL);
    freeReplyObject(r);
    wh_lc_audit();
}

static void a_lost_call_is_released_by_resync(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    wh_lc_enqueue(1, "");
    freeReplyObject(take_call("w")); /* the reply never arrived */
    assert_int_equal(wh_lc_nth(0, "wh1_resync", "w"), 1);
    wh_lc_status(1, "pending");
    wh_lc_field(1, "attempts", "0");
    wh_lc_claim("w", 4, "1");
    wh_lc_field(1, "fence", "2");
    wh_lc_done("w", 1, 1, false);
    wh_lc_done("w", 1, 2, true);
    wh_lc_audit();
}

static void a_lost_worker_costs_a_recovery(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    wh_lc_enqueue(1, "");
    wh_lc_advance(3600000);
    wh_lc_ok("wh1_recover", "10");
    wh_lc_status(1, "pending");
    wh_lc_field(1, "recoveries", "1");
    wh_lc_audit();
}

/* A worker that registered lately with a long lease is trusted; later, or with a short one, its
 * lease is looked at. */
static void its_lease_is_looked_at_in_time(void **state)
{
    static const struct {
        int lease_ms, waits_ms;
        const char *status;
    } cases[] = {
        {30000, 5999, "in_progress"}, {30000, 6001, "in_progress"},
        {30000, 30001, "pending"},    {5999, 5998, "in_progress"},
        {5999, 5999, "pending"},      {6000, 6000, "pending"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_lc_reset(state);
        wh_lc_advance(0);
        wh_lc_ok("wh1_heartbeat", "w %d new {}", cases[i].lease_ms);
        wait_idle("w", "4+");
        wh_lc_advance(cases[i].waits_ms);
        wh_lc_enqueue(1, "");
        wh_lc_status(1, cases[i].status);
        wh_lc_audit();
    }
}

/* What was in P:idle before it told of leases: the time, and the half that says + */
static void older_registrations_count(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    redisReply *r = wh_lc_cmd("ZSCORE " WH_LC_P ":idle w");
    freeReplyObject(
        wh_lc_cmd("ZADD " WH_LC_P ":idle %.1f w", floor(atof(r->str)) + 0.5));
    freeReplyObject(r);
    wh_lc_enqueue(1, "");
    wh_lc_status(1, "in_progress");
    expect_call("w", 'j');
    wh_lc_audit();
}

/* A job that exists, or that nobody takes, leaves the worker where it waits. */
static void it_waits_on_when_nothing_comes(void **state)
{
    char before[64];

    (void)state;
    wh_lc_worker("w");
    wh_lc_worker("other");
    wait_idle("other", "4+");
    wh_lc_enqueue(1, "");
    wait_idle("w", "4+");
    redisReply *r = wh_lc_cmd("ZSCORE " WH_LC_P ":idle w");
    snprintf(before, sizeof before, "%s", r->str);
    freeReplyObject(r);
    freeReplyObject(wh_lc_call("wh1_enqueue", "mail p1 ID %s", wh_lc_id(1)));
    r = wh_lc_cmd("ZSCORE " WH_LC_P ":idle w");
    assert_string_equal(r->str, before);
    freeReplyObject(r);
    wh_lc_audit();
}

static void a_bad_bell_or_run_key_is_passed_over(void **state)
{
    static const char *const bad[] = {"bell:w", "run:w"};

    for (size_t i = 0; i < 2; i++) {
        wh_lc_reset(state);
        wh_lc_worker("w");
        wait_idle("w", "4+");
        freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":%s x", bad[i]));
        wh_lc_enqueue(1, "");
        freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":%s", bad[i]));
        wh_lc_status(1, "pending");
        wh_lc_audit();
        wh_lc_claim("w", 4, "1");
    }
}

/* It makes its claim without the guard that other functions begin with. */
static void a_wrong_key_is_found_before_any_write(void **state)
{
    static const char *const bad[] = {"jobs", "ring", "idle"};
    char before[41], after[41];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_reset(state);
        wh_lc_worker("w");
        wait_idle("w", "4+");
        freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":%s x", bad[i]));
        wh_lc_digest(before);
        wh_lc_error("WHBADDATA", "wh1_enqueue", "mail p ID %s", wh_lc_id(1));
        wh_lc_digest(after);
        assert_string_equal(before, after);
    }
}

/* What only the claim needs: the job waits as if nobody were idle. */
static void a_wrong_key_of_claims_leaves_it_waiting(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wait_idle("w", "4+");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":active x"));
    wh_lc_enqueue(1, "ORG acme");
    assert_int_equal(wh_lc_count("HLEN " WH_LC_P ":run:w"), 0);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":ready:acme:5"), 1);
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":active"));
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
}

static void want_is_checked(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_error("WHBADARG", "wh1_cycle", "w 4++ 0");
    wh_lc_error("WHBADARG", "wh1_cycle", "w + 0");
    wh_lc_error("WHBADARG", "wh1_cycle", "w 1001+ 0");
    wh_lc_error("WHBADARG", "wh1_cycle", "w 4- 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(the_job_comes_over_the_bell),
        WH_LC_TEST(one_without_an_id_gets_one),
        WH_LC_TEST(only_to_one_that_takes_jobs),
        WH_LC_TEST(never_past_a_ready_job),
        WH_LC_TEST(nor_to_one_that_is_full),
        WH_LC_TEST(not_when_several_come),
        WH_LC_TEST(nor_delayed_ones_nor_to_the_lost),
        WH_LC_TEST(a_lost_call_is_released_by_resync),
        WH_LC_TEST(a_lost_worker_costs_a_recovery),
        WH_LC_TEST(its_lease_is_looked_at_in_time),
        WH_LC_TEST(older_registrations_count),
        WH_LC_TEST(it_waits_on_when_nothing_comes),
        WH_LC_TEST(a_bad_bell_or_run_key_is_passed_over),
        WH_LC_TEST(a_wrong_key_is_found_before_any_write),
        WH_LC_TEST(a_wrong_key_of_claims_leaves_it_waiting),
        WH_LC_TEST(want_is_checked),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
