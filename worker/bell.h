/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listens for wake-up calls: one blocking wait over all partitions, begun again after
 * each return. Without work and without calls this costs one command in 5 s. After a job
 * that was handed over, the next wait is held for WH_BELL_HOLD_US or until _go_on.
 */
#ifndef WH_WORKER_BELL_H
#define WH_WORKER_BELL_H

#include "common/io/loop.h"
#include "common/store/store.h"
#include "worker/partition.h"

typedef struct wh_bell wh_bell;

/* A process starts to run a job within that time, and ends a short one. */
enum { WH_BELL_HOLD_US = 150 };

typedef struct wh_bell_setup {
    wh_loop *loop;
    wh_store *store;
    const wh_partitions *partitions;
    void (*on_work)(void *arg, wh_partition *p);
    void (*on_command)(void *arg, wh_partition *p);
    /* A job was handed over; borrowed. */
    void (*on_job)(void *arg, wh_partition *p, const wh_codec_claim *claim);
    /* A wait failed: a job that was handed over may be lost with it. */
    void (*on_lost_call)(void *arg);
    void *arg;
} wh_bell_setup;

wh_err wh_bell_new(const wh_bell_setup *o, wh_bell **out) WH_MUSTCHECK;
void wh_bell_free(wh_bell *b);
void wh_bell_start(wh_bell *b);
void wh_bell_stop(wh_bell *b);
/* The job that came last has ended: no need to hold the next wait any longer. */
void wh_bell_go_on(wh_bell *b);

#endif
