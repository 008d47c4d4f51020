/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c: what one side packs the other side reads; all else is refused. */
#include "worker/executors/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static wh_frame_text text(const char *s)
{
    return (wh_frame_text){s, strlen(s)};
}

static wh_frame only_frame(const wh_buf *b)
{
    wh_frame f = {0};
    size_t used = 0;
    assert_true(wh_buf_ok(b));
    assert_int_equal(
        wh_frame_parse(b->data, b->len, WH_FRAME_MAX_DOWN, &f, &used, NULL), WH_OK);
    assert_int_equal(used, b->len);
    return f;
}

static const wh_frame_job sample_job = {
    .seq = 77,
    .fence = UINT64_MAX,
    .attempt = 2,
    .max_attempts = 5,
    .recoveries = 1,
    .timeout_ms = 30000,
    .id = "0190b6c0-0000-7000-8000-000000000001",
    .type = {"echo", 4},
    .org = {"acme", 4},
    .region = {"eu", 2},
    .queue = {"default", 7},
    .traceparent = {"", 0},
    .entity_type = {"", 0},
    .entity_id = {"7", 1},
    .payload = {"a\0b", 3},
};

static void test_job_round_trip(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_frame_job out;
    wh_frame_add_job(&b, &sample_job);
    wh_frame f = only_frame(&b);
    assert_int_equal(f.op, WH_FRAME_JOB);
    assert_int_equal(wh_frame_read_job(&f, &out), WH_OK);
    assert_int_equal(out.seq, 77);
    assert_true(out.fence == UINT64_MAX);
    assert_string_equal(out.id, sample_job.id);
    assert_string_equal(out.queue.p, "default");
    assert_int_equal(out.payload.n, 3);
    assert_memory_equal(out.payload.p, "a\0b", 4);
    wh_buf_fini(&b);
}

static void test_result_round_trip(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_frame_result out;
    const wh_frame_result in = {.seq = 3,
                                .status = 1,
                                .delay_ms = -1,
                                .run_us = 1500,
                                .category = text("timeout"),
                                .message = text("no luck"),
                                .context = text("{}"),
                                .result = text("r")};
    wh_frame_add_result(&b, &in);
    wh_frame f = only_frame(&b);
    assert_int_equal(wh_frame_read_result(&f, &out), WH_OK);
    assert_int_equal(out.delay_ms, -1);
    assert_int_equal(out.run_us, 1500);
    assert_string_equal(out.message.p, "no luck");
    wh_buf_fini(&b);
}

static void test_other_frames(void **state)
{
    (void)state;
    static wh_frame_ready ready;
    wh_buf b = {0};
    wh_frame_note note = {.seq = 9, .percent = 100, .text = text("done")};
    wh_frame_text reason;
    wh_frame_add_note(&b, WH_FRAME_PROGRESS, &note);
    wh_frame f = only_frame(&b);
    assert_int_equal(wh_frame_read_note(&f, &note), WH_OK);
    assert_int_equal(note.percent, 100);
    wh_buf_clear(&b);
    wh_frame_add_busy(&b, 600000);
    f = only_frame(&b);
    uint32_t for_ms = 0;
    assert_int_equal(f.op, WH_FRAME_BUSY);
    assert_int_equal(wh_frame_read_busy(&f, &for_ms), WH_OK);
    assert_int_equal(for_ms, 600000);
    wh_buf_clear(&b);
    wh_frame_add_refuse(&b, "because");
    f = only_frame(&b);
    assert_int_equal(wh_frame_read_refuse(&f, &reason), WH_OK);
    assert_string_equal(reason.p, "because");
    wh_buf_clear(&b);
    ready.name = ready.version = ready.types[0] = text("x");
    ready.n_types = 1;
    wh_frame_add_ready(&b, &ready);
    f = only_frame(&b);
    assert_int_equal(wh_frame_read_ready(&f, &ready), WH_OK);
    assert_int_equal(ready.n_types, 1);
    assert_int_equal(wh_frame_read_busy(&f, &for_ms), WH_EPROTO);
    assert_int_equal(wh_frame_read_refuse(&f, &reason), WH_EPROTO);
    wh_buf_clear(&b);
    wh_frame_add_shutdown(&b);
    assert_int_equal(only_frame(&b).op, WH_FRAME_SHUTDOWN);
    wh_buf_fini(&b);
}

/* Every proper prefix asks for more; none is taken for a frame. */
static void test_incomplete(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_frame f;
    wh_frame_add_job(&b, &sample_job);
    for (size_t n = 0; n < b.len; n++) {
        size_t used = 1;
        char *part = malloc(n + 1);
        assert_non_null(part);
        memcpy(part, b.data, n);
        assert_int_equal(wh_frame_parse(part, n, WH_FRAME_MAX_UP, &f, &used, NULL),
                         WH_OK);
        assert_int_equal(used, 0);
        free(part);
    }
    wh_buf_fini(&b);
}

/* A body that was cut or stretched, or whose text has no NUL, is no job. */
static void test_malformed_bodies(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_frame_job out;
    wh_frame_add_job(&b, &sample_job);
    wh_frame f = only_frame(&b);
    for (size_t n = 0; n < f.body_len; n++) {
        const wh_frame cut = {f.op, f.body, n};
        assert_int_equal(wh_frame_read_job(&cut, &out), WH_EPROTO);
    }
    wh_buf_addc(&b, 'x');
    const wh_frame longer = {f.op, (const unsigned char *)b.data + WH_FRAME_HEAD,
                             f.body_len + 1};
    assert_int_equal(wh_frame_read_job(&longer, &out), WH_EPROTO);
    b.data[b.len - 2] = 'x'; /* the payload's NUL */
    f = (wh_frame){f.op, (const unsigned char *)b.data + WH_FRAME_HEAD, f.body_len};
    assert_int_equal(wh_frame_read_job(&f, &out), WH_EPROTO);
    wh_buf_fini(&b);
}

static void test_bad_heads(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        const char *says;
    } heads[] = {
        {"\xff\xff\xff\xff\x12\0\x01\0", "4294967295 bytes"},
        {"\0\0\0\0\x12\0\x02\0", "version"},
        {"\0\0\0\0\x12\0\x01\x01", "version"},
        {"\0\0\0\0\x63\0\x01\0", "kind 99"},
        {"\0\0\0\0\0\0\x01\0", "kind 0"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        wh_frame f;
        size_t used = 0;
        wh_errbuf eb = {0};
        assert_int_equal(
            wh_frame_parse(heads[i].head, 8, WH_FRAME_MAX_UP, &f, &used, &eb),
            WH_EPROTO);
        assert_non_null(strstr(eb.text, heads[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_round_trip),
        cmocka_unit_test(test_result_round_trip),
        cmocka_unit_test(test_other_frames),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_malformed_bodies),
        cmocka_unit_test(test_bad_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
