/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a connection: attempts, readiness, requests and their deadlines, back-off.
 * Sending appends to one buffer that goes out in one write at the end of the turn; one
 * timer serves all deadlines. Invariants: the FIFO holds exactly the requests that
 * were accepted and not answered; a link ends in end_link only, which runs from the
 * loop, so that no callback is made inside _send, _reset or _free.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/io/conn_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

enum { MAX_OUT_BYTES = 256 * 1024 * 1024, LOGS_PER_MINUTE = 6, FLAPS_TOLD = 3 };

static const char *const state_names[] = {"idle",  "connecting", "handshake",
                                          "ready", "waiting",    "closed"};

/* Legal transitions: one bit per target. */
static const unsigned legal[] = {
    [WH_CONN_IDLE] = 1U << WH_CONN_CONNECTING | 1U << WH_CONN_CLOSED,
    [WH_CONN_CONNECTING] =
        1U << WH_CONN_HANDSHAKE | 1U << WH_CONN_WAITING | 1U << WH_CONN_CLOSED,
    [WH_CONN_HANDSHAKE] =
        1U << WH_CONN_READY | 1U << WH_CONN_WAITING | 1U << WH_CONN_CLOSED,
    [WH_CONN_READY] = 1U << WH_CONN_WAITING | 1U << WH_CONN_CLOSED,
    [WH_CONN_WAITING] = 1U << WH_CONN_CONNECTING | 1U << WH_CONN_CLOSED,
    [WH_CONN_CLOSED] = 1U << WH_CONN_CONNECTING,
};

void wh_conn_set_state(wh_conn *c, wh_conn_state to)
{
    WH_ASSERT((legal[c->state] & 1U << to) != 0);
    WH_LOG(DEBUG, "redis.state", WH_F_STR("from", state_names[c->state]),
           WH_F_STR("to", state_names[to]));
    c->state = to;
}

/* -------------------------------------------------------- ending a link */

static bool has_link(const wh_conn *c)
{
    return c->state == WH_CONN_CONNECTING || c->state == WH_CONN_HANDSHAKE ||
           c->state == WH_CONN_READY;
}

void wh_conn_fail(wh_conn *c, wh_err code, const char *fmt, ...)
{
    va_list ap;

    if (c->ending || c->freed || !has_link(c)) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(c->error, sizeof c->error, fmt, ap);
    va_end(ap);
    c->error_code = code;
    c->was_ready = c->state == WH_CONN_READY;
    if (c->was_ready && wh_clock_mono_ms() - c->ready_since_ms >= c->o.backoff_max_ms) {
        c->attempts = c->flaps = 0; /* it was stable; flapping keeps its back-off */
    }
    c->attempts++;
    c->flaps += c->was_ready;
    c->ending = true;
    c->begin_due = false;
    wh_timer_stop(c->phase);
    wh_conn_link_pause(&c->link);
    wh_conn_set_state(c, c->o.once ? WH_CONN_CLOSED : WH_CONN_WAITING);
    wh_loop_defer(c->loop, &c->end_later);
}

/* Full jitter between the minimum and a ceiling that doubles. */
static int64_t next_delay_ms(const wh_conn *c)
{
    int64_t ceiling = c->o.backoff_min_ms;

    for (unsigned i = 0; i < c->attempts && ceiling < c->o.backoff_max_ms; i++) {
        ceiling *= 2;
    }
    if (ceiling > c->o.backoff_max_ms) {
        ceiling = c->o.backoff_max_ms;
    }
    int64_t spread = ceiling - c->o.backoff_min_ms;
    return c->o.backoff_min_ms + (int64_t)wh_rng_below((uint64_t)spread + 1);
}

static void wait_and_retry(wh_conn *c)
{
    char where[160];
    int64_t delay_ms = next_delay_ms(c);

    wh_endpoint_print(&c->o.endpoint, where, sizeof where);
    WH_LOG_LIMITED(WARN, LOGS_PER_MINUTE, "redis.waiting", WH_F_STR("redis", where),
                   WH_F_STR("connection", c->o.use), WH_F_STR("why", c->error),
                   WH_F_INT("failures", c->attempts), WH_F_INT("retry_ms", delay_ms));
    wh_timer_start(c->phase, delay_ms);
}

/* All requests of the link that ended. Callbacks can't add new ones: not ready. */
static void end_requests(wh_conn *c)
{
    wh_conn_slot p;
    int64_t expired_ms = c->expired_ms;

    c->expired_ms = 0;
    while (wh_conn_fifo_pop(&c->fifo, &p)) {
        wh_err err = WH_EUNCERTAIN;

        if (c->freed) {
            err = WH_ECANCELED;
        } else if (p.deadline_ms != 0 && p.deadline_ms <= expired_ms) {
            err = WH_ETIMEOUT;
        }
        if (p.cb != NULL) {
            p.cb(p.arg, err, NULL);
        }
    }
}

static void destroy(wh_conn *c)
{
    wh_conn_options_fini(c);
    wh_conn_link_fini(&c->link);
    wh_conn_reader_fini(&c->reader);
    wh_conn_fifo_fini(&c->fifo);
    wh_buf_fini(&c->out);
    wh_free(c->chunk);
    wh_timer_free(c->phase);
    wh_timer_free(c->deadline);
    wh_free(c);
}

static void end_link(void *arg)
{
    wh_conn *c = arg;
    bool tell = c->was_ready || (c->ending && c->o.once);

    wh_conn_link_close(&c->link);
    wh_conn_reader_fini(&c->reader);
    wh_buf_clear(&c->out);
    wh_timer_stop(c->deadline);
    c->deadline_ms = 0;
    c->ending = false;
    c->was_ready = false;
    if (tell && !c->freed && c->o.on_state != NULL) {
        c->o.on_state(c->o.arg, false, c->error);
    }
    end_requests(c);
    if (!c->freed) {
        if (c->state == WH_CONN_WAITING) {
            wait_and_retry(c);
        }
    } else if (c->flush_later.queued || c->end_later.queued) {
        wh_loop_defer(c->loop, &c->end_later); /* the list still points into c */
    } else {
        destroy(c);
    }
}

void wh_conn_reset(wh_conn *c, const char *why)
{
    wh_conn_fail(c, WH_ECONN, "%s", why != NULL ? why : "reset");
}

void wh_conn_free(wh_conn *c)
{
    if (c == NULL || c->freed) {
        return;
    }
    c->freed = true;
    c->state = WH_CONN_CLOSED;
    wh_timer_stop(c->phase);
    wh_timer_stop(c->deadline);
    wh_conn_link_pause(&c->link);
    wh_watch_free(c->link.watch);
    c->link.watch = NULL;
    wh_resolve_free(c->link.resolve);
    c->link.resolve = NULL;
    wh_loop_defer(c->loop, &c->end_later);
}

/* --------------------------------------------------------- getting ready */

static void begin_attempt(wh_conn *c)
{
    wh_err err;

    c->begin_due = false;
    if (c->state == WH_CONN_WAITING) {
        wh_conn_set_state(c, WH_CONN_CONNECTING);
    }
    err = wh_conn_reader_init(&c->reader);
    if (err != WH_OK) {
        wh_conn_fail(c, err, "%s", wh_err_text(err));
        return;
    }
    wh_timer_start(c->phase, c->o.connect_timeout_ms);
    wh_conn_link_start(c);
}

static void tell_ready(const wh_conn *c)
{
    char where[160];

    wh_endpoint_print(&c->o.endpoint, where, sizeof where);
    WH_LOG(INFO, "redis.ready", WH_F_STR("redis", where),
           WH_F_STR("connection", c->o.use));
}

static void on_phase(void *arg)
{
    wh_conn *c = arg;

    switch (c->state) {
    case WH_CONN_CONNECTING:
        if (c->begin_due) {
            begin_attempt(c);
        } else {
            wh_conn_link_expired(c);
        }
        break;
    case WH_CONN_WAITING:
        begin_attempt(c);
        break;
    case WH_CONN_HANDSHAKE:
        wh_conn_link_expired(c);
        break;
    case WH_CONN_READY: /* it flapped, and lasts now */
        c->flaps = 0;
        tell_ready(c);
        break;
    case WH_CONN_IDLE:
    case WH_CONN_CLOSED:
        break;
    }
}

void wh_conn_start(wh_conn *c)
{
    if (!c->freed && (c->state == WH_CONN_IDLE || c->state == WH_CONN_CLOSED)) {
        wh_conn_set_state(c, WH_CONN_CONNECTING);
        c->begin_due = true;
        wh_timer_start(c->phase, 0);
    }
}

void wh_conn_connected(wh_conn *c)
{
    if (c->ending || c->freed) {
        return;
    }
    c->counters.connects++;
    wh_conn_set_state(c, WH_CONN_HANDSHAKE);
    wh_timer_start(c->phase, c->o.connect_timeout_ms);
    wh_conn_handshake_start(c);
}

void wh_conn_established(wh_conn *c)
{
    wh_timer_stop(c->phase);
    wh_conn_set_state(c, WH_CONN_READY);
    c->ready_since_ms = wh_clock_mono_ms();
    c->error_code = WH_OK;
    c->error[0] = '\0';
    if (!c->o.once && c->flaps < FLAPS_TOLD) {
        tell_ready(c);
    } else if (!c->o.once) {
        wh_timer_start(c->phase, c->o.backoff_max_ms);
    }
    if (c->o.on_state != NULL) {
        c->o.on_state(c->o.arg, true, NULL);
    }
}

/* -------------------------------------------------------------- requests */

static void flush(void *arg)
{
    wh_conn_link_flush(arg);
}

wh_err wh_conn_push(wh_conn *c, const char *data, size_t len, const wh_conn_slot *p)
{
    if (wh_buf_reserve(&c->out, len) == NULL) {
        c->out.failed = false; /* what is in it is whole */
        return WH_ENOMEM;
    }
    wh_err err = wh_conn_fifo_push(&c->fifo, p);
    if (err != WH_OK) {
        return err;
    }
    wh_buf_add(&c->out, data, len);
    c->counters.requests++;
    c->counters.bytes_out += len;
    wh_loop_defer(c->loop, &c->flush_later);
    return WH_OK;
}

static void arm_deadline(wh_conn *c, int64_t deadline_ms, int64_t now_ms)
{
    if (c->deadline_ms == 0 || deadline_ms < c->deadline_ms) {
        c->deadline_ms = deadline_ms;
        wh_timer_start(c->deadline, deadline_ms - now_ms);
    }
}

/* The timer fires at what was once the earliest deadline; most often that request has
 * been answered, and the timer moves on. */
static void on_deadline(void *arg)
{
    wh_conn *c = arg;
    int64_t now_ms = wh_clock_mono_ms();
    int64_t next_ms = INT64_MAX;

    c->deadline_ms = 0;
    for (size_t i = 0; i < c->fifo.count; i++) {
        int64_t deadline_ms = wh_conn_fifo_at(&c->fifo, i)->deadline_ms;

        if (deadline_ms != 0 && deadline_ms < next_ms) {
            next_ms = deadline_ms;
        }
    }
    if (next_ms <= now_ms) {
        c->expired_ms = now_ms;
        wh_conn_fail(c, WH_ETIMEOUT, "Redis did not answer a request in time");
    } else if (next_ms != INT64_MAX) {
        arm_deadline(c, next_ms, now_ms);
    }
}

static bool is_flooded(const wh_conn *c)
{
    const struct evbuffer *unsent = bufferevent_get_output(c->link.bev);

    return c->out.len + evbuffer_get_length(unsent) > MAX_OUT_BYTES;
}

wh_err wh_conn_send(wh_conn *c, const wh_conn_request *r)
{
    wh_conn_slot p = {.cb = r->cb, .arg = r->arg};
    int64_t now_ms = 0;

    WH_ASSERT(r->len > 0);
    if (c->state != WH_CONN_READY) {
        return WH_ECONN;
    }
    if (is_flooded(c)) {
        return WH_EBUSY;
    }
    if (r->timeout_ms >= 0) {
        now_ms = wh_clock_mono_ms();
        p.deadline_ms =
            now_ms + (r->timeout_ms > 0 ? r->timeout_ms : c->o.request_timeout_ms);
    }
    wh_err err = wh_conn_push(c, r->data, r->len, &p);
    if (err == WH_OK && p.deadline_ms != 0) {
        arm_deadline(c, p.deadline_ms, now_ms);
    }
    return err;
}

void wh_conn_forget(wh_conn *c, const void *arg)
{
    for (size_t i = 0; i < c->fifo.count; i++) {
        wh_conn_slot *p = wh_conn_fifo_at(&c->fifo, i);

        if (p->arg == arg) {
            p->cb = NULL;
        }
    }
}

/* ---------------------------------------------------------- construction */

wh_err wh_conn_new(wh_loop *l, const wh_conn_options *o, wh_conn **out, wh_errbuf *eb)
{
    wh_err err = wh_conn_options_check(o, eb);
    wh_conn *c = NULL;

    *out = NULL;
    if (err != WH_OK) {
        return err;
    }
    c = wh_calloc(1, sizeof *c);
    if (c == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    c->loop = l;
    c->flush_later = (wh_deferred){.fn = flush, .arg = c, .is_output = true};
    c->end_later = (wh_deferred){.fn = end_link, .arg = c};
    wh_conn_link_init(&c->link);
    if (wh_conn_options_init(c, o) != WH_OK ||
        wh_timer_new(l, on_phase, c, &c->phase) != WH_OK ||
        wh_timer_new(l, on_deadline, c, &c->deadline) != WH_OK) {
        goto fail;
    }
    *out = c;
    return WH_OK;
fail:
    destroy(c);
    return wh_err_set(eb, WH_ENOMEM, "out of memory");
}

/* ------------------------------------------------------------- questions */

wh_conn_state wh_conn_state_of(const wh_conn *c)
{
    return c->state;
}

const char *wh_conn_error(const wh_conn *c)
{
    return c->error;
}

wh_err wh_conn_error_code(const wh_conn *c)
{
    return c->error_code;
}

size_t wh_conn_pending(const wh_conn *c)
{
    return c->fifo.count;
}

wh_conn_counters wh_conn_counters_of(const wh_conn *c)
{
    return c->counters;
}
