/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circuit breakers and adaptive rates of types: when one opens, what runs meanwhile, probes,
 * and that waiting behind an open one uses no attempt.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 50 % of 10 within 10 s; 5 s open; 2 probes. */
#define RULE "50/10/10000/5000/2"

static unsigned next_job;

static void start(const char *scope, const char *rule)
{
    next_job = 1;
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
    wh_ll_set(scope, rule);
}

/* Runs one fresh job of a type. */
static void run(const char *type, const char *outcome, const char *category)
{
    struct wh_ll_claims c;

    wh_ll_put(next_job++, type, "");
    wh_ll_take("w", 1, &c);
    assert_int_equal(c.n, 1);
    if (strcmp(outcome, "ok") == 0) {
        wh_ll_done("w", &c);
    } else {
        wh_ll_end("w", c.id[0], c.fence[0], outcome, 0, category);
    }
}

static void run_many(unsigned n, const char *outcome, const char *category)
{
    for (unsigned i = 0; i < n; i++) {
        run("mail", outcome, category);
    }
}

/* want NULL: it is not listed. */
static void state_is(const char *type, const char *want)
{
    char field[64];
    redisReply *r = wh_lc_call("wh1_limits", "");

    snprintf(field, sizeof field, "state:type/%s", type);
    const redisReply *v = wh_lc_find(r, field);
    const char *is = v != NULL ? v->str : "absent";
    want = want != NULL ? want : "absent";
    if (strcmp(is, want) != 0) {
        fail_msg("%s is %s, should be %s", field, is, want);
    }
    freeReplyObject(r);
}

static void open_it(void)
{
    run_many(10, "dead", "timeout");
    state_is("mail", "open 5000");
}

/* An open one, and n jobs behind it: 100 and up. */
static void open_with(unsigned n)
{
    start("breaker:type/mail", RULE);
    open_it();
    for (unsigned i = 0; i < n; i++) {
        wh_ll_put(100 + i, "mail", "");
    }
    wh_lc_claim("w", 100, "");
}

static void opens_at_its_rate_and_volume(void **state)
{
    (void)state;
    start("breaker:type/mail", RULE);
    state_is("mail", "closed");
    run_many(9, "dead", "timeout");
    state_is("mail", "closed"); /* too few */
    run_many(1, "ok", "");
    state_is("mail", "open 5000");
    wh_ll_put(100, "mail", "");
    wh_lc_claim("w", 10, "");
    wh_lc_audit();
}

static void stays_closed_below_its_rate(void **state)
{
    (void)state;
    start("breaker:type/mail", RULE);
    for (unsigned i = 0; i < 30; i++) {
        run_many(2, "ok", "");
        run_many(1, "dead", "timeout");
    }
    state_is("mail", "closed");
}

/* Only what tells of the target's health counts as failure. */
static void only_some_categories_count(void **state)
{
    static const char *const good[] = {"not_found", "invalid", "permission",
                                       "unsupported", "no_handler"};
    static const char *const bad[] = {"timeout",     "connection", "rate_limited",
                                      "unavailable", "crash",      "error"};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        wh_lc_reset(NULL);
        start("breaker:type/mail", RULE);
        run_many(20, "dead", good[i]);
        state_is("mail", "closed");
    }
    for (unsigned i = 0; i < 6; i++) {
        wh_lc_reset(NULL);
        start("breaker:type/mail", RULE);
        run_many(10, "dead", bad[i]);
        state_is("mail", "open 5000");
    }
    wh_lc_reset(NULL);
    start("breaker:type/mail", RULE);
    run_many(5, "ok", "");
    run_many(5, "retry", "timeout");
    state_is("mail", "open 5000");
}

/* Snoozed, released and cancelled jobs tell nothing. */
static void what_counts_not_at_all(void **state)
{
    (void)state;
    start("breaker:type/mail", RULE);
    run_many(9, "dead", "timeout");
    run_many(3, "cancelled", NULL);
    run_many(3, "expired", NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct wh_ll_claims c;

        wh_ll_put(next_job++, "mail", "");
        wh_ll_take("w", 1, &c);
        wh_ll_end("w", c.id[0], c.fence[0], "snooze", 900000, "timeout");
    }
    state_is("mail", "closed");
    wh_lc_audit();
}

static void old_failures_are_forgotten(void **state)
{
    (void)state;
    start("breaker:type/mail", RULE);
    run_many(9, "dead", "timeout");
    wh_lc_advance(20000);
    run_many(9, "dead", "timeout");
    state_is("mail", "closed");
    wh_lc_advance(14000); /* 60 % of them still count */
    run_many(4, "dead", "timeout");
    state_is("mail", "closed");
    run_many(1, "dead", "timeout");
    state_is("mail", "open 5000");
}

static void jobs_wait_unharmed(void **state)
{
    (void)state;
    open_with(20);
    wh_ll_put(200, "sms", "");
    wh_lc_claim("w", 100, "200"); /* other types go on */
    for (unsigned i = 0; i < 49; i++) {
        wh_lc_advance(100);
        wh_lc_claim("w", 100, "");
    }
    wh_lc_field(100, "attempts", "0");
    wh_lc_field(100, "fence", "0");
    wh_lc_audit();
}

static void probes_close_it(void **state)
{
    (void)state;
    open_with(20);
    wh_lc_advance(4999);
    wh_lc_claim("w", 100, "");
    wh_lc_advance(1);
    wh_lc_claim("w", 100, "100 101"); /* two probes and no more */
    state_is("mail", "half_open");
    wh_lc_advance(100);
    wh_lc_claim("w", 100, "");
    wh_lc_done("w", 100, 1, true);
    state_is("mail", "half_open");
    wh_lc_claim("w", 100, "");
    wh_lc_done("w", 101, 1, true);
    state_is("mail", "closed");
    assert_int_equal(wh_ll_take_count("w", 100), 18);
    wh_lc_audit();
    run_many(9, "dead", "timeout"); /* begins anew */
    state_is("mail", "closed");
}

static void one_bad_probe_opens_it_again(void **state)
{
    (void)state;
    open_with(5);
    wh_lc_advance(5000);
    wh_lc_claim("w", 100, "100 101");
    wh_lc_advance(10);
    wh_ll_end("w", 100, 1, "retry", 0, "unavailable");
    state_is("mail", "open 5000");
    wh_lc_done("w", 101, 1, true); /* too late to matter */
    state_is("mail", "open 5000");
    wh_lc_claim("w", 100, "");
    wh_lc_advance(5000);
    assert_int_equal(wh_ll_take_count("w", 100), 2);
    wh_lc_audit();
}

/* The probes' worker is lost: nobody ever hears of them. */
static void lost_probes_are_sent_again(void **state)
{
    (void)state;
    open_with(5);
    wh_lc_worker("lost");
    wh_lc_advance(5000);
    wh_lc_claim("lost", 100, "100 101");
    wh_lc_advance(25001); /* the lease ends */
    struct wh_ll_claims c;
    wh_ll_take("w", 100, &c);
    assert_int_equal(c.n, 2);
    state_is("mail", "half_open");
    wh_ll_done("w", &c);
    state_is("mail", "closed");
    wh_lc_audit();
    assert_int_equal(wh_ll_take_count("w", 100), 3);
}

/* Released probes leave their places to the next ones at once. */
static void released_probes_are_sent_again(void **state)
{
    (void)state;
    open_with(2);
    wh_lc_advance(5000);
    wh_lc_claim("w", 100, "100 101");
    wh_ll_end("w", 100, 1, "release", 0, NULL);
    wh_ll_end("w", 101, 1, "release", 0, NULL);
    assert_int_equal(wh_ll_take_count("w", 100), 2);
    state_is("mail", "half_open");
    wh_lc_audit();
}

static void every_type_has_its_own(void **state)
{
    (void)state;
    start("breaker:type/*", RULE);
    wh_ll_set("breaker:type/sms", "100/3/10000/1000/1");
    open_it();
    run("sms", "dead", "timeout");
    run("sms", "dead", "timeout");
    state_is("sms", "closed");
    run("sms", "dead", "timeout");
    state_is("sms", "open 1000");
    run("push", "ok", "");
    state_is("push",
             NULL); /* closed: only types with a breaker of their own are listed */
    wh_lc_audit();
}

static void removal_lets_everything_go(void **state)
{
    (void)state;
    open_with(10);
    wh_ll_set("breaker:type/mail", "");
    assert_int_equal(wh_ll_take_count("w", 100), 10);
    wh_lc_audit();
}

static void leaves_an_event(void **state)
{
    (void)state;
    start("breaker:type/mail", RULE);
    open_it();
    redisReply *r = wh_lc_cmd("XREVRANGE " WH_LC_P ":events + -");
    bool found = false;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *fields = r->element[i]->element[1];

        if (strcmp(wh_lc_find(fields, "event")->str, "breaker") == 0) {
            assert_string_equal(wh_lc_find(fields, "type")->str, "mail");
            assert_string_equal(wh_lc_find(fields, "state")->str, "open");
            found = true;
        }
    }
    freeReplyObject(r);
    assert_true(found);
}

/* ------------------------------------------------------------- adaptive */

static double rate_of(const char *type)
{
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":breaker:%s rate", type);
    double rate = r->type == REDIS_REPLY_STRING ? strtod(r->str, NULL) : -1;

    freeReplyObject(r);
    return rate;
}

static void fill(unsigned first, unsigned count)
{
    struct wh_ll_jobs jobs = {
        .first = first, .count = count, .type = "mail", .org = "o"};

    wh_ll_fill(&jobs);
}

/* Claims every 50 ms for so many ms, completes what it got; returns how many. */
static unsigned flow(unsigned ms)
{
    unsigned sum = 0;

    for (unsigned at = 0; at < ms; at += 50) {
        struct wh_ll_claims c;

        wh_ll_take("w", 100, &c);
        sum += c.n;
        wh_lc_advance(50);
        if (c.n > 0) {
            wh_ll_done("w", &c);
        }
    }
    return sum;
}

static void overload_once(const char *category)
{
    struct wh_ll_claims c;

    do {
        wh_lc_advance(50);
        wh_ll_take("w", 1, &c);
    } while (c.n == 0);
    wh_ll_end("w", c.id[0], c.fence[0], "dead", 0, category);
}

static void the_rate_halves_and_grows(void **state)
{
    (void)state;
    start("adaptive:type/mail", "2/40/4");
    fill(1, 5000);
    assert_in_range(flow(5000), 190, 210); /* begins at its highest */
    overload_once("rate_limited");
    assert_in_range((long long)(rate_of("mail") * 10), 199, 201);
    overload_once("unavailable"); /* once a second at most */
    assert_in_range((long long)(rate_of("mail") * 10), 199, 205);
    wh_lc_advance(1000);
    overload_once("rate_limited");
    assert_in_range((long long)(rate_of("mail") * 10), 99, 110);
    unsigned slow = flow(1000);
    assert_in_range(slow, 9, 16);
    flow(4000); /* 4 more each second */
    assert_in_range((long long)rate_of("mail"), 26, 32);
    flow(8000);
    assert_in_range((long long)(rate_of("mail") * 10), 399, 401); /* no more than max */
    for (unsigned i = 0; i < 10; i++) {
        overload_once("rate_limited");
        wh_lc_advance(1000);
    }
    assert_in_range((long long)(rate_of("mail") * 10), 20, 21); /* nor less than min */
    wh_lc_audit();
}

static void other_failures_do_not_slow_down(void **state)
{
    (void)state;
    start("adaptive:type/mail", "2/40/4");
    fill(1, 500);
    overload_once("timeout");
    overload_once("error");
    assert_in_range((long long)(rate_of("mail") * 10), 399, 401);
}

/* Retry-After: nothing of the type for as long as the target asked. */
static void retry_after_is_honoured(void **state)
{
    static const char *const outcome[] = {"retry", "snooze"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct wh_ll_claims c;

        wh_lc_reset(NULL);
        start("adaptive:type/mail", "1/1000/10");
        fill(1, 100);
        wh_ll_take("w", 1, &c);
        wh_ll_end("w", c.id[0], c.fence[0], outcome[i], 7000, "rate_limited");
        for (unsigned ms = 0; ms < 7000; ms += 100) {
            assert_int_equal(wh_ll_take_count("w", 10), 0);
            wh_lc_advance(100);
        }
        assert_in_range(flow(100), 1, 100);
        wh_lc_audit();
    }
}

/* The delay of any other retry is that job's own. */
static void other_delays_hold_one_job_only(void **state)
{
    static const char *const category[] = {"unavailable", "timeout"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct wh_ll_claims c;

        wh_lc_reset(NULL);
        start("adaptive:type/mail", "1/1000/10");
        fill(1, 100);
        wh_ll_take("w", 1, &c);
        wh_ll_end("w", c.id[0], c.fence[0], "retry", 7000, category[i]);
        assert_in_range(flow(200), 1, 100);
    }
}

static void the_rate_waits_for_its_time(void **state)
{
    struct wh_ll_claims c;

    (void)state;
    start("adaptive:type/mail", "0.5/0.5/1");
    fill(1, 10);
    wh_ll_take("w", 5, &c);
    assert_int_equal(c.n, 1);
    wh_ll_take("w", 5, &c);
    assert_int_equal(c.n, 0);
    assert_in_range(c.next_due, 1, 2000);
    wh_lc_advance(c.next_due);
    assert_int_equal(wh_ll_take_count("w", 5), 1);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(opens_at_its_rate_and_volume),
        WH_LC_TEST(stays_closed_below_its_rate),
        WH_LC_TEST(only_some_categories_count),
        WH_LC_TEST(what_counts_not_at_all),
        WH_LC_TEST(old_failures_are_forgotten),
        WH_LC_TEST(jobs_wait_unharmed),
        WH_LC_TEST(probes_close_it),
        WH_LC_TEST(one_bad_probe_opens_it_again),
        WH_LC_TEST(lost_probes_are_sent_again),
        WH_LC_TEST(released_probes_are_sent_again),
        WH_LC_TEST(every_type_has_its_own),
        WH_LC_TEST(removal_lets_everything_go),
        WH_LC_TEST(leaves_an_event),
        WH_LC_TEST(the_rate_halves_and_grows),
        WH_LC_TEST(other_failures_do_not_slow_down),
        WH_LC_TEST(retry_after_is_honoured),
        WH_LC_TEST(other_delays_hold_one_job_only),
        WH_LC_TEST(the_rate_waits_for_its_time),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
