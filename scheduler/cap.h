/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default cap of jobs in flight per org (max_active_jobs_per_org): once in its life the
 * partition gets the setting "active:org/…" for each org unless it has one. What an
 * operator set or removed is never changed; Redis remembers that, not this process.
 */
#ifndef WH_SCHEDULER_CAP_H
#define WH_SCHEDULER_CAP_H

#include "common/store/store.h"

#include <stdint.h>

typedef struct wh_cap {
    wh_store *store;
    const char *key; /* of the partition; borrowed, as the store */
    int64_t jobs;    /* 0: nothing to do */
    bool is_done, is_open;
} wh_cap;

/* Redis is there, or still is: does nothing when all is done. */
void wh_cap_wake(wh_cap *c);
void wh_cap_fini(wh_cap *c);

#endif
