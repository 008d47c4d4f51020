/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs whose type may not run now: set aside once, in nobody's way, back in order; what that
 * costs the others is counted by Redis itself.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAIL = 0, SMS = 1000000, OTHER = 2000000, BLOCKED = 100000 };

static unsigned take_until_empty(void)
{
    unsigned sum = 0, got;

    do {
        got = wh_ll_take_count("w", 1000);
        sum += got;
    } while (got > 0);
    return sum;
}

static const char *const blockers[][2] = {
    {"pause:type/mail", "1"},
    {"active:type/mail", "1"},
    {"rate:type/mail", "1/86400000/1"},
    {"rate:org/a/type/mail", "1/86400000/1"},
    {"rate:org/*/type/mail", "1/86400000/1"},
};
enum { BLOCKERS = sizeof blockers / sizeof blockers[0] };

/* Whatever blocks it: the org's other types and the other orgs go on in the same call. */
static void a_blocked_type_blocks_nothing_else(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKERS; i++) {
        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set(blockers[i][0], blockers[i][1]);
        wh_ll_fill_org(MAIL, 900, "mail", "a");
        wh_ll_fill_org(SMS, 50, "sms", "a");
        wh_ll_fill_org(OTHER, 50, "sms", "b");
        unsigned got = wh_ll_take_count("w", 1000);
        assert_int_equal(got, i == 0 ? 100 : 101);
        assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":aside:a:mail"),
                         i == 0 ? 900 : 899);
        assert_int_equal(take_until_empty(), 0);
        wh_lc_audit();
        wh_lc_status(MAIL + 899, "pending");
    }
}

static void more_than_a_call_sets_aside(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/mail", "1");
    wh_ll_fill_org(MAIL, 5000, "mail", "a");
    wh_ll_fill_org(SMS, 10, "sms", "a");
    wh_ll_fill_org(OTHER, 10, "sms", "b");
    unsigned calls = 0, got = 0;
    while (got < 20 && calls < 10) {
        got += wh_ll_take_count("w", 100);
        calls++;
    }
    assert_int_equal(got, 20);
    assert_in_range(calls, 1, 6); /* a thousand each */
    wh_lc_audit();
}

/* A worker that asks must not be told that there is nothing while more is behind the blocked. */
static void says_more_while_it_sets_aside(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/mail", "1");
    wh_ll_fill_org(MAIL, 5000, "mail", "a");
    wh_ll_fill_org(SMS, 1, "sms", "a");
    do {
        wh_ll_take("w", 1, &c);
        assert_true(c.n == 1 || (c.flags & 2) != 0);
    } while (c.n == 0);
    assert_int_equal(c.id[0], SMS);
}

/* Each id that is in the set for the first time gets a mark that only a second ZADD of the
 * same job would take away. */
static void mark_new(char *seen)
{
    redisReply *r = wh_lc_cmd("ZRANGE " WH_LC_P ":aside:a:mail 0 -1 WITHSCORES");

    for (size_t i = 0; i < r->elements; i += 2) {
        const unsigned char *raw = (const unsigned char *)r->element[i]->str;
        unsigned n = (unsigned)raw[13] << 16 | (unsigned)raw[14] << 8 | raw[15];

        if (strchr(r->element[i + 1]->str, '.') != NULL) {
            continue;
        }
        if (seen[n] != 0) {
            fail_msg("job %u was set aside twice", n);
        }
        seen[n] = 1;
        freeReplyObject(
            wh_lc_cmd("ZINCRBY " WH_LC_P ":aside:a:mail 0.25 %b", WH_LC_RAW(n)));
    }
    freeReplyObject(r);
}

static void each_job_is_set_aside_once(void **state)
{
    static const char *const settings[][2] = {{"rate:type/mail", "200/1000/10"},
                                              {"rate:org/a/type/mail", "200/1000/10"},
                                              {"active:type/mail", "7"}};
    char seen[300];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        unsigned done = 0;

        wh_lc_reset(NULL);
        memset(seen, 0, sizeof seen);
        wh_ll_start();
        wh_ll_set(settings[i][0], settings[i][1]);
        wh_ll_fill_org(MAIL, 300, "mail", "a");
        wh_ll_fill_org(SMS, 300, "mail", "b");
        wh_ll_fill_org(OTHER, 300, "sms", "a");
        for (unsigned j = 0; done < 900; j++) {
            struct wh_ll_claims c;

            assert_in_range(j, 0, 2000);
            wh_ll_take("w", 1 + j % 40, &c);
            mark_new(seen);
            wh_ll_done("w", &c);
            mark_new(seen);
            done += c.n;
            wh_lc_advance(20);
        }
        assert_non_null(memchr(seen, 1, sizeof seen));
        wh_lc_audit();
    }
}

/* Blocked and in place: asking again moves nothing and looks at no job. */
static void asking_again_looks_at_no_job(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/mail", "1");
    wh_ll_fill_org(MAIL, 3000, "mail", "a");
    while (wh_ll_take_count("w", 100) > 0 ||
           wh_lc_count("EXISTS " WH_LC_P ":ring") == 1) {
        /* until all of it is out of the way */
    }
    wh_ll_reset_calls();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(wh_ll_take_count("w", 100), 0);
    }
    assert_in_range(wh_ll_calls("zadd"), 0, 10); /* the idle worker */
    assert_int_equal(wh_ll_calls("lpop"), 0);
    assert_int_equal(wh_ll_calls("zpopmin"), 0);
    wh_lc_audit();
}

static void expect_order(const unsigned *want, unsigned n)
{
    struct wh_ll_claims c;

    for (unsigned i = 0; i < n; i++) {
        wh_ll_take("w", 1, &c);
        assert_int_equal(c.n, 1);
        assert_int_equal(c.id[0], want[i]);
    }
    assert_int_equal(wh_ll_take_count("w", 10), 0);
}

static void priority_then_age_when_it_comes_back(void **state)
{
    static const unsigned want[] = {4, 6, 1, 3, 7, 2, 5};
    static const char *const options[] = {"",           "PRIORITY 1", "", "PRIORITY 9",
                                          "PRIORITY 0", "PRIORITY 9", ""};

    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/mail", "1");
    for (unsigned n = 1; n <= 7; n++) {
        wh_ll_put(n, "mail", options[n - 1]);
        wh_lc_advance(1);
    }
    assert_int_equal(take_until_empty(), 0);
    wh_lc_audit();
    wh_ll_set("pause:type/mail", "");
    expect_order(want, 7);
    wh_lc_audit();
}

/* What was there before stays before what came later, set aside or not. */
static void later_jobs_stay_behind(void **state)
{
    static const unsigned want[] = {1, 2, 3, 4};

    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "");
    wh_lc_advance(1);
    wh_ll_put(2, "mail", "");
    assert_int_equal(take_until_empty(), 0);
    wh_lc_advance(1);
    wh_ll_put(3, "mail", "");
    wh_ll_put(4, "mail", "");
    wh_ll_set("pause:type/mail", "");
    expect_order(want, 4);
    wh_lc_audit();
}

/* Cancelled, expired and retried while set aside. */
static void what_happens_to_jobs_set_aside(void **state)
{
    (void)state;
    wh_ll_start();
    wh_lc_ok("wh1_configure", "keep_count 100");
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "EXPIRES 1000");
    wh_ll_put(3, "mail", "");
    wh_ll_put(4, "mail", "");
    assert_int_equal(take_until_empty(), 0);
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(1));
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
    wh_lc_audit();
    wh_lc_advance(1000);
    wh_lc_ok("wh1_expire", "10");
    wh_lc_status(2, "expired");
    wh_lc_audit();
    wh_lc_text("pending", "wh1_retry", "%s", wh_lc_id(3));
    wh_lc_audit();
    wh_ll_set("pause:type/mail", "");
    wh_lc_claim("w", 10, "4 3"); /* it starts over: behind the others */
    wh_lc_audit();
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":levels " WH_LC_P ":queued"), 0);
}

/* Several orgs wait for one type: each time it admits one, one org wakes. */
static void orgs_take_turns_at_a_blocked_type(void **state)
{
    unsigned got[4] = {0};

    (void)state;
    wh_ll_start();
    wh_ll_set("active:type/mail", "1");
    for (unsigned o = 0; o < 4; o++) {
        char org[8];

        snprintf(org, sizeof org, "o%u", o);
        wh_ll_fill_org(o << 16, 100, "mail", org);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct wh_ll_claims c;

        wh_ll_take("w", 10, &c);
        assert_int_equal(c.n, 1);
        got[c.id[0] >> 16]++;
        wh_lc_advance(10);
        wh_ll_done("w", &c);
    }
    for (unsigned o = 0; o < 4; o++) {
        assert_in_range(got[o], 23, 27);
    }
    wh_lc_audit();
}

/* The others: 50 orgs with a little work each, claims by the hundred. */
static double cost_of_others(unsigned first)
{
    unsigned done = 0;

    for (unsigned o = 0; o < 50; o++) {
        char org[8];

        snprintf(org, sizeof org, "n%u", o);
        wh_ll_fill_org(first + o * 1000, 100, "sms", org);
    }
    wh_ll_reset_calls();
    while (done < 5000) {
        struct wh_ll_claims c;

        wh_ll_take("w", 100, &c);
        assert_int_equal(c.n, 100);
        wh_ll_done("w", &c);
        done += c.n;
    }
    return (double)wh_ll_calls(NULL) / done;
}

/* 100,000 jobs of one org wait for their type: less than 5 % more commands for the others. */
static void a_large_blocked_backlog_costs_the_others_nothing(void **state)
{
    static const char *const settings[][2] = {{"rate:type/mail", "1/1000/1"},
                                              {"rate:org/big/type/mail", "1/1000/1"},
                                              {"rate:org/big", "1/1000/1"},
                                              {"active:org/big", "1"}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        wh_lc_reset(NULL);
        wh_ll_start();
        wh_ll_set(settings[i][0], settings[i][1]);
        cost_of_others(OTHER - 100000); /* learns run times */
        double alone = cost_of_others(OTHER);
        wh_ll_fill_org(MAIL, BLOCKED, "mail", "big");
        while (wh_ll_take_count("w", 100) > 0 ||
               wh_lc_count("EXISTS " WH_LC_P ":ring") == 1) {
            /* until all of it is out of the way */
        }
        double beside = cost_of_others(OTHER + 100000);
        print_message("%s: %.3f commands a job alone, %.3f beside 100,000\n",
                      settings[i][0], alone, beside);
        assert_true(beside < alone * 1.05);
    }
    wh_lc_audit();
}

/* Three orgs with more held types than are set aside by name, of which a call looks at two: the last one too has those of
 * its jobs that may run. */
static void those_with_very_many_types_are_all_looked_at(void **state)
{
    enum { TYPES = 70, EACH = 1000, JOBS = 8 };
    struct wh_ll_claims c;
    unsigned got = 0;

    (void)state;
    wh_ll_start();
    wh_ll_set("pause:type/u", "1");
    for (unsigned i = 0; i < TYPES; i++) {
        char setting[24];

        snprintf(setting, sizeof setting, "pause:type/t%u", i);
        wh_ll_set(setting, "1");
    }
    for (unsigned o = 0; o < 3; o++) {
        static const char *const orgs[] = {"a", "b", "c"};
        wh_ll_fill(&(struct wh_ll_jobs){.first = 1 + EACH * o,
                                        .count = TYPES,
                                        .type = "t",
                                        .org = orgs[o],
                                        .types = TYPES});
    }
    for (unsigned i = 0; i < 20; i++, wh_lc_advance(100)) {
        wh_ll_take("w", 50, &c);
    }
    wh_ll_fill_org(5 * EACH, JOBS, "u", "c");
    wh_ll_take("w", 50, &c);
    wh_ll_set("pause:type/u", "");
    for (unsigned i = 0; i < 40; i++, wh_lc_advance(250)) {
        wh_ll_take("w", 50, &c);
        got += c.n;
    }
    assert_int_equal(got, JOBS);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(a_blocked_type_blocks_nothing_else),
        WH_LC_TEST(more_than_a_call_sets_aside),
        WH_LC_TEST(says_more_while_it_sets_aside),
        WH_LC_TEST(each_job_is_set_aside_once),
        WH_LC_TEST(asking_again_looks_at_no_job),
        WH_LC_TEST(priority_then_age_when_it_comes_back),
        WH_LC_TEST(later_jobs_stay_behind),
        WH_LC_TEST(what_happens_to_jobs_set_aside),
        WH_LC_TEST(orgs_take_turns_at_a_blocked_type),
        WH_LC_TEST(a_large_blocked_backlog_costs_the_others_nothing),
        WH_LC_TEST(those_with_very_many_types_are_all_looked_at),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
