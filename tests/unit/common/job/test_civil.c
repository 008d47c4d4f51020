/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates against the C library's UTC calendar, day by day.
 */
#include "common/job/civil.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void check_day(int64_t days)
{
    time_t t = (time_t)(days * WH_CIVIL_DAY_S);
    struct tm tm;
    wh_civil c = wh_civil_of_days(days);
    assert_non_null(gmtime_r(&t, &tm));
    assert_true(c.year == tm.tm_year + 1900);
    assert_int_equal(c.month, tm.tm_mon + 1);
    assert_int_equal(c.day, tm.tm_mday);
    assert_int_equal(wh_civil_weekday(days), tm.tm_wday);
    assert_true(wh_civil_to_days(c.year, c.month, c.day) == days);
    bool last = wh_civil_of_days(days + 1).day == 1;
    assert_int_equal(wh_civil_month_length(c.year, c.month) == c.day, last);
}

static void test_every_day(void **state)
{
    (void)state;
    for (int64_t days = -150000; days < 150000; days++) {
        check_day(days);
    }
    for (int64_t days = -400000000000; days < 400000000000; days += 1234567891) {
        check_day(days);
    }
}

static void test_known(void **state)
{
    (void)state;
    assert_true(wh_civil_to_days(1970, 1, 1) == 0);
    assert_true(wh_civil_to_days(2000, 2, 29) == 11016);
    assert_true(wh_civil_to_days(2100, 3, 1) == 47541);
    assert_int_equal(wh_civil_weekday(0), 4);
    assert_true(wh_civil_is_leap(2000) && wh_civil_is_leap(2096));
    assert_false(wh_civil_is_leap(2100) || wh_civil_is_leap(2026));
    assert_true(wh_civil_of_seconds(-1) == -1);
    assert_true(wh_civil_of_seconds(0) == 0);
    assert_true(wh_civil_of_seconds(86399) == 0);
    assert_true(wh_civil_of_seconds(86400) == 1);
    assert_true(wh_civil_of_seconds(-86400) == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
