/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fairness under random claims: orgs that always have jobs get what their weights say, however
 * much each claim asks for and whoever finishes when. test_model.c lets Redis choose among orgs;
 * here it must choose fairly. Bounds are loose on purpose: exact shares are in tests/lua.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Job n is of org n >> 20. */
enum { ORGS = 9, ORG_BITS = 20, BACKLOG = 400, WANT = 50, ROUNDS = 500, AGO = 4 };

struct share {
    struct wh_lmr run; /* for its random numbers */
    double weight[ORGS];
    unsigned made[ORGS], waiting[ORGS], served[ORGS];
    struct wh_ll_claims held[AGO];
};

static void fill_up(struct share *s)
{
    for (unsigned o = 0; o < ORGS; o++) {
        char org[16];
        struct wh_ll_jobs jobs = {.first = (o << ORG_BITS) + s->made[o],
                                  .count = BACKLOG,
                                  .type = "mail",
                                  .org = org};

        snprintf(org, sizeof org, "o%u", o);
        if (s->waiting[o] < BACKLOG / 2) {
            wh_ll_fill(&jobs);
            s->made[o] += BACKLOG;
            s->waiting[o] += BACKLOG;
        }
    }
}

/* What each org got by weight: nobody is more than one claim ahead of another. */
static void compare(const struct share *s, unsigned round)
{
    double most = 0, least = 1e9;

    for (unsigned o = 0; o < ORGS; o++) {
        double got = s->served[o] / s->weight[o];
        most = got > most ? got : most;
        least = got < least ? got : least;
    }
    if (most - least > WANT) {
        fail_msg("seed %llu, round %u: one org got %.1f jobs by weight, another %.1f",
                 (unsigned long long)s->run.seed, round, most, least);
    }
}

/* Each job runs until AGO claims later, hence all equally long: shares are of worker time. */
static void turn(struct share *s, unsigned round)
{
    struct wh_ll_claims *c = &s->held[round % AGO];

    if (c->n > 0) {
        wh_ll_done("w", c);
    }
    fill_up(s);
    unsigned want = 1 + wh_lmr_random(&s->run, WANT);
    wh_ll_take("w", want, c);
    assert_int_equal(c->n, want);
    for (unsigned i = 0; i < c->n; i++) {
        unsigned org = c->id[i] >> ORG_BITS;
        assert_true(org < ORGS);
        s->served[org]++;
        s->waiting[org]--;
    }
    wh_lc_advance(10);
    compare(s, round);
}

static void go(const double *weights)
{
    static struct share s;

    s = (struct share){0};
    wh_lmr_init(&s.run, 100);
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
    for (unsigned o = 0; o < ORGS; o++) {
        s.weight[o] = weights != NULL ? weights[o] : 1;
        wh_lc_ok("wh1_weight", "o%u %f", o, s.weight[o]);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        turn(&s, round);
    }
    wh_lc_audit();
}

static void equal_orgs_get_the_same(void **state)
{
    (void)state;
    go(NULL);
}

static void weights_divide_the_rest(void **state)
{
    static const double weights[ORGS] = {1, 1, 1, 2, 2, 3, 4, 0.5, 8};

    (void)state;
    go(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(equal_orgs_get_the_same),
        WH_LC_TEST(weights_divide_the_rest),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
