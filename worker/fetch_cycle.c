/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle: built from the pending finishes and a wish, sent, its reply worked in. Its
 * batch of slots is either confirmed (reply), put back (no reply, or refused) or dropped
 * (the lease is lost).
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "worker/fetch_internal.h"
#include "worker/finish.h"

enum {
    NEAR_DUE_MS = 5000,
    VAIN_MAX = 9,          /* 2 ms << 9: about a second */
    EARLIER_MAX_US = 1000, /* Redis says milliseconds, cut */
    OFFSET_JUMP_US = 100000
};

static void drop(wh_fetch_cycle *c, const char *why)
{
    wh_fetch *f = c->lane->fetch;
    size_t n = c->batch.count;
    wh_slot *slot = NULL;

    while ((slot = wh_slots_pop(&c->batch)) != NULL) {
        wh_dispatch_confirm(f->o.dispatch, slot);
    }
    if (n > 0) {
        wh_metrics_lost(f->o.metrics, c->lane->p, n);
        WH_LOG_LIMITED(WARN, 12, "finish.dropped", WH_F_STR("queue", c->lane->p->queue),
                       WH_F_INT("jobs", n), WH_F_STR("why", why));
    }
}

/* Redis refused a batch for its content: send them one at a time, and the one that is
 * refused alone without its texts; if even that fails, a resync gives it back. */
static void isolate(wh_fetch_cycle *c)
{
    wh_fetch_lane *lane = c->lane;

    if (c->batch.count != 1) {
        lane->one_by_one = c->batch.count > 1;
        return;
    }
    wh_slot *slot = c->batch.first;
    if (!wh_finish_degrade(slot)) {
        WH_LOG(ERROR, "finish.refused", WH_F_STR("queue", lane->p->queue),
               WH_F_STR("type", slot->job == NULL ? "" : slot->job->type));
        drop(c, "refused by Redis twice");
    }
}

static void fail(wh_fetch_cycle *c, wh_err err, const wh_errbuf *eb)
{
    wh_fetch_lane *lane = c->lane;
    wh_fetch *f = lane->fetch;
    bool is_current = c->generation == lane->p->generation;

    if (err == WH_ELOST || !is_current) {
        drop(c, "the lease was lost");
        if (is_current) {
            f->o.on_lost(f->o.arg, lane->p, eb == NULL ? "" : eb->text);
        }
        return;
    }
    if (err == WH_EINVAL || err == WH_ETOOBIG) {
        isolate(c);
    }
    wh_finish_requeue(lane->p, &c->batch);
    if (err != WH_ECANCELED) {
        wh_fetch_failed(lane, err, "cycle", eb);
    }
}

static void settle(wh_fetch_cycle *c, const wh_store_cycle *r)
{
    wh_fetch *f = c->lane->fetch;
    wh_slot *slot = NULL;

    if (r->n_fenced > 0) {
        wh_metrics_fenced(f->o.metrics, c->lane->p, r->n_fenced);
        WH_LOG_LIMITED(WARN, 12, "finish.fenced", WH_F_STR("queue", c->lane->p->queue),
                       WH_F_INT("jobs", r->n_fenced));
    }
    while ((slot = wh_slots_pop(&c->batch)) != NULL) {
        wh_dispatch_confirm(f->o.dispatch, slot);
    }
}

static void set_paused(wh_partition *p, bool paused)
{
    if (p->paused != paused && !p->quiet) {
        p->paused = paused;
        WH_LOG(INFO, paused ? "queue.paused" : "queue.resumed",
               WH_F_STR("queue", p->queue), WH_F_STR("region", p->region));
    }
}

/* How much earlier than next_due_ms behind this reply it is due: what was cut off Redis' clock, and what
 * the reply took more than others. Without it each turn of a rate would begin a little
 * later than the one before. */
static int64_t earlier_us(wh_fetch_lane *lane, int64_t now_us, int64_t redis_ms)
{
    int64_t offset_us = now_us - redis_ms * 1000;
    int64_t more_us = offset_us - lane->offset_us;

    if (lane->offset_us == 0 || more_us < 0 || more_us > OFFSET_JUMP_US) {
        lane->offset_us = offset_us;
        return 0;
    }
    lane->offset_us += more_us / 256; /* clocks drift */
    return more_us < EARLIER_MAX_US ? more_us : EARLIER_MAX_US;
}

/* Something falls due soon: a rate admits a job, a delayed one is ready. All idle workers hear of it, and
 * where no scheduler runs nobody rings. The one that got a job so the last time comes at that time; who
 * came in vain stays away for up to twice as long the next time, so that few come at once. */
static void learn_due(wh_fetch_cycle *c, const wh_store_cycle *r)
{
    wh_fetch_lane *lane = c->lane;
    int64_t now = wh_clock_mono_us();
    int64_t earlier = earlier_us(lane, now, r->now_ms);

    if (c->is_timed) {
        lane->vain = r->n_claims > 0 ? 0 : lane->vain + (lane->vain < VAIN_MAX);
    }
    lane->is_due_next = r->next_due_ms >= 0 && r->next_due_ms < NEAR_DUE_MS;
    if (!lane->is_due_next) {
        lane->ask_at_us = wh_fetch_ask_later(now);
        return;
    }
    int64_t later = lane->vain == 0 ? 0 : (int64_t)wh_rng_below(2000U << lane->vain);
    lane->ask_at_us = now + r->next_due_ms * 1000 - earlier + later;
    wh_fetch_wake_at(lane->fetch, lane->ask_at_us);
}

/* Is there probably more? A ring that came while this cycle was under way still counts:
 * it may be younger than what the reply says. */
static void learn(wh_fetch_cycle *c, const wh_store_cycle *r)
{
    wh_fetch_lane *lane = c->lane;
    bool more = (r->flags & WH_STORE_MORE) != 0;

    if (c->want > 0) {
        set_paused(lane->p, (r->flags & WH_STORE_PAUSED) != 0);
        if (more || (r->n_claims == c->want && (r->flags & WH_STORE_IDLE) == 0)) {
            lane->maybe_ready = true;
        } else if (lane->rings == c->rings) {
            lane->maybe_ready = false;
        }
    } else if (more) {
        lane->maybe_ready = true;
    }
    learn_due(c, r);
}

static void succeed(wh_fetch_cycle *c, const wh_store_cycle *r)
{
    wh_fetch_lane *lane = c->lane;
    wh_fetch *f = lane->fetch;

    lane->failures = 0;
    settle(c, r);
    if (lane->one_by_one && lane->p->pending.count == 0) {
        lane->one_by_one = false;
    }
    if (c->generation != lane->p->generation) {
        return; /* its claims belong to a worker that is no more; their lease runs out */
    }
    learn(c, r);
    if (!wh_dispatch_claims(f->o.dispatch, lane->p, r)) {
        lane->p->needs_resync = true;
    }
}

static void on_cycle(void *arg, wh_err err, const wh_errbuf *eb,
                     const wh_store_cycle *r)
{
    wh_fetch_cycle *c = arg;
    wh_fetch_lane *lane = c->lane;
    wh_fetch *f = lane->fetch;

    lane->in_flight--;
    f->in_flight--;
    f->want_in_flight -= c->want;
    int64_t now_us = wh_clock_mono_us();
    int64_t took_us = now_us - c->sent_us;
    wh_metrics_request(f->o.metrics, WH_METRICS_CYCLE, (double)took_us / 1e6);
    if (err == WH_OK) {
        wh_ahead_reply(wh_dispatch_ahead(f->o.dispatch), took_us, now_us);
        succeed(c, r);
    } else {
        fail(c, err, eb);
    }
    c->in_use = false;
    wh_fetch_kick(f);
    f->o.on_progress(f->o.arg);
}

static wh_fetch_cycle *free_cycle(wh_fetch_lane *lane)
{
    for (size_t i = 0; i < WH_FETCH_CYCLES_MAX; i++) {
        if (!lane->cycles[i].in_use) {
            return &lane->cycles[i];
        }
    }
    return NULL;
}

void wh_fetch_cycle_send(wh_fetch_lane *lane, size_t want)
{
    wh_fetch *f = lane->fetch;
    wh_fetch_cycle *c = free_cycle(lane);

    WH_ASSERT(c != NULL);
    *c = (wh_fetch_cycle){.lane = lane,
                          .want = want,
                          .is_timed = lane->is_timed && want > 0,
                          .generation = lane->p->generation,
                          .rings = lane->rings,
                          .sent_us = wh_clock_mono_us()};
    size_t n = wh_finish_take(lane->p, lane->one_by_one ? 1 : WH_JOB_BATCH_MAX,
                              &c->batch, f->finishes);
    if (n > 0 && f->o.before_finish != NULL) {
        f->o.before_finish(f->o.arg, lane->p);
    }
    wh_store_cycle_args a = {.partition = lane->p->key,
                             .worker = lane->p->worker,
                             .want = (unsigned)want,
                             .finishes = f->finishes,
                             .n_finishes = n,
                             .over_bell = f->o.over_bell};
    wh_err err = wh_store_do_cycle(f->o.store, &a, on_cycle, c);
    if (err != WH_OK) {
        wh_finish_requeue(lane->p, &c->batch);
        wh_fetch_failed(lane, err, "cycle", NULL);
        return;
    }
    c->in_use = true;
    lane->pass_bell = lane->is_timed = false;
    lane->in_flight++;
    lane->epoch++;
    f->in_flight++;
    f->want_in_flight += want;
}
