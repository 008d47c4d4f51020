/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_cron_fire_batch: many schedules fire by one call, each of them once, and none by a
 * definition or a fire time that is not the one there is.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const long long due = WH_LC_T0 + 60000, later = WH_LC_T0 + 120000;

static void set(const char *name, const char *definition)
{
    wh_lc_text("created", "wh1_cron_set", "%s %s %lld", name, definition, due);
}

/* Adds a firing with jobs from..from + n - 1. */
static void add(struct wh_lc_args *a, const char *name, const char *was, unsigned from,
                unsigned n)
{
    wh_lc_add_text(a, "%s", name);
    wh_lc_add_text(a, "%lld", due);
    wh_lc_add_text(a, "%lld", later);
    wh_lc_add_text(a, "%s", was);
    wh_lc_add_text(a, "%u", n);
    for (unsigned i = 0; i < n; i++) {
        wh_lc_add(a, wh_lc_raw(from + i), 16);
        wh_lc_add(a,
                  "\x93\xa4mail\xa4"
                  "acme\x05",
                  12);
        wh_lc_add_text(a, "pay");
    }
}

static void expect(struct wh_lc_args *a, const long long *want, size_t n)
{
    redisReply *r = wh_lc_call_args("wh1_cron_fire_batch", a);

    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("wh1_cron_fire_batch: %s", r->str);
    }
    assert_int_equal(r->elements, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(r->element[i]->integer, want[i]);
    }
    freeReplyObject(r);
}

static long long next_of(const char *name)
{
    redisReply *r = wh_lc_cmd("ZSCORE " WH_LC_P ":cronat %s", name);
    long long at = r->type == REDIS_REPLY_STRING ? strtoll(r->str, NULL, 10) : -1;

    freeReplyObject(r);
    return at;
}

static void many_fire_once(void **state)
{
    static const long long first[] = {1, 2, 1, 0, 1, 1},
                           again[] = {0, WH_LC_T0 + 120000, 0, WH_LC_T0 + 120000,
                                      0, WH_LC_T0 + 120000};
    struct wh_lc_args a = {0};

    (void)state;
    set("a", "one");
    set("b", "two");
    set("c", "three");
    for (unsigned twice = 0; twice < 2; twice++) {
        add(&a, "a", "one", 1, 2);
        add(&a, "b", "two", 0, 0);
        add(&a, "c", "three", 3, 1);
        expect(&a, twice ? again : first, 6);
    }
    for (unsigned n = 1; n <= 3; n++) {
        wh_lc_status(n, "pending");
    }
    wh_lc_stat("pending", 3);
    wh_lc_stat("cron_fired", 3);
    assert_int_equal(next_of("b"), later);
    wh_lc_audit();
}

/* Of what was changed, removed, paused or fired since it was listed nothing happens; the
 * others fire all the same. */
static void only_what_was_seen_fires(void **state)
{
    static const long long want[] = {2, WH_LC_T0 + 60000, 2, -1, 0, -1, 0, 5, 1, 1};
    struct wh_lc_args a = {0};

    (void)state;
    set("changed", "old");
    wh_lc_text("changed", "wh1_cron_set", "changed new %lld", due);
    set("removed", "x");
    wh_lc_text("OK", "wh1_cron_remove", "removed");
    set("paused", "x");
    wh_lc_text("OK", "wh1_cron_pause", "paused");
    set("moved", "x");
    wh_lc_text("OK", "wh1_cron_resume", "moved 5");
    set("right", "x");
    add(&a, "changed", "old", 1, 1);
    add(&a, "removed", "x", 2, 1);
    add(&a, "paused", "x", 3, 1);
    add(&a, "moved", "x", 4, 1);
    add(&a, "right", "x", 5, 1);
    expect(&a, want, 10);
    for (unsigned n = 1; n <= 4; n++) {
        wh_lc_status(n, NULL);
    }
    wh_lc_status(5, "pending");
    assert_int_equal(next_of("changed"), due);
    add(&a, "changed", "new", 6, 1);
    expect(&a, (const long long[]){1, 1}, 2);
    wh_lc_audit();
}

/* One that exists is not made again, and the count tells whose it was. */
static void counts_are_of_each(void **state)
{
    static const long long want[] = {1, 0, 1, 2};
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_enqueue(1, "");
    set("a", "x");
    set("b", "x");
    add(&a, "a", "x", 1, 1);
    add(&a, "b", "x", 2, 2);
    expect(&a, want, 4);
    wh_lc_stat("pending", 3);
    wh_lc_audit();
}

/* Schedulers wait for the times before: none of them is woken for the next ones. */
static void wakes_workers_and_no_scheduler(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    set("a", "x");
    wh_lc_worker("w");
    wh_lc_ok("wh1_cycle", "w 1 0");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:scheduler"));
    add(&a, "a", "x", 1, 1);
    expect(&a, (const long long[]){1, 1}, 2);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":bell:scheduler"), 0);
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w"), 1);
}

static void refused(struct wh_lc_args *a, const char *word)
{
    char before[41], after[41];

    wh_lc_digest(before);
    wh_lc_error_args(word, "wh1_cron_fire_batch", a);
    wh_lc_digest(after);
    assert_string_equal(before, after);
}

/* One is refused: then none of the call fired. */
static void all_or_nothing(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    set("a", "x");
    set("b", "x");
    wh_lc_ok("wh1_configure", "payload_max 2");
    add(&a, "a", "x", 0, 0);
    add(&a, "b", "x", 1, 1);
    refused(&a, "WHTOOBIG");
    wh_lc_ok("wh1_configure", "payload_max 10");
    freeReplyObject(wh_lc_cmd("SET " WH_LC_P ":ready:acme:5 x"));
    add(&a, "a", "x", 0, 0);
    add(&a, "b", "x", 1, 1);
    refused(&a, "WHBADDATA");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":ready:acme:5"));
    add(&a, "a", "x", 0, 0);
    add(&a, "b", "x", 1, 1);
    expect(&a, (const long long[]){1, 0, 1, 1}, 4);
}

static void bad_arguments_change_nothing(void **state)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "a 5 6 x",
                                      "a/b 5 6 x 0",
                                      "a -5 6 x 0",
                                      "a 5 soon x 0",
                                      "a 5 6 x 101",
                                      "a 5 6 x -1",
                                      "a 5 6 x 1 id head",
                                      "a 5 6 x 0 b",
                                      "a 5 6 x 0 a 5 6 x 0"};
    struct wh_lc_args a = {0};

    (void)state;
    set("a", "x");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_lc_error("WHBADARG", "wh1_cron_fire_batch", bad[i]);
    }
    for (unsigned i = 0; i < 101; i++) {
        char name[8];
        snprintf(name, sizeof name, "s%u", i);
        add(&a, name, "x", 0, 0);
    }
    refused(&a, "WHBADARG");
    for (unsigned i = 0; i < 11; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%u", i);
        set(name, "x");
        add(&a, name, "x", 1 + 100 * i, i < 10 ? 100 : 1);
    }
    refused(&a, "WHTOOBIG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(many_fire_once),     WH_LC_TEST(only_what_was_seen_fires),
        WH_LC_TEST(counts_are_of_each), WH_LC_TEST(wakes_workers_and_no_scheduler),
        WH_LC_TEST(all_or_nothing),     WH_LC_TEST(bad_arguments_change_nothing),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
