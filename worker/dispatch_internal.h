/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dispatch.c (claims, submitting), dispatch_room.c (how many), dispatch_results.c (what executors report),
 * dispatch_late.c (what waits too long) and dispatch_end.c (claims that end otherwise) share. Nobody else includes this.
 */
#ifndef WH_WORKER_DISPATCH_INTERNAL_H
#define WH_WORKER_DISPATCH_INTERNAL_H

#include "worker/dispatch.h"

struct wh_dispatch {
    wh_slots *slots;
    wh_registry *registry;
    wh_metrics *metrics;
    wh_retry_policy fallback; /* for types without handler */
    wh_dispatch_events ev;
    wh_ahead ahead;
    size_t n_slots;
    bool is_draining;
    bool is_holding; /* a handler's jobs were given back a moment ago */
};

/* Queues the finish, counts and logs it. The slot is WAITING or RUNNING and in no list. */
void wh_dispatch_finish(wh_dispatch *d, wh_slot *slot, const wh_store_finish *f);
void wh_dispatch_finish_plain(wh_dispatch *d, wh_slot *slot, wh_store_outcome outcome);
/* The handler never got it: at once to the head of its list, or after a delay. */
void wh_dispatch_give_back(wh_dispatch *d, wh_slot *slot, int64_t delay_ms);
/* Slots that run nothing. A stopped handler keeps its own until it has ended. */
size_t wh_dispatch_free_slots(const wh_dispatch *d);
/* How many jobs may wait or be claimed then: what those handlers have room for. */
size_t wh_dispatch_most_while_holding(const wh_dispatch *d);
/* Out of its handler's waiting list, if it is there. */
void wh_dispatch_leave_waiting(wh_slot *slot);
wh_slice wh_dispatch_text(const char *s);
/* Redis' time, as far as we can tell; 0 for jobs that don't ask for it: a clock is read. */
int64_t wh_dispatch_now_ms(const wh_slot *slot);

#endif
