/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one call costs while jobs of held types go aside: one type and very many groups, very
 * many orgs, or as many types as are held by name and very many groups in each. Commands of
 * Redis, counted by Redis itself.
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
    check("", (struct cost){.claim = 4200, .mean = 2000, .finish = 1000});
}

static void of_groups_that_keep_their_order(void **state)
{
    (void)state;
    check("9", (struct cost){.claim = 4200, .mean = 2000, .finish = 1000});
}

/* Jobs of one held type in very many groups, first, and of an org beside it. */
static void fill_one(const char *setting, const char *value, const char *group_cap)
{
    enum { OTHER = 100001 };

    wh_lc_reset(NULL);
    wh_ll_start();
    wh_ll_fill(&(struct wh_ll_jobs){.first = 1,
                                    .count = 5000,
                                    .type = "t",
                                    .org = "a",
                                    .group = "g",
                                    .types = 1,
                                    .groups = 1000});
    wh_ll_fill_org(OTHER, 8, "other", "b");
    wh_ll_set("active:group", group_cap);
    wh_ll_set(setting, value);
    while (wh_lc_count("ZCOUNT " WH_LC_P ":parked -inf 1") >
           0) { /* what the settings woke */
        redisReply *r = wh_lc_call("wh1_promote", "100");
        freeReplyObject(r);
    }
}

/* Until nothing of the ring is left: the worst of the claims, and how many there were. */
static void set_all_aside(unsigned want, unsigned claims, long long bound)
{
    long long worst = 0;
    unsigned n = 0;
    struct wh_ll_claims c = {.flags = 2};

    for (; (c.flags & 2) != 0; n++) {
        wh_ll_reset_calls();
        wh_ll_take("w", want, &c);
        worst = most(worst, wh_ll_calls(NULL));
        assert_true(n < 200);
    }
    print_message("claims of %u: %u set all aside, %lld commands at most\n", want, n,
                  worst);
    assert_in_range(worst, 1, bound);
    assert_in_range(n, 1, claims);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":ring"), 0);
    wh_lc_audit();
}

/* The other org gets its own in the first call. */
static void of_one_type_and_many_groups(void **state)
{
    static const char *const settings[][2] = {
        {"pause:type/t0", "1"},
        {"rate:type/t0", "1/86400000/1"},
        {"active:type/t0", "2"},
        {"rate:org/*/type/t0", "1/86400000/1"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        for (unsigned is_capped = 0; is_capped < 2; is_capped++) {
            unsigned got = 0, calls = is_capped != 0 ? 8 : 16;
            struct wh_ll_claims c;

            fill_one(settings[i][0], settings[i][1], is_capped != 0 ? "9" : "");
            wh_ll_reset_calls();
            wh_ll_take("w", 12, &c);
            assert_in_range(wh_ll_calls(NULL), 1, 1500);
            assert_true((c.flags & 2) !=
                        0); /* there is more: nothing waits for a timer */
            for (unsigned j = 0; j < c.n; j++) {
                got += c.id[j] > 100000;
            }
            assert_int_equal(got, 8);
            set_all_aside(8, calls, 1500);
        }
    }
}

/* Of each org a few jobs: those of one org cost little, all of them much. */
static void of_very_many_orgs(void **state)
{
    enum { ORGS = 600 };
    char org[16];

    (void)state;
    for (unsigned is_capped = 0; is_capped < 2; is_capped++) {
        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set("active:group", is_capped != 0 ? "1" : "");
        wh_ll_set("pause:type/t", "1");
        for (unsigned i = 0; i < ORGS; i++) {
            (void)snprintf(org, sizeof org, "o%u", i);
            wh_ll_fill(&(struct wh_ll_jobs){.first = 3 * i + 1,
                                            .count = 3,
                                            .type = "t",
                                            .org = org,
                                            .group = is_capped != 0 ? "g" : NULL});
        }
        set_all_aside(100, 30, 2700);
    }
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
        WH_LC_TEST(of_one_type_and_many_groups),
        WH_LC_TEST(of_very_many_orgs),
        WH_LC_TEST(of_groups_without_a_cap),
        WH_LC_TEST(of_groups_that_keep_their_order),
        WH_LC_TEST(to_explain_a_job),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
