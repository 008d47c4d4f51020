/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are read; malformed ones are refused with a reason; each allocation may fail.
 */
#include "tests/unit/common/job/codec_spec.h"
#include "tests/unit/common/job/failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SLICE(literal) ((wh_slice){(literal), sizeof(literal) - 1})
#define ENQUEUED "\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x00" /* 1700000000000 */
#define ENQUEUED_MS INT64_C(1700000000000)
#define ID "0123456789abcdef"

/* ---------------------------------------------------------------- unpacking */

static void test_round_trip(void **state)
{
    (void)state;
    wh_buf record = {0};
    wh_errbuf eb;
    wh_job *job = NULL;
    wh_buf_add(&record, ENQUEUED, 9);
    assert_int_equal(wh_codec_pack_head(&full_spec, &record), WH_OK);
    wh_buf_add(&record, "bo\0dy", 5);
    wh_codec_claim claim = {.token = SLICE(ID "12"),
                            .record = {record.data, record.len},
                            .now_ms = ENQUEUED_MS + 61000};
    failing_alloc_on(0);
    wh_err err = wh_codec_unpack_job(&claim, &job, &eb);
    long allocations = failing_alloc_count;
    failing_alloc_off();
    assert_int_equal(err, WH_OK);
    assert_int_equal(allocations, 1);
    wh_buf_fini(&record); /* the job keeps nothing of the reply */
    assert_memory_equal(job->id, ID, 16);
    assert_int_equal(job->token_len, 18);
    assert_memory_equal(job->token, ID "12", 18);
    assert_true(job->fence == 12);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->recoveries, 0);
    assert_int_equal(job->priority, 7);
    assert_int_equal(job->max_attempts, 7);
    assert_true(job->timeout_ms == 30000);
    assert_true(job->enqueued_at_ms == ENQUEUED_MS);
    assert_true(job->ready_at_ms == ENQUEUED_MS + 60000);
    assert_true(job->claimed_at_ms == ENQUEUED_MS + 61000);
    assert_true(job->expires_at_ms == ENQUEUED_MS + 86400000);
    assert_string_equal(job->type, "mail.send");
    assert_string_equal(job->org, "acme");
    assert_int_equal(job->traceparent.n, strlen(full_spec.traceparent));
    assert_memory_equal(job->traceparent.p, full_spec.traceparent, job->traceparent.n);
    assert_int_equal(job->entity_type.n, 5);
    assert_memory_equal(job->entity_type.p, "order", 5);
    assert_memory_equal(job->entity_id.p, "17", 2);
    assert_int_equal(job->group.n, 7);
    assert_memory_equal(job->group.p, "batch-9", 7);
    assert_true(job->retry_for_ms == 7200000);
    assert_int_equal(job->payload.n, 5);
    assert_memory_equal(job->payload.p, "bo\0dy", 6); /* with the NUL behind it */
    wh_job_free(job);
}

static void test_unpack_meta(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        int attempt, recoveries; /* attempt 0: refused */
        int64_t ready_at_ms;     /* 0: enqueue */
    } rows[] = {
        {"", 0, 1, 0, 0},
        {"\x90", 1, 1, 0, 0},
        {"\x91\x03", 2, 4, 0, 0},
        {"\x92\xc0\x02", 3, 1, 2, 0},
        {"\x92\xc2\x02", 3, 1, 2, 0},
        {"\x93\x01\x02\x05", 4, 2, 2, 0},
        {"\x96\x01\xc0\x02\xc0\xc0\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x01", 15, 2, 0,
         ENQUEUED_MS + 1},
        {"\x97\x01\xc0\x02\xc0\xc0\xc0\xa1x", 9, 2, 0, 0},
        {"\xdc\x00\x01\xcb\x3f\xf0\0\0\0\0\0\0", 12, 2, 0, 0},
        {"\x81\x01\x02", 3, 0, 0, 0},
        {"\x05", 1, 0, 0, 0},
        {"\x91", 1, 0, 0, 0},
        {"\x91\xff", 2, 0, 0, 0},
        {"\x91\xa1x", 3, 0, 0, 0},
        {"\x91\xce\xff\xff\xff\xff", 6, 0, 0, 0},
        {"\x92\x01\xc3", 3, 0, 0, 0},
        {"\x93\x01\x01\x91", 4, 0, 0, 0},
        {"\x96\x01\x01\x01\x01\x01\xc3", 7, 0, 0, 0},
        {"\xdd\xff\xff\xff\xff\x01", 6, 0, 0, 0},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_codec_claim claim = {.token = SLICE(ID "1"),
                                .meta = {rows[i].bytes, rows[i].n},
                                .record = SLICE(ENQUEUED "\x93\xa1t\xa1o\x05")};
        wh_job *job = NULL;
        wh_errbuf eb = {0};
        wh_err err = wh_codec_unpack_job(&claim, &job, &eb);
        if (rows[i].attempt == 0) {
            assert_int_equal(err, WH_EBADDATA);
            assert_null(job);
            assert_memory_equal(eb.text, "meta: ", 6);
            continue;
        }
        assert_int_equal(err, WH_OK);
        assert_int_equal(job->attempt, rows[i].attempt);
        assert_int_equal(job->recoveries, rows[i].recoveries);
        assert_true(job->ready_at_ms ==
                    (rows[i].ready_at_ms > 0 ? rows[i].ready_at_ms : ENQUEUED_MS));
        assert_int_equal(job->payload.n, 0);
        wh_job_free(job);
    }
}

#define H(head) ENQUEUED head, sizeof(ENQUEUED head) - 1

static const struct {
    const char *bytes;
    size_t n;
    const char *reason; /* NULL: accepted */
} records[] = {
    {H("\x93\xa1t\xa1o\x05"), NULL},
    {H("\x93\xc4\x01t\xd9\x01o\xcb\x40\x14\0\0\0\0\0\0"), NULL},
    {H("\xdc\x00\x03\xa1t\xa1o\x05"), NULL},
    {H("\x94\xa1t\xa1o\x05\x80"), NULL},
    {H("\x94\xa1t\xa1o\x05\x90"), NULL}, /* Lua's empty table */
    {H("\x94\xa1t\xa1o\x05\x81\xa2zz\x92\x01\x81\x01\x02"), NULL},
    {H("\x94\xa1t\xa1o\x05\x81\x07\x01"), NULL}, /* a key that is no text */
    {H("\x94\xa1t\xa1o\x05\x81\xa1k\xa1x"), NULL},
    {H("\x94\xa1t\xa1o\x05\x83\xa1g\xa1x\xa2ku\xa1"
       "d\xa2rf\x01"),
     NULL},
    {H("\x94\xa1t\xa1o\x05\x81\xa1g\xa0"), NULL}, /* empty: none */
    {H("\x94\xa1t\xa1o\x05\x81\xa2to\xc0"), NULL},
    {H("\x95\xa1t\xa1o\x05\x80\x92\x01\x02"), NULL}, /* a part to come */
    {"", 0, "record: empty"},
    {"\xce\x00\x00\x00\x01\x93\xa1t\xa1o\x05", 11, "record: does not begin"},
    {"\xcf\x00\x00", 3, "record: does not begin"},
    {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x93\xa1t\xa1o\x05", 15,
     "record: does not begin"},
    {H(""), "record: the head is not"},
    {H("\x92\xa1t\xa1o"), "record: the head is not"},
    {H("\x83\xa1t\xa1o\x05\x05\x05\x05"), "record: the head is not"},
    {H("\x93\xa0\xa1o\x05"), "record: the type"},
    {H("\x93\xa3t t\xa1o\x05"), "record: the type"},
    {H("\x93\x01\xa1o\x05"), "record: the type"},
    {H("\x93\xa1t\xa2o\0\x05"), "record: the org"},
    {H("\x93\xa1t\xc0\x05"), "record: the org"},
    {H("\x93\xa1t\xa1o\x0a"), "record: the priority"},
    {H("\x93\xa1t\xa1o\xff"), "record: the priority"},
    {H("\x93\xa1t\xa1o\xcb\x40\x16\0\0\0\0\0\0"), "record: the priority"},
    {H("\x94\xa1t\xa1o\x05"), "record: the options"},
    {H("\x94\xa1t\xa1o\x05\x91\x01"), "record: the options"},
    {H("\x94\xa1t\xa1o\x05\xc0"), "record: the options"},
    {H("\x94\xa1t\xa1o\x05\xdf\xff\xff\xff\xff\x01"), "record: the options"},
    {H("\x94\xa1t\xa1o\x05\x81\xa2ma\xcd\x03\xe9"), "record: option max_attempts"},
    {H("\x94\xa1t\xa1o\x05\x81\xa2to\xa1x"), "record: option timeout_ms"},
    {H("\x94\xa1t\xa1o\x05\x81\xa2tp\x01"), "record: option traceparent"},
    {H("\x94\xa1t\xa1o\x05\x81\xa2"), "record: the options"},
    {H("\x94\xa1t\xa1o\x05\x81\xa1g\x01"), "record: option group"},
    {H("\x94\xa1t\xa1o\x05\x81\xa1g\xa3x x"), "record: the group"},
    {H("\x94\xa1t\xa1o\x05\x81\xa2rf\xff"), "record: option retry_for_ms"},
    {H("\x94\xa1t\xa1o\x05\x81\xa2zz\x92"), "record: an option is cut off"},
    {H("\x94\xa1t\xa1o\x05\x81\xc1\x01"), "record: an option is cut off"},
    {H("\x95\xa1t\xa1o\x05\x80"), "record: the head is cut off"},
};

static void test_unpack_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(records); i++) {
        wh_codec_claim claim = {.token = SLICE(ID "1"),
                                .record = {records[i].bytes, records[i].n}};
        wh_job *job = NULL;
        wh_errbuf eb = {0};
        wh_err err = wh_codec_unpack_job(&claim, &job, &eb);
        if (records[i].reason == NULL) {
            assert_int_equal(err, WH_OK);
            assert_string_equal(job->type, "t");
            assert_string_equal(job->org, "o");
            assert_int_equal(job->priority, 5);
            assert_int_equal(job->payload.n, 0);
            wh_job_free(job);
        } else {
            assert_int_equal(err, WH_EBADDATA);
            assert_null(job);
            assert_memory_equal(eb.text, records[i].reason, strlen(records[i].reason));
        }
    }
}

/* Each record cut anywhere is refused or is the same head with less payload. */
static void test_unpack_cuts(void **state)
{
    (void)state;
    wh_buf record = {0};
    wh_buf_add(&record, ENQUEUED, 9);
    assert_int_equal(wh_codec_pack_head(&full_spec, &record), WH_OK);
    size_t head_end = record.len;
    wh_buf_adds(&record, "payload");
    for (size_t n = 0; n <= record.len; n++) {
        char *copy = wh_malloc(n + 1);
        wh_job *job = NULL;
        assert_non_null(copy);
        memcpy(copy, record.data, n);
        wh_codec_claim claim = {.token = SLICE(ID "1"), .record = {copy, n}};
        wh_err err = wh_codec_unpack_job(&claim, &job, NULL);
        assert_int_equal(err, n < head_end ? WH_EBADDATA : WH_OK);
        if (job != NULL) {
            assert_int_equal(job->payload.n, n - head_end);
        }
        wh_job_free(job);
        wh_free(copy);
    }
    wh_buf_fini(&record);
}

static void test_unpack_token(void **state)
{
    (void)state;
    static const struct {
        wh_slice token;
        uint64_t fence; /* 0: refused */
    } rows[] = {
        {{ID "1", 17}, 1},
        {{ID "1234567890123456", 32}, UINT64_C(1234567890123456)},
        {{ID "12345678901234567", 33}, 0},
        {{ID "", 16}, 0},
        {{ID "0", 17}, 0},
        {{ID "01", 18}, 0},
        {{ID "1x", 18}, 0},
        {{ID "-1", 18}, 0},
        {{ID " 1", 18}, 0},
        {{"short", 5}, 0},
        {{NULL, 0}, 0},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        wh_codec_claim claim = {.token = rows[i].token,
                                .record = SLICE(ENQUEUED "\x93\xa1t\xa1o\x05")};
        wh_job *job = NULL;
        wh_err err = wh_codec_unpack_job(&claim, &job, NULL);
        assert_int_equal(err, rows[i].fence > 0 ? WH_OK : WH_EPROTO);
        if (rows[i].fence > 0) {
            assert_true(job->fence == rows[i].fence);
            assert_int_equal(job->token_len, rows[i].token.n);
        }
        wh_job_free(job);
    }
}

#define M(meta) meta, sizeof(meta) - 1

/* A claimed job with such a meta. */
static wh_job *unpack_meta(const char *meta, size_t n)
{
    wh_codec_claim claim = {.token = SLICE(ID "1"),
                            .record = SLICE(ENQUEUED "\x93\xa1t\xa1o\x05"),
                            .meta = {meta, n}};
    wh_job *job = NULL;

    assert_int_equal(wh_codec_unpack_job(&claim, &job, NULL), WH_OK);
    return job;
}

/* Attempts, recoveries, the category of the last error, the mark of a start. */
static void test_has_run(void **state)
{
    (void)state;
    static const struct {
        const char *meta;
        size_t n;
        bool has_run;
        wh_errclass last_error;
        bool was_put_off;
    } rows[] = {
        {M("\x93\x00\x00\x05"), false, WH_ERRCLASS_ERROR, false},
        {M("\x93\x01\x00\x01"), true, WH_ERRCLASS_ERROR, true},
        {M("\x93\x00\x01\x01"), true, WH_ERRCLASS_ERROR, false},
        {M("\x97\x01\x00\x01\xc2\xc2\x07\xa5"
           "crash"),
         true, WH_ERRCLASS_CRASH, true},
        {M("\x97\x01\x00\x01\xc2\xc2\x07\xaano_handler"), false, WH_ERRCLASS_NO_HANDLER,
         true},
        {M("\xdc\x00\x12\x00\x00\x01\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2"
           "\xc2\xc2\x01"),
         true, WH_ERRCLASS_ERROR, false},
        {M("\xdc\x00\x12\x00\x00\x01\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2"
           "\xc2\xc2\xc2"),
         false, WH_ERRCLASS_ERROR, false},
        {M("\xdc\x00\x12\x01\x00\x02\xc2\xc2\x07\xaano_"
           "handler\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\x01"),
         true, WH_ERRCLASS_NO_HANDLER, true},
        {M("\xdc\x00\x12\x00\x00\x02\xc2\xc2\x07\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2"
           "\xc2\xc2\x01"),
         true, WH_ERRCLASS_ERROR, true}, /* snoozed */
        {M("\xdc\x00\x13\x00\x00\x02\xc2\xc2\x07\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2"
           "\xc2\xc2\x01\x01"),
         true, WH_ERRCLASS_ERROR, false}, /* and then released */
        {M("\xdc\x00\x13\x01\x01\x02\xc2\xc2\x07\xa5"
           "crash\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\x01\x01"),
         true, WH_ERRCLASS_CRASH, false}, /* a retry, and then lost with its worker */
        {M("\x96\x00\x00\x02\xc2\xc2\x07"), false, WH_ERRCLASS_ERROR,
         false}, /* by a worker whose handler did not start */
    };

    for (size_t i = 0; i < LEN(rows); i++) {
        wh_job *job = unpack_meta(rows[i].meta, rows[i].n);

        assert_int_equal(job->has_run, rows[i].has_run);
        assert_int_equal(job->was_put_off, rows[i].was_put_off);
        assert_int_equal(job->last_error, rows[i].last_error);
        wh_job_free(job);
    }
}

#define TO_18                                                                          \
    "\xdc\x00\x16\x00\x00\x02\xc2\xc2\x07\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2" \
    "\x01"

/* What it was snoozed with, the last element; malformed, it is as good as absent. */
static void test_snooze(void **state)
{
    (void)state;
    static const struct {
        const char *meta;
        size_t n;
        bool is_snoozed;
        wh_errclass category;
        const char *message;
    } rows[] = {
        {M(TO_18 "\xc2\xc2\x01\x92\xacrate_limited\xa4"
                 "busy"),
         true, WH_ERRCLASS_RATE_LIMITED, "busy"},
        {M(TO_18 "\xc2\xc2\x01\x92\xa0\xa0"), true, WH_ERRCLASS_ERROR, ""},
        {M(TO_18 "\xc2\xc2\x01\x92\xa0\x07"), true, WH_ERRCLASS_ERROR, ""},
        {M(TO_18 "\xc2\xc2\x01\x91\xa0"), false, WH_ERRCLASS_ERROR, ""},
        {M(TO_18 "\xc2\xc2\x01\xc2"), false, WH_ERRCLASS_ERROR, ""},
        {M(TO_18 "\xc2\xc2\x01\x92\xa9"
                 "cut"),
         false, WH_ERRCLASS_ERROR, ""},
    };

    for (size_t i = 0; i < LEN(rows); i++) {
        wh_job *job = unpack_meta(rows[i].meta, rows[i].n);

        assert_int_equal(job->is_snoozed, rows[i].is_snoozed);
        assert_int_equal(job->snooze_category, rows[i].category);
        assert_int_equal(job->snooze_message.n, strlen(rows[i].message));
        assert_memory_equal(job->snooze_message.n > 0 ? job->snooze_message.p : "",
                            rows[i].message, strlen(rows[i].message));
        assert_true(job->was_put_off);
        wh_job_free(job);
    }
}

/* --------------------------------------------------------------- scan, memory */

static void test_scan(void **state)
{
    (void)state;
    char deep[64];
    memset(deep, '\x91', sizeof deep);
    deep[sizeof deep - 1] = '\x01';
    const struct {
        const void *p;
        size_t n;
        unsigned depth;
        size_t items;
        wh_err expect;
    } rows[] = {
        {"\x01", 1, 0, 1, WH_OK},
        {"\x01\x02", 2, 0, 1, WH_EBADDATA}, /* more than one value */
        {"", 0, 8, 8, WH_EBADDATA},
        {NULL, 0, 8, 8, WH_EBADDATA},
        {"\x90", 1, 0, 1, WH_ETOOBIG},
        {"\x90", 1, 1, 1, WH_OK},
        {"\x92\x01\x02", 3, 1, 3, WH_OK},
        {"\x92\x01\x02", 3, 1, 2, WH_ETOOBIG},
        {"\x91\x91\x01", 3, 2, 3, WH_OK},
        {"\x91\x91\x01", 3, 1, 3, WH_ETOOBIG},
        {"\x82\x01\x90\x02\x81\x03\x04", 7, 2, 7, WH_OK},
        {"\x82\x01\x90\x02\x81\x03", 6, 2, 7, WH_EBADDATA},
        {"\xdd\x00\x00\x00\x64\x00", 6, 8, 1000, WH_EBADDATA},
        {"\xdd\xff\x00\x00\x00", 5, 8, 1000, WH_EBADDATA},
        {deep + sizeof deep - 33, 33, 32, 100, WH_OK},
        {deep + sizeof deep - 34, 34, 100, 100, WH_ETOOBIG},
    };
    for (size_t i = 0; i < LEN(rows); i++) {
        assert_int_equal(
            wh_codec_scan(rows[i].p, rows[i].n, rows[i].depth, rows[i].items, NULL),
            rows[i].expect);
    }
    size_t used = 0;
    assert_int_equal(wh_codec_scan("\x92\x01\x02rest", 7, 1, 3, &used), WH_OK);
    assert_int_equal(used, 3);
}

static void test_memory_fails(void **state)
{
    (void)state;
    long n = 1;
    for (bool failed = true; failed; n++) {
        wh_buf out = {0};
        wh_job *job = NULL;
        wh_codec_claim claim = {.token = SLICE(ID "1"),
                                .record = SLICE(ENQUEUED "\x93\xa1t\xa1o\x05")};
        failing_alloc_on(n);
        wh_err packed = wh_codec_pack_head(&full_spec, &out);
        wh_err unpacked = wh_codec_unpack_job(&claim, &job, NULL);
        failed = failing_alloc_count >= n;
        assert_true(packed == WH_OK || packed == WH_ENOMEM);
        assert_true(unpacked == WH_OK || unpacked == WH_ENOMEM);
        assert_int_equal(packed == WH_ENOMEM || unpacked == WH_ENOMEM, failed);
        assert_int_equal(job != NULL, unpacked == WH_OK);
        wh_job_free(job);
        wh_buf_fini(&out);
        assert_int_equal(failing_alloc_held, 0);
        failing_alloc_off();
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_unpack_meta),
        cmocka_unit_test(test_snooze),      cmocka_unit_test(test_unpack_record),
        cmocka_unit_test(test_unpack_cuts), cmocka_unit_test(test_unpack_token),
        cmocka_unit_test(test_scan),        cmocka_unit_test(test_memory_fails),
        cmocka_unit_test(test_has_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
