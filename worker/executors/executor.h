/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one interface between the dispatcher and the kinds of handlers (native, exec,
 * command). An executor belongs to one configured handler; it owns child processes,
 * time-outs, cancellation and supervision, and never touches Redis.
 *
 * Contract: a submitted job gets its on_result exactly once, never before submit
 * returns. The executor borrows the job until then; the dispatcher owns it. The job's
 * time starts when its handler starts, not when it is submitted.
 */
#ifndef WH_WORKER_EXECUTORS_EXECUTOR_H
#define WH_WORKER_EXECUTORS_EXECUTOR_H

#include "common/base/conf.h"
#include "common/base/err.h"
#include "common/io/loop.h"
#include "common/job/errclass.h"
#include "common/job/job.h"
#include "common/job/retry.h"

/* One item of the section `handlers:` of the worker's configuration. name first: wh_conf fills
 * it. `run` is "native:<path.so>", "exec:<command line>" or "command:<command line>" (command
 * lines are split at blanks with '…' and "…" quoting; no shell). */
typedef struct wh_handler_config {
    char *name; /* the job type, or "*" for all others */
    char *run;
    int64_t timeout_ms; /* default 5 min */
    int64_t grace_ms;   /* between cancel and kill, default 5 s */
    int64_t processes;  /* most child processes, 0: as many as slots */
    int64_t
        memory_limit; /* bytes of RSS of a child: recycled between jobs, killed at twice that; 0 none */
    int64_t max_jobs; /* a child is recycled after so many jobs; 0 never */
    char *retry;      /* wh_retry_parse text */
    int64_t max_attempts;
    double jitter;
    char *dir;         /* working directory */
    wh_strlist env;    /* more NAME=VALUE for the children */
    char *schema;      /* file that payloads must fit; NULL or "": none */
    int schema_format; /* wh_payload_format */
} wh_handler_config;

typedef enum wh_result_status {
    WH_RESULT_OK,
    WH_RESULT_RETRY, /* failed; category decides */
    WH_RESULT_FAIL,  /* failed for good */
    WH_RESULT_SNOOZE,
    WH_RESULT_CANCELLED, /* ended because it was asked to */
    WH_RESULT_RELEASED /* never started (its child died before, or the executor stops): no attempt used */
} wh_result_status;

/* Everything is borrowed until the callback returns. */
typedef struct wh_result {
    wh_result_status status;
    wh_errclass category;
    int64_t delay_ms; /* the handler's wish, -1 none */
    wh_slice message, context, result;
    int64_t run_us; /* of the handler; 0 if it never started */
} wh_result;

typedef enum wh_cancel_reason {
    WH_CANCEL_REQUESTED,
    WH_CANCEL_LOST /* fenced: the result will be dropped */,
    WH_CANCEL_STOPPING
} wh_cancel_reason;

typedef struct wh_executor_events {
    void (*on_result)(void *arg, wh_job *job, const wh_result *r);
    void (*on_started)(
        void *arg,
        wh_job *job); /* may be NULL; not sent for jobs that were over at once */
    void (*on_progress)(void *arg, wh_job *job, int percent, wh_slice message);
    void (*on_log)(void *arg, wh_job *job,
                   wh_slice line); /* job NULL: the child as a whole */
    /* Capacity or health changed: the dispatcher may submit. */
    void (*on_capacity)(void *arg);
    void *arg;
} wh_executor_events;

typedef struct wh_executor_setup {
    wh_loop *loop;
    const wh_handler_config *config;  /* outlives the executor */
    const wh_executor_events *events; /* copied */
    const char *worker, *region;
    const char *executor_program; /* path of wherry-executor */
    unsigned slots;
} wh_executor_setup;

typedef struct wh_executor_stats {
    unsigned children, busy, queued; /* queued: submitted, not started */
    uint64_t spawned, crashed, killed_timeout, killed_memory, recycled;
    bool healthy;
    bool moving;   /* a child is starting or ending */
    char why[160]; /* when not healthy */
} wh_executor_stats;

#define WH_EXECUTOR_BUSY_MAX_MS 600000

typedef struct wh_executor wh_executor;
typedef struct wh_executor_kind {
    const char *name; /* "native" */
    /* Validates what can be validated without a child (file exists, is executable, not writable by all,
     * right ABI by a probe child for native): WH_ECONFIG with the reason. */
    wh_err (*create)(const wh_executor_setup *s, wh_executor **out, wh_errbuf *eb);
    unsigned (*capacity)(
        const wh_executor
            *e); /* jobs it takes now without delaying them behind slow ones */
    wh_err (*submit)(wh_executor *e, wh_job *const *jobs,
                     unsigned n); /* n <= capacity */
    /* Asks the handler to stop: cancel, grace, then SIGKILL of its process group. */
    void (*cancel)(wh_executor *e, wh_job *job, wh_cancel_reason why);
    /* No new jobs; children end when their jobs are over. Jobs not started come back as RELEASED. */
    void (*drain)(wh_executor *e);
    void (*stats)(const wh_executor *e, wh_executor_stats *out);
    /* Kills all children; jobs still there get no callback any more. */
    void (*free)(wh_executor *e);
    /* The worker's slots changed: with `processes: 0` so many children may be. Children
     * that are there stay. May call on_capacity, nothing else. */
    void (*set_slots)(wh_executor *e, unsigned slots);
    /* Until when (wh_clock_mono_us) a child says that it is busy; 0 none does. When that
     * changes there is an on_capacity. NULL: its children can't say such a thing. */
    int64_t (*busy_until_us)(const wh_executor *e);
    /* Resident memory of its children, in bytes. Reads /proc. */
    int64_t (*memory)(const wh_executor *e);
    /* Of its children that have no job, but had one: the resident memory of the biggest, 0
     * when there is none. end: that one is ended and, if it was the last, replaced. NULL: no
     * child outlives its job. */
    int64_t (*shed)(wh_executor *e, bool end);
} wh_executor_kind;

struct wh_executor {
    const wh_executor_kind *kind; /* first member of every implementation */
};

extern const wh_executor_kind wh_native_kind, wh_exec_kind, wh_command_kind;

/* The kind that "native:…" names and the text behind the colon; NULL with eb filled. */
const wh_executor_kind *wh_executor_kind_of(const char *run, const char **rest,
                                            wh_errbuf *eb);
/* How often this job may run in all; what its handler is told. */
int64_t wh_executor_attempts(const wh_handler_config *config, const wh_job *job);
/* Most children of a handler in a worker with so many slots: 1 to 4096. */
unsigned wh_executor_most(const wh_handler_config *config, unsigned slots);

#endif
