/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_usage: what waits by state, quotas by org, memory, workers. It writes nothing, and what it
 * costs does not grow with the jobs.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The reply, which changed nothing. */
static redisReply *usage(int rows)
{
    char before[41], after[41];

    wh_lc_digest(before);
    redisReply *r = wh_lc_call("wh1_usage", "%d", rows);
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("wh1_usage: %s", r->str);
    }
    wh_lc_digest(after);
    assert_string_equal(before, after);
    assert_int_equal(r->elements, 3);
    return r;
}

static void is(const char *name, const char *want)
{
    redisReply *r = usage(10);
    const redisReply *v = wh_lc_find(r->element[0], name);

    if (strcmp(v != NULL ? v->str : "", want) != 0) {
        fail_msg("%s is \"%s\", should be \"%s\"", name, v != NULL ? v->str : "", want);
    }
    freeReplyObject(r);
}

/* Row i of types (1) or orgs (2) as words. */
static void row_is(size_t list, size_t i, const char *want)
{
    char text[256] = "";
    redisReply *r = usage(10);
    const redisReply *rows = r->element[list];

    for (size_t f = 0; i < rows->elements && f < rows->element[i]->elements; f++) {
        const redisReply *v = rows->element[i]->element[f];
        size_t at = strlen(text);

        if (v->type == REDIS_REPLY_INTEGER) {
            snprintf(text + at, sizeof text - at, "%s%lld", f == 0 ? "" : " ",
                     v->integer);
        } else {
            snprintf(text + at, sizeof text - at, "%s%s", f == 0 ? "" : " ", v->str);
        }
    }
    freeReplyObject(r);
    assert_string_equal(text, want);
}

static void states(const char *ready, const char *delayed, const char *parked,
                   const char *set_aside)
{
    is("ready", ready);
    is("delayed", delayed);
    is("parked", parked);
    is("set_aside", set_aside);
}

static void nothing(void **state)
{
    (void)state;
    states("0", "0", "0", "0");
    is("jobs", "0");
    is("bytes", "0");
    is("jobs_max", "");
    is("memory_percent", "");
    is("workers", "0");
    is("backpressure", "");
    is("orgs_waiting", "0");
    row_is(1, 0, "");
    row_is(2, 0, "");
    assert_int_equal(wh_lc_count("DBSIZE"), 0);
    static const char *const bad[] = {"", "x", "-1", "1001", "1 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_usage", bad[i]);
    }
}

static void by_state(void **state)
{
    (void)state;
    wh_ll_set("active:org/full", "1");
    wh_ll_set("rate:type/mail", "1/10000/1");
    wh_lc_worker("w");
    for (unsigned n = 0; n < 3; n++) {
        wh_ll_put(10 + n, "sms", "ORG full");
        wh_ll_put(20 + n, "sms", "ORG full PRIORITY 9");
        wh_ll_put(30 + n, "mail", "ORG a");
        wh_ll_put(40 + n, "mail", "ORG b");
    }
    wh_ll_put(50, "sms", "ORG full DELAY 5000");
    states("12", "1", "0", "0");
    struct wh_ll_claims c;
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 2); /* one of full's, one mail */
    states("0", "1", "5", "5");
    is("parked_orgs", "1");
    is("parked_types", "1");
    is("parked_groups", "0");
    is("parked_queue", "0");
    row_is(1, 0, "mail 5 2 type_rate 10000");
    row_is(1, 1, "");
    wh_ll_set("pause:type/mail", "1");
    row_is(1, 0, "mail 5 2 type_paused -1");
    wh_ll_set("pause:type/mail", "");
    wh_ll_set("rate:type/mail", "");
    row_is(1, 0, "mail 5 2  -1"); /* it admits them again, and nobody claimed since */
    wh_lc_audit();
}

/* The type admits them, their org does not. */
static void what_an_org_of_them_is_held_by(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("rate:org/*/type/mail", "1/3600000/1");
    for (unsigned n = 1; n <= 4; n++) {
        wh_ll_put(n, "mail", "ORG a");
    }
    assert_int_equal(wh_ll_take_count("w", 10), 1);
    row_is(1, 0, "mail 3 0 org_type_rate 3600000");
    wh_ll_set("rate:org/*/type/mail", "");
    row_is(1, 0, "mail 3 0  -1");
    wh_ll_set("pause:org/a", "1");
    row_is(1, 0, "mail 3 0 org_paused -1");
}

static void groups_and_the_queue(void **state)
{
    (void)state;
    wh_ll_set("active:group", "1");
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "ORG a GROUP g");
        wh_ll_put(10 + n, "mail", "ORG a GROUP h");
    }
    struct wh_ll_claims c;
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 2);
    states("0", "0", "4", "0");
    is("parked_groups", "2");
    wh_ll_set("active:org/a", "2"); /* its groups are not counted twice */
    wh_ll_put(20, "mail", "ORG a GROUP i");
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 0);
    states("0", "0", "5", "0");
    wh_ll_set("active:org/a", "");
    wh_ll_set("active:queue", "2");
    wh_ll_put(30, "mail", "ORG b");
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 0);
    is("parked_queue", "1");
    states("0", "0", "6", "0"); /* all of them, whoever they are */
}

/* Ids of jobs that ended stand in lists and sets until a claim meets them: they wait for nothing. */
static void jobs_that_ended_do_not_wait(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_set("pause:type/mail", "1");
    wh_ll_set("pause:org/held", "1");
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 6; n++) {
        wh_ll_put(n, "mail", "ORG a EXPIRES 1000");
        wh_ll_put(10 + n, "sms", "ORG held");
    }
    wh_ll_put(7, "mail", "ORG a");
    wh_ll_put(20, "mail", "ORG b EXPIRES 1000");
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 0);
    states("0", "0", "6", "8");
    row_is(1, 0, "mail 8 2 type_paused -1");
    for (unsigned n = 12; n <= 16; n++) {
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(n));
    }
    wh_lc_advance(1000);
    assert_int_equal(wh_lc_nth(1, "wh1_expire", "100"), 7);
    wh_lc_stat("pending", 2);
    states("0", "0", "1", "1");
    row_is(1, 0, "mail 1 2 type_paused -1");
    is("orgs_waiting", "2");
    redisReply *r = wh_lc_call("wh1_orgs", "0 100");
    assert_int_equal(r->elements, 1 + 2 * 4); /* nothing of b's waits */
    assert_string_equal(r->element[1]->str, "a");
    assert_int_equal(r->element[2]->integer, 1);
    assert_string_equal(r->element[5]->str, "held");
    assert_int_equal(r->element[6]->integer, 1);
    freeReplyObject(r);
    wh_lc_ok("wh1_configure", "keep_count 0"); /* trimmed: tombstones */
    (void)wh_lc_nth(1, "wh1_trim", "1000");
    wh_lc_stat("kept", 0);
    wh_lc_stat("pending", 2);
    states("0", "0", "1", "1");
    wh_lc_audit();
}

/* Nothing that is told of an org is more than the jobs that it has, wherever the ended ones stand. */
static void no_more_than_there_are(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_set("pause:type/mail", "1");
    wh_ll_set("pause:type/fax", "1");
    wh_lc_worker("w");
    for (unsigned n = 0; n < 10; n++) {
        wh_ll_put(100 + n, "mail", "ORG a");
        wh_ll_put(200 + n, "fax", "ORG a GROUP g");
        wh_ll_put(300 + n, "fax", "ORG a GROUP h");
    }
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 0);
    states("0", "0", "0", "30");
    for (unsigned n = 0; n < 10; n++) {
        wh_ll_put(400 + n, "sms", "ORG a");
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(100 + n));
        wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(200 + n));
    }
    wh_lc_stat("pending", 20);
    redisReply *r = usage(10);
    long long ready = atoll(wh_lc_find(r->element[0], "ready")->str);
    long long aside = atoll(wh_lc_find(r->element[0], "set_aside")->str);
    assert_int_equal(ready + aside, 20);
    assert_in_range(aside, 10, 20);
    long long sum = 0;
    for (size_t i = 0; i < r->element[1]->elements; i++) {
        sum += r->element[1]->element[i]->element[1]->integer;
    }
    assert_int_equal(sum, aside);
    freeReplyObject(r);
}

/* A group that keeps its order waits for the type of its first job. */
static void groups_that_wait_for_a_type(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_set("active:group", "1");
    wh_ll_set("pause:type/mail", "1");
    wh_lc_worker("w");
    for (unsigned n = 0; n < 3; n++) {
        wh_ll_put(1 + n, "mail", "ORG a GROUP g");
        wh_ll_put(11 + n, "mail", "ORG a GROUP h");
        wh_ll_put(21 + n, "mail", "ORG a");
    }
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 0);
    states("0", "0", "0", "9");
    row_is(1, 0, "mail 9 1 type_paused -1");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(3));
    wh_ll_take("w", 100, &c); /* its group was looked at again */
    states("0", "0", "0", "8");
    wh_ll_set("pause:org/a", "1"); /* of an org that is held too they count once */
    wh_ll_put(31, "sms", "ORG a");
    wh_ll_take("w", 100, &c);
    states("0", "0", "1", "8");
    wh_lc_audit();
}

static void quotas(void **state)
{
    (void)state;
    wh_ll_set("jobs:org/*", "10");
    wh_ll_set("jobs:org/big", "1000");
    wh_ll_set("bytes:org/heavy", "1000");
    wh_ll_set("jobs:queue", "500");
    wh_ll_set("bytes:queue", "100000");
    struct wh_ll_jobs jobs = {.first = 100, .count = 50, .type = "mail", .org = "big"};
    wh_ll_fill(&jobs);
    for (unsigned n = 1; n <= 3; n++) {
        wh_ll_put(n, "mail", "ORG a");
    }
    wh_ll_put(4, "mail", "ORG b");
    wh_ll_put(5, "mail", "ORG heavy DELAY 1000");
    is("jobs", "55");
    is("jobs_max", "500");
    is("bytes_max", "100000");
    is("orgs_waiting", "4");
    is("orgs_seen", "4");
    redisReply *r = usage(2);
    assert_int_equal(r->element[2]->elements, 2);
    const redisReply *first = r->element[2]->element[0];
    assert_string_equal(first->element[0]->str, "a");
    assert_string_equal(r->element[2]->element[1]->element[0]->str, "b");
    assert_int_equal(first->element[5]->integer, 30);
    freeReplyObject(r);
    wh_ll_set("bytes:org/heavy", "30");
    r = usage(1);
    first = r->element[2]->element[0];
    assert_string_equal(first->element[0]->str, "heavy"); /* by its bytes */
    assert_int_equal(first->element[1]->integer, 1);
    assert_int_equal(first->element[3]->integer, 10);
    assert_int_equal(first->element[4]->integer, 30);
    assert_int_equal(first->element[5]->integer,
                     (first->element[2]->integer * 100 + 15) / 30);
    freeReplyObject(r);
    wh_ll_set("jobs:org/*", "");
    wh_ll_set("jobs:org/big", "");
    wh_ll_set("bytes:org/heavy", "");
    r = usage(10); /* without quotas: who has most jobs */
    assert_string_equal(r->element[2]->element[0]->element[0]->str, "big");
    assert_string_equal(r->element[2]->element[1]->element[0]->str, "a");
    assert_int_equal(r->element[2]->element[0]->element[3]->integer, 0);
    freeReplyObject(r);
    wh_lc_audit();
}

static void memory(void **state)
{
    (void)state;
    wh_ll_set("memory:queue", "80");
    is("memory_max", "80");
    is("memory_percent", "");
    freeReplyObject(wh_lc_cmd("CONFIG SET maxmemory 1000000000"));
    wh_lc_advance(5000); /* INFO is asked once a second */
    redisReply *r = usage(0);
    const redisReply *v = wh_lc_find(r->element[0], "memory_percent");
    assert_non_null(v);
    assert_true(strtod(v->str, NULL) > 0.05 && strtod(v->str, NULL) < 50);
    freeReplyObject(r);
    freeReplyObject(wh_lc_cmd("CONFIG SET maxmemory 0"));
    wh_lc_advance(5000);
    is("memory_percent", "");
}

static void says(const char *worker, const char *lease, const char *info)
{
    wh_lc_ok("wh1_heartbeat", "%s %s new %s", worker, lease, info);
}

/* The gauge is the mean of those that claim. */
static void workers(void **state)
{
    (void)state;
    says("w", "3600000", "{\"state\":\"running\",\"slots\":4}");
    is("backpressure", "0.00");
    is("pressure", "");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 10, "1");
    is("backpressure", "0.25");
    is("slots", "4");
    is("slots_used", "1");
    says("v", "3600000",
         "{\"state\":\"running\",\"slots\":8,\"backpressure\":\"busy\"}");
    is("backpressure", "0.62");
    is("pressure", "busy");
    is("workers_pressed", "1");
    says("q", "3600000", "{\"state\":\"quiet\",\"slots\":8}");
    says("x", "1000", "{\"state\":\"running\",\"slots\":8}");
    wh_lc_advance(2000);
    is("workers", "3");
    is("workers_quiet", "1");
    is("workers_lost", "1");
    is("backpressure", "0.62");
    is("slots", "12");
    says("w", "3600000", "{\"state\":\"running\",\"slots\":1}");
    says("v", "3600000", "{\"state\":\"quiet\"}");
    is("workers_full", "1");
    is("backpressure", "1.00");
    is("pressure", "slots");
    says("w", "3600000", "{\"state\":\"draining\",\"slots\":1}");
    is("backpressure", "1.00"); /* nobody claims any more */
    is("pressure", "quiet");
    says("v", "3600000", "{\"state\":\"stopping\"}");
    says("q", "3600000", "{\"state\":\"draining\"}");
    is("pressure", "draining");
    is("workers_quiet", "3");
    says("v", "3600000",
         "{\"state\":\"running\",\"slots\":1,\"backpressure\":\"capacity\"}");
    is("backpressure", "1.00");
    is("pressure", "capacity");
    says("v", "3600000", "{\"state\":\"running\",\"slots\":1}");
    is("backpressure", "0.00"); /* who does not say it holds nobody back */
    is("pressure", "");
}

/* 10,000 jobs cost no more commands than 10. */
static void costs_no_more_with_more_jobs(void **state)
{
    long long calls[2];

    (void)state;
    wh_ll_set("pause:type/mail", "1");
    wh_ll_set("jobs:queue", "1000000");
    wh_lc_worker("w");
    for (unsigned i = 0; i < 2; i++) {
        struct wh_ll_jobs jobs = {.first = 1 + i * 10,
                                  .count = i == 0 ? 10 : 10000,
                                  .type = "mail",
                                  .org = "a"};
        wh_ll_fill(&jobs);
        wh_ll_take_count("w", 10);
        wh_ll_reset_calls();
        freeReplyObject(wh_lc_call("wh1_usage", "10"));
        calls[i] = wh_ll_calls(NULL);
    }
    assert_true(calls[0] < 40);
    assert_int_equal(calls[1], calls[0]);
}

/* Open until a time that is known; half open until its probes end. */
static void a_breaker_and_its_probes(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_set("breaker:type/mail", "50/1/10000/5000/2");
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 5; n++) {
        wh_ll_put(n, "mail", "");
    }
    wh_lc_claim("w", 1, "1");
    wh_ll_end("w", 1, 1, "dead", 0, "timeout");
    wh_ll_take("w", 10, &c);
    assert_int_equal(c.n, 0);
    row_is(1, 0, "mail 4 1 breaker_open 5000");
    wh_lc_advance(5000);
    wh_ll_take("w", 10, &c);
    assert_int_equal(c.n, 2);
    row_is(1, 0, "mail 2 1 breaker_open -1");
    wh_ll_set("breaker:type/mail", "50/1/10000/5000/1");
    wh_ll_end("w", c.id[0], 1, "dead", 0, "timeout");
    row_is(1, 0, "mail 2 1 breaker_open 5000");
    wh_lc_advance(5000); /* the other one has the only place */
    row_is(1, 0, "mail 2 1 breaker_open -1");
}

/* Jobs of a library that did not count: what P:queued says since is no figure of the queue. */
static void what_nobody_counted_is_not_told(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    wh_ll_set("jobs:queue", "100");
    for (unsigned n = 1; n <= 5; n++) {
        wh_ll_put(n, "mail", "ORG a");
    }
    is("jobs", "5");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":queued"));
    freeReplyObject(wh_lc_cmd("HDEL " WH_LC_P ":ctl counted"));
    wh_ll_put(6, "mail", "ORG b");
    wh_ll_put(7, "mail", "ORG b DELAY 5000");
    states("6", "1", "0", "0");
    is("jobs", "");
    is("bytes", "");
    is("jobs_max", "100");
    is("orgs_waiting", "");
    is("orgs_seen", "");
    row_is(2, 0, "");
    wh_lc_text("cancelled", "wh1_cancel", "%s", wh_lc_id(7));
    wh_lc_worker("w");
    wh_ll_take("w", 10, &c);
    assert_int_equal(c.n, 6);
    is("jobs", "0"); /* nothing waits: nobody is forgotten */
    wh_ll_done("w", &c);
    wh_ll_put(8, "mail", "ORG b");
    is("jobs", "1");
    row_is(2, 0, "b 1 20 0 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(nothing),
        WH_LC_TEST(by_state),
        WH_LC_TEST(what_an_org_of_them_is_held_by),
        WH_LC_TEST(groups_and_the_queue),
        WH_LC_TEST(jobs_that_ended_do_not_wait),
        WH_LC_TEST(no_more_than_there_are),
        WH_LC_TEST(groups_that_wait_for_a_type),
        WH_LC_TEST(a_breaker_and_its_probes),
        WH_LC_TEST(what_nobody_counted_is_not_told),
        WH_LC_TEST(quotas),
        WH_LC_TEST(memory),
        WH_LC_TEST(workers),
        WH_LC_TEST(costs_no_more_with_more_jobs),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
