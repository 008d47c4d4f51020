/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-off in a partition with limits: it takes its part of each as a claim does, and no job is
 * handed over that a limit holds or that others wait before. docs/protocol.md section 9.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Takes jobs over the bell from now on, where nothing is to be claimed. */
static void wait_idle(void)
{
    redisReply *r = wh_lc_call("wh1_cycle", "w 4+ 0");

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[4]->elements, 0);
    freeReplyObject(r);
}

static void begin(const char *setting, const char *value)
{
    wh_lc_reset(NULL);
    wh_lc_worker("w");
    wh_ll_set(setting, value);
}

/* Enqueued while a worker waits: is it handed over? */
static void put(unsigned n, const char *options, const char *status)
{
    wait_idle();
    wh_ll_put(n, "mail", options);
    wh_lc_status(n, status);
    wh_lc_audit();
}

/* Two may run: the third waits, and comes when one has ended, or when a token is there. */
static void each_limit_counts_it(void **state)
{
    static const char *const cases[][2] = {{"active:org/*", "2"},
                                           {"active:org/acme", "2"},
                                           {"active:queue", "2"},
                                           {"active:type/mail", "2"},
                                           {"rate:org/*", "2/20000/2"},
                                           {"rate:type/mail", "2/20000/2"},
                                           {"rate:queue", "2/20000/2"},
                                           {"rate:org/acme/type/mail", "2/20000/2"},
                                           {"adaptive:type/mail", "0.01/1/1"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned first = i == 8 ? 2 : 1; /* an adaptive rate has no burst of 2 */
        begin(cases[i][0], cases[i][1]);
        for (unsigned n = first; n <= 2; n++) {
            put(n, "ORG acme", "in_progress");
        }
        put(3, "ORG acme", "pending");
        wh_lc_stat("claimed", 3 - first);
        for (unsigned n = first; n <= 2; n++) {
            wh_lc_done("w", n, 1, true);
        }
        wh_lc_audit();
        wh_lc_advance(15000);
        wh_lc_ok("wh1_promote", "10");
        wh_lc_claim("w", 4, "3");
        wh_lc_done("w", 3, 1, true);
        wh_lc_audit();
    }
}

/* What concerns others, or nobody yet, is no reason to wait for a round trip. */
static void what_does_not_hold_it(void **state)
{
    static const char *const cases[][2] = {{"active:group", "1"},
                                           {"active:org/other", "1"},
                                           {"pause:type/other", "1"},
                                           {"pause:org/other", "1"},
                                           {"rate:type/other", "1/1000/1"},
                                           {"breaker:type/*", "50/10/10000/5000/1"},
                                           {"jobs:org/*", "5"},
                                           {"bytes:queue", "1000"},
                                           {"priority:type/mail", "8"},
                                           {"active:org/*", "100"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i][0], cases[i][1]);
        put(1, "ORG acme", "in_progress");
        put(2, "ORG acme MAXATTEMPTS 3 TIMEOUT 1000", "in_progress");
        wh_lc_done("w", 1, 1, true);
        wh_lc_done("w", 2, 1, true);
        wh_lc_audit();
    }
}

static void what_holds_it(void **state)
{
    static const char *const cases[][2] = {{"pause:type/mail", "1"},
                                           {"pause:org/acme", "1"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i][0], cases[i][1]);
        put(1, "ORG acme", "pending");
        wh_ll_set(cases[i][0], "");
        wh_lc_ok("wh1_promote", "10");
        wh_lc_claim("w", 4, "1");
    }
}

/* A job of the org waits for a token; there is one by now, but nobody has looked. */
static void never_past_one_that_waits(void **state)
{
    static const char *const cases[][2] = {{"rate:org/acme", "1/1000/1"},
                                           {"rate:type/mail", "1/1000/1"},
                                           {"rate:org/acme/type/mail", "1/1000/1"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i][0], cases[i][1]);
        put(1, "ORG acme", "in_progress");
        put(2, "ORG acme", "pending");
        wait_idle(); /* it is parked, or set aside */
        wh_lc_advance(5000);
        wh_ll_put(3, "mail", "ORG acme");
        wh_lc_status(3, "pending");
        if (i == 1) { /* the type is what others wait for */
            wh_ll_put(4, "mail", "ORG beta");
            wh_lc_status(4, "pending");
        }
        wh_lc_claim("w", 1, "2");
        wh_lc_audit();
    }
}

/* Nor when the last limit was just removed: what it held comes back with the next cycle. */
static void never_past_one_that_was_freed(void **state)
{
    static const char *const cases[] = {"rate:org/acme", "rate:type/mail",
                                        "rate:org/acme/type/mail"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i], "1/60000/1");
        wh_lc_worker("v");
        put(1, "ORG acme", "in_progress");
        put(2, "ORG acme", "pending");
        wait_idle();
        freeReplyObject(wh_lc_call("wh1_cycle", "v 4+ 0"));
        wh_lc_stat("idle", 2);
        wh_ll_set(cases[i], "");
        wh_lc_stat("idle", 1);
        wh_ll_put(3, "mail", "ORG acme");
        wh_lc_status(3, "pending");
        wh_lc_claim("w", 4, "2 3");
        wh_lc_audit();
    }
}

/* The first job after the cooldown is the probe; there is one at a time. */
static void a_probe_is_handed_over(void **state)
{
    (void)state;
    begin("breaker:type/mail", "50/2/10000/5000/1");
    for (unsigned n = 1; n <= 2; n++) {
        put(n, "ORG acme", "in_progress");
        wh_ll_end("w", n, 1, "dead", 0, "timeout");
    }
    put(3, "ORG beta", "pending");
    wh_lc_advance(6000);
    wh_lc_ok("wh1_promote", "10");
    wh_lc_claim("w", 4, "3");
    wh_ll_end("w", 3, 1, "dead", 0, "timeout");
    wh_lc_advance(6000);
    put(4, "ORG acme", "in_progress");
    put(5, "ORG acme", "pending");
    wh_lc_done("w", 4, 1, true);
    wh_lc_ok("wh1_promote", "10");
    wh_lc_claim("w", 4, "5");
    wh_lc_audit();
}

/* A quota refuses what never fits, and says again that a job is there already. */
static void quotas_are_asked(void **state)
{
    (void)state;
    begin("bytes:org/acme", "40");
    wait_idle();
    wh_lc_error("WHTOOBIG", "wh1_enqueue", "mail %s ORG acme ID %s",
                "a-payload-that-is-longer-than-the-quota-of-its-org", wh_lc_id(1));
    wh_ll_set("bytes:org/acme", "1000");
    put(2, "ORG acme", "in_progress");
    wh_ll_set("bytes:org/acme", "1");
    wait_idle();
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p ORG acme ID %s", wh_lc_id(2));
    assert_string_equal(r->element[1]->str, "existing");
    freeReplyObject(r);
    wh_lc_audit();
}

/* One key was overwritten: the job is handed over or waits, or is refused with nothing written. */
static void put_beside_a_wrong(const char *key, bool is_tripped)
{
    char before[41], after[41];

    if (is_tripped) {
        wh_lc_count("HSET " WH_LC_P ":breaker:mail state open since 1");
    }
    wait_idle();
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":%s", key));
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":%s x", key));
    wh_lc_digest(before);
    redisReply *r = wh_lc_call("wh1_enqueue", "mail p ORG acme ID %s", wh_lc_id(1));
    if (r->type == REDIS_REPLY_ERROR) {
        wh_lc_digest(after);
        if (strcmp(before, after) != 0) {
            fail_msg("%s: refused (%s), but changed data", key, r->str);
        }
    }
    freeReplyObject(r);
}

/* It writes without the guard of other functions: all that it needs has been looked at before. */
static void a_wrong_key_is_found_before_any_write(void **state)
{
    static const char *const set[][2] = {{"active:queue", "9"},
                                         {"active:type/*", "9"},
                                         {"rate:type/mail", "9/1000/9"},
                                         {"jobs:org/*", "9"},
                                         {"breaker:type/mail", "50/2/10000/5000/1"},
                                         {"adaptive:type/mail", "1/9/1"}};
    static const char *const keys[] = {"load",         "events", "broken",
                                       "queued",       "parked", "types",
                                       "breaker:mail", "stats",  "waiting:mail"};

    (void)state;
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        for (size_t k = 0; k < 2 * (sizeof keys / sizeof keys[0]); k++) {
            begin(set[i][0], set[i][1]);
            put_beside_a_wrong(keys[k / 2], k % 2 == 1);
        }
    }
}

/* They do not stand in the way of a schedule. */
static void a_full_quota_holds_no_schedule(void **state)
{
    (void)state;
    begin("jobs:queue", "1");
    wh_ll_put(1, "mail", "ORG acme DELAY 1000");
    wait_idle();
    wh_lc_error("WHBACKPRESSURE", "wh1_enqueue", "mail p ORG o ID %s", wh_lc_id(2));
    wh_ll_fire(2);
    wh_lc_status(2, "in_progress");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(each_limit_counts_it),
        WH_LC_TEST(what_does_not_hold_it),
        WH_LC_TEST(what_holds_it),
        WH_LC_TEST(never_past_one_that_waits),
        WH_LC_TEST(a_probe_is_handed_over),
        WH_LC_TEST(quotas_are_asked),
        WH_LC_TEST(a_wrong_key_is_found_before_any_write),
        WH_LC_TEST(never_past_one_that_was_freed),
        WH_LC_TEST(a_full_quota_holds_no_schedule),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
