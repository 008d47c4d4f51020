/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a partition must do, as plain C over small arrays: the reference that random
 * operations on the real functions are compared with. It knows no Redis. Every operation is
 * applied as docs/protocol.md words it. Only whose turn it is among orgs and groups is not
 * predicted: wh_lm_judge decides whether the claims that were made are allowed.
 */
#ifndef WH_TESTS_SUPPORT_LUA_MODEL_H
#define WH_TESTS_SUPPORT_LUA_MODEL_H

#include "tests/support/lua_model_limit.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    WH_LM_JOBS = 300,
    WH_LM_WORKERS = 5,
    WH_LM_KEYS = 500,
    WH_LM_LEVELS = 10,
    WH_LM_CRONS = 4,
    WH_LM_BATCH = 64,
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
    WH_LM_FIRED,
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

/* What an end says besides its outcome. */
enum wh_lm_says { WH_LM_NOTHING, WH_LM_OWN_DELAY, WH_LM_WAS_SNOOZED, WH_LM_SAYS };

enum wh_lm_category {
    WH_LM_LOST_WORKER,
    WH_LM_TIMEOUT,
    WH_LM_RATE_LIMITED,
    WH_LM_INVALID,
    WH_LM_ERROR, /* of an end that names none */
    WH_LM_CATEGORIES,
};

/* What a caller may say of a job. */
enum wh_lm_unique { WH_LM_BY_TTL, WH_LM_BY_DONE, WH_LM_BY_QUEUED };
enum wh_lm_conflict { WH_LM_KEEP, WH_LM_REPLACE, WH_LM_EXTEND, WH_LM_KEEP_LAST };
enum wh_lm_reply { WH_LM_CREATED, WH_LM_EXISTING, WH_LM_REPLACED, WH_LM_EXTENDED };

struct wh_lm_new {
    unsigned n, org, level, type, group; /* group 0: none */
    long long delay_ms, expires_ms;      /* delay -1: not said; expires 0: none */
    int key;                             /* -1: none */
    bool ttl;                            /* says how long the key is taken */
    enum wh_lm_unique unique;
    enum wh_lm_conflict conflict;
    unsigned payload; /* bytes */
    /* filled in */
    enum wh_lm_reply reply;
    unsigned existing;
    int old; /* the waiting job that it changes or supersedes, or -1 */
};

struct wh_lm_job {
    enum wh_lm_state state;
    bool cancel;      /* requested */
    bool started;     /* a handler had it */
    bool not_started; /* delayed, for its handler did not start */
    bool snoozed;     /* its handler's last word */
    bool put_off;     /* delayed for another one on its last chance */
    bool by_deadline;
    unsigned org, level, type, group, worker, run_fence;
    unsigned attempts, recoveries, fence;
    unsigned category, bytes, payload; /* bytes: of its record */
    unsigned patient;                  /* bytes of its record without a deadline */
    int key;
    bool ttl; /* says how long the key is taken */
    enum wh_lm_unique unique;
    long long claimed_at, enqueued_at, due, finished_at, expires_ms;
    long long again_at; /* when it came again; 0: it did not */
};

/* Where an id that is ready stands, also that of a job which ended there. A list runs by rank,
 * then by id: ranks of lists are made here, others are deadlines and ages. */
enum wh_lm_kind { WH_LM_LIST, WH_LM_SOONEST, WH_LM_ASIDE };

struct wh_lm_stand {
    bool in;
    bool fresh;  /* since the last claim: */
    bool unsure; /* it may stand aside with others of its type */
    enum wh_lm_kind kind;
    unsigned org, level, group, type; /* what the kind needs; else 0 */
    long long rank;
    long long aside; /* fresh: its rank there */
};

/* What Redis holds after a call: the places, and what is parked (until when, 0: not). */
struct wh_lm_snap {
    struct wh_lm_stand stand[WH_LM_JOBS]; /* rank: position */
    unsigned n_ids, ids[2 * WH_LM_JOBS];
    bool first[2 * WH_LM_JOBS]; /* begins another place */
    double parked_queue, parked_org[WH_LM_ORGS], parked_type[WH_LM_TYPES];
    double parked_group[WH_LM_ORGS][WH_LM_LEVELS][WH_LM_GROUPS];
    bool waiting[WH_LM_ORGS][WH_LM_TYPES];
    bool held_group[WH_LM_ORGS][WH_LM_LEVELS][WH_LM_GROUPS];
    bool beside[WH_LM_ORGS]; /* it has groups that wait for a type */
    struct wh_lm_tats tat;
    unsigned ring;
    long long due[WH_LM_JOBS]; /* of the delayed ones */
};

struct wh_lm_worker {
    bool known, quiet, takes; /* jobs over its bell, since it waits */
    bool sure;                /* its lease was long then */
    long long deadline, idle_since;
};

struct wh_lm_cron {
    bool known;
    unsigned text; /* as wh_lmr_cron_text writes it */
    long long at;  /* 0: paused */
};

struct wh_lm {
    long long now, keep_count, keep_ms;
    long long first, last; /* ranks in use */
    bool paused, by_deadline;
    bool beside[WH_LM_ORGS]; /* groups of it waited for a type after the last claim */
    struct wh_lm_job job[WH_LM_JOBS];
    struct wh_lm_stand stand[WH_LM_JOBS];
    long long expiry[WH_LM_JOBS]; /* -1 none; outlives the job, as the index does */
    struct wh_lm_limits limits;
    struct wh_lm_ran ran[WH_LM_TYPES]; /* what ended in this call */
    struct wh_lm_worker worker[WH_LM_WORKERS];
    struct wh_lm_cron cron[WH_LM_CRONS];
    unsigned dlq[WH_LM_JOBS], n_dlq;
    int key_holder[WH_LM_ORGS][WH_LM_KEYS]; /* -1: free */
    long long stat[WH_LM_STATS];
    /* Which of too many claims a bounded recover ended is Redis' choice: asked for. */
    bool (*still_held)(unsigned worker, unsigned n, unsigned fence);
};

struct wh_lm_end {
    unsigned n, fence;
    enum wh_lm_outcome outcome;
    long long delay_ms;
    unsigned category;
    bool no_start; /* no handler had it */
    enum wh_lm_says says;
};

struct wh_lm_cycle {
    unsigned worker, want;
    bool over_bell;       /* waits for jobs there */
    unsigned n_ok, n_end; /* ok[] first, then end[] */
    struct wh_lm_end ok[64], end[64];
    /* what Redis answered */
    unsigned flags, n_claimed;
    long long next_due;
    unsigned claimed[WH_LM_JOBS];
    /* filled in */
    bool lost;
    unsigned n_fenced;
    unsigned fenced[128]; /* positions among ok and end */
};

/* An enqueue of one job, at the bells. */
struct wh_lm_call {
    unsigned ring; /* orgs in it before */
    int first;     /* the worker that waited longest; -1: none */
    bool takes;    /* it takes jobs over its bell, as Redis has it */
    int worker;    /* who has the job now; -1: nobody */
};

struct wh_lm_walk {
    unsigned from, limit; /* position in the DLQ, not the id */
    int org, category;    /* -1: any */
    bool dry;
    unsigned seen, matched, taken; /* filled in; taken: another job has their key */
};

void wh_lm_init(struct wh_lm *m, long long now);
bool wh_lm_live(const struct wh_lm *m, unsigned worker);
bool wh_lm_holds(const struct wh_lm *m, unsigned worker, unsigned n, unsigned fence);
unsigned wh_lm_count(const struct wh_lm *m, enum wh_lm_state state);

/* All or nothing: answers the error word, or NULL. is_free: no quota refuses it. */
const char *wh_lm_enqueue(struct wh_lm *m, struct wh_lm_new *specs, unsigned count,
                          bool is_free);
/* All of a cycle but its claims: what ends, what time does. */
void wh_lm_begin_cycle(struct wh_lm *m, struct wh_lm_cycle *c);
/* Were these claims allowed, and none missing? Answers what is wrong, or NULL; applies them. */
const char *wh_lm_judge(struct wh_lm *m, const struct wh_lm_cycle *c,
                        const struct wh_lm_snap *snap);
/* The worker of an answered cycle waits now, or does not. */
void wh_lm_note_idle(struct wh_lm *m, const struct wh_lm_cycle *c);
/* A job was enqueued alone: was it handed over, and may it, or must it? The same. */
const char *wh_lm_hand_off(struct wh_lm *m, const struct wh_lm_new *s,
                           const struct wh_lm_call *c, const struct wh_lm_snap *snap);
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
/* Why does a ready job wait? The word of wh1_explain. first: of its group, or n itself. */
const char *wh_lm_reason(struct wh_lm *m, unsigned n, unsigned first);
/* Is it in a group with a cap, whose jobs keep their order? */
bool wh_lm_keeps_order(const struct wh_lm *m, unsigned n);
/* May it be claimed now, by all limits? */
bool wh_lm_may_run(struct wh_lm *m, struct wh_lm_session *x, unsigned n);
/* The same without what holds for its whole org or the queue. */
bool wh_lm_may_run_in_org(struct wh_lm *m, struct wh_lm_session *x, unsigned n);
struct wh_lm_session wh_lm_session(struct wh_lm *m);
/* Is it on its last chance: does the next loss of its worker make it dead? */
bool wh_lm_is_last(const struct wh_lm_job *j);
/* Does the worker hold one that is? */
bool wh_lm_has_last(const struct wh_lm *m, unsigned worker);
/* A ready one that is, and after a claim waits for a moment? */
bool wh_lm_is_put_off(const struct wh_lm *m, const struct wh_lm_snap *snap, unsigned n);

/* Used between the model's files. */
void wh_lm_drop(struct wh_lm *m, unsigned n);
void wh_lm_claim(struct wh_lm *m, unsigned worker, unsigned n);
void wh_lm_end_claim(struct wh_lm *m, const struct wh_lm_end *e);
/* Lets breakers and adaptive rates know what ended since the last time. */
void wh_lm_settle_ended(struct wh_lm *m);
unsigned wh_lm_trim_count(struct wh_lm *m, unsigned batch);
void wh_lm_push(struct wh_lm *m, unsigned n, bool at_head);
void wh_lm_move(struct wh_lm *m, unsigned n);
/* Where those stand that may have been set aside since the last claim. */
void wh_lm_look(struct wh_lm *m, const struct wh_lm_snap *snap);

/* Its rank where jobs of its type stand aside. */
long long wh_lm_aside_rank(const struct wh_lm_job *j);
void wh_lm_finish(struct wh_lm *m, unsigned n, enum wh_lm_state status);
void wh_lm_release_key(struct wh_lm *m, unsigned n);
unsigned wh_lm_record_size(const struct wh_lm_new *s, bool by_deadline);
bool wh_lm_same_place(const struct wh_lm_stand *a, const struct wh_lm_stand *b);
/* Of two in the same place. */
bool wh_lm_is_before(const struct wh_lm *m, unsigned a, unsigned b);

#endif
