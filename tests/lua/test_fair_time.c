/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fairness in worker time, simulated: a fleet of few slots, run times by org, and the
 * library's clock moved from finish to finish. Shares are of the time that slots were busy.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Job n is of org n >> 20. */
enum { ORGS = 4, SLOTS = 4, ORG_BITS = 20, MINUTE = 60000 };

struct fleet {
    const char *org[ORGS], *type[ORGS];
    long long run_ms[ORGS]; /* how long its jobs run */
    unsigned depth[ORGS];   /* so many wait at any time */
    unsigned groups[ORGS];  /* 0: none, else spread over so many */
    unsigned made[ORGS];    /* how many jobs it has had */
    double busy[ORGS];      /* ms of slots */
    long long now, started_at[ORGS];
    struct {
        unsigned id, fence;
        long long end; /* 0: free */
    } slot[SLOTS];
    unsigned waiting[ORGS];
};

static void start(struct fleet *f)
{
    f->now = WH_LC_T0;
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
}

/* Jobs arrive by the hundred when fewer than depth wait. */
static void fill_up(struct fleet *f)
{
    for (unsigned o = 0; o < ORGS; o++) {
        while (f->org[o] != NULL && f->waiting[o] < f->depth[o]) {
            char group[16];
            struct wh_ll_jobs jobs = {.first = (o << ORG_BITS) + f->made[o],
                                      .count = f->depth[o] == 1 ? 1 : 50,
                                      .type = f->type[o],
                                      .org = f->org[o]};

            if (f->groups[o] > 0) {
                snprintf(group, sizeof group, "g%u", f->made[o] % f->groups[o]);
                jobs.group = group;
                jobs.count = 1;
            }
            wh_ll_fill(&jobs);
            f->made[o] += jobs.count;
            f->waiting[o] += jobs.count;
        }
    }
}

static void put_in_slot(struct fleet *f, const redisReply *token)
{
    const unsigned char *raw = (const unsigned char *)token->str;
    unsigned id = (unsigned)raw[12] << 24 | (unsigned)raw[13] << 16 |
                  (unsigned)raw[14] << 8 | raw[15];
    unsigned o = id >> ORG_BITS, i = 0;

    while (f->slot[i].end != 0) {
        i++;
        assert_in_range(i, 0, SLOTS - 1);
    }
    f->slot[i].id = id;
    f->slot[i].fence = (unsigned)strtoul((const char *)raw + 16, NULL, 10);
    f->slot[i].end = f->now + f->run_ms[o];
    f->waiting[o]--;
    if (f->started_at[o] == 0) {
        f->started_at[o] = f->now;
    }
}

/* Finishes what is due and claims for the free slots, in one call. */
static void cycle(struct fleet *f)
{
    struct wh_lc_args a = {0};
    unsigned free_slots = 0, n = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        free_slots += f->slot[i].end <= f->now;
        n += f->slot[i].end != 0 && f->slot[i].end <= f->now;
    }
    wh_lc_add_text(&a, "w");
    wh_lc_add_text(&a, "%u", free_slots);
    wh_lc_add_text(&a, "%u", n);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (f->slot[i].end != 0 && f->slot[i].end <= f->now) {
            wh_lc_add(&a, WH_LC_TOK(f->slot[i].id, f->slot[i].fence));
            f->slot[i].end = 0;
        }
    }
    redisReply *r = wh_lc_call_args("wh1_cycle", &a);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[3]->elements, 0);
    for (size_t i = 0; i < r->element[4]->elements; i += 3) {
        put_in_slot(f, r->element[4]->element[i]);
    }
    freeReplyObject(r);
}

/* Moves to the next finish, or 100 ms on when nothing runs; counts busy time. */
static void pass_time(struct fleet *f, long long until)
{
    long long next = f->now + 100;

    for (unsigned i = 0; i < SLOTS; i++) {
        if (f->slot[i].end != 0 && f->slot[i].end < next) {
            next = f->slot[i].end;
        }
    }
    next = next > until ? until : next;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (f->slot[i].end != 0) {
            f->busy[f->slot[i].id >> ORG_BITS] += (double)(next - f->now);
        }
    }
    f->now = next;
    wh_lc_clock(next);
}

static void run_for(struct fleet *f, long long ms)
{
    long long until = f->now + ms;

    fill_up(f);
    while (f->now < until) {
        cycle(f);
        pass_time(f, until);
        fill_up(f);
    }
}

static double share(const struct fleet *f, unsigned org)
{
    double sum = 0;

    for (unsigned o = 0; o < ORGS; o++) {
        sum += f->busy[o];
    }
    return f->busy[org] / sum;
}

static void forget_busy(struct fleet *f)
{
    memset(f->busy, 0, sizeof f->busy);
}

static void expect_share(const struct fleet *f, unsigned org, double want,
                         double within)
{
    double got = share(f, org);

    print_message("org %s: %.2f %% of worker time, fair is %.2f %%\n", f->org[org],
                  got * 100, want * 100);
    if (got < want - within || got > want + within) {
        fail_msg("org %s has %.2f %%, should be %.2f %%", f->org[org], got * 100,
                 want * 100);
    }
}

/* Weights 3:2:1, saturated for a minute. */
static void three_two_one(const char *const *type, const long long *run_ms)
{
    struct fleet f = {.org = {"a", "b", "c"},
                      .type = {type[0], type[1], type[2]},
                      .run_ms = {run_ms[0], run_ms[1], run_ms[2]},
                      .depth = {100, 100, 100}};

    wh_lc_reset(NULL);
    start(&f);
    wh_lc_text("OK", "wh1_weight", "a 3");
    wh_lc_text("OK", "wh1_weight", "b 2");
    run_for(&f, MINUTE);
    expect_share(&f, 0, 3.0 / 6, 0.05 * 3 / 6);
    expect_share(&f, 1, 2.0 / 6, 0.05 * 2 / 6);
    expect_share(&f, 2, 1.0 / 6, 0.05 * 1 / 6);
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
    struct fleet f = {.org = {"many", "one"},
                      .type = {"t", "t"},
                      .run_ms = {50, 50},
                      .depth = {1000, 100},
                      .groups = {1000, 0}};

    (void)state;
    start(&f);
    run_for(&f, 30000);
    expect_share(&f, 0, 0.5, 0.01 * 0.5);
    wh_lc_audit();
}

/* A round: what every org that has work gets once. */
static void a_new_org_starts_within_one_round(void **state)
{
    struct fleet f = {.org = {"a", "b", NULL},
                      .type = {"t", "t", "t"},
                      .run_ms = {100, 100, 100},
                      .depth = {100, 100, 1}};

    (void)state;
    start(&f);
    run_for(&f, 20000);
    f.org[2] = "new";
    long long since = f.now;
    run_for(&f, 2000);
    assert_in_range(f.started_at[2], since, since + 100);
    wh_lc_audit();
}

/* It had its share and ran out of work; what it did not use meanwhile is not saved up. */
static void coming_back_gains_nothing(void **state)
{
    struct fleet f = {.org = {"stays", "leaves"},
                      .type = {"t", "t"},
                      .run_ms = {50, 50},
                      .depth = {100, 100}};

    (void)state;
    start(&f);
    run_for(&f, 10000);
    f.org[1] = NULL;
    run_for(&f, 20000); /* what it still had is done */
    assert_int_equal(f.waiting[1], 0);
    f.org[1] = "leaves";
    forget_busy(&f);
    run_for(&f, 5000);
    expect_share(&f, 1, 0.5, 0.02 * 0.5);
    wh_lc_audit();
}

/* Again and again: runs dry within each round and asks at once for more. */
static void leaving_often_gains_nothing(void **state)
{
    struct fleet f = {.org = {"stays", "dry"},
                      .type = {"t", "t"},
                      .run_ms = {20, 200},
                      .depth = {100, 1}};

    (void)state;
    start(&f);
    run_for(&f, 30000);
    assert_true(share(&f, 1) < 0.5 * 1.02);
    assert_true(share(&f, 1) > 0.2);
    wh_lc_audit();
}

/* Jobs that take twenty times as long, one waiting at a time. */
static void one_at_a_time_gets_no_more_than_its_share(void **state)
{
    struct fleet f = {.org = {"x", "y", "slow"},
                      .type = {"t", "t", "t"},
                      .run_ms = {20, 20, 400},
                      .depth = {100, 100, 1}};

    (void)state;
    start(&f);
    run_for(&f, MINUTE);
    print_message("slow: %.2f %%\n", share(&f, 2) * 100);
    assert_true(share(&f, 2) < 1.02 / 3);
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
    struct fleet f = {0};

    (void)state;
    start(&f);
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
            .first = 1 + 40 * o, .count = 40, .type = "t", .org = org};

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
    assert_int_equal(visits(100, "1"), 15);
    assert_int_equal(visits(100, "40"), 50);
    assert_int_equal(visits(100, "1000"), 100);
    assert_int_equal(visits(200, "1"), 8);
    wh_lc_audit();
}

/* A change of the weight is effective for the next claims. */
static void a_new_weight_counts_at_once(void **state)
{
    struct fleet f = {
        .org = {"a", "b"}, .type = {"t", "t"}, .run_ms = {50, 50}, .depth = {100, 100}};

    (void)state;
    start(&f);
    run_for(&f, 5000);
    wh_lc_text("OK", "wh1_weight", "a 4");
    forget_busy(&f);
    run_for(&f, 10000);
    expect_share(&f, 0, 0.8, 0.02);
    wh_lc_audit();
}

/* A weight that was a mistake leaves no lead behind that the org has to wait for. */
static void a_corrected_weight_starves_nobody(void **state)
{
    struct fleet f = {
        .org = {"a", "b"}, .type = {"t", "t"}, .run_ms = {50, 50}, .depth = {100, 100}};

    (void)state;
    wh_lc_text("OK", "wh1_weight", "a 0.001");
    start(&f);
    run_for(&f, 2000);
    wh_lc_text("OK", "wh1_weight", "a 1");
    forget_busy(&f);
    run_for(&f, 10000);
    expect_share(&f, 0, 0.5, 0.03);
    wh_lc_audit();
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
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
