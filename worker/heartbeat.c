/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lease is counted from the moment the heartbeat was sent, which is never later than
 * the moment Redis counts from. Times are CLOCK_BOOTTIME: a suspended host has lost its
 * leases when it wakes up, and its timers tell so.
 */
#include "worker/heartbeat.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"

#include <string.h>

enum { RETRY_MS = 300, MISMATCHES = 2, SAY_MS = 1000 };

typedef enum beat_state { BEAT_NEW, BEAT_HELD, BEAT_BYE, BEAT_STATES } beat_state;

typedef struct beat { /* of one partition */
    wh_heartbeat *h;
    wh_partition *p;
    beat_state state;
    wh_timer *next, *guard;
    bool in_flight, again, info_due;
    int64_t sent_us, next_at_ms;
    int64_t said_ms; /* when it last went out of turn */
    unsigned generation, epoch, mismatches;
    size_t held; /* here, when it was sent */
} beat;

struct wh_heartbeat {
    wh_heartbeat_setup o;
    beat *beats;
    char *info[2]; /* [1]: of a partition in which it is quiet */
    bool is_leaving;
};

static void send_beat(beat *b);

static void plan(beat *b, int64_t delay_ms)
{
    b->next_at_ms = wh_clock_mono_ms() + delay_ms;
    wh_timer_start(b->next, delay_ms);
}

int64_t wh_heartbeat_guard_ms(int64_t lease_ms)
{
    int64_t guard = lease_ms / 10 > 1000 ? lease_ms / 10 : 1000;

    return guard < lease_ms / 5 ? guard : lease_ms / 5;
}

static void set_state(beat *b, beat_state to)
{
    static const bool legal[BEAT_STATES][BEAT_STATES] = {
        [BEAT_NEW] = {[BEAT_NEW] = true, [BEAT_HELD] = true, [BEAT_BYE] = true},
        [BEAT_HELD] = {[BEAT_HELD] = true, [BEAT_NEW] = true, [BEAT_BYE] = true},
        [BEAT_BYE] = {[BEAT_BYE] = true},
    };
    static const char *const events[BEAT_STATES] = {[BEAT_NEW] = "worker.unregistered",
                                                    [BEAT_HELD] = "worker.registered",
                                                    [BEAT_BYE] = "worker.left"};

    WH_ASSERT(legal[b->state][to]);
    b->p->registered = to == BEAT_HELD;
    if (b->state != to) {
        bool was_there = b->state == BEAT_HELD || to == BEAT_HELD;

        b->state = to;
        if (was_there) { /* who never registered does not leave */
            WH_LOG(INFO, events[to], WH_F_STR("queue", b->p->queue),
                   WH_F_STR("region", b->p->region),
                   WH_F_STR("incarnation", b->p->worker));
        }
        b->h->o.on_change(b->h->o.arg);
    }
}

/* ---- losing it ---- */

void wh_heartbeat_lost(wh_heartbeat *h, wh_partition *p, const char *why)
{
    beat *b = &h->beats[p->index];

    if (b->state == BEAT_BYE) {
        return;
    }
    wh_timer_stop(b->guard);
    size_t lost = wh_dispatch_lose(h->o.dispatch, p);
    WH_LOG(WARN, "worker.lease_lost", WH_F_STR("queue", p->queue),
           WH_F_STR("region", p->region), WH_F_STR("incarnation", p->worker),
           WH_F_INT("jobs", lost), WH_F_STR("why", why));
    p->registered = false;
    if (wh_partition_renew(p, h->o.name) != WH_OK) {
        WH_LOG(ERROR, "worker.no_new_name", WH_F_STR("queue", p->queue));
    }
    b->info_due = true;
    b->mismatches = 0;
    if (h->is_leaving) {
        set_state(b, BEAT_BYE);
        return;
    }
    set_state(b, BEAT_NEW);
    plan(b, 0);
}

static void on_guard(void *arg)
{
    beat *b = arg;

    wh_heartbeat_lost(b->h, b->p, "no heartbeat was accepted in time");
}

/* ---- replies ---- */

/* Redis counts other claims than we do, with nothing in flight, twice: ask. */
static void compare(beat *b, size_t held)
{
    const wh_fetch *f = b->h->o.fetch;
    bool is_quiet =
        b->epoch == wh_fetch_epoch(f, b->p) && wh_fetch_in_flight_of(f, b->p) == 0;

    if (!is_quiet || held == b->held) {
        b->mismatches = 0;
        return;
    }
    if (++b->mismatches >= MISMATCHES) {
        b->mismatches = 0;
        WH_LOG_LIMITED(WARN, 6, "worker.held_mismatch", WH_F_STR("queue", b->p->queue),
                       WH_F_INT("redis", held), WH_F_INT("here", b->held));
        b->p->needs_resync = true;
        wh_fetch_kick(b->h->o.fetch);
    }
}

static void hear(beat *b, const wh_store_heartbeat *r)
{
    wh_heartbeat *h = b->h;

    for (size_t i = 0; i < r->n_cancels; i++) {
        wh_dispatch_cancel(h->o.dispatch, b->p, r->cancels[i]);
    }
    if (r->quiet && !b->p->quiet) {
        b->p->quiet = true;
        WH_LOG(INFO, "worker.quiet", WH_F_STR("queue", b->p->queue),
               WH_F_STR("region", b->p->region));
        h->o.on_change(h->o.arg); /* what it says of itself is another thing now */
    }
}

static void accepted(beat *b, const wh_store_heartbeat *r)
{
    wh_heartbeat *h = b->h;
    int64_t age_ms = (wh_clock_mono_us() - b->sent_us) / 1000;
    int64_t left_ms = h->o.lease_ms - wh_heartbeat_guard_ms(h->o.lease_ms) - age_ms;
    bool is_new = b->state == BEAT_NEW;

    wh_timer_start(b->guard, left_ms > 0 ? left_ms : 0);
    set_state(b, BEAT_HELD);
    hear(b, r);
    compare(b, r->held);
    if (is_new) {
        wh_fetch_registered(h->o.fetch, b->p);
    }
}

static void refused(beat *b, wh_err err, const wh_errbuf *eb)
{
    const char *why = eb == NULL ? wh_err_text(err) : eb->text;

    if (err == WH_ELOST) {
        wh_heartbeat_lost(b->h, b->p, why);
        return;
    }
    if (err == WH_ECANCELED) {
        return;
    }
    WH_LOG_LIMITED(WARN, 12, "redis.call_failed", WH_F_STR("call", "heartbeat"),
                   WH_F_STR("queue", b->p->queue), WH_F_STR("region", b->p->region),
                   WH_F_STR("code", wh_err_name(err)), WH_F_STR("error", why));
    b->info_due = true;
    plan(b, wh_rng_jitter(RETRY_MS, 0.5));
}

static void on_beat(void *arg, wh_err err, const wh_errbuf *eb,
                    const wh_store_heartbeat *r)
{
    beat *b = arg;
    wh_heartbeat *h = b->h;

    b->in_flight = false;
    wh_metrics_request(h->o.metrics, WH_METRICS_HEARTBEAT,
                       (double)(wh_clock_mono_us() - b->sent_us) / 1e6);
    if (b->generation == b->p->generation) {
        if (err == WH_OK) {
            accepted(b, r);
        } else {
            refused(b, err, eb);
        }
    }
    if (b->again && !b->in_flight && b->state != BEAT_BYE) {
        send_beat(b);
    }
}

static void on_bye(void *arg, wh_err err, const wh_errbuf *eb,
                   const wh_store_heartbeat *r)
{
    beat *b = arg;

    (void)eb;
    b->in_flight = false;
    if (err == WH_OK && r->held > 0) {
        b->again = true; /* it gives back so many at a time */
        send_beat(b);
        return;
    }
    if (err != WH_OK && err != WH_ECANCELED) {
        WH_LOG(WARN, "worker.bye_failed", WH_F_STR("queue", b->p->queue),
               WH_F_STR("error", wh_err_text(err)));
    }
    set_state(b, BEAT_BYE);
    b->h->o.on_change(b->h->o.arg);
}

/* ---- sending ---- */

static wh_err send_bye(beat *b)
{
    wh_store_heartbeat_args a = {.partition = b->p->key,
                                 .worker = b->p->worker,
                                 .lease_ms = b->h->o.lease_ms,
                                 .mode = WH_STORE_BEAT_BYE};

    return wh_store_do_heartbeat(b->h->o.store, &a, on_bye, b);
}

static wh_err send_renewal(beat *b)
{
    wh_heartbeat *h = b->h;
    wh_store_heartbeat_args a = {.partition = b->p->key,
                                 .worker = b->p->worker,
                                 .lease_ms = h->o.lease_ms,
                                 .info = b->info_due ? h->info[b->p->quiet] : NULL,
                                 .mode = b->state == BEAT_NEW ? WH_STORE_BEAT_NEW
                                                              : WH_STORE_BEAT_RENEW};

    if (b->state == BEAT_HELD) {
        wh_notes_fill(h->o.notes, b->p, &a);
    }
    wh_err err = wh_store_do_heartbeat(h->o.store, &a, on_beat, b);
    if (b->state == BEAT_HELD) {
        wh_notes_sent(h->o.notes, b->p, err == WH_OK);
    }
    return err;
}

static void send_beat(beat *b)
{
    wh_heartbeat *h = b->h;

    if (b->in_flight) {
        b->again = true;
        return;
    }
    b->again = false;
    b->generation = b->p->generation;
    b->epoch = wh_fetch_epoch(h->o.fetch, b->p);
    b->held = wh_partition_held(b->p);
    if (wh_fetch_in_flight_of(h->o.fetch, b->p) > 0) {
        b->epoch--; /* what is under way makes the counts incomparable */
    }
    b->sent_us = wh_clock_mono_us();
    wh_err err = h->is_leaving ? send_bye(b) : send_renewal(b);
    if (err == WH_OK) {
        b->in_flight = true;
        b->info_due = false;
    } else if (h->is_leaving) {
        set_state(b, BEAT_BYE);
    }
    if (!h->is_leaving) {
        plan(b, wh_rng_jitter(h->o.interval_ms, 0.1));
    }
}

static void on_next(void *arg)
{
    send_beat(arg);
}

void wh_heartbeat_connected(wh_heartbeat *h)
{
    for (size_t i = 0; i < h->o.partitions->n; i++) {
        if (h->beats[i].state != BEAT_BYE) {
            send_beat(&h->beats[i]);
        }
    }
}

void wh_heartbeat_now(wh_heartbeat *h, wh_partition *p)
{
    beat *b = &h->beats[p->index];

    if (b->state == BEAT_HELD) {
        send_beat(b);
    }
}

void wh_heartbeat_say(wh_heartbeat *h)
{
    int64_t now = wh_clock_mono_ms();

    for (size_t i = 0; i < h->o.partitions->n; i++) {
        beat *b = &h->beats[i];
        int64_t at = b->said_ms + SAY_MS;

        if (b->state != BEAT_HELD || h->is_leaving || !b->info_due) {
            continue;
        }
        if (b->said_ms == 0 || at <= now) {
            b->said_ms = now;
            send_beat(b);
        } else if (at < b->next_at_ms) {
            b->said_ms = at;
            plan(b, at - now);
        }
    }
}

/* A lost lease is told by the next beat, or by the cycle that follows this. */
static void on_carried(void *arg, wh_err err, const wh_errbuf *eb,
                       const wh_store_heartbeat *r)
{
    (void)arg;
    (void)err;
    (void)eb;
    (void)r;
}

void wh_heartbeat_carry(wh_heartbeat *h, wh_partition *p)
{
    beat *b = &h->beats[p->index];

    if (b->state != BEAT_HELD || h->is_leaving || !wh_notes_is_due(h->o.notes, p)) {
        return;
    }
    wh_store_heartbeat_args a = {.partition = p->key,
                                 .worker = p->worker,
                                 .lease_ms = h->o.lease_ms,
                                 .mode = WH_STORE_BEAT_RENEW};
    wh_notes_fill(h->o.notes, p, &a);
    wh_err err = wh_store_do_heartbeat(h->o.store, &a, on_carried, h);
    wh_notes_sent(h->o.notes, p, err == WH_OK);
}

void wh_heartbeat_bye(wh_heartbeat *h)
{
    h->is_leaving = true;
    for (size_t i = 0; i < h->o.partitions->n; i++) {
        beat *b = &h->beats[i];

        wh_timer_stop(b->next);
        wh_timer_stop(b->guard);
        if (b->state == BEAT_BYE) {
            continue;
        }
        if (b->in_flight) { /* its answer does not matter any more */
            wh_store_forget(h->o.store, b);
            b->in_flight = false;
        }
        /* A name that was never registered may still be: its first answer is not here. */
        send_beat(b);
    }
    h->o.on_change(h->o.arg);
}

bool wh_heartbeat_is_gone(const wh_heartbeat *h)
{
    for (size_t i = 0; i < h->o.partitions->n; i++) {
        if (h->beats[i].state != BEAT_BYE) {
            return false;
        }
    }
    return true;
}

bool wh_heartbeat_is_registered(const wh_heartbeat *h)
{
    for (size_t i = 0; i < h->o.partitions->n; i++) {
        if (h->beats[i].state != BEAT_HELD) {
            return false;
        }
    }
    return true;
}

wh_err wh_heartbeat_set_info(wh_heartbeat *h, const char *json, const char *quiet_json)
{
    char *copy = wh_strdup(json), *quiet_copy = wh_strdup(quiet_json);

    if (copy == NULL || quiet_copy == NULL) {
        wh_free(copy);
        wh_free(quiet_copy);
        return WH_ENOMEM;
    }
    wh_free(h->info[false]);
    wh_free(h->info[true]);
    h->info[false] = copy;
    h->info[true] = quiet_copy;
    for (size_t i = 0; i < h->o.partitions->n; i++) {
        h->beats[i].info_due = true;
    }
    return WH_OK;
}

/* ---- life ---- */

wh_err wh_heartbeat_new(const wh_heartbeat_setup *o, wh_heartbeat **out)
{
    *out = NULL;
    wh_heartbeat *h = wh_calloc(1, sizeof *h);

    if (h == NULL) {
        return WH_ENOMEM;
    }
    h->o = *o;
    h->beats = wh_calloc(o->partitions->n, sizeof *h->beats);
    wh_err err = h->beats == NULL ? WH_ENOMEM : WH_OK;
    for (size_t i = 0; i < o->partitions->n && err == WH_OK; i++) {
        beat *b = &h->beats[i];

        b->h = h;
        b->p = &o->partitions->list[i];
        b->info_due = true;
        err = wh_timer_new(o->loop, on_next, b, &b->next);
        if (err == WH_OK) {
            err = wh_timer_new(o->loop, on_guard, b, &b->guard);
        }
    }
    if (err != WH_OK) {
        wh_heartbeat_free(h);
        return err;
    }
    *out = h;
    return WH_OK;
}

void wh_heartbeat_free(wh_heartbeat *h)
{
    if (h == NULL) {
        return;
    }
    for (size_t i = 0; h->beats != NULL && i < h->o.partitions->n; i++) {
        wh_store_forget(h->o.store, &h->beats[i]);
        wh_timer_free(h->beats[i].next);
        wh_timer_free(h->beats[i].guard);
    }
    wh_free(h->beats);
    wh_free(h->info[false]);
    wh_free(h->info[true]);
    wh_free(h);
}
