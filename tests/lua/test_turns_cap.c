/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns for a held type among orgs that are at their own caps: one that runs other work too
 * has its part all the same, and little of the type and of its own slots is lost for it.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 8, STEP_MS = 5, KIND = 100000 };

/* Whose jobs of what: numbers of jobs begin at KIND times these. */
enum { A_X, A_Y, B_X, C_Y, KINDS };

/* A fleet of SLOTS slots; each claim is for one. */
struct fleet {
    unsigned run_ms[KINDS]; /* 0: none of it; about so long, a fifth more or less */
    unsigned next[KINDS], waiting[KINDS], claims[KINDS];
    long long spent[KINDS], until[SLOTS], last_a, gap_a;
    unsigned seed;
    struct wh_ll_claims slot[SLOTS];
};

static unsigned run_time(struct fleet *f, unsigned kind)
{
    f->seed = f->seed * 1103515245U + 12345U;
    return f->run_ms[kind] * 8 / 10 + f->run_ms[kind] * (f->seed >> 16 & 1023) / 2560;
}

static void refill(struct fleet *f)
{
    static const char *const orgs[] = {"a", "a", "b", "c"};
    static const char *const types[] = {"x", "y", "x", "y"};

    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (f->run_ms[kind] > 0 && f->waiting[kind] < 10) {
            wh_ll_fill(&(struct wh_ll_jobs){.first = KIND * kind + f->next[kind] + 1,
                                            .count = 20,
                                            .type = types[kind],
                                            .org = orgs[kind]});
            f->next[kind] += 20;
            f->waiting[kind] += 20;
        }
    }
}

static void begin(struct fleet *f, unsigned s, long long now)
{
    wh_ll_take("w", 1, &f->slot[s]);
    if (f->slot[s].n == 0) {
        return;
    }
    unsigned kind = f->slot[s].id[0] / KIND, ms = run_time(f, kind);
    f->until[s] = now + ms;
    f->waiting[kind]--;
    f->claims[kind]++;
    f->spent[kind] += ms;
    if (kind == A_X) {
        f->last_a = now;
    }
}

static void run(struct fleet *f, long long ms)
{
    long long start = wh_lc_advance(0);

    memset(f->claims, 0, sizeof f->claims);
    memset(f->spent, 0, sizeof f->spent);
    f->last_a = start;
    f->gap_a = 0;
    for (long long now = start; now < start + ms; now = wh_lc_advance(STEP_MS)) {
        refill(f);
        for (unsigned s = 0; s < SLOTS; s++) {
            if (f->slot[s].n > 0 && f->until[s] <= now) {
                wh_ll_done("w", &f->slot[s]);
                f->slot[s].n = 0;
            }
        }
        for (unsigned s = 0; s < SLOTS; s++) {
            if (f->slot[s].n == 0) {
                begin(f, s, now);
            }
        }
        if (now - f->last_a > f->gap_a) {
            f->gap_a = now - f->last_a;
        }
    }
    print_message("a: x %u y %u, b: x %u, c: y %u; longest without a's x %lld ms\n",
                  f->claims[A_X], f->claims[A_Y], f->claims[B_X], f->claims[C_Y],
                  f->gap_a);
}

static void start(const char *const settings[2][2])
{
    wh_lc_reset(NULL);
    wh_lc_worker("w");
    for (unsigned i = 0; i < 2; i++) {
        wh_ll_set(settings[i][0], settings[i][1]);
    }
}

/* Who has other work and a cap of its own has half of the type, and others theirs. */
static void an_org_at_its_cap_has_its_turns(void **state)
{
    static const struct {
        const char *settings[2][2];
        unsigned most; /* jobs of the type in 10 s, were none of it lost */
    } cases[] = {
        {{{"active:type/x", "2"}, {"active:org/a", "3"}}, 400},
        {{{"active:type/x", "2"}, {"active:org/*", "3"}}, 400},
        {{{"active:type/x", "1"}, {"active:org/a", "1"}}, 200},
        {{{"rate:type/x", "20/1000/1"}, {"active:org/a", "3"}}, 200},
        {{{"rate:type/x", "20/1000/5"}, {"active:org/a", "3"}}, 200},
        {{{"active:type/x", "2"}, {"rate:org/a", "60/1000/1"}}, 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet f = {.run_ms = {50, 50, 50, 50}};

        start(cases[i].settings);
        run(&f, 1000);
        run(&f, 10000);
        unsigned sum = f.claims[A_X] + f.claims[B_X];
        if (100 * f.claims[A_X] < 45 * sum || 100 * f.claims[A_X] > 55 * sum ||
            100 * sum < 90 * cases[i].most || f.gap_a > 1000) {
            fail_msg("%s %s: %u of %u", cases[i].settings[0][0],
                     cases[i].settings[0][1], f.claims[A_X], sum);
        }
        wh_lc_audit();
    }
}

/* Its own jobs run for longer than those of the type: it has its turns all the same, and little of the type is lost, nor
 * of the org's own slots. Nothing is kept for hours. */
static void little_is_lost(void **state)
{
    static const struct {
        unsigned x_ms, y_ms;
        const char *org_cap;
        unsigned part; /* of what both had of the type, in percent */
    } cases[] = {{10, 1000, "1", 40},
                 {50, 200, "1", 40},
                 {50, 3600000, "3", 0},
                 {20, 700, "3", 40}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet f = {.run_ms = {cases[i].x_ms, cases[i].y_ms, cases[i].x_ms}};
        struct fleet alone = {.run_ms = {0, 0, cases[i].x_ms}};
        const char *const settings[][2] = {{"active:type/x", "1"},
                                           {"active:org/a", cases[i].org_cap}};

        start(settings);
        run(&alone, 8000);
        start(settings);
        run(&f, 1000);
        run(&f, 8000);
        unsigned sum = f.claims[A_X] + f.claims[B_X];
        long long own = f.spent[A_X] + f.spent[A_Y], most = cases[i].org_cap[0] - '0';
        if (100 * sum < 90 * alone.claims[B_X] ||
            (cases[i].part > 0 && 100 * own < 80 * most * 8000) ||
            100 * f.claims[A_X] < cases[i].part * sum) {
            fail_msg("x %u ms, y %u ms: %u and %u, alone %u; a's time %lld",
                     cases[i].x_ms, cases[i].y_ms, f.claims[A_X], f.claims[B_X],
                     alone.claims[B_X], own);
        }
        wh_lc_audit();
    }
}

/* An org whose own jobs of the type fill its cap or rate, of whatever weight: what is kept for it is nearly nothing to
 * others. */
static void others_lose_little(void **state)
{
    static const struct {
        const char *settings[2][2], *weight;
        unsigned x_ms, most; /* jobs of the type in 10 s, were none of it lost */
    } cases[] = {
        {{{"rate:type/x", "20/1000/1"}, {"active:org/a", "1"}}, "1", 200, 200},
        {{{"rate:type/x", "10/1000/5"}, {"active:org/a", "1"}}, "1", 500, 100},
        {{{"rate:type/x", "20/1000/1"}, {"rate:org/a", "1/1000/1"}}, "1", 100, 200},
        {{{"active:type/x", "4"}, {"active:org/a", "1"}}, "1", 100, 400},
        {{{"active:type/x", "3"}, {"active:org/a", "2"}}, "1000", 100, 300},
        {{{"active:type/x", "2"}, {"active:org/a", "1"}}, "10", 300, 66},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fleet f = {.run_ms = {cases[i].x_ms, 0, cases[i].x_ms}};

        start(cases[i].settings);
        wh_lc_text("OK", "wh1_weight", "a %s", cases[i].weight);
        run(&f, 2000);
        run(&f, 10000);
        unsigned sum = f.claims[A_X] + f.claims[B_X];
        if (100 * sum < 88 * cases[i].most || f.claims[A_X] == 0) {
            fail_msg("%s %s, %s: %u of %u", cases[i].settings[0][0],
                     cases[i].settings[0][1], cases[i].settings[1][0], sum,
                     cases[i].most);
        }
        wh_lc_audit();
    }
}

/* b had two jobs while a was at its cap: the next slot is kept for a, for 500 ms. Job 2 is a's y, 1 b's x that runs
 * since then. */
static void keep_one(void)
{
    static const char *const settings[][2] = {{"active:type/x", "1"},
                                              {"active:org/a", "1"}};
    start(settings);
    wh_le_says("w", "{}");
    wh_ll_put(10, "x", "ORG b");
    wh_lc_claim("w", 1, "10");
    wh_ll_put(1, "x", "ORG a");
    wh_lc_claim("w", 1, "");
    wh_ll_put(2, "y", "ORG a");
    wh_lc_claim("w", 1, "2");
    for (unsigned n = 11; n <= 14; n++) {
        wh_ll_put(n, "x", "ORG b");
    }
    for (unsigned n = 10; n <= 11; n++) {
        static const char *const next[] = {"11", "12"};
        wh_lc_advance(500);
        wh_lc_done("w", n, 1, true);
        wh_lc_claim("w", 8, next[n - 10]);
        wh_lc_audit();
    }
    wh_lc_advance(500);
    wh_lc_done("w", 12, 1, true);
    wh_lc_claim("w", 8, "");
    wh_lc_audit();
    wh_le_is(13, "reason", "ready");
    wh_le_is(13, "kept_for", "a");
    wh_le_is(13, "kept_ms", "500");
    wh_le_is(1, "reason", "org_cap");
    wh_le_is(1, "kept_for", "");
    wh_ll_put(20, "x", "ORG new");
    wh_lc_claim("w", 8, "");
    wh_le_is(20, "kept_for", "a");
}

static void what_is_kept_goes_to_the_org(void **state)
{
    (void)state;
    keep_one();
    wh_lc_advance(499);
    wh_lc_claim("w", 8, "");
    wh_lc_done("w", 2, 1, true);
    wh_lc_claim("w", 8, "1");
    wh_le_is(13, "reason", "type_cap");
    wh_lc_audit();
}

static void what_is_kept_in_vain_goes_to_others(void **state)
{
    (void)state;
    keep_one();
    wh_lc_advance(500);
    assert_int_equal(wh_ll_take_count("w", 8), 1); /* b's, or that of the new org */
    wh_le_is(14, "kept_for", "");
    wh_lc_audit();
}

/* It has nothing of the type any more, may have more of its own, or what held the type is gone. */
static void what_is_kept_ends_with_its_reason(void **state)
{
    (void)state;
    keep_one();
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_done("w", 2, 1, true);
    assert_int_equal(wh_ll_take_count("w", 8), 1);
    wh_lc_audit();
    keep_one();
    wh_ll_set("active:org/a", "2");
    wh_lc_claim("w", 8, "1");
    wh_lc_audit();
    keep_one();
    wh_ll_set("active:type/x", "");
    assert_int_equal(wh_ll_take_count("w", 8), 3);
    wh_lc_audit();
    keep_one();
    wh_ll_set("pause:org/a", "1");
    wh_lc_advance(500);
    assert_int_equal(wh_ll_take_count("w", 8), 1);
    wh_lc_audit();
}

/* What it saves up while it is at its cap has a bound: for so long it has the type alone when it comes back. */
static void what_is_saved_up_has_a_bound(void **state)
{
    (void)state;
    keep_one();
    wh_lc_count("ZADD " WH_LC_P ":waiting:x XX 100000000 b");
    freeReplyObject(wh_lc_cmd("ZADD " WH_LC_P ":turns:x 100000000 %b", "", (size_t)0));
    wh_lc_advance(500);
    assert_int_equal(wh_ll_take_count("w", 8), 1);
    redisReply *r = wh_lc_cmd("ZSCORE " WH_LC_P ":waiting:x a");
    assert_in_range(atoll(r->str), 90000000, 90500000);
    freeReplyObject(r);
}

/* Commands of 20 claims of one of b's jobs, 10 ms apart; in one of two at most one is kept for another. */
static long long price_of_b(unsigned first)
{
    struct wh_ll_claims c;

    wh_ll_reset_calls();
    for (unsigned i = 0; i < 20; i++) {
        wh_ll_fill_org(first + i, 1, "x", "b");
        wh_ll_take("w", 1, &c);
        if (c.n == 0) {
            wh_lc_advance(10);
            wh_ll_take("w", 1, &c);
        }
        assert_int_equal(c.n, 1);
        wh_ll_done("w", &c);
        wh_lc_advance(10);
    }
    return wh_ll_calls(NULL);
}

/* 200 orgs at their caps wait for the type: each makes way once. */
static void many_at_their_caps_cost_others_little(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_start();
    wh_ll_set("active:type/x", "1");
    wh_ll_set("active:org/*", "1");
    wh_ll_set("pause:type/x", "1");
    long long before = 0;
    for (unsigned many = 0; many < 2; many++) {
        for (unsigned o = 0; many > 0 && o < 200; o++) {
            char org[16];

            snprintf(org, sizeof org, "o%u", o);
            wh_ll_fill_org(1000 + o, 1, "x", org);
            wh_ll_fill_org(2000 + o, 1, "y", org);
        }
        if (many > 0) {
            wh_ll_set("pause:type/x", "1");
            for (unsigned got = 0; got < 200; got += c.n) {
                wh_ll_take("w", 500, &c);
                assert_in_range(c.n, 1, 200);
            }
        }
        wh_ll_set("pause:type/x", "");
        wh_ll_fill_org(5000 + many, 1, "x", "b");
        for (unsigned i = 0; wh_ll_take("w", 1, &c), c.n == 0; i++) {
            assert_in_range(i, 0, 20);
        }
        wh_ll_done("w", &c);
        long long price = price_of_b(6000 + 100 * many);
        print_message("%lld commands\n", price);
        before = many == 0 ? price : before;
        assert_in_range(price, 1, before + 20 * 90); /* ninety for each, also in vain */
        wh_lc_audit();
    }
}

enum { EQUALS = 6, EACH = 20, SLOT = 7 };

/* Org n >> EACH: each of the first at a cap of 1 with jobs of both types, the last with those of x. */
static void put_all(void)
{
    for (unsigned o = 0; o <= EQUALS; o++) {
        char options[8] = "ORG a", cap[16] = "active:org/a";

        options[4] = cap[11] = (char)('a' + o);
        if (o < EQUALS) {
            wh_ll_set(cap, "1");
        }
        for (unsigned n = 0; n < 200; n++) {
            wh_ll_put((o << EACH) + n + 1, o == EQUALS || n % 2 == 0 ? "x" : "y",
                      options);
        }
    }
}

/* Names decide nothing. */
static void equals_at_their_caps_all_have_some(void **state)
{
    struct wh_ll_claims c = {.n = 0}, slot[SLOT] = {{.n = 0}};
    long long end[SLOT] = {0};
    unsigned had[EQUALS + 1] = {0}, least = 1000, most = 0;

    (void)state;
    wh_lc_worker("w");
    wh_ll_set("active:type/x", "1");
    put_all();
    for (long long now = 0; now < 5000; now += 5) {
        for (unsigned i = 0; i < SLOT; i++) {
            if (slot[i].n > 0 && end[i] <= now) {
                wh_ll_done("w", &slot[i]);
                slot[i].n = 0;
            }
        }
        for (unsigned i = 0; i < SLOT; i++) {
            c.n = 0;
            if (slot[i].n == 0) {
                wh_ll_take("w", 1, &c);
            }
            if (c.n > 0) {
                slot[i] = c;
                end[i] = now + 40 + c.id[0] % 21;
                had[c.id[0] >> EACH] += c.id[0] % 2 == 1;
            }
        }
        wh_lc_advance(5);
        if (now % 1000 == 0) {
            wh_lc_ok("wh1_heartbeat", "w 30000 renew {}");
        }
    }
    for (unsigned o = 0; o < EQUALS; o++) {
        least = had[o] < least ? had[o] : least;
        most = had[o] > most ? had[o] : most;
    }
    print_message("%u to %u jobs of the type, %u of the org without a cap\n", least,
                  most, had[EQUALS]);
    assert_in_range(least, 7, 40);
    assert_in_range(most, least, 2 * least);
    wh_lc_audit();
}

/* It waits for a type of which it has nothing any more, makes way for another one at its cap, and has no jobs at all
 * when it comes back: its next job must find it where it can be found. */
static void one_with_nothing_left_is_found_again(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("active:type/x", "1");
    wh_ll_set("active:org/a", "1");
    wh_ll_set("active:org/c", "1");
    wh_ll_put(1, "x", "ORG b");
    wh_lc_claim("w", 4, "1");
    wh_ll_put(2, "x", "ORG c");
    wh_ll_put(3, "x", "ORG a");
    wh_ll_put(4, "x", "ORG a DELAY 100000");
    wh_lc_claim("w", 4, "");
    wh_ll_put(5, "y", "ORG c");
    wh_lc_claim("w", 4, "5");
    wh_lc_done("w", 1, 1, true);
    wh_lc_claim("w", 4, "3");
    wh_lc_claim("w", 4, "");
    wh_lc_ok("wh1_cancel", "%s", wh_lc_id(4));
    wh_ll_set("active:type/x", "2");
    wh_lc_claim("w", 4, "");
    wh_lc_done("w", 3, 1, true);
    wh_lc_audit();
    wh_ll_put(6, "x", "ORG a");
    wh_lc_audit();
    wh_lc_advance(2000);
    wh_lc_ok("wh1_promote", "10");
    wh_lc_claim("w", 4, "6");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(an_org_at_its_cap_has_its_turns),
        WH_LC_TEST(little_is_lost),
        WH_LC_TEST(others_lose_little),
        WH_LC_TEST(what_is_kept_goes_to_the_org),
        WH_LC_TEST(what_is_kept_in_vain_goes_to_others),
        WH_LC_TEST(what_is_kept_ends_with_its_reason),
        WH_LC_TEST(what_is_saved_up_has_a_bound),
        WH_LC_TEST(many_at_their_caps_cost_others_little),
        WH_LC_TEST(one_with_nothing_left_is_found_again),
        WH_LC_TEST(equals_at_their_caps_all_have_some),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
