/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns for a held type among orgs that have other work too: one that has nothing of the
 * type any more, or can't come to it, is in nobody's way.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_fleet.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { B_X, A_X, A_Y, C_O }; /* whose jobs of what */

static struct wh_lf_fleet fleet(void)
{
    return (struct wh_lf_fleet){.org = {[B_X] = "b"},
                                .type = {"x", "x", "y", "other"},
                                .run_ms = {50, 50, 50, 50},
                                .depth = {20, 20, 20, 20}};
}

static void expect_part(const struct wh_lf_fleet *f, unsigned source, double least)
{
    double part = wh_lf_share(f, source);

    print_message("b: x %.3f, a: x %.3f y %.3f\n", wh_lf_share(f, B_X),
                  wh_lf_share(f, A_X), wh_lf_share(f, A_Y));
    if (part < least) {
        fail_msg("source %u has %.3f of the time", source, part);
    }
    wh_lc_audit();
}

/* a waits for x as b does, and then has other work without end: before its jobs of x, or as many, also when those are
 * done. The type admits one at a time, a quarter of the slots. */
static void other_work_holds_nobody_up(void **state)
{
    static const struct {
        unsigned jobs; /* of x, of a */
        int priority;  /* of its other ones */
        double least;
    } cases[] = {{5, 0, 0.2}, {5, 9, 0.2}, {500, 0, 0.1}, {500, 9, 0.2}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wh_lf_fleet f = fleet();

        wh_lc_reset(NULL);
        wh_ll_set("active:type/x", "1");
        wh_lf_start(&f);
        wh_lf_run_for(&f, 75);
        wh_ll_fill_org(A_X << WH_LF_BITS, cases[i].jobs, "x", "a");
        wh_lf_run_for(&f, 1);
        wh_ll_fill(&(struct wh_ll_jobs){.first = A_Y << WH_LF_BITS,
                                        .count = 1000,
                                        .type = "y",
                                        .org = "a",
                                        .priority = cases[i].priority});
        wh_lf_run_for(&f, 2000);
        wh_lf_forget_busy(&f);
        wh_lf_run_for(&f, 6000);
        expect_part(&f, B_X, cases[i].least);
    }
}

/* While its other work came first, others had its turns: what it has saved up of them has a bound. */
static void what_is_saved_up_beside_other_work_has_a_bound(void **state)
{
    struct wh_lf_fleet f = fleet();

    (void)state;
    wh_ll_set("active:type/x", "1");
    wh_lf_start(&f);
    wh_lf_run_for(&f, 75);
    wh_ll_fill_org(A_X << WH_LF_BITS, 1000, "x", "a");
    wh_lf_run_for(&f, 1);
    for (unsigned i = 0; i < 2; i++) {
        wh_ll_fill(&(struct wh_ll_jobs){.first = (A_Y << WH_LF_BITS) + 1000 * i,
                                        .count = 1000,
                                        .type = "y",
                                        .org = "a",
                                        .priority = 9});
    }
    wh_lf_run_for(&f, 34000); /* until all these are done */
    wh_lf_run_for(&f, 12000);
    wh_lf_forget_busy(&f);
    wh_lf_run_for(&f, 2000);
    expect_part(&f, B_X, 0.45);
}

/* a's other jobs take long, so that it is far ahead in the ring: its turn is no pause for all. */
static void one_ahead_in_the_ring_holds_nobody_up(void **state)
{
    static const struct {
        const char *setting, *value;
        double least; /* of a and of b, of four slots */
    } cases[] = {{"active:type/x", "2", 0.17}, {"rate:type/x", "20/1000/1", 0.08}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wh_lf_fleet f = fleet();

        wh_lc_reset(NULL);
        wh_ll_set(cases[i].setting, cases[i].value);
        f.run_ms[A_Y] = 5000;
        f.org[A_X] = f.org[A_Y] = "a";
        f.org[C_O] = "c";
        wh_lf_start(&f);
        wh_lf_run_for(&f, 20000);
        wh_lf_forget_busy(&f);
        wh_lf_run_for(&f, 20000);
        expect_part(&f, A_X, cases[i].least);
        expect_part(&f, B_X, cases[i].least);
    }
}

/* c waits for x with the first turn of all, and its only slot runs for an hour: x is kept for the next one at its cap. */
static void one_at_its_cap_for_an_hour_is_in_nobodys_way(void **state)
{
    struct wh_lf_fleet f = fleet();

    (void)state;
    wh_ll_set("active:type/x", "1");
    wh_ll_set("active:org/a", "1");
    wh_ll_set("active:org/c", "1");
    f.run_ms[A_X] = 43;
    f.run_ms[A_Y] = 47;
    f.run_ms[C_O] = 3600000;
    wh_lf_start(&f);
    wh_lf_run_for(&f, 75);
    wh_ll_fill_org((C_O << WH_LF_BITS) + 1, 1, "x", "c");
    wh_lf_run_for(&f, 1);
    wh_ll_fill_org(C_O << WH_LF_BITS, 1, "y", "c");
    wh_lf_run_for(&f, 75);
    f.org[A_X] = f.org[A_Y] = "a";
    wh_lf_run_for(&f, 5000);
    wh_lf_forget_busy(&f);
    wh_lf_run_for(&f, 20000);
    expect_part(&f, A_X, 0.16); /* of nearly three slots: c's, a's, and that of x */
}

/* A job of the type and one of an org at its cap, whose turn it is, end in one call: it comes back where it left the ring,
 * a little below the others, not as one that is called. */
static void what_it_is_owed_in_the_ring_is_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct wh_ll_claims c = {
            .n = 2, .id = {i % 2 ? 2 : 10, i % 2 ? 10 : 2}, .fence = {1, 1}};

        wh_lc_reset(NULL);
        wh_lc_worker("w");
        wh_ll_set("active:type/x", "1");
        wh_ll_set("active:org/a", "1");
        wh_ll_put(10, "x", "ORG b");
        wh_lc_claim("w", 1, "10");
        wh_ll_put(1, "x", "ORG a");
        wh_lc_claim("w", 1, "");
        wh_ll_put(2, "y", "ORG a");
        wh_lc_claim("w", 1, "2");
        wh_lc_claim("w", 1, "");
        wh_ll_put(20, "y", "ORG c");
        wh_lc_count("ZADD " WH_LC_P ":ring 5500000000 c");
        wh_lc_count("ZADD " WH_LC_P ":left 5000000000 a");
        wh_ll_done("w", &c);
        redisReply *r = wh_lc_cmd("ZSCORE " WH_LC_P ":ring a");
        assert_in_range(atoll(r->str), 4900000000,
                        5000000000); /* and its job was short */
        freeReplyObject(r);
    }
}

/* Where it comes back moves by what its jobs took meanwhile. */
static void what_it_is_owed_is_corrected(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("active:type/x", "3");
    wh_ll_put(1, "x", "ORG a");
    wh_lc_claim("w", 1, "1");
    wh_lc_count("ZADD " WH_LC_P ":waiting:x 5000000 b");
    wh_lc_count("ZADD " WH_LC_P ":turns:x 4500000 a/");
    freeReplyObject(wh_lc_cmd("ZADD " WH_LC_P ":turns:x 5000000 %b", "", (size_t)0));
    wh_lc_advance(300);
    wh_lc_done("w", 1, 1, true);
    redisReply *r = wh_lc_cmd("ZMSCORE " WH_LC_P ":turns:x a/ a");
    assert_in_range(atoll(r->element[0]->str), 4500000 + 250000, 4500000 + 300000);
    assert_int_equal(r->element[1]->type, REDIS_REPLY_NIL);
    freeReplyObject(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(other_work_holds_nobody_up),
        WH_LC_TEST(what_is_saved_up_beside_other_work_has_a_bound),
        WH_LC_TEST(one_ahead_in_the_ring_holds_nobody_up),
        WH_LC_TEST(one_at_its_cap_for_an_hour_is_in_nobodys_way),
        WH_LC_TEST(what_it_is_owed_in_the_ring_is_kept),
        WH_LC_TEST(what_it_is_owed_is_corrected),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
