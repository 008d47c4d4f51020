/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What says nothing of a type: ends that no handler ran to, delays that no handler asked for. For
 * its breaker they are neither good nor bad, and a probe gives its place back; its adaptive rate
 * neither grows nor shrinks. And probes that run for long, longer than a try.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 100 % of 4 within 10 s; 1 s open; 2 probes. */
#define RULE "100/4/10000/1000/2"

static const struct wh_lc_end bad = {.outcome = "dead", .category = "timeout"};

static const struct wh_lc_end silent[] = {
    {.outcome = "dead", .category = "invalid", .result = "not_started"},
    {.outcome = "dead", .category = "timeout", .result = "not_started"},
    {.outcome = "dead", .category = "no_handler"},
    {.outcome = "dead", .category = "unavailable", .result = "snoozed"},
    {.outcome = "retry", .category = "no_handler", .delay_ms = 900000},
    {.outcome = "snooze", .category = "not_started", .delay_ms = 900000},
    {.outcome = "snooze", .category = "", .delay_ms = 900000},
};

enum { SILENT = sizeof silent / sizeof silent[0] };

static void start(const char *setting, const char *value)
{
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
    wh_ll_set(setting, value);
}

static void state_is(const char *want)
{
    redisReply *r = wh_lc_call("wh1_limits", "");

    assert_string_equal(wh_lc_find(r, "state:type/mail")->str, want);
    freeReplyObject(r);
}

static void end(unsigned n, const struct wh_lc_end *how)
{
    struct wh_lc_end e = *how;

    e.n = n;
    e.fence = 1;
    wh_lc_finish("w", &e, true);
}

static void run(unsigned n, const struct wh_lc_end *how)
{
    wh_ll_put(n, "mail", "");
    assert_int_equal(wh_ll_take_count("w", 1), 1);
    end(n, how);
}

/* Half open, jobs from 100 on wait. */
static void half_open_with(unsigned count)
{
    start("breaker:type/mail", RULE);
    for (unsigned n = 1; n <= 4; n++) {
        run(n, &(struct wh_lc_end){.outcome = "dead", .category = "timeout"});
    }
    state_is("open 1000");
    wh_ll_fill_org(100, count, "mail", "default");
    wh_lc_advance(1000);
    wh_lc_claim("w", 10, "100 101");
    state_is("half_open");
}

static void they_open_no_breaker(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SILENT; i++) {
        wh_lc_reset(NULL);
        start("breaker:type/mail", RULE);
        for (unsigned n = 1; n <= 20; n++) {
            run(n, &silent[i]);
        }
        for (unsigned n = 31; n <= 33; n++) { /* nor do they count as good ones */
            run(n, &(struct wh_lc_end){.outcome = "dead", .category = "timeout"});
        }
        state_is("closed");
        run(40, &(struct wh_lc_end){.outcome = "dead", .category = "timeout"});
        state_is("open 1000");
        wh_lc_audit();
    }
}

static void they_neither_close_nor_open_a_half_open_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SILENT; i++) {
        wh_lc_reset(NULL);
        half_open_with(8);
        end(100, &silent[i]);
        end(101, &silent[i]);
        state_is("half_open");
        wh_lc_claim("w", 10, "102 103"); /* the places are free again */
        wh_lc_claim("w", 10, "");
        wh_lc_done("w", 102, 1, true);
        end(103, &silent[i]);
        wh_lc_claim("w", 10, "104");
        wh_lc_done("w", 104, 1, true);
        state_is("closed");
        wh_lc_audit();
    }
}

static double rate(void)
{
    redisReply *r = wh_lc_cmd("HGET " WH_LC_P ":breaker:mail rate");
    double v = r->type == REDIS_REPLY_STRING ? strtod(r->str, NULL) : 0;

    freeReplyObject(r);
    return v;
}

static void they_do_not_change_an_adaptive_rate(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SILENT; i++) {
        wh_lc_reset(NULL);
        start("adaptive:type/mail", "1/400/100");
        run(1, &(struct wh_lc_end){.outcome = "dead", .category = "unavailable"});
        assert_in_range((int)rate(), 200, 200);
        wh_lc_advance(1000);
        run(2, &silent[i]);
        wh_lc_advance(1000);
        run(3, &silent[i]);
        if (strcmp(silent[i].category, "unavailable") != 0) { /* that a handler said */
            assert_in_range((int)rate(), 200, 200);
        } else {
            assert_in_range((int)rate(), 50, 50);
        }
        wh_lc_audit();
    }
}

/* The retry's own delay is that job's; a handler's wish is the type's. */
static void only_a_wish_holds_the_type(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool is_wish = i % 2 == 0;
        const char *outcome = i < 2 ? "retry" : "snooze";

        wh_lc_reset(NULL);
        start("adaptive:type/mail", "1/1000/100");
        run(1, &(struct wh_lc_end){.outcome = outcome,
                                   .category = "rate_limited",
                                   .delay_ms = 60000,
                                   .result = is_wish ? "" : "own_delay"});
        assert_in_range((int)rate(), 500, 500);
        wh_ll_put(2, "mail", "");
        wh_lc_advance(2000);
        wh_lc_claim("w", 1, is_wish ? "" : "2");
        wh_lc_advance(58001);
        assert_int_equal(wh_ll_take_count("w", 2) > 0, true);
        wh_lc_audit();
    }
}

/* However long they run: no more of them at a time than are wanted. */
static void long_probes_keep_their_places(void **state)
{
    (void)state;
    half_open_with(8);
    for (unsigned i = 0; i < 5; i++) {
        wh_lc_advance(1500);
        wh_lc_claim("w", 10, "");
    }
    wh_lc_done("w", 100, 1, true);
    wh_lc_claim("w", 10, "");
    wh_lc_done("w", 101, 1, true);
    state_is("closed");
    assert_int_equal(wh_ll_take_count("w", 10), 6);
    wh_lc_audit();
}

/* One fails; after the cooldown there is a place for one more, for 101 goes on running. */
static void fail_and_try(unsigned n, const char *next)
{
    end(n, &bad);
    state_is("open 1000");
    wh_lc_claim("w", 10, "");
    wh_lc_audit();
    wh_lc_advance(1000);
    wh_lc_claim("w", 10, next);
    wh_lc_claim("w", 10, "");
    state_is("half_open");
    wh_lc_audit();
}

/* However often it opens again: one of an earlier try keeps its place, and its end says nothing of this one. */
static void probes_do_not_pile_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SILENT; i++) {
        wh_lc_reset(NULL);
        half_open_with(12);
        fail_and_try(100, "102");
        fail_and_try(102, "103");
        fail_and_try(103, "104");
        end(101, i == 0 ? &bad : &silent[i]);
        state_is("half_open");
        wh_lc_claim("w", 10, "105");
        wh_lc_claim("w", 10, "");
        wh_lc_done("w", 104, 1, true);
        state_is("half_open");
        wh_lc_done("w", 105, 1, true);
        state_is("closed");
        assert_int_equal(wh_ll_take_count("w", 10), 6);
        wh_lc_audit();
    }
}

/* A good one leaves its place as well: to one more, while 101 goes on running. */
static void one_place_is_enough_to_close_it(void **state)
{
    (void)state;
    half_open_with(8);
    fail_and_try(100, "102");
    wh_lc_done("w", 102, 1, true);
    wh_lc_claim("w", 10, "103");
    wh_lc_done("w", 103, 1, true);
    state_is("closed");
    wh_lc_done("w", 101, 1, true); /* nobody counts it any more */
    assert_int_equal(wh_ll_take_count("w", 10), 4);
    wh_lc_audit();
}

/* Fewer may try than run: none does until one of them ends, be it while it is open. */
static void a_probe_ends_while_it_is_open(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        wh_lc_reset(NULL);
        half_open_with(8);
        end(100, &bad);
        wh_ll_set("breaker:type/mail", "100/4/10000/1000/1");
        if (i == 0) {
            wh_lc_done("w", 101, 1, true);
            state_is("open 1000");
        }
        wh_lc_claim("w", 10, "");
        wh_lc_advance(1000);
        if (i == 1) {
            wh_lc_claim("w", 10, "");
            state_is("open 0");
            wh_lc_done("w", 101, 1, true);
        }
        wh_lc_claim("w", 10, "102");
        wh_lc_done("w", 102, 1, true);
        state_is("closed");
        wh_lc_audit();
    }
}

/* The worker of one of an earlier try is lost: it gives its place back, once. */
static void a_lost_probe_of_before_frees_its_place(void **state)
{
    (void)state;
    half_open_with(8);
    wh_lc_worker("other");
    end(101, &silent[0]);
    wh_lc_claim("other", 10, "102");
    end(100, &bad);
    wh_lc_advance(1000);
    wh_lc_claim("w", 10, "103");
    wh_lc_claim("w", 10, "");
    wh_lc_advance(30000);
    assert_int_equal(wh_ll_take_count("w", 10), 1);
    wh_lc_worker("other");
    wh_lc_done("other", 102, 1, false);
    wh_lc_claim("w", 10, "");
    state_is("half_open");
    wh_lc_audit();
}

/* Removed and set again it starts over: what ran before is none of its probes. */
static void a_removed_one_forgets_its_probes(void **state)
{
    (void)state;
    half_open_with(4);
    end(100, &bad);
    wh_ll_set("breaker:type/mail", "");
    wh_ll_set("breaker:type/mail", RULE);
    wh_lc_claim("w", 10, "102 103");
    wh_lc_advance(1);
    for (unsigned n = 11; n <= 14; n++) {
        run(n, &bad);
    }
    state_is("open 1000");
    wh_ll_fill_org(110, 8, "mail", "default");
    wh_lc_advance(1000);
    wh_lc_claim("w", 10, "110 111");
    wh_lc_done("w", 101, 1, true);
    wh_lc_done("w", 102, 1, true);
    wh_lc_claim("w", 10, "");
    state_is("half_open");
    wh_lc_audit();
}

/* An older library, whose state says so less, counted none of earlier tries: those of this one keep their places. */
static void what_was_half_open_before_counts_from_now_on(void **state)
{
    (void)state;
    half_open_with(8);
    wh_lc_count("HDEL " WH_LC_P ":breaker:mail held0");
    wh_lc_audit();
    fail_and_try(100, "102");
    wh_lc_done("w", 101, 1, true);
    wh_lc_claim("w", 10, "103");
    wh_lc_audit();
}

/* Its worker is lost: the place is free at once, whatever else runs. */
static void a_lost_probe_frees_its_place(void **state)
{
    (void)state;
    half_open_with(8);
    wh_lc_worker("other");
    end(101, &silent[0]);
    wh_lc_claim("other", 10, "102");
    wh_lc_claim("w", 10, "");
    wh_lc_advance(30001);
    assert_int_equal(wh_ll_take_count("w", 10), 1);
    wh_lc_claim("w", 10, "");
    state_is("half_open");
    wh_lc_audit();
}

/* Fewer are wanted than went well: one more end closes it. */
static void fewer_probes_are_enough(void **state)
{
    (void)state;
    half_open_with(8);
    wh_lc_done("w", 100, 1, true);
    end(101, &silent[0]);
    wh_ll_set("breaker:type/mail", "100/4/10000/1000/1");
    state_is("half_open");
    wh_lc_claim("w", 10, "102");
    wh_lc_claim("w", 10, "");
    end(102, &silent[0]);
    state_is("closed");
    wh_lc_audit();
}

/* What an older library left of a half-open one says how many were claimed, not how many are held. */
static void a_state_of_before_is_no_standstill(void **state)
{
    (void)state;
    half_open_with(8);
    wh_lc_count("HDEL " WH_LC_P ":breaker:mail held");
    wh_lc_count("HSET " WH_LC_P ":breaker:mail probes 2 at 1");
    wh_lc_advance(1001);
    wh_lc_claim("w", 10, "102 103");
    end(100, &silent[0]);
    end(101, &silent[0]);
    wh_lc_done("w", 102, 1, true);
    wh_lc_done("w", 103, 1, true);
    state_is("closed");
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(they_open_no_breaker),
        WH_LC_TEST(they_neither_close_nor_open_a_half_open_one),
        WH_LC_TEST(they_do_not_change_an_adaptive_rate),
        WH_LC_TEST(only_a_wish_holds_the_type),
        WH_LC_TEST(long_probes_keep_their_places),
        WH_LC_TEST(probes_do_not_pile_up),
        WH_LC_TEST(one_place_is_enough_to_close_it),
        WH_LC_TEST(a_probe_ends_while_it_is_open),
        WH_LC_TEST(a_lost_probe_of_before_frees_its_place),
        WH_LC_TEST(a_removed_one_forgets_its_probes),
        WH_LC_TEST(what_was_half_open_before_counts_from_now_on),
        WH_LC_TEST(a_lost_probe_frees_its_place),
        WH_LC_TEST(fewer_probes_are_enough),
        WH_LC_TEST(a_state_of_before_is_no_standstill),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
