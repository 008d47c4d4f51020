/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas from files, and what producers and workers are told of a payload.
 */
#include "common/job/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static void write_file(const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/wh-payload-%ld.json", (long)getpid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void refused(const char *text, size_t n, const char *word)
{
    wh_schema *s = NULL;
    wh_errbuf eb = {0};

    write_file(text, n);
    assert_int_equal(wh_payload_schema(path, &s, &eb), WH_ECONFIG);
    assert_int_equal(eb.code, WH_ECONFIG);
    assert_null(s);
    assert_memory_equal(eb.text, path, strlen(path));
    if (strstr(eb.text, word) == NULL) {
        fail_msg("%s", eb.text);
    }
}

static void test_schema(void **state)
{
    (void)state;
    wh_schema *s = NULL;
    wh_errbuf eb = {0};
    char *large = calloc(1, WH_SCHEMA_BYTES_MAX + 1);

    assert_non_null(large);
    memset(large, ' ', WH_SCHEMA_BYTES_MAX + 1);
    refused(large, WH_SCHEMA_BYTES_MAX + 1, "larger than 262144 bytes");
    free(large);
    refused("{\"nonsense\":1}", 14, "nonsense");
    refused("", 0, "JSON");
    write_file("true", 4);
    assert_int_equal(wh_payload_schema(path, &s, &eb), WH_OK);
    wh_schema_free(s);
    assert_int_equal(wh_payload_schema("/nowhere/x.json", &s, &eb), WH_EIO);
    assert_non_null(strstr(eb.text, "/nowhere/x.json: "));
    assert_null(s);
}

static void test_check(void **state)
{
    static const char array[] = "{\"type\":\"array\",\"maxItems\":1}";
    static const char packed[] = {(char)0x92, 1, 2};
    (void)state;
    wh_schema *s = NULL;
    wh_schema_report report;
    wh_errbuf eb = {0};

    write_file(array, sizeof array - 1);
    assert_int_equal(wh_payload_schema(path, &s, &eb), WH_OK);
    assert_int_equal(
        wh_payload_check(s, WH_PAYLOAD_JSON, (wh_slice){"[1]", 3}, NULL, &eb), WH_OK);
    assert_int_equal(
        wh_payload_check(s, WH_PAYLOAD_JSON, (wh_slice){"[1,2]", 5}, &report, &eb),
        WH_EINVAL);
    assert_string_equal(eb.text, "payload: 2 items; at most 1");
    assert_string_equal(report.keyword, "maxItems");
    assert_int_equal(
        wh_payload_check(s, WH_PAYLOAD_JSON, (wh_slice){packed, 3}, NULL, &eb),
        WH_EINVAL);
    assert_non_null(strstr(eb.text, "not JSON"));
    assert_int_equal(
        wh_payload_check(s, WH_PAYLOAD_MSGPACK, (wh_slice){packed, 3}, NULL, &eb),
        WH_EINVAL);
    assert_string_equal(eb.text, "payload: 2 items; at most 1");
    assert_int_equal(
        wh_payload_check(s, WH_PAYLOAD_JSON, (wh_slice){NULL, 0}, NULL, &eb),
        WH_EINVAL);
    char deep[WH_SCHEMA_PAYLOAD_DEPTH_MAX + 2];
    memset(deep, '[', sizeof deep);
    assert_int_equal(
        wh_payload_check(s, WH_PAYLOAD_JSON, (wh_slice){deep, sizeof deep}, NULL, &eb),
        WH_EINVAL);
    wh_schema_free(s);
}

static void test_formats(void **state)
{
    (void)state;
    wh_payload_format f = WH_PAYLOAD_FORMATS;

    assert_true(wh_payload_format_parse("msgpack", &f));
    assert_int_equal(f, WH_PAYLOAD_MSGPACK);
    assert_true(wh_payload_format_parse("json", &f));
    assert_int_equal(f, WH_PAYLOAD_JSON);
    assert_false(wh_payload_format_parse("yaml", &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_schema, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
