/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client itself: a loop and a store of its own, errors, and its place on the
 * caller's loop. Synchronous functions are the asynchronous ones plus turning the loop.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/client/client_schema.h"
#include "common/client/session.h"
#include "generated/version.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 30000,
    TURN_MAX_MS = 1000,
    BACKOFF_MIN_MS = 20,
    BACKOFF_MAX_MS = 1000
};

#define SAME(name)                                                                     \
    _Static_assert((int)WHERRY_##name == (int)WH_##name, "public and own code differ")
SAME(OK);
SAME(ENOMEM);
SAME(EINVAL);
SAME(ETOOBIG);
SAME(ENOTFOUND);
SAME(ESTATE);
SAME(ELOST);
SAME(EBADDATA);
SAME(EPROTO);
SAME(ECONN);
SAME(EUNCERTAIN);
SAME(ETIMEOUT);
SAME(EBUSY);
SAME(EFULL);
SAME(EAUTH);
SAME(EPERM);
SAME(ENOFUNC);
SAME(EVERSION);
SAME(ECANCELED);
SAME(ECONFIG);
SAME(EIO);
SAME(EREDIS);
SAME(EBACKPRESSURE);
_Static_assert((int)WHERRY_EBACKPRESSURE + 1 == (int)WH_ERR_COUNT,
               "a code is not public");
_Static_assert(WHERRY_VERSION_MAJOR == WH_VERSION_MAJOR &&
                   WHERRY_VERSION_MINOR == WH_VERSION_MINOR &&
                   WHERRY_VERSION_PATCH == WH_VERSION_PATCH,
               "wherry.h and the project differ in version");

/* ---- codes ---- */

const char *wh_client_version(void)
{
    return WH_VERSION;
}

static wh_err own_code(int code)
{
    return code >= 0 && code < (int)WH_ERR_COUNT ? (wh_err)code : WH_EREDIS;
}

const char *wh_client_code_name(int code)
{
    return wh_err_name(own_code(code));
}

const char *wh_client_code_text(int code)
{
    return wh_err_text(own_code(code));
}

int wh_client_code_is_transient(int code)
{
    return wh_err_is_transient(own_code(code)) ? 1 : 0;
}

int wh_client_fail(wh_client *c, wh_err code, const char *fmt, ...)
{
    char text[sizeof c->last.text];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)wh_err_set(&c->last, code, "%s", text);
    return (int)code;
}

int wh_client_fail_with(wh_client *c, wh_err code, const wh_errbuf *eb)
{
    if (eb->text[0] == '\0') {
        return wh_client_fail(c, code, "%s", wh_err_text(code));
    }
    c->last = *eb;
    return (int)code;
}

const char *wh_client_error(const wh_client *c)
{
    return c == NULL ? "" : c->last.text;
}

int64_t wh_client_retry_after_ms(const wh_client *c)
{
    return c == NULL ? 0 : c->retry_after_ms;
}

wh_err wh_client_enter(wh_client *c, bool synchronous)
{
    if (c == NULL) {
        return WH_EINVAL;
    }
    c->retry_after_ms = 0;
    c->last = (wh_errbuf){.code = WH_OK};
    if (synchronous && c->in_callback) {
        return wh_err_set(&c->last, WH_ESTATE,
                          "a synchronous call in a callback of the same client");
    }
    return WH_OK;
}

wh_err wh_client_partition(const wh_client_queue *q, char out[WH_KEYS_PARTITION_MAX],
                           wh_errbuf *eb)
{
    const char *region = q == NULL || q->region == NULL ? "any" : q->region;
    const char *queue = q == NULL || q->queue == NULL ? "default" : q->queue;

    return wh_keys_partition(region, queue, out, eb);
}

/* ---- log ---- */

/* The sink is the one piece of the process that all clients share. */
static struct log_target {
    wh_client_log_fn *fn;
    void *arg;
} log_target;
static atomic_flag log_is_ours = ATOMIC_FLAG_INIT;

static void on_log(void *arg, wh_log_level level, const char *line, size_t len)
{
    const struct log_target *t = arg;

    if (t->fn != NULL) {
        t->fn(t->arg, (int)level, line, len);
    }
}

void wh_client_set_log(wh_client_log_fn *log, void *arg)
{
    log_target = (struct log_target){.fn = log, .arg = arg};
    if (!atomic_flag_test_and_set(&log_is_ours)) {
        wh_log_set_sink(on_log, &log_target);
    }
}

/* A library is silent unless it was told where to speak. */
static void quieten(void)
{
    if (!atomic_flag_test_and_set(&log_is_ours)) {
        wh_log_set_sink(on_log, &log_target);
    }
}

/* ---- waiting ---- */

wh_err wh_client_turn(wh_client *c, int64_t deadline_ms)
{
    int64_t left = TURN_MAX_MS;

    if (deadline_ms >= 0) {
        left = deadline_ms - wh_clock_mono_ms();
        if (left <= 0) {
            return WH_ETIMEOUT;
        }
    }
    return wh_loop_turn(c->loop, left < TURN_MAX_MS ? left : TURN_MAX_MS);
}

int64_t wh_client_backoff(int tries)
{
    int64_t ms = BACKOFF_MIN_MS;

    for (int i = 0; i < tries && ms < BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    return wh_rng_jitter(ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS, 0.3);
}

static void on_timer(void *arg)
{
    wh_client_pump(arg);
}

/* Not from here: this may be inside a start function of the store. */
static void on_ready(void *arg, bool ready, const char *why)
{
    wh_client *c = arg;

    (void)why;
    if (ready && c->batches != NULL) {
        wh_timer_start(c->timer, 0);
    }
}

static wh_err wait_ready(wh_client *c, wh_errbuf *eb)
{
    int64_t deadline_ms = wh_clock_mono_ms() + c->timeout_ms;
    wh_err err = WH_OK;

    while (!wh_store_is_ready(c->store)) {
        wh_err code = wh_store_error_code(c->store);

        if (!wh_session_is_hopeful(code)) {
            return wh_err_set(eb, code, "%s", wh_store_error(c->store));
        }
        err = wh_client_turn(c, deadline_ms);
        if (err == WH_ETIMEOUT) {
            return wh_err_set(eb, code == WH_OK ? WH_ECONN : code, "%s",
                              wh_store_error(c->store));
        }
        if (err != WH_OK) {
            return wh_err_set(eb, err, "%s", wh_err_text(err));
        }
    }
    return WH_OK;
}

/* ---- life ---- */

/* What the caller's version of the struct has; the rest is zero. */
static wh_client_options read_options(const wh_client_options *options)
{
    wh_client_options o = {.size = 0};

    if (options != NULL) {
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    return o;
}

static wh_err open_store(wh_client *c, const char *url, const wh_client_options *o,
                         wh_errbuf *eb)
{
    wh_store_options so = {.on_ready = on_ready,
                           .arg = c,
                           .keep_library = o->keep_library != 0,
                           .conn = {.name = o->name == NULL ? "libwherry" : o->name,
                                    .ca_file = o->ca_file,
                                    .cert_file = o->cert_file,
                                    .key_file = o->key_file}};
    wh_err err = wh_session_parse_url(url, o->user, o->password, &so.conn.endpoint, eb);

    if (err == WH_OK) {
        err = wh_store_new(c->loop, &so, &c->store, eb);
        wh_endpoint_fini(&so.conn.endpoint);
    }
    if (err == WH_OK) {
        wh_store_start(c->store);
    }
    return err;
}

static wh_err make(const char *url, const wh_client_options *o, wh_client **out,
                   wh_errbuf *eb)
{
    wh_client *c = wh_calloc(1, sizeof *c);
    wh_err err = WH_ENOMEM;

    if (c == NULL) {
        goto fail;
    }
    quieten();
    c->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->touched = true;
    err = wh_loop_new_coarse(&c->loop);
    if (err == WH_OK) {
        err = wh_timer_new(c->loop, on_timer, c, &c->timer);
    }
    if (err == WH_OK) {
        err = open_store(c, url, o, eb);
    }
    if (err == WH_OK && o->no_wait == 0) {
        err = wait_ready(c, eb);
    }
    if (err != WH_OK) {
        goto fail;
    }
    *out = c;
    return WH_OK;
fail:
    wh_client_close(c);
    return err;
}

int wh_client_open(const char *url, const wh_client_options *options, wh_client **out)
{
    wh_client_options o = {.size = 0};
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = WH_OK;

    if (out == NULL) {
        return (int)WH_EINVAL;
    }
    *out = NULL;
    o = read_options(options);
    if (options != NULL && (o.size == 0 || o.timeout_ms < 0)) {
        err =
            wh_err_set(&eb, WH_ECONFIG, "options: %s",
                       o.size == 0 ? "size is 0; make them with wh_client_options_make"
                                   : "timeout_ms is negative");
    } else {
        err = make(url, &o, out, &eb);
    }
    if (err != WH_OK && o.error != NULL && o.error_size > 0) {
        (void)snprintf(o.error, o.error_size, "%s",
                       eb.text[0] != '\0' ? eb.text : wh_err_text(err));
    }
    return (int)err;
}

void wh_client_close(wh_client *c)
{
    if (c == NULL) {
        return;
    }
    wh_client_cancel_batches(c);
    if (c->store != NULL) {
        wh_store_forget(c->store, c);
        wh_store_free(c->store);
    }
    wh_timer_free(c->timer);
    wh_pollset_free(c->pollset);
    wh_loop_free(c->loop); /* runs what is deferred, the store's end among it */
    wh_reply_free(c->reply);
    wh_client_schema_clear(c);
    wh_free(c);
}

/* ---- on the caller's loop ---- */

int wh_client_poll_info(wh_client *c, int *fd, int *events, int *timeout_ms)
{
    wh_errbuf eb = {.code = WH_OK};
    int64_t wait_ms = 0;
    wh_err err = wh_client_enter(c, false);

    if (err != WH_OK || fd == NULL || events == NULL || timeout_ms == NULL) {
        return (int)WH_EINVAL;
    }
    if (c->pollset == NULL) {
        err = wh_pollset_new(c->loop, &c->pollset, &eb);
    }
    if (err == WH_OK) {
        err = wh_pollset_update(c->pollset, &wait_ms);
    }
    if (err != WH_OK) {
        return wh_client_fail_with(c, err, &eb);
    }
    *fd = wh_pollset_fd(c->pollset);
    *events = WH_POLL_READ;
    *timeout_ms = c->touched ? 0 : (int)wait_ms;
    return (int)WH_OK;
}

int wh_client_process(wh_client *c)
{
    wh_err err = wh_client_enter(c, true);

    if (err != WH_OK) {
        return (int)err;
    }
    c->touched = false;
    err = wh_loop_turn(c->loop, 0);
    return err == WH_OK ? 0 : wh_client_fail(c, err, "%s", wh_err_text(err));
}

size_t wh_client_open_calls(const wh_client *c)
{
    return c == NULL ? 0 : c->n_batches;
}
