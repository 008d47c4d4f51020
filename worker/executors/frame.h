/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private binary frames between the worker and wherry-executor, in both
 * directions on one stream socket. A frame is an 8-byte head (u32 length of the body,
 * u16 op, u8 version, u8 zero) and its body; integers are little-endian, strings are
 * u16 length + bytes + NUL, the long ones (payload, result) u32. Many frames fit in
 * one read or write. Neither side trusts the other: every length is checked.
 */
#ifndef WH_WORKER_EXECUTORS_FRAME_H
#define WH_WORKER_EXECUTORS_FRAME_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define WH_FRAME_VERSION 1
#define WH_FRAME_HEAD 8
/* Bodies: from the child a result with its texts, to the child a whole payload. */
#define WH_FRAME_MAX_UP ((size_t)256 * 1024)
#define WH_FRAME_MAX_DOWN ((size_t)65 * 1024 * 1024)
#define WH_FRAME_TYPES_MAX 256

typedef enum wh_frame_op {
    WH_FRAME_JOB = 1, /* down */
    WH_FRAME_SHUTDOWN,
    WH_FRAME_READY = 16, /* up, the first frame, or … */
    WH_FRAME_REFUSE,     /* … this one: a text, and the child ends */
    WH_FRAME_RESULT,
    WH_FRAME_PROGRESS,
    WH_FRAME_LOG,
    WH_FRAME_SKIPPED, /* a job that was recalled before it started */
    WH_FRAME_BUSY     /* u32: claim nothing for so many ms, 0: no longer */
} wh_frame_op;

/* Borrowed text; p[n] is a NUL. */
typedef struct wh_frame_text {
    const char *p;
    size_t n;
} wh_frame_text;

typedef struct wh_frame {
    wh_frame_op op;
    const unsigned char *body;
    size_t body_len;
} wh_frame;

typedef struct wh_frame_job {
    uint64_t seq, fence;
    uint32_t attempt, max_attempts, recoveries;
    int64_t timeout_ms;
    const char *id; /* 36 characters and a NUL */
    wh_frame_text type, org, region, queue, traceparent, entity_type, entity_id,
        payload;
} wh_frame_job;

typedef struct wh_frame_ready {
    wh_frame_text name, version;
    size_t n_types;
    wh_frame_text types[WH_FRAME_TYPES_MAX];
} wh_frame_ready;

typedef struct wh_frame_result {
    uint64_t seq;
    uint32_t status; /* WH_TASK_* */
    int64_t delay_ms, run_us;
    wh_frame_text category, message, context, result;
} wh_frame_result;

/* progress, log, skipped (seq only) */
typedef struct wh_frame_note {
    uint64_t seq;
    int32_t percent;
    wh_frame_text text;
} wh_frame_note;

/* The frame at p. *used 0: not complete yet. WH_EPROTO: this can't become a frame
 * whose body has at most max_body bytes. */
wh_err wh_frame_parse(const char *p, size_t n, size_t max_body, wh_frame *out,
                      size_t *used, wh_errbuf *eb) WH_MUSTCHECK;
/* Views into the frame's bytes. WH_EPROTO unless the body is exactly one of these. */
wh_err wh_frame_read_job(const wh_frame *f, wh_frame_job *out) WH_MUSTCHECK;
wh_err wh_frame_read_ready(const wh_frame *f, wh_frame_ready *out) WH_MUSTCHECK;
wh_err wh_frame_read_result(const wh_frame *f, wh_frame_result *out) WH_MUSTCHECK;
wh_err wh_frame_read_note(const wh_frame *f, wh_frame_note *out) WH_MUSTCHECK;
wh_err wh_frame_read_busy(const wh_frame *f, uint32_t *for_ms) WH_MUSTCHECK;
wh_err wh_frame_read_refuse(const wh_frame *f, wh_frame_text *out) WH_MUSTCHECK;

/* Appending; texts over their length field are cut. Check wh_buf_ok(b). */
void wh_frame_add_job(wh_buf *b, const wh_frame_job *job);
void wh_frame_add_ready(wh_buf *b, const wh_frame_ready *ready);
void wh_frame_add_result(wh_buf *b, const wh_frame_result *r);
/* op: WH_FRAME_PROGRESS, _LOG or _SKIPPED */
void wh_frame_add_note(wh_buf *b, wh_frame_op op, const wh_frame_note *note);
void wh_frame_add_busy(wh_buf *b, uint32_t for_ms);
void wh_frame_add_refuse(wh_buf *b, const char *reason);
void wh_frame_add_shutdown(wh_buf *b);

#endif
