/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real clocks run, the fake one obeys, times read well.
 */
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_real(void **state)
{
    (void)state;
    int64_t a = wh_clock_mono_us();
    int64_t b = wh_clock_mono_us();
    assert_true(a > 0 && b >= a);
    assert_true(wh_clock_mono_ms() >= a / 1000);
    assert_true(wh_clock_wall_ms() > INT64_C(1600000000000));
}

static void test_fake(void **state)
{
    (void)state;
    wh_clock_fake(5000000, 1000);
    assert_int_equal(wh_clock_mono_us(), 5000000);
    assert_int_equal(wh_clock_mono_ms(), 5000);
    assert_int_equal(wh_clock_wall_ms(), 1000);
    for (int i = 0; i < 4; i++) {
        wh_clock_advance(250); /* parts of a millisecond add up */
    }
    assert_int_equal(wh_clock_mono_us(), 5001000);
    assert_int_equal(wh_clock_wall_ms(), 1001);
    wh_clock_real();
    assert_true(wh_clock_wall_ms() > INT64_C(1600000000000));
}

static void test_iso(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {INT64_C(951827696123), "2000-02-29T12:34:56.123Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_MAX, "0000-00-00T00:00:00.000Z"},
        {INT64_MIN, "0000-00-00T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buf[25];
        assert_ptr_equal(wh_clock_iso(cases[i].ms, buf, sizeof buf), buf);
        assert_string_equal(buf, cases[i].want);
    }
}

static void test_human(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {
        {0, "0ms"},
        {350, "350ms"},
        {999, "999ms"},
        {1000, "1s"},
        {2500, "2.5s"},
        {59999, "59.9s"},
        {60000, "1m00s"},
        {192000, "3m12s"},
        {3599999, "59m59s"},
        {14700000, "4h05m"},
        {86399999, "23h59m"},
        {183600000, "2d03h"},
        {-2500, "-2.5s"},
        {INT64_MIN, "-9999999d00h"},
        {INT64_MAX, "9999999d00h"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buf[16];
        assert_string_equal(wh_clock_human(cases[i].ms, buf, sizeof buf),
                            cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_fake),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_human),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
