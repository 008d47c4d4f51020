/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as text, and what each says about an attempt that failed.
 */
#include "common/base/rng.h"
#include "common/job/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MINUTE INT64_C(60000)
#define TEN_YEARS INT64_C(315360000000)

static wh_retry_policy policy(const char *text)
{
    wh_retry_policy p;
    wh_errbuf eb;
    wh_retry_default(&p);
    p.jitter = 0;
    p.max_attempts = 1000;
    assert_int_equal(wh_retry_parse(text, &p, &eb), WH_OK);
    return p;
}

static int64_t delay_after(const wh_retry_policy *p, int attempt)
{
    wh_retry_question q = {.attempt = attempt, .asked_delay_ms = -1};
    int64_t delay_ms = -1;
    assert_true(wh_retry_decide(p, &q, &delay_ms));
    return delay_ms;
}

static void test_default(void **state)
{
    (void)state;
    static const int64_t minutes[] = {0, 1, 5, 15};
    wh_retry_policy p;
    int64_t delay_ms = -1;
    wh_retry_default(&p);
    assert_int_equal(p.max_attempts, 5);
    for (int i = 0; i < 4; i++) {
        for (int tries = 0; tries < 200; tries++) {
            int64_t ms = delay_after(&p, i + 1);
            assert_true(ms >= minutes[i] * MINUTE * 9 / 10);
            assert_true(ms <= minutes[i] * MINUTE * 11 / 10);
        }
    }
    wh_retry_question last = {.attempt = 5, .asked_delay_ms = -1};
    assert_false(wh_retry_decide(&p, &last, &delay_ms));
    assert_true(delay_ms == 0);
    last.max_attempts = 7; /* the job's own wish wins */
    assert_true(wh_retry_decide(&p, &last, &delay_ms));
    assert_true(delay_ms >= 54 * MINUTE && delay_ms <= 66 * MINUTE);
    last.max_attempts = 2;
    last.attempt = 2;
    assert_false(wh_retry_decide(&p, &last, &delay_ms));
}

static void test_jitter_spreads(void **state)
{
    (void)state;
    wh_retry_policy p = policy("fixed:1h");
    p.jitter = 0.5;
    wh_rng_seed(7);
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t ms = delay_after(&p, 1);
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    assert_true(low >= 30 * MINUTE && low < 35 * MINUTE);
    assert_true(high <= 90 * MINUTE && high > 85 * MINUTE);
}

static void test_delays(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int attempt;
        int64_t delay_ms;
    } rows[] = {
        {"0s,1m,5m", 1, 0},
        {"0s,1m,5m", 2, MINUTE},
        {"0s,1m,5m", 3, 5 * MINUTE},
        {"0s,1m,5m", 99, 5 * MINUTE},
        {"0s, 1m , 5m", 2, MINUTE},
        {"250ms", 1, 250},
        {"0s,1m,5m", 0, 0},
        {"0s,1m,5m", -3, 0},
        {"fixed:30s", 1, 30000},
        {"fixed:30s", 500, 30000},
        {"exp:1s:1h", 1, 1000},
        {"exp:1s:1h", 2, 2000},
        {"exp:1s:1h", 12, 2048000},
        {"exp:1s:1h", 13, 3600000},
        {"exp:1s:1h", 999, 3600000},
        {"exp:1s:1h:3", 3, 9000},
        {"exp:1s:1h:1.5", 3, 2250},
        {"exp:1s:1h:1", 900, 1000},
        {"exp:2s:2s", 1, 2000},
        {"1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,2s", 16, 2000},
        {"3650d", 1, TEN_YEARS},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_retry_policy p = policy(rows[i].text);
        assert_true(delay_after(&p, rows[i].attempt) == rows[i].delay_ms);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ",",
        "1m,",
        ",1m",
        "1m,,2m",
        "5",
        "-1s",
        "1x",
        "None",
        "fixed",
        "fixed:",
        "fixed:1s:2s",
        "fixed:1s,2s",
        "exp:1s",
        "exp:",
        "exp:0s:1h",
        "exp:2h:1h",
        "exp:1s:1h:0.5",
        "exp:1s:1h:nan",
        "exp:1s:1h:0x2",
        "exp:1s:1h:1e9",
        "exp:1s:1h:101",
        "exp:1s:1h:1.2.3",
        "exp:1s:1h:",
        "exp:1s:1h:2:3",
        "3651d",
        "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
        "a step that is far longer than any duration may be written",
    };
    for (size_t i = 0; i < LEN(texts); i++) {
        wh_retry_policy before, after;
        wh_errbuf eb = {0};
        memset(&before, 0, sizeof before);
        wh_retry_default(&before);
        memcpy(&after, &before, sizeof after);
        assert_int_equal(wh_retry_parse(texts[i], &after, &eb), WH_EINVAL);
        assert_memory_equal(&after, &before, sizeof after); /* untouched */
        assert_true(eb.text[0] != '\0');
        assert_int_equal(wh_retry_parse(texts[i], &after, NULL), WH_EINVAL);
    }
    wh_retry_policy p;
    wh_retry_default(&p);
    assert_int_equal(wh_retry_parse(NULL, &p, NULL), WH_EINVAL);
}

static void test_none(void **state)
{
    (void)state;
    wh_retry_policy p = policy("none");
    wh_retry_question q = {.attempt = 1, .asked_delay_ms = 5};
    int64_t delay_ms = -1;
    assert_int_equal(p.max_attempts, 1);
    assert_false(wh_retry_decide(&p, &q, &delay_ms));
    q.max_attempts = 3; /* the job's wish does not overrule the handler's `none` */
    assert_false(wh_retry_decide(&p, &q, &delay_ms));
}

static void test_parse_keeps(void **state)
{
    (void)state;
    wh_retry_policy p;
    wh_retry_default(&p);
    p.jitter = 0.25;
    p.max_attempts = 9;
    assert_int_equal(wh_retry_parse("exp:1s:1m", &p, NULL), WH_OK);
    assert_int_equal(p.max_attempts, 9);
    assert_true(p.jitter > 0.24 && p.jitter < 0.26);
}

static void test_category_and_wish(void **state)
{
    (void)state;
    wh_retry_policy p = policy("fixed:30s");
    int64_t delay_ms = -1;
    for (int c = 0; c < WH_ERRCLASS_COUNT; c++) {
        wh_retry_question q = {
            .attempt = 1, .category = (wh_errclass)c, .asked_delay_ms = 7000};
        bool again = wh_retry_decide(&p, &q, &delay_ms);
        assert_int_equal(again, wh_errclass_is_retryable((wh_errclass)c));
        assert_true(delay_ms == (again ? 7000 : 0));
    }
    wh_retry_question q = {.attempt = 1, .asked_delay_ms = 0};
    assert_true(wh_retry_decide(&p, &q, &delay_ms));
    assert_true(delay_ms == 0);
    q.asked_delay_ms = INT64_MAX;
    assert_true(wh_retry_decide(&p, &q, &delay_ms));
    assert_true(delay_ms == TEN_YEARS);
}

/* Policies nobody parsed: whatever stands in them, the answer is a legal delay. */
static void test_odd_policies(void **state)
{
    (void)state;
    const wh_retry_policy odd[] = {
        {.kind = WH_RETRY_LIST},
        {.kind = WH_RETRY_LIST, .n_steps = 1, .steps_ms = {-5}},
        {.kind = WH_RETRY_FIXED, .steps_ms = {INT64_MAX}, .jitter = 1},
        {.kind = WH_RETRY_EXPONENTIAL, .steps_ms = {1, INT64_MAX}, .factor = 1e300},
        {.kind = WH_RETRY_EXPONENTIAL, .steps_ms = {1, 10}, .factor = 1.0000001},
    };
    for (size_t i = 0; i < LEN(odd); i++) {
        for (int attempt = 1; attempt < 5; attempt++) {
            int64_t ms = delay_after(&odd[i], attempt);
            assert_true(ms >= 0 && ms <= TEN_YEARS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_jitter_spreads),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_parse_keeps),
        cmocka_unit_test(test_category_and_wish),
        cmocka_unit_test(test_odd_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
