/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims that end otherwise than by a result: confirmed, cancelled, lost, given back.
 * An executor may report from inside cancel, so a slot is not touched behind that call.
 */
#include "worker/dispatch_internal.h"

void wh_dispatch_confirm(wh_dispatch *d, wh_slot *slot)
{
    wh_slots_put(d->slots, slot);
}

void wh_dispatch_cancel(wh_dispatch *d, wh_partition *p, wh_slice token)
{
    wh_slot *slot = wh_slots_of_token(d->slots, p, token);

    if (slot == NULL || slot->cancel == WH_SLOT_CANCEL_REQUESTED) {
        return;
    }
    if (slot->state == WH_SLOT_WAITING) {
        wh_dispatch_leave_waiting(slot);
        wh_dispatch_finish_plain(d, slot, WH_STORE_CANCELLED);
        d->ev.on_change(d->ev.arg);
    } else if (slot->state == WH_SLOT_RUNNING) {
        slot->cancel = WH_SLOT_CANCEL_REQUESTED;
        slot->handler->kind->cancel(slot->handler->executor, slot->job,
                                    WH_CANCEL_REQUESTED);
    }
}

static void lose(wh_dispatch *d, wh_slot *slot)
{
    if (slot->state == WH_SLOT_RUNNING && slot->handler->executor != NULL) {
        wh_slots_set_state(d->slots, slot, WH_SLOT_LOST);
        slot->handler->kind->cancel(slot->handler->executor, slot->job, WH_CANCEL_LOST);
        return;
    }
    wh_dispatch_leave_waiting(slot);
    wh_slots_put(d->slots, slot);
}

void wh_dispatch_gone(wh_dispatch *d, wh_partition *p, wh_slice token)
{
    wh_slot *slot = wh_slots_of_token(d->slots, p, token);

    if (slot == NULL) {
        return;
    }
    if (slot->state == WH_SLOT_FINISHING) {
        wh_slots_remove(&p->pending, slot);
        wh_slots_put(d->slots, slot);
    } else {
        wh_metrics_lost(d->metrics, p, 1);
        lose(d, slot);
    }
    d->ev.on_change(d->ev.arg);
}

size_t wh_dispatch_lose(wh_dispatch *d, wh_partition *p)
{
    size_t lost = 0;
    wh_slot *slot = NULL;

    while ((slot = wh_slots_pop(&p->pending)) != NULL) {
        wh_slots_put(d->slots, slot);
        lost++;
    }
    for (size_t at = 0; (slot = wh_slots_next(d->slots, &at)) != NULL;) {
        if (slot->partition == p &&
            (slot->state == WH_SLOT_WAITING || slot->state == WH_SLOT_RUNNING)) {
            lose(d, slot);
            lost++;
        }
    }
    wh_metrics_lost(d->metrics, p, lost);
    d->ev.on_change(d->ev.arg);
    return lost;
}

void wh_dispatch_drain(wh_dispatch *d)
{
    wh_slot *slot = NULL;

    d->is_draining = true;
    for (size_t at = 0; (slot = wh_slots_next(d->slots, &at)) != NULL;) {
        if (slot->state == WH_SLOT_WAITING) {
            wh_dispatch_leave_waiting(slot);
            wh_dispatch_give_back(d, slot, 0);
        }
    }
    d->ev.on_change(d->ev.arg);
}

void wh_dispatch_stop_running(wh_dispatch *d)
{
    wh_slot *slot = NULL;

    for (size_t at = 0; (slot = wh_slots_next(d->slots, &at)) != NULL;) {
        if (slot->state == WH_SLOT_RUNNING && slot->handler->executor != NULL) {
            slot->cancel =
                slot->cancel == WH_SLOT_KEEP ? WH_SLOT_CANCEL_STOPPING : slot->cancel;
            slot->handler->kind->cancel(slot->handler->executor, slot->job,
                                        WH_CANCEL_STOPPING);
        }
    }
}

void wh_dispatch_release(wh_dispatch *d)
{
    wh_slot *slot = NULL;

    d->is_draining = true;
    for (size_t at = 0; (slot = wh_slots_next(d->slots, &at)) != NULL;) {
        if (slot->state == WH_SLOT_LOST) {
            wh_slots_put(d->slots, slot);
        } else if (slot->state == WH_SLOT_WAITING) {
            wh_dispatch_leave_waiting(slot);
            wh_dispatch_give_back(d, slot, 0);
        } else if (slot->state == WH_SLOT_RUNNING) {
            wh_dispatch_finish_plain(d, slot, WH_STORE_RELEASE);
        }
    }
    d->ev.on_change(d->ev.arg);
}
