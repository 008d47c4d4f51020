/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of one process: counters, gauges, histograms in families with up to
 * three labels, printed as Prometheus text (format 0.0.4, promtool clean).
 * Not thread-safe: the loop thread owns a registry. A family holds at most
 * `max_series` series (default 2,000); beyond that, further label values are
 * counted under the value "other" and `wherry_metrics_series_dropped_total` grows.
 */
#ifndef WH_COMMON_BASE_STATS_H
#define WH_COMMON_BASE_STATS_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct wh_stats wh_stats; /* a registry */
typedef struct wh_stats_family wh_stats_family;
typedef struct wh_stats_series
    wh_stats_series; /* one labelled metric; lives as long as its registry */

typedef enum wh_stats_type {
    WH_STATS_COUNTER,
    WH_STATS_GAUGE,
    WH_STATS_HISTOGRAM
} wh_stats_type;

wh_err wh_stats_new(wh_stats **out) WH_MUSTCHECK;
void wh_stats_free(wh_stats *s);

/* name and help are borrowed (literals). labels: up to 3 names, NULL-terminated array
 * or NULL. bounds: ascending upper bounds of buckets for histograms (seconds). */
typedef struct wh_stats_desc {
    const char *name, *help;
    wh_stats_type type;
    const char *const *labels;
    const double *bounds;
    size_t n_bounds;
    size_t max_series; /* 0 = 2,000 */
} wh_stats_desc;
wh_err wh_stats_family_add(wh_stats *s, const wh_stats_desc *d,
                           wh_stats_family **out) WH_MUSTCHECK;

/* Finds or makes the series with these label values (as many as labels). Never NULL
 * for a family that has any series or memory; values are copied and escaped. */
wh_stats_series *wh_stats_series_get(wh_stats_family *f, const char *v1, const char *v2,
                                     const char *v3);
/* Removes all series (gauges of things that went away). Pointers to them stay safe to
 * use, but may count for another series from now on: look up again. */
void wh_stats_family_clear(wh_stats_family *f);

void wh_stats_add(wh_stats_series *m, double v);     /* counter (v >= 0) or gauge */
void wh_stats_set(wh_stats_series *m, double v);     /* gauge */
void wh_stats_observe(wh_stats_series *m, double v); /* histogram, in seconds */
double
wh_stats_value(const wh_stats_series *m); /* counter or gauge; histogram: count */
/* Quantile 0..1 of a histogram by linear interpolation in its bucket; -1 when empty. */
double wh_stats_quantile(const wh_stats_series *m, double q);

void wh_stats_print(const wh_stats *s, wh_buf *out);

/* Bounds from 0.5 ms to 1 h, for run and wait times. */
extern const double wh_stats_time_bounds[];
extern const size_t wh_stats_n_time_bounds;

#endif
