/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an org comes first where some of its jobs were set aside: no type, and no group, has
 * all the slots for that its jobs were.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_fleet.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* One org, with ever so many jobs of each of its types. */
static struct wh_lf_fleet fleet(const char *first, const char *second,
                                const char *third)
{
    return (struct wh_lf_fleet){.org = {"a", "a", third != NULL ? "a" : NULL},
                                .type = {first, second, third},
                                .run_ms = {50, 50, 50},
                                .depth = {20, 20, 20}};
}

static void run(struct wh_lf_fleet *f)
{
    wh_lf_run_for(f, 5000);
    wh_lf_forget_busy(f);
    wh_lf_run_for(f, 20000);
    print_message("%.3f %.3f %.3f of the time\n", wh_lf_share(f, 0), wh_lf_share(f, 1),
                  wh_lf_share(f, 2));
    wh_lc_audit();
}

/* The fleet begins while x is paused: jobs of it are set aside. */
static void set_x_aside(struct wh_lf_fleet *f)
{
    wh_ll_set("pause:type/x", "1");
    wh_lf_start(f);
    wh_lf_run_for(f, 200);
}

/* x may run again, one job of the queue at a time. */
static void run_one_by_one(struct wh_lf_fleet *f)
{
    wh_ll_set("active:type/x", "50");
    wh_ll_set("active:queue", "1");
    wh_ll_set("pause:type/x", "");
    run(f);
}

/* Its later jobs are set aside behind the others, also when nothing holds them any more. */
static void a_type_that_was_paused_once_takes_turns(void **state)
{
    (void)state;
    for (unsigned is_limited = 0; is_limited < 2; is_limited++) {
        struct wh_lf_fleet f = fleet("x", "y", NULL);

        wh_lc_reset(NULL);
        set_x_aside(&f);
        wh_ll_set("rate:type/other", is_limited ? "1/1000/1" : "");
        wh_ll_set("pause:type/x", "");
        run(&f);
        wh_lf_expect_share(&f, 0, 0.5, 0.15);
        wh_lf_expect_share(&f, 1, 0.5, 0.15);
    }
}

static void types_that_were_set_aside_take_turns(void **state)
{
    struct wh_lf_fleet f = fleet("x", "y", "z");

    (void)state;
    wh_ll_set("pause:type/y", "1");
    set_x_aside(&f);
    wh_ll_set("rate:type/other", "1/1000/1");
    wh_ll_set("pause:type/x", "");
    wh_ll_set("pause:type/y", "");
    run(&f);
    for (unsigned i = 0; i < 3; i++) {
        wh_lf_expect_share(&f, i, 0.33, 0.15);
    }
}

/* The caps of two types are as many as there are slots: the third has its part. */
static void capped_types_leave_the_others_their_part(void **state)
{
    struct wh_lf_fleet f = fleet("x", "y", "z");

    (void)state;
    wh_ll_set("active:type/x", "2");
    wh_ll_set("active:type/y", "2");
    wh_lf_start(&f);
    run(&f);
    for (unsigned i = 0; i < 3; i++) {
        wh_lf_expect_share(&f, i, 0.33, 0.15);
    }
}

/* What jobs without a group had, wherever they stood, counts among the groups. */
static void what_had_no_group_pays_among_groups(void **state)
{
    struct wh_lf_fleet f = fleet("x", "y", NULL);

    (void)state;
    f.group[1] = "g";
    set_x_aside(&f);
    run_one_by_one(&f);
    wh_lf_expect_share(&f, 0, 0.5, 0.1);
    wh_lf_expect_share(&f, 1, 0.5, 0.1);
}

/* A group whose jobs of one type were set aside has others too. */
static void other_jobs_of_a_waiting_group_come(void **state)
{
    struct wh_lf_fleet f = fleet("x", "y", "y");

    (void)state;
    f.group[0] = f.group[1] = "g1";
    f.group[2] = "g2";
    set_x_aside(&f);
    run_one_by_one(&f);
    assert_true(wh_lf_share(&f, 0) > 0.1);
    assert_true(wh_lf_share(&f, 1) > 0.1);
    wh_lf_expect_share(&f, 2, 0.5, 0.1);
}

/* A job of a higher priority comes first wherever it stands. */
static void priority_comes_before_turns(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/x", "1");
    for (unsigned n = 1; n <= 10; n++) {
        wh_ll_put(n, "x", "ORG a PRIORITY 7");
    }
    assert_int_equal(wh_ll_take_count("w", 1), 0);
    for (unsigned n = 11; n <= 20; n++) {
        wh_ll_put(n, "y", "ORG a");
    }
    wh_ll_set("rate:type/other", "1/1000/1");
    wh_ll_set("pause:type/x", "");
    for (unsigned n = 1; n <= 10; n++) {
        wh_ll_take("w", 1, &c);
        assert_int_equal(c.n, 1);
        assert_int_equal(c.id[0], n);
        wh_lc_advance(1);
    }
    wh_lc_audit();
}

/* Jobs that are put off again and again, as one that polls is, stand behind the others of their type each time. */
static void what_comes_again_goes_to_the_end(void **state)
{
    static const char *const groups[] = {NULL, "g"}, *const outcomes[] = {"snooze",
                                                                          "retry"};
    enum { AGAIN = 60, OTHERS = 200, FIRST = 1001 };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct wh_ll_jobs jobs = {.first = 1, .count = AGAIN, .type = "x", .org = "a"};
        unsigned others = 0;

        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set("active:type/x", "1");
        jobs.group = groups[i / 2];
        wh_ll_fill(&jobs);
        jobs.first = FIRST;
        jobs.count = OTHERS;
        wh_ll_fill(&jobs);
        for (unsigned n = 0; n < AGAIN + OTHERS; n++) {
            struct wh_ll_claims c;

            wh_ll_take("w", 3, &c);
            assert_int_equal(c.n, 1);
            wh_lc_advance(50);
            if (c.id[0] >= FIRST) {
                others++;
                wh_ll_done("w", &c);
            } else {
                wh_ll_end("w", c.id[0], c.fence[0], outcomes[i % 2], 100, "error");
            }
        }
        assert_int_equal(others, OTHERS);
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_type_that_was_paused_once_takes_turns),
        WH_LC_TEST(types_that_were_set_aside_take_turns),
        WH_LC_TEST(capped_types_leave_the_others_their_part),
        WH_LC_TEST(what_had_no_group_pays_among_groups),
        WH_LC_TEST(other_jobs_of_a_waiting_group_come),
        WH_LC_TEST(priority_comes_before_turns),
        WH_LC_TEST(what_comes_again_goes_to_the_end),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
