/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules: set, list, pause, remove, and that a firing happens once, with its jobs, however
 * many schedulers try.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const long long first_fire = WH_LC_T0 + 60000, second_fire = WH_LC_T0 + 120000;

/* Fires with jobs from..from + n - 1; returns the call's two numbers. */
static void fire(const char *name, long long expected, long long next, unsigned from,
                 unsigned n, long long answer[2])
{
    struct wh_lc_args a = {0};

    wh_lc_add_text(&a, "%s", name);
    wh_lc_add_text(&a, "%lld", expected);
    wh_lc_add_text(&a, "%lld", next);
    for (unsigned i = 0; i < n; i++) {
        wh_lc_add(&a, wh_lc_raw(from + i), 16);
        wh_lc_add(&a,
                  "\x93\xa4mail\xa4"
                  "acme\x05",
                  12);
        wh_lc_add_text(&a, "p");
    }
    redisReply *r = wh_lc_call_args("wh1_cron_fire", &a);
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("wh1_cron_fire: %s", r->str);
    }
    assert_int_equal(r->elements, 2);
    answer[0] = r->element[0]->integer;
    answer[1] = r->element[1]->integer;
    freeReplyObject(r);
}

static void expect_fire(long long expected, long long next, unsigned from, unsigned n,
                        const long long want[2])
{
    long long got[2];

    fire("nightly", expected, next, from, n, got);
    assert_int_equal(got[0], want[0]);
    assert_int_equal(got[1], want[1]);
}

static void set(const char *name, const char *definition, long long next,
                const char *answer)
{
    wh_lc_text(answer, "wh1_cron_set", "%s %s %lld", name, definition, next);
}

/* Next fire time of a schedule as listed; -2: not there. */
static long long listed(const char *name, const char *definition)
{
    redisReply *r = wh_lc_call("wh1_cron_list", "");
    long long at = -2;

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->element[0]->integer, WH_LC_T0);
    assert_int_equal(r->elements % 3, 1);
    for (size_t i = 1; i < r->elements; i += 3) {
        if (strcmp(r->element[i]->str, name) == 0) {
            assert_string_equal(r->element[i + 1]->str, definition);
            at = r->element[i + 2]->integer;
        }
    }
    freeReplyObject(r);
    return at;
}

static void created_changed_same(void **state)
{
    char before[41], after[41];

    (void)state;
    set("nightly", "one", first_fire, "created");
    assert_int_equal(listed("nightly", "one"), first_fire);
    wh_lc_digest(before);
    set("nightly", "one", second_fire, "same"); /* three schedulers reconcile */
    wh_lc_digest(after);
    assert_string_equal(before, after);
    set("nightly", "two", second_fire, "changed");
    assert_int_equal(listed("nightly", "two"), second_fire);
    set("hourly", "one", first_fire, "created");
    assert_int_equal(listed("hourly", "one"), first_fire);
    assert_int_equal(listed("nightly", "two"), second_fire);
    assert_int_equal(listed("other", ""), -2);
    wh_lc_audit();
}

static void a_definition_is_any_text(void **state)
{
    char *text = malloc(65537);
    struct wh_lc_args a = {0};

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 65537);
    for (unsigned over = 0; over < 2; over++) {
        wh_lc_add_text(&a, "nightly");
        wh_lc_add(&a, text, 65536 + over);
        wh_lc_add_text(&a, "5");
        if (over) {
            wh_lc_error_args("WHTOOBIG", "wh1_cron_set", &a);
        } else {
            freeReplyObject(wh_lc_call_args("wh1_cron_set", &a));
        }
    }
    free(text);
    wh_lc_add_text(&a, "odd");
    wh_lc_add(&a, "\0\r\n\xff", 4);
    wh_lc_add_text(&a, "5");
    redisReply *r = wh_lc_call_args("wh1_cron_set", &a);
    assert_string_equal(r->str, "created");
    freeReplyObject(r);
}

/* The fire time that the caller saw must still be the one: else somebody was faster. */
static void fires_once(void **state)
{
    static const long long yes[] = {1, 2}, no[] = {0, WH_LC_T0 + 120000},
                           gone[] = {0, -1};

    (void)state;
    set("nightly", "def", first_fire, "created");
    expect_fire(first_fire, second_fire, 1, 2, yes);
    expect_fire(first_fire, second_fire, 11, 2, no);
    expect_fire(first_fire, second_fire, 21, 2, no);
    expect_fire(first_fire - 1, second_fire, 31, 2, no);
    wh_lc_status(1, "pending");
    wh_lc_status(2, "pending");
    wh_lc_status(11, NULL);
    wh_lc_stat("pending", 2);
    long long got[2];
    fire("unknown", first_fire, second_fire, 41, 1, got);
    assert_int_equal(got[0], gone[0]);
    assert_int_equal(got[1], gone[1]);
    wh_lc_audit();
}

/* The reply was lost: the same call again does nothing. */
static void a_repeated_call_fires_nothing(void **state)
{
    static const long long yes[] = {1, 1}, no[] = {0, WH_LC_T0 + 120000};

    (void)state;
    wh_lc_worker("w");
    set("nightly", "def", first_fire, "created");
    expect_fire(first_fire, second_fire, 1, 1, yes);
    expect_fire(first_fire, second_fire, 1, 1, no);
    wh_lc_claim("w", 5, "1");
    wh_lc_done("w", 1, 1, true);
    expect_fire(first_fire, second_fire, 1, 1, no);
    wh_lc_claim("w", 5, "");
    wh_lc_audit();
}

static void skips_without_jobs_and_makes_many(void **state)
{
    static const long long none[] = {1, 0}, many[] = {1, 100};

    (void)state;
    set("nightly", "def", first_fire, "created");
    expect_fire(first_fire, second_fire, 0, 0, none);
    expect_fire(second_fire, second_fire + 5, 1, 100, many);
    wh_lc_stat("pending", 100);
    wh_lc_audit();
}

/* Ids made of the schedule and its time: one that exists is not made again. */
static void jobs_that_exist_are_not_counted(void **state)
{
    static const long long yes[] = {1, 1};

    (void)state;
    set("nightly", "def", first_fire, "created");
    wh_lc_enqueue(1, "");
    expect_fire(first_fire, second_fire, 1, 2, yes);
    wh_lc_stat("pending", 2);
    wh_lc_audit();
}

static void never_again(void **state)
{
    static const long long yes[] = {1, 1}, no[] = {0, -1};

    (void)state;
    set("nightly", "def", first_fire, "created");
    expect_fire(first_fire, 0, 1, 1, yes);
    assert_int_equal(listed("nightly", "def"), -1);
    expect_fire(first_fire, 0, 2, 1, no);
    wh_lc_text("OK", "wh1_cron_resume", "nightly %lld", second_fire);
    assert_int_equal(listed("nightly", "def"), second_fire);
}

static void paused_schedules_do_not_fire(void **state)
{
    static const long long no[] = {0, -1}, yes[] = {1, 1};

    (void)state;
    set("nightly", "def", first_fire, "created");
    wh_lc_text("OK", "wh1_cron_pause", "nightly");
    wh_lc_text("OK", "wh1_cron_pause", "nightly");
    assert_int_equal(listed("nightly", "def"), -1);
    expect_fire(first_fire, second_fire, 1, 1, no);
    set("nightly", "def", first_fire, "same"); /* reconciling does not resume it */
    assert_int_equal(listed("nightly", "def"), -1);
    wh_lc_text("OK", "wh1_cron_resume", "nightly %lld", second_fire);
    expect_fire(second_fire, second_fire + 1, 1, 1, yes);
    wh_lc_audit();
}

static void removed_schedules_are_gone(void **state)
{
    static const long long no[] = {0, -1};

    (void)state;
    set("nightly", "def", first_fire, "created");
    wh_lc_text("OK", "wh1_cron_remove", "nightly");
    assert_int_equal(listed("nightly", ""), -2);
    expect_fire(first_fire, second_fire, 1, 1, no);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":cron " WH_LC_P ":cronat"), 0);
    wh_lc_error("WHNOTFOUND", "wh1_cron_remove", "nightly");
    wh_lc_error("WHNOTFOUND", "wh1_cron_pause", "nightly");
    wh_lc_error("WHNOTFOUND", "wh1_cron_resume", "nightly 5");
    set("nightly", "def", first_fire, "created");
}

static void set_if(const char *was, long long was_next, const char *definition,
                   const char *answer)
{
    struct wh_lc_args a = {0};

    wh_lc_add_text(&a, "nightly");
    wh_lc_add_text(&a, "%s", definition);
    wh_lc_add_text(&a, "%lld", second_fire);
    wh_lc_add_text(&a, "%s", was);
    wh_lc_add_text(&a, "%lld", was_next);
    redisReply *r = wh_lc_call_args("wh1_cron_set", &a);
    assert_string_equal(r->str, answer);
    freeReplyObject(r);
}

static void is_stale(const char *was, long long was_next, const char *definition)
{
    char before[41], after[41];

    wh_lc_digest(before);
    set_if(was, was_next, definition, "stale");
    wh_lc_digest(after);
    assert_string_equal(before, after);
}

/* What was set since the caller looked stays; the same call again says that it is done. */
static void only_what_was_seen_is_changed(void **state)
{
    (void)state;
    is_stale("none", 0, "two");
    set_if("", 0, "one", "created");
    set_if("", 0, "one", "same");
    is_stale("", 0, "two");
    is_stale("", second_fire, "two");
    is_stale("on", second_fire, "two");
    is_stale("one", first_fire, "two"); /* it fired, or was resumed */
    is_stale("one", 0, "two");
    set_if("one", second_fire, "two", "changed");
    set_if("one", second_fire, "two", "same");
    set("nightly", "operator", first_fire, "changed");
    is_stale("one", second_fire, "two"); /* a repeated call */
    assert_int_equal(listed("nightly", "operator"), first_fire);
    wh_lc_text("OK", "wh1_cron_pause", "nightly");
    is_stale("operator", first_fire, "two");
    assert_int_equal(listed("nightly", "operator"), -1);
    set_if("operator", 0, "two", "changed");
    assert_int_equal(listed("nightly", "two"), second_fire);
    wh_lc_text("stale", "wh1_cron_remove", "nightly one");
    assert_int_equal(listed("nightly", "two"), second_fire);
    wh_lc_text("OK", "wh1_cron_remove", "nightly two");
    wh_lc_error("WHNOTFOUND", "wh1_cron_remove", "nightly two");
    is_stale("two", second_fire, "three");
    wh_lc_audit();
}

#define OF(set, n) "{\"n\":" #n ",\"declared\":\"" set "\"}"

static void is_taken(const char *definition)
{
    char before[41], after[41];

    wh_lc_digest(before);
    set("nightly", definition, second_fire, "taken");
    wh_lc_digest(after);
    assert_string_equal(before, after);
}

/* A set changes what it declared itself, and what it is told to take over: nobody else's. */
static void a_set_keeps_its_schedules(void **state)
{
    (void)state;
    set("nightly", OF("a", 1), 5, "created");
    set("nightly", OF("a", 2), 5, "changed");
    is_taken(OF("b", 1));
    wh_lc_text("taken", "wh1_cron_set", "nightly %s 6 %s 5", OF("b", 1), OF("a", 2));
    wh_lc_text("taken", "wh1_cron_set", "nightly %s 6 %s 5 c", OF("b", 1), OF("a", 2));
    wh_lc_text("stale", "wh1_cron_set", "nightly %s 6 %s 5 a", OF("b", 1), OF("a", 3));
    wh_lc_text("changed", "wh1_cron_set", "nightly %s 6 %s 5 a", OF("b", 1),
               OF("a", 2));
    is_taken(OF("a", 2));
    wh_lc_text("OK", "wh1_cron_remove", "nightly"); /* whoever does it: it is free */
    set("nightly", OF("a", 1), 5, "created");
    set("nightly", "def", 5,
        "changed"); /* an operator's now, as is what can't be read */
    is_taken(OF("a", 1));
    wh_lc_text("taken", "wh1_cron_set", "nightly %s 6 def 5 a", OF("a", 1));
    set("nightly", "{\"declared\":7}", 5, "changed");
    is_taken(OF("a", 1));
    wh_lc_audit();
}

/* Each firing would be refused. */
static void a_payload_that_cannot_be_enqueued(void **state)
{
    static const char big[] = "{\"payload\":\"\\u00e4\\u00e4\\u00e4\"}",
                      fits[] = "{\"payload\":\"\\u00e4\\u00e4x\"}";

    (void)state;
    wh_lc_ok("wh1_configure", "payload_max 5");
    wh_lc_error("WHTOOBIG", "wh1_cron_set", "nightly %s 5", big);
    wh_lc_text("created", "wh1_cron_set", "nightly %s 5", fits);
    wh_lc_error("WHTOOBIG", "wh1_cron_set", "nightly %s 5", big);
    wh_lc_text("same", "wh1_cron_set", "nightly %s 5", fits);
    wh_lc_ok("wh1_configure", "payload_max 6");
    wh_lc_text("changed", "wh1_cron_set", "nightly %s 5", big);
    wh_lc_ok("wh1_configure", "payload_max 4");
    wh_lc_error("WHTOOBIG", "wh1_cron_set", "nightly %s 5", big);
    wh_lc_text("OK", "wh1_cron_pause", "nightly");
    wh_lc_text("OK", "wh1_cron_remove", "nightly");
    wh_lc_audit();
}

/* The scheduler sleeps until the next time that it knows. */
static void the_scheduler_is_called(void **state)
{
    static const long long yes[] = {1, 1};

    (void)state;
    wh_lc_worker("w");
    wh_lc_ok("wh1_cycle", "w 1 0");
    set("nightly", "def", first_fire, "created");
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:scheduler"), 1);
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:scheduler"));
    wh_lc_text("OK", "wh1_cron_resume", "nightly %lld", first_fire);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:scheduler"), 1);
    expect_fire(first_fire, second_fire, 1, 1, yes);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w"), 1); /* and the worker */
}

static void bad_arguments_change_nothing(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    set("nightly", "def", first_fire, "created");
    wh_lc_error("WHBADARG", "wh1_cron_set", "");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def 5 6");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def 5 six -1");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def 5 six 7 set 8");
    wh_lc_error("WHBADARG", "wh1_cron_set", "a/b def 5");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def -5");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def soon");
    wh_lc_error("WHBADARG", "wh1_cron_set", "nightly def 10000000000000");
    wh_lc_error("WHBADARG", "wh1_cron_remove", "");
    wh_lc_error("WHBADARG", "wh1_cron_remove", "nightly def 5");
    wh_lc_error("WHBADARG", "wh1_cron_pause", "");
    wh_lc_error("WHBADARG", "wh1_cron_resume", "nightly");
    wh_lc_error("WHBADARG", "wh1_cron_fire", "nightly 5");
    wh_lc_error("WHBADARG", "wh1_cron_fire", "nightly %lld 6 id", first_fire);
    wh_lc_error("WHBADARG", "wh1_cron_fire", "nightly %lld 6 %s head p", first_fire,
                wh_lc_id(1));
    wh_lc_add_text(&a, "nightly");
    wh_lc_add_text(&a, "%lld", first_fire);
    wh_lc_add_text(&a, "6");
    for (unsigned i = 0; i < 101; i++) {
        wh_lc_add(&a, wh_lc_raw(i + 1), 16);
        wh_lc_add(&a, "\x93\xa1t\xa1o\x05", 6);
        wh_lc_add_text(&a, "p");
    }
    wh_lc_error_args("WHTOOBIG", "wh1_cron_fire", &a);
    assert_int_equal(listed("nightly", "def"), first_fire);
}

/* One of the jobs can't be stored: then it did not fire either. */
static void a_refused_job_does_not_fire(void **state)
{
    (void)state;
    set("nightly", "def", first_fire, "created");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ready:acme:5 x"));
    wh_lc_error("WHBADDATA", "wh1_cron_fire", "nightly %lld %lld %b %b p", first_fire,
                second_fire, WH_LC_RAW(1),
                "\x93\xa4mail\xa4"
                "acme\x05",
                (size_t)12);
    assert_int_equal(listed("nightly", "def"), first_fire);
}

static void ten_thousand_at_most(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":cron s%u def", i));
    }
    /* a table of this size moves on its own: no digest of it */
    redisReply *r = wh_lc_call("wh1_cron_set", "one-more def 5");
    assert_int_equal(r->type, REDIS_REPLY_ERROR);
    assert_memory_equal(r->str, "WHTOOBIG ", 9);
    freeReplyObject(r);
    assert_int_equal(wh_lc_count("HLEN " WH_LC_P ":cron"), 10000);
    wh_lc_text("changed", "wh1_cron_set", "s7 new 5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(created_changed_same),
        WH_LC_TEST(a_definition_is_any_text),
        WH_LC_TEST(fires_once),
        WH_LC_TEST(a_repeated_call_fires_nothing),
        WH_LC_TEST(skips_without_jobs_and_makes_many),
        WH_LC_TEST(jobs_that_exist_are_not_counted),
        WH_LC_TEST(never_again),
        WH_LC_TEST(paused_schedules_do_not_fire),
        WH_LC_TEST(removed_schedules_are_gone),
        WH_LC_TEST(only_what_was_seen_is_changed),
        WH_LC_TEST(a_set_keeps_its_schedules),
        WH_LC_TEST(a_payload_that_cannot_be_enqueued),
        WH_LC_TEST(the_scheduler_is_called),
        WH_LC_TEST(bad_arguments_change_nothing),
        WH_LC_TEST(a_refused_job_does_not_fire),
        WH_LC_TEST(ten_thousand_at_most),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
