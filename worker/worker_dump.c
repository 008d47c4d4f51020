/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGUSR1: the state as log lines: the worker, each partition, each handler, and the jobs
 * here (the first 100). Payloads are never shown.
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/worker_internal.h"

enum { JOBS_MAX = 100 };

static void dump_partition(const wh_worker *w, const wh_partition *p)
{
    WH_LOG(INFO, "dump.partition", WH_F_STR("region", p->region),
           WH_F_STR("queue", p->queue), WH_F_STR("incarnation", p->worker),
           WH_F_BOOL("registered", p->registered), WH_F_BOOL("paused", p->paused),
           WH_F_BOOL("quiet", p->quiet), WH_F_BOOL("needs_resync", p->needs_resync),
           WH_F_DBL("weight", p->weight),
           WH_F_INT("waiting", p->count[WH_SLOT_WAITING]),
           WH_F_INT("running", p->count[WH_SLOT_RUNNING]),
           WH_F_INT("finishing", p->count[WH_SLOT_FINISHING]),
           WH_F_INT("lost", p->count[WH_SLOT_LOST]),
           WH_F_INT("in_flight", wh_fetch_in_flight_of(w->fetch, p)));
}

static void dump_handler(const wh_handler *h)
{
    wh_executor_stats s = {0};

    if (h->executor == NULL) {
        return;
    }
    h->kind->stats(h->executor, &s);
    WH_LOG(INFO, "dump.handler", WH_F_STR("type", h->config.name),
           WH_F_STR("kind", h->kind->name), WH_F_BOOL("healthy", s.healthy),
           WH_F_STR("why", s.why), WH_F_INT("children", s.children),
           WH_F_INT("busy", s.busy), WH_F_INT("queued", s.queued),
           WH_F_INT("waiting", h->waiting.count),
           WH_F_INT("capacity", h->kind->capacity(h->executor)),
           WH_F_INT("spawned", s.spawned), WH_F_INT("crashed", s.crashed),
           WH_F_INT("timeouts", s.killed_timeout));
}

static void dump_job(const wh_slot *slot, int64_t now_us)
{
    char id[WH_UUID_TEXT + 1] = "";

    if (slot->job != NULL) {
        wh_rng_uuid_format(slot->job->id, id);
    }
    WH_LOG(INFO, "dump.job", WH_F_STR("job", id),
           WH_F_STR("state", wh_slots_state_name(slot->state)),
           WH_F_STR("type", slot->job == NULL ? "" : slot->job->type),
           WH_F_STR("org", slot->job == NULL ? "" : slot->job->org),
           WH_F_STR("queue", slot->partition->queue),
           WH_F_INT("attempt", slot->job == NULL ? 0 : slot->job->attempt),
           WH_F_INT("age_ms", (now_us - slot->claimed_us) / 1000));
}

void wh_worker_dump(const wh_worker *w)
{
    const wh_slots *slots = wh_dispatch_slots(w->dispatch);
    int64_t now_us = wh_clock_mono_us();
    const wh_slot *slot = NULL;
    int jobs = 0;

    WH_LOG(INFO, "dump.worker", WH_F_STR("name", w->name),
           WH_F_STR("state", wh_worker_state_name(w->state)),
           WH_F_BOOL("quiet", w->is_quiet), WH_F_INT("slots", w->slots),
           WH_F_INT("held", wh_slots_held(slots)),
           WH_F_INT("room", wh_dispatch_room(w->dispatch)),
           WH_F_STR("backpressure", wh_worker_backpressure(w)),
           WH_F_BOOL("redis", wh_store_is_ready(w->store)),
           WH_F_STR("redis_error", wh_store_error(w->store)),
           WH_F_INT("log_dropped", wh_log_dropped()));
    for (size_t i = 0; i < w->partitions.n; i++) {
        dump_partition(w, &w->partitions.list[i]);
    }
    for (size_t i = 0; i < wh_registry_count(w->registry); i++) {
        dump_handler(wh_registry_at(w->registry, i));
    }
    for (size_t at = 0; jobs < JOBS_MAX && (slot = wh_slots_next(slots, &at)) != NULL;
         jobs++) {
        dump_job(slot, now_us);
    }
}
