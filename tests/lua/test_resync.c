/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_resync: what a worker holds and what it believes to hold.
 */
#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void releases_what_is_not_named(void **state)
{
    char before[41], after[41];

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 4; n++) {
        wh_lc_enqueue(n, "");
    }
    wh_lc_claim("w", 3, "1 2 3");
    redisReply *r =
        wh_lc_call("wh1_resync", "w %b %b", WH_LC_TOK(2, 1), WH_LC_TOK(9, 1));
    assert_int_equal(r->elements, 2);
    assert_int_equal(r->element[0]->integer, 2);
    assert_memory_equal(r->element[1]->str, wh_lc_token(9, 1), 17);
    freeReplyObject(r);
    wh_lc_status(1, "pending");
    wh_lc_status(2, "in_progress");
    wh_lc_status(3, "pending");
    wh_lc_field(1, "attempts", "0");
    wh_lc_digest(before);
    r = wh_lc_call("wh1_resync", "w %b %b", WH_LC_TOK(2, 1), WH_LC_TOK(9, 1));
    assert_int_equal(r->element[0]->integer, 0);
    freeReplyObject(r);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    wh_lc_claim("w", 9, "1 3 4"); /* ahead of what came later, in order of ids */
    wh_lc_field(1, "fence", "2");
    wh_lc_done("w", 1, 1, false);
    wh_lc_audit();
}

static void names_nothing(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    assert_int_equal(wh_lc_nth(0, "wh1_resync", "w"), 1);
    assert_int_equal(wh_lc_nth(0, "wh1_resync", "w"), 0);
    wh_lc_audit();
}

static void a_finish_was_accepted_before(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_done("w", 1, 1, true);
    redisReply *r = wh_lc_call("wh1_resync", "w %b", WH_LC_TOK(1, 1));
    assert_int_equal(r->elements, 2);
    freeReplyObject(r);
    wh_lc_status(1, "completed");
}

static void a_cancelled_one_is_not_given_back(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_text("requested", "wh1_cancel", "%s", wh_lc_id(1));
    assert_int_equal(wh_lc_nth(0, "wh1_resync", "w"), 1);
    wh_lc_status(1, "cancelled");
    wh_lc_audit();
}

static void takes_five_thousand(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 0; n < 2500; n++) {
        wh_lc_enqueue(n, "");
    }
    for (int i = 0; i < 5; i++) {
        wh_lc_ok("wh1_cycle", "w 500 0");
    }
    wh_lc_add_text(&a, "w");
    for (unsigned n = 0; n < 5000; n++) {
        if (n >= 1250) { /* holds 0…2499 */
            wh_lc_add(&a, wh_lc_token(n, 1), 17);
        } else {
            wh_lc_add(&a, wh_lc_token(n + 10000, 1), 17);
        }
    }
    redisReply *r = wh_lc_call_args("wh1_resync", &a);
    assert_int_equal(r->element[0]->integer, 1000); /* the rest next time */
    assert_int_equal(r->elements, 1 + 1250 + 2500);
    freeReplyObject(r);
    wh_lc_stat("in_progress", 1500);
    wh_lc_audit();
}

static void refuses_bad_arguments(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_error("WHBADARG", "wh1_resync", "");
    wh_lc_error("WHBADARG", "wh1_resync", "a:b");
    wh_lc_error("WHBADARG", "wh1_resync", "w short");
    wh_lc_error("WHBADARG", "wh1_resync", "w %s", "");
    wh_lc_error("WHBADARG", "wh1_resync", "w %b", WH_LC_RAW(1));
    wh_lc_error("WHBADARG", "wh1_resync", "w %b 0123456789abcdefxx", WH_LC_TOK(1, 1));
    wh_lc_add_text(&a, "w");
    for (unsigned n = 0; n < 5001; n++) {
        wh_lc_add(&a, wh_lc_token(1, 1), 17);
    }
    wh_lc_error_args("WHTOOBIG", "wh1_resync", &a);
}

static void a_lost_worker_starts_over(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_enqueue(1, "");
    wh_lc_claim("w", 1, "1");
    wh_lc_error("WHLOST", "wh1_resync", "x %b", WH_LC_TOK(1, 1));
    wh_lc_advance(30000);
    wh_lc_error("WHLOST", "wh1_resync", "w %b", WH_LC_TOK(1, 1));
    wh_lc_error("WHLOST", "wh1_resync", "w");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(releases_what_is_not_named),
        WH_LC_TEST(names_nothing),
        WH_LC_TEST(a_finish_was_accepted_before),
        WH_LC_TEST(a_cancelled_one_is_not_given_back),
        WH_LC_TEST(takes_five_thousand),
        WH_LC_TEST(refuses_bad_arguments),
        WH_LC_TEST(a_lost_worker_starts_over),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
