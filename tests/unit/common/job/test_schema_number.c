/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers have one form each, keep every digit, and divide exactly; also under a locale
 * that writes the point as a comma.
 */
#include "common/job/schema_number.h"

#include <float.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

typedef struct parsed {
    char digits[400];
    wh_schema_number number;
} parsed;

static void parse(const char *text, parsed *out)
{
    assert_int_equal(wh_schema_number_scan(text, strlen(text)), strlen(text));
    assert_true(wh_schema_number_read(text, strlen(text), out->digits, &out->number));
}

static int compare(const char *a, const char *b)
{
    parsed x, y;
    parse(a, &x);
    parse(b, &y);
    int order = wh_schema_number_compare(&x.number, &y.number);
    return (order > 0) - (order < 0);
}

static void test_compare(void **state)
{
    static const char *const ascending[] = {
        "-1e300",
        "-9223372036854775809",
        "-9223372036854775808",
        "-10",
        "-9.99",
        "-1",
        "-0.001",
        "-1e-300",
        "0",
        "1e-300",
        "0.1",
        "0.10000000000000000001",
        "0.2",
        "1",
        "1.5",
        "2",
        "10",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "1e300",
    };
    (void)state;
    for (size_t i = 0; i < LEN(ascending); i++) {
        for (size_t k = 0; k < LEN(ascending); k++) {
            assert_int_equal(compare(ascending[i], ascending[k]), (i > k) - (i < k));
        }
    }
    assert_int_equal(compare("100", "1e2"), 0);
    assert_int_equal(compare("0.00", "-0e9"), 0);
    assert_int_equal(compare("12.30", "0.123e2"), 0);
}

static void test_to_integer(void **state)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0.0", true, 0},
        {"1.0", true, 1},
        {"12e3", true, 12000},
        {"0.5", false, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"1e18", true, INT64_C(1000000000000000000)},
        {"1e19", false, 0},
        {"99999999999999999999", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        parsed p;
        int64_t value = 0;
        parse(cases[i].text, &p);
        assert_int_equal(wh_schema_number_to_integer(&p.number, &value), cases[i].fits);
        assert_true(!cases[i].fits || value == cases[i].value);
        if (cases[i].fits) {
            parsed again;
            wh_schema_number_of_integer(value, again.digits, &again.number);
            assert_int_equal(wh_schema_number_compare(&p.number, &again.number), 0);
        }
    }
}

static void test_multiples(void **state)
{
    static const struct {
        const char *a, *m;
        bool is_multiple;
    } cases[] = {
        {"0", "7", true},
        {"21", "7", true},
        {"22", "7", false},
        {"0.3", "0.1", true},
        {"0.0075", "0.0001", true},
        {"0.00751", "0.0001", false},
        {"1e308", "0.123456789", false},
        {"1e9000", "7", false},
        {"1e9000", "8", true},
        {"5", "10", false},
        {"30", "10", true},
        {"-4.5", "1.5", true},
        {"1", "0.3", false},
        {"1e-5", "1e-9000", true},
        {"1e-9000", "1e-5", false},
        {"123456789012345678901234567890", "10", true},
        {"123456789012345678901234567891", "3", false},
        {"999999999999999999999999999999", "999999999999999", true},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        parsed a, m;
        parse(cases[i].a, &a);
        parse(cases[i].m, &m);
        assert_int_equal(wh_schema_number_is_multiple(&a.number, &m.number),
                         cases[i].is_multiple);
    }
}

static void test_bounds(void **state)
{
    static const char *const far[] = {"1e10000", "1e-10000", "1e99999999999999999999",
                                      "-1e-99999999999999999999", "0.1e10001"};
    char digits[64];
    wh_schema_number number;
    (void)state;
    for (size_t i = 0; i < LEN(far); i++) {
        assert_false(wh_schema_number_read(far[i], strlen(far[i]), digits, &number));
    }
    assert_true(wh_schema_number_read("1e9998", 6, digits, &number));
    assert_true(wh_schema_number_read("0e99999999999", 13, digits, &number));
}

static void check_double(double v)
{
    char text[WH_SCHEMA_NUMBER_TEXT];
    size_t n = wh_schema_number_of_double(v, text);
    assert_int_equal(n, strlen(text));
    assert_int_equal(wh_schema_number_scan(text, n), n);
    assert_null(strchr(text, ','));
}

static void test_doubles(void **state)
{
    static const double values[] = {0.0,     -0.0,    1.0,    0.1,     -2.5,      1e300,
                                    DBL_MAX, DBL_MIN, 5e-324, 1.0 / 3, 12345678.9};
    (void)state;
    for (size_t i = 0; i < LEN(values); i++) {
        char text[WH_SCHEMA_NUMBER_TEXT];
        check_double(values[i]);
        size_t n = wh_schema_number_of_double(values[i], text);
        assert_true(n < sizeof text);
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
    char text[WH_SCHEMA_NUMBER_TEXT];
    (void)wh_schema_number_of_double(0.07, text);
    assert_string_equal(text, "7.00000000000000e-02");
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL) {
        check_double(0.07);
        (void)setlocale(LC_NUMERIC, "C");
    }
}

/* No decimal of fewer digits reads back: not at a power of two either, where the nearest
 * decimal of 16 digits does not, and not where doubles have fewer bits. */
static void test_shortest(void **state)
{
    static const struct {
        double v;
        const char *shortest;
    } cases[] = {
        {5e-324, "5e-324"},
        {-1e-323, "-1e-323"},
        {1e-320, "1e-320"},
        {1.235e-320, "1.235e-320"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"}, /* DBL_MIN */
        {2.225073858507201e-308, "2.225073858507201e-308"},   /* below it */
        {0x1p-44, "5.684341886080802e-14"},
        {-0x1p-44, "-5.684341886080802e-14"},
        {0x1p-1, "0.5"},
        {0x1p60, "1152921504606847000"},
        {1e23, "1e23"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        char text[WH_SCHEMA_NUMBER_TEXT];
        parsed made, wanted;
        check_double(cases[i].v);
        (void)wh_schema_number_of_double(cases[i].v, text);
        parse(text, &made);
        parse(cases[i].shortest, &wanted);
        print_message("%s\n", text);
        assert_int_equal(wh_schema_number_compare(&made.number, &wanted.number), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),   cmocka_unit_test(test_to_integer),
        cmocka_unit_test(test_multiples), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_doubles),   cmocka_unit_test(test_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
