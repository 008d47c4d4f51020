/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One partition as the scheduler serves it: its chores (promote, recover, expire, trim),
 * its gauges, its schedules. Each chore is a timer and at most one call in flight; the reply says when it is
 * needed next. Everything it does is an idempotent function, so two schedulers are harmless.
 */
#ifndef WH_SCHEDULER_PARTITION_H
#define WH_SCHEDULER_PARTITION_H

#include "common/base/err.h"
#include "common/schedule/zones.h"
#include "common/store/store.h"
#include "scheduler/declared.h"
#include "scheduler/gauges.h"
#include "scheduler/options.h"

typedef struct wh_partition wh_partition;

typedef struct wh_partition_setup {
    wh_loop *loop;
    wh_store *store;
    wh_gauges *gauges;
    const wh_scheduler_config *config; /* outlives the partition, as all that follows */
    wh_zones *zones;
    const wh_declared *declared;
} wh_partition_setup;

/* key: a valid partition key, copied. */
wh_err wh_partition_new(const wh_partition_setup *s, const char *key,
                        wh_partition **out) WH_MUSTCHECK;
void wh_partition_free(wh_partition *p);
const char *wh_partition_key(const wh_partition *p);
/* Look at delayed jobs, those that expire and schedules at once: its bell rang. */
void wh_partition_ring(wh_partition *p);
/* The declared schedules are others, or zones: forget what is known of schedules. */
void wh_partition_redeclare(wh_partition *p);
/* Redis is there again: do everything at once. */
void wh_partition_wake(wh_partition *p);

#endif
