/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recur.c (looking and firing) and recur_declared.c (the declared set) share. Nobody
 * else includes this.
 */
#ifndef WH_SCHEDULER_RECUR_INTERNAL_H
#define WH_SCHEDULER_RECUR_INTERNAL_H

#include "common/schedule/schedule.h"
#include "scheduler/recur.h"

typedef struct wh_recur_entry {
    wh_recur *recur;
    char name[WH_JOB_NAME_MAX + 1];
    char *text;
    wh_schedule schedule;
    const wh_zone *zone;
    int64_t next_ms;  /* -1: paused, or never again */
    int64_t after_ms; /* of the firing under way */
    int64_t retry_ms; /* not tried before (monotonic) */
    size_t n_jobs;    /* of the firing under way */
    bool is_bad;      /* can't be read or has no zone: not fired */
    bool is_open;     /* a call for it is under way */
    bool is_kept;     /* by the list being read */
} wh_recur_entry;

struct wh_recur {
    wh_recur_setup s;
    wh_timer *timer;
    wh_recur_entry **entries; /* by name */
    size_t n, cap;
    size_t open;                  /* calls under way */
    int64_t listed_ms;            /* monotonic; -1: never */
    int64_t redis_ms, redis_mono; /* Redis' clock at the last list, and ours then */
    int64_t sent_ms, took_ms;     /* of the last list: monotonic, and until its reply */
    bool asked, reconcile;
};

/* Redis' clock, as the last list told it. */
int64_t wh_recur_now(const wh_recur *r);
/* The schedule of this name, or NULL. */
wh_recur_entry *wh_recur_find(const wh_recur *r, const char *name);
/* The next step; does nothing while calls are open. */
void wh_recur_advance(wh_recur *r);
/* Sends what the list just taken differs in from the declared set. */
void wh_recur_declared_reconcile(wh_recur *r);

#endif
