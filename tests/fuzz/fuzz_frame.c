/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both parsers of what handlers' processes say: the binary frames of native and the
 * text frames of exec. The first byte chooses; a frame that was understood must be
 * understood the same after it was packed again.
 */
#include "common/base/err.h"
#include "worker/executors/exec_frame.h"
#include "worker/executors/frame.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const wh_frame *f, const wh_buf *again)
{
    WH_ASSERT(wh_buf_ok(again));
    WH_ASSERT(again->len == WH_FRAME_HEAD + f->body_len);
    WH_ASSERT(memcmp(again->data + WH_FRAME_HEAD, f->body, f->body_len) == 0);
}

static void try_reply(const wh_frame *f, wh_buf *again)
{
    static wh_frame_ready ready;
    wh_frame_result result;
    wh_frame_note note;
    uint32_t for_ms = 0;
    if (f->op == WH_FRAME_BUSY && wh_frame_read_busy(f, &for_ms) == WH_OK) {
        wh_frame_add_busy(again, for_ms);
        check_same(f, again);
    }
    if (f->op == WH_FRAME_READY && wh_frame_read_ready(f, &ready) == WH_OK) {
        wh_frame_add_ready(again, &ready);
        check_same(f, again);
    }
    if (f->op == WH_FRAME_RESULT && wh_frame_read_result(f, &result) == WH_OK) {
        wh_frame_add_result(again, &result);
        check_same(f, again);
    }
    if ((f->op == WH_FRAME_PROGRESS || f->op == WH_FRAME_LOG ||
         f->op == WH_FRAME_SKIPPED) &&
        wh_frame_read_note(f, &note) == WH_OK) {
        wh_frame_add_note(again, f->op, &note);
        check_same(f, again);
    }
}

static void try_binary(const char *p, size_t n)
{
    wh_frame f;
    wh_frame_job job;
    wh_frame_text text;
    size_t used = 0;
    wh_buf again = {0};
    while (wh_frame_parse(p, n, WH_FRAME_MAX_UP, &f, &used, NULL) == WH_OK &&
           used > 0) {
        WH_ASSERT(used <= n);
        wh_buf_clear(&again);
        try_reply(&f, &again);
        if (f.op == WH_FRAME_JOB && wh_frame_read_job(&f, &job) == WH_OK &&
            strlen(job.id) == 36) {
            wh_frame_add_job(&again, &job);
            check_same(&f, &again);
        }
        if (f.op == WH_FRAME_REFUSE && wh_frame_read_refuse(&f, &text) == WH_OK) {
            WH_ASSERT(text.p[text.n] == '\0');
        }
        p += used;
        n -= used;
    }
    wh_buf_fini(&again);
}

static void try_text(const char *p, size_t n)
{
    for (;;) {
        wh_exec_frame f;
        size_t used = 0;
        wh_errbuf eb = {0};
        wh_err err = wh_exec_frame_parse(p, n, &f, &used, &eb);
        if (err != WH_OK || used == 0) {
            WH_ASSERT(err == WH_OK || (err == WH_EPROTO && eb.text[0] != '\0'));
            return;
        }
        WH_ASSERT(used <= n && used <= WH_EXEC_FRAME_HEADER_MAX);
        WH_ASSERT(f.body_len <= WH_EXEC_FRAME_BODY_MAX && f.delay_ms >= -1 &&
                  f.for_ms >= 0);
        size_t skip = f.body_len < n - used ? f.body_len : n - used;
        wh_exec_frame_fini(&f);
        p += used + skip;
        n -= used + skip;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        const char *p = (const char *)data + 1;
        if (data[0] % 2 == 0) {
            try_binary(p, size - 1);
        } else {
            try_text(p, size - 1);
        }
    }
    return 0;
}
