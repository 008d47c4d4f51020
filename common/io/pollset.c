/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libevent does not give out its own descriptor, but lists its events: their fds go
 * into an epoll set of ours, their time-outs into the time to wait. The kernel drops an
 * fd from the set when it is closed, and the number may come back as another file, so
 * every update states each fd anew.
 */
#include "common/io/pollset.h"

#include "common/base/alloc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>

/* A bound on what a clock that was set can do to a time-out read as wall time. */
enum { WAIT_MAX_MS = 1000 };

typedef struct entry {
    int fd;
    uint32_t events;
} entry;

struct wh_pollset {
    struct event_base *base;
    int fd;
    entry *entries; /* what the epoll set should hold */
    size_t n, cap;
    entry *old;
    size_t n_old, old_cap;
};

typedef struct scan {
    wh_pollset *set;
    struct timeval now;
    int64_t wait_ms;
    wh_err err;
} scan;

wh_err wh_pollset_new(wh_loop *l, wh_pollset **out, wh_errbuf *eb)
{
    *out = NULL;
    wh_pollset *p = wh_calloc(1, sizeof *p);

    if (p == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    p->base = wh_loop_base(l);
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        wh_err err = wh_err_sys(eb, errno, "epoll_create1");

        wh_free(p);
        return err;
    }
    *out = p;
    return WH_OK;
}

void wh_pollset_free(wh_pollset *p)
{
    if (p == NULL) {
        return;
    }
    close(p->fd);
    wh_free(p->entries);
    wh_free(p->old);
    wh_free(p);
}

int wh_pollset_fd(const wh_pollset *p)
{
    return p->fd;
}

static void want_fd(scan *s, int fd, uint32_t events)
{
    wh_pollset *p = s->set;

    for (size_t i = 0; i < p->n; i++) {
        if (p->entries[i].fd == fd) {
            p->entries[i].events |= events;
            return;
        }
    }
    entry *grown = wh_grow(p->entries, &p->cap, p->n + 1, sizeof *grown);
    if (grown == NULL) {
        s->err = WH_ENOMEM;
        return;
    }
    p->entries = grown;
    p->entries[p->n++] = (entry){.fd = fd, .events = events};
}

static void want_time(scan *s, const struct timeval *due)
{
    int64_t ms = (int64_t)(due->tv_sec - s->now.tv_sec) * 1000 +
                 ((int64_t)due->tv_usec - (int64_t)s->now.tv_usec + 999) / 1000;

    if (ms < s->wait_ms) {
        s->wait_ms = ms < 0 ? 0 : ms;
    }
}

static int on_event(const struct event_base *base, const struct event *ev, void *arg)
{
    scan *s = arg;
    short pending = (short)event_pending(ev, EV_READ | EV_WRITE | EV_SIGNAL, NULL);
    struct timeval due = {0};
    uint32_t events = 0;

    (void)base;
    if ((pending & EV_READ) != 0) {
        events |= EPOLLIN;
    }
    if ((pending & EV_WRITE) != 0) {
        events |= EPOLLOUT;
    }
    if (events != 0 && (pending & EV_SIGNAL) == 0 && event_get_fd(ev) >= 0) {
        want_fd(s, event_get_fd(ev), events);
    }
    if (event_pending(ev, EV_TIMEOUT, &due) != 0) {
        want_time(s, &due);
    }
    return s->err == WH_OK ? 0 : -1;
}

static bool is_wanted(const wh_pollset *p, int fd)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->entries[i].fd == fd) {
            return true;
        }
    }
    return false;
}

static wh_err apply(wh_pollset *p)
{
    for (size_t i = 0; i < p->n_old; i++) {
        if (!is_wanted(p, p->old[i].fd)) {
            (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, p->old[i].fd, NULL);
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        struct epoll_event e = {.events = p->entries[i].events};

        e.data.fd = p->entries[i].fd;
        if (epoll_ctl(p->fd, EPOLL_CTL_MOD, e.data.fd, &e) != 0 &&
            epoll_ctl(p->fd, EPOLL_CTL_ADD, e.data.fd, &e) != 0) {
            return WH_EIO;
        }
    }
    return WH_OK;
}

wh_err wh_pollset_update(wh_pollset *p, int64_t *timeout_ms)
{
    scan s = {.set = p, .wait_ms = WAIT_MAX_MS};
    entry *swap = p->old;
    size_t swap_cap = p->old_cap;

    p->old = p->entries;
    p->n_old = p->n;
    p->old_cap = p->cap;
    p->entries = swap;
    p->cap = swap_cap;
    p->n = 0;
    *timeout_ms = 0;
    gettimeofday(&s.now, NULL);
    (void)event_base_foreach_event(p->base, on_event, &s);
    if (event_base_get_num_events(p->base, EVENT_BASE_COUNT_ACTIVE) > 0) {
        s.wait_ms = 0;
    }
    *timeout_ms = s.wait_ms;
    return s.err == WH_OK ? apply(p) : s.err;
}
