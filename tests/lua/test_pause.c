/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pause and resume of an org and of a type: in the same number of commands whatever the
 * backlog, nothing of it runs meanwhile, and everything comes back.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned take_all(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 20; i++) {
        sum += wh_ll_take_count("w", 500);
    }
    return sum;
}

static void a_paused_org_waits(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 100, "mail", "a");
    wh_ll_fill_org(1001, 100, "mail", "b");
    wh_ll_set("pause:org/a", "1");
    assert_int_equal(take_all(), 100);
    wh_ll_fill_org(2001, 50, "sms", "a"); /* new work of it waits as well */
    wh_ll_fill_org(3001, 50, "sms", "b");
    assert_int_equal(take_all(), 50);
    wh_lc_stat("pending", 150);
    wh_lc_audit();
    wh_ll_set("pause:org/a", "");
    assert_int_equal(take_all(), 150);
    wh_lc_audit();
}

static void a_paused_type_waits(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 100, "mail", "a");
    wh_ll_fill_org(1001, 100, "sms", "a");
    wh_ll_fill_org(2001, 100, "mail", "b");
    wh_ll_set("pause:type/mail", "1");
    assert_int_equal(take_all(), 100);
    wh_ll_fill_org(3001, 50, "mail", "c");
    wh_ll_fill_org(4001, 50, "sms", "c");
    assert_int_equal(take_all(), 50);
    wh_lc_stat("pending", 250);
    wh_lc_audit();
    wh_ll_set("pause:type/mail", "");
    assert_int_equal(take_all(), 250);
    wh_lc_audit();
}

/* Commands of one call. */
static long long cost(const char *setting, const char *value)
{
    wh_ll_reset_calls();
    wh_ll_set(setting, value);
    return wh_ll_calls(NULL);
}

static void costs_the_same_whatever_the_backlog(void **state)
{
    static const char *const settings[] = {"pause:org/a", "pause:type/mail"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_fill_org(1, 1, "mail", "a");
        long long pause = cost(settings[i], "1");
        take_all();
        long long resume = cost(settings[i], "");
        take_all();
        wh_ll_fill_org(1000, 20000, "mail", "a");
        assert_int_equal(cost(settings[i], "1"), pause);
        while (wh_lc_count("EXISTS " WH_LC_P ":ring") == 1) {
            assert_int_equal(wh_ll_take_count("w", 500), 0);
        }
        assert_int_equal(cost(settings[i], ""), resume);
        assert_int_equal(wh_ll_take_count("w", 1000), 1000);
        wh_lc_audit();
    }
}

/* Claims beside a paused org look at it once. */
static void a_paused_org_is_out_of_the_way(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 1000, "mail", "a");
    wh_ll_fill_org(10001, 300, "mail", "b");
    wh_ll_set("pause:org/a", "1");
    assert_int_equal(wh_ll_take_count("w", 100), 100);
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":ring"), 1);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":ready:a:5"), 1000);
    wh_lc_audit();
}

static void a_paused_org_costs_no_turn(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 10, "mail", "a");
    wh_ll_set("pause:org/a", "1");
    struct wh_ll_claims c;
    wh_ll_take("w", 10, &c);
    assert_int_equal(c.n, 0);
    assert_int_equal(c.flags, 4);     /* idle: not asked again and again */
    assert_int_equal(c.next_due, -1); /* nor by the clock */
}

static void resume_calls_an_idle_worker(void **state)
{
    static const char *const settings[] = {"pause:org/a", "pause:type/mail"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set(settings[i], "1");
        wh_ll_fill_org(1, 10, "mail", "a");
        assert_int_equal(wh_ll_take_count("w", 10), 0);
        freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:w"));
        wh_ll_set(settings[i], "");
        assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w"), 1);
        assert_int_equal(wh_ll_take_count("w", 10), 10);
        wh_lc_audit();
    }
}

/* Running jobs go on, and what they leave behind waits. */
static void running_jobs_end_as_ever(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 4, "mail", "a");
    wh_lc_claim("w", 4, "1 2 3 4");
    wh_ll_set("pause:org/a", "1");
    wh_lc_done("w", 1, 1, true);
    wh_ll_end("w", 2, 1, "retry", 0, "error");
    wh_ll_end("w", 3, 1, "release", 0, NULL);
    wh_ll_end("w", 4, 1, "snooze", 100, NULL);
    wh_lc_audit();
    wh_lc_advance(100);
    assert_int_equal(take_all(), 0);
    wh_lc_stat("pending", 3);
    wh_lc_audit();
    wh_ll_set("pause:org/a", "");
    wh_lc_claim("w", 10, "3 2 4");
    wh_lc_audit();
}

static void hand_off_respects_it(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("pause:org/a", "1");
    wh_lc_ok("wh1_cycle", "w 5+ 0");
    wh_ll_put(1, "mail", "ORG a");
    wh_lc_status(1, "pending");
    assert_int_equal(take_all(), 0);
    wh_ll_set("pause:org/a", "");
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
}

static void both_and_the_queue(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 10, "mail", "a");
    wh_ll_fill_org(101, 10, "sms", "a");
    wh_ll_fill_org(201, 10, "mail", "b");
    wh_ll_fill_org(301, 10, "sms", "b");
    wh_ll_set("pause:org/a", "1");
    wh_ll_set("pause:type/mail", "1");
    wh_lc_text("OK", "wh1_pause", "");
    assert_int_equal(take_all(), 0);
    wh_lc_text("OK", "wh1_resume", "");
    assert_int_equal(take_all(), 10); /* b's sms */
    wh_ll_set("pause:org/a", "");
    assert_int_equal(take_all(), 10); /* a's sms */
    wh_lc_audit();
    wh_ll_set("pause:org/a", "1");
    wh_ll_set("pause:type/mail", "");
    assert_int_equal(take_all(), 10); /* b's mail */
    wh_ll_set("pause:org/a", "");
    assert_int_equal(take_all(), 10);
    wh_lc_stat("pending", 0);
    wh_lc_audit();
}

static void many_types_of_one_org(void **state)
{
    (void)state;
    wh_ll_start();
    for (unsigned t = 0; t < 50; t++) {
        char type[16], setting[32];

        snprintf(type, sizeof type, "t%u", t);
        snprintf(setting, sizeof setting, "pause:type/t%u", t);
        wh_ll_set(setting, "1");
        wh_ll_fill_org(1 + t * 100, 20, type, "a");
    }
    assert_int_equal(take_all(), 0);
    wh_lc_audit();
    for (unsigned t = 0; t < 50; t++) {
        char setting[32];

        snprintf(setting, sizeof setting, "pause:type/t%u", t);
        wh_ll_set(setting, "");
        wh_lc_nth(0, "wh1_promote", "10");
        assert_int_equal(wh_ll_take_count("w", 500), 20);
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_paused_org_waits),
        WH_LC_TEST(a_paused_type_waits),
        WH_LC_TEST(costs_the_same_whatever_the_backlog),
        WH_LC_TEST(a_paused_org_is_out_of_the_way),
        WH_LC_TEST(a_paused_org_costs_no_turn),
        WH_LC_TEST(resume_calls_an_idle_worker),
        WH_LC_TEST(running_jobs_end_as_ever),
        WH_LC_TEST(hand_off_respects_it),
        WH_LC_TEST(both_and_the_queue),
        WH_LC_TEST(many_types_of_one_org),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
