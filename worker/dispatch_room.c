/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many jobs may be claimed, and what there is too little of when none may.
 */
#include "worker/dispatch_internal.h"

enum { CAPACITY_EACH = 65536 /* of one executor, lest a sum overflows */ };

size_t wh_dispatch_free_slots(const wh_dispatch *d)
{
    size_t taken = wh_slots_count(d->slots, WH_SLOT_RUNNING) +
                   wh_slots_count(d->slots, WH_SLOT_LOST);

    return taken < d->n_slots ? d->n_slots - taken : 0;
}

static size_t capacity_of(const wh_dispatch *d)
{
    size_t capacity = 0;

    for (size_t i = 0; i < wh_registry_count(d->registry); i++) {
        const wh_handler *h = wh_registry_at(d->registry, i);
        bool is_out = h->is_blocked || h->executor == NULL;
        unsigned room = is_out ? 0 : h->kind->capacity(h->executor);

        capacity += room < CAPACITY_EACH ? room : CAPACITY_EACH;
    }
    return capacity;
}

/* Redis takes the finishes more slowly than they come. */
static bool is_behind(const wh_dispatch *d)
{
    return wh_slots_count(d->slots, WH_SLOT_FINISHING) >
           2 * (d->n_slots + d->ahead.jobs) + WH_JOB_BATCH_MAX;
}

size_t wh_dispatch_room(const wh_dispatch *d)
{
    size_t waiting = wh_slots_count(d->slots, WH_SLOT_WAITING);
    size_t free_slots = wh_dispatch_free_slots(d);

    if (d->is_draining || waiting >= free_slots + d->ahead.jobs || is_behind(d)) {
        return 0;
    }
    size_t capacity = capacity_of(d);
    size_t room = (capacity < free_slots ? capacity : free_slots) + d->ahead.jobs;
    if (d->is_holding) {
        size_t most = wh_dispatch_most_while_holding(d);

        room = most < room ? most : room;
    }
    return room > waiting ? room - waiting : 0;
}

wh_lack wh_dispatch_lacks(const wh_dispatch *d)
{
    size_t free_slots = wh_dispatch_free_slots(d);

    if (d->is_draining || free_slots == 0 || wh_dispatch_room(d) > 0 || is_behind(d) ||
        capacity_of(d) >= free_slots) {
        return WH_LACK_NOTHING;
    }
    return free_slots < d->n_slots ? WH_LACK_CAPACITY : WH_LACK_HANDLERS;
}
