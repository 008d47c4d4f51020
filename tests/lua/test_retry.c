/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_retry in every state of a job, and again. And what tells a retry from a run after a release or a loss.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void retry_twice(unsigned n)
{
    char before[41], after[41];

    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(n));
    wh_lc_status(n, "pending");
    wh_lc_digest(before);
    wh_lc_text("pending", "wh1_retry", "%b", WH_LC_RAW(n));
    wh_lc_digest(after);
    assert_string_equal(before, after);
    wh_lc_audit();
}

static void a_scheduled_one_runs_now(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "DELAY 1000");
    retry_twice(1);
    wh_lc_claim("w", 1, "1");
}

static void a_failed_one_runs_now_and_keeps_its_attempts(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "retry", .delay_ms = 1000};

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_finish("w", &e, true);
    retry_twice(1);
    wh_lc_field(1, "attempts", "1");
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 2, true);
    wh_lc_audit();
}

static void a_dead_one_starts_over(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(
        1, "ORG acme PRIORITY 8 MAXATTEMPTS 4 TIMEOUT 5 ENTITY a b TRACEPARENT tp");
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "invalid");
    retry_twice(1);
    wh_lc_field(1, "attempts", "0");
    wh_lc_field(1, "error_category", NULL);
    wh_lc_field(1, "org", "acme");
    wh_lc_field(1, "priority", "8");
    wh_lc_field(1, "max_attempts", "4");
    wh_lc_field(1, "timeout_ms", "5");
    wh_lc_field(1, "entity_type", "a");
    wh_lc_field(1, "entity_id", "b");
    wh_lc_field(1, "traceparent", "tp");
    wh_lc_field(1, "payload", "p1");
    wh_lc_field(1, "enqueued_at_ms", "1700000000000");
    wh_lc_stat("dead", 0);
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 1, false);
    wh_lc_done("w", 1, 2, true);
    wh_lc_audit();
}

static void a_dead_one_with_an_empty_payload(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_enqueue", "mail %s ID %s", "", wh_lc_id(1));
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "invalid");
    retry_twice(1);
    wh_lc_field(1, "payload", NULL);
    wh_lc_claim("w", 1, "1");
}

static void a_cancelled_one_that_still_stands_in_its_list(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    retry_twice(1);
    wh_lc_stat("pending", 2);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_audit();
    retry_twice(1);
    wh_lc_claim("w", 5, "1 2");
    wh_lc_done("w", 1, 1, true);
    wh_lc_audit();
}

static void a_cancelled_one_whose_list_dropped_it(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_claim("w", 5, "");
    wh_lc_audit();
    retry_twice(1);
    wh_lc_claim("w", 5, "1");
    wh_lc_audit();
}

static void a_cancelled_one_that_was_scheduled(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "DELAY 1000 EXPIRES 5000");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    retry_twice(1);
    wh_lc_advance(6000);
    wh_lc_claim("w", 5, "1");
    wh_lc_audit();
}

/* It starts over: a worker must not find that it is too late again. */
static void an_expired_one(void **state)
{
    static const char *const orders[] = {"arrival", "deadline"};

    (void)state;
    wh_lc_worker("w");
    for (unsigned i = 0; i < 2; i++) {
        unsigned in_list = 1 + 10 * i, scheduled = 2 + 10 * i;

        wh_lc_ok("wh1_configure", "order %s", orders[i]);
        wh_lc_enqueue(in_list, "EXPIRES 1000 RETRYFOR 2000 GROUP g");
        wh_lc_enqueue(scheduled, "EXPIRES 1000 DELAY 9000");
        wh_lc_advance(3000);
        wh_lc_ok("wh1_expire", "10");
        wh_lc_status(in_list, "expired");
        retry_twice(in_list);
        retry_twice(scheduled);
        for (unsigned n = in_list; n <= scheduled; n++) {
            wh_lc_field(n, "expires_at_ms", NULL);
            wh_lc_field(n, "retry_for_ms", NULL);
        }
        wh_lc_field(in_list, "group", "g");
        wh_lc_audit();
        assert_int_equal(wh_lc_nth(1, "wh1_expire", "10"), 0);
        redisReply *r = wh_lc_call("wh1_cycle", "w 5 0");
        assert_int_equal(r->element[4]->elements, 6);
        freeReplyObject(r);
        wh_lc_done("w", in_list, 1, true);
        wh_lc_done("w", scheduled, 1, true);
        wh_lc_audit();
    }
}

static void ended_and_running_ones(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_done("w", 1, 1, true);
    wh_lc_error("WHSTATE", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_error("WHSTATE", "wh1_retry", "%s", wh_lc_id(2));
    wh_lc_error("WHNOTFOUND", "wh1_retry", "%s", wh_lc_id(3));
}

static void an_entry_removed_by_hand(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_dead("w", 1, "invalid");
    freeReplyObject(wh_lc_cmd("XTRIM " WH_LC_P ":dlq MAXLEN 0"));
    wh_lc_error("WHNOTFOUND", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_error("WHNOTFOUND", "wh1_job", "%s", wh_lc_id(1));
    redisReply *r = wh_lc_call("wh1_audit", "100");
    assert_int_equal(r->elements, 2);
    assert_non_null(strstr(r->element[1]->str, "its entry is gone"));
    freeReplyObject(r);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "DELAY 5");
    wh_lc_error("WHBADARG", "wh1_retry", "");
    wh_lc_error("WHBADARG", "wh1_retry", "%s", "");
    wh_lc_error("WHBADARG", "wh1_retry", "x");
    wh_lc_error("WHBADARG", "wh1_retry", "%s %s", wh_lc_id(1), wh_lc_id(1));
}

/* Meta 19 of job 1, which workers read. */
static void was_given_back(bool want)
{
    static const char script[] = "return cmsgpack.unpack(redis.call('HGET', KEYS[1], "
                                 "ARGV[1]))[19] == 1 and 1 or 0";

    assert_int_equal(wh_lc_count("EVAL %s 1 " WH_LC_P ":meta %b", script, WH_LC_RAW(1)),
                     want);
}

static void end_as(unsigned fence, const char *outcome, const char *category)
{
    struct wh_lc_end e = {
        .n = 1, .fence = fence, .outcome = outcome, .category = category};

    wh_lc_claim("w", 1, "1");
    wh_lc_finish("w", &e, true);
}

/* A time for retries bounds a retry and what was snoozed, no run after a release or a loss. */
static void a_release_and_a_loss_leave_a_mark(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "RETRYFOR 1000");
    end_as(1, "snooze", "");
    was_given_back(false);
    end_as(2, "release", "");
    was_given_back(true);
    end_as(3, "snooze", "not_started"); /* no handler had it */
    was_given_back(true);
    end_as(4, "snooze", "");
    was_given_back(false);
    end_as(5, "release", "not_started");
    was_given_back(true);
    end_as(6, "retry", "timeout");
    was_given_back(false);
    wh_lc_claim("w", 1, "1");
    wh_lc_advance(30001);
    wh_lc_ok("wh1_recover", "10");
    wh_lc_field(1, "recoveries", "1");
    wh_lc_field(1, "attempts", "1");
    was_given_back(true);
    wh_lc_worker("w");
    end_as(8, "dead", "invalid");
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    was_given_back(false);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_scheduled_one_runs_now),
        WH_LC_TEST(a_failed_one_runs_now_and_keeps_its_attempts),
        WH_LC_TEST(a_dead_one_starts_over),
        WH_LC_TEST(a_dead_one_with_an_empty_payload),
        WH_LC_TEST(a_cancelled_one_that_still_stands_in_its_list),
        WH_LC_TEST(a_cancelled_one_whose_list_dropped_it),
        WH_LC_TEST(a_cancelled_one_that_was_scheduled),
        WH_LC_TEST(an_expired_one),
        WH_LC_TEST(ended_and_running_ones),
        WH_LC_TEST(an_entry_removed_by_hand),
        WH_LC_TEST(refuses_bad_arguments),
        WH_LC_TEST(a_release_and_a_loss_leave_a_mark),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
