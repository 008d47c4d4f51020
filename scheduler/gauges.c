/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gauges and counters of queues. Names follow Prometheus' conventions; labels are region
 * and queue only, never org or id.
 */
#include "scheduler/gauges.h"

#include "common/base/alloc.h"
#include "generated/version.h"

#include <string.h>

struct wh_gauges {
    wh_stats *stats;
    wh_stats_family *jobs, *oldest, *paused, *orgs, *workers, *idle, *dlq, *events,
        *lost;
    wh_stats_family *chore_calls, *chore_moved, *chore_seconds, *partitions, *build;
};

/* Fields of wh1_stats that become wherry_queue_jobs{state}. */
static const struct {
    const char *field, *state;
} states[] = {{"pending", "pending"},
              {"scheduled", "scheduled"},
              {"in_progress", "in_progress"},
              {"kept", "finished"},
              {"dead", "failed"}};

/* Counters of wh1_stats: wherry_jobs_total{event}. */
static const struct {
    const char *field, *event;
} counters[WH_GAUGES_COUNTERS] = {
    {"enqueued", "enqueued"},   {"claimed", "claimed"},
    {"completed", "completed"}, {"retried", "retried"},
    {"dead_total", "dead"},     {"snoozed", "snoozed"},
    {"released", "released"},   {"cancelled", "cancelled"},
    {"expired", "expired"},     {"recovered", "recovered"},
    {"fenced", "fenced"},       {"workers_lost", "worker_lost"},
    {"replayed", "replayed"},   {"purged", "purged"},
    {"promoted", "promoted"},   {"cron_fired", "cron_fired"},
};

static const char *const by_queue[] = {"region", "queue", NULL};
static const char *const by_state[] = {"region", "queue", "state", NULL};
static const char *const by_event[] = {"region", "queue", "event", NULL};
static const char *const by_chore[] = {"chore", NULL};
static const char *const by_chore_outcome[] = {"chore", "outcome", NULL};
static const char *const by_version[] = {"version", NULL};

typedef struct family_row {
    wh_stats_family **slot;
    wh_stats_desc desc;
} family_row;

static wh_err add_families(wh_gauges *g)
{
    const family_row rows[] = {
        {&g->jobs,
         {"wherry_queue_jobs", "Jobs of a queue by state.", WH_STATS_GAUGE, by_state,
          NULL, 0, 0}},
        {&g->oldest,
         {"wherry_queue_oldest_job_age_seconds",
          "Age of the oldest ready job among the orgs that come next.", WH_STATS_GAUGE,
          by_queue, NULL, 0, 0}},
        {&g->paused,
         {"wherry_queue_paused", "1 while the queue is paused.", WH_STATS_GAUGE,
          by_queue, NULL, 0, 0}},
        {&g->orgs,
         {"wherry_queue_orgs", "Orgs with ready jobs.", WH_STATS_GAUGE, by_queue, NULL,
          0, 0}},
        {&g->workers,
         {"wherry_workers", "Live workers of a queue.", WH_STATS_GAUGE, by_queue, NULL,
          0, 0}},
        {&g->idle,
         {"wherry_workers_idle", "Workers that wait for a call.", WH_STATS_GAUGE,
          by_queue, NULL, 0, 0}},
        {&g->dlq,
         {"wherry_dlq_entries", "Entries of the dead-letter queue.", WH_STATS_GAUGE,
          by_queue, NULL, 0, 0}},
        {&g->events,
         {"wherry_jobs_total", "What happened to jobs.", WH_STATS_COUNTER, by_event,
          NULL, 0, 0}},
        {&g->lost,
         {"wherry_data_loss_suspected_total",
          "Times that a queue's counters went backwards in Redis.", WH_STATS_COUNTER,
          by_queue, NULL, 0, 0}},
        {&g->chore_calls,
         {"wherry_scheduler_chores_total", "Calls of the scheduler's chores.",
          WH_STATS_COUNTER, by_chore_outcome, NULL, 0, 0}},
        {&g->chore_moved,
         {"wherry_scheduler_moved_total", "Jobs that chores moved.", WH_STATS_COUNTER,
          by_chore, NULL, 0, 0}},
        {&g->chore_seconds,
         {"wherry_scheduler_chore_duration_seconds", "Time from call to reply.",
          WH_STATS_HISTOGRAM, by_chore, wh_stats_time_bounds, wh_stats_n_time_bounds,
          0}},
        {&g->partitions,
         {"wherry_scheduler_partitions", "Partitions served.", WH_STATS_GAUGE, NULL,
          NULL, 0, 0}},
        {&g->build,
         {"wherry_build_info", "Version of this program.", WH_STATS_GAUGE, by_version,
          NULL, 0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wh_err err = wh_stats_family_add(g->stats, &rows[i].desc, rows[i].slot);
        if (err)
            return err;
    }
    return WH_OK;
}

wh_err wh_gauges_new(wh_gauges **out)
{
    *out = NULL;
    wh_gauges *g = wh_calloc(1, sizeof *g);
    if (!g)
        return WH_ENOMEM;
    wh_err err = wh_stats_new(&g->stats);
    if (!err)
        err = add_families(g);
    if (err) {
        wh_gauges_free(g);
        return err;
    }
    wh_stats_set(wh_stats_series_get(g->build, WH_VERSION, NULL, NULL), 1);
    *out = g;
    return WH_OK;
}

void wh_gauges_free(wh_gauges *g)
{
    if (!g)
        return;
    wh_stats_free(g->stats);
    wh_free(g);
}

wh_stats *wh_gauges_stats(wh_gauges *g)
{
    return g->stats;
}

/* The value behind a name in a flat reply; dflt when absent. */
static int64_t field(const wh_reply *flat, const char *name, int64_t dflt)
{
    size_t len = strlen(name);
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice s = wh_reply_str(wh_reply_at(flat, i));
        if (s.n == len && memcmp(s.p, name, len) == 0)
            return wh_reply_int(wh_reply_at(flat, i + 1), dflt);
    }
    return dflt;
}

static void set(wh_stats_family *f, const char *region, const char *queue, int64_t v)
{
    wh_stats_set(wh_stats_series_get(f, region, queue, NULL), (double)v);
}

bool wh_gauges_update(wh_gauges *g, const char *region, const char *queue,
                      const wh_reply *flat, wh_gauges_last *last)
{
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        wh_stats_set(wh_stats_series_get(g->jobs, region, queue, states[i].state),
                     (double)field(flat, states[i].field, 0));
    int64_t oldest = field(flat, "oldest_ms", -1);
    wh_stats_set(wh_stats_series_get(g->oldest, region, queue, NULL),
                 oldest < 0 ? 0 : (double)oldest / 1000);
    set(g->paused, region, queue, field(flat, "paused", 0));
    set(g->orgs, region, queue, field(flat, "orgs", 0));
    set(g->workers, region, queue, field(flat, "workers", 0));
    set(g->idle, region, queue, field(flat, "idle", 0));
    set(g->dlq, region, queue, field(flat, "dead", 0));
    bool backwards = false;
    for (size_t i = 0; i < WH_GAUGES_COUNTERS; i++) {
        int64_t now = field(flat, counters[i].field, 0),
                before = last->known ? last->value[i] : now;
        if (now < before)
            backwards = true;
        else
            wh_stats_add(
                wh_stats_series_get(g->events, region, queue, counters[i].event),
                (double)(now - before));
        last->value[i] = now;
    }
    last->known = 1;
    /* There from the start, so that an alert on its increase sees the first one. */
    wh_stats_add(wh_stats_series_get(g->lost, region, queue, NULL), backwards ? 1 : 0);
    return backwards;
}

void wh_gauges_chore(wh_gauges *g, const char *chore, wh_err err, int64_t moved,
                     int64_t us)
{
    wh_stats_add(wh_stats_series_get(g->chore_calls, chore, wh_err_name(err), NULL), 1);
    if (err)
        return;
    wh_stats_add(wh_stats_series_get(g->chore_moved, chore, NULL, NULL), (double)moved);
    wh_stats_observe(wh_stats_series_get(g->chore_seconds, chore, NULL, NULL),
                     (double)us / 1e6);
}

void wh_gauges_partitions(wh_gauges *g, size_t n)
{
    wh_stats_set(wh_stats_series_get(g->partitions, NULL, NULL, NULL), (double)n);
}
