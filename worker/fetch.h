/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cycles: each carries the finishes of one partition there and claims as many jobs
 * as there is room for back. Up to two of a partition are in flight, so that under load
 * Redis never waits for us nor we for it; over a long link up to 64, and jobs are claimed
 * ahead (ahead.h). Nothing in flight: what there is goes out at the end of this turn of the
 * loop; something in flight: it is gathered.
 *
 * A partition is asked when it probably has work: after registration, a ring of the
 * bell, a cycle that left work behind, a due time, or 5 s without any of these.
 */
#ifndef WH_WORKER_FETCH_H
#define WH_WORKER_FETCH_H

#include "worker/dispatch.h"
#include "worker/share.h"

typedef struct wh_fetch wh_fetch;

typedef struct wh_fetch_setup {
    wh_loop *loop;
    wh_store *store;
    wh_dispatch *dispatch;
    wh_metrics *metrics;
    wh_partitions *partitions;
    wh_share_order order;
    bool over_bell; /* somebody listens to the bell and takes jobs from it */
    /* Redis says that the lease is lost. */
    void (*on_lost)(void *arg, wh_partition *p, const char *why);
    /* A cycle or resync ended and less is held or in flight than before. */
    void (*on_progress)(void *arg);
    /* Finishes of this partition are about to be sent; NULL: nobody cares. */
    void (*before_finish)(void *arg, wh_partition *p);
    /* What keeps it from claiming is another thing now; NULL: nobody cares. Not while Redis
     * is away. */
    void (*on_lack)(void *arg, wh_lack lack);
    void *arg;
} wh_fetch_setup;

wh_err wh_fetch_new(const wh_fetch_setup *o, wh_fetch **out) WH_MUSTCHECK;
void wh_fetch_free(wh_fetch *f);

/* Something changed: look at the end of this turn. */
void wh_fetch_kick(wh_fetch *f);
/* The partition was registered: it may be asked. */
void wh_fetch_registered(wh_fetch *f, wh_partition *p);
/* Somebody rang for it. */
void wh_fetch_ring(wh_fetch *f, wh_partition *p);
/* It handed a job over, which is on its way to the handler. As _ring, but what there is to
 * tell Redis waits for the job's end, at most within_us. */
void wh_fetch_handed(wh_fetch *f, wh_partition *p, int64_t within_us);
/* The connection is there again: every registered partition is asked what it still holds. */
void wh_fetch_reconnected(wh_fetch *f);
/* No claims from now on; finishes go on. */
void wh_fetch_stop_claiming(wh_fetch *f);
/* true: claims nothing until false; Redis does not count on us meanwhile. Not to be mixed up
 * with _stop_claiming, which is for good. */
void wh_fetch_hold(wh_fetch *f, bool hold);
/* Weights in the partitions, or the order, changed. */
void wh_fetch_reload(wh_fetch *f, wh_share_order order);

/* Cycles and resyncs without a reply. */
size_t wh_fetch_in_flight(const wh_fetch *f);
size_t wh_fetch_in_flight_of(const wh_fetch *f, const wh_partition *p);
/* Grows with each cycle and resync of the partition: equal twice = nothing between. */
unsigned wh_fetch_epoch(const wh_fetch *f, const wh_partition *p);

#endif
