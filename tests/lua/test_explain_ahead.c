/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain: what runs before a job, in its org and of others, and how long it may wait.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void who_is_ahead_and_who_has_the_slots(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    for (unsigned o = 0; o < 12; o++) {
        char org[8];
        struct wh_ll_jobs jobs = {
            .first = o * 1000, .count = 20, .type = "mail", .org = org};

        snprintf(org, sizeof org, "o%02u", o);
        wh_ll_fill(&jobs);
    }
    wh_lc_text("OK", "wh1_weight", "o03 2.5");
    wh_le_is(3000 + 7, "ahead_org", "7");
    wh_le_is(3000 + 7, "ahead_orgs", "3");
    wh_le_is(3000 + 7, "org_weight", "2.5");
    wh_le_is(4000, "org_weight", "1");
    wh_ll_put(99, "mail", "ORG o03 PRIORITY 9");
    wh_le_is(3000 + 7, "ahead_org", "8");
    wh_le_is(99, "ahead_org", "0");
    wh_le_is(99, "org_ready", "21");
    wh_le_is(99, "active", "0");
    wh_le_is(99, "holders", "");
    struct wh_ll_claims c;
    wh_ll_take("w", 27, &c);
    assert_int_equal(c.n, 27);
    wh_le_is(3000 + 19, "active", "27");
    /* ten at most, most jobs first, then by name */
    const char *holders = wh_le_fact(3000 + 19, "holders");
    unsigned commas = 0;
    for (const char *p = holders; *p != '\0'; p++) {
        commas += *p == ',';
    }
    assert_int_equal(commas, 9);
    assert_memory_equal(holders, "o03 ", 4);
    wh_lc_advance(80);
    wh_ll_done("w", &c);
    wh_le_is(3000 + 19, "active", "0");
    wh_le_is(3000 + 19, "expected_ms", "80.00");
    wh_lc_audit();
}

static void estimates_a_wait(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_le_says("w", "{}");
    struct wh_ll_jobs jobs = {.first = 1, .count = 100, .type = "mail", .org = "o"};
    wh_ll_fill(&jobs);
    wh_le_is(100, "wait_ms", ""); /* nothing is known yet */
    wh_ll_take("w", 4, &c);
    wh_lc_advance(100);
    wh_ll_done("w", &c);
    wh_ll_take("w", 4, &c);
    wh_le_is(100, "ahead_org", "91");
    /* 92 jobs of 100 ms on 4 slots */
    wh_le_is(100, "wait_ms", "2300");
    wh_ll_put(500, "mail", "ORG other");
    wh_le_is(100, "wait_ms", "4600"); /* half of the time is another org's */
    wh_lc_text("OK", "wh1_weight", "o 3");
    wh_le_is(100, "wait_ms", "3067");
    wh_lc_text("OK", "wh1_weight", "idle 1000");
    wh_le_is(100, "wait_ms", "3067");
    wh_lc_advance(100);
    wh_ll_done("w", &c);
    wh_le_says("w", "{\"slots\":8}");
    wh_lc_text("OK", "wh1_weight", "o 1");
    wh_le_is(100, "wait_ms", "2300"); /* nobody runs: by the slots there are */
}

static void a_job_set_aside_or_by_deadline(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_lc_ok("wh1_configure", "order deadline");
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "ORG o");
    wh_ll_put(2, "mail", "ORG o EXPIRES 500000");
    wh_ll_put(3, "sms", "ORG o EXPIRES 9000");
    wh_ll_put(4, "sms", "ORG o EXPIRES 5000");
    wh_le_is(3, "ahead_org", "1");
    wh_le_is(4, "ahead_org", "0");
    wh_lc_advance(1);
    wh_ll_put(5, "mail", "ORG o");
    wh_lc_claim("w", 10, "4 3");
    wh_ll_put(6, "sms", "ORG o");
    wh_le_is(5, "ahead_org", "2"); /* of those set aside; job 6 is not before it */
    wh_le_is(1, "reason", "type_paused");
    wh_le_is(1, "org_ready", "4");
    wh_le_is(2, "reason", "type_paused");
}

/* Claims one by one: at each job that runs, each that waits has one fewer before it. */
static void in_order(unsigned from, unsigned to)
{
    struct wh_ll_claims c;

    for (unsigned left = to - from + 1; left > 0; left--) {
        unsigned long ahead[64];

        for (unsigned n = from; n <= to; n++) {
            const char *text = wh_le_fact(n, "ahead_org");
            ahead[n - from] = text[0] == '\0' ? left : strtoul(text, NULL, 10);
        }
        wh_ll_take("w", 1, &c);
        assert_int_equal(c.n, 1);
        assert_in_range(c.id[0], from, to);
        if (ahead[c.id[0] - from] != 0) {
            fail_msg("job %u runs, said to have %lu before it", c.id[0],
                     ahead[c.id[0] - from]);
        }
        for (unsigned n = from; n <= to; n++) {
            const char *text = wh_le_fact(n, "ahead_org");
            if (text[0] != '\0' && strtoul(text, NULL, 10) + 1 != ahead[n - from]) {
                fail_msg("job %u: %lu before it, then %s", n, ahead[n - from], text);
            }
        }
    }
    wh_ll_take("w", 1, &c);
    assert_int_equal(c.n, 0);
}

/* Groups of a level take turns, with the jobs without one; higher levels come first. */
static void jobs_of_other_groups(void **state)
{
    static const char *const options[] = {
        "GROUP b",    "GROUP b",    "GROUP b", "GROUP b",    "GROUP a",
        "GROUP c",    "GROUP c",    "",        "",           "",
        "GROUP a",    "PRIORITY 7", "GROUP a", "PRIORITY 2", "PRIORITY 2 GROUP b",
        "PRIORITY 2", "GROUP d"};
    enum { N = sizeof options / sizeof options[0] };
    struct wh_ll_claims c;

    (void)state;
    wh_le_says("w", "{}");
    for (unsigned n = 1; n <= 5; n++) { /* turns that were taken before count */
        wh_ll_put(n, "mail", "GROUP b");
    }
    wh_ll_take("w", 3, &c);
    for (unsigned i = 0; i < N; i++) {
        wh_ll_put(6 + i, "mail", options[i]);
    }
    wh_le_is(6 + 3, "ahead_org", "15");
    in_order(4, 5 + N);
    wh_lc_audit();
}

/* One at its cap counts as though it came back now. */
static void groups_at_their_cap(void **state)
{
    (void)state;
    wh_le_says("w", "{}");
    wh_ll_set("active:group", "1");
    for (unsigned n = 0; n < 9; n++) {
        wh_ll_put(1 + n, "mail",
                  n % 3 == 0   ? "GROUP a"
                  : n % 3 == 1 ? "GROUP b"
                               : "GROUP c");
    }
    wh_lc_claim("w", 9, "1 2 3");
    wh_le_is(4, "reason", "group_cap");
    wh_le_is(4, "ahead_org", "0");
    wh_le_is(5, "ahead_org", "1");
    wh_le_is(8, "ahead_org", "4");
    wh_le_is(9, "ahead_org", "5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(who_is_ahead_and_who_has_the_slots),
        WH_LC_TEST(estimates_a_wait),
        WH_LC_TEST(a_job_set_aside_or_by_deadline),
        WH_LC_TEST(jobs_of_other_groups),
        WH_LC_TEST(groups_at_their_cap),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
