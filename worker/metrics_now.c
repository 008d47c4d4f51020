/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gauges and taken-over counters, brought up to date when somebody asks. The error rate
 * is the ratio of two sums that decay over a minute of time, so it does not depend on how
 * often one asks.
 */
#include "common/io/child.h"
#include "worker/metrics_internal.h"

#include <dirent.h>
#include <sys/resource.h>

/* e^(-age/60 s): in whole seconds, and straight within one. */
static double decay(double age_s)
{
    double keep = 1;

    if (age_s > 1200) {
        return 0;
    }
    for (; age_s >= 1; age_s -= 1) {
        keep *= 0.98347145382161749; /* e^(-1/60) */
    }
    return keep * (1 - age_s / 60);
}

static wh_stats_series *single(const wh_metrics *m, wh_metrics_family f)
{
    return wh_stats_series_get(m->families[f], NULL, NULL, NULL);
}

static void add_since(wh_stats_series *s, uint64_t now, uint64_t *then)
{
    if (now > *then) {
        wh_stats_add(s, (double)(now - *then));
    }
    *then = now;
}

static void average(wh_metrics *m, int64_t now_us)
{
    double age_s = m->averaged_us == 0 ? 0 : (double)(now_us - m->averaged_us) / 1e6;
    double keep = decay(age_s);

    m->averaged_us = now_us;
    for (size_t i = 0; i < m->partitions->n; i++) {
        wh_metrics_queue *q = &m->queues[i];

        q->ended = q->ended * keep + (double)q->new_ended;
        q->errored = q->errored * keep + (double)q->new_errors;
        q->new_ended = q->new_errors = 0;
        wh_stats_set(q->error_rate, q->ended > 1e-9 ? q->errored / q->ended : 0);
    }
}

static void print_backpressure(wh_metrics *m, const wh_metrics_now *now, double share)
{
    const char *region = m->partitions->list[0].region;
    const struct {
        const char *name;
        bool is_on;
    } reasons[] = {{"slots", share >= 1},
                   {"memory", now->pressure.memory},
                   {"busy", now->pressure.busy},
                   {"capacity", now->pressure.capacity},
                   {"handlers", now->pressure.handlers},
                   {"quiet", now->is_quiet},
                   {"draining", now->is_draining},
                   {"redis", !wh_store_is_ready(now->store)}};

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        wh_stats_set(wh_stats_series_get(m->families[WH_METRICS_BACKPRESSURE_REASON],
                                         region, reasons[i].name, NULL),
                     reasons[i].is_on ? 1 : 0);
        share = reasons[i].is_on ? 1 : share;
    }
    wh_stats_set(
        wh_stats_series_get(m->families[WH_METRICS_BACKPRESSURE], region, NULL, NULL),
        share);
}

static void print_jobs(wh_metrics *m, const wh_metrics_now *now)
{
    size_t held = 0;

    for (size_t i = 0; i < m->partitions->n; i++) {
        const wh_partition *p = &m->partitions->list[i];
        size_t in_flight = p->count[WH_SLOT_WAITING] + p->count[WH_SLOT_RUNNING];

        held += in_flight + p->count[WH_SLOT_LOST];
        wh_stats_set(m->queues[i].in_flight, (double)in_flight);
    }
    const char *region = m->partitions->list[0].region;
    double share = (double)held / (double)(now->n_slots > 0 ? now->n_slots : 1);
    wh_stats_set(
        wh_stats_series_get(m->families[WH_METRICS_CONCURRENCY], region, NULL, NULL),
        (double)now->n_slots);
    print_backpressure(m, now, share);
}

static void print_redis(wh_metrics *m, const wh_metrics_now *now)
{
    wh_conn_counters c = wh_conn_counters_of(wh_store_conn(now->store));
    uint64_t again = c.connects > 0 ? c.connects - 1 : 0;

    wh_stats_set(single(m, WH_METRICS_REDIS_UP), wh_store_is_ready(now->store) ? 1 : 0);
    add_since(single(m, WH_METRICS_REDIS_REQUESTS), c.requests, &m->redis.requests);
    add_since(single(m, WH_METRICS_REDIS_ERRORS), c.errors, &m->redis.errors);
    add_since(single(m, WH_METRICS_REDIS_RECONNECTS), again, &m->redis.connects);
}

static void print_handlers(wh_metrics *m)
{
    for (size_t i = 0; i < wh_registry_count(m->registry); i++) {
        const wh_handler *h = wh_registry_at(m->registry, i);
        wh_metrics_handler *last = &m->handlers[i];
        const char *type = h->config.name;
        wh_executor_stats s = {0};

        if (h->executor == NULL) {
            continue;
        }
        h->kind->stats(h->executor, &s);
        wh_stats_set(
            wh_stats_series_get(m->families[WH_METRICS_CHILDREN], type, NULL, NULL),
            s.children);
        wh_stats_set(
            wh_stats_series_get(m->families[WH_METRICS_HEALTHY], type, NULL, NULL),
            s.healthy ? 1 : 0);
        add_since(
            wh_stats_series_get(m->families[WH_METRICS_CRASHES], type, NULL, NULL),
            s.crashed, &last->crashed);
        add_since(
            wh_stats_series_get(m->families[WH_METRICS_TIMEOUTS], type, NULL, NULL),
            s.killed_timeout, &last->killed_timeout);
        add_since(wh_stats_series_get(m->families[WH_METRICS_MEMORY], type, NULL, NULL),
                  s.killed_memory, &last->killed_memory);
    }
}

static double resident_bytes(void)
{
    int64_t bytes = wh_child_rss_self();

    return bytes > 0 ? (double)bytes : 0;
}

static double open_fds(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");

    if (d == NULL) {
        return 0;
    }
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the folder's own */
}

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void print_process(wh_metrics *m, const wh_metrics_now *now)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) == 0) {
        double cpu_s = seconds(&u.ru_utime) + seconds(&u.ru_stime);

        wh_stats_add(single(m, WH_METRICS_CPU), cpu_s - m->cpu_s);
        m->cpu_s = cpu_s;
    }
    wh_stats_set(single(m, WH_METRICS_RSS), resident_bytes());
    wh_stats_set(single(m, WH_METRICS_FDS), open_fds());
    wh_stats_set(single(m, WH_METRICS_LAG),
                 (double)wh_loop_take_lag_us(now->loop) / 1e6);
}

void wh_metrics_print(wh_metrics *m, const wh_metrics_now *now, wh_buf *out)
{
    average(m, now->now_us);
    print_jobs(m, now);
    print_redis(m, now);
    print_handlers(m);
    print_process(m, now);
    wh_stats_print(m->stats, out);
}
