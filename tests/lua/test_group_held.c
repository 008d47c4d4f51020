/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups whose type a limit, a pause or a breaker holds: order, turns, what they cost, what is
 * left of them.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_fleet.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill(unsigned first, unsigned count, const char *group, int priority)
{
    struct wh_ll_jobs jobs = {.first = first,
                              .count = count,
                              .type = "t",
                              .org = "a",
                              .group = group,
                              .priority = priority};

    wh_ll_fill(&jobs);
}

static unsigned count_from(const struct wh_ll_claims *c, unsigned first, unsigned count)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n; i++) {
        n += c->id[i] >= first && c->id[i] < first + count;
    }
    return n;
}

/* While the type is paused a group with a long backlog came first: it has no lead by that. */
static void arrival_decides_nothing_between_groups(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    for (unsigned is_met = 0; is_met < 2; is_met++) {
        wh_lc_reset(NULL);
        wh_ll_start();
        fill(1, 1, "g1", 0);
        wh_ll_set("pause:type/t", "1");
        assert_int_equal(wh_ll_take_count("w", 10), 0);
        fill(1001, 500, "g1", 0); /* these go aside at once */
        fill(2001, 50, "g2", 0);
        fill(3001, 50, NULL, 0);
        fill(4001, 5, "g2", 7);
        wh_ll_set("active:type/t", is_met ? "12" : "");
        wh_ll_set("pause:type/t", "");
        wh_ll_take("w", 12, &c);
        assert_int_equal(c.n, 12);
        for (unsigned i = 0; i < 5; i++) { /* priorities come first */
            assert_in_range(c.id[i], 4001, 4005);
        }
        unsigned g1 = count_from(&c, 1, 2000), g2 = count_from(&c, 2001, 50);
        wh_lc_audit();
        wh_lc_advance(1); /* as long as was expected */
        wh_ll_done("w", &c);
        wh_ll_take("w", 11, &c); /* 18 in all, 6 of each */
        assert_in_range(g1 + count_from(&c, 1, 2000), 5, 7);
        assert_in_range(g2 + count_from(&c, 2001, 50), 5, 7);
        for (unsigned i = 0; i < 100 && c.n > 0; i++) {
            wh_ll_done("w", &c);
            wh_ll_take("w", 500, &c);
        }
        wh_lc_stat("completed", 606);
        wh_lc_audit();
    }
}

/* Order inside a group is that of arrival, wherever its jobs met the limit. */
static void a_group_keeps_its_order_aside(void **state)
{
    unsigned last[2] = {0};

    (void)state;
    wh_ll_start();
    wh_ll_set("active:type/t", "1");
    fill(1, 40, "g1", 0);
    fill(1001, 40, "g2", 0);
    for (unsigned i = 0; i < 160; i++) {
        struct wh_ll_claims c;

        wh_ll_take("w", 3, &c);
        assert_int_equal(c.n, 1);
        unsigned *before = &last[c.id[0] > 1000];
        assert_true(c.id[0] > *before);
        *before = c.id[0];
        wh_ll_done("w", &c);
        if (i == 20) {
            fill(101, 40, "g1", 0);
            fill(1101, 40, "g2", 0);
        }
    }
    wh_lc_stat("completed", 160);
    wh_lc_audit();
}

/* A group gets a cap when jobs of it are set aside already, for several types: from then on it keeps its order, the
 * oldest first. */
static void a_new_cap_puts_them_in_order(void **state)
{
    static const unsigned counts[] = {30, 1300};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct wh_ll_claims c;

        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set("pause:type/t", "1");
        wh_ll_set("pause:type/s", "1");
        for (unsigned n = 1; n <= counts[i]; n++) {
            wh_ll_put(n, n % 3 == 0 ? "s" : "t", "ORG a GROUP g1");
            wh_lc_advance(1);
            if (n % 10 == 0) {
                assert_int_equal(wh_ll_take_count("w", 10), 0);
            }
        }
        wh_ll_set("active:group", "1");
        wh_ll_set("active:type/*", "1");
        wh_ll_set("pause:type/t", "");
        wh_ll_set("pause:type/s", "");
        for (unsigned n = 1; n <= counts[i];) {
            wh_ll_take("w", 3, &c);
            if (c.n > 0) { /* else it is brought back by the next call */
                assert_int_equal(c.n, 1);
                assert_int_equal(c.id[0], n++);
            }
            wh_ll_done("w", &c);
            wh_lc_advance(1);
        }
        wh_lc_stat("completed", counts[i]);
        wh_lc_audit();
    }
}

/* The cap of all groups ends, and those of the last of many orgs still wait as a whole when it is visited: what one
 * gives and may not run after all goes aside, where it is found. */
static void a_cap_that_ends_loses_nobody(void **state)
{
    struct wh_ll_jobs many = {.first = 101, .count = 1, .type = "p", .group = "g"};

    (void)state;
    for (unsigned later = 1; later < 7; later++) { /* either type comes first */
        wh_lc_reset(NULL);
        wh_ll_start();
        wh_lc_ok("wh1_limit", "active:group 5 active:org/a/group/h 5 active:type/x 1 "
                              "active:type/y 1 pause:type/p 1");
        for (; many.first <= 200; many.first++) {
            char org[8];

            snprintf(org, sizeof org, "b%u", many.first);
            many.org = org;
            wh_ll_fill(&many);
        }
        many.first = 101;
        for (unsigned i = 0; i < 6; i++) {
            wh_lc_advance(100);
            assert_int_equal(wh_ll_take_count("w", 10), 0);
        }
        wh_ll_put(1, "x", "ORG a");
        wh_ll_put(2, "y", "ORG a");
        assert_int_equal(wh_ll_take_count("w", 10), 2);
        wh_ll_put(3, "y", "ORG a GROUP h");
        wh_ll_put(4, "x", "ORG a GROUP h");
        wh_ll_put(5, "x", "ORG a GROUP g");
        wh_lc_advance(100);
        assert_int_equal(wh_ll_take_count("w", 10), 0);
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
        assert_int_equal(wh_ll_take_count("w", 10), 0);
        wh_ll_set("active:group", "");
        wh_lc_advance(later);
        wh_lc_nth(0, "wh1_cycle", "w 400 2 %b %b", WH_LC_TOK(1, 1), WH_LC_TOK(2, 1));
        wh_lc_audit();
    }
}

/* What stands behind the jobs for which a capped group waited is seen in the same call. */
static void others_behind_the_held_ones_run(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_start();
    wh_ll_set("active:group", "9");
    wh_ll_set("pause:type/t", "1");
    fill(1, 2, "g1", 0);
    wh_ll_put(3, "s", "ORG a GROUP g1");
    assert_int_equal(wh_ll_take_count("w", 5), 0);
    /* it would be the turn of another one, where nothing is left, but that is not known yet */
    freeReplyObject(wh_lc_cmd("ZINCRBY " WH_LC_P ":groups:a:5 1000000000 g1"));
    freeReplyObject(wh_lc_cmd("ZADD " WH_LC_P ":groups:a:5 0 g2"));
    wh_ll_set("active:type/*", "2");
    wh_ll_set("pause:type/t", "");
    wh_ll_take("w", 5, &c);
    assert_int_equal(c.n, 3);
    wh_lc_audit();
}

/* Groups without a job that stand among those that wait for a type hide no other one, also where little is claimed at
 * once and the org has enough else. */
static void empty_groups_hide_nobody(void **state)
{
    unsigned at = 0;

    (void)state;
    wh_ll_start();
    wh_ll_set("active:group", "1");
    wh_ll_set("pause:type/t", "1");
    fill(1, 1, "g2", 0);
    for (unsigned n = 11; n < 31; n++) {
        wh_ll_put(n, "s", "ORG a");
    }
    assert_int_equal(wh_ll_take_count("w", 5), 5);
    for (unsigned i = 0; i < 40; i++) {
        freeReplyObject(
            wh_lc_cmd("ZADD " WH_LC_P ":held:a:t 400000000000000 5/gone%u", i));
    }
    freeReplyObject(wh_lc_cmd("ZINCRBY " WH_LC_P ":held:a:t 5000 5/g2"));
    wh_ll_set("active:type/t", "1");
    wh_ll_set("pause:type/t", "");
    for (unsigned i = 1; i <= 10 && at == 0; i++) {
        struct wh_ll_claims c;

        wh_ll_take("w", 1, &c);
        assert_int_equal(c.n, 1);
        at = c.id[0] == 1 ? i : 0;
        wh_lc_advance(1);
    }
    print_message("job %u of 10\n", at);
    assert_in_range(at, 1, 4);
    wh_lc_audit();
}

/* Commands of a job when 3,000 wait for a type, ten a call, spread over so many groups. */
static double commands_beside(unsigned groups)
{
    struct wh_ll_claims c;
    long long calls = 0, n = 0;

    wh_lc_reset(NULL);
    wh_ll_start();
    wh_ll_set("active:type/t", "10");
    for (unsigned g = 0; g < 1000; g++) {
        char group[16];

        snprintf(group, sizeof group, "g%u", g % (groups + 1));
        fill(1 + 10 * g, 3, groups > 0 ? group : NULL, 0);
    }
    for (unsigned i = 0; i < 400; i++) {
        wh_ll_reset_calls();
        wh_ll_take("w", 10, &c);
        wh_ll_done("w", &c);
        if (i >= 100) { /* by now all are aside */
            calls += wh_ll_calls(NULL);
            n += c.n;
        }
    }
    wh_lc_stat("completed", 3000);
    wh_lc_audit();
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":held:a:t " WH_LC_P ":levels"), 0);
    return (double)calls / (double)n;
}

/* A thousand groups wait for a type: what each job costs is bounded. */
static void many_groups_of_a_held_type_cost_little(void **state)
{
    (void)state;
    double alone = commands_beside(0), few = commands_beside(2),
           many = commands_beside(1000);

    print_message(
        "commands of a job: %.1f without groups, %.1f with 3, %.1f with 1,000\n", alone,
        few, many);
    assert_true(few < alone + 2);
    assert_true(many < alone + 5);
}

/* A capped group whose first job is of another type than what it waits for here, with jobs of this type behind that one:
 * what is promised to it is no use, and others get it. */
static void a_promise_in_vain_stops_nobody(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_start();
    wh_ll_set("active:group", "9");
    wh_ll_set("pause:type/t", "1");
    fill(1, 3, "g1", 0); /* held for t */
    assert_int_equal(wh_ll_take_count("w", 5), 0);
    wh_ll_put(101, "s", "ORG a GROUP g2");
    wh_ll_set("pause:type/s", "1");
    assert_int_equal(wh_ll_take_count("w", 5), 0); /* g2: for s */
    fill(102, 3, "g2", 0);
    wh_ll_set("active:group", "");
    wh_ll_set("active:group", "9");
    fill(201, 1, NULL, 0);
    freeReplyObject(wh_lc_cmd("ZADD " WH_LC_P ":held:a:t 400000000000000 5/g2"));
    freeReplyObject(wh_lc_cmd("ZINCRBY " WH_LC_P ":held:a:t 5000 5/g1"));
    wh_ll_set("active:type/t", "1");
    wh_ll_set("pause:type/t", "");
    for (unsigned i = 0; i < 4; i++) { /* g1 and the job without a group */
        wh_ll_take("w", 5, &c);
        assert_int_equal(c.n, 1);
        wh_ll_done("w", &c);
    }
    assert_int_equal(wh_ll_take_count("w", 5), 0);
    wh_lc_audit();
    wh_ll_set("pause:type/s", "");
    for (unsigned i = 0; i < 4; i++) {
        wh_ll_take("w", 1, &c);
        assert_int_equal(c.n, 1);
        wh_ll_done("w", &c);
    }
    wh_lc_audit();
}

/* A group for each job, many jobs: what is remembered of groups is bounded. */
static void groups_that_come_once_are_forgotten(void **state)
{
    static const char *const limits[][2] = {{"active:group", "1"},
                                            {"rate:type/t", "1000000/1000/20"}};
    long long most = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct wh_ll_claims c;

        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set(limits[i][0], limits[i][1]);
        for (unsigned n = 0; n < 3000; n++) {
            char options[40];

            snprintf(options, sizeof options, "ORG a GROUP g%u", n);
            wh_ll_put(n + 1, "t", options);
            if (n >= 100) { /* as many wait all the time */
                wh_ll_take("w", 1, &c);
                wh_ll_done("w", &c);
                wh_lc_advance(1);
            }
        }
        long long there = wh_lc_count("ZCARD " WH_LC_P ":groups:a:5") +
                          wh_lc_count("ZCARD " WH_LC_P ":groups:a:5:left") +
                          wh_lc_count("ZCARD " WH_LC_P ":held:a:t") +
                          wh_lc_count("ZCARD " WH_LC_P ":held:a:t:left");
        most = there > most ? there : most;
        wh_lc_audit();
    }
    print_message("3,000 groups, at most %lld are remembered\n", most);
    assert_in_range(most, 1, 2400);
}

/* A setting of all types or of the queue does not touch groups that wait for a type. */
static void settings_of_others_wake_no_held_group(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("active:group", "9");
    wh_ll_set("pause:type/t", "1");
    for (unsigned g = 0; g < 500; g++) {
        char group[16];

        snprintf(group, sizeof group, "g%u", g);
        fill(1 + 10 * g, 1, group, 0);
    }
    while (wh_lc_count("EXISTS " WH_LC_P ":ring") == 1) {
        wh_ll_take_count("w", 100);
    }
    wh_ll_reset_calls();
    wh_ll_set("rate:type/*", "1000/1000/9");
    for (unsigned i = 0; i < 5; i++) {
        wh_ll_take_count("w", 100);
    }
    print_message("%lld commands for 500 held groups\n", wh_ll_calls(NULL));
    assert_in_range(wh_ll_calls(NULL), 1, 700);
    wh_ll_set("active:group", ""); /* now they may be passed by their other jobs */
    for (unsigned i = 0; i < 20; i++) {
        wh_lc_advance(2);
        wh_ll_take_count("w", 100);
    }
    assert_int_equal(wh_lc_count("ZCOUNT " WH_LC_P ":groups:a:5 4503599627370496 inf"),
                     0);
    wh_lc_audit();
}

/* Types beyond those that are held by name: groups that wait there in vain hide no other one. */
static void groups_of_further_types_get_their_turn(void **state)
{
    char setting[40], options[40];
    unsigned got = 0;

    (void)state;
    wh_ll_start();
    wh_ll_set("active:group", "9");
    for (unsigned t = 0; t < 66; t++) {
        snprintf(setting, sizeof setting, "pause:type/t%u", t);
        wh_ll_set(setting, "1");
    }
    for (unsigned n = 0; n < 64 + 20; n++) {
        snprintf(setting, sizeof setting, "t%u", n < 64 ? n : 64);
        snprintf(options, sizeof options, "ORG a%s%u",
                 n < 64 ? " PRIORITY 5 GROUP a" : " GROUP b", n);
        wh_ll_put(1 + n, setting, options);
        assert_int_equal(wh_ll_take_count("w", 5), 0);
    }
    wh_ll_put(999, "t65", "ORG a GROUP z");
    assert_int_equal(wh_ll_take_count("w", 5), 0);
    wh_ll_set("pause:type/t65", "");
    for (unsigned i = 0; i < 100 && got == 0; i++) {
        wh_lc_advance(260);
        got += wh_ll_take_count("w", 5);
    }
    assert_int_equal(got, 1);
    wh_lc_audit();
}

/* Groups that come once, an org that comes once: nothing is left of them. */
static void nothing_is_left_behind(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_start();
    for (unsigned is_held = 0; is_held < 2; is_held++) {
        wh_ll_set("active:type/t", is_held ? "3" : "");
        fill(1, 2, "g1", 0);
        fill(101, 2, "g2", 3);
        fill(201, 2, NULL, 0);
        do {
            wh_ll_take("w", 6, &c);
            wh_ll_done("w", &c);
        } while (c.n > 0);
        redisReply *r = wh_lc_cmd("KEYS " WH_LC_P ":*:a:*"); /* of the org a */
        for (size_t i = 0; i < r->elements; i++) {
            print_error("%s is left\n", r->element[i]->str);
        }
        assert_int_equal(r->elements, 0);
        freeReplyObject(r);
        wh_lc_audit();
    }
}

/* Two orgs share a capped type by turns, also where one of them has many groups that have other jobs as well: that
 * another group comes first now costs no turn. */
static void many_groups_keep_the_turn_of_their_org(void **state)
{
    static const unsigned groups[] = {0, 5, 40, 200};

    (void)state;
    for (unsigned i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        struct wh_lf_fleet f = {.org = {"both", "both", "held", "free"},
                                .type = {"x", "y", "x", "y"},
                                .run_ms = {50, 50, 50, 50},
                                .depth = {400, 400, 20, 20},
                                .groups = {groups[i], groups[i], 0, 0}};

        wh_lc_reset(NULL);
        wh_lf_start(&f);
        wh_ll_set("active:type/x", "1");
        wh_lf_run_for(&f, 20000);
        print_message("%u groups: x %.3f and %.3f of the slots\n", groups[i],
                      wh_lf_share(&f, 0), wh_lf_share(&f, 2));
        wh_lf_expect_share(&f, 0, 0.11, 0.03);
        wh_lf_expect_share(&f, 2, 0.11, 0.03);
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(arrival_decides_nothing_between_groups),
        WH_LC_TEST(a_group_keeps_its_order_aside),
        WH_LC_TEST(a_new_cap_puts_them_in_order),
        WH_LC_TEST(a_cap_that_ends_loses_nobody),
        WH_LC_TEST(others_behind_the_held_ones_run),
        WH_LC_TEST(empty_groups_hide_nobody),
        WH_LC_TEST(many_groups_of_a_held_type_cost_little),
        WH_LC_TEST(a_promise_in_vain_stops_nobody),
        WH_LC_TEST(groups_that_come_once_are_forgotten),
        WH_LC_TEST(settings_of_others_wake_no_held_group),
        WH_LC_TEST(groups_of_further_types_get_their_turn),
        WH_LC_TEST(nothing_is_left_behind),
        WH_LC_TEST(many_groups_keep_the_turn_of_their_org),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
