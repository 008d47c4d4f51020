/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What checks report, the bounds of payloads, doubles, and memory. That keywords mean
 * what the standard says is for tests/integration/test_schema_suite.c.
 */
#include "common/job/schema.h"
#include "tests/unit/common/job/failing_alloc.h"
#include "tests/unit/common/job/schema_case.h"

#include <stdio.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(literal) (literal), sizeof(literal) - 1

static const char user[] =
    "{\"type\":\"object\",\"properties\":{\"user\":{\"$ref\":\"#/$defs/user\"},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":3},"
    "\"uniqueItems\":true,\"maxItems\":3}},\"additionalProperties\":false,"
    "\"$defs\":{\"user\":{\"type\":\"object\",\"required\":[\"age\"],"
    "\"properties\":{\"age\":{\"minimum\":18},\"a/b~c\":{\"const\":1}}}}}";

static void test_reports(void **state)
{
    static const struct {
        const char *payload, *schema, *keyword, *text;
    } cases[] = {
        {"{\"user\":{\"age\":17}}", "/$defs/user/properties/age/minimum", "minimum",
         "/user/age: 17 is less than minimum 18"},
        {"{\"user\":{\"age\":17.95}}", "/$defs/user/properties/age/minimum", "minimum",
         "/user/age: 17.95 is less than minimum 18"},
        {"{\"user\":{}}", "/$defs/user/required", "required",
         "/user: \"age\" is missing"},
        {"[]", "/type", "type",
         "payload: an array of 0 items is not of type \"object\""},
        {"{\"tags\":[\"a\",\"abcd\"]}", "/properties/tags/items/maxLength", "maxLength",
         "/tags/1: 4 characters; at most 3"},
        {"{\"tags\":[\"a\",\"b\",\"a\"]}", "/properties/tags/uniqueItems",
         "uniqueItems", "/tags/2: this item is there twice"},
        {"{\"tags\":[\"a\",\"b\",\"c\",\"d\"]}", "/properties/tags/maxItems",
         "maxItems", "/tags: 4 items; at most 3"},
        {"{\"user\":{\"age\":18,\"a/b~c\":2}}", "/$defs/user/properties/a~1b~0c/const",
         "const", "/user/a~1b~0c: 2 is not 1"},
        {"{\"us\\u0001er\":1}", "/additionalProperties", "additionalProperties",
         "/us?er: may not be there"},
        {"{\"user\":", "", "", "payload: not JSON at byte 8: ends too early"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema_report report;
        wh_err err = schema_case_check(user, cases[i].payload, &report);
        assert_int_equal(err, cases[i].schema[0] != '\0' ? WH_EINVAL : WH_EBADDATA);
        assert_string_equal(report.text, cases[i].text);
        assert_string_equal(report.schema, cases[i].schema);
        assert_string_equal(report.keyword, cases[i].keyword);
        if (report.instance[0] != '\0') {
            assert_memory_equal(report.text, report.instance, strlen(report.instance));
        }
    }
}

/* Of objects and arrays that are not what const wants: the first place that differs. */
static void test_differences(void **state)
{
    static const struct {
        const char *schema, *payload, *text;
    } cases[] = {
        {"{\"const\":{\"a\":1}}", "{\"a\":2}", "/a: 2 is not 1"},
        {"{\"const\":{\"a\":{\"b\":[1,{}]},\"z\":0}}", "{\"z\":0,\"a\":{\"b\":[1,[]]}}",
         "/a/b/1: an array of 0 items is not an object of 0 members"},
        {"{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2}", "payload: \"a\" is missing"},
        {"{\"const\":[{\"b\":2}]}", "[{\"b\":2,\"a\":1}]",
         "/0: \"a\" is not wanted here"},
        {"{\"const\":[1,2]}", "[1]",
         "payload: an array of 1 item is not an array of 2 items"},
        {"{\"enum\":[{\"a\":[1]}]}", "{\"a\":[2]}", "/a/0: 2 is not 1"},
        {"{\"enum\":[{\"a\":1},1]}", "{\"a\":2}",
         "payload: an object of 1 member is none of the 2 values that may be here"},
        {"{\"const\":1}", "{}", "payload: an object of 0 members is not 1"},
        {"{\"const\":9223372036854775808}", "-9223372036854775809",
         "payload: -9223372036854775809 is not 9223372036854775808"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema_report report;
        assert_int_equal(schema_case_check(cases[i].schema, cases[i].payload, &report),
                         WH_EINVAL);
        assert_string_equal(report.text, cases[i].text);
        assert_string_equal(report.keyword,
                            strstr(cases[i].schema, "const") ? "const" : "enum");
    }
}

/* Looking for the place ends, too, when it would take long. */
static void test_costly_difference(void **state)
{
    enum { DEPTH = 60, ITEMS = 100000 };
    static char schema[2 * ITEMS + 2 * DEPTH + 20], payload[sizeof schema];
    wh_schema_report report;
    char *to = schema + sprintf(schema, "{\"const\":");
    (void)state;
    memset(to, '[', DEPTH);
    for (int i = 0; i < ITEMS; i++) {
        memcpy(to + DEPTH + 2 * i, "1,", 2);
    }
    memset(to + DEPTH + 2 * ITEMS - 1, ']', DEPTH);
    memcpy(payload, to, sizeof schema - 20);
    payload[DEPTH + 2 * ITEMS - 2] = '2';
    strcpy(to + 2 * DEPTH + 2 * ITEMS - 1, "}");
    assert_int_equal(schema_case_check(schema, payload, &report), WH_EINVAL);
    assert_non_null(
        strstr(report.text, "an array of 1 item is not what is wanted here"));
}

/* What reading refuses says why. */
static void test_unreadable(void **state)
{
    static const char *const lone[] = {"\"\\ud800\"", "\"\\udc00\"",
                                       "\"\\ud800\\u0041\"", "{\"\\ud800x\":1}"};
    enum { DIGITS = 10001 };
    wh_schema_report report;
    char *digits = malloc(DIGITS + 1);
    (void)state;
    assert_non_null(digits);
    for (size_t i = 0; i < LEN(lone); i++) {
        assert_int_equal(schema_case_check("true", lone[i], &report), WH_EBADDATA);
        assert_non_null(strstr(report.text, "a lone surrogate"));
    }
    assert_int_equal(schema_case_check("true", "\"\\ud8\"", &report), WH_EBADDATA);
    assert_non_null(strstr(report.text, "a wrong escape"));
    memset(digits, '1', DIGITS);
    digits[DIGITS] = '\0';
    assert_int_equal(schema_case_check("true", digits, &report), WH_ETOOBIG);
    assert_non_null(strstr(report.text, "more than 9999 digits"));
    assert_int_equal(schema_case_check("true", "1e99999", &report), WH_ETOOBIG);
    assert_non_null(strstr(report.text, "exponent is beyond 9999"));
    digits[DIGITS - 2] = '\0'; /* 9999 digits pass */
    assert_int_equal(schema_case_check("true", digits, &report), WH_OK);
    free(digits);
}

static void test_valid_report_is_empty(void **state)
{
    (void)state;
    wh_schema_report report;
    memset(&report, 'x', sizeof report);
    assert_int_equal(schema_case_check(user, "{\"user\":{\"age\":18}}", &report),
                     WH_OK);
    assert_int_equal(report.text[0], '\0');
    assert_int_equal(schema_case_check("{\"not\":{\"type\":\"null\"}}", "1", &report),
                     WH_OK);
    assert_int_equal(report.text[0], '\0'); /* what failed inside not is no failure */
    assert_int_equal(schema_case_check(user, "{\"user\":{\"age\":1}}", NULL),
                     WH_EINVAL);
}

/* Reports show little of a payload, cut at a character. */
static void test_report_is_short(void **state)
{
    char payload[4000] = "{\"", *end = payload + 2;
    wh_schema_report report;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        end += sprintf(end, "%s", i == 500 ? "\":\"" : "\xC3\xA9");
    }
    (void)sprintf(end, "\"}");
    assert_int_equal(
        schema_case_check(
            "{\"additionalProperties\":{\"maxLength\":1,\"type\":\"null\"}}", payload,
            &report),
        WH_EINVAL);
    assert_true(strlen(report.instance) <= 60);
    assert_true(strlen(report.text) <= 160);
    assert_non_null(strstr(report.text, "\xC3\xA9...\" is not of type"));
    /* Many long names. */
    char deep[4000] = "", *to = deep;
    for (int i = 0; i < 60; i++) {
        to += sprintf(to, "{\"a name that is not short %d\":", i);
    }
    to += sprintf(to, "1");
    for (int i = 0; i < 60; i++) {
        to += sprintf(to, "}");
    }
    assert_int_equal(schema_case_check("{\"additionalProperties\":{\"$ref\":\"#\"},"
                                       "\"type\":\"object\"}",
                                       deep, &report),
                     WH_EINVAL);
    assert_int_equal(strncmp(report.instance, "/a name that", 12), 0);
    assert_non_null(strstr(report.instance, "..."));
}

static void test_big_integers(void **state)
{
    static const struct {
        const char *schema, *payload;
        wh_err err;
    } cases[] = {
        {"{\"const\":9223372036854775808}", "9223372036854775808", WH_OK},
        {"{\"const\":9223372036854775808}", "9223372036854775809", WH_EINVAL},
        {"{\"const\":9007199254740993}", "9007199254740992", WH_EINVAL},
        {"{\"maximum\":18446744073709551615}", "18446744073709551616", WH_EINVAL},
        {"{\"maximum\":18446744073709551615}", "18446744073709551615", WH_OK},
        {"{\"type\":\"integer\"}", "1e300", WH_OK},
        {"{\"type\":\"integer\"}", "1.5e300", WH_OK},
        {"{\"type\":\"integer\"}", "1.5", WH_EINVAL},
        {"{\"multipleOf\":0.01}", "1234567890123456789012.34", WH_OK},
        {"{\"multipleOf\":0.01}", "1234567890123456789012.345", WH_EINVAL},
        {"{\"enum\":[1,2]}", "1.0", WH_OK},
        {"{\"const\":0}", "-0.0e5", WH_OK},
        {"true", "1e99999", WH_ETOOBIG},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        print_message("%s %s\n", cases[i].schema, cases[i].payload);
        assert_int_equal(schema_case_check(cases[i].schema, cases[i].payload, NULL),
                         cases[i].err);
    }
}

static void test_msgpack(void **state)
{
    static const struct {
        const char *schema, *p;
        size_t n;
        wh_err err;
    } cases[] = {
        {"{\"const\":18446744073709551615}",
         BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), WH_OK},
        {"{\"const\":-1}", BYTES("\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), WH_OK},
        {"{\"const\":0.1}", BYTES("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), WH_OK},
        {"{\"const\":0.5}", BYTES("\xca\x3f\x00\x00\x00"), WH_OK},
        {"{\"const\":1}", BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"), WH_OK},
        {"{\"required\":[\"a\"]}",
         BYTES("\x81\xa1"
               "a\xc0"),
         WH_OK},
        {"{\"type\":\"string\"}",
         BYTES("\xc4\x01"
               "a"),
         WH_EINVAL}, /* bin is of no type */
        {"{\"type\":[\"null\",\"boolean\",\"number\",\"string\",\"array\",\"object\"]}",
         BYTES("\xd4\x01\x02"), WH_EINVAL}, /* nor is ext */
        {"{\"maxLength\":0}",
         BYTES("\xc4\x01"
               "a"),
         WH_OK},
        {"true", BYTES("\xca\x7f\xc0\x00\x00"), WH_EBADDATA}, /* NaN */
        {"true", BYTES("\xa1\xff"), WH_EBADDATA},             /* not UTF-8 */
        {"true", BYTES("\x81\x01\xc0"), WH_EBADDATA}, /* a name that is a number */
        {"true", BYTES("\x81\xc4\x01\x61\xc0"), WH_EBADDATA}, /* or a bin */
        {"true", BYTES("\x82\xa1\x61\xc0\xa1\x61\xc0"),
         WH_EBADDATA}, /* twice the same */
        {"true", BYTES("\xc0\xc0"), WH_EBADDATA},
        {"true", BYTES("\xc1"), WH_EBADDATA},
        {"true", BYTES(""), WH_EBADDATA},
        {"true", BYTES("\xdd\xff\x00\x00\x00"), WH_EBADDATA}, /* bombs */
        {"true", BYTES("\xdf\xff\xff\xff\xff\xc0"), WH_EBADDATA},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema *s = schema_case_compile(cases[i].schema);
        wh_schema_report report;
        wh_err err = wh_schema_check_msgpack(s, cases[i].p, cases[i].n, &report);
        wh_schema_free(s);
        print_message("%u: %s\n", (unsigned)i, report.text);
        assert_int_equal(err, cases[i].err);
    }
}

static void test_depth(void **state)
{
    char json[200], packed[100];
    wh_schema *s = schema_case_compile("{\"items\":{\"$ref\":\"#\"}}");
    wh_schema_report report;
    (void)state;
    for (size_t depth = WH_SCHEMA_PAYLOAD_DEPTH_MAX;
         depth <= WH_SCHEMA_PAYLOAD_DEPTH_MAX + 1; depth++) {
        wh_err wanted = depth > WH_SCHEMA_PAYLOAD_DEPTH_MAX ? WH_ETOOBIG : WH_OK;
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        memset(packed, '\x91', depth);
        packed[depth - 1] = '\x90';
        assert_int_equal(wh_schema_check_json(s, json, 2 * depth, &report), wanted);
        assert_int_equal(wh_schema_check_msgpack(s, packed, depth, &report), wanted);
    }
    assert_non_null(strstr(report.text, "nests too deep"));
    wh_schema_free(s);
}

static void test_too_many_values(void **state)
{
    enum { N = 1100000 };
    char *packed = malloc(N + 5);
    wh_schema_report report;
    (void)state;
    assert_non_null(packed);
    memset(packed, '\xc0', N + 5);
    packed[0] = '\xdd';
    packed[1] = 0;
    packed[2] = (char)(N >> 16);
    packed[3] = (char)((N >> 8) & 0xff);
    packed[4] = (char)(N & 0xff);
    wh_schema *s = schema_case_compile("true");
    assert_int_equal(wh_schema_check_msgpack(s, packed, N + 5, &report), WH_ETOOBIG);
    assert_non_null(strstr(report.text, "too many values"));
    wh_schema_free(s);
    free(packed);
}

/* Doubles: compared as their shortest decimals, whose digits are made only where it
 * takes them. */
static void test_doubles(void **state)
{
    static const struct {
        const char *schema, *p;
        wh_err err;
    } cases[] = {
        {"{\"type\":\"integer\"}", "\xcb\x43\x50\0\0\0\0\0\0", WH_OK},     /* 2^54 */
        {"{\"type\":\"integer\"}", "\xcb\x3f\xe0\0\0\0\0\0\0", WH_EINVAL}, /* 0.5 */
        {"{\"const\":9007199254740992}", "\xcb\x43\x40\0\0\0\0\0\0", WH_OK},
        {"{\"const\":1152921504606847000}", "\xcb\x43\xb0\0\0\0\0\0\0",
         WH_OK},                                                 /* 2^60 */
        {"{\"const\":5e-324}", "\xcb\0\0\0\0\0\0\0\x01", WH_OK}, /* denormal */
        {"{\"const\":5.684341886080802e-14}", "\xcb\x3d\x30\0\0\0\0\0\0",
         WH_OK}, /* 2^-44 */
        {"{\"const\":1152921504606846976}", "\xcb\x43\xb0\0\0\0\0\0\0", WH_EINVAL},
        {"{\"const\":0}", "\xcb\x80\0\0\0\0\0\0\0", WH_OK}, /* -0.0 */
        {"{\"minimum\":0.5}", "\xcb\x3f\xe0\0\0\0\0\0\0", WH_OK},
        {"{\"minimum\":1}", "\xcb\x3f\xe0\0\0\0\0\0\0", WH_EINVAL},
        {"{\"maximum\":-1}", "\xcb\xbf\xf8\0\0\0\0\0\0", WH_OK}, /* -1.5 */
        {"{\"multipleOf\":0.25}", "\xcb\xbf\xf8\0\0\0\0\0\0", WH_OK},
        {"{\"multipleOf\":0.4}", "\xcb\xbf\xf8\0\0\0\0\0\0", WH_EINVAL},
        {"{\"maximum\":1e308}", "\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", WH_EINVAL},
    };
    wh_schema_report report;
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema *s = schema_case_compile(cases[i].schema);
        wh_err err = wh_schema_check_msgpack(s, cases[i].p, 9, &report);
        wh_schema_free(s);
        print_message("%s: %s\n", cases[i].schema, report.text);
        assert_int_equal(err, cases[i].err);
    }
    assert_string_equal(report.text,
                        "payload: 17976931348623157e292 is more than maximum 1e308");
}

static void test_small_payloads_allocate_nothing(void **state)
{
    (void)state;
    wh_schema *s = schema_case_compile(user);
    const char payload[] = "{\"user\":{\"age\":18},\"tags\":[\"a\",\"b\"]}";
    failing_alloc_on(1);
    wh_err err = wh_schema_check_json(s, payload, strlen(payload), NULL);
    failing_alloc_off();
    assert_int_equal(err, WH_OK);
    assert_int_equal(failing_alloc_count, 0);
    wh_schema_free(s);
}

static void test_no_memory(void **state)
{
    static const char schema[] =
        "{\"$id\":\"http://a/"
        "b\",\"$ref\":\"c#x\",\"properties\":{\"a\":{\"enum\":[1,\"\\n\"]},"
        "\"b\":{\"allOf\":[{\"pattern\":\"^(a|b)\"}]}},\"patternProperties\":{\"^x\":"
        "true},"
        "\"$defs\":{\"c\":{\"$id\":\"c\",\"$anchor\":\"x\",\"$ref\":\"#/"
        "here\",\"here\":"
        "{\"allOf\":[{\"if\":{\"pattern\":\"(y)\\\\1\"}}]}}},\"prefixItems\":[true],"
        "\"uniqueItems\":true}";
    char payload[700] = "{\"b\":\"ab\",\"a\":\"\\n\",\"z\":[0.5",
         *to = payload + strlen(payload);
    (void)state;
    for (int i = 0; i < 90; i++) {
        to += sprintf(to, ",%d", i);
    }
    (void)sprintf(to, "]}");
    wh_err err = WH_ENOMEM;
    for (long nth = 1; err == WH_ENOMEM && nth < 400; nth++) {
        wh_schema *s = NULL;
        wh_schema_report report;
        failing_alloc_on(nth);
        err = wh_schema_compile(schema, strlen(schema), &s, NULL);
        assert_true((err == WH_OK) == (s != NULL));
        if (err == WH_OK) {
            err = wh_schema_check_json(s, payload, strlen(payload), &report);
        }
        wh_schema_free(s);
        failing_alloc_off();
        assert_int_equal(failing_alloc_held, 0);
    }
    assert_int_equal(err, WH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_costly_difference),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_valid_report_is_empty),
        cmocka_unit_test(test_report_is_short),
        cmocka_unit_test(test_big_integers),
        cmocka_unit_test(test_msgpack),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_too_many_values),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_small_payloads_allocate_nothing),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
