/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_promote, wh1_recover, wh1_expire, wh1_trim: what the passing of time does.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void three(const char *fn, const char *args, long long second, long long third)
{
    redisReply *r = wh_lc_call(fn, args);

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->elements, 3);
    assert_int_equal(r->element[1]->integer, second);
    assert_int_equal(r->element[2]->integer, third);
    freeReplyObject(r);
}

static void promotes_what_is_due(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "DELAY 100");
    wh_lc_enqueue(2, "DELAY 50 PRIORITY 9");
    wh_lc_enqueue(3, "DELAY 100 ORG b");
    wh_lc_enqueue(4, "DELAY 200");
    three("wh1_promote", "10", 0, 50);
    wh_lc_advance(100);
    three("wh1_promote", "2", 2, 0);
    three("wh1_promote", "2", 1, 100);
    three("wh1_promote", "2", 0, 100);
    wh_lc_stat("pending", 3);
    wh_lc_stat("scheduled", 1);
    wh_lc_stat("promoted", 3);
    wh_lc_status(4, "scheduled");
    wh_lc_audit();
    wh_lc_advance(100);
    three("wh1_promote", "1000", 1, -1);
    wh_lc_worker("w");
    wh_lc_claim("w", 4, "3 2 1 4");
    wh_lc_audit();
}

static void cycles_promote_too(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "DELAY 100");
    wh_lc_claim("w", 1, "");
    wh_lc_advance(100);
    wh_lc_claim("w", 1, "1");
}

static void recover(const char *batch, long long jobs, long long workers,
                    long long next)
{
    redisReply *r = wh_lc_call("wh1_recover", "%s", batch);

    assert_int_equal(r->elements, 4);
    assert_int_equal(r->element[1]->integer, jobs);
    assert_int_equal(r->element[2]->integer, workers);
    assert_int_equal(r->element[3]->integer, next);
    freeReplyObject(r);
}

static void recovers_what_a_lost_worker_held(void **state)
{
    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 5; n++) {
        wh_lc_enqueue(n, n < 5 ? "PRIORITY 9" : "");
    }
    wh_lc_claim("w", 3, "1 2 3");
    recover("10", 0, 0, 30000);
    wh_lc_advance(30000);
    wh_lc_worker("v");
    recover("2", 2, 0, 0);
    wh_lc_audit();
    recover("2", 1, 1, 30000);
    recover("2", 0, 0, 30000);
    wh_lc_stat("recovered", 3);
    wh_lc_stat("workers_lost", 1);
    wh_lc_field(1, "recoveries", "1");
    wh_lc_field(1, "attempts", "0");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":run:w " WH_LC_P ":active"), 0);
    wh_lc_audit();
    wh_lc_claim("v", 9,
                "3 1 2 4 5"); /* each batch in order of ids, the later batch first */
}

/* A big table that is emptied in part leaves long stretches of nothing. */
static void recovers_a_big_run(void **state)
{
    long long left = 1000;

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 0; n < 1000; n++) {
        wh_lc_enqueue(n, "ORG o%u", n % 7);
    }
    wh_lc_ok("wh1_cycle", "w 1000 0");
    wh_lc_advance(30000);
    for (int i = 0; i < 21 && left > 0; i++) {
        long long got = wh_lc_nth(1, "wh1_recover", "50");
        assert_in_range(got, 1, 50);
        left -= got;
        wh_lc_stat("in_progress", left);
    }
    assert_int_equal(left, 0);
    wh_lc_stat("workers_lost", 1);
    wh_lc_audit();
}

static void the_third_loss_is_poison(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "");
    for (int i = 1; i <= 3; i++) {
        wh_lc_worker("w");
        wh_lc_claim("w", 1, "1");
        wh_lc_advance(30000);
        recover("10", 1, 1, -1);
    }
    wh_lc_status(1, "failed");
    wh_lc_field(1, "error_category", "lost_worker");
    wh_lc_field(1, "recoveries", "3");
    wh_lc_field(1, "attempts", "0");
    wh_lc_field(1, "worker", "w");
    wh_lc_audit();
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_field(1, "recoveries", "0");
    wh_lc_field(1, "fence", "3");
    wh_lc_worker("w");
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 4, true);
    wh_lc_audit();
}

static void a_cancelled_one_is_not_recovered(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_advance(30000);
    recover("10", 1, 1, -1);
    wh_lc_status(1, "cancelled");
    wh_lc_stat("recovered", 0);
    wh_lc_audit();
}

static void expires_what_did_not_start(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "EXPIRES 100");
    wh_lc_enqueue(2, "EXPIRES 100 DELAY 1000");
    wh_lc_enqueue(3, "EXPIRES 100 PRIORITY 9");
    wh_lc_enqueue(4, "EXPIRES 200");
    wh_lc_enqueue(5, "EXPIRES 100 PRIORITY 8");
    wh_lc_claim("w", 2, "3 5");
    wh_lc_done("w", 5, 1, true);
    three("wh1_expire", "10", 0, 100);
    wh_lc_advance(100);
    three("wh1_expire", "2", 2, 0);
    three("wh1_expire", "2", 0, 100);
    wh_lc_status(1, "expired");
    wh_lc_status(2, "expired");
    wh_lc_status(3, "in_progress");
    wh_lc_status(4, "pending");
    wh_lc_status(5, "completed");
    wh_lc_stat("expired", 2);
    wh_lc_stat("scheduled", 0);
    wh_lc_audit();
    wh_lc_advance(100);
    wh_lc_claim("w", 5, ""); /* a cycle expires first */
    wh_lc_status(4, "expired");
    wh_lc_audit();
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(4));
    wh_lc_claim("w", 5, "4");
    wh_lc_audit();
}

/* The index entry of an earlier job with this id must not end the new one. */
static void an_old_expiry_does_not_hit_a_new_job(void **state)
{
    (void)state;
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_worker("w");
    wh_lc_enqueue(1, "EXPIRES 100");
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 1, true);
    wh_lc_enqueue(1, "");
    wh_lc_advance(100);
    three("wh1_expire", "10", 0, -1);
    wh_lc_status(1, "pending");
    wh_lc_audit();
}

/* However many are due, a call is over soon; the next one is due at once. */
static void many_expire_in_many_calls(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 250; n++) {
        const char *options =
            n % 5 == 0 ? "ORG o%u EXPIRES 1000 DELAY 900" : "ORG o%u EXPIRES 1000";
        wh_lc_enqueue(n, options, n % 3);
    }
    wh_lc_advance(1000);
    three("wh1_expire", "1000", 50, 0);
    wh_lc_audit();
    wh_lc_worker("w");
    wh_lc_ok("wh1_cycle", "w 0 0"); /* passes the time too */
    wh_lc_stat("expired", 100);
    for (int left = 3; left > 0; left--) {
        three("wh1_expire", "1000", 50, left > 1 ? 0 : -1);
    }
    wh_lc_stat("expired", 250);
    wh_lc_stat("pending", 0);
    wh_lc_audit();
}

static void trims_by_age_and_count(void **state)
{
    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 6; n++) {
        wh_lc_enqueue(n, "");
        wh_lc_ok("wh1_cycle", "w 1 0");
        wh_lc_done("w", n, 1, true);
        wh_lc_advance(1000);
        wh_lc_worker("w");
    }
    three("wh1_trim", "10", 0, 0);
    wh_lc_ok("wh1_configure", "keep_ms 4500 keep_count 3");
    three("wh1_trim", "1", 1, 2);
    wh_lc_status(1, NULL);
    three("wh1_trim", "10", 2, 0);
    wh_lc_status(3, NULL);
    wh_lc_status(4, "completed");
    three("wh1_trim", "10", 0, 0);
    wh_lc_ok("wh1_configure", "keep_count 0");
    three("wh1_trim", "10", 3, 0);
    assert_int_equal(
        wh_lc_count("EXISTS " WH_LC_P ":jobs " WH_LC_P ":meta " WH_LC_P ":done"), 0);
    wh_lc_audit();
}

static void list_has(const char *status, unsigned want)
{
    redisReply *r = wh_lc_call("wh1_jobs", "%s - 2", status);

    assert_int_equal(r->elements, 1 + want);
    freeReplyObject(r);
}

/* Completed jobs do not push out those that expired or were cancelled. */
static void what_did_not_run_is_kept_on_its_own(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "keep_count 3");
    wh_lc_enqueue(1, "EXPIRES 10");
    wh_lc_enqueue(2, "DELAY 5000");
    wh_lc_advance(10);
    wh_lc_ok("wh1_expire", "10");
    wh_lc_advance(1);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(2));
    for (unsigned n = 10; n < 30; n++) {
        wh_lc_advance(1);
        wh_lc_enqueue(n, "");
        wh_lc_ok("wh1_cycle", "w 1 0");
        wh_lc_done("w", n, 1, true);
    }
    wh_lc_status(26, NULL);
    wh_lc_status(27, "completed");
    wh_lc_status(1, "expired");
    wh_lc_status(2, "cancelled");
    list_has("expired", 1);
    list_has("cancelled", 1);
    list_has("completed", 2); /* and one on the next page */
    wh_lc_stat("kept", 5);
    wh_lc_audit();
    for (unsigned n = 3; n <= 4; n++) { /* but they are bounded as well */
        wh_lc_advance(1);
        wh_lc_enqueue(n, "DELAY 5000");
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(n));
    }
    three("wh1_trim", "10", 1, 0);
    wh_lc_status(1, NULL);
    wh_lc_status(2, "cancelled");
    wh_lc_status(27, "completed");
    wh_lc_ok("wh1_configure", "keep_ms 1");
    wh_lc_advance(1);
    three("wh1_trim", "2", 2, 3);
    three("wh1_trim", "10", 3, 0);
    wh_lc_status(4, "cancelled"); /* not older than that */
    wh_lc_audit();
}

/* Trimmed while its id still stands in a list: a tombstone, dropped by the claim. */
static void trims_what_still_stands_in_a_list(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_ok("wh1_configure", "keep_ms 0");
    wh_lc_advance(1);
    three("wh1_trim", "10", 1, 0);
    wh_lc_status(1, NULL);
    wh_lc_error("WHNOTFOUND", "wh1_retry", "%s", wh_lc_id(1));
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p ID %s", wh_lc_id(1));
    assert_string_equal(r->element[1]->str,
                        "existing"); /* its id is in use until then */
    freeReplyObject(r);
    wh_lc_audit();
    wh_lc_claim("w", 5, "2");
    wh_lc_audit();
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 5, "1");
    wh_lc_audit();
}

static void refuses_bad_batches(void **state)
{
    static const char *const fns[] = {"wh1_promote", "wh1_recover", "wh1_expire",
                                      "wh1_trim"};
    static const char *const bad[] = {"0",   "1001", "-1",  "x",
                                      "1 1", "1.5",  "1e2", "00000000000000001"};

    (void)state;
    wh_lc_enqueue(1, "DELAY 1");
    wh_lc_advance(10);
    for (size_t f = 0; f < 4; f++) {
        wh_lc_error("WHBADARG", fns[f], "");
        wh_lc_error("WHBADARG", fns[f], "%s", "");
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            wh_lc_error("WHBADARG", fns[f], bad[i]);
        }
    }
}

static void refuses_settings_that_are_no_numbers(void **state)
{
    static const char *const fields[] = {"keep_count", "keep_ms"};

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    for (size_t i = 0; i < 2; i++) {
        freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":ctl %s many", fields[i]));
        wh_lc_error("WHBADDATA", "wh1_trim", "1");
        if (i == 0) {
            wh_lc_error("WHBADDATA", "wh1_cycle", "w 0 1 %b", WH_LC_TOK(1, 1));
            wh_lc_error("WHBADDATA", "wh1_resync", "w");
            wh_lc_error("WHBADDATA", "wh1_heartbeat", "w 9000 bye %s", "");
        }
        freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":ctl"));
    }
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":ctl payload_max many"));
    wh_lc_error("WHBADDATA", "wh1_enqueue", "mail p");
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":ctl payload_max 10 seq x"));
    wh_lc_error("WHBADDATA", "wh1_enqueue", "mail p");
    wh_lc_error("WHBADDATA", "wh1_limit", "active:queue 1");
    wh_lc_error("WHBADDATA", "wh1_limit_default", "active:org/* 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(promotes_what_is_due),
        WH_LC_TEST(cycles_promote_too),
        WH_LC_TEST(recovers_what_a_lost_worker_held),
        WH_LC_TEST(recovers_a_big_run),
        WH_LC_TEST(the_third_loss_is_poison),
        WH_LC_TEST(a_cancelled_one_is_not_recovered),
        WH_LC_TEST(expires_what_did_not_start),
        WH_LC_TEST(an_old_expiry_does_not_hit_a_new_job),
        WH_LC_TEST(many_expire_in_many_calls),
        WH_LC_TEST(trims_by_age_and_count),
        WH_LC_TEST(what_did_not_run_is_kept_on_its_own),
        WH_LC_TEST(trims_what_still_stands_in_a_list),
        WH_LC_TEST(refuses_bad_batches),
        WH_LC_TEST(refuses_settings_that_are_no_numbers),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
