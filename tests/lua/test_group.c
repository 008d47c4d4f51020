/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: fair shares inside one org's level and nothing gained outside of it, serial groups,
 * and what ends and loses claims of them.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Job n is of group (or org) n >> 16. */
static void fill_group(unsigned g, unsigned from, unsigned count, int priority)
{
    char group[16];
    struct wh_ll_jobs jobs = {.first = (g << 16) + from,
                              .count = count,
                              .type = "mail",
                              .org = "acme",
                              .group = group,
                              .priority = priority};

    snprintf(group, sizeof group, "g%u", g);
    wh_ll_fill(&jobs);
}

static void fill_org(unsigned number, unsigned count, const char *org)
{
    struct wh_ll_jobs jobs = {
        .first = number << 16, .count = count, .type = "mail", .org = org};

    wh_ll_fill(&jobs);
}

static void start(void)
{
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
}

static void count_take(unsigned want, unsigned *count, unsigned room)
{
    struct wh_ll_claims c;

    wh_ll_take("w", want, &c);
    for (unsigned i = 0; i < c.n; i++) {
        assert_in_range(c.id[i] >> 16, 0, room - 1);
        count[c.id[i] >> 16]++;
    }
}

static void a_thousand_groups_are_one_org(void **state)
{
    unsigned count[1010] = {0}, of_groups = 0;

    (void)state;
    start();
    for (unsigned g = 0; g < 1000; g++) {
        fill_group(g, 0, 3, 0);
    }
    fill_org(1005, 1000, "plain");
    for (unsigned i = 0; i < 40; i++) {
        count_take(10, count, 1010);
    }
    for (unsigned g = 0; g < 1000; g++) {
        of_groups += count[g];
        assert_in_range(count[g], 0, 1); /* nobody twice before all had a turn */
    }
    assert_int_equal(of_groups, 200);
    assert_int_equal(count[1005], 200);
    wh_lc_audit();
}

static void groups_share_fairly(void **state)
{
    unsigned count[8] = {0};

    (void)state;
    start();
    fill_group(1, 0, 500, 0);
    fill_group(2, 0, 50, 0);
    fill_group(3, 0, 50, 0);
    fill_org(4, 100, "acme"); /* those without a group are one more */
    for (unsigned i = 0; i < 20; i++) {
        count_take(8, count, 8);
    }
    for (unsigned g = 1; g <= 4; g++) {
        assert_in_range(count[g], 38, 42);
    }
    wh_lc_audit();
}

static void a_group_that_comes_later_neither_waits_nor_catches_up(void **state)
{
    unsigned count[4] = {0};

    (void)state;
    start();
    fill_group(1, 0, 500, 0);
    count_take(100, count, 4);
    fill_group(2, 0, 500, 0);
    memset(count, 0, sizeof count);
    count_take(40, count, 4);
    assert_in_range(count[1], 19, 21);
    assert_in_range(count[2], 19, 21);
}

static void order_inside_a_group_is_arrival(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    start();
    fill_group(1, 0, 30, 0);
    fill_group(2, 0, 30, 0);
    unsigned next[4] = {0};
    for (unsigned i = 0; i < 6; i++) {
        wh_ll_take("w", 7, &c);
        for (unsigned j = 0; j < c.n; j++) {
            assert_int_equal(c.id[j] & 0xffff, next[c.id[j] >> 16]);
            next[c.id[j] >> 16]++;
        }
    }
}

/* Priority first, groups inside it. */
static void priorities_come_before_groups(void **state)
{
    unsigned count[4] = {0};

    (void)state;
    start();
    fill_group(1, 0, 10, 0);
    fill_group(2, 0, 10, 9);
    fill_group(3, 0, 10, 9);
    count_take(10, count, 4);
    assert_int_equal(count[1], 0);
    assert_int_equal(count[2], 5);
    assert_int_equal(count[3], 5);
    count_take(15, count, 4);
    assert_int_equal(count[1], 5);
    wh_lc_audit();
    count_take(100, count, 4);
    assert_int_equal(count[1] + count[2] + count[3], 30);
    assert_int_equal(wh_ll_take_count("w", 1), 0);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":levels " WH_LC_P ":ring"), 0);
    wh_lc_audit();
}

static void a_serial_group_runs_one_by_one(void **state)
{
    unsigned count[8] = {0};

    (void)state;
    start();
    wh_ll_set("active:group", "1");
    for (unsigned g = 0; g < 5; g++) {
        fill_group(g, 0, 20, 0);
    }
    fill_org(6, 5, "acme"); /* no group, no cap */
    count_take(100, count, 8);
    for (unsigned g = 0; g < 5; g++) {
        assert_int_equal(count[g], 1);
    }
    assert_int_equal(count[6], 5);
    wh_lc_audit();
    for (unsigned i = 1; i < 20; i++) {
        struct wh_ll_claims c;

        wh_lc_done("w", (2U << 16) + i - 1, 1, true);
        wh_ll_take("w", 100, &c);
        assert_int_equal(c.n, 1);
        assert_int_equal(c.id[0], (2U << 16) + i);
        wh_lc_audit();
    }
}

static void the_own_cap_of_a_group_wins(void **state)
{
    unsigned count[4] = {0};

    (void)state;
    start();
    wh_ll_set("active:group", "1");
    wh_ll_set("active:org/acme/group/g2", "3");
    wh_ll_set("active:org/other/group/g1", "9");
    fill_group(1, 0, 10, 0);
    fill_group(2, 0, 10, 0);
    count_take(100, count, 4);
    assert_int_equal(count[1], 1);
    assert_int_equal(count[2], 3);
    wh_lc_audit();
}

/* Two orgs with a group of one name: two groups. */
static void names_are_the_orgs_own(void **state)
{
    (void)state;
    start();
    wh_ll_set("active:group", "1");
    wh_ll_put(1, "mail", "ORG a GROUP g");
    wh_ll_put(2, "mail", "ORG b GROUP g");
    wh_ll_put(3, "mail", "ORG a GROUP g");
    assert_int_equal(wh_ll_take_count("w", 10), 2);
    wh_lc_audit();
}

/* A cap over several priorities: whichever ends, the next of any level comes. */
static void one_cap_over_all_priorities(void **state)
{
    (void)state;
    start();
    wh_ll_set("active:group", "1");
    fill_group(1, 0, 2, 5);
    fill_group(1, 100, 2, 7);
    wh_lc_claim("w", 10, "65636");
    wh_lc_audit();
    wh_lc_done("w", 65636, 1, true);
    wh_lc_claim("w", 10, "65637");
    wh_lc_done("w", 65637, 1, true);
    wh_lc_claim("w", 10, "65536");
    wh_lc_done("w", 65536, 1, true);
    wh_lc_claim("w", 10, "65537");
    wh_lc_audit();
}

static void a_retry_waits_in_its_group(void **state)
{
    (void)state;
    start();
    wh_ll_set("active:group", "1");
    fill_group(1, 1, 3, 0);
    wh_lc_claim("w", 10, "65537");
    wh_ll_end("w", 65537, 1, "retry", 0, "error"); /* at the end of its group */
    wh_lc_claim("w", 10, "65538");
    wh_ll_end("w", 65538, 1, "release", 0, NULL); /* at its head */
    wh_lc_claim("w", 10, "65538");
    wh_ll_end("w", 65538, 2, "snooze", 1000, NULL);
    wh_lc_claim("w", 10, "65539");
    wh_lc_done("w", 65539, 1, true);
    wh_lc_claim("w", 10, "65537");
    wh_lc_done("w", 65537, 2, true);
    wh_lc_advance(1000);
    wh_lc_claim("w", 10, "65538");
    wh_lc_audit();
}

static void a_lost_workers_group_goes_on(void **state)
{
    (void)state;
    start();
    wh_ll_set("active:group", "1");
    wh_lc_worker("lost");
    fill_group(1, 1, 3, 0);
    fill_group(2, 1, 1, 0);
    wh_lc_claim("lost", 1, "65537");
    wh_lc_claim("w", 10, "131073");
    wh_lc_advance(30001);
    wh_lc_claim("w", 10, "65537"); /* recovered, at the head again */
    wh_lc_audit();
    wh_lc_done("w", 65537, 2, true);
    wh_lc_claim("w", 10, "65538");
    wh_lc_audit();
}

/* The group's type is blocked: the group's order survives, and its other groups run. */
static void a_blocked_type_keeps_the_order_of_a_capped_group(void **state)
{
    (void)state;
    start();
    wh_ll_set("active:group", "3");
    wh_ll_set("pause:type/mail", "1");
    fill_group(1, 1, 6, 0);
    for (unsigned n = 1; n <= 3; n++) {
        char options[64];

        snprintf(options, sizeof options, "ORG acme GROUP h%u", n);
        wh_ll_put(n, "sms", options);
    }
    assert_int_equal(wh_ll_take_count("w", 10), 3);
    wh_lc_audit();
    wh_lc_advance(1000);
    assert_int_equal(wh_ll_take_count("w", 10), 0);
    wh_ll_set("pause:type/mail", "");
    wh_lc_advance(1000);
    wh_lc_claim("w", 10, "65537 65538 65539");
    wh_lc_audit();
}

static void a_cancelled_job_of_a_group_leaves_it(void **state)
{
    (void)state;
    start();
    wh_ll_set("active:group", "1");
    fill_group(1, 1, 3, 0);
    wh_lc_claim("w", 10, "65537");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(65538));
    wh_lc_audit();
    wh_lc_done("w", 65537, 1, true);
    wh_lc_claim("w", 10, "65539");
    wh_lc_audit();
    wh_lc_done("w", 65539, 1, true);
    wh_lc_claim("w", 10, "");
    wh_lc_audit();
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":load " WH_LC_P ":queued"), 0);
}

static void the_record_tells_its_group(void **state)
{
    (void)state;
    start();
    wh_ll_put(1, "mail", "GROUP g.1-A_z");
    wh_lc_field(1, "group", "g.1-A_z");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p GROUP %s", "");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p GROUP a/b");
    wh_lc_error("WHBADARG", "wh1_enqueue", "mail p GROUP %s", "a b");
    wh_lc_error("WHBADARG", "wh1_enqueue",
                "mail p GROUP "
                "0123456789012345678901234567890123456789012345678901234567890123x");
}

/* Many parked groups must not cost a claim of another org a look at each. */
static void parked_groups_cost_nothing(void **state)
{
    (void)state;
    start();
    fill_org(2000, 100, "other");
    assert_int_equal(wh_ll_take_count("w", 100), 100);
    fill_org(2001, 100, "other");
    wh_ll_set("active:group", "1");
    wh_ll_reset_calls();
    assert_int_equal(wh_ll_take_count("w", 100), 100);
    long long alone = wh_ll_calls(NULL);
    for (unsigned g = 0; g < 1000; g++) {
        fill_group(g, 0, 2, 0);
    }
    while (wh_lc_count("EXISTS " WH_LC_P ":ring") == 1) {
        wh_ll_take_count("w", 500);
    }
    wh_lc_stat("in_progress", 1200);
    fill_org(2002, 100, "other");
    wh_ll_reset_calls();
    assert_int_equal(wh_ll_take_count("w", 100), 100);
    assert_in_range(wh_ll_calls(NULL), 1, alone + 2);
    wh_lc_audit();
}

/* A cap that comes when a thousand groups are over it already: none hides what may run. */
static void a_late_cap_hides_no_free_group(void **state)
{
    (void)state;
    start();
    for (unsigned g = 0; g < 1200; g++) {
        fill_group(g, 0, 1, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        wh_ll_take_count("w", 500);
    }
    wh_lc_stat("in_progress", 1200);
    for (unsigned g = 0; g < 1200; g++) {
        fill_group(g, 1, 1, 0);
    }
    fill_group(3000, 0, 1, 0);
    wh_ll_set("active:group", "1");
    unsigned got = 0;
    for (unsigned i = 0; i < 4; i++) {
        got += wh_ll_take_count("w", 10);
    }
    assert_int_equal(got, 1);
    wh_lc_audit();
    wh_ll_set("active:group", "");
    for (unsigned i = 0; i < 20; i++) {
        got += wh_ll_take_count("w", 500);
    }
    assert_int_equal(got, 1201);
    wh_lc_audit();
}

/* Limits of the type that several capped groups share: none of them starves, whatever its name. */
static void capped_groups_of_a_held_type_take_turns(void **state)
{
    static const char *const type[][2] = {{"active:type/mail", "4"},
                                          {"active:type/mail", "1"},
                                          {"rate:type/mail", "100/1000/5"},
                                          {"rate:org/acme/type/mail", "100/1000/5"}};
    enum { GROUPS = 4, EACH = 200 };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct wh_ll_claims slot[2] = {{0}};
        unsigned got[GROUPS] = {0};

        wh_lc_reset(NULL);
        start();
        wh_ll_set("active:group", i == 0 ? "4" : "1");
        wh_ll_set(type[i][0], type[i][1]);
        for (unsigned g = 0; g < GROUPS; g++) {
            fill_group(g, 1, EACH, 5);
        }
        for (unsigned round = 0; round < 200; round++) {
            struct wh_ll_claims *c = &slot[round % 2];

            if (c->n > 0) {
                wh_ll_done("w", c);
            }
            wh_ll_take("w", 8, c);
            for (unsigned n = 0; n < c->n; n++) {
                got[c->id[n] >> 16]++;
            }
            wh_lc_advance(7);
        }
        print_message("%s %s: %u %u %u %u\n", type[i][0], type[i][1], got[0], got[1],
                      got[2], got[3]);
        for (unsigned g = 1; g < GROUPS; g++) {
            assert_in_range(got[g] + 8, got[0],
                            got[0] + 16); /* corrections are eightfold */
        }
        assert_in_range(got[0], 16, EACH);
        for (unsigned k = 0; k < 2; k++) {
            wh_ll_done("w", &slot[k]);
        }
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_thousand_groups_are_one_org),
        WH_LC_TEST(groups_share_fairly),
        WH_LC_TEST(a_group_that_comes_later_neither_waits_nor_catches_up),
        WH_LC_TEST(order_inside_a_group_is_arrival),
        WH_LC_TEST(priorities_come_before_groups),
        WH_LC_TEST(a_serial_group_runs_one_by_one),
        WH_LC_TEST(the_own_cap_of_a_group_wins),
        WH_LC_TEST(names_are_the_orgs_own),
        WH_LC_TEST(one_cap_over_all_priorities),
        WH_LC_TEST(a_retry_waits_in_its_group),
        WH_LC_TEST(a_lost_workers_group_goes_on),
        WH_LC_TEST(a_blocked_type_keeps_the_order_of_a_capped_group),
        WH_LC_TEST(capped_groups_of_a_held_type_take_turns),
        WH_LC_TEST(a_cancelled_job_of_a_group_leaves_it),
        WH_LC_TEST(the_record_tells_its_group),
        WH_LC_TEST(parked_groups_cost_nothing),
        WH_LC_TEST(a_late_cap_hides_no_free_group),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
