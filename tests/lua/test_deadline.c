/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order by deadline: inside an org and priority, the jobs that expire first run first; and
 * what becomes of those that did not start in time.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void start(void)
{
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "order deadline");
}

static void those_that_expire_first_run_first(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "EXPIRES 9000");
    wh_lc_enqueue(3, "EXPIRES 3000");
    wh_lc_enqueue(4, "");
    wh_lc_advance(2000);
    wh_lc_enqueue(5, "EXPIRES 500");
    wh_lc_enqueue(6, "EXPIRES 8000");
    wh_lc_audit();
    wh_lc_claim("w", 2, "5 3");
    wh_lc_claim("w", 10, "2 6 1 4"); /* those without a time: by arrival, behind */
    wh_lc_audit();
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":levels " WH_LC_P ":queued"), 0);
}

static void priority_comes_first(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 1000");
    wh_lc_enqueue(2, "EXPIRES 9000 PRIORITY 9");
    wh_lc_enqueue(3, "EXPIRES 5000 PRIORITY 9");
    wh_lc_enqueue(4, "PRIORITY 9");
    wh_lc_enqueue(5, "EXPIRES 1000 PRIORITY 0");
    wh_lc_claim("w", 10, "3 2 4 1 5");
    wh_lc_audit();
}

/* Fair between orgs all the same. */
static void orgs_still_take_turns(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "ORG a EXPIRES 9000");
    wh_lc_enqueue(2, "ORG a EXPIRES 9001");
    wh_lc_enqueue(3, "ORG b EXPIRES 100");
    wh_lc_enqueue(4, "ORG b EXPIRES 101");
    wh_lc_claim("w", 1, "1");
    wh_lc_claim("w", 1, "3");
    wh_lc_claim("w", 2, "2 4");
}

static void the_order_may_change_with_jobs_waiting(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "EXPIRES 9000");
    wh_lc_enqueue(2, "EXPIRES 100");
    wh_lc_ok("wh1_configure", "order deadline");
    wh_lc_enqueue(3, "EXPIRES 9000");
    wh_lc_enqueue(4, "EXPIRES 5000");
    wh_lc_audit();
    wh_lc_ok("wh1_configure", "order arrival");
    wh_lc_enqueue(5, "EXPIRES 10");
    wh_lc_claim("w", 10, "4 3 1 2 5");
    wh_lc_audit();
    wh_lc_error("WHBADARG", "wh1_configure", "order random");
}

/* Whatever brings a job back: its deadline is what it was. */
static void comes_back_to_its_deadline(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 5000");
    wh_lc_enqueue(2, "EXPIRES 6000");
    wh_lc_enqueue(3, "EXPIRES 7000");
    wh_lc_claim("w", 3, "1 2 3");
    wh_ll_end("w", 3, 1, "retry", 0, "error");
    wh_ll_end("w", 1, 1, "release", 0, NULL);
    wh_ll_end("w", 2, 1, "snooze", 100, NULL);
    wh_lc_audit();
    wh_lc_advance(100);
    wh_lc_claim("w", 3, "1 2 3");
    wh_lc_audit();
}

static void delayed_jobs_join_by_deadline(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 5000");
    wh_lc_enqueue(2, "EXPIRES 4000 DELAY 1000");
    wh_lc_enqueue(3, "EXPIRES 6000 DELAY 1000");
    wh_lc_advance(1000);
    wh_lc_claim("w", 3, "2 1 3");
    wh_lc_audit();
}

static void a_lost_workers_job_comes_back(void **state)
{
    (void)state;
    start();
    wh_lc_worker("lost");
    wh_lc_enqueue(1, "EXPIRES 50000");
    wh_lc_claim("lost", 1, "1");
    wh_lc_enqueue(2, "EXPIRES 60000");
    wh_lc_advance(20000);
    wh_lc_worker("w");
    wh_lc_advance(10001);
    wh_lc_ok("wh1_recover", "10");
    wh_lc_claim("w", 5, "1 2");
    wh_lc_audit();
}

static void late_jobs_expire_and_are_listed(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 1000");
    wh_lc_enqueue(2, "EXPIRES 2000");
    wh_lc_enqueue(3, "EXPIRES 1000 DELAY 5000");
    wh_lc_advance(1000);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 2);
    wh_lc_audit();
    wh_lc_status(1, "expired");
    wh_lc_status(3, "expired");
    wh_lc_stat("expired", 2);
    redisReply *r = wh_lc_call("wh1_jobs", "expired 0 10");
    assert_int_equal(r->elements, 3);
    freeReplyObject(r);
    wh_lc_claim("w", 10, "2");
    wh_lc_audit();
    /* with nothing kept they are counted only */
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_enqueue(4, "EXPIRES 10");
    wh_lc_advance(10);
    wh_lc_claim("w", 10, "");
    wh_lc_status(4, NULL);
    wh_lc_stat("expired", 3);
    wh_lc_audit();
}

static const struct wh_lc_end given_back[] = {
    {1, 1, "release", 0, "not_started", NULL, NULL, NULL},
    {1, 1, "snooze", 9000, "not_started", NULL, NULL, NULL},
    {1, 1, "retry", 0, "no_handler", NULL, NULL, NULL},
    {1, 1, "retry", 9000, "no_handler", NULL, NULL, NULL},
};

/* Claimed is not started: its time ends before the claim, or after it was given back. */
static void what_no_handler_had_expires(void **state)
{
    for (size_t i = 0; i < 2 * (sizeof given_back / sizeof given_back[0]); i++) {
        bool is_late = i % 2 == 1;

        wh_lc_reset(state);
        start();
        wh_lc_enqueue(1, "EXPIRES 1000");
        wh_lc_enqueue(2, "EXPIRES 1001 DELAY 1000");
        wh_lc_claim("w", 1, "1");
        if (is_late) {
            wh_lc_advance(1000);
            assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
            wh_lc_status(1, "in_progress");
        }
        wh_lc_finish("w", &given_back[i / 2], true);
        wh_lc_audit();
        if (!is_late) {
            wh_lc_status(1, given_back[i / 2].delay_ms > 0 ? "scheduled" : "pending");
            wh_lc_advance(1000);
            assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 1);
        }
        wh_lc_status(1, "expired");
        wh_lc_stat("expired", 1);
        wh_lc_audit();
        wh_lc_advance(1);
        wh_lc_ok("wh1_expire", "10");
        wh_lc_status(2, "expired");
        wh_lc_claim("w", 10, "");
        wh_lc_audit();
    }
}

/* The claims of a worker that never heard of them. */
static void claims_that_got_lost_expire(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 1000");
    wh_lc_enqueue(2, "EXPIRES 2000");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_advance(1000);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
    wh_lc_ok("wh1_resync", "w");
    wh_lc_audit();
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 1);
    wh_lc_status(1, "expired");
    wh_lc_claim("w", 1, "2"); /* claimed again, and again not started */
    wh_lc_ok("wh1_resync", "w");
    wh_lc_advance(1000);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 1);
    wh_lc_status(2, "expired");
    wh_lc_audit();
}

static void what_a_handler_had_does_not_expire(void **state)
{
    static const struct wh_lc_end ends[] = {
        {1, 1, "release", 0, NULL, NULL, NULL, NULL},
        {1, 1, "snooze", 0, NULL, NULL, NULL, NULL},
        {1, 1, "retry", 0, "crash", NULL, NULL, NULL},
    };
    struct wh_lc_end back = {1, 2, "retry", 0, "no_handler", NULL, NULL, NULL};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        wh_lc_reset(state);
        start();
        wh_lc_enqueue(1, "EXPIRES 1000");
        wh_lc_claim("w", 1, "1");
        wh_lc_finish("w", &ends[i], true);
        wh_lc_claim("w", 1, "1");
        wh_lc_finish("w", &back, true); /* this claim was no start, but that was */
        wh_lc_advance(1000);
        assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
        wh_lc_status(1, "pending");
        wh_lc_audit();
    }
    wh_lc_reset(state);
    start();
    wh_lc_worker("lost");
    wh_lc_enqueue(1, "EXPIRES 1000");
    wh_lc_claim("lost", 1, "1");
    wh_lc_advance(30001);
    wh_lc_worker("x");
    wh_lc_ok("wh1_recover", "10"); /* it may have run */
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
    wh_lc_claim("x", 1, "1");
}

/* Who holds it is not known while that key has a wrong type; later it is. */
static void expiry_waits_for_a_damaged_key(void **state)
{
    (void)state;
    start();
    wh_lc_worker("x");
    wh_lc_enqueue(1, "EXPIRES 1000");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":run:x damaged"));
    wh_lc_advance(1000);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
    assert_true(wh_lc_nth(2, "wh1_expire", "10") > 0); /* not looked at each time */
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":run:x"));
    wh_lc_advance(60000);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 1);
    wh_lc_status(1, "expired");
    wh_lc_audit();
}

/* Without its deadline it is the last one, whether its id still stood there or not. */
static void cancelled_and_replayed_by_deadline(void **state)
{
    (void)state;
    start();
    for (unsigned left = 0; left < 2; left++) {
        wh_lc_enqueue(1 + 2 * left, "EXPIRES 1000");
        wh_lc_enqueue(2 + 2 * left, "EXPIRES 2000");
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1 + 2 * left));
        wh_lc_audit();
        if (left == 1) {
            wh_lc_claim("w", 1, "4");
            wh_lc_enqueue(5, "EXPIRES 3000");
        }
        wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1 + 2 * left));
        wh_lc_audit();
        wh_lc_claim("w", 10, left == 0 ? "2 1" : "5 3");
    }
    wh_lc_dead("w", 1, "invalid");
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_audit();
    wh_lc_claim("w", 10, "1");
    wh_lc_audit();
}

static void groups_keep_their_own_order(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 9000 GROUP g");
    wh_lc_enqueue(2, "EXPIRES 1000 GROUP g");
    wh_lc_enqueue(3, "EXPIRES 5000");
    wh_lc_audit();
    wh_lc_claim("w", 10, "3 1 2");
    wh_lc_audit();
}

static void a_blocked_type_is_set_aside(void **state)
{
    (void)state;
    start();
    wh_ll_set("pause:type/mail", "1");
    wh_lc_enqueue(1, "EXPIRES 9000");
    wh_lc_enqueue(2, "EXPIRES 1000");
    wh_ll_put(3, "sms", "EXPIRES 9000");
    wh_lc_claim("w", 10, "3");
    wh_lc_audit();
    wh_lc_advance(1000);
    wh_lc_ok("wh1_expire", "10");
    wh_lc_audit();
    wh_ll_set("pause:type/mail", "");
    wh_lc_claim("w", 10, "1");
    wh_lc_audit();
}

/* Set aside as in its place: a new deadline moves it, and so does to have none. */
static void a_new_deadline_moves_what_is_set_aside(void **state)
{
    (void)state;
    start();
    wh_ll_set("pause:type/mail", "1");
    wh_lc_enqueue(1, "EXPIRES 9000 KEY k");
    wh_lc_enqueue(2, "EXPIRES 7000");
    wh_lc_enqueue(3, "EXPIRES 5000");
    wh_lc_claim("w", 1, "");
    wh_lc_ok("wh1_enqueue", "mail v2 EXPIRES 6000 KEY k CONFLICT replace");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(3));
    wh_lc_audit();
    wh_lc_enqueue(4, "EXPIRES 8000"); /* goes there at once */
    wh_ll_set("pause:type/mail", "");
    wh_lc_claim("w", 10, "1 2 4 3");
    wh_lc_audit();
}

static void the_list_of_waiting_jobs_names_all(void **state)
{
    (void)state;
    start();
    wh_lc_enqueue(1, "EXPIRES 9000");
    wh_lc_enqueue(2, "GROUP g");
    wh_lc_enqueue(3, "");
    wh_ll_set("pause:type/sms", "1");
    wh_ll_put(4, "sms", "");
    wh_lc_claim("w", 1, "1");
    wh_lc_claim("w", 1, "3");
    wh_lc_stat("pending", 2);
    redisReply *r = wh_lc_call("wh1_jobs", "pending 0 100");
    assert_int_equal(r->elements, 3);
    freeReplyObject(r);
    wh_lc_audit();
}

/* Who stands in this order is for the library to say. */
static void a_head_must_not_name_its_place(void **state)
{
    static const char *const heads[] = {"\x94\xa4mail\xa1o\x05\x81\xa2"
                                        "eo\x01",
                                        "\x94\xa4mail\xa1o\xc0\x81\xa2" /* inherits */
                                        "eo\x01"};

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_enqueue_batch", "%b %b p", WH_LC_RAW(1), heads[i],
                    (size_t)14);
        wh_lc_text("created", "wh1_cron_set", "c text %lld", WH_LC_T0);
        wh_lc_error("WHBADARG", "wh1_cron_fire", "c %lld 0 %b %b p", WH_LC_T0,
                    WH_LC_RAW(1), heads[i], (size_t)14);
        wh_lc_ok("wh1_cron_remove", "c");
    }
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p EO 1");
}

static long long calls_of_the_scheduler(void)
{
    long long n = wh_lc_count("LLEN " WH_LC_P ":bell:scheduler");

    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:scheduler"));
    return n;
}

/* While there are such jobs it looks each second; it is told when there are again. */
static void the_first_one_calls_the_scheduler(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "");
    assert_int_equal(calls_of_the_scheduler(), 0);
    wh_lc_enqueue(2, "EXPIRES 9000 KEY k UNIQUE done");
    assert_int_equal(calls_of_the_scheduler(), 1);
    wh_ll_reset_calls();
    wh_lc_enqueue(3, "EXPIRES 3000");
    assert_int_equal(wh_ll_calls("zcard"), 1);
    assert_int_equal(calls_of_the_scheduler(), 0);
    wh_lc_advance(9000);
    wh_lc_ok("wh1_expire", "10");
    wh_lc_status(2, "expired");
    wh_lc_enqueue(4, "EXPIRES 9000 KEY k UNIQUE done");
    assert_int_equal(calls_of_the_scheduler(), 1);
    wh_lc_ok("wh1_enqueue", "mail p KEY k UNIQUE done CONFLICT replace EXPIRES 10");
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":expiry"), 1);
    assert_int_equal(calls_of_the_scheduler(), 0);
    wh_lc_worker("w");
    wh_lc_claim("w", 10, "1 4");
    wh_lc_advance(10); /* from the index, as it is claimed */
    wh_lc_ok("wh1_expire", "10");
    wh_lc_finish(
        "w",
        &(struct wh_lc_end){
            .n = 4, .fence = 1, .outcome = "release", .category = "not_started"},
        true);
    assert_int_equal(calls_of_the_scheduler(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(those_that_expire_first_run_first),
        WH_LC_TEST(priority_comes_first),
        WH_LC_TEST(orgs_still_take_turns),
        WH_LC_TEST(the_order_may_change_with_jobs_waiting),
        WH_LC_TEST(comes_back_to_its_deadline),
        WH_LC_TEST(delayed_jobs_join_by_deadline),
        WH_LC_TEST(a_lost_workers_job_comes_back),
        WH_LC_TEST(late_jobs_expire_and_are_listed),
        WH_LC_TEST(what_no_handler_had_expires),
        WH_LC_TEST(claims_that_got_lost_expire),
        WH_LC_TEST(what_a_handler_had_does_not_expire),
        WH_LC_TEST(expiry_waits_for_a_damaged_key),
        WH_LC_TEST(cancelled_and_replayed_by_deadline),
        WH_LC_TEST(groups_keep_their_own_order),
        WH_LC_TEST(a_blocked_type_is_set_aside),
        WH_LC_TEST(a_new_deadline_moves_what_is_set_aside),
        WH_LC_TEST(the_list_of_waiting_jobs_names_all),
        WH_LC_TEST(a_head_must_not_name_its_place),
        WH_LC_TEST(the_first_one_calls_the_scheduler),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
