/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs a worker holds: a pool of slots, their states, and the map from a token to
 * its slot. A slot lives from the claim until Redis confirmed the finish:
 *
 *     FREE -> WAITING (for room in an executor) -> RUNNING -> FINISHING -> FREE
 *                                                  RUNNING -> LOST -> FREE
 *
 * LOST: the claim is gone, the handler is being stopped and its result will be dropped.
 * Invariant: counts of the pool and of each partition agree with the slots' states.
 */
#ifndef WH_WORKER_SLOTS_H
#define WH_WORKER_SLOTS_H

#include "common/base/err.h"
#include "common/job/job.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wh_slots wh_slots;
typedef struct wh_partition wh_partition;
typedef struct wh_handler wh_handler;

typedef enum wh_slot_state {
    WH_SLOT_FREE,
    WH_SLOT_WAITING,
    WH_SLOT_RUNNING,
    WH_SLOT_FINISHING,
    WH_SLOT_LOST,
    WH_SLOT_STATE_COUNT
} wh_slot_state;

/* Why a running handler was asked to stop. */
typedef enum wh_slot_cancel {
    WH_SLOT_KEEP,
    WH_SLOT_CANCEL_REQUESTED,
    WH_SLOT_CANCEL_STOPPING
} wh_slot_cancel;

typedef struct wh_slot wh_slot;
struct wh_slot {
    wh_slot *prev, *next; /* in the one list it is in */
    wh_slot_state state;
    wh_slot_cancel cancel;
    wh_job *job;    /* owned; NULL: its record was malformed */
    wh_slice token; /* into the job, or into texts */
    uint64_t hash;
    wh_partition *partition;
    wh_handler *handler; /* NULL: none takes this type */
    int64_t claimed_us;  /* monotonic */
    unsigned returned;   /* times an executor gave it back unstarted */
    bool degraded;       /* its finish was refused once and is sent without texts */

    wh_store_finish finish; /* while FINISHING */
    char *texts;            /* owned; what token and finish point to */

    bool has_note; /* progress that Redis has not heard of */
    int percent;
    char *note; /* owned; NULL: none */
};

typedef struct wh_slot_list {
    wh_slot *first, *last;
    size_t count;
} wh_slot_list;

wh_err wh_slots_new(wh_slots **out) WH_MUSTCHECK;
/* Frees all jobs too. */
void wh_slots_free(wh_slots *s);

/* A WAITING slot for a claimed job, which it owns from here on (also on failure). */
wh_err wh_slots_take(wh_slots *s, wh_partition *p, wh_job *job,
                     wh_slot **out) WH_MUSTCHECK;
/* The same for a claim whose record could not be read. */
wh_err wh_slots_take_token(wh_slots *s, wh_partition *p, wh_slice token,
                           wh_slot **out) WH_MUSTCHECK;
/* Frees the job; the slot must be in no list. */
void wh_slots_put(wh_slots *s, wh_slot *slot);
/* Moves it along the table of legal transitions (not to FREE: that is _put). */
void wh_slots_set_state(wh_slots *s, wh_slot *slot, wh_slot_state state);

/* NULL when this very job is in no slot. */
wh_slot *wh_slots_of_job(const wh_slots *s, const wh_job *job);
/* The slot that holds this claim; LOST ones do not count. */
wh_slot *wh_slots_of_token(const wh_slots *s, const wh_partition *p, wh_slice token);
/* Walks all slots in use: start with *at = 0; NULL at the end. The one just returned may
 * be put. */
wh_slot *wh_slots_next(const wh_slots *s, size_t *at);

size_t wh_slots_count(const wh_slots *s, wh_slot_state state);
/* Those whose claim is ours: all but LOST. */
size_t wh_slots_held(const wh_slots *s);
const char *wh_slots_state_name(wh_slot_state state);
bool wh_slots_may_go(wh_slot_state from, wh_slot_state to);

void wh_slots_push(wh_slot_list *l, wh_slot *slot);
void wh_slots_push_front(wh_slot_list *l, wh_slot *slot);
void wh_slots_remove(wh_slot_list *l, wh_slot *slot);
wh_slot *wh_slots_pop(wh_slot_list *l);
/* All of `from` in front of what is in `l`. */
void wh_slots_prepend(wh_slot_list *l, wh_slot_list *from);

#endif
