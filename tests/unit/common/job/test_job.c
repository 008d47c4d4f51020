/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a producer may ask for: each limit of docs/protocol.md from both sides, and
 * that a refusal names the field.
 */
#include "common/job/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64
#define TEN_YEARS INT64_C(315360000000)

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        bool ok;
    } rows[] = {
        {"a", 1, true},        {"Az09_.-", 7, true}, {"mail.send", 9, true},
        {X64, 64, true},       {X64 "x", 65, false}, {"", 0, false},
        {NULL, 0, false},      {"a b", 3, false},    {"a:b", 3, false},
        {"{a}", 3, false},     {"a\0b", 3, false},   {"\xc3\xa4", 2, false},
        {"caf\xe9", 4, false}, {"a\n", 2, false},    {"*", 1, false},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_int_equal(wh_job_name_ok(rows[i].name, rows[i].n), rows[i].ok);
    }
}

static void test_status_words(void **state)
{
    (void)state;
    wh_job_status status = WH_JOB_PENDING;
    for (int i = 0; i < WH_JOB_STATUS_COUNT; i++) {
        assert_true(wh_job_status_parse(wh_job_status_name((wh_job_status)i), &status));
        assert_int_equal(status, i);
    }
    assert_string_equal(wh_job_status_name(WH_JOB_IN_PROGRESS), "in_progress");
    assert_string_equal(wh_job_status_name(WH_JOB_STATUS_COUNT), "unknown");
    assert_false(wh_job_status_parse("Pending", &status));
    assert_false(wh_job_status_parse("", &status));
    assert_false(wh_job_status_parse(NULL, &status));
}

static void test_mode_words(void **state)
{
    (void)state;
    wh_job_unique unique = WH_JOB_UNIQUE_TTL;
    wh_job_conflict conflict = WH_JOB_CONFLICT_KEEP;
    for (int i = 0; i < WH_JOB_UNIQUE_COUNT; i++) {
        assert_true(wh_job_unique_parse(wh_job_unique_name((wh_job_unique)i), &unique));
        assert_int_equal(unique, i);
    }
    for (int i = 0; i < WH_JOB_CONFLICT_COUNT; i++) {
        const char *word = wh_job_conflict_name((wh_job_conflict)i);
        assert_true(wh_job_conflict_parse(word, &conflict));
        assert_int_equal(conflict, i);
    }
    assert_string_equal(wh_job_unique_name(WH_JOB_UNIQUE_QUEUED), "queued");
    assert_string_equal(wh_job_conflict_name(WH_JOB_CONFLICT_KEEP_LAST), "keep_last");
    assert_string_equal(wh_job_unique_name(WH_JOB_UNIQUE_COUNT), "unknown");
    assert_false(wh_job_unique_parse("keep", &unique));
    assert_false(wh_job_conflict_parse(NULL, &conflict));
}

typedef struct spec_row {
    wh_job_spec spec;
    const char *field; /* what the refusal begins with; NULL: accepted */
} spec_row;

static void check_row(const spec_row *row)
{
    wh_errbuf eb = {0};
    wh_err err = wh_job_spec_check(&row->spec, 0, &eb);
    assert_int_equal(err, row->field == NULL ? WH_OK : WH_EINVAL);
    if (row->field != NULL) {
        assert_memory_equal(eb.text, row->field, strlen(row->field));
    }
    assert_int_equal(wh_job_spec_check(&row->spec, 0, NULL), err);
}

static void test_keys(void **state)
{
    (void)state;
    static const spec_row rows[] = {
        {{.type = "t", .key = X256}, NULL},
        {{.type = "t", .key = X256 "x"}, "key has 257"},
        {{.type = "t", .key = ""}, "key is empty"},
        {{.type = "t", .key = "!~"}, NULL},
        {{.type = "t", .key = "a b"}, "key \"a b\""},
        {{.type = "t", .key = "a\x7f"}, "key \"a?\""},
        {{.type = "t", .key = "\xc3\x28\xc2\x9b"},
         "key \"?(??\""}, /* no UTF-8; a control */
        {{.type = "t", .key = "\xc3\xa4"}, "key \"\xc3\xa4\""},
        {{.type = "t", .key = "k", .key_ttl_ms = 1}, NULL},
        {{.type = "t", .key = "k", .key_ttl_ms = -1}, "key_ttl_ms"},
        {{.type = "t", .key_ttl_ms = 1}, "key_ttl_ms"},
        {{.type = "t", .key = "k", .unique = WH_JOB_UNIQUE_QUEUED}, NULL},
        {{.type = "t", .unique = WH_JOB_UNIQUE_DONE}, "unique is set without key"},
        {{.type = "t", .key = "k", .unique = (wh_job_unique)3}, "unique is 3"},
        {{.type = "t", .unique = (wh_job_unique)-1}, "unique is -1"},
        {{.type = "t", .key = "k", .conflict = WH_JOB_CONFLICT_KEEP_LAST}, NULL},
        {{.type = "t", .conflict = WH_JOB_CONFLICT_EXTEND},
         "conflict is set without key"},
        {{.type = "t", .key = "k", .conflict = (wh_job_conflict)4}, "conflict is 4"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        check_row(&rows[i]);
    }
}

static void test_specs(void **state)
{
    (void)state;
    static const spec_row rows[] = {
        {{.type = "t"}, NULL},
        {{.type = NULL}, "type"},
        {{.type = ""}, "type"},
        {{.type = "a b"}, "type"},
        {{.type = X64}, NULL},
        {{.type = X64 "x"}, "type"},
        {{.type = "t", .org = "o"}, NULL},
        {{.type = "t", .org = ""}, "org"},
        {{.type = "t", .org = "a/b"}, "org"},
        {{.type = "t", .payload = "p", .payload_len = 1}, NULL},
        {{.type = "t", .payload_len = 1}, "payload"},
        {{.type = "t", .priority_plus1 = 10}, NULL},
        {{.type = "t", .priority_plus1 = 11}, "priority is 10"},
        {{.type = "t", .priority_plus1 = -1}, "priority is -1"},
        {{.type = "t", .delay_ms = TEN_YEARS}, NULL},
        {{.type = "t", .delay_ms = TEN_YEARS + 1}, "delay_ms"},
        {{.type = "t", .delay_ms = -1}, "delay_ms"},
        {{.type = "t", .timeout_ms = 604800000}, NULL},
        {{.type = "t", .timeout_ms = 604800001}, "timeout_ms"},
        {{.type = "t", .timeout_ms = INT64_MIN}, "timeout_ms"},
        {{.type = "t", .expires_ms = TEN_YEARS}, NULL},
        {{.type = "t", .expires_ms = INT64_MAX}, "expires_ms"},
        {{.type = "t", .max_attempts = 1000}, NULL},
        {{.type = "t", .max_attempts = 1001}, "max_attempts"},
        {{.type = "t", .max_attempts = -5}, "max_attempts"},
        {{.type = "t", .group = X64}, NULL},
        {{.type = "t", .group = X64 "x"}, "group"},
        {{.type = "t", .group = ""}, "group is empty"},
        {{.type = "t", .group = "a/b"}, "group \"a/b\""},
        {{.type = "t", .retry_for_ms = TEN_YEARS}, NULL},
        {{.type = "t", .retry_for_ms = TEN_YEARS + 1}, "retry_for_ms"},
        {{.type = "t", .retry_for_ms = -1}, "retry_for_ms"},
        {{.type = "t", .entity_type = X256, .entity_id = X256}, NULL},
        {{.type = "t", .entity_type = X256 "x"}, "entity_type"},
        {{.type = "t", .entity_id = X256 "x"}, "entity_id"},
        {{.type = "t", .traceparent = X256}, NULL},
        {{.type = "t", .traceparent = X256 "x"}, "traceparent"},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        check_row(&rows[i]);
    }
}

static void test_payload_bound(void **state)
{
    (void)state;
    wh_job_spec spec = {.type = "t", .payload = "", .payload_len = 0};
    wh_errbuf eb;
    assert_int_equal(wh_job_spec_check(&spec, 1, &eb), WH_OK);
    spec.payload_len = WH_JOB_PAYLOAD_DEFAULT_MAX;
    assert_int_equal(wh_job_spec_check(&spec, 0, &eb), WH_OK);
    spec.payload_len++;
    assert_int_equal(wh_job_spec_check(&spec, 0, &eb), WH_ETOOBIG);
    assert_non_null(strstr(eb.text, "262144"));
    assert_int_equal(wh_job_spec_check(&spec, spec.payload_len, &eb), WH_OK);
}

/* A refused value is quoted without control characters, and cut. */
static void test_refusal_is_printable(void **state)
{
    (void)state;
    wh_errbuf eb;
    wh_job_spec spec = {.type = "a\x1b[31m\n\xff" X64};
    assert_int_equal(wh_job_spec_check(&spec, 0, &eb), WH_EINVAL);
    for (const char *c = eb.text; *c != '\0'; c++) {
        assert_in_range(*c, ' ', '~');
    }
    assert_non_null(strstr(eb.text, "...\""));
    assert_non_null(strstr(eb.text, "72 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_status_words),
        cmocka_unit_test(test_mode_words),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_payload_bound),
        cmocka_unit_test(test_refusal_is_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
