/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which days and times of a wall clock match.
 */
#include "common/job/cron.h"
#include "tests/unit/common/job/zone_bytes.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static wh_cron cron(const char *text)
{
    wh_cron c;
    wh_errbuf eb = {0};
    if (wh_cron_parse(text, &c, &eb) != WH_OK) {
        fail_msg("\"%s\": %s", text, eb.text);
    }
    return c;
}

/* In February and March 2028: the 1st is a Tuesday, then a Wednesday. */
static void test_days(void **state)
{
    (void)state;
    static const struct {
        const char *fields; /* of day, month, weekday */
        const char *february, *march;
    } rows[] = {
        {"29-31 * *", "29", "29 30 31"},
        {"L * *", "29", "31"},
        {"L-1,l-28 * *", "1 28", "3 30"},
        {"L-30 * *", "", "1"},
        {"1,L 2 *", "1 29", ""},
        {"*/10 3 *", "", "1 11 21 31"},
        {"? ? FRI", "4 11 18 25", "3 10 17 24 31"},
        {"* * 5L", "25", "31"},
        {"* * friL,2#5", "25 29", "31"},
        {"* * tue#1,5#5", "1", "7 31"},
        {"* * 7#2,0#3", "13 20", "12 19"},
        /* both restricted: either matches */
        {"13 * 5", "4 11 13 18 25", "3 10 13 17 24 31"},
        {"30 2,3 5L", "25", "30 31"},
        {"1 * 1-5/4", "1 4 7 11 14 18 21 25 28", "1 3 6 10 13 17 20 24 27 31"},
        /* a star at the start of either: both must match */
        {"*/2 * 5", "11 25", "3 17 31"},
        {"1-7 * */5", "4 6", "3 5"},
        {"*,13 * 5", "4 11 18 25", "3 10 17 24 31"},
        {"13,*/31 * 5", "1 4 11 13 18 25", "1 3 10 13 17 24 31"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        char text[64], days[2][128] = {"", ""};
        (void)snprintf(text, sizeof text, "0 0 %s", rows[i].fields);
        wh_cron c = cron(text);
        for (int day = 1; day <= 62; day++) {
            char *to = days[(day - 1) / 31];
            size_t n = strlen(to);
            if ((wh_cron_days(&c, 2028, 2 + (day - 1) / 31) >> ((day - 1) % 31 + 1) &
                 1) != 0) {
                (void)snprintf(to + n, sizeof days[0] - n, "%s%d", n > 0 ? " " : "",
                               (day - 1) % 31 + 1);
            }
        }
        assert_string_equal(days[0], rows[i].february);
        assert_string_equal(days[1], rows[i].march);
        assert_int_equal(wh_cron_days(&c, 2028, 2) & 1, 0);
    }
}

static void test_wall(void **state)
{
    (void)state;
    static const struct {
        const char *text, *from, *found;
    } rows[] = {
        {"* * * * *", "2028-02-28T23:59:01", "2028-02-29T00:00"},
        {"* * * * *", "2028-02-28T23:59:00", "2028-02-28T23:59"},
        {"* * * * * *", "2028-02-28T23:59:01", "2028-02-28T23:59:01"},
        {"30 15 10 * * *", "2028-02-28T10:15:30", "2028-02-28T10:15:30"},
        {"30 15 10 * * *", "2028-02-28T10:15:31", "2028-02-29T10:15:30"},
        {"10,50 5,15 10 * * *", "2028-02-28T10:05:11", "2028-02-28T10:05:50"},
        {"10,50 5,15 10 * * *", "2028-02-28T10:05:51", "2028-02-28T10:15:10"},
        {"10,50 5,15 10,12 * * *", "2028-02-28T10:15:51", "2028-02-28T12:05:10"},
        {"10,50 5,15 10,12 * * *", "2028-02-28T12:15:51", "2028-02-29T10:05:10"},
        {"59 59 23 31 12 *", "2028-12-31T23:59:59", "2028-12-31T23:59:59"},
        {"0 0 1 1 *", "2028-12-31T23:59:59", "2029-01-01T00:00"},
        {"0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00"},
        {"0 0 1 * *", "1969-12-05T12:00", "1970-01-01T00:00"},
    };
    int64_t until_s = zone_bytes_at("2200-01-01T00:00");
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_cron c = cron(rows[i].text);
        int64_t found_s = zone_bytes_at(rows[i].found);
        assert_true(wh_cron_wall(&c, zone_bytes_at(rows[i].from), until_s) == found_s);
        /* The end is not part of what is searched. */
        assert_true(wh_cron_wall(&c, zone_bytes_at(rows[i].from), found_s) == found_s);
        assert_true(wh_cron_wall(&c, zone_bytes_at(rows[i].from), found_s + 1) ==
                    found_s);
        assert_true(wh_cron_wall(&c, found_s + 1, found_s) == found_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_wall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
