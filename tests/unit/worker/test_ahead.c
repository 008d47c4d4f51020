/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far ahead is claimed: nothing near by, as much as a round trip needs far away, no
 * more than the slots can end in one, nothing when nothing ends.
 */
#include "worker/ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TRIP_US = 80000, SLOTS = 256, START_US = 1000000 };

static int64_t now_us;
static size_t bytes;

static void results(wh_ahead *a, int n, int64_t run_us)
{
    for (int i = 0; i < n; i++) {
        wh_ahead_result(a, run_us, bytes);
    }
}

/* One round trip in which n jobs ended. */
static void round_of(wh_ahead *a, int n, int64_t run_us)
{
    results(a, n, run_us);
    wh_ahead_turn(a, SLOTS, now_us);
    now_us += TRIP_US;
    wh_ahead_turn(a, SLOTS, now_us);
}

static wh_ahead far_away(void)
{
    wh_ahead a = {0};

    now_us = START_US;
    bytes = 100;
    wh_ahead_reply(&a, TRIP_US, now_us);
    wh_ahead_turn(&a, SLOTS, now_us);
    assert_true(wh_ahead_is_far(&a));
    assert_int_equal(a.jobs, 0); /* nothing is known of the jobs yet */
    return a;
}

static void test_nothing_near_by(void **state)
{
    (void)state;
    wh_ahead a = {0};

    now_us = START_US;
    wh_ahead_turn(&a, SLOTS, now_us);
    assert_false(wh_ahead_is_far(&a));
    wh_ahead_reply(&a, 50000, now_us); /* a stall */
    wh_ahead_reply(&a, 300, now_us);
    wh_ahead_reply(&a, 50000, now_us);
    round_of(&a, 10000, 10);
    assert_false(wh_ahead_is_far(&a));
    assert_int_equal(a.jobs, 0);
}

static void test_two_round_trips(void **state)
{
    (void)state;
    wh_ahead a = far_away();

    round_of(&a, 100, 1000);
    assert_int_equal(wh_ahead_round(&a), 100);
    assert_int_equal(a.jobs, 200);
    round_of(&a, 40, 1000); /* the best of the last ones counts */
    assert_int_equal(a.jobs, 200);
    for (int i = 0; i < WH_AHEAD_ROUNDS; i++) {
        round_of(&a, 0, 0);
    }
    assert_int_equal(a.jobs, 0);
}

/* No-op jobs whose claims take half a round trip more than the link, since they wait in a busy
 * Redis and here: so many end in a round trip as were claimed ahead in that time. */
static void test_grows_although_claims_wait(void **state)
{
    (void)state;
    wh_ahead a = far_away();

    round_of(&a, SLOTS, 1);
    for (int rounds = 0; a.jobs < WH_AHEAD_MAX; rounds++) {
        assert_true(rounds < 20);
        round_of(&a, (int)((a.jobs + SLOTS) * 2 / 3), 1);
    }
}

static void test_rounds_that_nobody_looked_at(void **state)
{
    (void)state;
    wh_ahead a = far_away();

    round_of(&a, 100, 1000);
    now_us += TRIP_US * 100;
    wh_ahead_turn(&a, SLOTS, now_us);
    assert_int_equal(a.jobs, 0);
}

/* 256 jobs of 8 s that end together: in a round trip 256 slots end 2.56 of them. */
static void test_long_jobs_that_end_together(void **state)
{
    (void)state;
    wh_ahead a = far_away();

    round_of(&a, SLOTS, 8000000);
    assert_in_range(a.jobs, 3, 4);
}

static void test_bounds(void **state)
{
    (void)state;
    wh_ahead a = far_away();

    round_of(&a, 100000, 1);
    assert_int_equal(a.jobs, WH_AHEAD_MAX);
    bytes = 1024 * 1024;
    round_of(&a, 1000, 1);
    assert_in_range(a.jobs, 64, 65);
}

/* The shortest round trip counts for 15 to 30 s: a link that became long is noticed. */
static void test_the_way_changes(void **state)
{
    (void)state;
    wh_ahead a = {0};

    now_us = START_US;
    wh_ahead_reply(&a, 300, now_us);
    for (int s = 1; s <= 14; s++) {
        wh_ahead_reply(&a, TRIP_US, now_us + s * INT64_C(1000000));
    }
    assert_false(wh_ahead_is_far(&a));
    for (int s = 15; s <= 31; s++) {
        wh_ahead_reply(&a, TRIP_US, now_us + s * INT64_C(1000000));
    }
    assert_true(wh_ahead_is_far(&a));
    wh_ahead_reply(&a, 300, now_us + INT64_C(32000000));
    assert_false(wh_ahead_is_far(&a));
}

/* Switched off while it runs: as if Redis were near, from the next turn on. */
static void test_switched_off(void **state)
{
    (void)state;
    wh_ahead a = far_away();

    round_of(&a, 100, 1000);
    assert_true(a.jobs > 0);
    a.is_off = true;
    round_of(&a, 100, 1000);
    assert_int_equal(a.jobs, 0);
    assert_false(wh_ahead_is_far(&a));
    a.is_off = false;
    round_of(&a, 100, 1000);
    assert_true(a.jobs > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_near_by),
        cmocka_unit_test(test_two_round_trips),
        cmocka_unit_test(test_grows_although_claims_wait),
        cmocka_unit_test(test_rounds_that_nobody_looked_at),
        cmocka_unit_test(test_long_jobs_that_end_together),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_the_way_changes),
        cmocka_unit_test(test_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
