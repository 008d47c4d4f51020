/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One libevent base driven turn by turn, so that the deferred list and the lag measure
 * have a place between two turns. Invariants: callbacks run only inside wh_loop_turn
 * (or wh_loop_free, which empties the deferred list); a timer or watcher may be freed
 * by its own callback; SIGPIPE is ignored from the first loop on, unless the
 * application has a handler of its own.
 */
#include "common/io/loop.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include <event2/event.h>

/* Deferred functions may defer more; after so many rounds the rest waits a turn. */
enum { DEFER_ROUNDS = 16 };

typedef struct signal_handler {
    struct event *ev;
    wh_loop *loop;
    void (*cb)(void *arg, int signo);
    void *arg;
    struct signal_handler *next;
} signal_handler;

struct wh_loop {
    struct event_base *base;
    struct event *wake; /* ends the wait of wh_loop_turn */
    signal_handler *signals;
    wh_deferred *deferred;
    wh_deferred **deferred_end;
    int64_t busy_since_us; /* first callback of this turn; 0: still waiting */
    int64_t longest_us;
    int64_t last_turn_ms;
    bool in_turn;
    bool did_more; /* a deferred function ran that somebody may wait for */
    bool stopping;
};

struct wh_timer {
    struct event *ev;
    wh_loop *loop;
    void (*cb)(void *arg);
    void *arg;
};

struct wh_watch {
    struct event *ev;
    wh_loop *loop;
    void (*cb)(void *arg, unsigned events);
    void *arg;
    int fd;
    unsigned events;
};

static void ignore_sigpipe(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        memset(&now, 0, sizeof now);
        now.sa_handler = SIG_IGN;
        sigemptyset(&now.sa_mask);
        (void)sigaction(SIGPIPE, &now, NULL);
    }
}

/* libevent would write to stderr by itself. */
static void log_event(int severity, const char *text)
{
    if (severity >= EVENT_LOG_WARN) {
        WH_LOG(WARN, "loop.library", WH_F_STR("text", text));
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* No cached time: a timer counts from when it was started, not from when the turn
 * began, so a slow callback never shortens the timers it sets. */
static struct event_base *make_base(bool coarse)
{
    struct event_base *base = NULL;
    struct event_config *cfg = event_config_new();

    if (cfg != NULL) {
        if ((coarse ||
             event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER) == 0) &&
            event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME) == 0) {
            base = event_base_new_with_config(cfg);
        }
        event_config_free(cfg);
    }
    return base;
}

static wh_err make(bool coarse, wh_loop **out)
{
    wh_loop *l = wh_calloc(1, sizeof *l);

    *out = NULL;
    if (l == NULL) {
        return WH_ENOMEM;
    }
    ignore_sigpipe();
    event_set_log_callback(log_event);
    l->deferred_end = &l->deferred;
    l->last_turn_ms = wh_clock_mono_ms();
    l->base = make_base(coarse);
    if (l->base == NULL) {
        goto fail;
    }
    l->wake = evtimer_new(l->base, on_wake, l);
    if (l->wake == NULL) {
        goto fail;
    }
    *out = l;
    return WH_OK;
fail:
    wh_loop_free(l);
    return WH_ENOMEM;
}

wh_err wh_loop_new(wh_loop **out)
{
    return make(false, out);
}

wh_err wh_loop_new_coarse(wh_loop **out)
{
    return make(true, out);
}

/* True if something is still deferred. */
static bool run_deferred(wh_loop *l)
{
    for (int round = 0; round < DEFER_ROUNDS && l->deferred != NULL; round++) {
        wh_deferred *list = l->deferred;

        l->deferred = NULL;
        l->deferred_end = &l->deferred;
        wh_loop_enter(l);
        while (list != NULL) {
            wh_deferred *d = list;

            list = d->next;
            d->next = NULL;
            d->queued = false;
            l->did_more = l->did_more || !d->is_output;
            d->fn(d->arg); /* d may be gone now */
        }
    }
    return l->deferred != NULL;
}

void wh_loop_free(wh_loop *l)
{
    if (l == NULL) {
        return;
    }
    while (run_deferred(l)) {
        /* objects that die in one another's callbacks */
    }
    while (l->signals != NULL) {
        signal_handler *h = l->signals;

        l->signals = h->next;
        event_free(h->ev);
        wh_free(h);
    }
    if (l->wake != NULL) {
        event_free(l->wake);
    }
    if (l->base != NULL) {
        event_base_free(l->base);
    }
    wh_free(l);
}

struct event_base *wh_loop_base(wh_loop *l)
{
    return l->base;
}

void wh_loop_enter(wh_loop *l)
{
    if (l->busy_since_us == 0) {
        l->busy_since_us = wh_clock_mono_us();
        l->last_turn_ms = l->busy_since_us / 1000;
    }
}

static void end_of_turn(wh_loop *l)
{
    if (l->busy_since_us != 0) {
        int64_t took = wh_clock_mono_us() - l->busy_since_us;

        if (took > l->longest_us) {
            l->longest_us = took;
        }
        l->busy_since_us = 0;
    }
}

wh_err wh_loop_turn(wh_loop *l, int64_t timeout_ms)
{
    int flags = EVLOOP_ONCE;

    l->in_turn = true;
    l->did_more = false;
    (void)run_deferred(l);
    /* What was deferred since the last turn may be what the caller waits for. */
    if (l->did_more || l->deferred != NULL || l->stopping) {
        timeout_ms = 0;
    }
    (void)event_del(l->wake);
    end_of_turn(l);
    if (timeout_ms == 0) {
        flags |= EVLOOP_NONBLOCK;
    } else if (timeout_ms > 0) {
        struct timeval tv = {.tv_sec = (time_t)(timeout_ms / 1000),
                             .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};

        if (evtimer_add(l->wake, &tv) != 0) {
            l->in_turn = false;
            return WH_ENOMEM;
        }
    }
    l->last_turn_ms = wh_clock_mono_ms();
    int rc = event_base_loop(l->base, flags);
    if (timeout_ms > 0) {
        (void)evtimer_del(l->wake);
    }
    if (run_deferred(l)) {
        event_active(l->wake, EV_TIMEOUT, 0);
    }
    l->in_turn = false;
    end_of_turn(l);
    return rc < 0 ? WH_EIO : WH_OK;
}

wh_err wh_loop_run(wh_loop *l)
{
    wh_err err = WH_OK;

    while (!l->stopping && err == WH_OK) {
        /* Bounded, so that an empty loop does not spin and "last turn" stays fresh. */
        err = wh_loop_turn(l, 1000);
    }
    l->stopping = false;
    return err;
}

void wh_loop_stop(wh_loop *l)
{
    l->stopping = true;
    /* Called from outside a callback the turn would otherwise wait on. */
    event_active(l->wake, EV_TIMEOUT, 0);
}

void wh_loop_defer(wh_loop *l, wh_deferred *d)
{
    if (d->queued) {
        return;
    }
    if (!l->in_turn && l->deferred == NULL) {
        event_active(l->wake, EV_TIMEOUT,
                     0); /* whoever waits for the loop must turn it */
    }
    d->queued = true;
    d->next = NULL;
    *l->deferred_end = d;
    l->deferred_end = &d->next;
}

int64_t wh_loop_take_lag_us(wh_loop *l)
{
    int64_t longest = l->longest_us;

    l->longest_us = 0;
    return longest;
}

int64_t wh_loop_last_turn_ms(const wh_loop *l)
{
    return l->last_turn_ms;
}

/* ---------------------------------------------------------------- timers */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    wh_timer *t = arg;

    (void)fd;
    (void)what;
    wh_loop_enter(t->loop);
    t->cb(t->arg);
}

wh_err wh_timer_new(wh_loop *l, void (*cb)(void *arg), void *arg, wh_timer **out)
{
    wh_timer *t = wh_calloc(1, sizeof *t);

    *out = NULL;
    if (t == NULL) {
        return WH_ENOMEM;
    }
    t->loop = l;
    t->cb = cb;
    t->arg = arg;
    t->ev = evtimer_new(l->base, on_timer, t);
    if (t->ev == NULL) {
        wh_free(t);
        return WH_ENOMEM;
    }
    *out = t;
    return WH_OK;
}

void wh_timer_start_us(wh_timer *t, int64_t delay_us)
{
    int64_t us = delay_us < 0 ? 0 : delay_us;
    struct timeval tv = {.tv_sec = (time_t)(us / 1000000),
                         .tv_usec = (suseconds_t)(us % 1000000)};

    if (evtimer_add(t->ev, &tv) != 0) {
        /* Out of memory for the timer heap: better too early than never. */
        event_active(t->ev, EV_TIMEOUT, 0);
    }
}

void wh_timer_start(wh_timer *t, int64_t delay_ms)
{
    wh_timer_start_us(t, delay_ms > INT64_MAX / 1000 ? INT64_MAX : delay_ms * 1000);
}

void wh_timer_stop(wh_timer *t)
{
    (void)evtimer_del(t->ev);
}

bool wh_timer_is_running(const wh_timer *t)
{
    return evtimer_pending(t->ev, NULL) != 0;
}

void wh_timer_free(wh_timer *t)
{
    if (t != NULL) {
        event_free(t->ev);
        wh_free(t);
    }
}

/* -------------------------------------------------------------- watchers */

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    wh_watch *w = arg;
    unsigned events = 0;

    (void)fd;
    if ((what & EV_READ) != 0) {
        events |= WH_WATCH_READ;
    }
    if ((what & EV_WRITE) != 0) {
        events |= WH_WATCH_WRITE;
    }
    wh_loop_enter(w->loop);
    w->cb(w->arg, events);
}

/* Arms the event for w->events; false if the kernel refuses the fd. */
static bool arm(wh_watch *w)
{
    short what = EV_PERSIST;

    if ((w->events & WH_WATCH_READ) != 0) {
        what |= EV_READ;
    }
    if ((w->events & WH_WATCH_WRITE) != 0) {
        what |= EV_WRITE;
    }
    if (event_assign(w->ev, w->loop->base, w->fd, what, on_watch, w) != 0) {
        return false;
    }
    return w->events == 0 || event_add(w->ev, NULL) == 0;
}

wh_err wh_watch_new(wh_loop *l, int fd, unsigned events,
                    void (*cb)(void *arg, unsigned events), void *arg, wh_watch **out)
{
    wh_watch *w = wh_calloc(1, sizeof *w);

    *out = NULL;
    if (w == NULL) {
        return WH_ENOMEM;
    }
    *w = (wh_watch){.loop = l, .cb = cb, .arg = arg, .fd = fd, .events = events};
    w->ev = event_new(l->base, fd, EV_PERSIST, on_watch, w);
    if (w->ev == NULL) {
        wh_free(w);
        return WH_ENOMEM;
    }
    if (!arm(w)) {
        wh_watch_free(w);
        return WH_EIO;
    }
    *out = w;
    return WH_OK;
}

void wh_watch_set(wh_watch *w, unsigned events)
{
    if (events != w->events) {
        (void)event_del(w->ev);
        w->events = events;
        /* Refused only for an fd that epoll never took, which _new has reported. */
        (void)arm(w);
    }
}

void wh_watch_free(wh_watch *w)
{
    if (w != NULL) {
        event_free(w->ev);
        wh_free(w);
    }
}

/* --------------------------------------------------------------- signals */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    signal_handler *h = arg;

    (void)what;
    wh_loop_enter(h->loop);
    h->cb(h->arg, (int)signo);
}

wh_err wh_loop_on_signal(wh_loop *l, int signo, void (*cb)(void *arg, int signo),
                         void *arg)
{
    signal_handler *h = wh_calloc(1, sizeof *h);

    if (h == NULL) {
        return WH_ENOMEM;
    }
    h->loop = l;
    h->cb = cb;
    h->arg = arg;
    h->ev = evsignal_new(l->base, signo, on_signal, h);
    if (h->ev == NULL || evsignal_add(h->ev, NULL) != 0) {
        if (h->ev != NULL) {
            event_free(h->ev);
        }
        wh_free(h);
        return WH_EIO;
    }
    h->next = l->signals;
    l->signals = h;
    return WH_OK;
}
