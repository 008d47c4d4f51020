/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_cancel in every state of a job, and again.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void cancel_twice(unsigned n, const char *want)
{
    char before[41], after[41];

    wh_lc_text(want, "wh1_cancel", "%s", wh_lc_id(n));
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:w"));
    wh_lc_digest(before);
    wh_lc_text(want, "wh1_cancel", "%b", WH_LC_RAW(n));
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:w"));
    wh_lc_digest(after);
    assert_string_equal(before, after);
    wh_lc_audit();
}

static void a_pending_one(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    cancel_twice(1, "cancelled");
    wh_lc_status(1, "cancelled");
    wh_lc_field(1, "finished_at_ms", "1700000000000");
    wh_lc_stat("pending", 1);
    wh_lc_stat("cancelled", 1);
    wh_lc_claim("w", 5, "2");
    wh_lc_status(1, "cancelled");
    wh_lc_audit();
}

static void a_pending_one_that_nobody_keeps(void **state)
{
    (void)state;
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    cancel_twice(1, "cancelled");
    wh_lc_status(1, NULL);
    wh_lc_claim("w", 1, "");
    wh_lc_error("WHNOTFOUND", "wh1_cancel", "%s", wh_lc_id(1));
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":jobs"), 0);
    wh_lc_audit();
}

static void a_scheduled_one(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "DELAY 100");
    cancel_twice(1, "cancelled");
    wh_lc_stat("scheduled", 0);
    wh_lc_advance(100);
    wh_lc_claim("w", 1, "");
    wh_lc_status(1, "cancelled");
}

static void a_running_one(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    cancel_twice(1, "requested");
    wh_lc_status(1, "in_progress");
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "cancelled"};
    wh_lc_finish("w", &e, true);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_audit();
}

/* The request belongs to one claim: a job that starts over runs. */
static void the_request_ends_with_the_job(void **state)
{
    struct wh_lc_end e = {.n = 1, .fence = 1, .outcome = "retry"};

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "cancelled");
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(1));
    wh_lc_claim("w", 1, "1");
    e.fence = 2;
    wh_lc_finish("w", &e, true);
    wh_lc_status(1, "pending");
    wh_lc_audit();
}

static void ended_ones(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_enqueue(2, "");
    wh_lc_enqueue(3, "EXPIRES 1");
    wh_lc_claim("w", 2, "1 2");
    wh_lc_done("w", 1, 1, true);
    wh_lc_dead("w", 2, "invalid");
    wh_lc_advance(1);
    wh_lc_ok("wh1_expire", "10");
    for (unsigned n = 1; n <= 3; n++) {
        wh_lc_error("WHSTATE", "wh1_cancel", "%s", wh_lc_id(n));
    }
    wh_lc_error("WHNOTFOUND", "wh1_cancel", "%s", wh_lc_id(4));
    wh_lc_audit();
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    wh_lc_enqueue(1, "");
    wh_lc_error("WHBADARG", "wh1_cancel", "");
    wh_lc_error("WHBADARG", "wh1_cancel", "%s", "");
    wh_lc_error("WHBADARG", "wh1_cancel", "x");
    wh_lc_error("WHBADARG", "wh1_cancel", "%s %s", wh_lc_id(1), wh_lc_id(1));
    wh_lc_error("WHBADARG", "wh1_cancel", "%b", WH_LC_TOK(1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_pending_one),
        WH_LC_TEST(a_pending_one_that_nobody_keeps),
        WH_LC_TEST(a_scheduled_one),
        WH_LC_TEST(a_running_one),
        WH_LC_TEST(the_request_ends_with_the_job),
        WH_LC_TEST(ended_ones),
        WH_LC_TEST(refuses_bad_arguments),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
