/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P:queued in a partition whose first jobs came from a library that did not count: nobody is
 * forgotten, and counting begins when nothing waits.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What the older library left behind. */
static void forget_the_counts(void)
{
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":queued"));
    freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":ctl counted"));
}

static bool is_counted(void)
{
    return wh_lc_count("HEXISTS " WH_LC_P ":ctl counted") == 1;
}

/* Claims and completes one by one until nothing comes; how many there were. */
static unsigned drain(void)
{
    unsigned n = 0;

    for (;;) {
        struct wh_ll_claims c;
        wh_ll_take("w", 1, &c);
        if (c.n == 0) {
            return n;
        }
        n += c.n;
        wh_ll_done("w", &c);
    }
}

static void counting_begins_with_the_first_job(void **state)
{
    (void)state;
    assert_false(is_counted());
    wh_ll_put(1, "mail", "");
    assert_true(is_counted());
}

/* Nothing waits yet, though a setting is parked; also before a job that is handed over at once. */
static void counting_begins_beside_a_setting(void **state)
{
    (void)state;
    wh_ll_set("pause:org/a", "1");
    wh_ll_put(1, "mail", "ORG a");
    assert_true(is_counted());
    wh_lc_reset(state);
    wh_lc_worker("w");
    assert_true(is_counted());
    wh_lc_reset(state);
    wh_ll_put(1, "mail", "");
    forget_the_counts();
    wh_lc_worker("w");
    assert_false(is_counted());
    wh_lc_claim("w", 1, "1");
}

static void jobs_that_nobody_counted_are_all_claimed(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_fill(
        &(struct wh_ll_jobs){.first = 1, .count = 20, .type = "mail", .org = "a"});
    wh_ll_fill(
        &(struct wh_ll_jobs){.first = 30, .count = 20, .type = "mail", .org = "b"});
    forget_the_counts();
    wh_ll_put(50, "mail", "ORG a");
    wh_ll_put(51, "mail", "ORG c");
    assert_false(is_counted());
    assert_int_equal(drain(), 42);
    wh_lc_stat("pending", 0);
    wh_lc_audit();
}

static void counting_begins_when_they_are_gone(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "DELAY 1000");
    forget_the_counts();
    assert_int_equal(drain(), 1);
    wh_ll_put(3, "mail", "");
    assert_false(is_counted()); /* 2 still waits */
    wh_lc_advance(1000);
    wh_lc_nth(0, "wh1_promote", "10");
    assert_int_equal(drain(), 2);
    wh_ll_put(4, "mail", "");
    assert_true(is_counted());
    assert_int_equal(drain(), 1);
    wh_lc_audit();
}

/* The type is released: an org that nobody counted is not passed over. */
static void set_aside_jobs_are_not_forgotten(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_fill(
        &(struct wh_ll_jobs){.first = 1, .count = 5, .type = "mail", .org = "a"});
    wh_ll_set("pause:type/mail", "1");
    assert_int_equal(drain(), 0);
    forget_the_counts();
    wh_ll_put(6, "other", "ORG a");
    assert_false(is_counted());
    assert_int_equal(drain(), 1);
    wh_ll_set("pause:type/mail", "");
    assert_int_equal(drain(), 5);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(counting_begins_with_the_first_job),
        WH_LC_TEST(counting_begins_beside_a_setting),
        WH_LC_TEST(jobs_that_nobody_counted_are_all_claimed),
        WH_LC_TEST(counting_begins_when_they_are_gone),
        WH_LC_TEST(set_aside_jobs_are_not_forgotten),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
