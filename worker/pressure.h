/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the worker claims nothing for now although it has free slots: it and its handlers'
 * processes are over the memory limit (until they are below 90 % of it; when nothing runs
 * idle processes are replaced until they are under it), a handler said
 * that it is busy, or the handlers have had no room for a job for most of a second. Looks
 * when asked, once a second while there is a limit or too little room, and when the time of
 * a busy handler is over. What runs goes on; what was claimed is run.
 */
#ifndef WH_WORKER_PRESSURE_H
#define WH_WORKER_PRESSURE_H

#include "common/io/loop.h"
#include "worker/registry.h"

typedef struct wh_pressure wh_pressure;

/* What there is too little of to claim a job although a slot is free. */
typedef enum wh_lack {
    WH_LACK_NOTHING,
    WH_LACK_CAPACITY, /* what the handlers can run at a time is taken */
    WH_LACK_HANDLERS  /* nothing runs, and no handler has a process for it */
} wh_lack;

/* All false: none. */
typedef struct wh_pressure_state {
    bool memory, busy;
    bool capacity; /* what the handlers can run at a time is taken */
    bool handlers; /* none of them has a process that could run a job */
} wh_pressure_state;

typedef struct wh_pressure_setup {
    wh_loop *loop;
    const wh_registry *registry; /* outlives it */
    void (*on_change)(void *arg, wh_pressure_state now);
    void *arg;
} wh_pressure_setup;

wh_err wh_pressure_new(const wh_pressure_setup *o, wh_pressure **out) WH_MUSTCHECK;
void wh_pressure_free(wh_pressure *p);
/* Resident bytes of worker and children; 0: no limit. Looks at once. */
void wh_pressure_set_limit(wh_pressure *p, int64_t bytes);
/* A handler may have said something, or have lost the child that did. Cheap. */
void wh_pressure_look(wh_pressure *p);
/* What it lacks to claim more is another thing now. */
void wh_pressure_lack(wh_pressure *p, wh_lack lack);
/* The first of them as a word; NULL: none. */
const char *wh_pressure_word(wh_pressure_state now);
wh_pressure_state wh_pressure_now(const wh_pressure *p);

#endif
