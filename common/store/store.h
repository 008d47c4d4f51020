/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wherry's functions over one connection: typed calls for the hot path, one generic
 * call for the rest. Loads the library before the first request and again when the
 * server forgot it ("Function not found": one load a second, then the same request is
 * sent again; every function is idempotent). Everything is asynchronous on the loop: an
 * accepted call gets its callback exactly once, never before the start function returns.
 *
 * Uncertain outcomes (WH_EUNCERTAIN, WH_ETIMEOUT) are handed to the caller: a worker
 * resyncs, an enqueue with an id is simply sent again.
 */
#ifndef WH_COMMON_STORE_STORE_H
#define WH_COMMON_STORE_STORE_H

#include "common/base/err.h"
#include "common/io/conn.h"
#include "common/job/codec.h"
#include "common/job/job.h"
#include "common/store/call.h"
#include "common/store/keys.h"

typedef struct wh_store wh_store;

typedef struct wh_store_options {
    wh_conn_options conn; /* on_state and arg are the store's: use the two below */
    /* Ready: connected and the library is in place. why: what is missing, for people. */
    void (*on_ready)(void *arg, bool ready, const char *why);
    void *arg;
    bool
        keep_library; /* probe, never replace the library (operators without the right).
                       * One that was there and vanishes is put back. */
} wh_store_options;

wh_err wh_store_new(wh_loop *l, const wh_store_options *o, wh_store **out,
                    wh_errbuf *eb) WH_MUSTCHECK;
void wh_store_start(wh_store *s);
/* Safe inside callbacks. Pending calls get WH_ECANCELED from the loop (its turn or its
 * _free) before the memory goes: owners that go at once forget theirs first. */
void wh_store_free(wh_store *s);
bool wh_store_is_ready(const wh_store *s);
/* Why it is not ready, for people ("" when it is), and as a code: WH_ECONN for the
 * connection, else what the library's probe or load answered. */
const char *wh_store_error(const wh_store *s);
wh_err wh_store_error_code(const wh_store *s);
wh_conn *wh_store_conn(wh_store *s);

/* ---- the generic call ---- */
typedef void wh_store_reply_fn(void *arg, wh_err err, const wh_errbuf *eb,
                               const wh_reply *r);
/* Sends a built call (consumed also on failure). WH_ECONN unless ready; a command that is
 * no FCALL needs only the connection. */
wh_err wh_store_call(wh_store *s, wh_call *c, wh_store_reply_fn *cb,
                     void *arg) WH_MUSTCHECK;
/* Drops the callbacks of pending calls with this arg. */
void wh_store_forget(wh_store *s, const void *arg);

/* ---- cycle ---- */
typedef enum wh_store_outcome {
    WH_STORE_OK,
    WH_STORE_RETRY,
    WH_STORE_DEAD,
    WH_STORE_SNOOZE,
    WH_STORE_RELEASE,
    WH_STORE_CANCELLED,
    WH_STORE_EXPIRED
} wh_store_outcome;

/* The handler never got the job: it may still expire, and its end says nothing of its type. */
#define WH_STORE_NOT_STARTED "not_started"
/* What an end says besides its outcome (docs/protocol.md, wh1_cycle): the delay is not the
 * handler's wish; the job is dead for it was put off for too long. */
#define WH_STORE_OWN_DELAY "own_delay"
#define WH_STORE_SNOOZED "snoozed"

typedef struct wh_store_finish {
    wh_slice token;
    wh_store_outcome outcome;
    int64_t delay_ms;
    const char *category; /* NULL: none; of a snooze or release WH_STORE_NOT_STARTED */
    const char *says;     /* NULL: nothing more; not of WH_STORE_OK; static text */
    wh_slice message, context, result; /* cut to their limits by the store */
} wh_store_finish;

enum {
    WH_STORE_PAUSED = 1,
    WH_STORE_MORE = 2,
    WH_STORE_IDLE = 4
}; /* flags of a cycle */

typedef struct wh_store_cycle {
    int64_t now_ms, next_due_ms;
    unsigned flags;
    const wh_slice *fenced; /* tokens */
    size_t n_fenced;
    const wh_codec_claim *claims;
    size_t n_claims;
} wh_store_cycle;
typedef void wh_store_cycle_fn(void *arg, wh_err err, const wh_errbuf *eb,
                               const wh_store_cycle *c);

typedef struct wh_store_cycle_args {
    const char *partition, *worker;
    unsigned want;
    const wh_store_finish *finishes; /* <= 1,000 in all */
    size_t n_finishes;
    bool over_bell; /* also takes jobs over the bell while it waits */
} wh_store_cycle_args;
wh_err wh_store_do_cycle(wh_store *s, const wh_store_cycle_args *a,
                         wh_store_cycle_fn *cb, void *arg) WH_MUSTCHECK;

/* ---- heartbeat ---- */
typedef enum wh_store_beat {
    WH_STORE_BEAT_NEW,
    WH_STORE_BEAT_RENEW,
    WH_STORE_BEAT_BYE
} wh_store_beat;
typedef struct wh_store_progress {
    wh_slice token;
    int percent; /* -1: unchanged */
    wh_slice message;
} wh_store_progress;
typedef struct wh_store_log_line {
    wh_slice token, line;
} wh_store_log_line;
typedef struct wh_store_heartbeat_args {
    const char *partition, *worker, *info; /* info JSON, NULL: unchanged */
    int64_t lease_ms;
    wh_store_beat mode;
    const wh_store_progress *progress;
    size_t n_progress;
    const wh_store_log_line *lines;
    size_t n_lines;
} wh_store_heartbeat_args;
typedef struct wh_store_heartbeat {
    int64_t now_ms;
    size_t held;
    bool quiet;
    const wh_slice *cancels; /* tokens */
    size_t n_cancels;
} wh_store_heartbeat;
typedef void wh_store_heartbeat_fn(void *arg, wh_err err, const wh_errbuf *eb,
                                   const wh_store_heartbeat *h);
wh_err wh_store_do_heartbeat(wh_store *s, const wh_store_heartbeat_args *a,
                             wh_store_heartbeat_fn *cb, void *arg) WH_MUSTCHECK;

/* ---- resync ---- */
typedef struct wh_store_resync {
    size_t released;
    const wh_slice *gone;
    size_t n_gone;
} wh_store_resync;
typedef void wh_store_resync_fn(void *arg, wh_err err, const wh_errbuf *eb,
                                const wh_store_resync *r);
typedef struct wh_store_resync_args {
    const char *partition, *worker;
    const wh_slice *tokens;
    size_t n_tokens;
} wh_store_resync_args;
wh_err wh_store_do_resync(wh_store *s, const wh_store_resync_args *a,
                          wh_store_resync_fn *cb, void *arg) WH_MUSTCHECK;

/* ---- enqueue ---- */
typedef enum wh_store_enqueue_fate {
    WH_STORE_EXISTING,
    WH_STORE_REPLACED,
    WH_STORE_EXTENDED
} wh_store_enqueue_fate;
typedef struct wh_store_enqueued {
    size_t created;
    int64_t now_ms; /* 0: not told */
    /* of those that existed: index from 0 and the id text of the job that exists */
    const size_t *existing;
    const wh_slice *existing_ids;
    size_t n_existing;
    /* What became of the one that existed; a batch of several is not told. */
    wh_store_enqueue_fate fate;
} wh_store_enqueued;
typedef void wh_store_enqueued_fn(void *arg, wh_err err, const wh_errbuf *eb,
                                  const wh_store_enqueued *e);
/* specs[i].id must be set. 1..1,000; specs are checked (WH_EINVAL, eb names the index) unless
 * the caller did it. */
typedef struct wh_store_enqueue_args {
    const char *partition;
    const wh_job_spec *specs;
    size_t n;
    bool is_checked;
} wh_store_enqueue_args;
wh_err wh_store_do_enqueue(wh_store *s, const wh_store_enqueue_args *a,
                           wh_store_enqueued_fn *cb, void *arg,
                           wh_errbuf *eb) WH_MUSTCHECK;

/* ---- bell: blocks on its own connection ---- */
typedef struct wh_store_bell_args {
    const char *const *partitions;
    size_t n;
    const char *worker;
    const char *const
        *workers; /* the worker's name in each partition; NULL: `worker` */
    int64_t timeout_ms;
} wh_store_bell_args;
/* partition: index of the one that rang, -1: timed out. what: 'w', 'c', 's', or 'j': then
 * claim is the job handed over (borrowed), else NULL. */
typedef void wh_store_bell_fn(void *arg, wh_err err, int partition, char what,
                              const wh_codec_claim *claim);
wh_err wh_store_wait_bell(wh_store *s, const wh_store_bell_args *a,
                          wh_store_bell_fn *cb, void *arg) WH_MUSTCHECK;

/* ---- records ---- */
/* Reads one flat field array (wh1_job, entries of wh1_jobs; wh1_dlq_list's fields are a superset). */
wh_err wh_store_read_record(const wh_reply *flat, wh_job_record *out) WH_MUSTCHECK;

#endif
