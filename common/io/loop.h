/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a process: one event_base, timers, fd watchers, signals, a
 * deferred-free list that runs at the end of a turn, and a measure of loop lag. Timers
 * and watchers belong to the object that made them; its _free removes them first.
 */
#ifndef WH_COMMON_IO_LOOP_H
#define WH_COMMON_IO_LOOP_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct wh_loop wh_loop;
typedef struct wh_timer wh_timer;
typedef struct wh_watch wh_watch;
struct event_base;

enum { WH_WATCH_READ = 1, WH_WATCH_WRITE = 2 };

wh_err wh_loop_new(wh_loop **out) WH_MUSTCHECK;
/* Its timers are up to a millisecond late, which saves a system call a turn. */
wh_err wh_loop_new_coarse(wh_loop **out) WH_MUSTCHECK;
void wh_loop_free(wh_loop *l);
/* Runs until wh_loop_stop (also one that came before). */
wh_err wh_loop_run(wh_loop *l) WH_MUSTCHECK;
/* One turn: waits at most timeout_ms (-1: for ever) for something to do. */
wh_err wh_loop_turn(wh_loop *l, int64_t timeout_ms) WH_MUSTCHECK;
void wh_loop_stop(wh_loop *l);
/* For units of this layer that need libevent itself. */
struct event_base *wh_loop_base(wh_loop *l);
/* The same units call this first in a callback that libevent makes directly: from here
 * on the turn counts as busy (see wh_loop_take_lag_us). */
void wh_loop_enter(wh_loop *l);

/* One-shot timer; _start on a running one moves it. delay 0 = next turn. Microsecond resolution. */
wh_err wh_timer_new(wh_loop *l, void (*cb)(void *arg), void *arg,
                    wh_timer **out) WH_MUSTCHECK;
void wh_timer_start(wh_timer *t, int64_t delay_ms);
void wh_timer_start_us(wh_timer *t, int64_t delay_us);
void wh_timer_stop(wh_timer *t);
bool wh_timer_is_running(const wh_timer *t);
void wh_timer_free(wh_timer *t);

/* Level-triggered. events: WH_WATCH_*; 0 pauses it. The fd stays the caller's. */
wh_err wh_watch_new(wh_loop *l, int fd, unsigned events,
                    void (*cb)(void *arg, unsigned events), void *arg,
                    wh_watch **out) WH_MUSTCHECK;
void wh_watch_set(wh_watch *w, unsigned events);
void wh_watch_free(wh_watch *w);

/* Calls back in the loop, never in the signal handler. */
wh_err wh_loop_on_signal(wh_loop *l, int signo, void (*cb)(void *arg, int signo),
                         void *arg) WH_MUSTCHECK;

/* Runs fn(arg) at the end of this turn (objects that die inside a callback). Never fails:
 * the node is the caller's memory and must stay valid until then. */
typedef struct wh_deferred {
    void (*fn)(void *arg);
    void *arg;
    struct wh_deferred *next;
    bool queued;
    bool is_output; /* it only sends: the turn that begins with it still waits */
} wh_deferred;
void wh_loop_defer(wh_loop *l, wh_deferred *d);

/* Longest time between two turns' start of waiting since the last call, in us: what callbacks took. */
int64_t wh_loop_take_lag_us(wh_loop *l);
/* Monotonic ms of the last turn; /livez asks whether the loop still ticks. */
int64_t wh_loop_last_turn_ms(const wh_loop *l);

#endif
