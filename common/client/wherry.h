/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libwherry: the C API for producers. C11, usable from C++. Link with
 * `pkg-config --cflags --libs wherry` or CMake's Wherry::wherry.
 *
 *     wh_client *client = NULL;
 *     wh_client_job job = wh_client_job_make("mail.send", body, body_len);
 *     wh_client_enqueued result;
 *     if (wh_client_open("redis://localhost", NULL, &client) == WHERRY_OK &&
 *         wh_client_enqueue(client, NULL, &job, &result) == WHERRY_OK)
 *         printf("%s\n", result.id);
 *     wh_client_close(client);
 *
 * Threads: a client belongs to one thread at a time; different clients are independent.
 * Nothing here prints, exits or aborts, and callbacks come only from wh_client_process and
 * from synchronous calls. Functions return a code of enum wherry_error;
 * wh_client_error gives the text of a client's last failure. SIGPIPE is ignored from the
 * first client on, unless the program has a handler of its own.
 *
 * Enqueues are idempotent: every job has an id (a UUID version 7 is made where none is
 * given), so a request whose reply was lost is sent again and never makes a second job.
 *
 * Growing: structs begin with their size and grow at the end only; make them with the
 * functions given here, or zero them and set size. New codes may be added.
 */
#ifndef WHERRY_H
#define WHERRY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WHERRY_VERSION "0.1.0"
#define WHERRY_VERSION_MAJOR 0
#define WHERRY_VERSION_MINOR 1
#define WHERRY_VERSION_PATCH 0

#if defined(__GNUC__)
#define WH_API __attribute__((visibility("default")))
#else
#define WH_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum wherry_error {
    WHERRY_OK = 0,
    WHERRY_ENOMEM,
    WHERRY_EINVAL,     /* an argument is wrong */
    WHERRY_ETOOBIG,    /* over a limit: payload, batch, a quota all by itself */
    WHERRY_ENOTFOUND,  /* no such job */
    WHERRY_ESTATE,     /* the job's state does not allow it */
    WHERRY_ELOST,      /* (workers only) */
    WHERRY_EBADDATA,   /* Redis holds what Wherry did not write */
    WHERRY_EPROTO,     /* the peer broke the protocol */
    WHERRY_ECONN,      /* no connection; the request was not sent */
    WHERRY_EUNCERTAIN, /* sent, and no reply: it may have been carried out */
    WHERRY_ETIMEOUT,   /* not done in time: it may have been carried out */
    WHERRY_EBUSY,      /* Redis can't serve this at the moment */
    WHERRY_EFULL,      /* Redis refuses writes: memory, disk, replicas */
    WHERRY_EAUTH,      /* wrong user or password */
    WHERRY_EPERM,      /* this user may not */
    WHERRY_ENOFUNC,    /* the function library is not loaded */
    WHERRY_EVERSION,   /* incompatible version */
    WHERRY_ECANCELED,  /* the client was closed */
    WHERRY_ECONFIG,    /* options refused */
    WHERRY_EIO,        /* the operating system refused */
    WHERRY_EREDIS,     /* any other error of Redis */
    WHERRY_EBACKPRESSURE /* refused for now: wh_client_retry_after_ms tells for how long */
};

/* The version of the library at run time. */
WH_API const char *wh_client_version(void);
/* "not_found"; one sentence for people; may the same be tried again later? Any code. */
WH_API const char *wh_client_code_name(int code);
WH_API const char *wh_client_code_text(int code);
WH_API int wh_client_code_is_transient(int code);

/* Where the library's log lines (JSON, one per connection made or lost) go; NULL, the
 * default: nowhere. level: 0 debug, 1 info, 2 warning, 3 error. For the whole process;
 * call it before the first client is opened. */
typedef void wh_client_log_fn(void *arg, int level, const char *line, size_t len);
WH_API void wh_client_set_log(wh_client_log_fn *log, void *arg);

/* ---- opening ---- */

typedef struct wh_client wh_client;

typedef struct wh_client_options {
    size_t size;
    const char *user, *password; /* win over those in the URL */
    const char *name;            /* shown by CLIENT LIST; NULL: "libwherry" */
    const char *ca_file, *cert_file, *key_file; /* rediss:// */
    int64_t timeout_ms; /* whole time of a call, retries included; 0: 30,000 */
    int no_wait;        /* open returns at once (asynchronous use) */
    int keep_library;   /* never load the function library into Redis */
    char *error;        /* receives the text when open fails; may be NULL */
    size_t error_size;
} wh_client_options;

static inline wh_client_options wh_client_options_make(void)
{
    wh_client_options o;

    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    return o;
}

/* url: redis://[user:password@]host[:port][/db], rediss://…, unix:///path[?db=n]; NULL:
 * redis://127.0.0.1:6379. options: NULL for the defaults. Waits until Redis is there and
 * has the function library, unless no_wait. *out is NULL on failure. */
WH_API int wh_client_open(const char *url, const wh_client_options *options,
                          wh_client **out);
/* NULL is legal. Not from a callback. Asynchronous calls still open end with
 * WHERRY_ECANCELED before it returns. */
WH_API void wh_client_close(wh_client *c);
/* The text of the last failure on this client, "" if none; valid until its next call. */
WH_API const char *wh_client_error(const wh_client *c);
/* After WHERRY_EBACKPRESSURE (also inside the callback that tells it): when to try again,
 * in ms; else 0. Until then producers should hold back, or drop what can be dropped. */
WH_API int64_t wh_client_retry_after_ms(const wh_client *c);

/* ---- enqueue ---- */

/* Which queue: NULL, or NULL members, mean region "any" and queue "default". */
typedef struct wh_client_queue {
    const char *region, *queue;
} wh_client_queue;

#define WH_PRIORITY(n) ((n) + 1) /* 0 to 9, higher runs first */

/* Until when `key` is taken, besides its time. */
enum wh_client_unique {
    WH_UNIQUE_TTL = 0, /* its time alone */
    WH_UNIQUE_DONE,    /* until its job ended, in any way */
    WH_UNIQUE_QUEUED   /* until its job began to run */
};

/* What an enqueue does when `key` is taken by a job that still waits. One that runs or ran
 * is never touched: KEEP_LAST then creates the new one, the others leave all as it is. */
enum wh_client_conflict {
    WH_CONFLICT_KEEP = 0, /* nothing */
    WH_CONFLICT_REPLACE,  /* that job gets this payload and these options */
    WH_CONFLICT_EXTEND,   /* the same, and it waits delay_ms from now (debounce) */
    WH_CONFLICT_KEEP_LAST /* that job is cancelled, this one created */
};

/* Zero means the default everywhere; everything is borrowed for the call. */
typedef struct wh_client_job {
    size_t size;
    const char *type; /* required; names are 1 to 64 of A-Z a-z 0-9 _ . - */
    const char *org;  /* NULL: "default" */
    const void *payload;
    size_t payload_len;
    int priority;     /* WH_PRIORITY(n); 0: the type's or the queue's, else 5 */
    int max_attempts; /* 0: the worker's setting */
    int64_t delay_ms;
    int64_t timeout_ms; /* 0: the worker's setting */
    int64_t expires_ms; /* not started that long after the enqueue: it expires */
    const char *key;    /* idempotency key of its org: 1 to 256 printable characters */
    int64_t key_ttl_ms; /* 0: a day */
    const char *entity_type, *entity_id;
    const char *traceparent;
    const char *id; /* UUID text; NULL: one is made */
    const char
        *group;   /* groups of an org take turns, and may run one by one; NULL: none */
    int unique;   /* enum wh_client_unique */
    int conflict; /* enum wh_client_conflict */
    int64_t retry_for_ms; /* no retry, nor a start after a snooze, later than that after
                             the enqueue; 0: no bound */
} wh_client_job;

static inline wh_client_job wh_client_job_make(const char *type, const void *payload,
                                               size_t payload_len)
{
    wh_client_job j;

    memset(&j, 0, sizeof j);
    j.size = sizeof j;
    j.type = type;
    j.payload = payload;
    j.payload_len = payload_len;
    return j;
}

/* What an enqueue did. */
enum wh_client_fate {
    WH_ENQUEUED_EXISTING = 0, /* nothing: a job with this id or key exists already */
    WH_ENQUEUED_CREATED,
    WH_ENQUEUED_REPLACED, /* the job with this key has this payload now */
    WH_ENQUEUED_EXTENDED
};

typedef struct wh_client_enqueued {
    int error;   /* of this job */
    int created; /* 0: a job with this id, or this idempotency key in its org, exists */
    char id[38]; /* 36 characters; that job's when it exists */
    /* enum wh_client_fate. Of several jobs in one call only CREATED and EXISTING are told
     * apart: a job that was replaced or extended counts as existing. */
    short fate;
} wh_client_enqueued;

/* One job. result may be NULL. */
WH_API int wh_client_enqueue(wh_client *c, const wh_client_queue *q,
                             const wh_client_job *job, wh_client_enqueued *result);
/* Any number of jobs (jobs[0].size is the step from one to the next), in calls of at most
 * 1,000 jobs and 8 MiB. Bad jobs are found before anything is sent (WHERRY_EINVAL, the
 * text names the index), except those that only the server can refuse: they fail alone.
 * A quota refuses a whole call: where it is one of an org, the text names a job and the org.
 * Each org's jobs keep their order; in a call they stand side by side, which is cheapest.
 * Returns the first error; results (n, may be NULL) tell about each. */
WH_API int wh_client_enqueue_batch(wh_client *c, const wh_client_queue *q,
                                   const wh_client_job *jobs, size_t n,
                                   wh_client_enqueued *results);

/* What payloads are, for a schema. */
enum wh_client_format { WH_PAYLOAD_IS_JSON = 0, WH_PAYLOAD_IS_MSGPACK };

/* From now on a job of this type is refused unless its payload fits this JSON Schema of
 * len bytes (draft-07 or 2020-12; docs/schemas.md): WHERRY_EINVAL, the text says where and
 * why, and nothing of the call is sent. It is compiled here, once; nothing of the bytes is
 * kept. A schema that can't be checked whole is WHERRY_EINVAL or WHERRY_ETOOBIG, and leaves
 * what was. schema NULL: none any more. */
WH_API int wh_client_set_schema(wh_client *c, const char *type, const void *schema,
                                size_t len, int format);

/* ---- one job ---- */

enum wh_client_status {
    WH_STATUS_PENDING = 0,
    WH_STATUS_SCHEDULED,
    WH_STATUS_IN_PROGRESS,
    WH_STATUS_COMPLETED,
    WH_STATUS_FAILED,
    WH_STATUS_CANCELLED,
    WH_STATUS_EXPIRED
};

/* Made by the library; `size` is what this library knows. Texts are NULL when absent,
 * times are Redis' clock in ms, 0 when absent. */
typedef struct wh_client_record {
    size_t size;
    int status; /* enum wh_client_status */
    const char *status_name;
    const char *id, *type, *org, *region, *queue;
    const char *payload, *result;
    size_t payload_len, result_len;
    int priority, attempts, recoveries;
    int max_attempts, progress; /* -1: absent */
    int64_t enqueued_at_ms, started_at_ms, finished_at_ms, next_retry_at_ms;
    int64_t timeout_ms, expires_at_ms;
    const char *error_category, *error_message, *error_context, *progress_message;
    const char *worker, *traceparent, *entity_type, *entity_id;
    const char *history; /* JSON: [[ISO time, category, message], …] */
    const char *group, *key;
    const char *unique, *conflict; /* "done", "replace" …: the protocol's words */
    int64_t retry_for_ms;
} wh_client_record;

WH_API int wh_client_job_get(wh_client *c, const wh_client_queue *q, const char *id,
                             wh_client_record **out);
/* Waits until the job is completed, failed, cancelled or expired; out may be NULL.
 * timeout_ms: -1 for ever. A job whose record is not kept ends as WHERRY_ENOTFOUND. */
WH_API int wh_client_wait(wh_client *c, const wh_client_queue *q, const char *id,
                          int64_t timeout_ms, wh_client_record **out);
WH_API void wh_client_record_free(wh_client_record *r);
/* *requested (may be NULL): 1 when it runs and its worker was told, 0 when it is cancelled. */
WH_API int wh_client_cancel(wh_client *c, const wh_client_queue *q, const char *id,
                            int *requested);
/* A scheduled job runs now; a failed, cancelled or expired one starts over. */
WH_API int wh_client_retry(wh_client *c, const wh_client_queue *q, const char *id);

/* ---- a queue ---- */

typedef struct wh_client_stats {
    size_t size; /* set by the caller */
    int64_t now_ms;
    int64_t pending, scheduled, in_progress, kept, dead;
    int64_t orgs, workers, idle, paused;
    int64_t oldest_ms; /* age of the oldest ready job, -1: none */
    int64_t enqueued, claimed, completed, retried, dead_total, snoozed, released;
    int64_t cancelled, expired, recovered, fenced, workers_lost, replayed, purged,
        promoted;
} wh_client_stats;

/* out->size must be set; what the server does not know stays 0. */
WH_API int wh_client_queue_stats(wh_client *c, const wh_client_queue *q,
                                 wh_client_stats *out);

/* ---- on the caller's event loop ---- */

enum { WH_POLL_READ = 1 };

/* Wait until *fd is readable (*events is WH_POLL_READ), *timeout_ms at most, then call
 * wh_client_process. The fd stays the same; ask again before each wait. */
WH_API int wh_client_poll_info(wh_client *c, int *fd, int *events, int *timeout_ms);
/* Does what can be done without waiting; callbacks come from here. */
WH_API int wh_client_process(wh_client *c);

/* results: n, valid during the callback. error as wh_client_enqueue_batch returns it. */
typedef void wh_client_enqueue_fn(void *arg, int error,
                                  const wh_client_enqueued *results, size_t n);
/* Like the batch, without waiting; everything is copied. When it returns WHERRY_OK the
 * callback comes exactly once, later; other codes mean that nothing was sent. The callback
 * may start calls, but not synchronous ones, and not close the client. */
WH_API int wh_client_enqueue_async(wh_client *c, const wh_client_queue *q,
                                   const wh_client_job *jobs, size_t n,
                                   wh_client_enqueue_fn *cb, void *arg);
/* Asynchronous calls not finished yet. */
WH_API size_t wh_client_open_calls(const wh_client *c);

#ifdef __cplusplus
}
#endif

#endif
