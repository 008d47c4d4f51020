/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job type -> handler: its settings, retry policy, executor, and the jobs that wait for
 * it. Made at start from the section `handlers:`; numbers of a handler may change on a
 * reload, its program may not.
 */
#ifndef WH_WORKER_REGISTRY_H
#define WH_WORKER_REGISTRY_H

#include "common/base/buf.h"
#include "common/job/payload.h"
#include "worker/executors/executor.h"
#include "worker/slots.h"

typedef struct wh_registry wh_registry;

/* Of a handler, for what waits for it (dispatch_late.c). */
typedef struct wh_pace {
    size_t starts; /* since then */
    int64_t since_us;
    double per_s; /* in the time before that, a second at least */
    int64_t
        held_until_us;  /* some were given back: others may claim them first; 0 none */
    int64_t look_at_us; /* at what waits too long, not before */
} wh_pace;

struct wh_handler {
    wh_handler_config config; /* numbers our own, strings borrowed from the setup */
    wh_retry_policy policy;
    wh_schema *schema; /* payloads must fit; NULL: none was given */
    const wh_executor_kind *kind;
    wh_executor *executor;
    size_t index;
    wh_slot_list waiting; /* WAITING slots, oldest first */
    wh_pace pace;
    bool is_blocked; /* refused a submit: wait until it tells of capacity */
};

/* Told of all that is wrong with each handler. */
typedef struct wh_registry_refusals {
    void (*tell)(void *arg,
                 const wh_errbuf *eb); /* NULL: the first wrong one ends it */
    void *arg;
} wh_registry_refusals;

typedef struct wh_registry_setup {
    const wh_handler_config *configs; /* outlive the registry */
    size_t n;
    wh_executor_setup executor; /* loop, events, worker, region, program, slots */
    /* wh_executor_kind_of, or NULL for it; tests bring kinds of their own. */
    const wh_executor_kind *(*kind_of)(const char *run, const char **rest,
                                       wh_errbuf *eb);
    wh_registry_refusals refusals;
} wh_registry_setup;

/* WH_ECONFIG names the (first) handler and what is wrong with it. */
wh_err wh_registry_new(const wh_registry_setup *o, wh_registry **out,
                       wh_errbuf *eb) WH_MUSTCHECK;
/* Frees the executors: all children are killed. */
void wh_registry_free(wh_registry *r);
/* The handler of this type, else that of "*", else NULL. */
wh_handler *wh_registry_find(const wh_registry *r, const char *type);
size_t wh_registry_count(const wh_registry *r);
wh_handler *wh_registry_at(const wh_registry *r, size_t i);
/* Appends `,"types":[…]`, the names of all handlers, "*" first; when they would take more
 * than max bytes, those that fit and `,"types_cut":true`. They never change. */
void wh_registry_tell_types(const wh_registry *r, size_t max, wh_buf *out);

/* Takes over the numbers, retry policies and schemas of handlers that are still there; a
 * schema is read again. All or nothing. */
wh_err wh_registry_reload(wh_registry *r, const wh_handler_config *configs, size_t n,
                          wh_errbuf *eb) WH_MUSTCHECK;
/* The worker's slots changed: so many children may a handler without `processes` have. */
void wh_registry_set_slots(wh_registry *r, unsigned slots);
void wh_registry_drain(wh_registry *r);
/* Kills all children now; their jobs get no result any more. */
void wh_registry_kill(wh_registry *r);
/* Policy of a handler's settings: its retry text, max_attempts, jitter. */
wh_err wh_registry_policy(const wh_handler_config *c, wh_retry_policy *out,
                          wh_errbuf *eb) WH_MUSTCHECK;

#endif
