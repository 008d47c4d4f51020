/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check may take: no payload and no schema makes it long, and size alone is no
 * reason to refuse a payload.
 */
#include "tests/unit/common/job/schema_case.h"

#include <stdio.h>
#include <stdlib.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Doubles at each of 60 levels: 2^60 ways, each through not, which must not turn an
 * unfinished check into a valid payload. */
static void test_exponential(void **state)
{
    char schema[8000], *to = schema;
    wh_schema_report report;
    (void)state;
    to += sprintf(to, "{\"not\":{\"$ref\":\"#/$defs/0\"},\"$defs\":{");
    for (int i = 0; i < 40; i++) {
        to += sprintf(to,
                      "\"%d\":{\"allOf\":[{\"$ref\":\"#/$defs/%d\"},"
                      "{\"$ref\":\"#/$defs/%d\"}]},",
                      i, i + 1, i + 1);
    }
    (void)sprintf(to, "\"40\":true}}");
    assert_int_equal(schema_case_check(schema, "1", &report), WH_ETOOBIG);
    assert_non_null(strstr(report.text, "too much work"));
    assert_string_equal(report.keyword, "");
}

/* Schemas within values within schemas: bounded as a whole, too. */
static void test_nesting(void **state)
{
    char schema[2000], *to = schema, payload[130];
    wh_schema_report report;
    (void)state;
    to += sprintf(to, "{\"$ref\":\"#/$defs/0\",\"$defs\":{");
    for (int i = 0; i < 30; i++) {
        to += sprintf(to, "\"%d\":{\"$ref\":\"#/$defs/%d\"},", i, i + 1);
    }
    (void)sprintf(to, "\"30\":{\"items\":{\"$ref\":\"#\"}}}}");
    memset(payload, '[', 64);
    memset(payload + 64, ']', 64);
    payload[128] = '\0';
    assert_int_equal(schema_case_check(schema, payload, &report), WH_ETOOBIG);
    assert_int_equal(schema_case_check(schema, payload + 44, &report), WH_EBADDATA);
    payload[84] = '\0';
    assert_int_equal(schema_case_check(schema, payload + 44, &report), WH_OK);
}

/* A regular expression that costs too much ends the check, also where it would not
 * decide anything. */
static void test_costly_pattern(void **state)
{
    char payload[3000];
    wh_schema_report report;
    (void)state;
    memset(payload, 'a', sizeof payload);
    payload[0] = '"';
    memcpy(payload + sizeof payload - 3, "!\"", 3);
    const char *const schemas[] = {
        "{\"pattern\":\"^(a+)+$\"}",
        "{\"not\":{\"pattern\":\"^(a+)+$\"}}",
        "{\"anyOf\":[{\"pattern\":\"^(a+)+$\"},true]}",
        "{\"if\":{\"pattern\":\"^(a+)+$\"}}",
    };
    for (size_t i = 0; i < LEN(schemas); i++) {
        assert_int_equal(schema_case_check(schemas[i], payload, &report), WH_ETOOBIG);
    }
}

/* Sorting, not comparing each with each. */
static void test_many_unique_items(void **state)
{
    enum { N = 50000 };
    char *payload = malloc(N * 8), *to = payload;
    (void)state;
    assert_non_null(payload);
    *to++ = '[';
    for (int i = 0; i < N; i++) {
        to += sprintf(to, "%d,", (i * 7919) % N);
    }
    to[-1] = ']';
    *to = '\0';
    assert_int_equal(schema_case_check("{\"uniqueItems\":true}", payload, NULL), WH_OK);
    to[-1] = ',';
    memcpy(to, "7]", 3);
    assert_int_equal(schema_case_check("{\"uniqueItems\":true}", payload, NULL),
                     WH_EINVAL);
    free(payload);
}

/* n items, each with a number for its #, which rises or is in no order. */
static char *many(const char *open, const char *item, unsigned n, bool in_order)
{
    char *json = malloc(n * (strlen(item) + 10) + 10), *to = json;
    assert_non_null(json);
    to += sprintf(to, "%s", open);
    for (unsigned i = 0; i < n; i++) {
        unsigned number = in_order ? 1000000000U + i : (i + 1) * 2654435761U;
        const char *gap = strchr(item, '#');
        to += sprintf(to, "%.*s%u%s", (int)(gap - item), item, number, gap + 1);
    }
    to[-1] = open[0] == '[' ? ']' : '}';
    *to = '\0';
    return json;
}

/* A schema, and a payload of many items. */
struct many {
    const char *schema, *open, *item;
    unsigned n;
};

static wh_err check_many(const struct many *m, bool in_order, wh_schema_report *report)
{
    char *json = many(m->open, m->item, m->n, in_order);
    wh_err err = schema_case_check(m->schema, json, report);

    free(json);
    print_message("%s: %s\n", m->schema, report->text);
    return err;
}

/* Size alone is no reason to refuse: what is checked simply is checked whole. Each of
 * these takes more steps than a small payload has. */
static void test_large_and_simple(void **state)
{
    static const struct many cases[] = {
        {"{\"items\":{\"type\":\"object\",\"required\":[\"id\"],"
         "\"additionalProperties\":false,\"properties\":{\"id\":{\"type\":\"integer\","
         "\"minimum\":0},\"name\":{\"type\":\"string\",\"maxLength\":40,"
         "\"pattern\":\"^[a-z ]+$\"}}}}",
         "[", "{\"name\":\"one of the many names\",\"id\":#},", 150000},
        {"{\"uniqueItems\":true}", "[", "#,", 900000},
        {"{\"additionalProperties\":{\"type\":\"boolean\"}}", "{", "\"#\":true,",
         450000},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema_report report;
        assert_int_equal(check_many(&cases[i], true, &report), WH_OK);
    }
}

/* What takes long is refused, however the text around it is, and says so. */
static void test_large_and_costly(void **state)
{
    static const struct {
        struct many many;
        const char *text;
    } cases[] = {
        {{"{\"uniqueItems\":true}", "[", "#,", 400000}, "too much work"},
        {{"{\"not\":{\"uniqueItems\":true}}", "[", "{\"a\":[#]},", 100000},
         "too much work"},
        {{"true", "{", "\"#\":1,", 400000}, "names are in no order"},
        {{"{\"items\":{\"not\":{\"multipleOf\":99999999999999997e-9}}}", "[",
          "0.#e9980,", 2000},
         "too much work"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema_report report;
        assert_int_equal(check_many(&cases[i].many, false, &report), WH_ETOOBIG);
        assert_non_null(strstr(report.text, cases[i].text));
    }
}

/* A vector is no reason to refuse, but making all its decimals is. */
static void test_many_doubles(void **state)
{
    enum { N = 200000 };
    static const unsigned char half[] = {0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 1};
    static const char head[] = "\xdd\x00\x03\x0d\x40"; /* N items */
    static const struct {
        const char *schema;
        wh_err err;
    } cases[] = {
        {"{\"items\":{\"type\":\"number\",\"minimum\":0}}", WH_OK},
        {"{\"items\":{\"multipleOf\":1e-18}}", WH_ETOOBIG},
    };
    char *packed = malloc(5 + N * sizeof half);
    (void)state;
    assert_non_null(packed);
    memcpy(packed, head, 5);
    for (size_t i = 0; i < N; i++) {
        memcpy(packed + 5 + i * sizeof half, half, sizeof half);
    }
    for (size_t i = 0; i < LEN(cases); i++) {
        wh_schema *s = schema_case_compile(cases[i].schema);
        wh_err err = wh_schema_check_msgpack(s, packed, 5 + N * sizeof half, NULL);
        wh_schema_free(s);
        assert_int_equal(err, cases[i].err);
    }
    free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_costly_pattern),
        cmocka_unit_test(test_many_unique_items),
        cmocka_unit_test(test_large_and_simple),
        cmocka_unit_test(test_large_and_costly),
        cmocka_unit_test(test_many_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
