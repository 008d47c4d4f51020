/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synchronous use of the store: start, turn the loop until it is done or the deadline
 * has passed. The reply of a call is copied, since the connection's own is gone when its
 * callback returns.
 */
#include "common/client/session.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_URL "redis://127.0.0.1:6379"
enum { DEFAULT_TIMEOUT_MS = 10000, TURN_MAX_MS = 1000 };

struct wh_session {
    wh_loop *loop;
    wh_store *store;
    wh_session_options o; /* no strings of it are used after _open */
    char endpoint[320];
    wh_reply *reply; /* of the last call */

    /* The operation that is waited for. */
    bool done, woken;
    wh_err err;
    wh_errbuf eb;
    wh_funclib_status library;
};

static wh_err replace(char **text, const char *with)
{
    char *copy = wh_strdup(with);

    if (copy == NULL) {
        return WH_ENOMEM;
    }
    wh_free(*text);
    *text = copy;
    return WH_OK;
}

wh_err wh_session_parse_url(const char *url, const char *user, const char *password,
                            wh_endpoint *out, wh_errbuf *eb)
{
    wh_err err = wh_endpoint_parse(url == NULL ? DEFAULT_URL : url, out, eb);

    if (err != WH_OK) {
        return err;
    }
    if (user != NULL) {
        err = replace(&out->user, user);
    }
    if (err == WH_OK && password != NULL) {
        err = replace(&out->password, password);
    }
    if (err != WH_OK) {
        wh_endpoint_fini(out);
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    return WH_OK;
}

bool wh_session_is_hopeful(wh_err code)
{
    return code != WH_EAUTH && code != WH_EPERM && code != WH_EVERSION &&
           code != WH_ENOFUNC && code != WH_ENOMEM && code != WH_EREDIS &&
           code != WH_EFULL;
}

static void report(wh_session *s, const char *text)
{
    if (s->o.on_progress != NULL && text != NULL && text[0] != '\0') {
        s->o.on_progress(s->o.arg, text);
    }
}

static void on_ready(void *arg, bool ready, const char *why)
{
    if (!ready) {
        report(arg, why);
    }
}

static bool is_open(const wh_session *s)
{
    return wh_store_is_ready(s->store) ||
           (s->o.raw && wh_conn_state_of(wh_store_conn(s->store)) == WH_CONN_READY);
}

/* One turn, not beyond the deadline; false when that has passed. */
static bool turn(wh_session *s, int64_t deadline_ms, wh_err *err)
{
    int64_t left = deadline_ms - wh_clock_mono_ms();

    if (left <= 0) {
        return false;
    }
    *err = wh_loop_turn(s->loop, left < TURN_MAX_MS ? left : TURN_MAX_MS);
    return *err == WH_OK;
}

static wh_err not_open(wh_session *s, wh_err code, wh_errbuf *eb)
{
    const char *why = wh_store_error(s->store);

    return wh_err_set(eb, code, "%s: %s", s->endpoint,
                      why[0] != '\0'                            ? why
                      : code == WH_ECONN || code == WH_ETIMEOUT ? "no answer in time"
                                                                : wh_err_text(code));
}

static wh_err wait_open(wh_session *s, int64_t deadline_ms, bool patient, wh_errbuf *eb)
{
    char last[sizeof eb->text] = "";
    wh_err err = WH_OK;

    while (!is_open(s)) {
        wh_conn_state state = wh_conn_state_of(wh_store_conn(s->store));
        const char *why = wh_store_error(s->store);
        wh_err code = wh_store_error_code(s->store);

        if (!wh_session_is_hopeful(code)) {
            return not_open(s, code, eb);
        }
        if (state == WH_CONN_CLOSED || (!patient && state == WH_CONN_WAITING)) {
            return not_open(s, code, eb);
        }
        if (why[0] != '\0' && strncmp(why, last, sizeof last - 1) != 0) {
            wh_errbuf text;

            (void)wh_err_set(&text, code, "%s", why);
            memcpy(last, text.text, sizeof last);
            report(s, last);
        }
        if (!turn(s, deadline_ms, &err)) {
            return err != WH_OK ? wh_err_set(eb, err, "%s", wh_err_text(err))
                                : not_open(s, code == WH_OK ? WH_ETIMEOUT : code, eb);
        }
    }
    return WH_OK;
}

wh_err wh_session_open(const wh_session_options *o, wh_session **out, wh_errbuf *eb)
{
    wh_store_options so = {.on_ready = on_ready,
                           .keep_library = o->keep_library || o->raw};
    int64_t timeout_ms =
        o->open_timeout_ms > 0 ? o->open_timeout_ms : DEFAULT_TIMEOUT_MS;

    *out = NULL;
    wh_err err =
        wh_session_parse_url(o->url, o->user, o->password, &so.conn.endpoint, eb);
    if (err != WH_OK) {
        return err;
    }
    wh_session *s = wh_calloc(1, sizeof *s);
    if (s == NULL || wh_loop_new_coarse(&s->loop) != WH_OK) {
        err = wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
        goto fail;
    }
    s->o = *o;
    wh_endpoint_print(&so.conn.endpoint, s->endpoint, sizeof s->endpoint);
    so.conn.name = o->name == NULL ? "wherry" : o->name;
    so.conn.ca_file = o->ca_file;
    so.conn.cert_file = o->cert_file;
    so.conn.key_file = o->key_file;
    so.conn.connect_timeout_ms = timeout_ms < 5000 ? timeout_ms : 0;
    so.arg = s;
    err = wh_store_new(s->loop, &so, &s->store, eb);
    if (err != WH_OK) {
        goto fail;
    }
    wh_store_start(s->store);
    err = wait_open(s, wh_clock_mono_ms() + timeout_ms, o->wait_for_server, eb);
    if (err != WH_OK) {
        goto fail;
    }
    wh_endpoint_fini(&so.conn.endpoint);
    *out = s;
    return WH_OK;
fail:
    wh_endpoint_fini(&so.conn.endpoint);
    wh_session_free(s);
    return err;
}

void wh_session_free(wh_session *s)
{
    if (s == NULL) {
        return;
    }
    if (s->store != NULL) {
        wh_store_forget(s->store, s);
        wh_store_free(s->store);
    }
    wh_loop_free(s->loop); /* runs what is deferred, the store's end among it */
    wh_reply_free(s->reply);
    wh_free(s);
}

static wh_err wait_done(wh_session *s, int64_t deadline_ms, wh_errbuf *eb)
{
    wh_err err = WH_OK;

    while (!s->done) {
        if (!turn(s, deadline_ms, &err)) {
            wh_store_forget(s->store, s);
            err = err == WH_OK ? WH_ETIMEOUT : err;
            return wh_err_set(eb, err, "%s", wh_err_text(err));
        }
    }
    if (s->err != WH_OK && eb != NULL) {
        *eb = s->eb;
    }
    return s->err;
}

static void on_reply(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_session *s = arg;

    s->done = true;
    s->err = err;
    if (err == WH_OK) {
        s->err = wh_reply_copy(r, &s->reply);
        (void)wh_err_set(&s->eb, s->err, "%s", wh_err_text(s->err));
    } else {
        s->eb = *eb;
    }
}

static bool can_send(const wh_session *s, const wh_call *c)
{
    return wh_store_is_ready(s->store) || (!c->is_function && is_open(s));
}

/* Like is_open, for a session that was open before: a raw one may call functions too. */
static wh_err wait_sendable(wh_session *s, const wh_call *c, int64_t deadline_ms,
                            wh_errbuf *eb)
{
    wh_err err = WH_OK;

    while (!can_send(s, c)) {
        wh_err code = wh_store_error_code(s->store);

        if (!wh_session_is_hopeful(code)) {
            return not_open(s, code, eb);
        }
        if (!turn(s, deadline_ms, &err)) {
            return err != WH_OK ? wh_err_set(eb, err, "%s", wh_err_text(err))
                                : not_open(s, code == WH_OK ? WH_ECONN : code, eb);
        }
    }
    return WH_OK;
}

wh_err wh_session_call(wh_session *s, wh_call *c, const wh_reply **reply, wh_errbuf *eb)
{
    int64_t timeout_ms =
        s->o.call_timeout_ms > 0 ? s->o.call_timeout_ms : DEFAULT_TIMEOUT_MS;
    int64_t own_ms = c->timeout_ms > timeout_ms ? c->timeout_ms : timeout_ms;
    int64_t deadline_ms = wh_clock_mono_ms() + own_ms;

    if (reply != NULL) {
        *reply = NULL;
    }
    wh_reply_free(s->reply);
    s->reply = NULL;
    s->done = false;
    wh_err err = wait_sendable(s, c, deadline_ms, eb);
    if (err != WH_OK) {
        wh_call_fini(c);
        return err;
    }
    err = wh_store_call(s->store, c, on_reply, s);
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    err = wait_done(s, deadline_ms, eb);
    if (err == WH_OK && reply != NULL) {
        *reply = s->reply;
    }
    return err;
}

/* A probe or load outlives a session that gave up waiting: it owns what it fills. */
typedef struct library_wait {
    wh_session *session; /* NULL: nobody waits any more */
} library_wait;

static void on_library(void *arg, wh_err err, const wh_errbuf *eb,
                       const wh_funclib_status *st)
{
    library_wait *w = arg;
    wh_session *s = w->session;

    wh_free(w);
    if (s != NULL) {
        s->done = true;
        s->err = err;
        s->eb = *eb;
        s->library = *st;
    }
}

wh_err wh_session_library(wh_session *s, bool load, bool force, wh_funclib_status *out,
                          wh_errbuf *eb)
{
    int64_t timeout_ms =
        s->o.call_timeout_ms > 0 ? s->o.call_timeout_ms : DEFAULT_TIMEOUT_MS;
    library_wait *w = wh_malloc(sizeof *w);
    wh_conn *conn = wh_store_conn(s->store);

    if (w == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    w->session = s;
    s->done = false;
    wh_err err = load ? wh_funclib_load(conn, force, on_library, w)
                      : wh_funclib_probe(conn, on_library, w);
    if (err != WH_OK) {
        wh_free(w);
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    err = wait_done(s, wh_clock_mono_ms() + timeout_ms, eb);
    if (!s->done) {
        w->session = NULL;
    }
    if (s->done && out != NULL) {
        *out = s->library;
    }
    return err;
}

wh_err wh_session_sleep(wh_session *s, int64_t ms)
{
    int64_t deadline_ms = wh_clock_mono_ms() + ms;
    wh_err err = WH_OK;

    s->woken = false;
    while (!s->woken && turn(s, deadline_ms, &err)) {
        /* until then */
    }
    return err;
}

void wh_session_wake(wh_session *s)
{
    s->woken = true;
}

wh_store *wh_session_store(wh_session *s)
{
    return s->store;
}

wh_loop *wh_session_loop(wh_session *s)
{
    return s->loop;
}

const char *wh_session_endpoint(const wh_session *s)
{
    return s->endpoint;
}
