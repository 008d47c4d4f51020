/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families, and the series that hot paths count in. The type label is the name of the
 * handler ("*" for all others), so label values come from the configuration, not from
 * jobs. Gauges are set in metrics_now.c when /metrics is asked.
 */
#include "common/base/alloc.h"
#include "generated/version.h"
#include "worker/metrics_internal.h"

static const char *const labels_region[] = {"region", NULL};
static const char *const labels_reason[] = {"region", "reason", NULL};
static const char *const labels_queue[] = {"region", "queue", NULL};
static const char *const labels_type[] = {"region", "queue", "type", NULL};
static const char *const labels_job[] = {"queue", "type", NULL};
static const char *const labels_handler[] = {"type", NULL};
static const char *const labels_op[] = {"op", NULL};
static const char *const labels_build[] = {"version", NULL};

static const struct {
    const char *name, *help;
    wh_stats_type type;
    const char *const *labels;
} table[WH_METRICS_FAMILIES] = {
    [WH_METRICS_PROCESSED] = {"region_worker_processed_total",
                              "Attempts that ended, however they ended.",
                              WH_STATS_COUNTER, labels_queue},
    [WH_METRICS_ERRORS] = {"region_worker_errors_total",
                           "Attempts that ended with an error.", WH_STATS_COUNTER,
                           labels_queue},
    [WH_METRICS_ERROR_RATE] =
        {"region_worker_error_rate",
         "Share of attempts that failed, 0 to 1, moving average of "
         "about a minute.",
         WH_STATS_GAUGE, labels_queue},
    [WH_METRICS_CONCURRENCY] = {"region_worker_concurrency",
                                "Jobs this worker may run at once.", WH_STATS_GAUGE,
                                labels_region},
    [WH_METRICS_IN_FLIGHT] = {"region_worker_in_flight",
                              "Claimed jobs that wait for a handler or run.",
                              WH_STATS_GAUGE, labels_queue},
    [WH_METRICS_BACKPRESSURE] = {"region_worker_backpressure",
                                 "Jobs held over jobs allowed, 0 to 1; 1 while "
                                 "it claims nothing.",
                                 WH_STATS_GAUGE, labels_region},
    [WH_METRICS_BACKPRESSURE_REASON] = {"wherry_worker_backpressure_reason",
                                        "1 while that keeps it from claiming: slots, "
                                        "memory, busy, capacity, handlers, quiet, "
                                        "draining, redis.",
                                        WH_STATS_GAUGE, labels_reason},
    [WH_METRICS_JOB_STARTED] = {"region_worker_job_started_total",
                                "Jobs handed to a handler.", WH_STATS_COUNTER,
                                labels_type},
    [WH_METRICS_JOB_COMPLETED] = {"region_worker_job_completed_total",
                                  "Jobs that a handler completed.", WH_STATS_COUNTER,
                                  labels_type},
    [WH_METRICS_JOB_FAILED] = {"region_worker_job_failed_total",
                               "Attempts that a handler failed.", WH_STATS_COUNTER,
                               labels_type},
    [WH_METRICS_PAYLOAD_REFUSED] =
        {"wherry_worker_payload_refused_total",
         "Jobs whose payload did not fit the handler's schema.", WH_STATS_COUNTER,
         labels_type},
    [WH_METRICS_WAIT] = {"wherry_job_wait_seconds", "From due to handed to a handler.",
                         WH_STATS_HISTOGRAM, labels_job},
    [WH_METRICS_RUN] = {"wherry_job_run_seconds", "Run time of handlers.",
                        WH_STATS_HISTOGRAM, labels_job},
    [WH_METRICS_FENCED] = {"wherry_fenced_total",
                           "Results that Redis refused because the claim was not ours.",
                           WH_STATS_COUNTER, labels_queue},
    [WH_METRICS_LOST] = {"wherry_leases_lost_total",
                         "Claims that were lost while their job was here.",
                         WH_STATS_COUNTER, labels_queue},
    [WH_METRICS_SNOOZED_OFTEN] =
        {"wherry_snoozed_often_total",
         "Snoozes of jobs that were claimed over a hundred times more "
         "often than they failed.",
         WH_STATS_COUNTER, labels_queue},
    [WH_METRICS_REDIS_UP] = {"wherry_redis_up",
                             "1 while connected and the function library is in place.",
                             WH_STATS_GAUGE, NULL},
    [WH_METRICS_REDIS_REQUESTS] = {"wherry_redis_requests_total",
                                   "Requests sent to Redis.", WH_STATS_COUNTER, NULL},
    [WH_METRICS_REDIS_ERRORS] = {"wherry_redis_errors_total",
                                 "Requests that Redis or the connection failed.",
                                 WH_STATS_COUNTER, NULL},
    [WH_METRICS_REDIS_RECONNECTS] = {"wherry_redis_reconnects_total",
                                     "Connections made after the first.",
                                     WH_STATS_COUNTER, NULL},
    [WH_METRICS_REDIS_DURATION] = {"wherry_redis_request_duration_seconds",
                                   "From sending a request to its reply.",
                                   WH_STATS_HISTOGRAM, labels_op},
    [WH_METRICS_CHILDREN] = {"wherry_executor_children",
                             "Child processes of a handler.", WH_STATS_GAUGE,
                             labels_handler},
    [WH_METRICS_HEALTHY] = {"wherry_executor_healthy",
                            "0 while a handler does not start.", WH_STATS_GAUGE,
                            labels_handler},
    [WH_METRICS_CRASHES] = {"wherry_executor_crashes_total",
                            "Child processes that crashed.", WH_STATS_COUNTER,
                            labels_handler},
    [WH_METRICS_TIMEOUTS] = {"wherry_executor_timeouts_total",
                             "Child processes killed because a job took too long.",
                             WH_STATS_COUNTER, labels_handler},
    [WH_METRICS_MEMORY] = {"wherry_executor_memory_kills_total",
                           "Child processes killed over their memory limit.",
                           WH_STATS_COUNTER, labels_handler},
    [WH_METRICS_LAG] = {"wherry_event_loop_lag_seconds",
                        "Longest turn of the event loop since the last scrape.",
                        WH_STATS_GAUGE, NULL},
    [WH_METRICS_BUILD] = {"wherry_build_info", "Always 1; the version is a label.",
                          WH_STATS_GAUGE, labels_build},
    [WH_METRICS_RSS] = {"process_resident_memory_bytes", "Resident memory.",
                        WH_STATS_GAUGE, NULL},
    [WH_METRICS_CPU] = {"process_cpu_seconds_total", "User and system CPU time.",
                        WH_STATS_COUNTER, NULL},
    [WH_METRICS_FDS] = {"process_open_fds", "Open file descriptors.", WH_STATS_GAUGE,
                        NULL},
};

wh_err wh_metrics_new(wh_metrics **out)
{
    *out = NULL;
    wh_metrics *m = wh_calloc(1, sizeof *m);

    if (m == NULL) {
        return WH_ENOMEM;
    }
    wh_err err = wh_stats_new(&m->stats);
    for (size_t i = 0; i < WH_METRICS_FAMILIES && err == WH_OK; i++) {
        bool is_histogram = table[i].type == WH_STATS_HISTOGRAM;
        wh_stats_desc desc = {.name = table[i].name,
                              .help = table[i].help,
                              .type = table[i].type,
                              .labels = table[i].labels,
                              .bounds = is_histogram ? wh_stats_time_bounds : NULL,
                              .n_bounds = is_histogram ? wh_stats_n_time_bounds : 0};

        err = wh_stats_family_add(m->stats, &desc, &m->families[i]);
    }
    if (err != WH_OK) {
        wh_metrics_free(m);
        return err;
    }
    static const char *const ops[WH_METRICS_OPS] = {[WH_METRICS_CYCLE] = "cycle",
                                                    [WH_METRICS_HEARTBEAT] =
                                                        "heartbeat",
                                                    [WH_METRICS_RESYNC] = "resync"};
    for (size_t i = 0; i < WH_METRICS_OPS; i++) {
        m->ops[i] = wh_stats_series_get(m->families[WH_METRICS_REDIS_DURATION], ops[i],
                                        NULL, NULL);
    }
    wh_stats_set(
        wh_stats_series_get(m->families[WH_METRICS_BUILD], WH_VERSION, NULL, NULL), 1);
    *out = m;
    return WH_OK;
}

void wh_metrics_free(wh_metrics *m)
{
    if (m == NULL) {
        return;
    }
    wh_stats_free(m->stats);
    wh_free(m->queues);
    wh_free(m->types);
    wh_free(m->handlers);
    wh_free(m);
}

static void watch_queue(wh_metrics *m, const wh_partition *p)
{
    wh_metrics_queue *q = &m->queues[p->index];
    wh_stats_series **to[] = {&q->processed,    &q->errors, &q->error_rate,
                              &q->in_flight,    &q->fenced, &q->lost,
                              &q->snoozed_often};
    static const wh_metrics_family of[] = {
        WH_METRICS_PROCESSED,    WH_METRICS_ERRORS, WH_METRICS_ERROR_RATE,
        WH_METRICS_IN_FLIGHT,    WH_METRICS_FENCED, WH_METRICS_LOST,
        WH_METRICS_SNOOZED_OFTEN};

    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        *to[i] = wh_stats_series_get(m->families[of[i]], p->region, p->queue, NULL);
    }
}

static void watch_type(wh_metrics *m, const wh_partition *p, size_t index,
                       const char *type)
{
    wh_metrics_job *t = &m->types[p->index * m->n_types + index];

    t->started = wh_stats_series_get(m->families[WH_METRICS_JOB_STARTED], p->region,
                                     p->queue, type);
    t->completed = wh_stats_series_get(m->families[WH_METRICS_JOB_COMPLETED], p->region,
                                       p->queue, type);
    t->failed = wh_stats_series_get(m->families[WH_METRICS_JOB_FAILED], p->region,
                                    p->queue, type);
    t->refused = wh_stats_series_get(m->families[WH_METRICS_PAYLOAD_REFUSED], p->region,
                                     p->queue, type);
    t->wait = wh_stats_series_get(m->families[WH_METRICS_WAIT], p->queue, type, NULL);
    t->run = wh_stats_series_get(m->families[WH_METRICS_RUN], p->queue, type, NULL);
}

wh_err wh_metrics_watch(wh_metrics *m, const wh_partitions *ps, const wh_registry *r)
{
    size_t n_handlers = wh_registry_count(r);

    m->n_types = n_handlers + 1; /* the last one: no handler takes the type */
    m->partitions = ps;
    m->registry = r;
    m->queues = wh_calloc(ps->n, sizeof *m->queues);
    m->types = wh_calloc(ps->n * m->n_types, sizeof *m->types);
    m->handlers = wh_calloc(m->n_types, sizeof *m->handlers);
    if (m->queues == NULL || m->types == NULL || m->handlers == NULL) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < ps->n; i++) {
        watch_queue(m, &ps->list[i]);
        for (size_t k = 0; k < n_handlers; k++) {
            watch_type(m, &ps->list[i], k, wh_registry_at(r, k)->config.name);
        }
        watch_type(m, &ps->list[i], n_handlers, "no_handler");
    }
    return WH_OK;
}

static wh_metrics_job *job_of(wh_metrics *m, const wh_partition *p, const wh_handler *h)
{
    size_t index = h == NULL ? m->n_types - 1 : h->index;

    return &m->types[p->index * m->n_types + index];
}

void wh_metrics_started(wh_metrics *m, const wh_partition *p, const wh_handler *h,
                        double wait_s)
{
    wh_metrics_job *j = job_of(m, p, h);

    wh_stats_add(j->started, 1);
    wh_stats_observe(j->wait, wait_s);
}

void wh_metrics_refused(wh_metrics *m, const wh_partition *p, const wh_handler *h)
{
    wh_stats_add(job_of(m, p, h)->refused, 1);
}

void wh_metrics_ran(wh_metrics *m, const wh_partition *p, const wh_handler *h,
                    double run_s)
{
    wh_stats_observe(job_of(m, p, h)->run, run_s);
}

void wh_metrics_ended(wh_metrics *m, const wh_partition *p, const wh_handler *h,
                      wh_metrics_end end)
{
    wh_metrics_queue *q = &m->queues[p->index];

    wh_stats_add(q->processed, 1);
    q->new_ended++;
    switch (end) {
    case WH_METRICS_OK:
        wh_stats_add(job_of(m, p, h)->completed, 1);
        break;
    case WH_METRICS_FAILED:
        wh_stats_add(job_of(m, p, h)->failed, 1);
        wh_stats_add(q->errors, 1);
        q->new_errors++;
        break;
    case WH_METRICS_OTHER:
        break;
    }
}

void wh_metrics_fenced(wh_metrics *m, const wh_partition *p, size_t n)
{
    wh_stats_add(m->queues[p->index].fenced, (double)n);
}

void wh_metrics_lost(wh_metrics *m, const wh_partition *p, size_t n)
{
    wh_stats_add(m->queues[p->index].lost, (double)n);
}

void wh_metrics_snoozed_often(wh_metrics *m, const wh_partition *p)
{
    wh_stats_add(m->queues[p->index].snoozed_often, 1);
}

void wh_metrics_request(wh_metrics *m, wh_metrics_op op, double seconds)
{
    wh_stats_observe(m->ops[op], seconds);
}
