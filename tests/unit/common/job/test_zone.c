/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TZif bytes of all versions, good ones and bad ones. tests/property/test_cron_brute.c
 * compares the system's zones with the C library.
 */
#include "common/job/zone.h"
#include "tests/unit/common/job/failing_alloc.h"
#include "tests/unit/common/job/zone_bytes.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Apia around its jump over the date line, as a table; then a rule. */
static const int64_t apia_at[] = {1316872800, 1325239200, 1333202400};
static const uint8_t apia_type_of[] = {1, 2, 3};
static const zone_bytes_type apia_types[] = {
    {-39600, 0, "-11"}, {-36000, 1, "-10"}, {50400, 1, "+14"}, {46800, 0, "+13"}};
static const zone_bytes_table apia = {.version = '2',
                                      .n_changes = LEN(apia_at),
                                      .at_s = apia_at,
                                      .type_of = apia_type_of,
                                      .n_types = LEN(apia_types),
                                      .types = apia_types,
                                      .rule = "<+13>-13"};

static void expect_span(const wh_zone *z, int64_t at_s, const char *name,
                        int64_t from_s, int64_t until_s)
{
    wh_zone_span s = wh_zone_at(z, at_s);
    assert_string_equal(s.abbreviation, name);
    assert_true(s.from_s == from_s && s.until_s == until_s);
}

static void check_apia(const zone_bytes_table *t)
{
    wh_zone *z = zone_bytes_zone(t);
    expect_span(z, INT64_MIN, "-11", INT64_MIN, apia_at[0]);
    expect_span(z, apia_at[0] - 1, "-11", INT64_MIN, apia_at[0]);
    expect_span(z, apia_at[0], "-10", apia_at[0], apia_at[1]);
    expect_span(z, apia_at[1] - 1, "-10", apia_at[0], apia_at[1]);
    expect_span(z, apia_at[1], "+14", apia_at[1], apia_at[2]);
    expect_span(z, apia_at[2], "+13", apia_at[2], INT64_MAX);
    expect_span(z, INT64_MAX, "+13", apia_at[2], INT64_MAX);
    assert_int_equal(wh_zone_at(z, apia_at[0]).offset_s, -36000);
    assert_true(wh_zone_at(z, apia_at[1]).is_dst);
    wh_zone_free(z);
}

static void test_versions(void **state)
{
    (void)state;
    zone_bytes_table t = apia;
    check_apia(&t);
    t.version = '3';
    check_apia(&t);
    t.version = '4';
    check_apia(&t);
    t.rule = ""; /* nothing is known of later times: the last change holds on */
    check_apia(&t);
    t.version = 0;
    t.rule = NULL;
    check_apia(&t);
}

/* A version 2 reader takes nothing from the first block, which many files leave empty. */
static void test_second_block_counts(void **state)
{
    (void)state;
    zone_bytes first = zone_bytes_make(&(zone_bytes_table){
        .version = '2', .n_types = 1, .types = &apia_types[1], .rule = NULL});
    zone_bytes all = zone_bytes_make(&apia);
    zone_bytes joined = {.n = 0};
    size_t first_n = 44 + 6 + 4;
    size_t table_n = 44 + 3 * 5 + 4 * 6 + 4 * 4;
    zone_bytes_text(&joined, (const char *)first.data, first_n);
    zone_bytes_text(&joined, (const char *)all.data + table_n, all.n - table_n);
    wh_zone *z = NULL;
    assert_int_equal(wh_zone_parse(joined.data, joined.n, &z, NULL), WH_OK);
    expect_span(z, apia_at[1], "+14", apia_at[1], apia_at[2]);
    wh_zone_free(z);
}

/* Beyond 32 bits, and before 1901. */
static void test_far_times(void **state)
{
    (void)state;
    static const int64_t at[] = {-5000000000, 5000000000};
    static const uint8_t type_of[] = {1, 0};
    wh_zone *z = zone_bytes_zone(&(zone_bytes_table){.version = '2',
                                                     .n_changes = 2,
                                                     .at_s = at,
                                                     .type_of = type_of,
                                                     .n_types = 2,
                                                     .types = apia_types,
                                                     .rule = ""});
    expect_span(z, -5000000001, "-11", INT64_MIN, at[0]);
    expect_span(z, 0, "-10", at[0], at[1]);
    expect_span(z, 5000000000, "-11", at[1], INT64_MAX);
    wh_zone_free(z);
}

static void test_rule_goes_on(void **state)
{
    (void)state;
    zone_bytes_table t = apia;
    int64_t start_s = zone_bytes_at("2099-03-29T01:00");
    t.rule = "CET-1CEST,M3.5.0,M10.5.0/3";
    wh_zone *z = zone_bytes_zone(&t);
    wh_zone_span s = wh_zone_at(z, start_s);
    assert_true(s.from_s == start_s && s.offset_s == 7200);
    /* The table's last change is where the rule begins to hold, not its last spring. */
    s = wh_zone_at(z, apia_at[2]);
    assert_true(s.from_s == apia_at[2] && s.offset_s == 7200);
    assert_true(wh_zone_at(z, apia_at[2] - 1).offset_s == 50400);
    wh_zone_free(z);
}

static void test_utc(void **state)
{
    (void)state;
    expect_span(NULL, 12345, "UTC", INT64_MIN, INT64_MAX);
    assert_int_equal(wh_zone_at(NULL, 0).offset_s, 0);
    wh_zone_free(NULL);
}

static void test_iso(void **state)
{
    (void)state;
    char text[WH_ZONE_ISO_SIZE];
    wh_zone *z = zone_bytes_zone(&apia);
    assert_string_equal(wh_zone_iso(z, apia_at[1] * 1000 - 1, text, sizeof text),
                        "2011-12-29T23:59:59.999-10:00");
    assert_string_equal(wh_zone_iso(z, apia_at[1] * 1000, text, sizeof text),
                        "2011-12-31T00:00:00.000+14:00");
    assert_string_equal(wh_zone_iso(NULL, -1, text, sizeof text),
                        "1969-12-31T23:59:59.999+00:00");
    assert_string_equal(wh_zone_iso(NULL, INT64_MAX, text, sizeof text),
                        "9999-12-30T23:59:59.999+00:00");
    assert_string_equal(wh_zone_iso(NULL, INT64_MIN, text, sizeof text),
                        "0000-01-02T00:00:00.000+00:00");
    wh_zone_free(z);
}

/* ---- bad bytes ---- */

static void refuse(const void *bytes, size_t n, wh_err expected)
{
    unsigned char *copy =
        malloc(n > 0 ? n : 1); /* exact, so that a read past it is seen */
    wh_zone *z = NULL;
    wh_errbuf eb = {0};
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    wh_err err = wh_zone_parse(copy, n, &z, &eb);
    free(copy);
    if (err != expected) {
        fail_msg("%zu bytes: error %d: %s", n, (int)err, eb.text);
    }
    assert_null(z);
    assert_memory_equal(eb.text, "time zone: ", 11);
}

static void test_cut(void **state)
{
    (void)state;
    zone_bytes b = zone_bytes_make(&apia);
    for (size_t n = 0; n < b.n; n++) {
        refuse(b.data, n, WH_EINVAL);
    }
    zone_bytes_table t = apia;
    t.version = 0;
    t.rule = NULL;
    b = zone_bytes_make(&t);
    for (size_t n = 0; n < b.n; n++) {
        refuse(b.data, n, WH_EINVAL);
    }
}

/* One byte of a version 1 file is changed. */
static void test_damaged(void **state)
{
    (void)state;
    enum { AT = 44, TYPE_OF = AT + 3 * 4, TYPES = TYPE_OF + 3, CHARS = TYPES + 4 * 6 };
    static const struct {
        size_t at;
        unsigned char byte;
    } rows[] = {
        {0, 't'},          /* no TZif */
        {20, 1},           /* 16 million indicators */
        {23, 1},           /* one indicator for four local times */
        {27, 1},           /* the same */
        {31, 1},           /* a leap second */
        {32, 0xff},        /* changes of 20 GB */
        {39, 0},           /* no local times */
        {43, 0},           /* no abbreviations */
        {43, 3},           /* the first one does not end */
        {AT + 4, 0},       /* the second change before the first */
        {TYPE_OF, 4},      /* no fifth local time */
        {TYPES, 1},        /* 194 days from UTC */
        {TYPES + 4, 2},    /* neither daylight saving time nor not */
        {TYPES + 5, 16},   /* behind the abbreviations */
        {CHARS + 15, 'x'}, /* the last one does not end */
    };
    zone_bytes_table t = apia;
    t.version = 0;
    t.rule = NULL;
    for (size_t i = 0; i < LEN(rows); i++) {
        zone_bytes b = zone_bytes_make(&t);
        b.data[rows[i].at] = rows[i].byte;
        if (rows[i].at == 23 || rows[i].at == 27) {
            zone_bytes_add(&b, 0, 1); /* what the count asks for is there */
        } else if (rows[i].at == 31) {
            zone_bytes_add(&b, 0, 8);
        }
        refuse(b.data, b.n, WH_EINVAL);
    }
}

static void test_bad_rules(void **state)
{
    (void)state;
    static const char *const rules[] = {"CET", "CET-1CEST", " "};
    zone_bytes_table t = apia;
    for (size_t i = 0; i < LEN(rules); i++) {
        t.rule = rules[i];
        zone_bytes b = zone_bytes_make(&t);
        refuse(b.data, b.n, WH_EINVAL);
    }
    t.rule = NULL;
    zone_bytes b = zone_bytes_make(&t);
    refuse(b.data, b.n, WH_EINVAL);
    zone_bytes_text(&b, "CET-1\n", 6); /* the line break before it is missing */
    refuse(b.data, b.n, WH_EINVAL);
}

static void test_too_large(void **state)
{
    (void)state;
    static unsigned char large[WH_ZONE_BYTES_MAX + 1];
    refuse(large, sizeof large, WH_ETOOBIG);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    zone_bytes b = zone_bytes_make(&apia);
    wh_zone *z = NULL;
    wh_errbuf eb = {0};
    failing_alloc_on(1);
    wh_err err = wh_zone_parse(b.data, b.n, &z, &eb);
    failing_alloc_off();
    assert_int_equal(err, WH_ENOMEM);
    assert_null(z);
    b.data[b.n - 2] = 'x'; /* a bad rule: what was made is freed */
    failing_alloc_on(0);
    err = wh_zone_parse(b.data, b.n, &z, &eb);
    failing_alloc_off();
    assert_int_equal(err, WH_EINVAL);
    assert_int_equal(failing_alloc_held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_second_block_counts),
        cmocka_unit_test(test_far_times),
        cmocka_unit_test(test_rule_goes_on),
        cmocka_unit_test(test_utc),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
