/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a change of one setting costs, counted in commands, where there are very many other
 * settings, claims or orgs: only what changes is read again. And that it is right after it.
 */
#include "tests/support/lua_case.h"
#include "tests/support/lua_load.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ORGS = 700 }; /* more than a hash holds as a list */

/* A setting changes: how often a command ran. */
static long long calls_of(const char *command, const char *setting, const char *value)
{
    wh_ll_reset_calls();
    wh_ll_set(setting, value);
    return wh_ll_calls(command);
}

/* The settings that were parsed stay: they are not all read again. */
static void others_are_not_read_again(void **state)
{
    static const char *const changes[][2] = {
        {"active:type/mail", "1"}, {"active:type/mail", "2"},
        {"pause:org/b", "1"},      {"pause:org/b", ""},
        {"active:type/mail", ""},  {"rate:type/*", "1/1000/1"},
        {"rate:type/*", ""},
    };
    char setting[40];

    (void)state;
    wh_ll_start();
    for (unsigned i = 0; i < 200; i++) {
        snprintf(setting, sizeof setting, "rate:org/o%u", i);
        wh_ll_set(setting, "1/1000/1");
    }
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(calls_of("hgetall", changes[i][0], changes[i][1]), 0);
        wh_ll_reset_calls();
        (void)wh_ll_take_count("w", 1);
        assert_int_equal(wh_ll_calls("hgetall"), 0);
    }
}

/* Sets and removes settings of each kind: what they do is there and gone again. */
static void each_change_counts_at_once(void **state)
{
    static const char *const holders[][2] = {
        {"pause:type/t", "1"},      {"pause:org/a", "1"},
        {"active:queue", "1"},      {"active:type/*", "1"},
        {"active:org/a", "1"},      {"active:org/a/group/g", "1"},
        {"active:group", "1"},      {"rate:org/*/type/t", "1/86400000/1"},
        {"rate:queue", "1/1000/1"}, {"rate:type/t", "1/86400000/1"},
    };
    enum { HOLDERS = sizeof holders / sizeof holders[0] };
    unsigned next = 1;

    (void)state;
    wh_ll_start();
    wh_ll_set("active:org/other", "1"); /* there are always some */
    for (unsigned i = 0; i < 4 * HOLDERS; i++) {
        unsigned j = i * 7 % HOLDERS; /* in another order than they stand */
        unsigned first = next;
        struct wh_ll_claims c;

        wh_ll_set(holders[j][0], holders[j][1]);
        for (; next < first + 3; next++) {
            wh_ll_put(next, "t", "ORG a GROUP g");
        }
        assert_in_range(wh_ll_take_count("w", 10), 0, 1);
        wh_lc_audit();
        wh_ll_set(holders[j][0], "");
        wh_lc_advance(1);
        wh_ll_take("w", 10, &c);
        assert_in_range(c.n, 2, 3);
        wh_lc_audit();
    }
}

static void what_others_write_counts_with_the_next_change(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("active:org/other", "1");
    freeReplyObject(wh_lc_cmd("HSET " WH_LC_P ":limits pause:type/t 1"));
    wh_ll_set("active:org/else", "1");
    wh_ll_put(1, "t", "");
    assert_int_equal(wh_ll_take_count("w", 1), 0);
}

/* What is in flight is counted when a cap begins, and only then. */
static void claims_are_counted_when_a_cap_begins(void **state)
{
    (void)state;
    wh_ll_start();
    wh_ll_set("active:org/other", "1");
    for (unsigned n = 1; n <= 20; n++) {
        wh_ll_put(n, n % 2 == 0 ? "t" : "u", "ORG a GROUP g");
    }
    assert_int_equal(wh_ll_take_count("w", 10), 10);
    assert_int_equal(calls_of("hvals", "rate:type/t", "1000/1000/9"), 0);
    assert_int_equal(calls_of("hvals", "active:org/a", "100"), 0);
    assert_int_equal(calls_of("hvals", "active:type/t", "5"), 1);
    wh_lc_audit();
    assert_int_equal(calls_of("hvals", "active:type/t", "6"), 0);
    assert_int_equal(calls_of("hvals", "active:group", "100"), 1);
    wh_lc_audit();
    assert_int_equal(calls_of("hvals", "active:queue", "12"), 1);
    assert_int_equal(wh_ll_take_count("w", 10), 2);
    assert_int_equal(calls_of("hvals", "active:type/t", ""), 0);
    assert_int_equal(wh_lc_count("HEXISTS " WH_LC_P ":load type/t"), 0);
    wh_lc_audit();
    assert_int_equal(calls_of("hvals", "active:group", ""), 0);
    assert_int_equal(wh_lc_count("HLEN " WH_LC_P ":load"), 1);
    wh_lc_audit();
    assert_int_equal(calls_of("hvals", "active:queue", ""), 0);
    assert_int_equal(wh_lc_count("EXISTS " WH_LC_P ":load"), 0);
    wh_lc_audit();
}

static long long out_in_all(void)
{
    long long n = 0;

    for (unsigned i = 0; i < ORGS; i++) {
        char command[120];

        snprintf(command, sizeof command,
                 "ZCOUNT " WH_LC_P ":groups:o%u:5 4503599627370496 inf", i);
        n += wh_lc_count(command);
    }
    return n;
}

/* The cap of all groups: whose groups stand back is looked at in parts, and nobody is left out. */
static void many_orgs_with_groups_are_looked_at_in_parts(void **state)
{
    char options[40];

    (void)state;
    wh_ll_start();
    wh_ll_set("active:group", "1");
    wh_ll_set("pause:type/t", "1");
    for (unsigned i = 0; i < ORGS; i++) {
        snprintf(options, sizeof options, "ORG o%u GROUP g", i);
        wh_ll_put(i + 1, "t", options);
    }
    while (wh_lc_count("EXISTS " WH_LC_P ":ring") == 1) {
        (void)wh_ll_take_count("w", 100);
    }
    assert_int_equal(out_in_all(), ORGS);
    assert_in_range(calls_of(NULL, "active:group", ""), 1, 60);
    assert_int_equal(wh_lc_count("ZCARD " WH_LC_P ":parked"),
                     2); /* the type, and these */
    for (unsigned i = 0; i < 60 && out_in_all() > 0; i++) {
        wh_ll_reset_calls();
        (void)wh_ll_take_count("w", 8);
        assert_in_range(wh_ll_calls(NULL), 1, 5000); /* some 40 an org */
    }
    assert_int_equal(out_in_all(), 0);
    wh_lc_audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WH_LC_TEST(others_are_not_read_again),
        WH_LC_TEST(each_change_counts_at_once),
        WH_LC_TEST(what_others_write_counts_with_the_next_change),
        WH_LC_TEST(claims_are_counted_when_a_cap_begins),
        WH_LC_TEST(many_orgs_with_groups_are_looked_at_in_parts),
    };

    return cmocka_run_group_tests(tests, wh_lc_start, wh_lc_stop);
}
