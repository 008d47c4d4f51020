/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to ask and when. One timer of delay 0 gathers everything that happens in a turn of
 * the loop into one look at all partitions (flush); one clock wakes it for due times,
 * back-offs and the 5 s rule.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "worker/fetch_internal.h"

enum {
    ASK_MS = 5000,  /* a lost wake-up call costs no more than this */
    GATHER_MIN = 4, /* worth a second cycle beside one in flight */
    GATHER_MAX = 250,
    NEAR_CYCLES_MAX = 2, /* of a partition in flight: Redis and we never wait */
    ROUND_PARTS = 4,     /* over a long link: calls of a round trip */
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000
};

void wh_fetch_kick(wh_fetch *f)
{
    if (f->is_late || !wh_timer_is_running(f->flush)) {
        f->is_late = false;
        wh_timer_start(f->flush, 0);
    }
}

void wh_fetch_wake_at(wh_fetch *f, int64_t at_us)
{
    if (f->clock_at_us == 0 || at_us < f->clock_at_us) {
        int64_t now = wh_clock_mono_us();

        f->clock_at_us = at_us;
        wh_timer_start_us(f->clock, at_us > now ? at_us - now : 0);
    }
}

/* ---- whom ---- */

static size_t cycles_max(const wh_fetch *f)
{
    return wh_ahead_is_far(wh_dispatch_ahead(f->o.dispatch)) ? WH_FETCH_CYCLES_MAX
                                                             : NEAR_CYCLES_MAX;
}

/* More is held than a resync can name, as over a long link. Finishes are sent again before
 * it then, which is harmless: those that were accepted come back as fenced. */
static bool is_too_much(const wh_fetch_lane *lane)
{
    return wh_partition_held(lane->p) > WH_FETCH_TOKENS_MAX;
}

static bool may_call(const wh_fetch_lane *lane, int64_t now)
{
    return lane->p->registered && !lane->resyncing &&
           (!lane->p->needs_resync || is_too_much(lane)) &&
           lane->in_flight < cycles_max(lane->fetch) && now >= lane->not_before_us;
}

static bool may_claim(const wh_fetch_lane *lane)
{
    const wh_fetch *f = lane->fetch;

    return f->is_claiming && !f->is_held && !lane->p->quiet && !lane->p->needs_resync;
}

/* Over a long link each call carries at least its part of what is claimed ahead: with less
 * all of them were under way before the first has its reply, and Redis would have nothing
 * to do till then. */
static size_t gather_of(const wh_fetch *f)
{
    const wh_ahead *ahead = wh_dispatch_ahead(f->o.dispatch);
    size_t busy = f->want_in_flight + wh_slots_held(wh_dispatch_slots(f->o.dispatch));
    size_t each = busy / 4;
    size_t most = GATHER_MAX;

    if (wh_ahead_is_far(ahead)) {
        each = wh_ahead_round(ahead) / ROUND_PARTS;
        most = ahead->jobs / WH_FETCH_CYCLES_MAX;
        most = most < GATHER_MAX ? GATHER_MAX : most;
    }
    return each < GATHER_MIN ? GATHER_MIN : each > most ? most : each;
}

static bool is_worth_it(const wh_fetch_lane *lane, size_t want, size_t gather)
{
    size_t pending = lane->p->pending.count;

    if (lane->in_flight == 0) {
        return pending > 0 || want > 0 || lane->pass_bell;
    }
    return pending >= gather || want >= gather;
}

static void tell_lack(wh_fetch *f, size_t room)
{
    wh_lack lack = room > 0 ? WH_LACK_NOTHING : wh_dispatch_lacks(f->o.dispatch);

    if (lack != f->lack && f->o.on_lack != NULL) {
        f->lack = lack;
        f->o.on_lack(f->o.arg, lack);
    }
}

static size_t credit_of(wh_fetch *f)
{
    size_t room = wh_dispatch_room(f->o.dispatch);

    tell_lack(f, room);
    return room > f->want_in_flight ? room - f->want_in_flight : 0;
}

static void split(wh_fetch *f, size_t credit, int64_t now)
{
    size_t n = f->o.partitions->n;

    for (size_t i = 0; i < n; i++) {
        wh_fetch_lane *lane = &f->lanes[i];

        f->shares[i].wants =
            lane->maybe_ready && may_call(lane, now) && may_claim(lane);
        f->shares[i].weight = lane->p->weight;
    }
    wh_share_split(f->shares, n, f->o.order, credit, WH_JOB_BATCH_MAX);
}

/* A cycle that goes anyway asks for what nobody else wants: one round trip less. */
static size_t extra(const wh_fetch_lane *lane, size_t left)
{
    size_t pending = lane->p->pending.count;

    return !may_claim(lane) || lane->maybe_ready ? 0 : pending < left ? pending : left;
}

static void resync_if_due(wh_fetch_lane *lane, int64_t now)
{
    if (lane->p->registered && lane->p->needs_resync && !lane->resyncing &&
        lane->in_flight == 0 && now >= lane->not_before_us && !is_too_much(lane)) {
        wh_fetch_resync_start(lane);
    }
}

/* What waited too long went back with calls that wanted nothing: Redis does not count on us
 * since then, and nobody would ring. */
static void ask_after_hold(wh_fetch *f)
{
    bool is_holding = wh_dispatch_is_holding(f->o.dispatch);

    for (size_t i = 0; f->was_holding && !is_holding && i < f->o.partitions->n; i++) {
        f->lanes[i].maybe_ready = true;
    }
    f->was_holding = is_holding;
}

static void look(wh_fetch *f)
{
    int64_t now = wh_clock_mono_us();
    int64_t again_us = wh_dispatch_turn(f->o.dispatch, now);

    if (again_us > 0) {
        wh_fetch_wake_at(f, again_us);
    }
    ask_after_hold(f);
    size_t credit = credit_of(f);
    size_t gather = gather_of(f);
    size_t left = credit;

    split(f, credit, now);
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        left -= f->shares[i].got;
    }
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        wh_fetch_lane *lane = &f->lanes[i];
        size_t want = f->shares[i].got;

        resync_if_due(lane, now);
        while (may_call(lane, now) && is_worth_it(lane, want, gather)) {
            size_t more = want == 0 ? extra(lane, left) : 0;

            left -= more;
            wh_fetch_cycle_send(lane, want + more);
            want = 0;
        }
    }
}

static void on_flush(void *arg)
{
    wh_fetch *f = arg;

    f->is_late = false;
    wh_dispatch_pump(f->o.dispatch);
    if (wh_store_is_ready(f->o.store)) {
        look(f);
    }
}

/* ---- when ---- */

int64_t wh_fetch_ask_later(int64_t now_us)
{
    return now_us + wh_rng_jitter(ASK_MS, 0.1) * 1000;
}

static void on_clock(void *arg)
{
    wh_fetch *f = arg;
    int64_t now = wh_clock_mono_us();
    int64_t next = now + (int64_t)ASK_MS * 1000;

    f->clock_at_us = 0;
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        wh_fetch_lane *lane = &f->lanes[i];

        if (lane->ask_at_us <= now) {
            lane->maybe_ready = true;
            lane->is_timed = lane->is_due_next;
            lane->is_due_next = false;
            lane->ask_at_us = wh_fetch_ask_later(now);
        }
        if (lane->ask_at_us < next) {
            next = lane->ask_at_us;
        }
        if (lane->not_before_us > now && lane->not_before_us < next) {
            next = lane->not_before_us;
        }
    }
    wh_fetch_wake_at(f, next);
    wh_fetch_kick(f);
}

void wh_fetch_failed(wh_fetch_lane *lane, wh_err err, const char *what,
                     const wh_errbuf *eb)
{
    int64_t wait_ms = (int64_t)BACKOFF_MIN_MS
                      << (lane->failures < 6 ? lane->failures : 6);

    lane->failures++;
    lane->p->needs_resync = true;
    lane->not_before_us =
        wh_clock_mono_us() +
        wh_rng_jitter(wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS, 0.5) * 1000;
    wh_fetch_wake_at(lane->fetch, lane->not_before_us);
    WH_LOG_LIMITED(WARN, 12, "redis.call_failed", WH_F_STR("call", what),
                   WH_F_STR("queue", lane->p->queue),
                   WH_F_STR("region", lane->p->region),
                   WH_F_STR("code", wh_err_name(err)),
                   WH_F_STR("error", eb == NULL ? wh_err_text(err) : eb->text));
}

void wh_fetch_registered(wh_fetch *f, wh_partition *p)
{
    wh_fetch_lane *lane = &f->lanes[p->index];

    lane->maybe_ready = true;
    lane->failures = 0;
    lane->not_before_us = 0;
    lane->vain = WH_FETCH_VAIN_FIRST;
    lane->is_due_next = false;
    lane->ask_at_us = wh_fetch_ask_later(wh_clock_mono_us());
    wh_fetch_wake_at(f, lane->ask_at_us);
    wh_fetch_kick(f);
}

static void note_ring(wh_fetch *f, const wh_partition *p)
{
    wh_fetch_lane *lane = &f->lanes[p->index];

    lane->maybe_ready = lane->pass_bell = true;
    lane->rings++;
}

void wh_fetch_ring(wh_fetch *f, wh_partition *p)
{
    note_ring(f, p);
    wh_fetch_kick(f);
}

void wh_fetch_handed(wh_fetch *f, wh_partition *p, int64_t within_us)
{
    note_ring(f, p);
    if (!wh_timer_is_running(f->flush)) {
        f->is_late = true;
        wh_timer_start_us(f->flush, within_us);
    }
}

void wh_fetch_reconnected(wh_fetch *f)
{
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        wh_fetch_lane *lane = &f->lanes[i];

        lane->p->needs_resync = lane->p->registered;
        lane->not_before_us = 0;
        lane->failures = 0;
    }
    wh_fetch_kick(f);
}

/* The last cycle of each lane wants nothing, so that Redis no longer counts on us. */
void wh_fetch_stop_claiming(wh_fetch *f)
{
    f->is_claiming = false;
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        f->lanes[i].pass_bell = true;
    }
    wh_fetch_kick(f);
}

void wh_fetch_hold(wh_fetch *f, bool hold)
{
    if (f->is_held == hold) {
        return;
    }
    f->is_held = hold;
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        wh_fetch_lane *lane = &f->lanes[i];

        if (hold) {
            lane->pass_bell = true;
        } else {
            lane->maybe_ready = true;
        }
    }
    wh_fetch_kick(f);
}

void wh_fetch_reload(wh_fetch *f, wh_share_order order)
{
    f->o.order = order;
    for (size_t i = 0; i < f->o.partitions->n; i++) {
        f->shares[i].owed = 0;
    }
    wh_fetch_kick(f);
}

size_t wh_fetch_in_flight(const wh_fetch *f)
{
    return f->in_flight;
}

size_t wh_fetch_in_flight_of(const wh_fetch *f, const wh_partition *p)
{
    const wh_fetch_lane *lane = &f->lanes[p->index];

    return lane->in_flight + (lane->resyncing ? 1U : 0U);
}

unsigned wh_fetch_epoch(const wh_fetch *f, const wh_partition *p)
{
    return f->lanes[p->index].epoch;
}

/* ---- life ---- */

wh_err wh_fetch_new(const wh_fetch_setup *o, wh_fetch **out)
{
    size_t n = o->partitions->n;

    *out = NULL;
    wh_fetch *f = wh_calloc(1, sizeof *f);
    if (f == NULL) {
        return WH_ENOMEM;
    }
    f->o = *o;
    f->is_claiming = true;
    f->lanes = wh_calloc(n, sizeof *f->lanes);
    f->shares = wh_calloc(n, sizeof *f->shares);
    f->finishes = wh_calloc(WH_JOB_BATCH_MAX, sizeof *f->finishes);
    wh_err err = WH_ENOMEM;
    if (f->lanes == NULL || f->shares == NULL || f->finishes == NULL) {
        goto fail;
    }
    for (size_t i = 0; i < n; i++) {
        f->lanes[i].fetch = f;
        f->lanes[i].p = &o->partitions->list[i];
    }
    err = wh_timer_new(o->loop, on_flush, f, &f->flush);
    if (err == WH_OK) {
        err = wh_timer_new(o->loop, on_clock, f, &f->clock);
    }
    if (err != WH_OK) {
        goto fail;
    }
    *out = f;
    return WH_OK;
fail:
    wh_fetch_free(f);
    return err;
}

void wh_fetch_free(wh_fetch *f)
{
    if (f == NULL) {
        return;
    }
    wh_timer_free(f->flush);
    wh_timer_free(f->clock);
    for (size_t i = 0; f->lanes != NULL && i < f->o.partitions->n; i++) {
        for (size_t k = 0; k < WH_FETCH_CYCLES_MAX; k++) {
            wh_store_forget(f->o.store, &f->lanes[i].cycles[k]);
        }
        wh_store_forget(f->o.store, &f->lanes[i]);
    }
    wh_free(f->lanes);
    wh_free(f->shares);
    wh_free(f->finishes);
    wh_free(f->tokens);
    wh_free(f);
}
