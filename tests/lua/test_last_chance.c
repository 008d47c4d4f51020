/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that the next loss of a worker makes dead run apart from each other: what one of them does to
 * its worker must not end the others.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_explain.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEASE = 30000 }; /* of wh_lc_worker */

/* Jobs 1 to count, each of an org of its own, each lost twice with its worker. options: of each */
static void lose_twice(unsigned count, const char *options)
{
    wh_ll_start();
    for (unsigned n = 1; n <= count; n++) {
        char words[128];

        snprintf(words, sizeof words, "ORG o%u %s", n, options);
        wh_ll_put(n, "mail", words);
    }
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_worker("lost");
        assert_int_equal(wh_ll_take_count("lost", count), count);
        wh_lc_advance(LEASE + 1);
        wh_lc_ok("wh1_recover", "1000");
    }
    wh_lc_field(1, "recoveries", "2");
}

static long long delayed(void)
{
    return wh_lc_count("ZCARD " WH_LC_P ":delayed");
}

/* The one that kills its worker goes alone; the others complete, one after another. */
static void only_the_guilty_one_dies(void **state)
{
    (void)state;
    lose_twice(8, "");
    wh_lc_worker("w1");
    assert_int_equal(wh_ll_take_count("w1", 8), 1);
    assert_int_equal(delayed(), 7);
    wh_lc_audit();
    wh_lc_advance(LEASE + 1);
    wh_lc_ok("wh1_recover", "1000");
    assert_int_equal(wh_lc_count("XLEN " WH_LC_P ":dlq"), 1);
    for (unsigned i = 0; i < 7; i++) {
        struct wh_ll_claims c = {0};

        for (unsigned k = 0; k < 10 && c.n == 0; k++) {
            wh_lc_advance(300);
            wh_ll_take("w", 8, &c);
        }
        assert_int_equal(c.n, 1);
        wh_ll_done("w", &c);
    }
    wh_lc_stat("completed", 7);
    assert_int_equal(wh_lc_count("XLEN " WH_LC_P ":dlq"), 1);
    wh_lc_audit();
}

/* Nothing is used up, other workers take it at its time, and other jobs do not wait. */
static void another_worker_takes_it(void **state)
{
    static const char *const settings[] = {NULL, "active:queue", "active:type/mail",
                                           "active:group"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        wh_lc_reset(NULL);
        lose_twice(2, i == 3 ? "GROUP g" : i == 2 ? "KEY k UNIQUE done" : "");
        if (settings[i] != NULL) {
            wh_ll_set(settings[i], "3");
        }
        wh_ll_put(10, "mail", "ORG other");
        wh_lc_worker("w1");
        wh_lc_worker("w2");
        assert_int_equal(wh_ll_take_count("w1", 8), 2);
        wh_lc_status(2, "scheduled");
        wh_lc_field(2, "attempts", "0");
        wh_lc_field(2, "recoveries", "2");
        wh_lc_field(2, "fence", "2");
        wh_lc_claim("w2", 8, "");
        wh_lc_advance(99);
        wh_lc_claim("w2", 8, "");
        wh_lc_advance(1);
        wh_lc_claim("w1", 8, ""); /* still holds the first one */
        wh_lc_advance(100);
        wh_lc_claim("w2", 8, "2");
        wh_lc_done("w1", 1, 3, true);
        wh_lc_done("w2", 2, 3, true);
        wh_lc_done("w1", 10, 1, true);
        wh_lc_audit();
    }
}

/* One loss is none yet: they run together. Nor does a finish of the first one keep the next one waiting. */
static void only_the_last_chance_is_apart(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, 4, "mail", "default");
    wh_lc_worker("lost");
    assert_int_equal(wh_ll_take_count("lost", 4), 4);
    wh_lc_advance(LEASE + 1);
    assert_int_equal(wh_ll_take_count("w", 10), 4);
    wh_lc_audit();
    wh_lc_reset(NULL);
    lose_twice(3, "");
    struct wh_ll_claims c;
    for (unsigned i = 0; i < 3; i++) {
        wh_ll_take("w", 1, &c); /* the same worker, one slot */
        assert_int_equal(c.n, 1);
        wh_ll_done("w", &c);
    }
    assert_int_equal(delayed(), 0);
}

/* However many: they are not looked at all the time. */
static void many_come_one_after_another(void **state)
{
    (void)state;
    lose_twice(200, "");
    assert_int_equal(wh_ll_take_count("w", 200), 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(wh_ll_take_count("w", 200), 0);
    }
    assert_int_equal(delayed(), 199);
    redisReply *r = wh_lc_cmd("ZRANGE " WH_LC_P ":delayed 0 -1 WITHSCORES");
    double first = strtod(r->element[1]->str, NULL);
    double latest = strtod(r->element[r->elements - 1]->str, NULL);
    assert_int_equal((int)(latest - first), 2000 - 100); /* none for more than 2 s */
    freeReplyObject(r);
    wh_lc_audit();
}

/* Nor does one call put off all that there are: the next one goes on. */
static void one_call_puts_off_some(void **state)
{
    enum { JOBS = 3000, SOME = 1200 };
    long long before = 0;

    (void)state;
    wh_ll_start();
    wh_ll_fill_org(1, JOBS, "mail", "default");
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_worker("lost");
        for (unsigned n = 0; n < JOBS; n += 200) {
            assert_int_equal(wh_ll_take_count("lost", 200), 200);
        }
        wh_lc_advance(LEASE + 1);
        for (unsigned n = 0; n < JOBS; n += 1000) {
            wh_lc_ok("wh1_recover", "1000");
        }
    }
    wh_lc_worker("w1");
    assert_int_equal(wh_ll_take_count("w1", 200), 1);
    for (long long put_off = delayed(); before < JOBS - 1; put_off = delayed()) {
        assert_in_range(put_off - before, 1, SOME);
        before = put_off;
        assert_int_equal(wh_ll_take_count("w1", 200), 0);
    }
    wh_lc_audit();
}

/* Nobody delayed it, and that is not said; a delay that somebody did wish is named as ever. */
static void what_is_said_of_them(void **state)
{
    (void)state;
    lose_twice(3, "");
    wh_lc_worker("w1");
    assert_int_equal(wh_ll_take_count("w1", 8), 1);
    wh_le_is(1, "recoveries", "2");
    wh_le_is(1, "reason", ""); /* it runs */
    wh_le_is(2, "status", "scheduled");
    wh_le_is(2, "reason", "last_chance");
    wh_le_is(2, "until_ms", "100");
    wh_le_is(3, "reason", "last_chance");
    wh_le_is(3, "until_ms", "125");
    wh_lc_advance(125);
    wh_le_is(3, "until_ms", "0");
    wh_lc_worker("w2");
    wh_lc_claim("w2", 1, "2");
    wh_ll_end("w2", 2, 3, "retry", 4000, "timeout");
    wh_le_is(2, "reason", "retry");
    wh_le_is(2, "until_ms", "4000");
    wh_lc_claim("w2", 1, "3");
    wh_ll_end("w2", 3, 3, "snooze", 3000, NULL);
    wh_le_is(3, "reason", "snoozed");
    wh_lc_advance(4000);
    wh_lc_claim("w1", 9, ""); /* still holds the first one */
    wh_le_is(2, "attempts", "1");
    wh_le_is(2, "reason", "last_chance");
    wh_le_is(3, "reason", "last_chance");
    wh_ll_put(9, "mail", "DELAY 5000");
    wh_le_is(9, "reason", "delayed");
    wh_le_is(9, "recoveries", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(only_the_guilty_one_dies),
        WH_LC_TEST(another_worker_takes_it),
        WH_LC_TEST(only_the_last_chance_is_apart),
        WH_LC_TEST(many_come_one_after_another),
        WH_LC_TEST(one_call_puts_off_some),
        WH_LC_TEST(what_is_said_of_them),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
