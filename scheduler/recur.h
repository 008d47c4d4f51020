/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedules of one partition: lists them, fires what is due, sleeps until the earliest
 * fire time, and reconciles the declared set once after the start and each reload. That a
 * fire time is served once, whoever asks and how often, is decided in Redis
 * (wh1_cron_fire compares and sets), so any number of schedulers may run and die.
 * Zones come from a cache that the scheduler owns; their files are read once each.
 */
#ifndef WH_SCHEDULER_RECUR_H
#define WH_SCHEDULER_RECUR_H

#include "common/base/err.h"
#include "common/io/loop.h"
#include "common/schedule/zones.h"
#include "common/store/store.h"
#include "scheduler/declared.h"

typedef struct wh_recur wh_recur;

typedef struct wh_recur_setup {
    wh_loop *loop;
    wh_store *store;
    wh_zones *zones;             /* outlive it, as the two below */
    const wh_declared *declared; /* may change before wh_recur_reset */
    const char *key;             /* of the partition */
    int64_t interval_ms;         /* longest time between two looks */
} wh_recur_setup;

wh_err wh_recur_new(const wh_recur_setup *s, wh_recur **out) WH_MUSTCHECK;
void wh_recur_free(wh_recur *r);
/* Redis is there again, or the bell rang: a schedule may be new or changed. */
void wh_recur_wake(wh_recur *r);
/* Forgets all that it knows, zones too, but whose the schedules were; reconciles the
 * declared set anew. */
void wh_recur_reset(wh_recur *r);

#endif
