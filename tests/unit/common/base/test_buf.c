/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing buffer: appending, JSON strings, numbers, and failure that sticks.
 */
#include "common/base/buf.h"
#include "tests/support/oom.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_append(void **state)
{
    (void)state;
    wh_buf b = {0};
    assert_string_equal(wh_buf_str(&b), "");
    wh_buf_adds(&b, "ab");
    wh_buf_addc(&b, 'c');
    wh_buf_add(&b, "\0d", 2);
    wh_buf_addi(&b, INT64_MIN);
    wh_buf_addi(&b, 0);
    wh_buf_addf(&b, "<%s:%d>", "x", 7);
    assert_true(wh_buf_ok(&b));
    assert_memory_equal(wh_buf_str(&b), "abc\0d-92233720368547758080<x:7>", b.len + 1);
    wh_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(wh_buf_str(&b), "");
    wh_buf_fini(&b);
    assert_null(b.data);
}

static void test_growth_and_consume(void **state)
{
    (void)state;
    wh_buf b = {0};
    for (int i = 0; i < 5000; i++) {
        wh_buf_addf(&b, "%d,", i % 10);
    }
    assert_int_equal(b.len, 10000);
    wh_buf_consume(&b, 9996);
    assert_string_equal(wh_buf_str(&b), "8,9,");
    wh_buf_consume(&b, 0);
    assert_int_equal(b.len, 4);
    wh_buf_consume(&b, 4);
    assert_string_equal(wh_buf_str(&b), "");

    char *to = wh_buf_reserve(&b, 100);
    assert_non_null(to);
    memset(to, 'z', 100);
    b.len = 100;
    assert_int_equal(strlen(wh_buf_str(&b)), 100);
    assert_null(wh_buf_reserve(&b, SIZE_MAX - 50));
    assert_false(wh_buf_ok(&b));
    wh_buf_fini(&b);
}

static void test_take(void **state)
{
    (void)state;
    wh_buf b = {0};
    char *s = wh_buf_take(&b);
    assert_string_equal(s, "");
    wh_free(s);
    wh_buf_adds(&b, "mine");
    s = wh_buf_take(&b);
    assert_string_equal(s, "mine");
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    wh_free(s);
}

static void check_json(const char *in, size_t n, const char *want)
{
    wh_buf b = {0};
    wh_buf_add_json(&b, in, n);
    assert_string_equal(wh_buf_str(&b), want);
    wh_buf_fini(&b);
}

static void test_json(void **state)
{
    (void)state;
    check_json("", 0, "\"\"");
    check_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    check_json("\n\r\t\x01\x7f\0", 6, "\"\\n\\r\\t\\u0001\\u007f\\u0000\"");
    check_json("\xC3\xA9\xF0\x9F\x98\x80", 6, "\"\xC3\xA9\xF0\x9F\x98\x80\"");
    check_json("\xC2\x9B[31m", 6, "\"\\u009b[31m\"");
    /* cut short, stray, overlong, surrogate, beyond the end */
    check_json("a\xE2\x82", 3, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_json("\x80z", 2, "\"\xEF\xBF\xBDz\"");
    check_json("\xC0\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_json("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    check_json("\xF4\x90\x80\x80", 1, "\"\xEF\xBF\xBD\"");
}

static void test_utf8_len(void **state)
{
    (void)state;
    assert_int_equal(wh_buf_utf8_len("a", 1), 1);
    assert_int_equal(wh_buf_utf8_len("a", 0), 0);
    assert_int_equal(wh_buf_utf8_len("\xC3\xA9", 2), 2);
    assert_int_equal(wh_buf_utf8_len("\xC3\xA9", 1), 0);
    assert_int_equal(wh_buf_utf8_len("\xE0\x9F\xBF", 3), 0);
    assert_int_equal(wh_buf_utf8_len("\xF0\x8F\xBF\xBF", 4), 0);
    assert_int_equal(wh_buf_utf8_len("\xF4\x8F\xBF\xBF", 4), 4);
    assert_int_equal(wh_buf_utf8_len("\xF4\x90\x80\x80", 4), 0);
}

static void check_double(double v, const char *want)
{
    wh_buf b = {0};
    wh_buf_add_double(&b, v);
    assert_string_equal(wh_buf_str(&b), want);
    wh_buf_fini(&b);
}

static void test_double(void **state)
{
    (void)state;
    check_double(0, "0");
    check_double(-3, "-3");
    check_double(0.1, "0.1");
    check_double(0.0005, "0.0005");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(1e300, "1e+300");
    check_double(123456789012.5, "123456789012.5");
    check_double((double)NAN, "NaN");
    check_double((double)INFINITY, "+Inf");
    check_double(-(double)INFINITY, "-Inf");
}

static void append_all(wh_buf *b)
{
    char text[300];
    memset(text, 'q', sizeof text);
    for (int i = 0; i < 20; i++) {
        wh_buf_add(b, text, sizeof text);
        wh_buf_add_json(b, text, 30);
        wh_buf_addf(b, "%d", i);
        wh_buf_add_double(b, 0.25);
    }
}

static void test_failure_sticks(void **state)
{
    (void)state;
    for (long n = 1, more = 1; more; n++) {
        wh_buf b = {0};
        oom_on(n);
        append_all(&b);
        more = oom_off();
        assert_int_equal(wh_buf_ok(&b), !more);
        if (more) {
            size_t len = b.len;
            wh_buf_adds(&b, "no");
            assert_int_equal(b.len, len);
            assert_null(wh_buf_reserve(&b, 1));
            assert_null(wh_buf_take(&b));
            assert_true(wh_buf_ok(&b)); /* empty and usable again */
            wh_buf_adds(&b, "yes");
            assert_string_equal(wh_buf_str(&b), "yes");
        }
        wh_buf_fini(&b);
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_growth_and_consume),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_utf8_len),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
