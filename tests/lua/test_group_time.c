/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of an org in worker time, also where a limit, a pause or a breaker holds their type:
 * simulated (lua_fleet.h). A source of the fleet is a group of one org here.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_fleet.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two groups and, as the third source, jobs without one; a tenth, half, and all of the longest. */
static const struct wh_lf_fleet three = {.org = {"a", "a", "a"},
                                         .type = {"t", "t", "t"},
                                         .group = {"g1", "g2", NULL},
                                         .run_ms = {20, 100, 200},
                                         .depth = {100, 100, 100}};

static void each_has_a_third(struct wh_lf_fleet *f, double within)
{
    wh_lf_run_for(f, WH_LF_MINUTE);
    for (unsigned i = 0; i < 3; i++) {
        wh_lf_expect_share(f, i, 1.0 / 3, within);
    }
    wh_lc_audit();
}

static void groups_of_one_type_share_worker_time(void **state)
{
    struct wh_lf_fleet f = three;

    (void)state;
    wh_lf_start(&f);
    each_has_a_third(&f, 0.02);
}

static void groups_of_several_types_share_worker_time(void **state)
{
    struct wh_lf_fleet f = three;

    (void)state;
    f.type[0] = "t0";
    f.type[1] = "t1";
    wh_lf_start(&f);
    each_has_a_third(&f, 0.02);
}

/* Who has one job at a time comes back with nothing saved up, and is not shut out. */
static void one_job_at_a_time_gains_nothing(void **state)
{
    struct wh_lf_fleet f = three;

    (void)state;
    f.depth[1] = 1;
    wh_lf_start(&f);
    wh_lf_run_for(&f, WH_LF_MINUTE);
    print_message("one at a time: %.2f %%\n", wh_lf_share(&f, 1) * 100);
    assert_true(wh_lf_share(&f, 1) < 1.05 / 3);
    assert_true(wh_lf_share(&f, 1) > 0.1);
    wh_lc_audit();
}

/* Several long jobs together, more of them as soon as they ended: what they took counts, though nothing of the group
 * was left meanwhile. */
static void who_runs_dry_pays_for_long_jobs(void **state)
{
    (void)state;
    for (unsigned is_capped = 0; is_capped < 2; is_capped++) {
        struct wh_lf_fleet f = {.org = {"a", "a", "a", "a"},
                                .type = {"t", "t", "t", "t"},
                                .group = {"g1", "g1", "g1", "g2"},
                                .run_ms = {400, 400, 400, 10},
                                .depth = {1, 1, 1, 100}};

        wh_lc_reset(NULL);
        wh_lf_start(&f);
        wh_ll_set("active:type/t", is_capped ? "3" : "");
        wh_lf_run_for(&f, WH_LF_MINUTE);
        wh_lf_expect_share(&f, 3, 0.5, 0.06);
        wh_lc_audit();
    }
}

/* One group's type has a limit, the other's has none: that makes no difference to their shares. */
static void a_held_type_gives_its_group_no_more(void **state)
{
    static const char *const limits[][2] = {{"active:type/t1", "3"},
                                            {"rate:type/t1", "100/1000/3"},
                                            {"rate:org/a/type/t1", "100/1000/3"}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct wh_lf_fleet f = {.org = {"a", "a"},
                                .type = {"t1", "t2"},
                                .group = {"g1", "g2"},
                                .run_ms = {20, 20},
                                .depth = {100, 100}};

        wh_lc_reset(NULL);
        wh_lf_start(&f);
        wh_ll_set(limits[i][0], limits[i][1]);
        wh_lf_run_for(&f, WH_LF_MINUTE / 2);
        wh_lf_expect_share(&f, 0, 0.5, 0.03);
        wh_lc_audit();
    }
}

/* A group that runs one job at a time is owed something meanwhile, and keeps that. */
static void a_serial_group_keeps_what_it_is_owed(void **state)
{
    struct wh_lf_fleet f = {.org = {"a", "a", "a"},
                            .type = {"t", "t", "t"},
                            .group = {"g1", "g2", "g3"},
                            .run_ms = {50, 47, 53},
                            .depth = {100, 100, 100}};

    (void)state;
    wh_lf_start(&f);
    wh_ll_set("active:type/t", "4");
    wh_ll_set("active:org/a/group/g1", "1"); /* a quarter at most */
    wh_lf_run_for(&f, WH_LF_MINUTE);
    wh_lf_expect_share(&f, 0, 0.25, 0.01);
    wh_lc_audit();
}

/* Under a cap of the type worker time is shared, whatever has a cap of its own. */
static void a_cap_of_the_type_is_shared_in_worker_time(void **state)
{
    static const char *const own[] = {NULL, "active:org/a/group/g1", "active:group"};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct wh_lf_fleet f = three;

        wh_lc_reset(NULL);
        wh_lf_start(&f);
        wh_ll_set("active:type/t", "2");
        if (own[i] != NULL) {
            wh_ll_set(own[i], "4");
        }
        each_has_a_third(&f, 0.03);
    }
}

/* Beside another org, whose part is as large as that of all groups together. */
static void groups_under_a_cap_are_still_one_org(void **state)
{
    struct wh_lf_fleet f = three;

    (void)state;
    f.org[3] = "b";
    f.type[3] = "t";
    f.run_ms[3] = 50;
    f.depth[3] = 100;
    wh_lf_start(&f);
    wh_ll_set("active:type/t", "2");
    wh_lf_run_for(&f, 2LL * WH_LF_MINUTE);
    for (unsigned i = 0; i < 3; i++) {
        wh_lf_expect_share(&f, i, 1.0 / 6, 0.015);
    }
    wh_lf_expect_share(&f, 3, 0.5, 0.03);
    wh_lc_audit();
}

/* Under a rate jobs count alike: so many of each, and in turn. */
static void a_rate_of_the_type_is_shared_in_jobs(void **state)
{
    static const char *const rate[] = {"rate:type/t", "rate:org/a/type/t"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct wh_lf_fleet f = three;
        unsigned n[3];

        wh_lc_reset(NULL);
        wh_lf_start(&f);
        wh_ll_set(rate[i], "10/1000/1");
        wh_lf_run_for(&f, WH_LF_MINUTE);
        for (unsigned g = 0; g < 3; g++) {
            n[g] = f.made[g] - f.waiting[g];
        }
        print_message("%s: %u %u %u\n", rate[i], n[0], n[1], n[2]);
        for (unsigned g = 0; g < 3; g++) {
            assert_in_range(n[g], 190, 210);
        }
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(groups_of_one_type_share_worker_time),
        WH_LC_TEST(groups_of_several_types_share_worker_time),
        WH_LC_TEST(one_job_at_a_time_gains_nothing),
        WH_LC_TEST(a_cap_of_the_type_is_shared_in_worker_time),
        WH_LC_TEST(groups_under_a_cap_are_still_one_org),
        WH_LC_TEST(a_rate_of_the_type_is_shared_in_jobs),
        WH_LC_TEST(who_runs_dry_pays_for_long_jobs),
        WH_LC_TEST(a_held_type_gives_its_group_no_more),
        WH_LC_TEST(a_serial_group_keeps_what_it_is_owed),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
