/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions of schedules: what is kept, what is refused and with which words.
 */
#include "common/schedule/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FULL                                                                           \
    "{\"expression\":\"0 3 * * *\",\"zone\":\"Europe/Berlin\",\"type\":\"report\","    \
    "\"org\":\"acme\",\"group\":\"g\",\"payload\":\"\xe2\x82\xac "                     \
    "\\\"x\\\"\",\"priority\":0,"                                                      \
    "\"max_attempts\":3,\"timeout_ms\":60000,\"jitter_ms\":5000,\"misfire\":\"all\","  \
    "\"misfire_max\":7,\"paused\":true,\"declared\":\"default\"}"
#define SMALL "{\"expression\":\"@daily\",\"type\":\"t\"}"

static wh_errbuf eb;

static wh_err parse(const char *text, wh_schedule *s)
{
    eb = (wh_errbuf){.code = WH_OK};
    return wh_schedule_parse(text, strlen(text), s, &eb);
}

static void keeps(const char *text)
{
    wh_schedule s;
    wh_buf out = {0};

    if (parse(text, &s) != WH_OK) {
        fail_msg("%s: %s", text, eb.text);
    }
    wh_schedule_format(&s, &out);
    assert_true(wh_buf_ok(&out));
    assert_string_equal(wh_buf_str(&out), text);
    wh_buf_fini(&out);
    wh_schedule_fini(&s);
}

static void test_round_trip(void **state)
{
    wh_schedule s;

    (void)state;
    keeps(FULL);
    keeps(SMALL);
    assert_int_equal(parse(FULL, &s), WH_OK);
    assert_string_equal(s.zone, "Europe/Berlin");
    assert_int_equal(s.payload_len, 7);
    assert_int_equal(s.priority_plus1, 1);
    assert_int_equal(s.misfire, WH_SCHEDULE_ALL);
    assert_int_equal(s.misfire_max, 7);
    assert_true(s.paused);
    assert_int_equal(s.cron.hours, 1 << 3);
    wh_schedule_fini(&s);
    assert_int_equal(parse(SMALL, &s), WH_OK);
    assert_null(s.zone);
    assert_int_equal(s.misfire, WH_SCHEDULE_ONCE);
    assert_int_equal(s.priority_plus1, 0);
    wh_schedule_fini(&s);
}

/* Members in another order, and defaults spelled out, are the same schedule. */
static void test_equal_texts(void **state)
{
    wh_schedule s;
    wh_buf out = {0};

    (void)state;
    assert_int_equal(
        parse("{ \"type\": \"t\", \"misfire\": \"once\", \"jitter_ms\": 0, "
              "\"paused\": false, \"expression\": \"@daily\" }",
              &s),
        WH_OK);
    wh_schedule_format(&s, &out);
    assert_string_equal(wh_buf_str(&out), SMALL);
    wh_buf_fini(&out);
    wh_schedule_fini(&s);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *why;
        wh_err err;
    } cases[] = {
        {"", "no JSON object", WH_EBADDATA},
        {"[]", "no JSON object", WH_EBADDATA},
        {"{\"type\":\"t\"}", "expression: is missing", WH_EINVAL},
        {"{\"expression\":\"@daily\"}", "type: is missing", WH_EINVAL},
        {"{\"expression\":\"0 24 * * *\",\"type\":\"t\"}", "column 3: \"24\"",
         WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"a b\"}", "type: ", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"org\":\"\"}", "org: ", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"zone\":\"\"}",
         "zone: ", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"zone\":7}",
         "zone: must be a string", WH_EBADDATA},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"zoom\":1}", "zoom: there is no",
         WH_EBADDATA},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"type\":\"u\"}", "no JSON object",
         WH_EBADDATA},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"jitter_ms\":-1}",
         "jitter_ms: must", WH_EBADDATA},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"jitter_ms\":86400001}",
         "jitter: ", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"misfire\":\"never\"}",
         "misfire: must", WH_EBADDATA},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"misfire_max\":3}",
         "misfire_max: is of misfire", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"misfire\":\"all\",\"misfire_"
         "max\":101}",
         "misfire_max: give 1 to 100", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"priority\":10}",
         "priority: ", WH_EINVAL},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"paused\":1}", "paused: must",
         WH_EBADDATA},
        {"{\"expression\":\"@daily\",\"type\":\"t\",\"declared\":\"a b\"}",
         "declared: ", WH_EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_schedule s;
        wh_err err = parse(cases[i].text, &s);

        if (err != cases[i].err || strstr(eb.text, cases[i].why) == NULL) {
            fail_msg("%s: %s, \"%s\"", cases[i].text, wh_err_name(err), eb.text);
        }
        wh_schedule_fini(&s);
    }
}

static void test_payload(void **state)
{
    static char big[WH_SCHEDULE_TEXT_MAX + 1];
    wh_schedule s = {.expression = "@daily", .type = "t"};

    (void)state;
    s.payload = "a\xff";
    s.payload_len = 2;
    assert_int_equal(wh_schedule_check(&s, &eb), WH_EBADDATA);
    assert_non_null(strstr(eb.text, "byte 2 is no UTF-8"));
    s.payload = "a\0b";
    s.payload_len = 3;
    assert_int_equal(wh_schedule_check(&s, &eb), WH_EBADDATA);
    memset(big, 'x', sizeof big - 1);
    s.payload = big;
    s.payload_len = sizeof big - 1;
    assert_int_equal(wh_schedule_check(&s, &eb), WH_ETOOBIG);
    s.payload_len = sizeof big - 100;
    assert_int_equal(wh_schedule_check(&s, &eb), WH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_equal_texts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
