/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's metrics. Hot paths hold the series they count in: one struct for each
 * (partition, handler), made at start. Gauges are computed when somebody asks.
 */
#ifndef WH_WORKER_METRICS_H
#define WH_WORKER_METRICS_H

#include "common/base/stats.h"
#include "common/store/store.h"
#include "worker/partition.h"
#include "worker/pressure.h"
#include "worker/registry.h"

typedef struct wh_metrics wh_metrics;

/* How an attempt ended. */
typedef enum wh_metrics_end {
    WH_METRICS_OK,
    WH_METRICS_FAILED,
    WH_METRICS_OTHER
} wh_metrics_end;

wh_err wh_metrics_new(wh_metrics **out) WH_MUSTCHECK;
void wh_metrics_free(wh_metrics *m);
/* Makes the series. Both outlive m. */
wh_err wh_metrics_watch(wh_metrics *m, const wh_partitions *ps,
                        const wh_registry *r) WH_MUSTCHECK;

/* handler NULL: none takes the type. */
void wh_metrics_started(wh_metrics *m, const wh_partition *p, const wh_handler *h,
                        double wait_s);
void wh_metrics_ended(wh_metrics *m, const wh_partition *p, const wh_handler *h,
                      wh_metrics_end end);
/* The payload did not fit the handler's schema. */
void wh_metrics_refused(wh_metrics *m, const wh_partition *p, const wh_handler *h);
void wh_metrics_ran(wh_metrics *m, const wh_partition *p, const wh_handler *h,
                    double run_s);
void wh_metrics_fenced(wh_metrics *m, const wh_partition *p, size_t n);
void wh_metrics_lost(wh_metrics *m, const wh_partition *p, size_t n);
/* Another snooze of a job that goes round and round. */
void wh_metrics_snoozed_often(wh_metrics *m, const wh_partition *p);
typedef enum wh_metrics_op {
    WH_METRICS_CYCLE,
    WH_METRICS_HEARTBEAT,
    WH_METRICS_RESYNC,
    WH_METRICS_OPS
} wh_metrics_op;
void wh_metrics_request(wh_metrics *m, wh_metrics_op op, double seconds);

/* What is only known when asked. */
typedef struct wh_metrics_now {
    size_t n_slots; /* the setting */
    wh_store *store;
    wh_loop *loop;
    wh_pressure_state pressure;
    bool is_quiet, is_draining;
    int64_t now_us;
} wh_metrics_now;
void wh_metrics_print(wh_metrics *m, const wh_metrics_now *now, wh_buf *out);

#endif
