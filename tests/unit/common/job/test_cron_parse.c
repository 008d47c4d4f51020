/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions as text: which are the same, which are refused, where and with what advice.
 */
#include "common/job/cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static wh_cron cron(const char *text)
{
    wh_cron c;
    wh_errbuf eb = {0};
    memset(&c, 0, sizeof c);
    if (wh_cron_parse(text, &c, &eb) != WH_OK) {
        fail_msg("\"%s\": %s", text, eb.text);
    }
    return c;
}

static void test_fields(void **state)
{
    (void)state;
    wh_cron c = cron("5,10 1-3 L-2 JAN,dec mon#2,5L,0");
    assert_true(c.seconds == 1 && !c.has_seconds);
    assert_true(c.minutes == (1U << 5 | 1U << 10));
    assert_true(c.hours == (1U << 1 | 1U << 2 | 1U << 3));
    assert_true(c.days == 0 && c.days_from_end == 1U << 2);
    assert_true(c.months == (1U << 1 | 1U << 12));
    assert_true(c.weekdays == 1 && c.nth_weekdays[1] == 1U << 1 &&
                c.last_weekdays == 1U << 5);
    assert_false(c.any_day || c.any_weekday || c.is_interval);
    c = cron("*/20 0 0 ? * *");
    assert_true(c.has_seconds && c.seconds == (1U | 1U << 20 | UINT64_C(1) << 40));
    assert_true(c.any_day && c.any_weekday && !c.is_interval);
}

static void test_interval(void **state)
{
    (void)state;
    assert_true(cron("* 2 * * *").is_interval);
    assert_true(cron("30 * * * *").is_interval);
    assert_true(cron("*/5,1 2 * * *").is_interval);
    assert_true(cron("0 ? 2 * * *").is_interval);
    assert_true(cron("@hourly").is_interval);
    assert_false(cron("0-59 0-23 * * *").is_interval);
    assert_false(cron("1,*/5 2 * * *").is_interval); /* the star is not the first */
    assert_false(cron("* 0 2 * * *").is_interval);
    assert_false(cron("@daily").is_interval);
}

static void test_same(void **state)
{
    (void)state;
    static const struct {
        const char *text, *same;
    } rows[] = {
        {"@hourly", "0 * * * *"},
        {"@daily", "0 0 * * *"},
        {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * SUN"},
        {"@monthly", "0 0 1 * *"},
        {"@yearly", "0 0 1 1 *"},
        {" @Annually\t", "0 0 1 JAN *"},
        {"  0   0\t* * * ", "0 0 * * *"},
        {"5/20 0 * * *", "5-59/20 0 * * *"},
        {"0 0 * * 1/2", "0 0 * * 1-6/2"},
        {"0 0 * * 7/2", "0 0 * * 0"},
        {"0 0 * * 0-7/2", "0 0 * * 0,2,4,6"},
        {"0 0 * * 5-7/2", "0 0 * * 5,7"},
        {"0 0 * * fri-sun", "0 0 * * 0,5,6"},
        {"0 0 * * SUN-TUE", "0 0 * * 0-2"},
        {"0 0 * * 7#1,7L", "0 0 * * SUN#1,0l"},
        {"0 0 * Mar-MAY *", "0 0 * 3-5 *"},
        {"0 0 * mAr,5/7 *", "0 0 * 3,5,12 *"},
        {"007 0 * * *", "7 0 * * *"},
        {"7-7/60 0 * * *", "7 0 * * *"},
        {"0 0 31/1,1-1 * *", "0 0 1,31 * *"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_cron a = cron(rows[i].text), b = cron(rows[i].same);
        assert_true(a.seconds == b.seconds && a.minutes == b.minutes &&
                    a.hours == b.hours);
        assert_true(a.days == b.days && a.days_from_end == b.days_from_end);
        assert_true(a.months == b.months && a.weekdays == b.weekdays);
        assert_true(a.last_weekdays == b.last_weekdays);
        assert_memory_equal(a.nth_weekdays, b.nth_weekdays, sizeof a.nth_weekdays);
        assert_true(a.any_day == b.any_day && a.any_weekday == b.any_weekday);
        assert_true(a.is_interval == b.is_interval && a.has_seconds == b.has_seconds);
    }
}

typedef struct refusal {
    const char *text;
    int column;
    const char *says;
} refusal;

static void check_refused(const refusal *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        wh_cron c = {.minutes = 42};
        wh_errbuf eb = {0};
        char start[64];
        int n = snprintf(start, sizeof start,
                         "cron expression, column %d: ", rows[i].column);
        if (wh_cron_parse(rows[i].text, &c, &eb) != WH_EINVAL || n <= 0 ||
            strncmp(eb.text, start, (size_t)n) != 0 ||
            strstr(eb.text, rows[i].says) == NULL) {
            fail_msg("\"%s\": %s", rows[i].text, eb.text);
        }
        assert_true(c.minutes == 42);
        assert_null(strstr(eb.text, "...")); /* no message is cut */
    }
}

static void test_refused_whole(void **state)
{
    (void)state;
    static const refusal rows[] = {
        {"", 1, "empty; give minute, hour"},
        {" \t ", 4, "empty"},
        {"* * * *", 8, "too few fields; give minute, hour"},
        {"* * * * * * *", 13, "a seventh field"},
        {"0 0 * *\n*", 10, "too few fields"},
        {"H * * * *", 1, "\"H\""},
        {"@reboot", 1, "\"@reboot\" is unknown; give @hourly, @daily"},
        {"@every 5m", 1, "or five or six fields (*/5 * * * *: every 5 minutes)"},
        {"@", 1, "\"@\" is unknown"},
        {"@daily 1", 8, "nothing may follow @daily"},
        {"0 0 30 2 *", 5, "no year has such a day: the months"},
        {"0 0 31 2,4,6,9,11 ?", 5, "no year has such a day"},
        {"0 0 L-29 FEB *", 5, "no year has such a day"},
        {"0 0 */31 * 5#5", 5, "no year has such a day: a field that begins with *"},
    };
    check_refused(rows, LEN(rows));
}

static void test_refused_values(void **state)
{
    (void)state;
    static const refusal rows[] = {
        {"60 * * * *", 1, "\"60\" is no minute; give 0-59"},
        {"* 24 * * *", 3, "\"24\" is no hour; give 0-23"},
        {"60 * * * * *", 1, "no second"},
        {"* * 0 * *", 5, "no day of month; give 1-31"},
        {"* * 32 * *", 5, "\"32\""},
        {"* * * 0 *", 7, "no month; give 1-12, JAN-DEC"},
        {"* * * 13 *", 7, "\"13\""},
        {"* * * * 8", 9, "no day of week; give 0-7"},
        {"99999999999999999999 * * * *", 1, "no minute"},
        {"-1 * * * *", 1, "\"-1\" is no minute"},
    };
    check_refused(rows, LEN(rows));
}

static void test_refused_forms(void **state)
{
    (void)state;
    static const refusal rows[] = {
        {"1- * * * *", 3, "a value is missing"},
        {"1,,2 * * * *", 3, "a value is missing in the field minute; give"},
        {",1 * * * *", 1, "a value is missing"},
        {"1, * * * *", 3, "a value is missing"},
        {"1-2-3 * * * *", 1, "\"1-2-3\""},
        {"*5 * * * *", 1, "\"*5\""},
        {"** * * * *", 1, "\"**\""},
        {"*/ * * * *", 3, "a step is missing in the field minute; give 1-60"},
        {"*/0 * * * *", 3, "\"0\" is no step"},
        {"*/-1 * * * *", 3, "\"-1\" is no step"},
        {"*/61 * * * *", 3, "give 1-60, or list the times"},
        {"0 */25 * * *", 5, "give 1-24, or list"},
        {"*/5/5 * * * *", 1, "\"*/5/5\""},
        {"0 22-5 * * *", 6, "backwards; write two, as in 22-23,0-5"},
        {"0 0 * * FRI-MON", 13, "6-7,1-2 (7 is Sunday)"},
        {"0 0 * * 5-0", 11, "(7 is Sunday)"},
        {"0 0 * 11-2 *", 10, "backwards"},
        {"0 0 * JANUARY *", 7, "\"JANUARY\" is no month"},
        {"0 0 * * MONDAY", 9, "\"MONDAY\" is no day of week"},
        {"0 0 * * MON,FREI", 13, "\"FREI\""},
        {"JAN * * * *", 1, "\"JAN\" is no minute"},
    };
    check_refused(rows, LEN(rows));
}

static void test_refused_days(void **state)
{
    (void)state;
    static const refusal rows[] = {
        {"0 0 15W * *", 5, "\"15W\""},
        {"0 0 LW * *", 5, "\"LW\""},
        {"0 0 L-0 * *", 7, "1-30: L-3"},
        {"0 0 L-31 * *", 7, "1-30: L-3"},
        {"0 0 L/2 * *", 5, "\"L/2\""},
        {"0 0 5L * *", 5, "\"5L\""},
        {"0 0 * * L", 9, "5L (the last Friday)"},
        {"0 0 * * 5#0", 11, "weekdays #1 to #5"},
        {"0 0 * * 5#6", 11, "give 5#2 for the second Friday"},
        {"0 0 * * 5#", 11, "weekdays #1 to #5"},
        {"0 0 * * 5#2#3", 9, "\"5#2#3\""},
        {"0 0 * * 1-5L", 9, "\"1-5L\""},
        {"0 0 * * 5-5#2", 9, "\"5-5#2\""},
        {"0 0 * * \xc3\xa9", 9, "\"?\?\" is no day of week"},
    };
    check_refused(rows, LEN(rows));
}

static void test_length(void **state)
{
    (void)state;
    char text[WH_CRON_TEXT_MAX + 2];
    wh_cron c;
    wh_errbuf eb = {0};
    memset(text, ' ', sizeof text);
    memcpy(text, "0 0 * * *", 9);
    text[WH_CRON_TEXT_MAX] = '\0';
    assert_int_equal(wh_cron_parse(text, &c, &eb), WH_OK);
    text[WH_CRON_TEXT_MAX] = ' ';
    text[WH_CRON_TEXT_MAX + 1] = '\0';
    assert_int_equal(wh_cron_parse(text, &c, &eb), WH_EINVAL);
    assert_non_null(strstr(eb.text, "longer than 256"));
    assert_int_equal(wh_cron_parse(NULL, &c, NULL), WH_EINVAL);
}

/* Days that come rarely are days. */
static void test_rare(void **state)
{
    (void)state;
    (void)cron("0 0 29 2 *");
    (void)cron("0 0 L-28 2 *");  /* 1 February of leap years */
    (void)cron("0 0 29 2 */7");  /* a Sunday, too */
    (void)cron("0 0 * 2 1#5");   /* five Mondays in a February */
    (void)cron("0 0 31 2 5");    /* or each Friday */
    (void)cron("0 0 */30 * 5L"); /* the 31st is the last Friday */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),         cmocka_unit_test(test_interval),
        cmocka_unit_test(test_same),           cmocka_unit_test(test_refused_whole),
        cmocka_unit_test(test_refused_values), cmocka_unit_test(test_refused_forms),
        cmocka_unit_test(test_refused_days),   cmocka_unit_test(test_length),
        cmocka_unit_test(test_rare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
