/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of the store: connection up -> library probed or loaded -> ready; options, end.
 * Pending calls live in store_node.c, the typed calls in the files beside it.
 * Invariant: its memory goes only when no connection owes it a callback any more.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/store/store_internal.h"

#include <string.h>

enum { LOAD_INTERVAL_MS = 1000 };

/* ---- readiness ---- */

static void set_ready(wh_store *s, bool ready, wh_err code, const char *why)
{
    bool same = ready == s->ready && code == s->why.code &&
                strncmp(why, s->why.text, sizeof s->why.text - 4) == 0;

    s->ready = ready;
    (void)wh_err_set(&s->why, code, "%s", why);
    if (!same && s->on_ready != NULL) {
        s->on_ready(s->arg, ready, s->why.text);
    }
}

static void library_failed(wh_store *s, wh_err err, const char *why)
{
    s->library_ready = false;
    wh_timer_start(s->timer, LOAD_INTERVAL_MS);
    set_ready(s, false, err, why);
    wh_store_fail_parked(s, WH_ENOFUNC, why);
}

static void on_library(void *arg, wh_err err, const wh_errbuf *eb,
                       const wh_funclib_status *st)
{
    wh_store *s = arg;
    const char *why = eb->text;

    s->in_flight--;
    s->library_busy = false;
    if (s->closing) {
        wh_store_settle(s);
        return;
    }
    if (!s->conn_ready) {
        return;
    }
    if (err == WH_OK && st->revision == 0) {
        err = WH_ENOFUNC;
        why = "the function library is not loaded";
    }
    if (err != WH_OK) {
        bool readonly = strncmp(why, "READONLY", 8) == 0;

        library_failed(s, err, why);
        if (readonly && s->conn_ready) {
            wh_conn_reset(s->conn, "this server is a read-only replica");
        }
        return;
    }
    s->library_ready = s->had_library = true;
    s->has_records = st->revision >= st->own_revision;
    wh_store_resend_parked(s);
    set_ready(s, true, WH_OK, "");
}

/* Starts loading now, or when a second has passed since the last time. */
void wh_store_load_library(wh_store *s)
{
    int64_t now = wh_clock_mono_ms();
    int64_t since = now - s->last_load_ms;

    if (s->library_busy || wh_timer_is_running(s->timer)) {
        return;
    }
    if (s->last_load_ms != 0 && since < LOAD_INTERVAL_MS) {
        wh_timer_start(s->timer, LOAD_INTERVAL_MS - since);
        return;
    }
    s->last_load_ms = now == 0 ? 1 : now;
    /* One that was there and vanished (FUNCTION FLUSH) is put back in any case: there is
     * nothing that it could replace. */
    wh_err err = s->keep_library && !s->had_library
                     ? wh_funclib_probe(s->conn, on_library, s)
                     : wh_funclib_load(s->conn, false, on_library, s);
    if (err == WH_OK) {
        s->library_busy = true;
        s->in_flight++;
    } else if (err == WH_EVERSION) {
        library_failed(s, err, "the function library in this program names no version");
    } else {
        library_failed(s, err, wh_err_text(err));
    }
}

static void on_timer(void *arg)
{
    wh_store *s = arg;

    if (s->conn_ready) {
        wh_store_load_library(s);
    }
}

static void on_conn_state(void *arg, bool ready, const char *why)
{
    wh_store *s = arg;

    if (s->closing) {
        return;
    }
    s->conn_ready = ready;
    s->library_ready = false;
    wh_timer_stop(s->timer);
    if (ready) {
        s->last_load_ms = 0; /* another connection may be another server */
        wh_store_load_library(s);
        return;
    }
    set_ready(s, false, WH_ECONN, why == NULL ? "the connection ended" : why);
    wh_store_fail_parked(s, WH_ECONN, why);
}

/* ---- life ---- */

static wh_err copy_text(char **to, const char *from)
{
    if (from == NULL) {
        return WH_OK;
    }
    *to = wh_strdup(from);
    return *to == NULL ? WH_ENOMEM : WH_OK;
}

/* The bell's connection is made later, from the same options: keep them. */
static wh_err copy_options(wh_store *s, const wh_conn_options *o)
{
    const char *from[4] = {o->name, o->ca_file, o->cert_file, o->key_file};
    wh_endpoint *e = &s->conn_options.endpoint;
    const wh_endpoint *oe = &o->endpoint;
    wh_err err = WH_OK;

    s->conn_options = *o;
    *e = (wh_endpoint){.port = oe->port, .db = oe->db, .tls = oe->tls};
    for (size_t i = 0; i < 4 && err == WH_OK; i++) {
        err = copy_text(&s->strings[i], from[i]);
    }
    s->conn_options.name = s->strings[0];
    s->conn_options.ca_file = s->strings[1];
    s->conn_options.cert_file = s->strings[2];
    s->conn_options.key_file = s->strings[3];
    if (err != WH_OK || copy_text(&e->path, oe->path) != WH_OK ||
        copy_text(&e->host, oe->host) != WH_OK ||
        copy_text(&e->user, oe->user) != WH_OK ||
        copy_text(&e->password, oe->password) != WH_OK) {
        return WH_ENOMEM;
    }
    s->conn_options.on_state = on_conn_state;
    s->conn_options.arg = s;
    return WH_OK;
}

static void destroy(wh_store *s)
{
    wh_store_nodes_fini(s);
    wh_endpoint_fini(&s->conn_options.endpoint);
    for (size_t i = 0; i < 4; i++) {
        wh_free(s->strings[i]);
    }
    wh_buf_fini(&s->bell.keys);
    wh_buf_fini(&s->scratch);
    wh_buf_fini(&s->record);
    wh_free(s->runs);
    wh_free(s->slices);
    wh_free(s->claims);
    wh_free(s->indexes);
    wh_free(s);
}

void wh_store_settle(wh_store *s)
{
    if (s->closing && s->reaped && s->in_flight == 0) {
        destroy(s);
    }
}

static void reap(void *arg)
{
    wh_store *s = arg;

    wh_store_fail_parked(s, WH_ECANCELED, NULL);
    wh_store_bell_cancel(s);
    s->reaped = true;
    wh_store_settle(s);
}

wh_err wh_store_new(wh_loop *l, const wh_store_options *o, wh_store **out,
                    wh_errbuf *eb)
{
    *out = NULL;
    wh_store *s = wh_calloc(1, sizeof *s);

    if (s == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    s->loop = l;
    s->active.next = s->active.prev = &s->active;
    s->on_ready = o->on_ready;
    s->arg = o->arg;
    s->keep_library = o->keep_library;
    s->why.code = WH_ECONN;
    wh_err err = copy_options(s, &o->conn);
    if (err == WH_OK) {
        err = wh_timer_new(l, on_timer, s, &s->timer);
    }
    if (err != WH_OK) {
        (void)wh_err_set(eb, err, "%s", wh_err_text(err));
        goto fail;
    }
    err = wh_conn_new(l, &s->conn_options, &s->conn, eb);
    if (err != WH_OK) {
        goto fail;
    }
    *out = s;
    return WH_OK;
fail:
    wh_timer_free(s->timer);
    destroy(s); /* nothing is owed yet, so nothing has to wait for the loop */
    return err;
}

void wh_store_start(wh_store *s)
{
    wh_conn_start(s->conn);
}

void wh_store_free(wh_store *s)
{
    if (s == NULL || s->closing) {
        return;
    }
    s->closing = true;
    s->ready = s->conn_ready = s->library_ready = false;
    wh_timer_free(s->timer);
    s->timer = NULL;
    wh_store_bell_close(s);
    wh_conn_free(s->conn);
    s->conn = NULL;
    s->reaper = (wh_deferred){.fn = reap, .arg = s};
    wh_loop_defer(s->loop, &s->reaper);
}

bool wh_store_is_ready(const wh_store *s)
{
    return s->ready;
}

const char *wh_store_error(const wh_store *s)
{
    if (!s->conn_ready && s->conn != NULL) {
        const char *text = wh_conn_error(s->conn);

        return text[0] != '\0' ? text : s->why.text;
    }
    return s->why.text;
}

/* A connection says only in words that it was refused for who we are. */
static bool is_about_auth(const char *text)
{
    return strstr(text, "refused user and password") != NULL ||
           strstr(text, "wants a password") != NULL;
}

wh_err wh_store_error_code(const wh_store *s)
{
    if (s->ready) {
        return WH_OK;
    }
    if (!s->conn_ready) {
        return is_about_auth(wh_store_error(s)) ? WH_EAUTH : WH_ECONN;
    }
    return s->why.code;
}

wh_conn *wh_store_conn(wh_store *s)
{
    return s->conn;
}
