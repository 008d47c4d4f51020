/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recur.c (looking), recur_fire.c (firing) and recur_declared.c (the declared set)
 * share. Nobody else includes this.
 */
#ifndef WH_SCHEDULER_RECUR_INTERNAL_H
#define WH_SCHEDULER_RECUR_INTERNAL_H

#include "common/schedule/schedule.h"
#include "scheduler/recur.h"

typedef struct wh_recur_entry {
    wh_recur *recur;
    char name[WH_JOB_NAME_MAX + 1];
    char *text; /* as it is stored */
    size_t text_n;
    wh_schedule schedule;
    const wh_zone *zone;
    int64_t next_ms;  /* -1: paused, or never again */
    int64_t after_ms; /* of the firing under way */
    int64_t retry_ms; /* not tried before (monotonic) */
    int64_t told_ms;  /* when `failing` was said last (monotonic) */
    wh_err failing;   /* why it did not fire at the last try */
    size_t place;     /* among those that are due at the same time */
    size_t n_jobs;    /* of the firing under way */
    bool is_bad;      /* can't be read or has no zone: not fired */
    bool is_kept;     /* by the list being read */
    bool is_stale;    /* Redis has another definition: not fired before the next list */
    bool is_alone;    /* to be fired by a call of its own: of several one was refused */
    bool is_refused;  /* Redis refuses its jobs */
    /* Our set, if one that we name in schedule_set_was took it over from us; else "". */
    char taken_from[WH_JOB_NAME_MAX + 1];
} wh_recur_entry;

typedef struct wh_recur_batch wh_recur_batch;
typedef struct wh_recur_change wh_recur_change;

struct wh_recur {
    wh_recur_setup s;
    wh_timer *timer;
    wh_recur_entry **entries; /* by name */
    wh_recur_entry **due;     /* as many, for those being fired */
    size_t n;
    uint64_t salt;                /* where it begins among many that are due at once */
    wh_recur_batch *batches;      /* firings under way */
    size_t open;                  /* calls under way */
    int64_t listed_ms;            /* monotonic; -1: never */
    int64_t redis_ms, redis_mono; /* Redis' clock at the last list, and ours then */
    int64_t sent_ms, took_ms;     /* of the last list: monotonic, and until its reply */
    bool asked, reconcile;
    unsigned char *wants;     /* of each declared one: what is to be done */
    wh_recur_change *changes; /* calls for them under way, the oldest first */
    int64_t reconcile_ms;     /* none is made before (monotonic): one failed */
};

/* Before a list is asked for, or something fired, that failed. */
#define WH_RECUR_RETRY_MS 2000

/* Redis' clock, as the last list told it. */
int64_t wh_recur_now(const wh_recur *r);
/* The schedule of this name, or NULL. */
wh_recur_entry *wh_recur_find(const wh_recur *r, const char *name);
/* The next step; does nothing while calls are open. */
void wh_recur_advance(wh_recur *r);
/* ms until the earliest is to be tried, 0 or less: now; INT64_MAX: never. */
int64_t wh_recur_earliest(const wh_recur *r);
/* Fires what is due, up to a bound: wh_recur_advance goes on when that is answered. */
void wh_recur_fire_due(wh_recur *r);
/* Fires this one, which is due, before any call that is made later; e->after_ms: its next
 * fire time then. */
wh_err wh_recur_fire_one(wh_recur *r, wh_recur_entry *e) WH_MUSTCHECK;
/* Drops the calls that are under way. */
void wh_recur_fire_forget(wh_recur *r);
/* Sends what the list just taken differs in from the declared set, where that is still to
 * be looked at. */
void wh_recur_declared_reconcile(wh_recur *r);
/* Drops the calls that are under way, and looks at all anew. */
void wh_recur_declared_forget(wh_recur *r);

#endif
