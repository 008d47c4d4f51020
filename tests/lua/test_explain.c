/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain: for every reason that holds a job it names this one, its setting and its time,
 * and it writes nothing.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void start(void)
{
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
}

/* A fact of a job, "" when absent; good for the next 8 calls. */
static const char *fact(unsigned n, const char *name)
{
    static char texts[8][128];
    static unsigned next;
    char before[41], after[41];
    char *text = texts[next++ % 8];

    wh_lc_digest(before);
    redisReply *r = wh_lc_call("wh1_explain", "%s", wh_lc_id(n));
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("wh1_explain: %s", r->str);
    }
    const redisReply *v = wh_lc_find(r, name);
    snprintf(text, sizeof texts[0], "%s", v != NULL ? v->str : "");
    freeReplyObject(r);
    wh_lc_digest(after);
    assert_string_equal(before, after);
    return text;
}

static void is(unsigned n, const char *name, const char *want)
{
    const char *got = fact(n, name);

    if (strcmp(got, want) != 0) {
        fail_msg("job %u: %s is \"%s\", should be \"%s\"", n, name, got, want);
    }
}

static void ready_and_delayed(void **state)
{
    (void)state;
    start();
    wh_ll_put(1, "mail", "ORG acme GROUP g");
    wh_ll_put(2, "sms", "DELAY 5000");
    is(1, "id", wh_lc_id(1));
    is(1, "status", "pending");
    is(1, "type", "mail");
    is(1, "org", "acme");
    is(1, "group", "g");
    is(1, "reason", "ready");
    is(1, "until_ms", "");
    is(1, "limit", "");
    is(1, "workers", "1");
    is(2, "status", "scheduled");
    is(2, "reason", "delayed");
    is(2, "until_ms", "5000");
    wh_lc_advance(4000);
    is(2, "until_ms", "1000");
    wh_lc_advance(2000); /* due, and nobody promoted it yet */
    is(2, "until_ms", "0");
}

static void jobs_that_do_not_wait(void **state)
{
    (void)state;
    start();
    for (unsigned n = 1; n <= 4; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 3, "1 2 3");
    is(1, "status", "in_progress");
    is(1, "worker", "w");
    is(1, "reason", "");
    wh_lc_done("w", 2, 1, true);
    is(2, "status", "completed");
    is(2, "reason", "");
    wh_lc_dead("w", 3, "invalid");
    is(3, "status", "failed");
    is(3, "reason", "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(4));
    is(4, "status", "cancelled");
    is(4, "reason", "");
    wh_lc_error("WHNOTFOUND", "wh1_explain", "%s", wh_lc_id(99));
    wh_lc_error("WHBADARG", "wh1_explain", "nonsense");
    wh_lc_error("WHBADARG", "wh1_explain", "");
}

/* A setting that holds job 3 of org o, type mail, group g, while 1 and 2 run. */
struct holding {
    const char *setting, *value, *reason, *until_ms, *used;
};

static const struct holding holdings[] = {
    {"pause:org/o", "1", "org_paused", "", ""},
    {"pause:type/mail", "1", "type_paused", "", ""},
    {"rate:queue", "1/10000/2", "queue_rate", "10000", ""},
    {"rate:org/o", "1/10000/2", "org_rate", "10000", ""},
    {"rate:org/*", "1/10000/2", "org_rate", "10000", ""},
    {"rate:type/mail", "1/10000/2", "type_rate", "10000", ""},
    {"rate:type/*", "1/10000/2", "type_rate", "10000", ""},
    {"rate:org/o/type/mail", "1/10000/2", "org_type_rate", "10000", ""},
    {"rate:org/*/type/mail", "1/10000/2", "org_type_rate", "10000", ""},
    {"active:queue", "2", "queue_cap", "", "2"},
    {"active:org/o", "2", "org_cap", "", "2"},
    {"active:org/*", "2", "org_cap", "", "2"},
    {"active:type/mail", "2", "type_cap", "", "2"},
    {"active:type/*", "2", "type_cap", "", "2"},
    {"active:group", "2", "group_cap", "", "2"},
    {"active:org/o/group/g", "2", "group_cap", "", "2"},
};

static void check_holding(const struct holding *h, bool asked)
{
    wh_lc_reset(NULL);
    start();
    bool pause = strncmp(h->setting, "pause", 5) == 0;
    if (!pause) {
        wh_ll_set(h->setting, h->value);
    }
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "ORG o GROUP g");
    }
    wh_lc_claim("w", 2, "1 2");
    if (pause) {
        wh_ll_set(h->setting, h->value);
    }
    if (asked) { /* parked or set aside by now */
        wh_lc_claim("w", 10, "");
        wh_lc_audit();
    }
    is(3, "status", "pending");
    is(3, "reason", h->reason);
    is(3, "limit", h->setting);
    is(3, "of", h->value);
    is(3, "used", h->used);
    is(3, "until_ms", h->until_ms);
    is(3, "org_active", "2");
    is(3, "org_ready", "1");
    is(3, "holders", "o 2");
    wh_ll_set(h->setting, "");
    is(3, "reason", "ready");
}

static void every_setting_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof holdings / sizeof holdings[0]; i++) {
        check_holding(&holdings[i], false);
        check_holding(&holdings[i], true);
    }
}

static void an_open_breaker(void **state)
{
    (void)state;
    start();
    wh_ll_set("breaker:type/*", "50/1/10000/5000/1");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "dead", 0, "timeout");
    wh_lc_advance(1000);
    is(2, "reason", "breaker_open");
    is(2, "limit", "breaker:type/*");
    is(2, "until_ms", "4000");
}

static void an_adaptive_rate(void **state)
{
    (void)state;
    start();
    wh_ll_set("adaptive:type/mail", "0.1/0.1/1");
    wh_ll_put(1, "mail", "");
    wh_ll_put(2, "mail", "");
    wh_lc_claim("w", 10, "1");
    is(2, "reason", "type_rate");
    is(2, "limit", "adaptive:type/mail");
    is(2, "until_ms", "10000");
}

static void a_paused_queue_and_no_worker(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    is(1, "reason", "no_worker");
    is(1, "workers", "0");
    wh_lc_worker("w");
    is(1, "reason", "ready");
    wh_lc_advance(30001);
    is(1, "reason", "workers_lost");
    is(1, "workers_lost", "1");
    wh_lc_ok("wh1_recover", "10");
    is(1, "reason", "no_worker");
    is(1, "workers_lost", "0");
    wh_lc_text("OK", "wh1_pause", "");
    is(1, "reason", "queue_paused");
    wh_lc_text("OK", "wh1_resume", "");
    is(1, "reason", "no_worker");
}

static void says(const char *worker, const char *info)
{
    wh_lc_ok("wh1_heartbeat", "%s 3600000 new %s", worker, info);
}

/* Job 1 is of type mail; w and v are the workers. */
static void no_handler_of_the_type(void **state)
{
    static const char *const can[] = {"{\"types\":[\"sms\",\"mail\"]}",
                                      "{\"types\":[\"*\"]}",
                                      "{\"slots\":4}",
                                      "{\"types\":[\"sms\"],\"types_cut\":true}",
                                      "[1]",
                                      "no JSON",
                                      "{\"types\":7}"};
    static const char *const can_not[] = {"{\"types\":[\"sms\",\"mails\"]}",
                                          "{\"types\":[]}", "{\"types\":[1,null]}"};

    (void)state;
    wh_ll_put(1, "mail", "");
    for (size_t i = 0; i < sizeof can / sizeof can[0]; i++) {
        says("w", can[i]);
        is(1, "reason", "ready");
        is(1, "workers_able", "1");
    }
    for (size_t i = 0; i < sizeof can_not / sizeof can_not[0]; i++) {
        says("w", can_not[i]);
        is(1, "reason", "no_handler");
        is(1, "workers_able", "0");
        is(1, "workers", "1");
    }
    says("v", "{\"types\":[\"mail\"]}");
    is(1, "reason", "ready");
    is(1, "workers_able", "1");
    is(1, "workers", "2");
    wh_lc_text("OK", "wh1_quiet", "v"); /* the one that could */
    is(1, "reason", "no_handler");
    /* A limit that holds it comes first. */
    wh_ll_set("pause:type/mail", "1");
    is(1, "reason", "type_paused");
}

static void quiet_workers(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    says("w", "{\"state\":\"running\"}");
    says("v", "{\"state\":\"draining\"}");
    is(1, "reason", "ready");
    is(1, "workers_quiet", "1");
    wh_lc_text("OK", "wh1_quiet", "w"); /* it has not heard of it yet */
    is(1, "reason", "workers_quiet");
    is(1, "workers_quiet", "2");
    says("x", "{\"state\":\"starting\"}");
    is(1, "reason", "ready");
}

static void workers_that_hold_back(void **state)
{
    (void)state;
    wh_ll_put(1, "mail", "");
    says("w", "{\"state\":\"running\",\"backpressure\":\"memory\"}");
    is(1, "reason", "backpressure");
    is(1, "pressure", "memory");
    says("v", "{\"state\":\"quiet\",\"slots\":9}");
    is(1, "reason", "backpressure");
    is(1, "slots", "0");
    says("v", "{\"state\":\"running\",\"slots\":9}");
    is(1, "reason", "ready");
    is(1, "workers_pressed", "1");
    says("v", "{\"backpressure\":\"busy\"}");
    is(1, "reason", "backpressure");
    is(1, "workers_pressed", "2");
}

static void all_slots_in_use(void **state)
{
    (void)state;
    says("w", "{\"slots\":2}");
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 1, "1");
    is(3, "reason", "ready");
    is(3, "slots", "2");
    is(3, "slots_used", "1");
    wh_lc_claim("w", 1, "2");
    is(3, "reason", "no_slot");
    is(3, "slots_used", "2");
    is(3, "holders", "default 2");
    says("v", "{\"slots\":5,\"backpressure\":\"busy\"}");
    is(3, "reason", "no_slot");
    says("v", "{\"slots\":5}");
    is(3, "reason", "ready");
}

/* Who has no handler claims it all the same: the job waits between its attempts. */
static void retries(void **state)
{
    (void)state;
    says("w", "{\"types\":[\"sms\"]}");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "retry", 4000, "no_handler");
    is(1, "status", "scheduled");
    is(1, "reason", "no_handler");
    is(1, "until_ms", "4000");
    is(1, "attempts", "1");
    says("w", "{\"types\":[\"mail\"]}");
    is(1, "reason", "retry");
    is(1, "error_category", "no_handler");
    wh_ll_put(2, "mail", "");
    wh_lc_claim("w", 1, "2");
    wh_ll_end("w", 2, 1, "retry", 4000, "timeout");
    says("w", "{\"types\":[\"sms\"]}");
    is(2, "reason", "retry");
    is(2, "error_category", "timeout");
    wh_ll_put(3, "mail", "");
    wh_lc_claim("w", 1, "3");
    wh_ll_end("w", 3, 1, "snooze", 4000, NULL);
    is(3, "reason", "delayed");
}

/* The first that holds it, from the queue to the group. */
static void the_outermost_comes_first(void **state)
{
    static const char *const order[][2] = {{"active:queue", "queue_cap"},
                                           {"active:org/o", "org_cap"},
                                           {"active:type/mail", "type_cap"},
                                           {"active:group", "group_cap"}};

    (void)state;
    start();
    for (unsigned i = 0; i < 4; i++) {
        wh_ll_set(order[i][0], "1");
    }
    wh_ll_put(1, "mail", "ORG o GROUP g");
    wh_ll_put(2, "mail", "ORG o GROUP g");
    wh_lc_claim("w", 10, "1");
    for (unsigned i = 0; i < 4; i++) {
        is(2, "reason", order[i][1]);
        wh_ll_set(order[i][0], "");
    }
    is(2, "reason", "ready");
}

static void who_is_ahead_and_who_has_the_slots(void **state)
{
    (void)state;
    start();
    for (unsigned o = 0; o < 12; o++) {
        char org[8];
        struct wh_ll_jobs jobs = {
            .first = o * 1000, .count = 20, .type = "mail", .org = org};

        snprintf(org, sizeof org, "o%02u", o);
        wh_ll_fill(&jobs);
    }
    wh_lc_text("OK", "wh1_weight", "o03 2.5");
    is(3000 + 7, "ahead_org", "7");
    is(3000 + 7, "ahead_orgs", "3");
    is(3000 + 7, "org_weight", "2.5");
    is(4000, "org_weight", "1");
    wh_ll_put(99, "mail", "ORG o03 PRIORITY 9");
    is(3000 + 7, "ahead_org", "8");
    is(99, "ahead_org", "0");
    is(99, "org_ready", "21");
    is(99, "active", "0");
    is(99, "holders", "");
    struct wh_ll_claims c;
    wh_ll_take("w", 27, &c);
    assert_int_equal(c.n, 27);
    is(3000 + 19, "active", "27");
    /* ten at most, most jobs first, then by name */
    const char *holders = fact(3000 + 19, "holders");
    unsigned commas = 0;
    for (const char *p = holders; *p != '\0'; p++) {
        commas += *p == ',';
    }
    assert_int_equal(commas, 9);
    assert_memory_equal(holders, "o03 ", 4);
    wh_lc_advance(80);
    wh_ll_done("w", &c);
    is(3000 + 19, "active", "0");
    is(3000 + 19, "expected_ms", "80.00");
    wh_lc_audit();
}

static void estimates_a_wait(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    start();
    struct wh_ll_jobs jobs = {.first = 1, .count = 100, .type = "mail", .org = "o"};
    wh_ll_fill(&jobs);
    is(100, "wait_ms", ""); /* nothing is known yet */
    wh_ll_take("w", 4, &c);
    wh_lc_advance(100);
    wh_ll_done("w", &c);
    wh_ll_take("w", 4, &c);
    is(100, "ahead_org", "91");
    /* 92 jobs of 100 ms on 4 slots */
    is(100, "wait_ms", "2300");
    wh_ll_put(500, "mail", "ORG other");
    is(100, "wait_ms", "4600"); /* half of the time is another org's */
    wh_lc_text("OK", "wh1_weight", "o 3");
    is(100, "wait_ms", "3067");
    wh_lc_text("OK", "wh1_weight", "idle 1000");
    is(100, "wait_ms", "3067");
    wh_lc_advance(100);
    wh_ll_done("w", &c);
    says("w", "{\"slots\":8}");
    wh_lc_text("OK", "wh1_weight", "o 1");
    is(100, "wait_ms", "2300"); /* nobody runs: by the slots there are */
}

static void a_job_set_aside_or_by_deadline(void **state)
{
    (void)state;
    start();
    wh_lc_ok("wh1_configure", "order deadline");
    wh_ll_set("pause:type/mail", "1");
    wh_ll_put(1, "mail", "ORG o");
    wh_ll_put(2, "mail", "ORG o EXPIRES 500000");
    wh_ll_put(3, "sms", "ORG o EXPIRES 9000");
    wh_ll_put(4, "sms", "ORG o EXPIRES 5000");
    is(3, "ahead_org", "1");
    is(4, "ahead_org", "0");
    wh_lc_advance(1);
    wh_ll_put(5, "mail", "ORG o");
    wh_lc_claim("w", 10, "4 3");
    wh_ll_put(6, "sms", "ORG o");
    is(5, "ahead_org", "2"); /* of those set aside; job 6 is not before it */
    is(1, "reason", "type_paused");
    is(1, "org_ready", "4");
    is(2, "reason", "type_paused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(ready_and_delayed),
        WH_LC_TEST(jobs_that_do_not_wait),
        WH_LC_TEST(every_setting_is_named),
        WH_LC_TEST(an_open_breaker),
        WH_LC_TEST(an_adaptive_rate),
        WH_LC_TEST(a_paused_queue_and_no_worker),
        WH_LC_TEST(no_handler_of_the_type),
        WH_LC_TEST(quiet_workers),
        WH_LC_TEST(workers_that_hold_back),
        WH_LC_TEST(all_slots_in_use),
        WH_LC_TEST(retries),
        WH_LC_TEST(the_outermost_comes_first),
        WH_LC_TEST(who_is_ahead_and_who_has_the_slots),
        WH_LC_TEST(estimates_a_wait),
        WH_LC_TEST(a_job_set_aside_or_by_deadline),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
