/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures per queue for /metrics, from wh1_stats. Only schedulers show them, so that N
 * workers do not repeat the same series. Owned by the scheduler.
 */
#ifndef WH_SCHEDULER_GAUGES_H
#define WH_SCHEDULER_GAUGES_H

#include "common/base/err.h"
#include "common/base/stats.h"
#include "common/store/call.h"

#include <stdint.h>

typedef struct wh_gauges wh_gauges;

#define WH_GAUGES_COUNTERS 16

/* What a partition keeps between two readings: the last value of each counter. */
typedef struct wh_gauges_last {
    int64_t value[WH_GAUGES_COUNTERS];
    int known;
} wh_gauges_last;

wh_err wh_gauges_new(wh_gauges **out) WH_MUSTCHECK;
void wh_gauges_free(wh_gauges *g);
wh_stats *wh_gauges_stats(wh_gauges *g);

/* Takes over one reply of wh1_stats. Returns true when counters went backwards: the data of
 * this partition were lost (FLUSHALL, an old backup, a failover). */
bool wh_gauges_update(wh_gauges *g, const char *region, const char *queue,
                      const wh_reply *flat, wh_gauges_last *last);
/* One call of a chore ended: how many things it moved, how long it took; err counts. */
void wh_gauges_chore(wh_gauges *g, const char *chore, wh_err err, int64_t moved,
                     int64_t us);
/* How many partitions are served. */
void wh_gauges_partitions(wh_gauges *g, size_t n);

#endif
