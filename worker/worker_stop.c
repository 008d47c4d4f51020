/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a worker, and what may change while it lives. Handlers are killed before
 * their jobs are given back, so a job never runs at two places because of a stop.
 */
#include "common/base/log.h"
#include "worker/worker_internal.h"

#include <string.h>

enum { CANCEL_MS = 400, RELEASE_MS = 2000, LEAVE_MS = 1000 };

static void leave(wh_worker *w)
{
    wh_worker_set_state(w, WH_WORKER_LEAVING);
    wh_timer_stop(w->announce);
    wh_bell_stop(w->bell);
    wh_timer_start(w->deadline, LEAVE_MS);
    wh_heartbeat_bye(w->heartbeat);
}

static void stopped(wh_worker *w)
{
    wh_timer_stop(w->deadline);
    wh_worker_set_state(w, WH_WORKER_STOPPED);
    wh_loop_stop(w->loop);
}

void wh_worker_check(wh_worker *w)
{
    const wh_slots *s = wh_dispatch_slots(w->dispatch);
    bool is_empty = wh_slots_held(s) == 0 && wh_slots_count(s, WH_SLOT_LOST) == 0 &&
                    wh_fetch_in_flight(w->fetch) == 0;

    switch (w->state) {
    case WH_WORKER_DRAINING:
    case WH_WORKER_STOPPING:
        if (is_empty) {
            leave(w);
        }
        break;
    case WH_WORKER_LEAVING:
        if (wh_heartbeat_is_gone(w->heartbeat)) {
            stopped(w);
        }
        break;
    case WH_WORKER_STARTING:
    case WH_WORKER_RUNNING:
    case WH_WORKER_STOPPED:
    case WH_WORKER_STATE_COUNT:
        break;
    }
}

static void stop_now(wh_worker *w)
{
    wh_worker_set_state(w, WH_WORKER_STOPPING);
    wh_timer_start(w->deadline,
                   RELEASE_MS); /* first: what follows may end this state */
    wh_fetch_stop_claiming(w->fetch);
    wh_registry_kill(w->registry);
    wh_dispatch_release(w->dispatch);
    wh_worker_check(w);
}

void wh_worker_on_deadline(void *arg)
{
    wh_worker *w = arg;

    switch (w->state) {
    case WH_WORKER_DRAINING:
        if (wh_slots_count(wh_dispatch_slots(w->dispatch), WH_SLOT_RUNNING) > 0 &&
            !w->is_cancelled) {
            w->is_cancelled = true;
            WH_LOG(WARN, "worker.drain_timeout",
                   WH_F_INT("running", wh_slots_count(wh_dispatch_slots(w->dispatch),
                                                      WH_SLOT_RUNNING)));
            wh_dispatch_stop_running(w->dispatch);
            wh_timer_start(w->deadline, CANCEL_MS);
        } else {
            stop_now(w);
        }
        break;
    case WH_WORKER_STOPPING:
    case WH_WORKER_LEAVING:
        WH_LOG(ERROR, "worker.gave_up",
               WH_F_STR("why", "Redis does not answer; the leases will run out"),
               WH_F_INT("held", wh_slots_held(wh_dispatch_slots(w->dispatch))));
        w->exit = WH_EXIT_UNAVAILABLE;
        if (w->state == WH_WORKER_STOPPING) {
            leave(w);
        } else {
            stopped(w);
        }
        break;
    case WH_WORKER_STARTING:
    case WH_WORKER_RUNNING:
    case WH_WORKER_STOPPED:
    case WH_WORKER_STATE_COUNT:
        break;
    }
}

void wh_worker_stop(wh_worker *w)
{
    switch (w->state) {
    case WH_WORKER_STARTING:
    case WH_WORKER_RUNNING:
        wh_worker_set_state(w, WH_WORKER_DRAINING);
        wh_timer_start(w->deadline, w->drain_timeout_ms);
        wh_worker_tell_info(w);
        wh_fetch_stop_claiming(w->fetch);
        wh_registry_drain(w->registry);
        wh_dispatch_drain(w->dispatch);
        wh_worker_check(w);
        break;
    case WH_WORKER_DRAINING:
        stop_now(w);
        break;
    case WH_WORKER_STOPPING:
    case WH_WORKER_LEAVING:
    case WH_WORKER_STOPPED:
    case WH_WORKER_STATE_COUNT:
        break; /* under way, and bounded */
    }
}

void wh_worker_quiet(wh_worker *w)
{
    if (!w->is_quiet && w->state < WH_WORKER_DRAINING) {
        w->is_quiet = true;
        wh_fetch_stop_claiming(w->fetch);
        wh_worker_tell_info(w);
        WH_LOG(INFO, "worker.quiet", WH_F_STR("by", "signal"));
    }
}

static void reload_weights(wh_worker *w, const wh_options *fresh)
{
    for (size_t i = 0; i < w->partitions.n; i++) {
        wh_partition *p = &w->partitions.list[i];

        for (size_t k = 0; k < wh_options_queue_count(fresh); k++) {
            wh_options_queue q = wh_options_queue_at(fresh, k);

            if (strcmp(q.name, p->queue) == 0) {
                p->weight = q.weight;
            }
        }
    }
}

wh_err wh_worker_reload(wh_worker *w, const wh_options *fresh, wh_errbuf *eb)
{
    wh_err err = wh_options_check(fresh, eb);

    if (err == WH_OK) {
        err = wh_registry_reload(w->registry, fresh->handlers.items,
                                 fresh->handlers.count, eb);
    }
    if (err != WH_OK) {
        return err;
    }
    wh_log_options_apply(&fresh->log);
    reload_weights(w, fresh);
    w->slots = (size_t)fresh->slots;
    w->drain_timeout_ms = fresh->drain_timeout_ms;
    wh_dispatch_set_slots(w->dispatch, w->slots);
    wh_dispatch_ahead(w->dispatch)->is_off = !fresh->claim_ahead;
    wh_registry_set_slots(w->registry, (unsigned)w->slots);
    wh_pressure_set_limit(w->pressure, fresh->memory_limit);
    wh_fetch_reload(w->fetch, (wh_share_order)fresh->order);
    wh_worker_tell_info(w);
    return WH_OK;
}
