/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones by name, read once: the join of common/io/zoneinfo and common/job/zone. A
 * zone's file has a few kB, so reading it is no wait that a loop would notice, and it
 * happens once for each name.
 */
#ifndef WH_COMMON_SCHEDULE_ZONES_H
#define WH_COMMON_SCHEDULE_ZONES_H

#include "common/base/err.h"
#include "common/job/zone.h"

typedef struct wh_zones {
    struct wh_zones_entry *entries; /* owned */
    size_t n, cap;
} wh_zones; /* zero-initialised: empty */

/* *out (NULL: UTC) lives until wh_zones_clear. name NULL: UTC. eb says what would be right.
 * A name that failed is looked up again each time: tzdata may arrive later. */
wh_err wh_zones_get(wh_zones *z, const char *name, const wh_zone **out,
                    wh_errbuf *eb) WH_MUSTCHECK;
/* Forgets and frees all: the files are read anew, for new rules. Leaves it usable. */
void wh_zones_clear(wh_zones *z);

#endif
