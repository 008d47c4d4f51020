/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What running jobs say meanwhile: progress (only the last word of each counts) and log
 * lines (bounded; what is over is counted and said). Gathered for at most 500 ms, then
 * carried by a heartbeat of the partition.
 */
#ifndef WH_WORKER_NOTES_H
#define WH_WORKER_NOTES_H

#include "common/io/loop.h"
#include "common/store/store.h"
#include "worker/partition.h"

typedef struct wh_notes wh_notes;

typedef struct wh_notes_setup {
    wh_loop *loop;
    const wh_slots *slots;
    const wh_partitions *partitions;
    /* The partition has something to tell: send a heartbeat. */
    void (*on_due)(void *arg, wh_partition *p);
    void *arg;
} wh_notes_setup;

wh_err wh_notes_new(const wh_notes_setup *o, wh_notes **out) WH_MUSTCHECK;
void wh_notes_free(wh_notes *n);

/* slot->has_note was set. */
void wh_notes_changed(wh_notes *n, const wh_slot *slot);
void wh_notes_line(wh_notes *n, const wh_slot *slot, wh_slice line);

/* Is there something to carry? */
bool wh_notes_is_due(const wh_notes *n, const wh_partition *p);
/* Puts what there is into the heartbeat (valid until _sent). */
void wh_notes_fill(wh_notes *n, const wh_partition *p, wh_store_heartbeat_args *a);
/* The heartbeat was accepted for sending (true: forget what was filled in), or not. */
void wh_notes_sent(wh_notes *n, const wh_partition *p, bool sent);

#endif
