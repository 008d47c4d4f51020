/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owner of the jobs between claim and confirmed finish: gives them to executors as these
 * have room, turns results into finishes, and stops handlers whose claim was cancelled or
 * lost. Where it stands in a job's way:
 *
 *     fetch (claims) -> dispatch (slot WAITING -> RUNNING) -> registry -> executors/<kind>
 *       -> result -> outcome -> dispatch (FINISHING) -> finish (batch) -> fetch (cycle)
 *       -> reply -> dispatch frees slot and job -> fetch gets one credit
 *
 * on_change is called whenever there is something for fetch to do; fetch calls _pump at
 * the end of the turn, so executors are never entered from inside their own callbacks.
 */
#ifndef WH_WORKER_DISPATCH_H
#define WH_WORKER_DISPATCH_H

#include "worker/ahead.h"
#include "worker/metrics.h"
#include "worker/partition.h"
#include "worker/registry.h"

typedef struct wh_dispatch wh_dispatch;

typedef struct wh_dispatch_events {
    void (*on_change)(void *arg);
    /* A line that a job's handler wrote; for Redis and the log. */
    void (*on_line)(void *arg, wh_slot *slot, wh_slice line);
    void (*on_note)(void *arg, wh_slot *slot); /* progress changed: slot->has_note */
    void *arg;
} wh_dispatch_events;

wh_err wh_dispatch_new(wh_metrics *m, const wh_dispatch_events *ev,
                       wh_dispatch **out) WH_MUSTCHECK;
void wh_dispatch_free(wh_dispatch *d);
/* What executors shall call; then the registry that was made with it (borrowed). */
wh_executor_events wh_dispatch_events_for_executors(wh_dispatch *d);
void wh_dispatch_use(wh_dispatch *d, wh_registry *r);
void wh_dispatch_set_slots(wh_dispatch *d, size_t slots);
wh_slots *wh_dispatch_slots(wh_dispatch *d);

/* Takes all claims of a reply. false: not all could be taken (memory, a broken token):
 * the partition needs a resync to give those back. */
bool wh_dispatch_claims(wh_dispatch *d, wh_partition *p, const wh_store_cycle *c);
/* Submits what executors have room for. */
void wh_dispatch_pump(wh_dispatch *d);
/* How many jobs may be claimed now: free slots, and no more than executors take soon; over
 * a long link some more. */
size_t wh_dispatch_room(const wh_dispatch *d);
/* Why that is none although slots are free. */
wh_lack wh_dispatch_lacks(const wh_dispatch *d);
/* Who asks tells it of replies. */
wh_ahead *wh_dispatch_ahead(wh_dispatch *d);
/* A job that was handed over: as _claims, and submitted at once. What finds no room goes back
 * at once: Redis took us for idle, and another worker may be. */
bool wh_dispatch_handed(wh_dispatch *d, wh_partition *p, const wh_codec_claim *claim);
/* Before room is asked for: brings `ahead` up to date, and what has waited for a slot or its
 * handler for a second (and a long round trip) goes back to where other workers find it, and
 * where pauses, limits and breakers are asked anew. Returns when to look again; 0: nothing
 * waits. */
int64_t wh_dispatch_turn(wh_dispatch *d, int64_t now_us);
/* Something went back so a moment ago: hardly anything is claimed, so that others come first. */
bool wh_dispatch_is_holding(const wh_dispatch *d);

/* The finish of this FINISHING slot (in no list) was accepted or fenced: frees it. */
void wh_dispatch_confirm(wh_dispatch *d, wh_slot *slot);
void wh_dispatch_cancel(wh_dispatch *d, wh_partition *p, wh_slice token);
/* This claim is not ours any more (resync): a finish counts as accepted, a handler is stopped. */
void wh_dispatch_gone(wh_dispatch *d, wh_partition *p, wh_slice token);
/* The lease of the partition is lost: all its claims are. Batches in flight stay. Returns
 * how many there were. */
size_t wh_dispatch_lose(wh_dispatch *d, wh_partition *p);

/* Nothing is submitted any more; what has not started is given back. */
void wh_dispatch_drain(wh_dispatch *d);
/* Asks all running handlers to stop, since the worker does. */
void wh_dispatch_stop_running(wh_dispatch *d);
/* Gives back every job whose result is not known. The executors must be gone. */
void wh_dispatch_release(wh_dispatch *d);

#endif
