/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a call: taken from the free list -> request built -> sent -> (library gone:
 * parked, sent again) -> delivered. Every accepted call is delivered exactly once, never
 * before its start function returned, unless its caller forgot it.
 */
#include "common/base/alloc.h"
#include "common/store/store_internal.h"

#include <string.h>

enum {
    TRIES_MAX = 3,
    FREE_NODES_MAX = 64,
    KEEP_BYTES_MAX = 256 * 1024 /* a node on the free list keeps no more than that */
};

static void unlink_node(wh_store_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
}

static void free_node(wh_store_node *n)
{
    wh_buf_fini(&n->request);
    wh_free(n);
}

void wh_store_node_release(wh_store_node *n)
{
    wh_store *s = n->store;

    unlink_node(n);
    if (s->closing || s->n_free >= FREE_NODES_MAX) {
        free_node(n);
        return;
    }
    if (n->request.cap > KEEP_BYTES_MAX) {
        wh_buf_fini(&n->request);
    }
    wh_buf_clear(&n->request);
    n->next = s->free_nodes;
    s->free_nodes = n;
    s->n_free++;
}

static wh_store_node *recycled_node(wh_store *s)
{
    wh_store_node *n = s->free_nodes;

    if (n == NULL) {
        return wh_calloc(1, sizeof *n);
    }
    s->free_nodes = n->next;
    s->n_free--;
    *n = (wh_store_node){.request = n->request};
    return n;
}

wh_err wh_store_node_take(wh_store *s, bool is_function, wh_store_node **out)
{
    *out = NULL;
    if (s->closing || !s->conn_ready || (is_function && !s->ready)) {
        return WH_ECONN;
    }
    wh_store_node *n = recycled_node(s);
    if (n == NULL) {
        return WH_ENOMEM;
    }
    n->store = s;
    n->is_function = is_function;
    n->next = &s->active;
    n->prev = s->active.prev;
    n->prev->next = n;
    s->active.prev = n;
    *out = n;
    return WH_OK;
}

static void deliver(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                    const wh_reply *r)
{
    if (!n->forgotten) {
        n->deliver(n, err, eb, r);
    }
    wh_store_node_release(n);
}

static void deliver_error(wh_store_node *n, wh_err err, const char *why)
{
    wh_errbuf eb = {.code = err};

    (void)wh_err_set(&eb, err, "%s",
                     why != NULL && why[0] != '\0' ? why : wh_err_text(err));
    deliver(n, err, &eb, NULL);
}

/* Delivers an error to all parked nodes: they were refused by the server, not done. */
void wh_store_fail_parked(wh_store *s, wh_err err, const char *why)
{
    wh_store_node *n = s->active.next;

    /* A callback may add calls or forget others: begin anew after each. */
    while (n != &s->active) {
        wh_store_node *next = n->next;

        if (n->parked) {
            n->parked = false;
            deliver_error(n, err, why);
            next = s->active.next;
        }
        n = next;
    }
}

static bool park(wh_store_node *n)
{
    wh_store *s = n->store;

    if (!n->is_function || n->tries >= TRIES_MAX ||
        (s->keep_library && !s->had_library) || s->closing || !s->conn_ready) {
        return false;
    }
    n->parked = true;
    wh_store_load_library(s);
    return true;
}

static void on_reply(void *arg, wh_err err, const struct redisReply *reply)
{
    wh_store_node *n = arg;
    wh_store *s = n->store;
    wh_errbuf eb = {.code = WH_OK};

    s->in_flight--;
    if (err == WH_OK) {
        err = wh_call_error(reply, &eb);
    } else {
        const char *text = s->conn == NULL ? "" : wh_conn_error(s->conn);
        (void)wh_err_set(&eb, err, "%s", text[0] != '\0' ? text : wh_err_text(err));
    }
    if (err == WH_ENOFUNC && !n->forgotten && park(n)) {
        return;
    }
    deliver(n, err, &eb, err == WH_OK ? wh_call_view(reply) : NULL);
    if (err == WH_EBUSY && strncmp(eb.text, "READONLY", 8) == 0 && !s->closing) {
        wh_conn_reset(s->conn, "this server is a read-only replica");
    }
    wh_store_settle(s);
}

static wh_err send_node(wh_store_node *n)
{
    wh_store *s = n->store;
    wh_err err = wh_buf_ok(&n->request) ? WH_OK : WH_ENOMEM;

    if (err == WH_OK) {
        err = wh_conn_send(s->conn, &(wh_conn_request){.data = n->request.data,
                                                       .len = n->request.len,
                                                       .timeout_ms = n->timeout_ms,
                                                       .cb = on_reply,
                                                       .arg = n});
    }
    if (err == WH_OK) {
        n->tries++;
        s->in_flight++;
    }
    return err;
}

wh_err wh_store_node_send(wh_store_node *n)
{
    wh_err err = send_node(n);

    if (err != WH_OK) {
        wh_store_node_release(n);
    }
    return err;
}

void wh_store_resend_parked(wh_store *s)
{
    wh_store_node *n = s->active.next;

    while (n != &s->active) {
        wh_store_node *next = n->next;
        wh_err err = WH_OK;

        if (n->parked) {
            n->parked = false;
            err = n->forgotten ? WH_ECANCELED : send_node(n);
        }
        if (err != WH_OK) {
            deliver_error(n, err, NULL);
            next = s->active.next;
        }
        n = next;
    }
}

void wh_store_nodes_fini(wh_store *s)
{
    while (s->active.next != &s->active) {
        wh_store_node *n = s->active.next;

        unlink_node(n);
        free_node(n);
    }
    while (s->free_nodes != NULL) {
        wh_store_node *n = s->free_nodes;

        s->free_nodes = n->next;
        free_node(n);
    }
}

void wh_store_forget(wh_store *s, const void *arg)
{
    for (wh_store_node *n = s->active.next; n != &s->active; n = n->next) {
        if (n->arg == arg) {
            n->forgotten = true;
        }
    }
    wh_store_bell_forget(s, arg);
}

/* ---- the generic call ---- */

static void deliver_reply(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                          const wh_reply *r)
{
    ((wh_store_reply_fn *)n->cb)(n->arg, err, eb, r);
}

wh_err wh_store_call(wh_store *s, wh_call *c, wh_store_reply_fn *cb, void *arg)
{
    wh_store_node *n = NULL;
    wh_err err = wh_store_node_take(s, c->is_function, &n);

    if (err != WH_OK) {
        wh_call_fini(c);
        return err;
    }
    n->deliver = deliver_reply;
    n->cb = (void (*)(void))cb;
    n->arg = arg;
    n->timeout_ms = c->timeout_ms;
    err = wh_call_finish(c, &n->request);
    if (err != WH_OK) {
        wh_store_node_release(n);
        return err;
    }
    return wh_store_node_send(n);
}

/* ---- shared by the typed calls ---- */

wh_err wh_store_room(wh_store *s, size_t want)
{
    wh_slice *p = wh_grow(s->slices, &s->slices_cap, want, sizeof *p);

    if (p == NULL) {
        return WH_ENOMEM;
    }
    s->slices = p;
    return WH_OK;
}

wh_slice wh_store_cut(wh_slice text, size_t max)
{
    size_t n = max;

    if (text.n <= max) {
        return text;
    }
    /* A character has at most 3 bytes behind its first. Other bytes are not UTF-8: cut. */
    for (int i = 0; i < 3 && n > 0 && ((unsigned char)text.p[n] & 0xC0U) == 0x80U;
         i++) {
        n--;
    }
    if (n == 0 || ((unsigned char)text.p[n] & 0xC0U) == 0x80U) {
        n = max;
    }
    return (wh_slice){text.p, n};
}

void wh_store_put_slice(wh_buf *out, wh_slice s)
{
    wh_call_put(out, s.p, s.n);
}
