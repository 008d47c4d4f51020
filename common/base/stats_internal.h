/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stats.c (registry, lookup, values) and stats_print.c (Prometheus text) share;
 * for no one else. stats.c keeps the invariants, stats_print.c only reads.
 */
#ifndef WH_COMMON_BASE_STATS_INTERNAL_H
#define WH_COMMON_BASE_STATS_INTERNAL_H

#include "common/base/stats.h"

#include <stdbool.h>

enum { WH_STATS_LABELS_MAX = 3 };

struct wh_stats_series {
    wh_stats_family *family;
    wh_stats_series *next_spare;
    char *values; /* label values, each with its NUL; owned */
    uint64_t hash;
    bool is_shown;
    double value;       /* counter, gauge; histogram: sum */
    uint64_t count;     /* histogram */
    uint64_t buckets[]; /* histogram: n_bounds, not cumulative */
};

struct wh_stats_family {
    wh_stats *owner;
    wh_stats_desc desc;
    const char *labels[WH_STATS_LABELS_MAX];
    size_t n_labels;
    size_t max_series;
    wh_stats_series **series;
    size_t n_series, cap_series;
    uint32_t *table;   /* index + 1 into series; 0 = free; at most half full */
    size_t table_size; /* a power of two */
    wh_stats_series *spare;
};

struct wh_stats {
    wh_stats_family **families;
    size_t n_families, cap_families;
    wh_stats_series *dropped; /* of wherry_metrics_series_dropped_total */
};

#endif
