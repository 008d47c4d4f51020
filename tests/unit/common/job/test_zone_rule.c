/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as text, and the changes they make. The instants are those of
 * zdump.
 */
#include "common/job/zone_rule.h"
#include "tests/unit/common/job/zone_bytes.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static wh_zone_rule rule(const char *text)
{
    wh_zone_rule r;
    wh_errbuf eb = {0};
    if (wh_zone_rule_parse(text, strlen(text), &r, &eb) != WH_OK) {
        fail_msg("%s: %s", text, eb.text);
    }
    return r;
}

static void test_fixed(void **state)
{
    (void)state;
    wh_zone_rule r = rule("<+0545>-5:45");
    wh_zone_span s = wh_zone_rule_at(&r, 4000000000);
    assert_int_equal(s.offset_s, 20700);
    assert_true(s.from_s == INT64_MIN && s.until_s == INT64_MAX && !s.is_dst);
    assert_string_equal(s.abbreviation, "+0545");
    r = rule("XST+24:59:59");
    assert_int_equal(wh_zone_rule_at(&r, 0).offset_s, -89999);
    r = rule("EST5");
    assert_int_equal(wh_zone_rule_at(&r, INT64_MAX).offset_s, -18000);
}

static void test_changes(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *start, *end; /* of daylight saving time */
        int32_t standard_s, dst_s;
    } rows[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2050-03-27T01:00", "2050-10-30T01:00", 3600,
         7200},
        {"EST5EDT,M3.2.0,M11.1.0", "2050-03-13T07:00", "2050-11-06T06:00", -18000,
         -14400},
        /* half an hour, in the south */
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2049-10-02T15:30", "2050-04-02T15:00",
         37800, 39600},
        /* at the end of a day */
        {"<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2049-09-05T04:00", "2050-04-03T03:00",
         -14400, -10800},
        /* Dublin, where winter is the one that "saves" */
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2049-10-31T01:00", "2050-03-27T01:00", 3600, 0},
        /* the evening before a Sunday; two days after a Thursday */
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-03-27T01:00", "2050-10-30T01:00",
         -7200, -3600},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-03-26T00:00", "2050-10-28T23:00", 7200,
         10800},
        /* n counts 29 February, Jn does not */
        {"AAA0BBB,59/0,J60/1", "2052-02-29T00:00", "2052-03-01T00:00", 0, 3600},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_zone_rule r = rule(rows[i].rule);
        int64_t start_s = zone_bytes_at(rows[i].start),
                end_s = zone_bytes_at(rows[i].end);
        wh_zone_span s = wh_zone_rule_at(&r, start_s - 1);
        assert_int_equal(s.offset_s, rows[i].standard_s);
        assert_true(s.until_s == start_s && !s.is_dst);
        s = wh_zone_rule_at(&r, start_s);
        assert_int_equal(s.offset_s, rows[i].dst_s);
        assert_true(s.from_s == start_s && s.until_s == end_s && s.is_dst);
        s = wh_zone_rule_at(&r, end_s);
        assert_int_equal(s.offset_s, rows[i].standard_s);
        assert_true(s.from_s == end_s && s.until_s > end_s && !s.is_dst);
    }
}

/* The way of writing a zone that has daylight saving time for ever. */
static void test_all_year(void **state)
{
    (void)state;
    wh_zone_rule r = rule("XXX3EDT4,0/0,J365/23");
    for (int64_t t = 0; t < 4000000000; t += 86400 * 3 + 1) {
        wh_zone_span s = wh_zone_rule_at(&r, t);
        assert_int_equal(s.offset_s, -14400);
        assert_true(s.is_dst && s.from_s <= t && s.until_s > t);
    }
}

/* Whatever the rule, spans cover the time without holes. */
static void test_spans_touch(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",     "AAA24BBB-24,0/-167,365/167",
        "AAA-24BBB,J365/167,J1/-167",     "AAA0BBB,J1/0,J1/0",
        "EET-2EEST,M3.4.4/50,M10.4.4/50", "XXX3EDT4,0/0,J365/23"};
    for (size_t i = 0; i < LEN(rules); i++) {
        wh_zone_rule r = rule(rules[i]);
        int64_t t = -10000000000;
        for (int n = 0; n < 500; n++) {
            wh_zone_span s = wh_zone_rule_at(&r, t);
            assert_true(s.from_s <= t && s.until_s > t);
            wh_zone_span next = wh_zone_rule_at(&r, s.until_s);
            assert_true(next.from_s == s.until_s);
            t = s.until_s;
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "U0",
        "UTC",
        "UTC+",
        "UTC25",
        "UTC0:60",
        "UTC0:0:60",
        "UTC0 ",
        "<UTC0",
        "<U T>0",
        "ABCDEFGHIJKLMNOP0",
        "CET-1CEST",
        "CET-1CE,M3.5.0,M10.5.0",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
        "CET-99999999999999999999",
        "CET-1CEST,M3.5.0,M10.5.0,",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        wh_zone_rule r = {.has_dst = true};
        wh_errbuf eb = {0};
        if (wh_zone_rule_parse(texts[i], strlen(texts[i]), &r, &eb) != WH_EINVAL) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
        assert_true(r.has_dst && eb.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),    cmocka_unit_test(test_changes),
        cmocka_unit_test(test_all_year), cmocka_unit_test(test_spans_touch),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
