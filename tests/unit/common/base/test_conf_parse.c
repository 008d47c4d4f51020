/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scalar parsers at their edges, and the nearest name.
 */
#include "common/base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_duration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {
        {"250ms", 250},  {"5s", 5000},      {"2m", 120000},
        {"1h", 3600000}, {"7d", 604800000}, {"0s", 0},
        {"2.5s", 2500},  {"0.5h", 1800000}, {"9223372036854775807ms", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "5",
                                      "5 s",
                                      " 5s",
                                      "5s ",
                                      "-5s",
                                      "s",
                                      "5S",
                                      "1.s",
                                      ".5s",
                                      "5m5s",
                                      "+5s",
                                      "0x5s",
                                      "0.5ms",
                                      "1e3s",
                                      "9223372036854775808ms",
                                      "99999999999999999999s",
                                      "106751991168d",
                                      "1.0000001s"};
    int64_t ms = -1;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(wh_conf_parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].want);
    }
    ms = -7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(wh_conf_parse_duration(bad[i], &ms));
    }
    assert_int_equal(ms, -7);
}

static void test_size(void **state)
{
    (void)state;
    int64_t n = -1;
    assert_true(wh_conf_parse_size("500", &n));
    assert_int_equal(n, 500);
    assert_true(wh_conf_parse_size("64KiB", &n));
    assert_int_equal(n, 65536);
    assert_true(wh_conf_parse_size("1.5MiB", &n));
    assert_int_equal(n, 1572864);
    assert_true(wh_conf_parse_size("2GiB", &n));
    assert_int_equal(n, INT64_C(2147483648));
    assert_true(wh_conf_parse_size("0", &n));
    assert_int_equal(n, 0);
    assert_false(wh_conf_parse_size("64KB", &n));
    assert_false(wh_conf_parse_size("64k", &n));
    assert_false(wh_conf_parse_size("-1", &n));
    assert_false(wh_conf_parse_size("", &n));
    assert_false(wh_conf_parse_size("0.3", &n));
    assert_false(wh_conf_parse_size("8388608TiB", &n));
}

static void test_int(void **state)
{
    (void)state;
    int64_t n = 3;
    assert_true(wh_conf_parse_int("-9223372036854775807", INT64_MIN, INT64_MAX, &n));
    assert_int_equal(n, -INT64_MAX);
    assert_true(wh_conf_parse_int("007", 0, 10, &n));
    assert_int_equal(n, 7);
    assert_false(wh_conf_parse_int("11", 0, 10, &n));
    assert_false(wh_conf_parse_int("-1", 0, 10, &n));
    assert_false(wh_conf_parse_int("9223372036854775808", 0, INT64_MAX, &n));
    assert_false(wh_conf_parse_int("", 0, 10, &n));
    assert_false(wh_conf_parse_int("-", -5, 10, &n));
    assert_false(wh_conf_parse_int("1 ", 0, 10, &n));
    assert_false(wh_conf_parse_int("1_0", 0, 10, &n));
    assert_int_equal(n, 7);
}

static void test_suggest(void **state)
{
    (void)state;
    static const char *const names[] = {"region", "slots", "redis.url", "cron", "a"};
    assert_string_equal(wh_conf_suggest("regoin", names, 5), "region");
    assert_string_equal(wh_conf_suggest("slot", names, 5), "slots");
    assert_string_equal(wh_conf_suggest("redis-url", names, 5), "redis.url");
    assert_string_equal(wh_conf_suggest("corn", names, 5), "cron");
    assert_null(wh_conf_suggest("queue", names, 5));
    assert_null(wh_conf_suggest("", names, 5));
    assert_null(wh_conf_suggest("b", names, 5));
    assert_null(wh_conf_suggest("x", names, 0));
    char longer[300];
    memset(longer, 'r', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(wh_conf_suggest(longer, names, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_int),
        cmocka_unit_test(test_suggest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
