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

enum { CHECK_MS = 1000, LOW_PERCENT = 90 };

struct wh_pressure {
    wh_pressure_setup o;
    wh_timer *timer;
    int64_t limit;
    wh_pressure_state now;
    int64_t check_at_us; /* memory; 0: no limit */
    int64_t busy_until_us;
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

static bool is_memory_high(const wh_pressure *p)
{
    if (p->limit <= 0) {
        return false;
    }
    int64_t bytes = memory_of(p);
    bool is_high =
        p->now.memory ? bytes >= p->limit / 100 * LOW_PERCENT : bytes > p->limit;
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

/* The timer fires when the first of both has to be looked at again. */
static void schedule(wh_pressure *p, int64_t now_us)
{
    int64_t due_us = p->check_at_us;

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
    if (to.busy != p->now.busy || to.memory != p->now.memory) {
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
    change(p, to);
    schedule(p, now_us);
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
