/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines from a pipe in pieces, and lines into jobs.
 */
#include "common/cli/cli_jsonl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_lines(void **state)
{
    static const char text[] = "\xef\xbb\xbfone\n\n \t\r\ntwo\0x\nlast";
    static const struct {
        const char *line;
        size_t n;
        int64_t number;
    } want[] = {{"one", 3, 1}, {"two\0x", 5, 4}, {"last", 4, 5}};
    wh_cli_jsonl_reader r;
    wh_errbuf eb;
    const char *line = NULL;
    size_t n = 0;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, sizeof text - 1), (int)sizeof text - 1);
    (void)close(fds[1]);
    wh_cli_jsonl_init(&r, fds[0]);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(wh_cli_jsonl_next(&r, &line, &n, &eb), WH_OK);
        assert_non_null(line);
        assert_int_equal(n, want[i].n);
        assert_memory_equal(line, want[i].line, n);
        assert_int_equal(r.line, want[i].number);
    }
    assert_int_equal(wh_cli_jsonl_next(&r, &line, &n, &eb), WH_OK);
    assert_null(line);
    assert_int_equal(r.bytes, sizeof text - 1);
    wh_cli_jsonl_fini(&r);
    (void)close(fds[0]);
}

static wh_err parse(const char *line, wh_cli_jsonl_job *j, wh_errbuf *eb)
{
    const wh_job_spec dflt = {.type = "dflt", .org = "o", .delay_ms = 7};

    return wh_cli_jsonl_parse(line, strlen(line), &dflt, j, eb);
}

static void test_job(void **state)
{
    wh_cli_jsonl_job j;
    wh_errbuf eb;

    (void)state;
    assert_int_equal(parse("{\"org\":\"acme\",\"priority\":0,\"max_attempts\":3,"
                           "\"payload\":{\"a\":[1,null]},"
                           "\"id\":\"0190C6A0-1c6e-7c3a-9d52-3f1f0a4b2c11\"}",
                           &j, &eb),
                     WH_OK);
    assert_string_equal(j.spec.type, "dflt");
    assert_string_equal(j.spec.org, "acme");
    assert_int_equal(j.spec.priority_plus1, 1);
    assert_int_equal(j.spec.max_attempts, 3);
    assert_int_equal(j.spec.delay_ms, 7);
    assert_int_equal(j.spec.payload_len, strlen("{\"a\":[1,null]}"));
    assert_memory_equal(j.spec.payload, "{\"a\":[1,null]}", j.spec.payload_len);
    assert_int_equal(j.spec.id[0], 0x01);
    wh_cli_jsonl_job_fini(&j);
}

static void test_conflict(void **state)
{
    static const char *const words[] = {"keep_last", "keep-last"};
    wh_cli_jsonl_job j;
    wh_errbuf eb;

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "{\"conflict\":\"%s\"}", words[i]);
        assert_int_equal(parse(line, &j, &eb), WH_OK);
        assert_int_equal(j.spec.conflict, WH_JOB_CONFLICT_KEEP_LAST);
        wh_cli_jsonl_job_fini(&j);
    }
    assert_int_equal(parse("{\"conflict\":\"keep last\"}", &j, &eb), WH_EINVAL);
    assert_non_null(strstr(eb.text, "replace, extend or keep-last"));
    wh_cli_jsonl_job_fini(&j);
}

/* The column of the field's value, not of what looks like it in a payload. */
static void test_columns(void **state)
{
    static const struct {
        const char *line, *text;
    } bad[] = {
        {"{\"timeout_ms\":0}", "column 15: timeout_ms must be a whole number from 1 to "
                               "604800000; leave it out for the worker's"},
        {"{\"payload\":{\"expires_ms\":1,\"a\":[\"\\\"expires_ms\\\":\"]}, "
         "\"expires_ms\" : 0}",
         "column 69: expires_ms must be"},
        {"{\"payload\":\"expires_ms\",\"expires_ms\":1.5}", "column 38: expires_ms"},
        {"{\"key_ttl_ms\":0}", "column 15: key_ttl_ms must be a whole number from 1"},
        {"{\"retry_for_ms\":0}",
         "column 17: retry_for_ms must be a whole number from 1"},
        {"{\"max_attempts\":1001}",
         "column 17: max_attempts must be a whole number from "
         "1 to 1000"},
        {"{\"delay_ms\":-1}", "column 13: delay_ms must be a whole number from 0 to"},
        {"{\"priority\":10}", "column 13: priority must be a whole number from 0 to 9"},
        {"{\"dealy_ms\":1}", "column 13: there is no field \"dealy_ms\""},
        {"{\"org\":\"a\",}", "column 12: no JSON object"},
    };
    wh_cli_jsonl_job j;
    wh_errbuf eb;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i].line, &j, &eb), WH_EINVAL);
        if (strncmp(eb.text, bad[i].text, strlen(bad[i].text)) != 0) {
            fail_msg("%s: %s", bad[i].line, eb.text);
        }
        wh_cli_jsonl_job_fini(&j);
    }
    assert_int_equal(parse("{\"delay_ms\":0,\"priority\":0}", &j, &eb), WH_OK);
    wh_cli_jsonl_job_fini(&j);
}

static void test_base64(void **state)
{
    static const struct {
        const char *text, *bytes;
        size_t n;
    } good[] = {
        {"", "", 0}, {"AA==", "\0", 1}, {"AAE=", "\0\1", 2}, {"+/8A", "\xfb\xff\0", 3}};
    static const char *const bad[] = {
        "A", "AA=", "=AAA", "A===", "AA==AAAA", "A A=", "-_8A"};
    wh_cli_jsonl_job j;
    wh_errbuf eb;
    char line[80];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(line, sizeof line, "{\"payload_base64\":\"%s\"}", good[i].text);
        assert_int_equal(parse(line, &j, &eb), WH_OK);
        assert_int_equal(j.spec.payload_len, good[i].n);
        assert_memory_equal(j.spec.payload, good[i].bytes, good[i].n);
        wh_cli_jsonl_job_fini(&j);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(line, sizeof line, "{\"payload_base64\":\"%s\"}", bad[i]);
        assert_int_equal(parse(line, &j, &eb), WH_EINVAL);
        wh_cli_jsonl_job_fini(&j);
    }
}

static void test_trace(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01"};

    (void)state;
    assert_true(wh_cli_jsonl_is_trace(
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    assert_true(wh_cli_jsonl_is_trace(
        "00-00000000000000000000000000000001-1000000000000000-00"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(wh_cli_jsonl_is_trace(bad[i]));
    }
}

static void test_refusals(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "{} x",
                                      "[]",
                                      "null",
                                      "{\"typ\":\"x\"}",
                                      "{\"type\":1}",
                                      "{\"type\":\"a\",\"type\":\"a\"}",
                                      "{\"delay_ms\":1.5}",
                                      "{\"delay_ms\":-1}",
                                      "{\"delay_ms\":\"5s\"}",
                                      "{\"priority\":2147483647}",
                                      "{\"id\":\"x\"}",
                                      "{\"type\":\"a\\u0000b\"}",
                                      "{\"entity_type\":\"a\"}",
                                      "{\"entity_id\":\"a\"}",
                                      "{\"traceparent\":\"a\"}",
                                      "{\"payload\":\"a\",\"payload_base64\":\"\"}"};
    wh_cli_jsonl_job j;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wh_errbuf eb = {.code = WH_OK};

        assert_int_equal(parse(bad[i], &j, &eb), WH_EINVAL);
        assert_true(eb.text[0] != '\0');
        wh_cli_jsonl_job_fini(&j);
    }
}

static void test_words_of_flags(void **state)
{
    static const struct {
        const char *line, *said;
    } cases[] = {{"{\"delay\":1}", "did you mean \"delay_ms\"?"},
                 {"{\"prio\":1}", "did you mean \"priority\"?"},
                 {"{\"max-attempts\":1}", "did you mean \"max_attempts\"?"},
                 {"{\"key-ttl\":1}", "did you mean \"key_ttl_ms\"?"},
                 {"{\"retry-for\":1}", "did you mean \"retry_for_ms\"?"},
                 {"{\"attempts\":1}", "did you mean \"max_attempts\"?"},
                 {"{\"timeuot_ms\":1}", "did you mean \"timeout_ms\"?"},
                 {"{\"xyz\":1}", "there is no field \"xyz\""},
                 {"7", "write {\"type\": ..."},
                 {" [1]", "write {\"type\": ..."},
                 {"oops", "write {\"type\": ..."}};
    wh_cli_jsonl_job j;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_errbuf eb = {.code = WH_OK};

        assert_int_equal(parse(cases[i].line, &j, &eb), WH_EINVAL);
        if (strstr(eb.text, cases[i].said) == NULL) {
            fail_msg("%s: %s", cases[i].line, eb.text);
        }
        wh_cli_jsonl_job_fini(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_trace),
        cmocka_unit_test(test_job),      cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_columns),  cmocka_unit_test(test_base64),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_words_of_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
