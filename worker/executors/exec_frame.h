/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text frames of the exec protocol (docs/handlers.md): one JSON header line and a
 * body of body_len raw bytes. What a child sends is checked here, field by field, so
 * that exec.c deals with values only.
 */
#ifndef WH_WORKER_EXECUTORS_EXEC_FRAME_H
#define WH_WORKER_EXECUTORS_EXEC_FRAME_H

#include "common/base/buf.h"
#include "worker/executors/executor.h"

#define WH_EXEC_FRAME_VERSION 1
#define WH_EXEC_FRAME_HEADER_MAX 16384 /* with its line break */
#define WH_EXEC_FRAME_BODY_MAX (16 * 1024 * 1024)
#define WH_EXEC_FRAME_CONCURRENCY_MAX 1024

typedef enum wh_exec_frame_op {
    WH_EXEC_FRAME_READY,
    WH_EXEC_FRAME_PROGRESS,
    WH_EXEC_FRAME_LOG,
    WH_EXEC_FRAME_RESULT,
    WH_EXEC_FRAME_PONG,
    WH_EXEC_FRAME_BUSY,
    WH_EXEC_FRAME_UNKNOWN /* of a later version: ignored with its body */
} wh_exec_frame_op;

/* Zero-initialised is valid. Slices live as long as the frame. */
typedef struct wh_exec_frame {
    wh_exec_frame_op op;
    uint8_t id[WH_UUID_BYTES];
    int64_t version, concurrency; /* ready */
    int64_t for_ms;               /* busy */
    int percent;                  /* progress */
    wh_result_status status;      /* result: OK, RETRY, FAIL or SNOOZE */
    wh_errclass category;
    int64_t delay_ms; /* -1 none */
    wh_slice message, context;
    size_t body_len;
    struct json_t *root; /* owned, like context_text */
    char *context_text;
} wh_exec_frame;

/* The header at p. *used 0: not complete yet; else bytes up to the body. WH_EPROTO. */
wh_err wh_exec_frame_parse(const char *p, size_t n, wh_exec_frame *out, size_t *used,
                           wh_errbuf *eb) WH_MUSTCHECK;
void wh_exec_frame_fini(wh_exec_frame *f);

/* What a job's header tells besides the job itself. */
typedef struct wh_exec_frame_claim {
    const char *region; /* for jobs that carry none */
    int64_t deadline_ms;
    int64_t max_attempts;
} wh_exec_frame_claim;

/* Appending; check wh_buf_ok(b). */
void wh_exec_frame_add_hello(wh_buf *b, const char *worker, const char *type);
void wh_exec_frame_add_job(wh_buf *b, const wh_job *job,
                           const wh_exec_frame_claim *claim);
void wh_exec_frame_add_cancel(wh_buf *b, const wh_job *job, const char *reason);
void wh_exec_frame_add_ping(wh_buf *b);
void wh_exec_frame_add_shutdown(wh_buf *b, int64_t grace_ms);

#endif
