/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record filled from protocol fields and printed as JSON: what is absent, what is
 * refused, bytes that are no text, and each allocation failing once.
 */
#include "common/job/job.h"
#include "tests/unit/common/job/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ID "0190b6c0-7e10-7abc-8def-0123456789ab"

static wh_err set(wh_job_record *r, const char *field, const char *value)
{
    return wh_job_record_set(r, field, strlen(field), value, strlen(value));
}

static const struct {
    const char *field, *value;
} full[] = {
    {"id", "0190B6C0-7E10-7ABC-8DEF-0123456789AB"},
    {"type", "mail.send"},
    {"org", "acme"},
    {"region", "eu"},
    {"queue", "default"},
    {"status", "failed"},
    {"entity_type", "order"},
    {"entity_id", "17"},
    {"payload", "{\"to\":\"a\"}"},
    {"result", ""},
    {"priority", "5"},
    {"attempts", "2"},
    {"max_attempts", "5"},
    {"recoveries", "1"},
    {"enqueued_at_ms", "1700000000000"},
    {"started_at_ms", "1700000001000"},
    {"finished_at_ms", "1700000002000"},
    {"next_retry_at_ms", "1700000003000"},
    {"error_message", "no \"route\""},
    {"error_category", "connection"},
    {"error_context", "{\"host\":\"a\"}"},
    {"progress", "40"},
    {"progress_message", "half"},
    {"traceparent", "00-01"},
    {"worker", "w.1"},
    {"timeout_ms", "30000"},
    {"expires_at_ms", "1700000009000"},
    {"fence", "3"},
    {"group", "batch-9"},
    {"idempotency_key", "order-17"},
    {"unique", "done"},
    {"conflict", "keep_last"},
    {"retry_for_ms", "7200000"},
    {"dlq_entry", "1700000002000-0"},
    {"history", "[[\"2023-11-14T22:13:22.000Z\",\"connection\",\"no route\"]]"},
    {"a_field_to_come", "x"},
};

static const char full_json[] =
    "{\"id\":\"" ID "\",\"type\":\"mail.send\",\"org\":\"acme\","
    "\"group\":\"batch-9\",\"region\":\"eu\",\"queue\":\"default\",\"status\":"
    "\"failed\",\"entity_type\":\"order\","
    "\"entity_id\":\"17\",\"payload\":\"{\\\"to\\\":\\\"a\\\"}\",\"result\":\"\","
    "\"priority\":5,\"attempts\":2,\"max_attempts\":5,\"recoveries\":1,"
    "\"enqueued_at_ms\":1700000000000,\"enqueued_at\":\"2023-11-14T22:13:20.000Z\","
    "\"started_at_ms\":1700000001000,\"started_at\":\"2023-11-14T22:13:21.000Z\","
    "\"finished_at_ms\":1700000002000,\"finished_at\":\"2023-11-14T22:13:22.000Z\","
    "\"next_retry_at_ms\":1700000003000,\"next_retry_at\":\"2023-11-14T22:13:23.000Z\","
    "\"error_message\":\"no \\\"route\\\"\",\"error_category\":\"connection\","
    "\"error_context\":\"{\\\"host\\\":\\\"a\\\"}\",\"progress\":40,"
    "\"progress_message\":\"half\",\"traceparent\":\"00-01\",\"worker\":\"w.1\","
    "\"timeout_ms\":30000,\"expires_at_ms\":1700000009000,"
    "\"expires_at\":\"2023-11-14T22:13:29.000Z\",\"fence\":3,\"retry_for_ms\":7200000,"
    "\"idempotency_key\":\"order-17\",\"unique\":\"done\",\"conflict\":\"keep_last\","
    "\"dlq_entry\":\"1700000002000-0\",\"history\":[[\"2023-11-14T22:13:22.000Z\","
    "\"connection\",\"no route\"]]}";

static void test_full(void **state)
{
    (void)state;
    wh_job_record r;
    wh_buf out = {0};
    wh_job_record_init(&r);
    for (int round = 0; round < 2; round++) { /* setting again replaces */
        for (size_t i = 0; i < LEN(full); i++) {
            assert_int_equal(set(&r, full[i].field, full[i].value), WH_OK);
        }
    }
    assert_int_equal(r.status, WH_JOB_FAILED);
    assert_int_equal(r.payload_len, 10);
    wh_job_record_json(&r, &out);
    assert_string_equal(wh_buf_str(&out), full_json);
    wh_buf_fini(&out);
    wh_job_record_fini(&r);
}

static void test_empty(void **state)
{
    (void)state;
    wh_job_record r;
    wh_buf out = {0};
    wh_job_record_init(&r);
    assert_int_equal(r.progress, -1);
    assert_int_equal(r.max_attempts, -1);
    assert_int_equal(set(&r, "error_message", ""), WH_OK); /* empty is absent */
    assert_null(r.error_message);
    assert_int_equal(wh_job_record_set(&r, "worker", 6, NULL, 0), WH_OK);
    wh_buf_adds(&out, "[{");
    wh_job_record_json(&r, &out);
    assert_string_equal(wh_buf_str(&out),
                        "[{{\"id\":\"\",\"status\":\"pending\",\"priority\":0,"
                        "\"attempts\":0,\"recoveries\":0}");
    wh_buf_fini(&out);
    wh_job_record_fini(&r);
    wh_job_record_fini(&r);
    wh_job_record_fini(NULL);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value;
    } rows[] = {
        {"id", ""},
        {"id", "0190b6c0"},
        {"id", "0190b6c0-7e10-7abc-8def-0123456789aX"},
        {"status", ""},
        {"status", "done"},
        {"status", "in_progress_for_a_long_time"},
        {"priority", "10"},
        {"priority", "-1"},
        {"attempts", ""},
        {"attempts", "2147483648"},
        {"attempts", "1e3"},
        {"attempts", " 1"},
        {"progress", "101"},
        {"enqueued_at_ms", "1.7e+12"},
        {"enqueued_at_ms", "9007199254740992"},
        {"fence", "99999999999999999999"},
        {"timeout_ms", "x"},
        {"retry_for_ms", "-1"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_job_record r;
        wh_job_record_init(&r);
        assert_int_equal(set(&r, rows[i].field, rows[i].value), WH_EBADDATA);
        wh_job_record_fini(&r);
    }
    wh_job_record r;
    wh_job_record_init(&r);
    assert_int_equal(wh_job_record_set(&r, "status", 6, "failed\0x", 8), WH_EBADDATA);
    assert_int_equal(wh_job_record_set(&r, "stat", 4, "x", 1),
                     WH_OK); /* no prefix match */
    wh_job_record_fini(&r);
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *expect;
    } rows[] = {
        {"", 0, "\"payload\":\"\""},
        {"abc", 3, "\"payload\":\"abc\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
         "\"payload\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xf4\x8f\xbf\xbf", 4, "\"payload\":\"\xf4\x8f\xbf\xbf\""},
        {"\xed\x9f\xbf\xee\x80\x80", 6, "\"payload\":\"\xed\x9f\xbf\xee\x80\x80\""},
        {"a\0b", 3, "\"payload_base64\":\"YQBi\""},
        {"\xff", 1, "\"payload_base64\":\"/w==\""},
        {"\xff\xfe", 2, "\"payload_base64\":\"//4=\""},
        {"\xfb\xef\xbe\xff", 4, "\"payload_base64\":\"++++/w==\""},
        {"\xc0\x80", 2, "\"payload_base64\":\"wIA=\""},     /* overlong NUL */
        {"\xe0\x9f\xbf", 3, "\"payload_base64\":\"4J+/\""}, /* overlong */
        {"\xed\xa0\x80", 3, "\"payload_base64\":\"7aCA\""}, /* surrogate */
        {"\xf4\x90\x80\x80", 4, "\"payload_base64\":\"9JCAgA==\""},
        {"\xf5\x80\x80\x80", 4, "\"payload_base64\":\"9YCAgA==\""},
        {"\xe2\x82", 2, "\"payload_base64\":\"4oI=\""}, /* cut off */
        {"\xe2\x82\x41", 3, "\"payload_base64\":\"4oJB\""},
        {"\x80", 1, "\"payload_base64\":\"gA==\""},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_job_record r;
        wh_buf out = {0};
        wh_job_record_init(&r);
        assert_int_equal(wh_job_record_set(&r, "payload", 7, rows[i].bytes, rows[i].n),
                         WH_OK);
        wh_job_record_json(&r, &out);
        assert_non_null(strstr(wh_buf_str(&out), rows[i].expect));
        wh_buf_fini(&out);
        wh_job_record_fini(&r);
    }
}

/* A history goes unquoted into the JSON only if nothing can break out of it. */
static void test_history(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"[]", true},
        {" [ ] ", true},
        {"[[\"a\",\"b\"],[\"c\",null,true,false,-1.5e+3,0]]", true},
        {"[\"\\u00e9\\n\\\"\"]", true},
        {"[[[]],[]]", true},
        {"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", true},
        {"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", false},
        {"[", false},
        {"]", false},
        {"[]]", false},
        {"[],\"status\":\"x\"", false},
        {"[1 2]", false},
        {"[1,]", false},
        {"[,1]", false},
        {"[01]", false},
        {"[1.]", false},
        {"[1e]", false},
        {"[-]", false},
        {"[\"a]", false},
        {"[\"a\\", false},
        {"[\"\\x\"]", false},
        {"[\"\\u12g4\"]", false},
        {"[\"\n\"]", false},
        {"[nul]", false},
        {"[{}]", false},
        {"{}", false},
        {"1", false},
        {"[\"\xff\"]", false},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_job_record r;
        wh_buf out = {0}, raw = {0};
        wh_job_record_init(&r);
        assert_int_equal(set(&r, "history", rows[i].text), WH_OK);
        wh_job_record_json(&r, &out);
        wh_buf_addf(&raw, "\"history\":%s}", rows[i].text);
        assert_int_equal(strstr(wh_buf_str(&out), wh_buf_str(&raw)) != NULL,
                         rows[i].ok);
        assert_int_equal(strstr(wh_buf_str(&out), "\"history\":\"") == NULL,
                         rows[i].ok);
        wh_buf_fini(&raw);
        wh_buf_fini(&out);
        wh_job_record_fini(&r);
    }
}

static void test_memory_fails(void **state)
{
    (void)state;
    long n = 1;
    for (bool failed = true; failed; n++) {
        wh_job_record r;
        wh_buf out = {0};
        size_t refused = 0;
        failing_alloc_on(n);
        wh_job_record_init(&r);
        for (size_t i = 0; i < LEN(full); i++) {
            wh_err err = set(&r, full[i].field, full[i].value);
            assert_true(err == WH_OK || err == WH_ENOMEM);
            refused += err == WH_ENOMEM;
        }
        wh_job_record_json(&r, &out);
        failed = failing_alloc_count >= n;
        assert_int_equal(refused + (wh_buf_ok(&out) ? 0 : 1), failed);
        wh_buf_fini(&out);
        wh_job_record_fini(&r);
        assert_int_equal(failing_alloc_held, 0);
        failing_alloc_off();
    }
    assert_true(n > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),    cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_history), cmocka_unit_test(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
