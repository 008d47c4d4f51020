/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits in the worker for a slot or for its handler, and for too long: it is given
 * back, so that the next claim decides anew. Till then no pause, breaker or Retry-After
 * would hold it, and no worker with a free process could take it. Called by fetch before it
 * asks for room, and for jobs that were handed over.
 *
 * Invariants: a handler's jobs are given back at most once a second. What is given back goes to
 * the heads of lists, where we would find it again at once: so nothing is claimed for a moment,
 * while others can, but for what that handler has processes free meanwhile. Over a long link a
 * second is one and a round trip, since claims made ahead wait that long in any case.
 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/dispatch_internal.h"

/* HELD: an idle worker that is rung has most often claimed by then. If not, it has the next
 * chance a second later. */
enum { LATE_US = 1000000, HELD_US = 20000, PACE_US = 1000000 };

static int64_t held_us(const wh_dispatch *d)
{
    return HELD_US + 2 * wh_ahead_trip_us(&d->ahead);
}

/* A retry that has a time till when is no retry any more once Redis had it back, and would
 * start however late it is: it stays. */
static bool stays(const wh_slot *slot)
{
    return slot->job->was_put_off && slot->job->retry_for_ms > 0;
}

static unsigned room_of(const wh_handler *h)
{
    return h->is_blocked || h->executor == NULL ? 0 : h->kind->capacity(h->executor);
}

bool wh_dispatch_is_holding(const wh_dispatch *d)
{
    return d->is_holding;
}

size_t wh_dispatch_most_while_holding(const wh_dispatch *d)
{
    size_t most = 0;

    for (size_t i = 0; i < wh_registry_count(d->registry); i++) {
        const wh_handler *h = wh_registry_at(d->registry, i);

        most += h->pace.held_until_us != 0 ? room_of(h) : 0;
    }
    return most;
}

static void hold(wh_dispatch *d, wh_handler *h, int64_t now_us)
{
    h->pace.held_until_us = now_us + held_us(d);
    d->is_holding = true;
}

/* How many of them it will have started before what is claimed again can be here. */
static size_t starts_soon(const wh_dispatch *d, wh_handler *h, int64_t now_us)
{
    wh_pace *p = &h->pace;

    if (now_us - p->since_us >= PACE_US) {
        p->per_s = (double)p->starts * 1e6 / (double)(now_us - p->since_us);
        p->starts = 0;
        p->since_us = now_us;
    }
    return (size_t)(p->per_s * (double)held_us(d) / 1e6);
}

/* The first that may go back behind `keep` others; NULL: there is none. */
static wh_slot *first_beyond(const wh_handler *h, size_t keep)
{
    wh_slot *slot = h->waiting.first;

    for (size_t kept = 0; slot != NULL; slot = slot->next) {
        if (!stays(slot) && kept++ == keep) {
            break;
        }
    }
    return slot;
}

/* This one and what is behind it, the newest first: each goes to the head of its list, so that
 * their order stays. */
static void give_back(wh_dispatch *d, wh_handler *h, wh_slot *first, int64_t now_us)
{
    wh_slot *slot = h->waiting.last;
    size_t n = 0;

    for (bool is_first = false; !is_first;) {
        wh_slot *before = slot->prev;

        is_first = slot == first;
        if (!stays(slot)) {
            wh_slots_remove(&h->waiting, slot);
            wh_dispatch_give_back(d, slot, 0);
            n++;
        }
        slot = before;
    }
    hold(d, h, now_us);
    WH_LOG_LIMITED(INFO, 6, "handler.full", WH_F_STR("handler", h->config.name),
                   WH_F_INT("given_back", n));
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us == 0 || (b_us != 0 && b_us < a_us) ? b_us : a_us;
}

/* Returns when to look at this handler again; 0: nothing waits. */
static int64_t turn(wh_dispatch *d, wh_handler *h, int64_t now_us)
{
    wh_pace *p = &h->pace;
    int64_t late_us = LATE_US + wh_ahead_trip_us(&d->ahead);
    size_t soon = starts_soon(d, h, now_us);

    if (now_us >= p->held_until_us) {
        p->held_until_us = 0;
    }
    const wh_slot *oldest = first_beyond(h, 0);
    if (oldest != NULL && oldest->claimed_us + late_us <= now_us &&
        now_us >= p->look_at_us) {
        wh_slot *first = first_beyond(h, soon);

        if (first != NULL && first->claimed_us + late_us <= now_us) {
            give_back(d, h, first, now_us);
        }
        p->look_at_us = now_us + held_us(d);
        oldest = first_beyond(h, 0);
    }
    int64_t at_us = oldest == NULL ? 0 : oldest->claimed_us + late_us;
    if (at_us != 0 && at_us < p->look_at_us) {
        at_us = p->look_at_us;
    }
    return sooner(at_us, p->held_until_us);
}

int64_t wh_dispatch_turn(wh_dispatch *d, int64_t now_us)
{
    int64_t at_us = 0;

    wh_ahead_turn(&d->ahead, d->n_slots, now_us);
    if (wh_slots_count(d->slots, WH_SLOT_WAITING) == 0 && !d->is_holding) {
        return 0;
    }
    d->is_holding = false;
    for (size_t i = 0; i < wh_registry_count(d->registry); i++) {
        wh_handler *h = wh_registry_at(d->registry, i);

        at_us = sooner(at_us, turn(d, h, now_us));
        d->is_holding = d->is_holding || h->pace.held_until_us != 0;
    }
    return at_us;
}

bool wh_dispatch_handed(wh_dispatch *d, wh_partition *p, const wh_codec_claim *claim)
{
    wh_store_cycle c = {.now_ms = claim->now_ms, .claims = claim, .n_claims = 1};
    bool all = wh_dispatch_claims(d, p, &c);

    wh_dispatch_pump(d);
    wh_slot *slot = wh_slots_of_token(d->slots, p, claim->token);
    if (slot != NULL && slot->state == WH_SLOT_WAITING && slot->handler != NULL &&
        !stays(slot)) {
        wh_dispatch_leave_waiting(slot);
        hold(d, slot->handler, wh_clock_mono_us());
        wh_dispatch_give_back(d, slot, 0);
        d->ev.on_change(d->ev.arg);
    }
    return all;
}
