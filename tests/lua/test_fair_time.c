/* SPDX-License-Identifier: Apache-2.0 */
/* Fairness of orgs in worker time, simulated (lua_fleet.h). */
#include "tests/support/lua_case.h"
#include "tests/support/lua_fleet.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Weights 3:2:1, saturated for a minute. */
static void three_two_one(const char *const *type, const long long *run_ms)
{
    struct wh_lf_fleet f = {.org = {"a", "b", "c"},
                            .type = {type[0], type[1], type[2]},
                            .run_ms = {run_ms[0], run_ms[1], run_ms[2]},
                            .depth = {100, 100, 100}};

    wh_lc_reset(NULL);
    wh_lf_start(&f);
    wh_lc_text("OK", "wh1_weight", "a 3");
    wh_lc_text("OK", "wh1_weight", "b 2");
    wh_lf_run_for(&f, WH_LF_MINUTE);
    wh_lf_expect_share(&f, 0, 3.0 / 6, 0.05 * 3 / 6);
    wh_lf_expect_share(&f, 1, 2.0 / 6, 0.05 * 2 / 6);
    wh_lf_expect_share(&f, 2, 1.0 / 6, 0.05 * 1 / 6);
    wh_lc_audit();
}

static void weights_share_worker_time(void **state)
{
    static const char *const types[] = {"t0", "t1", "t2"};
    static const long long rising[] = {20, 100, 400}, falling[] = {400, 100, 20};

    (void)state;
    three_two_one(types, rising);
    three_two_one(types, falling);
}

/* The average of a type says nothing of one org's jobs: only the correction does. */
static void one_type_for_all_shares_as_well(void **state)
{
    static const char *const types[] = {"t", "t", "t"};
    static const long long rising[] = {20, 100, 400}, falling[] = {400, 100, 20};

    (void)state;
    three_two_one(types, rising);
    three_two_one(types, falling);
}

static void a_thousand_groups_gain_nothing(void **state)
{
    struct wh_lf_fleet f = {.org = {"many", "one"},
                            .type = {"t", "t"},
                            .run_ms = {50, 50},
                            .depth = {1000, 100},
                            .groups = {1000, 0}};

    (void)state;
    wh_lf_start(&f);
    wh_lf_run_for(&f, 30000);
    wh_lf_expect_share(&f, 0, 0.5, 0.01 * 0.5);
    wh_lc_audit();
}

/* A round: what every org that has work gets once. */
static void a_new_org_starts_within_one_round(void **state)
{
    struct wh_lf_fleet f = {.org = {"a", "b", NULL},
                            .type = {"t", "t", "t"},
                            .run_ms = {100, 100, 100},
                            .depth = {100, 100, 1}};

    (void)state;
    wh_lf_start(&f);
    wh_lf_run_for(&f, 20000);
    f.org[2] = "new";
    long long since = f.now;
    wh_lf_run_for(&f, 2000);
    assert_in_range(f.started_at[2], since, since + 100);
    wh_lc_audit();
}

/* It had its share and ran out of work; what it did not use meanwhile is not saved up. */
static void coming_back_gains_nothing(void **state)
{
    struct wh_lf_fleet f = {.org = {"stays", "leaves"},
                            .type = {"t", "t"},
                            .run_ms = {50, 50},
                            .depth = {100, 100}};

    (void)state;
    wh_lf_start(&f);
    wh_lf_run_for(&f, 10000);
    f.org[1] = NULL;
    wh_lf_run_for(&f, 20000); /* what it still had is done */
    assert_int_equal(f.waiting[1], 0);
    f.org[1] = "leaves";
    wh_lf_forget_busy(&f);
    wh_lf_run_for(&f, 5000);
    wh_lf_expect_share(&f, 1, 0.5, 0.02 * 0.5);
    wh_lc_audit();
}

/* Again and again: runs dry within each round and asks at once for more. */
static void leaving_often_gains_nothing(void **state)
{
    struct wh_lf_fleet f = {.org = {"stays", "dry"},
                            .type = {"t", "t"},
                            .run_ms = {20, 200},
                            .depth = {100, 1}};

    (void)state;
    wh_lf_start(&f);
    wh_lf_run_for(&f, 30000);
    assert_true(wh_lf_share(&f, 1) < 0.5 * 1.02);
    assert_true(wh_lf_share(&f, 1) > 0.2);
    wh_lc_audit();
}

/* Jobs that take twenty times as long, one waiting at a time. */
static void one_at_a_time_gets_no_more_than_its_share(void **state)
{
    struct wh_lf_fleet f = {.org = {"x", "y", "slow"},
                            .type = {"t", "t", "t"},
                            .run_ms = {20, 20, 400},
                            .depth = {100, 100, 1}};

    (void)state;
    wh_lf_start(&f);
    wh_lf_run_for(&f, WH_LF_MINUTE);
    print_message("slow: %.2f %%\n", wh_lf_share(&f, 2) * 100);
    assert_true(wh_lf_share(&f, 2) < 1.02 / 3);
    wh_lc_audit();
}

static void claim_and_finish(unsigned first)
{
    for (unsigned i = 0; i < 100; i++) {
        struct wh_ll_claims c;
        struct wh_ll_jobs jobs = {
            .first = first + 10 * i, .count = 10, .type = "t", .org = "busy"};

        wh_ll_fill(&jobs);
        wh_ll_take("w", 10, &c);
        assert_int_equal(c.n, 10);
        wh_ll_done("w", &c);
    }
}

/* They had work once. Another org's claims must cost the same commands. */
static void idle_orgs_cost_nothing(void **state)
{
    struct wh_lf_fleet f = {0};

    (void)state;
    wh_lf_start(&f);
    claim_and_finish(1);
    wh_ll_reset_calls();
    claim_and_finish(10001);
    long long alone = wh_ll_calls(NULL);
    for (unsigned o = 0; o < 10000; o++) {
        char org[16];
        struct wh_ll_jobs jobs = {
            .first = 100000 + o, .count = 1, .type = "t", .org = org};

        snprintf(org, sizeof org, "idle%u", o);
        wh_ll_fill(&jobs);
        if (o % 1000 == 999) {
            struct wh_ll_claims c;

            do {
                wh_ll_take("w", 1000, &c);
                wh_ll_done("w", &c);
            } while (c.n > 0);
        }
    }
    wh_lc_stat("pending", 0);
    wh_ll_reset_calls();
    claim_and_finish(20001);
    long long among_idle = wh_ll_calls(NULL);
    print_message("1,000 jobs: %lld commands alone, %lld among 10,000 idle orgs\n",
                  alone, among_idle);
    assert_in_range(among_idle, 0, alone + alone / 100);
    wh_lc_audit();
}

/* Orgs that a claim of 100 visits when 200 have work of this type. */
static long long visits(unsigned want, const char *expected_ms)
{
    struct wh_ll_claims c;

    wh_lc_reset(NULL);
    wh_lc_worker("w");
    for (unsigned o = 0; o < 200; o++) {
        char org[16];
        struct wh_ll_jobs jobs = {
            .first = 1 + 100 * o, .count = 100, .type = "t", .org = org};

        snprintf(org, sizeof org, "o%03u", o);
        wh_ll_fill(&jobs);
    }
    freeReplyObject(
        wh_lc_cmd("HSET " WH_LC_P ":types * %s t %s", expected_ms, expected_ms));
    wh_ll_reset_calls();
    wh_ll_take("w", want, &c);
    assert_int_equal(c.n, want);
    return wh_ll_calls("lpop");
}

/* A large claim takes several short jobs of an org at once, and one of each that are long. */
static void short_jobs_are_taken_in_grains(void **state)
{
    (void)state;
    assert_int_equal(visits(32, "1"), 16);
    assert_int_equal(visits(100, "1"), 4);
    assert_int_equal(visits(100, "40"), 50);
    assert_int_equal(visits(100, "1000"), 100);
    assert_int_equal(visits(200, "1"), 2);
    wh_lc_audit();
}

/* A change of the weight is effective for the next claims. */
static void a_new_weight_counts_at_once(void **state)
{
    struct wh_lf_fleet f = {
        .org = {"a", "b"}, .type = {"t", "t"}, .run_ms = {50, 50}, .depth = {100, 100}};

    (void)state;
    wh_lf_start(&f);
    wh_lf_run_for(&f, 5000);
    wh_lc_text("OK", "wh1_weight", "a 4");
    wh_lf_forget_busy(&f);
    wh_lf_run_for(&f, 10000);
    wh_lf_expect_share(&f, 0, 0.8, 0.02);
    wh_lc_audit();
}

/* A weight that was a mistake leaves no lead behind that the org has to wait for. */
static void a_corrected_weight_starves_nobody(void **state)
{
    struct wh_lf_fleet f = {
        .org = {"a", "b"}, .type = {"t", "t"}, .run_ms = {50, 50}, .depth = {100, 100}};

    (void)state;
    wh_lc_text("OK", "wh1_weight", "a 0.001");
    wh_lf_start(&f);
    wh_lf_run_for(&f, 2000);
    wh_lc_text("OK", "wh1_weight", "a 1");
    wh_lf_forget_busy(&f);
    wh_lf_run_for(&f, 10000);
    wh_lf_expect_share(&f, 0, 0.5, 0.03);
    wh_lc_audit();
}

/* A cap that is reached now and then costs an org nothing that it is owed. */
static void a_cap_near_the_share_costs_nothing(void **state)
{
    struct wh_lf_fleet f = {.org = {"a", "b", "c"},
                            .type = {"t0", "t1", "t2"},
                            .run_ms = {10, 50, 200},
                            .depth = {100, 100, 100}};

    (void)state;
    wh_lf_start(&f);
    wh_lc_text("OK", "wh1_weight", "a 3");
    wh_lc_text("OK", "wh1_weight", "b 2");
    wh_ll_set("active:org/*", "2");
    wh_lf_run_for(&f, WH_LF_MINUTE);
    wh_lf_expect_share(&f, 0, 3.0 / 6, 0.02);
    wh_lf_expect_share(&f, 1, 2.0 / 6, 0.02);
    wh_lc_audit();
}

/* Who was far over what a cap leaves it does not save up: when the cap goes, others wait little. */
static void a_cap_saves_nothing_up(void **state)
{
    struct wh_lf_fleet f = {
        .org = {"a", "b"}, .type = {"t", "t"}, .run_ms = {50, 50}, .depth = {100, 100}};

    (void)state;
    wh_lf_start(&f);
    wh_lc_text("OK", "wh1_weight", "a 3");
    wh_ll_set("active:org/a", "1");
    wh_lf_run_for(&f, WH_LF_MINUTE);
    wh_lf_expect_share(&f, 0, 0.25, 0.01);
    wh_ll_set("active:org/a", "");
    wh_lf_forget_busy(&f);
    wh_lf_run_for(&f, 20000);
    wh_lf_expect_share(&f, 0, 0.75, 0.03);
    wh_lc_audit();
}

/* What is known of orgs that left goes, when others have gone on. */
static void who_left_long_ago_is_forgotten(void **state)
{
    struct wh_ll_claims c;
    long long most = 0;

    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 20000, "t", "stays");
    for (unsigned i = 0; i < 400; i++) {
        for (unsigned o = 0; o < 5; o++) {
            char org[16];

            snprintf(org, sizeof org, "o%u", 5 * i + o);
            wh_ll_fill_org(100000 + 5 * i + o, 1, "t", org);
        }
        wh_ll_take("w", 10, &c);
        wh_lc_advance(500);
        wh_ll_done("w", &c);
        long long n = wh_lc_count("ZCARD " WH_LC_P ":left");
        most = n > most ? n : most;
    }
    print_message("2,000 orgs came and went, at most %lld were remembered\n", most);
    assert_in_range(most, 1, 400);
    wh_lc_audit();
}

/* Ends the n-th claim so: outcome, category, result. */
static void end_as(struct wh_lc_args *a, const struct wh_ll_claims *c, unsigned n,
                   const char *const *how)
{
    wh_lc_add_text(a, "%s", "w");
    wh_lc_add_text(a, "%s", "0");
    wh_lc_add_text(a, "%s", "0");
    wh_lc_add(a, wh_lc_token(c->id[n], c->fence[n]), 17);
    wh_lc_add_text(a, "%s", how[0]);
    wh_lc_add_text(a, "%s", strcmp(how[0], "snooze") == 0 ? "5000" : "0");
    wh_lc_add_text(a, "%s", how[1]);
    wh_lc_add_text(a, "%s", "");
    wh_lc_add_text(a, "%s", "");
    wh_lc_add_text(a, "%s", how[2]);
    freeReplyObject(wh_lc_call_args("wh1_cycle", a));
}

/* Jobs that no handler takes hold a slot for a moment only: so many more of them are an org's share, but others have
 * theirs. */
static void what_no_handler_has_is_not_for_nothing(void **state)
{
    static const char *const ends[][3] = {{"dead", "no_handler", ""},
                                          {"snooze", "not_started", ""},
                                          {"expired", "", ""},
                                          {"dead", "invalid", "not_started"}};

    (void)state;
    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct wh_lc_args a = {0};
        struct wh_ll_claims c;
        unsigned bad = 0, good = 0;

        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_fill_org(1, 700, "t", "good");
        wh_ll_fill_org(100001, 1300, "t", "bad");
        for (unsigned round = 0; round < 300; round++) {
            wh_ll_take("w", 4, &c);
            assert_int_equal(c.n, 4);
            wh_lc_advance(1);
            for (unsigned n = 0; n < c.n; n++) {
                if (c.id[n] > 100000) {
                    bad++;
                    end_as(&a, &c, n, ends[i]);
                }
            }
            wh_lc_advance(9);
            for (unsigned n = 0; n < c.n; n++) {
                good += c.id[n] <= 100000;
                if (c.id[n] <= 100000) {
                    wh_ll_end("w", c.id[n], c.fence[n], "ok", 0, NULL);
                }
            }
        }
        print_message("%s %s: %u good ones beside %u\n", ends[i][0], ends[i][1], good,
                      bad);
        assert_in_range(good, 100, 400);
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(weights_share_worker_time),
        WH_LC_TEST(one_type_for_all_shares_as_well),
        WH_LC_TEST(a_thousand_groups_gain_nothing),
        WH_LC_TEST(a_new_org_starts_within_one_round),
        WH_LC_TEST(coming_back_gains_nothing),
        WH_LC_TEST(leaving_often_gains_nothing),
        WH_LC_TEST(one_at_a_time_gets_no_more_than_its_share),
        WH_LC_TEST(idle_orgs_cost_nothing),
        WH_LC_TEST(short_jobs_are_taken_in_grains),
        WH_LC_TEST(a_new_weight_counts_at_once),
        WH_LC_TEST(a_corrected_weight_starves_nobody),
        WH_LC_TEST(a_cap_near_the_share_costs_nothing),
        WH_LC_TEST(a_cap_saves_nothing_up),
        WH_LC_TEST(who_left_long_ago_is_forgotten),
        WH_LC_TEST(what_no_handler_has_is_not_for_nothing),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
