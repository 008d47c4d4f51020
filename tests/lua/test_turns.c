/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets what a type admits when several orgs wait for it: turns by weight, whatever the
 * orgs' names, other work, or the size of a claim; and that waiting in capped groups, or for
 * very many types, costs the others nothing.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ORGS = 4, BACKLOG = 2000 };

static const char *const names[] = {"a", "b", "c", "d"};

/* One fleet: claims of `want`, each finished `steps` of 10 ms later, all in one call. */
struct fleet {
    unsigned orgs, want, steps;
    const char *other; /* an org whose jobs of another type fill the ring; NULL: none */
    unsigned got[ORGS + 1];
};

static void fill(unsigned org, const char *type, const char *name)
{
    for (unsigned at = 0; at < BACKLOG; at += 1000) {
        wh_ll_fill(&(struct wh_ll_jobs){
            .first = org * 100000 + at + 1, .count = 1000, .type = type, .org = name});
    }
}

static void start(struct fleet *f)
{
    wh_lc_worker("w");
    for (unsigned o = 0; o < f->orgs; o++) {
        fill(o, "t", names[o]);
    }
    if (f->other != NULL) {
        fill(ORGS, "free", f->other);
    }
}

static void run(struct fleet *f, unsigned rounds)
{
    static struct wh_ll_claims held[16];

    memset(held, 0, sizeof held);
    memset(f->got, 0, sizeof f->got);
    for (unsigned i = 0; i < rounds; i++) {
        struct wh_ll_claims *c = &held[i % f->steps];

        if (c->n > 0) {
            wh_ll_done("w", c);
        }
        wh_ll_take("w", f->want, c);
        for (unsigned j = 0; j < c->n; j++) {
            f->got[c->id[j] / 100000]++;
        }
        wh_lc_advance(10);
    }
    for (unsigned i = 0; i < f->steps; i++) {
        if (held[i].n > 0) {
            wh_ll_done("w", &held[i]);
        }
    }
    print_message("want %u: %u %u %u %u, others %u\n", f->want, f->got[0], f->got[1],
                  f->got[2], f->got[3], f->got[4]);
}

/* Each org's part of what the waiting ones got, in percent, within 3 points. */
static void expect(const struct fleet *f, const unsigned *percent)
{
    unsigned sum = 0;

    for (unsigned o = 0; o < f->orgs; o++) {
        sum += f->got[o];
    }
    assert_in_range(sum, 40, 100000);
    for (unsigned o = 0; o < f->orgs; o++) {
        unsigned part = (100 * f->got[o] + sum / 2) / sum;

        if (part + 3 < percent[o] || part > percent[o] + 3) {
            fail_msg("org %u got %u %%, fair is %u %%", o, part, percent[o]);
        }
    }
    wh_lc_audit();
}

/* Limits of the type that leave less than the workers could do. */
static const char *const limits[][2] = {
    {"active:type/t", "4"},        {"active:type/t", "1"},
    {"rate:type/t", "100/1000/1"}, {"rate:type/t", "100/1000/20"},
    {"rate:type/t", "20/1000/2"},  {"adaptive:type/t", "50/100/10"}};

static void each_limit(const char *const *weights, const unsigned *percent,
                       const char *other)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (unsigned want = 1; want <= 64; want *= 64) {
            struct fleet f = {.orgs = ORGS, .want = want, .steps = 2, .other = other};

            wh_lc_reset(NULL);
            wh_ll_set(limits[i][0], limits[i][1]);
            start(&f);
            for (unsigned o = 0; o < ORGS; o++) {
                wh_lc_text("OK", "wh1_weight", "%s %s", names[o], weights[o]);
            }
            run(&f, 50); /* until all of them wait */
            run(&f, 300);
            print_message("%s %s\n", limits[i][0], limits[i][1]);
            expect(&f, percent);
        }
    }
}

static void equal_orgs_get_equal_parts(void **state)
{
    static const char *const weights[] = {"1", "1", "1", "1"};

    (void)state;
    each_limit(weights, (const unsigned[]){25, 25, 25, 25}, NULL);
}

static void weights_count(void **state)
{
    static const char *const weights[] = {"1", "2", "1", "4"};

    (void)state;
    each_limit(weights, (const unsigned[]){13, 25, 13, 50}, NULL);
}

/* An org of other work keeps the ring busy: those that wait share as before. */
static void weights_count_beside_other_work(void **state)
{
    static const char *const weights[] = {"4", "1", "2", "1"};

    (void)state;
    each_limit(weights, (const unsigned[]){50, 13, 25, 13}, "zz");
}

/* One of them has other work too, and so never leaves the ring: nobody starves beside it. */
static void nobody_starves_beside_an_org_with_other_work(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof limits / sizeof limits[0]; i++) {
        const char *const *limit = limits[i / 2];
        unsigned busy = i % 2 == 0 ? 0 : ORGS - 1;

        for (unsigned want = 1; want <= 64; want *= 64) {
            struct fleet f = {
                .orgs = ORGS, .want = want, .steps = 2, .other = names[busy]};
            unsigned sum = 0;

            wh_lc_reset(NULL);
            wh_ll_set(limit[0], limit[1]);
            start(&f);
            run(&f, 240);
            for (unsigned o = 0; o < ORGS; o++) {
                sum += f.got[o];
            }
            for (unsigned o = 0; o < ORGS; o++) {
                if (o != busy && 100 * f.got[o] < 19 * sum) {
                    fail_msg("%s %s: org %u got %u of %u", limit[0], limit[1], o,
                             f.got[o], sum);
                }
            }
            wh_lc_audit();
        }
    }
}

/* Rounds of 10 ms in which each org's jobs of a type run so long; returns the first one's part of the time they ran, in
 * percent. */
static unsigned part_of_time(const char *setting, const char *value,
                             const unsigned *rounds)
{
    enum { SLOTS = 8, ROUNDS = 600 };
    struct wh_ll_claims slot[SLOTS] = {{0}};
    unsigned until[SLOTS] = {0}, spent[2] = {0};

    wh_lc_reset(NULL);
    wh_ll_set(setting, value);
    wh_lc_worker("w");
    fill(0, "t", "a");
    fill(1, "t", "b");
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned s = 0; s < SLOTS; s++) {
            if (slot[s].n > 0 && until[s] <= i) {
                wh_ll_done("w", &slot[s]);
                slot[s].n = 0;
            }
        }
        for (unsigned s = 0; s < SLOTS; s++) {
            if (slot[s].n == 0) {
                wh_ll_take("w", 1, &slot[s]);
            }
            if (slot[s].n > 0 && until[s] <= i) {
                unsigned org = slot[s].id[0] / 100000;

                until[s] = i + rounds[org];
                spent[org] += rounds[org];
            }
        }
        wh_lc_advance(10);
    }
    assert_in_range(spent[0] + spent[1], 100, 100000);
    return 100 * spent[0] / (spent[0] + spent[1]);
}

/* A cap leaves slots: orgs share their time. A rate leaves jobs: they share those. */
static void a_cap_shares_time_and_a_rate_jobs(void **state)
{
    static const unsigned rounds[] = {1, 20};

    (void)state;
    assert_in_range(part_of_time("active:type/t", "4", rounds), 45, 55);
    assert_in_range(part_of_time("rate:type/t", "20/1000/1", rounds), 3, 7);
}

/* A resume does not put what stood aside before ready jobs of a higher priority. */
static void order_of_priority_survives_a_pause(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_lc_worker("w");
    wh_ll_set("pause:type/t", "1");
    wh_ll_put(1, "t", "ORG a PRIORITY 1");
    wh_ll_put(2, "t", "ORG a PRIORITY 9");
    wh_ll_put(3, "t", "ORG a PRIORITY 5");
    assert_int_equal(wh_ll_take_count("w", 8), 0);
    wh_ll_put(4, "free", "ORG a PRIORITY 2");
    wh_ll_put(5, "free", "ORG a PRIORITY 7");
    wh_ll_set("pause:type/t", "");
    static const unsigned order[] = {2, 5, 3, 4, 1};
    for (unsigned i = 0; i < 5; i++) {
        wh_ll_take("w", 1, &c);
        assert_int_equal(c.n, 1);
        assert_int_equal(c.id[0], order[i]);
    }
    wh_lc_audit();
}

/* Commands of 20 claims of another org's jobs, a tenth of a second apart. */
static long long price_of_others(unsigned first)
{
    struct wh_ll_claims c;

    wh_ll_reset_calls();
    for (unsigned i = 0; i < 20; i++) {
        wh_ll_fill(&(struct wh_ll_jobs){
            .first = first + 100 * i, .count = 50, .type = "free", .org = "good"});
        wh_ll_take("w", 50, &c);
        assert_int_equal(c.n, 50);
        wh_ll_done("w", &c);
        wh_lc_advance(100);
    }
    return wh_ll_calls(NULL);
}

/* Groups with a cap, whose type is held, wait for it as everybody does. */
static void held_groups_cost_nothing(void **state)
{
    static const char *const held[][2] = {{"pause:type/blocked", "1"},
                                          {"active:type/blocked", "1"},
                                          {"rate:type/blocked", "1/3600000/1"}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        wh_lc_reset(NULL);
        wh_lc_worker("w");
        wh_ll_set("active:group", "1");
        wh_ll_set(held[i][0], held[i][1]);
        wh_ll_put(999999, "blocked", "ORG evil GROUP first");
        unsigned in_flight = wh_ll_take_count("w", 1); /* uses what the type admits */
        long long alone = price_of_others(500000);
        for (unsigned g = 0; g < 2000; g++) {
            char options[64];

            snprintf(options, sizeof options, "ORG evil GROUP g%u", g);
            wh_ll_put(1 + g, "blocked", options);
        }
        do {
            wh_ll_take_count("w", 100);
        } while (wh_lc_count("ZCARD " WH_LC_P ":ring") > 0);
        long long beside = price_of_others(600000);
        print_message("%s: %lld commands alone, %lld beside 2,000 held groups\n",
                      held[i][0], alone, beside);
        assert_in_range(beside, 0, alone + 20 * 8); /* eight for each claim */
        wh_lc_audit();
        wh_ll_set(held[i][0], "");
        unsigned n = 0, got;
        while ((got = wh_ll_take_count("w", 500)) > 0) {
            n += got;
            wh_lc_audit();
        }
        assert_int_equal(n + in_flight, 2001);
    }
}

/* The job that its group waits with is cancelled: the next one is of another type. */
static void a_group_does_not_wait_with_a_job_that_is_gone(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("active:group", "1");
    wh_ll_set("pause:type/blocked", "1");
    wh_ll_put(1, "blocked", "ORG o GROUP g");
    wh_ll_put(2, "mail", "ORG o GROUP g");
    wh_lc_claim("w", 5, "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_audit();
    wh_lc_claim("w", 5, "2");
    wh_lc_audit();
}

/* Set aside or new: the highest priority first, then the earliest deadline. */
static void order_survives_a_limit(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_configure", "order deadline");
    wh_ll_set("rate:type/mail", "1/1000/1");
    wh_ll_put(1, "mail", "EXPIRES 3600000");
    wh_ll_put(2, "mail", "EXPIRES 3600000");
    wh_ll_put(3, "mail", "");
    wh_ll_put(4, "mail", "EXPIRES 1800000");
    wh_lc_claim("w", 8, "4");
    wh_ll_put(5, "mail", "EXPIRES 60000");
    wh_ll_put(6, "mail", "PRIORITY 9");
    static const char *const order[] = {"6", "5", "1", "2", "3"};
    for (unsigned i = 0; i < 5; i++) {
        wh_lc_advance(1000);
        wh_lc_claim("w", 8, order[i]);
        wh_lc_audit();
    }
}

/* An org with very many types, all of them held. */
static void many_types_of_one_org(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    freeReplyObject(wh_lc_call("wh1_heartbeat", "w 3600000 new %s", ""));
    wh_ll_set("rate:type/*", "1/3600000/1");
    for (unsigned t = 0; t < 400; t++) {
        char type[16];

        snprintf(type, sizeof type, "t%u", t);
        wh_ll_fill(&(struct wh_ll_jobs){
            .first = 1 + 10 * t, .count = 4, .type = type, .org = "evil"});
    }
    unsigned got = 0;
    for (unsigned i = 0; i < 200; i++) {
        wh_ll_take("w", 50, &c);
        got += c.n;
        wh_ll_done("w", &c);
        wh_lc_advance(100);
    }
    assert_int_equal(got, 400); /* one of each type */
    wh_lc_audit();
    assert_in_range(wh_lc_count("HSTRLEN " WH_LC_P ":levels evil"), 1, 400);
    wh_ll_reset_calls();
    for (unsigned i = 0; i < 100; i++) {
        wh_ll_take("w", 50, &c);
        assert_int_equal(c.n, 0);
        wh_lc_advance(100);
    }
    print_message("%lld commands in 100 claims\n", wh_ll_calls(NULL));
    assert_in_range(wh_ll_calls(NULL), 1, 12000);
    wh_ll_set("rate:type/*", "");
    while (wh_ll_take("w", 500, &c), c.n > 0) {
        got += c.n;
        wh_ll_done("w", &c);
    }
    assert_int_equal(got, 1600);
    wh_lc_audit();
}

/* Rounds of 2 ms until an org gets a job of the type that 100 others waited for before it. */
static unsigned rounds_until_served(void)
{
    struct wh_ll_claims c;
    unsigned rounds = 0;

    do {
        wh_ll_take("w", 4, &c);
        wh_lc_advance(2);
        rounds++;
    } while (c.n == 0 && rounds < 5000);
    return rounds;
}

/* They wait, and then have nothing to run: cancelled, or paused. */
static void turns_in_vain_are_short(void **state)
{
    (void)state;
    for (unsigned pauses = 0; pauses < 2; pauses++) {
        wh_lc_reset(NULL);
        freeReplyObject(wh_lc_call("wh1_heartbeat", "w 3600000 new %s", ""));
        wh_ll_set("active:type/t", "1");
        wh_ll_put(1000, "t", "ORG first");
        wh_lc_claim("w", 1, "1000");
        for (unsigned o = 0; o < 100; o++) {
            char options[32];

            snprintf(options, sizeof options, "ORG o%03u", o);
            wh_ll_put(1 + o, "t", options);
        }
        wh_ll_put(500, "t", "ORG zz");
        wh_lc_claim("w", 200, "");
        for (unsigned o = 0; o < 100; o++) {
            char setting[32];

            snprintf(setting, sizeof setting, "pause:org/o%03u", o);
            if (pauses > 0) {
                wh_ll_set(setting, "1");
            } else {
                wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1 + o));
            }
        }
        wh_lc_done("w", 1000, 1, true);
        assert_in_range(rounds_until_served(), 1, 220);
        wh_lc_audit();
    }
}

/* What was served last is forgotten after an hour without two orgs that wait: who comes then starts where the others
 * are, and who comes back has nothing to make up for. */
static void what_was_served_last_may_be_forgotten(void **state)
{
    struct fleet f = {.orgs = 3, .want = 1, .steps = 2};

    (void)state;
    wh_ll_set("rate:type/t", "50/1000/1");
    wh_lc_worker("w");
    fill(1, "t", names[1]);
    fill(2, "t", names[2]);
    run(&f, 100);
    wh_lc_count("DEL " WH_LC_P ":turns:t");
    fill(0, "t", names[0]);
    run(&f, 20);
    run(&f, 300);
    expect(&f, (const unsigned[]){33, 33, 33});
    wh_lc_count("DEL " WH_LC_P ":turns:t");
    for (unsigned o = 0; o < f.orgs; o++) {
        char setting[16];

        snprintf(setting, sizeof setting, "pause:org/%s", names[o]);
        wh_ll_set(setting, "1");
    }
    run(&f, 20);
    fill(3, "t", names[3]);
    wh_ll_set("pause:org/a", "");
    f.orgs = 4;
    run(&f, 20);
    run(&f, 300);
    expect(&f, (const unsigned[]){50, 0, 0, 50});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(equal_orgs_get_equal_parts),
        WH_LC_TEST(weights_count),
        WH_LC_TEST(weights_count_beside_other_work),
        WH_LC_TEST(nobody_starves_beside_an_org_with_other_work),
        WH_LC_TEST(a_cap_shares_time_and_a_rate_jobs),
        WH_LC_TEST(order_of_priority_survives_a_pause),
        WH_LC_TEST(held_groups_cost_nothing),
        WH_LC_TEST(a_group_does_not_wait_with_a_job_that_is_gone),
        WH_LC_TEST(order_survives_a_limit),
        WH_LC_TEST(many_types_of_one_org),
        WH_LC_TEST(turns_in_vain_are_short),
        WH_LC_TEST(what_was_served_last_may_be_forgotten),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
