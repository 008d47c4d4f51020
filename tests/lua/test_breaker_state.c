/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a breaker takes for news: only claims made since its state last changed. And how long
 * states are kept, which ones wh1_limits lists, how long a whole type may be told to wait.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 50 % of 4 within 30 s; 500 ms open; 3 probes. */
#define RULE "50/4/30000/500/3"

/* What wh1_limits says of a field; good until the next call. */
static const char *limits_say(const char *field)
{
    static char text[64];
    redisReply *r = wh_lc_call("wh1_limits", "");
    const redisReply *v = wh_lc_find(r, field);

    snprintf(text, sizeof text, "%s", v != NULL ? v->str : "absent");
    freeReplyObject(r);
    return text;
}

static void state_is(const char *want)
{
    assert_string_equal(limits_say("state:type/mail"), want);
}

static void start(const char *setting, const char *value)
{
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
    wh_ll_set(setting, value);
}

/* Jobs 1 to 40; 1 to 10 run, 1 to 4 of them failed; half open with the probes 11 to 13. */
static void half_open(void)
{
    struct wh_ll_jobs jobs = {.first = 1, .count = 40, .type = "mail", .org = "o"};

    start("breaker:type/mail", RULE);
    wh_ll_fill(&jobs);
    wh_lc_claim("w", 10, "1 2 3 4 5 6 7 8 9 10");
    for (unsigned n = 1; n <= 4; n++) {
        wh_ll_end("w", n, 1, "dead", 0, "timeout");
    }
    state_is("open 500");
    wh_lc_advance(600);
    wh_lc_claim("w", 10, "11 12 13");
    state_is("half_open");
}

static void jobs_claimed_before_are_no_probes(void **state)
{
    (void)state;
    half_open();
    for (unsigned n = 5; n <= 7; n++) {
        wh_lc_done("w", n, 1, true);
    }
    state_is("half_open");
    wh_lc_claim("w", 10, "");
    wh_ll_end("w", 8, 1, "dead", 0,
              "timeout"); /* nor does it say that it is bad still */
    state_is("half_open");
    wh_lc_done("w", 11, 1, true);
    wh_lc_done("w", 9, 1, true);
    wh_lc_done("w", 12, 1, true);
    state_is("half_open");
    wh_lc_done("w", 13, 1, true);
    state_is("closed");
    wh_lc_audit();
}

/* In one call with the probes, too; and once it is closed. */
static void jobs_claimed_before_do_not_open_it_again(void **state)
{
    struct wh_ll_claims probes = {.n = 3, .id = {11, 12, 13}, .fence = {1, 1, 1}};

    (void)state;
    half_open();
    wh_lc_advance(1);
    wh_ll_done("w", &probes);
    state_is("closed");
    for (unsigned n = 5; n <= 10; n++) {
        wh_ll_end("w", n, 1, "retry", 60000, "timeout");
    }
    state_is("closed");
    wh_lc_claim("w", 4, "14 15 16 17"); /* new ones do */
    for (unsigned n = 14; n <= 17; n++) {
        wh_ll_end("w", n, 1, "dead", 0, "timeout");
    }
    state_is("open 500");
    wh_lc_audit();
}

static void a_bad_probe_among_old_ones_counts(void **state)
{
    (void)state;
    half_open();
    wh_lc_done("w", 5, 1, true);
    wh_ll_end("w", 12, 1, "retry", 0, "timeout");
    state_is("open 500");
    wh_lc_audit();
}

/* Also by more than the state is old: who tries is heard. */
static void the_clock_may_be_set_back(void **state)
{
    (void)state;
    half_open();
    wh_ll_end("w", 11, 1, "dead", 0, "no_handler");
    wh_lc_advance(-60000);
    wh_lc_claim("w", 10, "14");
    for (unsigned n = 12; n <= 14; n++) {
        wh_lc_done("w", n, 1, true);
    }
    state_is("closed");
    wh_lc_audit();
}

/* ---------------------------------------------------- how long it is kept */

static long long time_left(const char *type)
{
    return wh_lc_count("PTTL " WH_LC_P ":breaker:%s", type);
}

static void run_one(unsigned n, const char *type, const char *outcome)
{
    wh_ll_put(n, type, "");
    assert_int_equal(wh_ll_take_count("w", 1), 1);
    wh_ll_end("w", n, 1, outcome, 0, "timeout");
}

static void states_end_with_what_they_say(void **state)
{
    (void)state;
    start("breaker:type/*", RULE);
    run_one(1, "mail", "ok");
    assert_in_range(time_left("mail"), 60500,
                    60500 + 60000); /* two windows, a minute */
    for (unsigned n = 2; n < 6; n++) {
        run_one(n, "sms", "dead");
    }
    assert_in_range(time_left("sms"), 3600000, 3600500 + 60000); /* an hour */
    wh_ll_set("adaptive:type/pdf", "1/10/1");
    run_one(6, "pdf", "ok");
    assert_in_range(time_left("pdf"), 86000000, 86400000);
}

/* Seven days, the longest timeout: then its end says what it says. */
static void states_outlive_their_probes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_reset(NULL);
        half_open();
        if (i == 1) {
            wh_ll_end("w", 11, 1, "dead", 0, "timeout");
        }
        wh_ll_set("breaker:type/*", RULE);
        wh_ll_set("breaker:type/mail", "");
        assert_in_range(time_left("mail"), 604800000, 691200500 + 60000);
        wh_lc_advance(604800000);
        state_is(i == 0 ? "half_open" : "open 0");
        wh_lc_worker("other");
        assert_int_equal(wh_ll_take_count("other", 10), 3); /* the others are lost */
        state_is("half_open");
        wh_lc_audit();
    }
    wh_lc_reset(NULL);
    half_open();
    for (unsigned n = 11; n <= 13; n++) {
        wh_ll_end("w", n, 1, "dead", 0, "timeout");
    }
    assert_in_range(time_left("mail"), 3600000, 3600500 + 60000);
}

static void a_removed_breaker_leaves_nothing(void **state)
{
    (void)state;
    start("breaker:type/mail", RULE);
    for (unsigned n = 1; n < 5; n++) {
        run_one(n, "mail", "dead");
    }
    state_is("open 500");
    wh_ll_set("breaker:type/mail", "");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":breaker:mail " WH_LC_P ":broken"),
                     0);
    wh_ll_set("breaker:type/mail", RULE);
    state_is("closed");
}

/* Also an open one's cooldown: it is counted from when it opened. */
static void a_changed_setting_counts_at_once(void **state)
{
    (void)state;
    start("breaker:type/mail", "50/4/30000/600000/3");
    for (unsigned n = 1; n < 5; n++) {
        run_one(n, "mail", "dead");
    }
    wh_lc_advance(400);
    state_is("open 599600");
    wh_ll_put(10, "mail", "");
    wh_lc_claim("w", 10, "");
    wh_ll_set("breaker:type/mail", RULE);
    state_is("open 100");
    wh_lc_claim("w", 10, "");
    wh_ll_set("breaker:type/mail", "50/4/30000/86400000/3");
    state_is("open 86399600");
    assert_in_range(time_left("mail"), 86400000 + 3600000, 86460000 + 3660000);
    wh_ll_set("breaker:type/mail", "50/4/30000/400/3");
    wh_lc_claim("w", 10, "10");
    wh_lc_audit();
}

/* That of all types has no names of its own: what it knew goes all the same. */
static void a_removed_one_of_all_types_leaves_nothing(void **state)
{
    (void)state;
    start("breaker:type/*", RULE);
    wh_ll_set("breaker:type/sms", RULE);
    wh_ll_set("adaptive:type/mail", "10000/100000/1");
    for (unsigned n = 1; n < 5; n++) {
        run_one(n, "mail", "dead");
        run_one(10 + n, "sms", "dead");
    }
    state_is("open 500");
    wh_ll_set("breaker:type/*", "50/4/30000/900/3");
    state_is("open 900");
    wh_ll_set("breaker:type/*", "");
    wh_ll_set("breaker:type/*", RULE);
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":broken"), 1); /* sms */
    wh_ll_put(30, "sms", "");
    wh_lc_claim("w", 10, "");
    run_one(40, "mail", "ok");
    for (unsigned n = 41; n < 43; n++) { /* 2 of 3: too few as yet */
        run_one(n, "mail", "dead");
    }
    wh_ll_put(44, "mail", "");
    assert_int_equal(wh_ll_take_count("w", 10), 1);
    wh_lc_audit();
}

/* 130 types, each with a breaker that is open; and as many closed ones. */
static void only_the_first_that_are_not_closed_are_listed(void **state)
{
    char type[16];
    unsigned listed = 0;

    (void)state;
    start("breaker:type/*", "100/1/10000/5000/1");
    for (unsigned n = 1; n <= 260; n++) {
        snprintf(type, sizeof type, "t%u", n);
        run_one(n, type, n % 2 == 0 ? "dead" : "ok");
    }
    redisReply *r = wh_lc_call("wh1_limits", "");
    for (size_t i = 0; i < r->elements; i += 2) {
        bool state_of = strncmp(r->element[i]->str, "state:type/", 11) == 0;

        listed += state_of;
        assert_true(!state_of || strcmp(r->element[i + 1]->str, "open 5000") == 0);
    }
    freeReplyObject(r);
    assert_int_equal(listed, 100);
    assert_string_equal(limits_say("state:more"), "30");
    wh_lc_advance(5000);
    run_one(1000, "t2", "ok"); /* its probe */
    assert_string_equal(limits_say("state:more"), "29");
    assert_string_equal(limits_say("state:type/t2"), "absent");
    wh_lc_advance(3700000); /* nobody asked for the others since */
    assert_string_equal(limits_say("state:more"), "absent");
    wh_lc_audit();
}

/* --------------------------------------------------- how long a type waits */

static void told_to_wait(unsigned n, long long ms)
{
    wh_ll_end("w", n, 1, "snooze", ms, "rate_limited");
}

/* However long one job was told to wait. */
static void a_type_waits_a_quarter_of_an_hour_at_most(void **state)
{
    (void)state;
    start("adaptive:type/mail", "1/100/5");
    wh_ll_put(1, "mail", "ORG a");
    wh_ll_put(2, "mail", "ORG b");
    wh_lc_claim("w", 1, "1");
    told_to_wait(1, 315360000000);
    wh_lc_advance(899999);
    wh_lc_claim("w", 10, "");
    wh_lc_advance(1);
    wh_lc_claim("w", 10, "2");
    wh_lc_status(1, "scheduled"); /* its own delay is what it was */
    wh_lc_audit();
}

static void another_adaptive_rate_starts_over(void **state)
{
    static const char *const ways[][2] = {{"", "1/100/5"}, {"1/200/5", NULL}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_reset(NULL);
        start("adaptive:type/mail", "1/100/5");
        wh_ll_put(1, "mail", "");
        wh_ll_put(2, "mail", "");
        wh_lc_claim("w", 1, "1");
        told_to_wait(1, 3600000);
        wh_lc_claim("w", 10, "");
        wh_ll_set("adaptive:type/mail", "1/100/5"); /* it is that already */
        wh_lc_claim("w", 10, "");
        wh_ll_set("adaptive:type/mail", ways[i][0]);
        if (ways[i][1] != NULL) {
            wh_ll_set("adaptive:type/mail", ways[i][1]);
        }
        wh_lc_claim("w", 10, "2");
        wh_lc_audit();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(jobs_claimed_before_are_no_probes),
        WH_LC_TEST(jobs_claimed_before_do_not_open_it_again),
        WH_LC_TEST(a_bad_probe_among_old_ones_counts),
        WH_LC_TEST(the_clock_may_be_set_back),
        WH_LC_TEST(states_end_with_what_they_say),
        WH_LC_TEST(states_outlive_their_probes),
        WH_LC_TEST(a_removed_breaker_leaves_nothing),
        WH_LC_TEST(a_changed_setting_counts_at_once),
        WH_LC_TEST(a_removed_one_of_all_types_leaves_nothing),
        WH_LC_TEST(only_the_first_that_are_not_closed_are_listed),
        WH_LC_TEST(a_type_waits_a_quarter_of_an_hour_at_most),
        WH_LC_TEST(another_adaptive_rate_starts_over),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
