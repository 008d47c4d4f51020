/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What metrics.c (families, counting) and metrics_now.c (gauges when asked) share.
 * Nobody else includes this.
 */
#ifndef WH_WORKER_METRICS_INTERNAL_H
#define WH_WORKER_METRICS_INTERNAL_H

#include "worker/metrics.h"

typedef enum wh_metrics_family {
    WH_METRICS_PROCESSED,
    WH_METRICS_ERRORS,
    WH_METRICS_ERROR_RATE,
    WH_METRICS_CONCURRENCY,
    WH_METRICS_IN_FLIGHT,
    WH_METRICS_BACKPRESSURE,
    WH_METRICS_BACKPRESSURE_REASON,
    WH_METRICS_JOB_STARTED,
    WH_METRICS_JOB_COMPLETED,
    WH_METRICS_JOB_FAILED,
    WH_METRICS_PAYLOAD_REFUSED,
    WH_METRICS_WAIT,
    WH_METRICS_RUN,
    WH_METRICS_FENCED,
    WH_METRICS_LOST,
    WH_METRICS_SNOOZED_OFTEN,
    WH_METRICS_REDIS_UP,
    WH_METRICS_REDIS_REQUESTS,
    WH_METRICS_REDIS_ERRORS,
    WH_METRICS_REDIS_RECONNECTS,
    WH_METRICS_REDIS_DURATION,
    WH_METRICS_CHILDREN,
    WH_METRICS_HEALTHY,
    WH_METRICS_CRASHES,
    WH_METRICS_TIMEOUTS,
    WH_METRICS_MEMORY,
    WH_METRICS_LAG,
    WH_METRICS_BUILD,
    WH_METRICS_RSS,
    WH_METRICS_CPU,
    WH_METRICS_FDS,
    WH_METRICS_FAMILIES
} wh_metrics_family;

typedef struct wh_metrics_queue {
    wh_stats_series *processed, *errors, *error_rate, *in_flight, *fenced, *lost,
        *snoozed_often;
    uint64_t new_ended, new_errors; /* since the average was last brought up to date */
    double ended, errored;          /* decayed sums */
} wh_metrics_queue;

typedef struct wh_metrics_job {
    wh_stats_series *started, *completed, *failed, *refused, *wait, *run;
} wh_metrics_job;

/* What an executor or connection had counted when we last looked. */
typedef struct wh_metrics_handler {
    uint64_t crashed, killed_timeout, killed_memory;
} wh_metrics_handler;

struct wh_metrics {
    wh_stats *stats;
    wh_stats_family *families[WH_METRICS_FAMILIES];
    wh_stats_series *ops[WH_METRICS_OPS];
    const wh_partitions *partitions;
    const wh_registry *registry;
    wh_metrics_queue *queues; /* of each partition */
    wh_metrics_job *types;    /* partitions x n_types */
    size_t n_types;
    wh_metrics_handler *handlers;
    wh_conn_counters redis;
    double cpu_s;
    int64_t averaged_us;
};

#endif
