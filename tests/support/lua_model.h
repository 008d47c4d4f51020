/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a partition must do, as plain C over small arrays: the reference that random
 * operations on the real functions are compared with. It knows no Redis. Every operation
 * is applied as docs/protocol.md words it; the order of claims is predicted exactly.
 */
#ifndef WH_TESTS_SUPPORT_LUA_MODEL_H
#define WH_TESTS_SUPPORT_LUA_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    WH_LM_JOBS = 300,
    WH_LM_ORGS = 12,
    WH_LM_WORKERS = 5,
    WH_LM_KEYS = 5000,
    WH_LM_LEVELS = 10,
};

enum wh_lm_state {
    WH_LM_NONE,
    WH_LM_READY,
    WH_LM_DELAYED,
    WH_LM_RUN,
    WH_LM_COMPLETED,
    WH_LM_CANCELLED,
    WH_LM_EXPIRED,
    WH_LM_DEAD,
    WH_LM_TOMB, /* trimmed; its id still stands in a list */
};

enum wh_lm_stat {
    WH_LM_ENQUEUED,
    WH_LM_CLAIMED,
    WH_LM_DID_COMPLETE,
    WH_LM_RETRIED,
    WH_LM_DEAD_TOTAL,
    WH_LM_SNOOZED,
    WH_LM_RELEASED,
    WH_LM_DID_CANCEL,
    WH_LM_DID_EXPIRE,
    WH_LM_RECOVERED,
    WH_LM_FENCED,
    WH_LM_WORKERS_LOST,
    WH_LM_REPLAYED,
    WH_LM_PURGED,
    WH_LM_PROMOTED,
    WH_LM_STATS,
};

enum wh_lm_outcome {
    WH_LM_OK,
    WH_LM_RETRY,
    WH_LM_DIE,
    WH_LM_SNOOZE,
    WH_LM_RELEASE,
    WH_LM_CANCEL,
    WH_LM_EXPIRE,
    WH_LM_RECOVER,
};

struct wh_lm_job {
    enum wh_lm_state state;
    bool queued; /* finished, but its id still stands in its list */
    bool cancel; /* requested */
    unsigned org, level, worker, run_fence;
    unsigned attempts, recoveries, fence;
    unsigned category;
    long long enqueued_at, due, finished_at, expires_ms;
};

struct wh_lm_org {
    struct {
        unsigned n;
        unsigned id[WH_LM_JOBS];
    } list[WH_LM_LEVELS];
    bool in_ring;
    double v, weight;
};

struct wh_lm_worker {
    bool known, quiet;
    long long deadline;
};

struct wh_lm {
    long long now, keep_count, keep_ms;
    bool paused;
    struct wh_lm_job job[WH_LM_JOBS];
    long long expiry[WH_LM_JOBS]; /* -1 none; outlives the job, as the index does */
    struct wh_lm_org org[WH_LM_ORGS];
    struct wh_lm_worker worker[WH_LM_WORKERS];
    unsigned dlq[WH_LM_JOBS], n_dlq;
    int key_holder[WH_LM_KEYS]; /* -1: free */
    long long stat[WH_LM_STATS];
    /* Which of too many claims a bounded recover ended is Redis' choice: asked for. */
    bool (*still_held)(unsigned worker, unsigned n, unsigned fence);
};

struct wh_lm_new {
    unsigned n, org, level;
    long long delay_ms, expires_ms; /* 0: none */
    int key;                        /* -1: none */
};

struct wh_lm_end {
    unsigned n, fence;
    enum wh_lm_outcome outcome;
    long long delay_ms;
    unsigned category;
};

struct wh_lm_cycle {
    unsigned worker, want;
    unsigned n_ok, n_end; /* ok[] first, then end[] */
    struct wh_lm_end ok[64], end[64];
    /* filled in */
    bool lost;
    unsigned flags, n_fenced, n_claimed;
    unsigned fenced[128]; /* positions among ok and end */
    unsigned claimed[WH_LM_JOBS];
};

struct wh_lm_walk {
    unsigned from, limit; /* position in the DLQ, not the id */
    int org, category;    /* -1: any */
    bool dry;
    unsigned seen, matched; /* filled in */
};

void wh_lm_init(struct wh_lm *m, long long now);
bool wh_lm_live(const struct wh_lm *m, unsigned worker);
bool wh_lm_holds(const struct wh_lm *m, unsigned worker, unsigned n, unsigned fence);
unsigned wh_lm_count(const struct wh_lm *m, enum wh_lm_state state);

/* Returns the id of the job that exists already, or -1: created. */
int wh_lm_enqueue(struct wh_lm *m, const struct wh_lm_new *spec);
void wh_lm_run_cycle(struct wh_lm *m, struct wh_lm_cycle *c);
unsigned wh_lm_promote(struct wh_lm *m, unsigned batch);
unsigned wh_lm_expire(struct wh_lm *m, unsigned batch);
unsigned wh_lm_recover(struct wh_lm *m, unsigned batch, unsigned *workers);
unsigned wh_lm_trim(struct wh_lm *m, unsigned batch);
/* Both answer the function's reply or error word. */
const char *wh_lm_cancel(struct wh_lm *m, unsigned n);
const char *wh_lm_retry(struct wh_lm *m, unsigned n);
/* Releases the claims of worker except the named ones; returns how many. */
unsigned wh_lm_release(struct wh_lm *m, unsigned worker, const bool *named);
void wh_lm_forget(struct wh_lm *m, unsigned worker);
void wh_lm_replay(struct wh_lm *m, struct wh_lm_walk *w);
void wh_lm_purge(struct wh_lm *m, struct wh_lm_walk *w);

/* Used between the model's files. */
void wh_lm_drop(struct wh_lm *m, unsigned n);
void wh_lm_end_claim(struct wh_lm *m, const struct wh_lm_end *e);
unsigned wh_lm_trim_count(struct wh_lm *m, unsigned batch);
void wh_lm_push(struct wh_lm *m, unsigned n, bool at_head);
void wh_lm_finish(struct wh_lm *m, unsigned n, enum wh_lm_state status, bool queued);
unsigned wh_lm_claim(struct wh_lm *m, unsigned worker, unsigned want, unsigned *out,
                     bool *more);

#endif
