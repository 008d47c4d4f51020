/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fires around changes of clocks, at the ends of the calendar, and never.
 * tests/property/test_cron_brute.c has the random ones.
 */
#include "common/job/cron.h"
#include "tests/unit/common/job/zone_bytes.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
#define AZORES "<-01>1<+00>,M3.5.0/0,M10.5.0/1"

enum { SHOWN = 4 };

static wh_cron cron(const char *text)
{
    wh_cron c;
    wh_errbuf eb = {0};
    if (wh_cron_parse(text, &c, &eb) != WH_OK) {
        fail_msg("\"%s\": %s", text, eb.text);
    }
    return c;
}

/* The next fires as the wall clock and its distance from UTC: "03-29T03:00+02:00". */
static void check(const char *text, const wh_zone *z, int64_t after_s,
                  const char *const *expected)
{
    wh_cron c = cron(text);
    int64_t at_ms = after_s * 1000;
    for (int i = 0; i < SHOWN && expected[i] != NULL; i++) {
        char iso[WH_ZONE_ISO_SIZE], shown[32];
        int64_t before_ms = at_ms;
        assert_true(wh_cron_next(&c, z, before_ms, &at_ms));
        assert_true(at_ms > before_ms);
        (void)wh_zone_iso(z, at_ms, iso, sizeof iso);
        (void)snprintf(shown, sizeof shown, "%.11s%s", iso + 5, iso + 23);
        if (strncmp(iso + 17, "00.000", 6) != 0 || strcmp(shown, expected[i]) != 0) {
            fail_msg("\"%s\" fires at %s instead of %s", text, iso, expected[i]);
        }
    }
}

typedef struct row {
    const char *text, *rule, *after; /* in UTC */
    const char *expected[SHOWN];
} row;

static void check_rows(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wh_zone *z = zone_bytes_rule(rows[i].rule);
        check(rows[i].text, z, zone_bytes_at(rows[i].after), rows[i].expected);
        wh_zone_free(z);
    }
}

/* Berlin: on 29 March 2026 02:00 becomes 03:00. */
static void test_gap(void **state)
{
    (void)state;
    static const row rows[] = {
        /* a fixed time in the gap: its end; then as ever */
        {"30 2 * * *",
         BERLIN,
         "2026-03-27T12:00",
         {"03-28T02:30+01:00", "03-29T03:00+02:00", "03-30T02:30+02:00"}},
        /* all fixed times in the gap are one fire, and so is one at its end */
        {"0,15,30 2,3 * * *",
         BERLIN,
         "2026-03-29T00:00",
         {"03-29T03:00+02:00", "03-29T03:15+02:00", "03-29T03:30+02:00",
          "03-30T02:00+02:00"}},
        {"*/10 30 2 * * *", BERLIN, "2026-03-29T00:00", {"03-29T03:00+02:00"}},
        {"0 0,59 2 29 3 *",
         BERLIN,
         "2026-01-01T00:00",
         {"03-29T03:00+02:00", "03-29T02:00+02:00"}},
        /* asked within a millisecond of it */
        {"30 2 * * *", BERLIN, "2026-03-29T00:59:59", {"03-29T03:00+02:00"}},
        {"30 2 * * *", BERLIN, "2026-03-29T01:00", {"03-30T02:30+02:00"}},
        /* intervals follow the clock: nothing comes in the gap, nothing for it */
        {"*/30 2 * * *", BERLIN, "2026-03-28T12:00", {"03-30T02:00+02:00"}},
        {"30 * * * *",
         BERLIN,
         "2026-03-29T00:00",
         {"03-29T01:30+01:00", "03-29T03:30+02:00", "03-29T04:30+02:00"}},
        {"*/20 * * * *",
         BERLIN,
         "2026-03-29T00:30",
         {"03-29T01:40+01:00", "03-29T03:00+02:00", "03-29T03:20+02:00"}},
        /* half an hour only: 02:00 becomes 02:30 */
        {"15 2 * * *", LORD_HOWE, "2026-10-03T12:00", {"10-04T02:30+11:00"}},
        {"30 2 * * *",
         LORD_HOWE,
         "2026-10-03T12:00",
         {"10-04T02:30+11:00", "10-05T02:30+11:00"}},
        /* at midnight: the day begins at 01:00 */
        {"@daily",
         AZORES,
         "2026-03-28T12:00",
         {"03-29T01:00+00:00", "03-30T00:00+00:00"}},
        {"@daily",
         "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
         "2026-09-05T12:00",
         {"09-06T01:00-03:00", "09-07T00:00-03:00"}},
    };
    check_rows(rows, LEN(rows));
}

/* Berlin: on 25 October 2026 03:00 becomes 02:00. */
static void test_overlap(void **state)
{
    (void)state;
    static const row rows[] = {
        /* a fixed time comes once, the first time */
        {"30 2 * * *",
         BERLIN,
         "2026-10-24T12:00",
         {"10-25T02:30+02:00", "10-26T02:30+01:00"}},
        {"30 2 * * *", BERLIN, "2026-10-25T00:30", {"10-26T02:30+01:00"}},
        {"30 2 * * *", BERLIN, "2026-10-25T01:29", {"10-26T02:30+01:00"}},
        {"0,30 2,3 * * *",
         BERLIN,
         "2026-10-25T00:00",
         {"10-25T02:30+02:00", "10-25T03:00+01:00", "10-25T03:30+01:00",
          "10-26T02:00+01:00"}},
        /* an interval comes both times */
        {"*/30 2 * * *",
         BERLIN,
         "2026-10-24T12:00",
         {"10-25T02:00+02:00", "10-25T02:30+02:00", "10-25T02:00+01:00",
          "10-25T02:30+01:00"}},
        {"15 * * * *",
         BERLIN,
         "2026-10-25T00:00",
         {"10-25T02:15+02:00", "10-25T02:15+01:00", "10-25T03:15+01:00"}},
        /* half an hour only: 02:00 becomes 01:30 */
        {"45 1 * * *",
         LORD_HOWE,
         "2026-04-04T12:00",
         {"04-05T01:45+11:00", "04-06T01:45+10:30"}},
        {"45 * * * *",
         LORD_HOWE,
         "2026-04-04T14:00",
         {"04-05T01:45+11:00", "04-05T01:45+10:30", "04-05T02:45+10:30"}},
        /* the last hour of Saturday, 4 April, comes twice */
        {"@daily",
         "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
         "2026-04-04T12:00",
         {"04-05T00:00-04:00", "04-06T00:00-04:00"}},
        {"0 23 * * 6",
         "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
         "2026-04-04T12:00",
         {"04-04T23:00-03:00", "04-11T23:00-04:00"}},
    };
    check_rows(rows, LEN(rows));
}

/* Apia had no 30 December 2011. */
static void test_date_line(void **state)
{
    (void)state;
    static const int64_t at[] = {1325239200};
    static const uint8_t type_of[] = {1};
    static const zone_bytes_type types[] = {{-36000, 1, "-10"}, {50400, 1, "+14"}};
    static const struct {
        const char *text;
        const char *expected[SHOWN];
    } rows[] = {
        {"0 9 * * *",
         {"12-29T09:00-10:00", "12-31T00:00+14:00", "12-31T09:00+14:00",
          "01-01T09:00+14:00"}},
        {"0 0 * * *", {"12-29T00:00-10:00", "12-31T00:00+14:00", "01-01T00:00+14:00"}},
        {"0 9 30 * *", {"12-31T00:00+14:00", "01-30T09:00+14:00"}},
        {"0 */12 * * *",
         {"12-29T00:00-10:00", "12-29T12:00-10:00", "12-31T00:00+14:00",
          "12-31T12:00+14:00"}},
        {"0 * 30 12 *", {"12-30T00:00+14:00"}}, /* of 2012 */
    };
    wh_zone *z = zone_bytes_zone(&(zone_bytes_table){.version = '2',
                                                     .n_changes = 1,
                                                     .at_s = at,
                                                     .type_of = type_of,
                                                     .n_types = 2,
                                                     .types = types,
                                                     .rule = "<+14>-14"});
    for (size_t i = 0; i < LEN(rows); i++) {
        check(rows[i].text, z, zone_bytes_at("2011-12-29T09:59"), rows[i].expected);
    }
    wh_zone_free(z);
}

static void expect_ms(const char *text, const wh_zone *z, int64_t after_ms,
                      int64_t expected_ms)
{
    wh_cron c = cron(text);
    int64_t at_ms = -1;
    bool found = wh_cron_next(&c, z, after_ms, &at_ms);
    assert_int_equal(found, expected_ms >= 0);
    assert_true(at_ms == expected_ms);
}

static void test_ends(void **state)
{
    (void)state;
    int64_t end_ms = zone_bytes_at("2200-01-01T00:00") * 1000;
    /* strictly after, whole seconds */
    expect_ms("* * * * * *", NULL, 999, 1000);
    expect_ms("* * * * * *", NULL, 1000, 2000);
    expect_ms("* * * * * *", NULL, 1001, 2000);
    expect_ms("* * * * *", NULL, 59999, 60000);
    expect_ms("* * * * *", NULL, 60000, 120000);
    /* from 1970 */
    expect_ms("* * * * *", NULL, -1, 0);
    expect_ms("* * * * *", NULL, INT64_MIN, 0);
    expect_ms("0 12 * * *", NULL, -86400000, 43200000);
    /* to 2199 */
    expect_ms("* * * * *", NULL, end_ms - 60001, end_ms - 60000);
    expect_ms("* * * * *", NULL, end_ms - 60000, -1);
    expect_ms("0 0 1 1 *", NULL, end_ms - 1, -1);
    expect_ms("* * * * *", NULL, end_ms, -1);
    expect_ms("0 0 * * *", NULL, INT64_MAX, -1);
    /* 2100 is no leap year */
    expect_ms("0 0 29 2 *", NULL, zone_bytes_at("2096-03-01T00:00") * 1000,
              zone_bytes_at("2104-02-29T00:00") * 1000);
}

/* An interval only within the hour that is left out each year. */
static void test_never(void **state)
{
    (void)state;
    wh_zone *z = zone_bytes_rule(BERLIN);
    expect_ms("* 2 * 3 7L", z, 0, -1);
    expect_ms("* 2 * 3 7L", NULL, 0, zone_bytes_at("1970-03-29T02:00") * 1000);
    expect_ms("0 2 * 3 7L", z, 0, zone_bytes_at("1970-03-29T01:00") * 1000);
    wh_zone_free(z);
}

/* Seconds in the distance from UTC, as Liberia had them until 1972. */
static void test_odd_offset(void **state)
{
    (void)state;
    wh_zone *z = zone_bytes_rule("MMT0:44:30");
    expect_ms("0 0 * * *", z, 0, (44 * 60 + 30) * 1000);
    expect_ms("*/15 * * * *", z, 0, (14 * 60 + 30) * 1000);
    wh_zone_free(z);
}

static void test_list(void **state)
{
    (void)state;
    wh_cron c = cron("*/15 * * * *");
    wh_zone *z = zone_bytes_rule(BERLIN);
    int64_t from_ms = zone_bytes_at("2026-10-25T00:00") * 1000, out[8] = {0};
    wh_cron_window day = {from_ms, from_ms + 86400000};
    assert_true(wh_cron_list(&c, z, day, NULL, 1000) == 96);
    assert_true(wh_cron_list(&c, z, day, NULL, 96) == 96);
    assert_true(wh_cron_list(&c, z, day, NULL, 95) == 95);
    assert_true(wh_cron_list(&c, z, day, NULL, 0) == 0);
    assert_true(wh_cron_list(&c, z, day, out, 7) == 7);
    for (int i = 0; i < 7; i++) {
        assert_true(out[i] == from_ms + (i + 1) * 900000);
    }
    assert_true(out[7] == 0);
    /* the first end is not part of it, the second is */
    wh_cron_window quarter = {from_ms, from_ms + 900000};
    assert_true(wh_cron_list(&c, z, quarter, out, 8) == 1);
    quarter.until_ms--;
    assert_true(wh_cron_list(&c, z, quarter, out, 8) == 0);
    quarter.until_ms = from_ms - 1;
    assert_true(wh_cron_list(&c, z, quarter, out, 8) == 0);
    wh_zone_free(z);
}

/* A zone that is nothing but changes must not break the order of fires. */
static void test_restless_zone(void **state)
{
    (void)state;
    enum { CHANGES = 200 };
    static const char *const texts[] = {"0 0 12 * * *", "* * * * *", "17 3,15 * * *",
                                        "*/7 */5 * * *", "0 0 29 2 *"};
    static const zone_bytes_type types[] = {
        {0, 0, "AAA"}, {93600, 0, "BBB"}, {-93600, 0, "CCC"}, {1800, 1, "DDD"}};
    int64_t at[CHANGES];
    uint8_t type_of[CHANGES];
    for (int i = 0; i < CHANGES; i++) {
        at[i] = 1000000 + i * INT64_C(7321);
        type_of[i] = (uint8_t)(i * 7 % 5 % 4);
    }
    wh_zone *z = zone_bytes_zone(&(zone_bytes_table){.version = '2',
                                                     .n_changes = CHANGES,
                                                     .at_s = at,
                                                     .type_of = type_of,
                                                     .n_types = 4,
                                                     .types = types,
                                                     .rule = "AAA0"});
    for (size_t i = 0; i < LEN(texts); i++) {
        wh_cron c = cron(texts[i]);
        int64_t at_ms = 0, before_ms = -1;
        for (int n = 0; n < 50 && wh_cron_next(&c, z, at_ms, &at_ms); n++) {
            assert_true(at_ms > before_ms && at_ms % 1000 == 0);
            before_ms = at_ms;
        }
        assert_true(before_ms >= 0);
    }
    wh_zone_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gap),       cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_date_line), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_never),     cmocka_unit_test(test_odd_offset),
        cmocka_unit_test(test_list),      cmocka_unit_test(test_restless_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
