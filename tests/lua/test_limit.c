/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_limit and wh1_limits: which settings there are, what is refused, and that a call
 * changes all of its settings or none.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    const char *setting, *value;
};

static const struct pair good[] = {
    {"rate:queue", "1/1/1"},
    {"rate:org/acme", "1000000/86400000/1000000"},
    {"rate:org/*", "10/1000/5"},
    {"rate:type/mail", "10/1000/5"},
    {"rate:type/*", "10/1000/5"},
    {"rate:org/acme/type/mail", "10/1000/5"},
    {"rate:org/*/type/mail", "10/1000/5"},
    {"active:queue", "1"},
    {"active:org/acme", "1000000"},
    {"active:org/*", "5"},
    {"active:type/mail", "5"},
    {"active:type/*", "5"},
    {"active:group", "1"},
    {"active:org/acme/group/A-z_0.9", "5"},
    {"pause:org/acme", "1"},
    {"pause:type/mail", "1"},
    {"jobs:queue", "1"},
    {"jobs:org/acme", "999999999999999"},
    {"jobs:org/*", "5"},
    {"bytes:queue", "5"},
    {"bytes:org/acme", "5"},
    {"bytes:org/*", "5"},
    {"memory:queue", "1"},
    {"breaker:type/mail", "1/1/100/1/1"},
    {"breaker:type/*", "100/1000000/86400000/86400000/1000"},
    {"adaptive:type/mail", "0.001/1000000/1000000"},
};
enum { N_GOOD = sizeof good / sizeof good[0] };

/* No such setting, scope or name. */
static const struct pair bad_setting[] = {
    {"", "1"},
    {":", "1"},
    {"rate", "1/1/1"},
    {"rate:", "1/1/1"},
    {":queue", "1/1/1"},
    {"speed:queue", "1/1/1"},
    {"RATE:queue", "1/1/1"},
    {"rate: queue", "1/1/1"},
    {"rate:queue ", "1/1/1"},
    {"rate:all", "1/1/1"},
    {"rate:group", "1/1/1"},
    {"rate:org", "1/1/1"},
    {"rate:org/", "1/1/1"},
    {"rate:org/a b", "1/1/1"},
    {"rate:org/a/b", "1/1/1"},
    {"rate:org/**", "1/1/1"},
    {"rate:worker/a", "1/1/1"},
    {"rate:org/a/type/", "1/1/1"},
    {"rate:org/a/type/*", "1/1/1"},
    {"rate:org/a/type/b/c", "1/1/1"},
    {"rate:org/a/group/b", "1/1/1"},
    {"rate:type/a/org/b", "1/1/1"},
    {"active:org/*/group/a", "1"},
    {"active:org/a/group/*", "1"},
    {"active:org/a/type/b", "1"},
    {"active:group/a", "1"},
    {"pause:queue", "1"},
    {"pause:org/*", "1"},
    {"pause:type/*", "1"},
    {"jobs:type/a", "1"},
    {"jobs:group", "1"},
    {"bytes:type/a", "1"},
    {"memory:org/a", "1"},
    {"breaker:queue", "1/1/100/1/1"},
    {"breaker:org/a", "1/1/100/1/1"},
    {"adaptive:type/*", "1/2/1"},
    {"adaptive:queue", "1/2/1"},
    {"rate:org/"
     "0123456789012345678901234567890123456789012345678901234567890123x",
     "1/1/1"},
};

static const struct pair bad_value[] = {
    {"rate:queue", "1"},
    {"rate:queue", "1/1"},
    {"rate:queue", "1/1/1/1"},
    {"rate:queue", "/1/1"},
    {"rate:queue", "0/1/1"},
    {"rate:queue", "1/0/1"},
    {"rate:queue", "1/1/0"},
    {"rate:queue", "-1/1/1"},
    {"rate:queue", "1.5/1/1"},
    {"rate:queue", " 1/1/1"},
    {"rate:queue", "1e3/1/1"},
    {"rate:queue", "1000001/1/1"},
    {"rate:queue", "1/86400001/1"},
    {"rate:queue", "1/1/1000001"},
    {"rate:queue", "1/1/1000000000000000"},
    {"active:queue", "0"},
    {"active:queue", "1000001"},
    {"active:queue", "-1"},
    {"active:queue", "1.0"},
    {"active:queue", "x"},
    {"active:queue", "inf"},
    {"active:queue", "nan"},
    {"pause:org/a", "0"},
    {"pause:org/a", "2"},
    {"pause:org/a", "true"},
    {"jobs:queue", "0"},
    {"jobs:queue", "1000000000000000"},
    {"bytes:queue", "1k"},
    {"memory:queue", "0"},
    {"memory:queue", "101"},
    {"memory:queue", "50%"},
    {"breaker:type/a", "50/10/1000/1000"},
    {"breaker:type/a", "0/10/1000/1000/1"},
    {"breaker:type/a", "101/10/1000/1000/1"},
    {"breaker:type/a", "50/0/1000/1000/1"},
    {"breaker:type/a", "50/1000001/1000/1000/1"},
    {"breaker:type/a", "50/10/99/1000/1"},
    {"breaker:type/a", "50/10/86400001/1000/1"},
    {"breaker:type/a", "50/10/1000/0/1"},
    {"breaker:type/a", "50/10/1000/86400001/1"},
    {"breaker:type/a", "50/10/1000/1000/0"},
    {"breaker:type/a", "50/10/1000/1000/1001"},
    {"adaptive:type/a", "1/2"},
    {"adaptive:type/a", "0/2/1"},
    {"adaptive:type/a", "0.0009/2/1"},
    {"adaptive:type/a", "3/2/1"},
    {"adaptive:type/a", "1/1000001/1"},
    {"adaptive:type/a", "1/2/0"},
    {"adaptive:type/a", "1/2/1000001"},
    {"adaptive:type/a", "1..2/3/1"},
    {"adaptive:type/a", "./2/1"},
    {"adaptive:type/a", "-1/2/1"},
    {"adaptive:type/a", "nan/nan/nan"},
};

static const char *setting_of(const redisReply *all, const char *setting)
{
    const redisReply *v = wh_lc_find(all, setting);

    return v != NULL ? v->str : "";
}

static void expect(const char *setting, const char *value)
{
    redisReply *r = wh_lc_call("wh1_limits", "");

    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_string_equal(setting_of(r, setting), value);
    freeReplyObject(r);
}

static void every_setting_is_taken_and_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_GOOD; i++) {
        wh_ll_set(good[i].setting, good[i].value);
        expect(good[i].setting, good[i].value);
    }
    for (size_t i = 0; i < N_GOOD; i++) {
        expect(good[i].setting, good[i].value);
    }
    wh_lc_audit();
}

static void all_in_one_call(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    for (size_t i = 0; i < N_GOOD; i++) {
        wh_lc_add_text(&a, "%s", good[i].setting);
        wh_lc_add_text(&a, "%s", good[i].value);
    }
    redisReply *r = wh_lc_call_args("wh1_limit", &a);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
    assert_int_equal(wh_lc_count("HLEN " WH_LC_P ":limits"), N_GOOD);
}

static void refuse(const struct pair *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wh_lc_args a = {0};

        wh_lc_add_text(&a, "active:queue");
        wh_lc_add_text(&a, "3");
        wh_lc_add_text(&a, "%s", list[i].setting);
        wh_lc_add_text(&a, "%s", list[i].value);
        wh_lc_error_args("WHBADARG", "wh1_limit", &a);
    }
}

/* The good setting in front of each must not be taken either. */
static void malformed_settings_change_nothing(void **state)
{
    (void)state;
    wh_ll_set("active:queue", "7");
    refuse(bad_setting, sizeof bad_setting / sizeof bad_setting[0]);
    refuse(bad_value, sizeof bad_value / sizeof bad_value[0]);
    expect("active:queue", "7");
}

static void too_long_is_refused(void **state)
{
    struct wh_lc_args a = {0};

    (void)state;
    wh_lc_add_text(&a, "rate:org/%0260d", 1);
    wh_lc_add_text(&a, "1/1/1");
    wh_lc_error_args("WHBADARG", "wh1_limit", &a);
    wh_lc_add_text(&a, "rate:queue");
    wh_lc_add_text(&a, "1/1/%0100d", 1);
    wh_lc_error_args("WHBADARG", "wh1_limit", &a);
}

static void pairs(unsigned n, bool refused)
{
    struct wh_lc_args a = {0};

    for (unsigned i = 0; i < n; i++) {
        wh_lc_add_text(&a, "active:org/o%u", i);
        wh_lc_add_text(&a, "5");
    }
    if (refused) {
        wh_lc_error_args("WHBADARG", "wh1_limit", &a);
        return;
    }
    redisReply *r = wh_lc_call_args("wh1_limit", &a);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
}

static void one_to_a_hundred_pairs(void **state)
{
    (void)state;
    pairs(0, true);
    pairs(1, false);
    pairs(100, false);
    pairs(101, true);
    wh_lc_error("WHBADARG", "wh1_limit", "active:queue");
    wh_lc_error("WHBADARG", "wh1_limit", "active:queue 1 active:group");
    wh_lc_error("WHBADARG", "wh1_limits", "x");
}

static void empty_removes(void **state)
{
    (void)state;
    wh_ll_set("active:queue", ""); /* never set */
    wh_ll_set("active:queue", "3");
    wh_ll_set("rate:queue", "1/1000/1");
    wh_ll_set("active:queue", "4");
    expect("active:queue", "4");
    wh_ll_set("active:queue", "");
    expect("active:queue", "");
    expect("rate:queue", "1/1000/1");
    wh_ll_set("rate:queue", "");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":limits"), 0);
    assert_int_equal(wh_lc_count("HEXISTS " WH_LC_P ":ctl limits"), 0);
}

/* The same version must never stand for two sets of settings: they are kept between calls. */
static void every_change_is_seen_by_the_next_call(void **state)
{
    (void)state;
    wh_lc_worker("w");
    for (unsigned n = 1; n <= 40; n++) {
        wh_ll_put(n, "mail", "");
    }
    for (unsigned i = 0; i < 10; i++) {
        wh_ll_set("pause:type/mail", "1");
        assert_int_equal(wh_ll_take_count("w", 1), 0);
        wh_ll_set("pause:type/mail", "");
        assert_int_equal(wh_ll_take_count("w", 1), 1);
        wh_lc_audit();
    }
}

/* Somebody's own HSET: no setting of ours, hence none. */
static void malformed_by_hand_is_no_limit(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("active:org/other", "1");
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":limits active:queue x rate:queue 0/0/0 "
                              "nonsense 1"));
    wh_ll_set("active:org/else", "1");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "1");
    wh_lc_audit();
}

static void a_change_leaves_an_event(void **state)
{
    (void)state;
    wh_ll_set("active:queue", "3");
    redisReply *r = wh_lc_cmd("XREVRANGE " WH_LC_P ":events + - COUNT 1");
    const redisReply *fields = r->element[0]->element[1];
    assert_string_equal(wh_lc_find(fields, "event")->str, "limit");
    assert_string_equal(wh_lc_find(fields, "setting")->str, "active:queue");
    assert_string_equal(wh_lc_find(fields, "value")->str, "3");
    freeReplyObject(r);
}

static void a_repeated_call_changes_nothing(void **state)
{
    char before[41], after[41];

    (void)state;
    wh_ll_set("active:queue", "3");
    wh_lc_digest(before);
    wh_ll_set("active:queue", "3");
    wh_ll_set("active:type/mail", "");
    wh_lc_digest(after);
    assert_string_equal(after, before);
}

static void the_last_of_doubled_settings_holds(void **state)
{
    char before[41], after[41];

    (void)state;
    wh_lc_ok("wh1_limit", "active:queue 3 active:queue %s", "");
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":limits"), 0);
    wh_lc_ok("wh1_limit", "active:queue 3 active:queue 4");
    assert_int_equal(wh_lc_count("HSTRLEN " WH_LC_P ":limits active:queue"), 1);
    assert_int_equal(wh_lc_count("XLEN " WH_LC_P ":events"), 1);
    wh_lc_audit();
    wh_lc_digest(before);
    wh_lc_ok("wh1_limit", "active:queue 3 active:queue 4");
    wh_lc_digest(after);
    assert_string_equal(after, before);
}

static void a_raised_limit_calls_an_idle_worker(void **state)
{
    (void)state;
    wh_lc_worker("w");
    wh_ll_set("pause:org/default", "1");
    wh_ll_put(1, "mail", "");
    wh_lc_claim("w", 1, "");
    freeReplyObject(wh_lc_cmd("DEL " WH_LC_P ":bell:w"));
    wh_ll_set("pause:org/default", "");
    assert_int_equal(wh_lc_count("LLEN " WH_LC_P ":bell:w"), 1);
    wh_lc_claim("w", 1, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(every_setting_is_taken_and_told),
        WH_LC_TEST(all_in_one_call),
        WH_LC_TEST(malformed_settings_change_nothing),
        WH_LC_TEST(too_long_is_refused),
        WH_LC_TEST(one_to_a_hundred_pairs),
        WH_LC_TEST(empty_removes),
        WH_LC_TEST(every_change_is_seen_by_the_next_call),
        WH_LC_TEST(malformed_by_hand_is_no_limit),
        WH_LC_TEST(a_change_leaves_an_event),
        WH_LC_TEST(a_repeated_call_changes_nothing),
        WH_LC_TEST(the_last_of_doubled_settings_holds),
        WH_LC_TEST(a_raised_limit_calls_an_idle_worker),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
