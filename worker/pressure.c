/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two flags and one timer. Memory is read from /proc only when the timer says so; what
 * handlers said is asked of their executors, which answer without a system call.
 */
#include "worker/pressure.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/child.h"

/* Too little room is a state when it was so for most of the time between two looks, and no more when it was for less
 * than half: jobs end all the time. */
enum {
    CHECK_MS = 1000,
    LOW_PERCENT = 90,
    SHED_MAX = 4,
    LACK_PERCENT = 90,
    LACK_LOW_PERCENT = 50
};

typedef struct lack {
    wh_lack now, last;       /* last: that there was any */
    int64_t since_us;        /* now */
    int64_t from_us, sum_us; /* how long there was, since the last look */
    int64_t check_at_us;     /* 0: not looked at */
} lack;

struct wh_pressure {
    wh_pressure_setup o;
    wh_timer *timer;
    int64_t limit;
    wh_pressure_state now;
    int64_t check_at_us; /* memory; 0: no limit */
    int64_t busy_until_us;
    lack lack;
};

static int64_t memory_of(const wh_pressure *p)
{
    int64_t own = wh_child_rss_self();
    int64_t bytes = own > 0 ? own : 0;

    for (size_t i = 0; i < wh_registry_count(p->o.registry); i++) {
        const wh_handler *h = wh_registry_at(p->o.registry, i);

        bytes += h->executor == NULL ? 0 : h->kind->memory(h->executor);
    }
    return bytes;
}

/* Nothing runs, and no process starts or ends. */
static bool is_at_rest(const wh_pressure *p)
{
    for (size_t i = 0; i < wh_registry_count(p->o.registry); i++) {
        const wh_handler *h = wh_registry_at(p->o.registry, i);
        wh_executor_stats s = {0};

        if (h->executor != NULL) {
            h->kind->stats(h->executor, &s);
        }
        if (s.busy > 0 || s.queued > 0 || s.moving) {
            return false;
        }
    }
    return true;
}

/* Ends the biggest process that waits for its next job: what it gives back, 0 when there
 * is none. */
static int64_t shed_one(const wh_pressure *p)
{
    const wh_handler *biggest = NULL;
    int64_t most = 0;

    for (size_t i = 0; i < wh_registry_count(p->o.registry); i++) {
        const wh_handler *h = wh_registry_at(p->o.registry, i);
        bool can_shed = h->executor != NULL && h->kind->shed != NULL;
        int64_t bytes = can_shed ? h->kind->shed(h->executor, false) : 0;

        if (bytes > most) {
            most = bytes;
            biggest = h;
        }
    }
    if (biggest != NULL) {
        WH_LOG_LIMITED(WARN, 12, "worker.memory_recycle",
                       WH_F_STR("handler", biggest->config.name),
                       WH_F_INT("bytes", most), WH_F_INT("limit", p->limit));
        (void)biggest->kind->shed(biggest->executor, true);
    }
    return most;
}

/* Over the limit with nothing that would end: processes that grew are replaced, each once, since
 * a new one has had no job. False: what is left are new ones and the worker itself. */
static bool shed(const wh_pressure *p, int64_t bytes)
{
    int64_t low = p->limit / 100 * LOW_PERCENT;
    unsigned n = 0;

    while (bytes >= low && n < SHED_MAX) {
        int64_t less = shed_one(p);

        if (less <= 0) {
            break;
        }
        bytes -= less;
        n++;
    }
    return n > 0;
}

/* Still too high? When nothing runs that is for the limit itself to say: what is there now
 * is what there will be. */
static bool is_still_high(const wh_pressure *p, int64_t bytes)
{
    if (bytes < p->limit / 100 * LOW_PERCENT) {
        return false;
    }
    if (!is_at_rest(p) || shed(p, bytes)) {
        return true;
    }
    if (bytes > p->limit) {
        WH_LOG_LIMITED(WARN, 2, "worker.memory_stuck", WH_F_INT("bytes", bytes),
                       WH_F_INT("limit", p->limit),
                       WH_F_STR("why",
                                "nothing runs, and the worker with new processes "
                                "of its handlers is over memory_limit: raise it"));
    }
    return bytes > p->limit;
}

static bool is_memory_high(const wh_pressure *p)
{
    if (p->limit <= 0) {
        return false;
    }
    int64_t bytes = memory_of(p);
    bool is_high = p->now.memory ? is_still_high(p, bytes) : bytes > p->limit;
    if (is_high != p->now.memory) {
        wh_log_field fields[] = {WH_F_INT("bytes", bytes), WH_F_INT("limit", p->limit)};

        wh_log_limited(is_high ? WH_LOG_LEVEL_WARN : WH_LOG_LEVEL_INFO, 12,
                       is_high ? "worker.memory_high" : "worker.memory_low", fields,
                       sizeof fields / sizeof fields[0]);
    }
    return is_high;
}

static int64_t busy_until(const wh_pressure *p)
{
    int64_t until_us = 0;

    for (size_t i = 0; i < wh_registry_count(p->o.registry); i++) {
        const wh_handler *h = wh_registry_at(p->o.registry, i);

        if (h->executor != NULL && h->kind->busy_until_us != NULL) {
            int64_t theirs_us = h->kind->busy_until_us(h->executor);

            until_us = theirs_us > until_us ? theirs_us : until_us;
        }
    }
    return until_us;
}

static void add_lack(lack *l, int64_t now_us)
{
    l->sum_us += l->now == WH_LACK_NOTHING ? 0 : now_us - l->since_us;
    l->since_us = now_us;
}

static void open_lack(lack *l, int64_t now_us)
{
    l->from_us = l->since_us = now_us;
    l->sum_us = 0;
    l->check_at_us = now_us + (int64_t)CHECK_MS * 1000;
}

/* What there was too little of since the last look. */
static void look_at_lack(lack *l, int64_t now_us, wh_pressure_state *to)
{
    bool is_known = to->capacity || to->handlers;
    int64_t percent = is_known ? LACK_LOW_PERCENT : LACK_PERCENT;
    int64_t all_us = now_us > l->from_us ? now_us - l->from_us : 1;

    add_lack(l, now_us);
    bool is_so = l->sum_us * 100 >= all_us * percent;
    bool is_over = l->sum_us == 0;
    to->capacity = is_so && l->last == WH_LACK_CAPACITY;
    to->handlers = is_so && l->last == WH_LACK_HANDLERS;
    open_lack(l, now_us);
    l->check_at_us = is_over ? 0 : l->check_at_us;
}

/* The timer fires when the first of them has to be looked at again. */
static void schedule(wh_pressure *p, int64_t now_us)
{
    int64_t due_us = p->check_at_us;

    if (p->lack.check_at_us != 0 && (due_us == 0 || p->lack.check_at_us < due_us)) {
        due_us = p->lack.check_at_us;
    }

    if (p->now.busy && (due_us == 0 || p->busy_until_us < due_us)) {
        due_us = p->busy_until_us;
    }
    if (due_us == 0) {
        wh_timer_stop(p->timer);
    } else {
        wh_timer_start(p->timer, due_us > now_us ? (due_us - now_us) / 1000 + 1 : 0);
    }
}

static void change(wh_pressure *p, wh_pressure_state to)
{
    if (to.busy != p->now.busy) {
        WH_LOG_LIMITED(INFO, 12, to.busy ? "worker.busy" : "worker.not_busy",
                       WH_F_STR("by", "handler"));
    }
    if (to.capacity != p->now.capacity || to.handlers != p->now.handlers) {
        const char *word = to.capacity ? "capacity" : to.handlers ? "handlers" : "";

        WH_LOG_LIMITED(INFO, 12, word[0] != '\0' ? "worker.no_room" : "worker.room",
                       WH_F_STR("why", word));
    }
    if (to.busy != p->now.busy || to.memory != p->now.memory ||
        to.capacity != p->now.capacity || to.handlers != p->now.handlers) {
        p->now = to;
        p->o.on_change(p->o.arg, to);
    }
}

static void on_timer(void *arg)
{
    wh_pressure *p = arg;
    int64_t now_us = wh_clock_mono_us();
    wh_pressure_state to = p->now;

    p->busy_until_us = busy_until(p);
    to.busy = p->busy_until_us > now_us;
    if (p->limit > 0 && now_us >= p->check_at_us) {
        to.memory = is_memory_high(p);
        p->check_at_us = now_us + (int64_t)CHECK_MS * 1000;
    }
    if (p->lack.check_at_us != 0 && now_us >= p->lack.check_at_us) {
        look_at_lack(&p->lack, now_us, &to);
    }
    change(p, to);
    schedule(p, now_us);
}

void wh_pressure_lack(wh_pressure *p, wh_lack lacks)
{
    int64_t now_us = wh_clock_mono_us();
    lack *l = &p->lack;

    add_lack(l, now_us);
    l->now = lacks;
    if (lacks != WH_LACK_NOTHING) {
        l->last = lacks;
        if (l->check_at_us == 0) {
            open_lack(l, now_us);
            schedule(p, now_us);
        }
    } else if (p->now.handlers) { /* one has a process again: no reason to wait */
        open_lack(l, now_us);
        l->check_at_us = now_us;
        on_timer(p);
    }
}

const char *wh_pressure_word(wh_pressure_state now)
{
    return now.memory     ? "memory"
           : now.busy     ? "busy"
           : now.handlers ? "handlers"
           : now.capacity ? "capacity"
                          : NULL;
}

void wh_pressure_look(wh_pressure *p)
{
    if (busy_until(p) != p->busy_until_us) {
        on_timer(p);
    }
}

void wh_pressure_set_limit(wh_pressure *p, int64_t bytes)
{
    wh_pressure_state to = p->now;

    p->limit = bytes;
    p->check_at_us = bytes > 0 ? wh_clock_mono_us() : 0;
    if (bytes <= 0) {
        to.memory = false;
        change(p, to);
    }
    on_timer(p);
}

wh_pressure_state wh_pressure_now(const wh_pressure *p)
{
    return p->now;
}

wh_err wh_pressure_new(const wh_pressure_setup *o, wh_pressure **out)
{
    *out = NULL;
    wh_pressure *p = wh_calloc(1, sizeof *p);

    if (p == NULL) {
        return WH_ENOMEM;
    }
    p->o = *o;
    wh_err err = wh_timer_new(o->loop, on_timer, p, &p->timer);
    if (err != WH_OK) {
        wh_pressure_free(p);
        return err;
    }
    *out = p;
    return WH_OK;
}

void wh_pressure_free(wh_pressure *p)
{
    if (p == NULL) {
        return;
    }
    wh_timer_free(p->timer);
    wh_free(p);
}
