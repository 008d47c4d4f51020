/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedules that the configuration declares (`schedules:`), checked and in the form
 * that Redis keeps. scheduler/recur reconciles them: what is declared is set, what was
 * declared by the same set and is no longer is removed, schedules made at run time stay.
 */
#ifndef WH_SCHEDULER_DECLARED_H
#define WH_SCHEDULER_DECLARED_H

#include "common/base/err.h"
#include "common/job/job.h"
#include "common/store/keys.h"
#include "scheduler/options.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct wh_declared_item {
    char key[WH_KEYS_PARTITION_MAX];
    char name[WH_JOB_NAME_MAX + 1];
    char *text; /* the definition */
} wh_declared_item;

typedef struct wh_declared {
    char set[WH_JOB_NAME_MAX + 1];    /* the mark of its definitions */
    char (*was)[WH_JOB_NAME_MAX + 1]; /* owned: sets whose schedules it takes over */
    size_t n_was;
    wh_declared_item *items; /* owned */
    size_t n;
    bool
        governs; /* it has, or had in this process, an item: others of the set may go */
} wh_declared;

/* WH_ECONFIG; eb begins with "schedules.NAME.…". Leaves *out alone on failure; what was in
 * it is freed otherwise. Zero-initialised is valid. */
wh_err wh_declared_load(const wh_scheduler_config *c, wh_declared *out,
                        wh_errbuf *eb) WH_MUSTCHECK;
void wh_declared_fini(wh_declared *d);
bool wh_declared_has(const wh_declared *d, const char *key, const char *name);
/* May it change a schedule with this mark? */
bool wh_declared_owns(const wh_declared *d, const char *set);

#endif
