/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a lost reply: tells Redis every token that we hold, so that claims which never
 * reached us are given back at once, and learns which of ours are not ours any more: a
 * finish among them was accepted before, a running one was taken away. Only while no
 * cycle of the partition is in flight, since its claims would be given back, too.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/fetch_internal.h"

static void end(wh_fetch_lane *lane)
{
    wh_fetch *f = lane->fetch;

    lane->resyncing = false;
    f->in_flight--;
    wh_fetch_kick(f);
    f->o.on_progress(f->o.arg);
}

static void on_resync(void *arg, wh_err err, const wh_errbuf *eb,
                      const wh_store_resync *r)
{
    wh_fetch_lane *lane = arg;
    wh_fetch *f = lane->fetch;

    wh_metrics_request(f->o.metrics, WH_METRICS_RESYNC,
                       (double)(wh_clock_mono_us() - lane->resync_sent_us) / 1e6);
    if (lane->resync_generation != lane->p->generation) {
        end(lane);
        return;
    }
    if (err == WH_OK) {
        lane->failures = 0;
        /* It gives back so many at a time. */
        lane->p->needs_resync = r->released >= WH_JOB_BATCH_MAX;
        lane->maybe_ready = true;
        for (size_t i = 0; i < r->n_gone; i++) {
            wh_dispatch_gone(f->o.dispatch, lane->p, r->gone[i]);
        }
        if (r->released > 0 || r->n_gone > 0) {
            WH_LOG(INFO, "worker.resync", WH_F_STR("queue", lane->p->queue),
                   WH_F_STR("region", lane->p->region),
                   WH_F_INT("released", r->released), WH_F_INT("gone", r->n_gone));
        }
    } else if (err == WH_ELOST) {
        f->o.on_lost(f->o.arg, lane->p, eb == NULL ? "" : eb->text);
    } else if (err != WH_ECANCELED) {
        wh_fetch_failed(lane, err, "resync", eb);
    }
    end(lane);
}

/* All tokens held in this partition; the number, or SIZE_MAX when memory is short. */
static size_t collect(wh_fetch *f, const wh_partition *p)
{
    const wh_slots *slots = wh_dispatch_slots(f->o.dispatch);
    wh_slice *grown =
        wh_grow(f->tokens, &f->tokens_cap, wh_partition_held(p) + 1, sizeof *grown);
    const wh_slot *slot = NULL;
    size_t n = 0;

    if (grown == NULL) {
        return SIZE_MAX;
    }
    f->tokens = grown;
    for (size_t at = 0; (slot = wh_slots_next(slots, &at)) != NULL;) {
        if (slot->partition == p && slot->state != WH_SLOT_LOST) {
            f->tokens[n++] = slot->token;
        }
    }
    return n;
}

void wh_fetch_resync_start(wh_fetch_lane *lane)
{
    wh_fetch *f = lane->fetch;
    size_t n = collect(f, lane->p);
    wh_err err = n == SIZE_MAX             ? WH_ENOMEM
                 : n > WH_FETCH_TOKENS_MAX ? WH_ETOOBIG
                                           : WH_OK;

    if (err == WH_OK) {
        wh_store_resync_args a = {.partition = lane->p->key,
                                  .worker = lane->p->worker,
                                  .tokens = f->tokens,
                                  .n_tokens = n};

        err = wh_store_do_resync(f->o.store, &a, on_resync, lane);
    }
    if (err != WH_OK) {
        wh_fetch_failed(lane, err, "resync", NULL);
        return;
    }
    lane->resync_generation = lane->p->generation;
    lane->resync_sent_us = wh_clock_mono_us();
    lane->resyncing = true;
    lane->epoch++;
    f->in_flight++;
}
