/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one call costs where an org has as many held types as are held by name, and very many
 * groups in each: commands of Redis, counted by Redis itself, however many groups there are.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TYPES = 64, WANT = 100, CLAIMS = 30 };

/* A job for each type and group; each type admits two at a time. group_cap "": none. */
static void fill(unsigned groups, const char *group_cap)
{
    wh_lc_reset(NULL);
    wh_ll_start();
    wh_ll_set("active:type/*", "2");
    wh_ll_set("active:group", group_cap);
    wh_ll_fill(&(struct wh_ll_jobs){.first = 1,
                                    .count = TYPES * groups,
                                    .type = "t",
                                    .org = "a",
                                    .group = "g",
                                    .types = TYPES,
                                    .groups = groups});
}

struct cost {
    long long claim, finish; /* the worst of them */
    long long mean;          /* of claims */
};

static long long most(long long a, long long b)
{
    return a > b ? a : b;
}

/* Claims, and finishes of all that they gave, while jobs go aside and later. */
static struct cost cost_of(unsigned groups, const char *group_cap)
{
    struct cost cost = {0};
    long long sum = 0;

    fill(groups, group_cap);
    for (unsigned i = 0; i < CLAIMS; i++) {
        struct wh_ll_claims c;

        wh_ll_reset_calls();
        wh_ll_take("w", WANT, &c);
        long long calls = wh_ll_calls(NULL);
        cost.claim = most(cost.claim, calls);
        sum += calls;
        assert_in_range(c.n, 1, WANT);
        wh_lc_advance(60); /* who was called and did not come is called again */
        wh_ll_reset_calls();
        wh_ll_done("w", &c);
        cost.finish = most(cost.finish, wh_ll_calls(NULL));
    }
    wh_lc_audit();
    cost.mean = sum / CLAIMS;
    print_message(
        "%d types with %u groups: commands of a claim %lld at most, %lld in the "
        "mean, of a finish %lld at most\n",
        TYPES, groups, cost.claim, cost.mean, cost.finish);
    return cost;
}

static void check(const char *group_cap, struct cost bound)
{
    struct cost few = cost_of(40, group_cap), many = cost_of(160, group_cap);

    assert_in_range(many.claim, 1, 2 * few.claim); /* of four times as many groups */
    assert_in_range(most(few.claim, many.claim), 1, bound.claim);
    assert_in_range(most(few.mean, many.mean), 1, bound.mean);
    assert_in_range(most(few.finish, many.finish), 1, bound.finish);
}

static void of_groups_without_a_cap(void **state)
{
    (void)state;
    check("", (struct cost){.claim = 7700, .mean = 3600, .finish = 1000});
}

static void of_groups_that_keep_their_order(void **state)
{
    (void)state;
    check("9", (struct cost){.claim = 7000, .mean = 2500, .finish = 1000});
}

/* Each group of each type has a place of its own: explain looks at 10,000 of them. */
static void to_explain_a_job(void **state)
{
    enum { GROUPS = 240, JOBS = TYPES * GROUPS };

    (void)state;
    fill(GROUPS, "");
    while (wh_ll_take_count("w", WANT) > 0 ||
           wh_lc_count("EXISTS " WH_LC_P ":groups:a:5") == 1) {
        wh_lc_advance(60);
    }
    wh_ll_reset_calls();
    redisReply *r = wh_lc_call("wh1_explain", "%s", wh_lc_id(JOBS));
    long long calls = wh_ll_calls(NULL);
    print_message("%d types with %d groups: %lld commands to explain a job\n", TYPES,
                  GROUPS, calls);
    assert_string_equal(wh_lc_find(r, "reason")->str, "type_cap");
    assert_in_range(strtoll(wh_lc_find(r, "org_ready")->str, NULL, 10), 9000, JOBS);
    assert_in_range(strtoll(wh_lc_find(r, "ahead_org")->str, NULL, 10), 1, GROUPS);
    assert_in_range(calls, 1, 11000);
    freeReplyObject(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(of_groups_without_a_cap),
        WH_LC_TEST(of_groups_that_keep_their_order),
        WH_LC_TEST(to_explain_a_job),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
