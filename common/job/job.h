/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job as C sees it: names and limits, what a producer asks for (wh_job_spec),
 * what a worker got (wh_job, one heap block), and what an operator reads
 * (wh_job_record, from wh1_job / wh1_jobs / wh1_dlq_list). Pure: no I/O, no clock.
 */
#ifndef WH_COMMON_JOB_JOB_H
#define WH_COMMON_JOB_JOB_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/job/errclass.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_JOB_NAME_MAX 64
#define WH_JOB_PAYLOAD_DEFAULT_MAX (256 * 1024)
#define WH_JOB_RESULT_MAX 65536
#define WH_JOB_MESSAGE_MAX 1024
#define WH_JOB_CONTEXT_MAX 4096
#define WH_JOB_HEAD_MAX 2048
#define WH_JOB_BATCH_MAX 1000
#define WH_JOB_TOKEN_MAX 32 /* 16 id bytes + fence, docs/protocol.md section 1 */
#define WH_JOB_MAX_ATTEMPTS_DEFAULT 5
#define WH_JOB_PRIORITY_USUAL 5 /* where neither job, type nor queue say one */

typedef enum wh_job_status {
    WH_JOB_PENDING,
    WH_JOB_SCHEDULED,
    WH_JOB_IN_PROGRESS,
    WH_JOB_COMPLETED,
    WH_JOB_FAILED,
    WH_JOB_CANCELLED,
    WH_JOB_EXPIRED,
    WH_JOB_STATUS_COUNT
} wh_job_status;

/* Until when an idempotency key is taken, besides its time. */
typedef enum wh_job_unique {
    WH_JOB_UNIQUE_TTL,    /* its time alone */
    WH_JOB_UNIQUE_DONE,   /* until its job ended, in any way */
    WH_JOB_UNIQUE_QUEUED, /* until its job was claimed */
    WH_JOB_UNIQUE_COUNT
} wh_job_unique;

/* What a second job with the key does while the first one waits (docs/protocol.md
 * section 8, wh1_enqueue). */
typedef enum wh_job_conflict {
    WH_JOB_CONFLICT_KEEP,
    WH_JOB_CONFLICT_REPLACE,
    WH_JOB_CONFLICT_EXTEND,
    WH_JOB_CONFLICT_KEEP_LAST,
    WH_JOB_CONFLICT_COUNT
} wh_job_conflict;

/* Borrowed bytes. */
typedef struct wh_slice {
    const char *p;
    size_t n;
} wh_slice;

/* What a producer asks for. Zero means the default everywhere; strings are borrowed.
 * priority: 0-9 given as value + 1 in `priority_plus1` so that 0 means "not set":
 * the type's, else the queue's (priority:… of docs/protocol.md section 10), else 5. */
typedef struct wh_job_spec {
    const char *type; /* required */
    const char *org;  /* NULL: "default" */
    const void *payload;
    size_t payload_len;
    int priority_plus1;
    int64_t delay_ms;
    int64_t timeout_ms; /* 0: the worker's setting for the type */
    int64_t expires_ms;
    int max_attempts; /* 0: the worker's setting for the type */
    const char *key;  /* idempotency key */
    int64_t key_ttl_ms;
    const char *entity_type, *entity_id;
    const char *traceparent;
    const uint8_t *id; /* 16 bytes; NULL: one is made */
    const char *group; /* jobs of an org's groups run in turns; NULL: none */
    wh_job_unique unique;
    wh_job_conflict conflict;
    int64_t retry_for_ms; /* no retry starts later than that after the enqueue */
} wh_job_spec;

/* A claimed job: one block, freed by wh_job_free. Slices point into the block; a NUL that
 * is not counted follows the payload. */
typedef struct wh_job {
    uint8_t id[WH_UUID_BYTES];
    char token[WH_JOB_TOKEN_MAX];
    size_t token_len;
    uint64_t fence;
    int attempt; /* the attempt now running, from 1 */
    int recoveries;
    wh_errclass last_error; /* of the attempt before, if there was one */
    bool
        has_run; /* a handler had it before, or a worker was lost with it: it expires no
                     more */
    bool was_put_off; /* a retry, or snoozed; not released or lost since */
    bool is_snoozed;  /* its last end was a snooze, with these: */
    wh_errclass snooze_category;
    wh_slice snooze_message;
    int priority;
    int max_attempts;                      /* 0: not set by the job */
    int64_t timeout_ms;                    /* 0: not set by the job */
    int64_t enqueued_at_ms, claimed_at_ms; /* Redis time */
    int64_t ready_at_ms;   /* when it became due: enqueue + delay, or its retry time */
    int64_t expires_at_ms; /* 0: never */
    int64_t retry_for_ms;  /* no retry, no snoozed job starts later after the enqueue */
    char type[WH_JOB_NAME_MAX + 1], org[WH_JOB_NAME_MAX + 1];
    wh_slice traceparent, entity_type, entity_id, payload;
    wh_slice group; /* a name; empty: none */
    const char *queue,
        *region; /* borrowed: outlive the job; NULL until the dispatcher sets them */
} wh_job;
void wh_job_free(wh_job *job);

/* A job as operators read it; every string is owned, NULL when absent. Binary-safe
 * fields have a length. */
typedef struct wh_job_record {
    char id[WH_UUID_TEXT + 1];
    char *type, *org, *region, *queue;
    wh_job_status status;
    char *entity_type, *entity_id;
    char *payload;
    size_t payload_len;
    char *result;
    size_t result_len;
    int priority, attempts, max_attempts, recoveries, snoozes,
        progress; /* -1: absent (max_attempts, snoozes, progress) */
    int64_t enqueued_at_ms, started_at_ms, finished_at_ms, next_retry_at_ms,
        snoozed_until_ms; /* 0: absent */
    int64_t timeout_ms, expires_at_ms, fence, retry_for_ms;
    char *error_message, *error_category, *error_context, *progress_message;
    char *snooze_category, *snooze_message; /* of the last end, when it was one */
    char *traceparent, *worker, *dlq_entry, *history;
    char *group, *idempotency_key;
    char *unique, *conflict; /* the protocol's words */
} wh_job_record;
/* An empty record (what may be absent is). A record is filled only after this. */
void wh_job_record_init(wh_job_record *r);
/* Frees; leaves it empty and usable. */
void wh_job_record_fini(wh_job_record *r);
/* Sets one field by its protocol name from text; unknown names are ignored (newer
 * library), malformed values are WH_EBADDATA. */
wh_err wh_job_record_set(wh_job_record *r, const char *field, size_t field_len,
                         const char *value, size_t value_len) WH_MUSTCHECK;
/* One JSON object with the protocol's field names; times as ..._at_ms integers and
 * ..._at ISO text; payload as "payload" when UTF-8 without NUL, else "payload_base64" (same
 * for result); history as a JSON array (as text if it is none). Check wh_buf_ok(out). */
void wh_job_record_json(const wh_job_record *r, wh_buf *out);

const char *wh_job_status_name(wh_job_status s);
bool wh_job_status_parse(const char *s, wh_job_status *out);
/* "ttl", "done", "queued"; "keep", "replace", "extend", "keep_last". */
const char *wh_job_unique_name(wh_job_unique u);
bool wh_job_unique_parse(const char *s, wh_job_unique *out);
const char *wh_job_conflict_name(wh_job_conflict c);
bool wh_job_conflict_parse(const char *s, wh_job_conflict *out);

/* [A-Za-z0-9_.-]{1,64} */
bool wh_job_name_ok(const char *s, size_t n);
/* Checks everything in a spec against docs/protocol.md; eb names the field, the value's
 * fault and what would be right. payload_max 0: the default. */
wh_err wh_job_spec_check(const wh_job_spec *s, size_t payload_max,
                         wh_errbuf *eb) WH_MUSTCHECK;

#endif
