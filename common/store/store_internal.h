/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the store (store.c, store_node.c, store_cycle.c, store_enqueue.c,
 * store_calls.c, store_bell.c)
 * share: the store itself and the node that stands for one pending call. Nobody else
 * includes this.
 *
 * A node is in the store's active list from _take to its delivery; it is "in flight"
 * while the connection has its request and "parked" while it waits for the library to
 * be loaded again. It keeps its request bytes until then, to be able to send them again.
 */
#ifndef WH_COMMON_STORE_STORE_INTERNAL_H
#define WH_COMMON_STORE_STORE_INTERNAL_H

#include "common/store/funclib.h"
#include "common/store/store.h"

typedef struct wh_store_node wh_store_node;
/* Decodes and calls node->cb; r is NULL on error. */
typedef void wh_store_deliver_fn(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                                 const wh_reply *r);

struct wh_store_node {
    wh_store *store;
    wh_store_node *prev, *next;
    wh_buf request;
    wh_store_deliver_fn *deliver;
    void (*cb)(void); /* the caller's, of the type that deliver knows */
    void *arg;
    size_t n; /* batch size, to check indexes against */
    int tries;
    int64_t timeout_ms; /* 0: the connection's */
    bool is_function, parked, forgotten;
    const char *function; /* of an enqueue: which of them */
};

/* Jobs of a batch, one behind the other, whose heads are equal. */
typedef struct wh_store_head_run {
    size_t at, len; /* of the head in the scratch */
    size_t count;
} wh_store_head_run;

typedef struct wh_store_bell {
    wh_conn *conn;
    wh_timer *timer; /* bounds the wait for the connection */
    wh_store_bell_fn *cb;
    void *arg;
    wh_buf keys; /* NUL-terminated, one behind the other, in the caller's order */
    size_t n;
    int64_t deadline_ms;
    enum { WH_STORE_BELL_NONE, WH_STORE_BELL_WAITING, WH_STORE_BELL_SENT } state;
    bool ready;
} wh_store_bell;

struct wh_store {
    wh_loop *loop;
    wh_conn *conn;
    wh_timer *timer;              /* the next attempt to load the library */
    wh_conn_options conn_options; /* strings owned by `strings` and endpoint */
    char *strings[4];
    void (*on_ready)(void *arg, bool ready, const char *why);
    void *arg;
    bool keep_library;

    bool conn_ready, library_ready, library_busy, ready;
    bool had_library; /* it was there once */
    int64_t last_load_ms;
    wh_errbuf why; /* what keeps it from being ready */

    wh_store_node active; /* list head */
    wh_store_node *free_nodes;
    size_t n_free;
    size_t in_flight; /* callbacks that connections still owe us */
    wh_store_bell bell;

    bool closing, reaped;
    wh_deferred reaper;

    /* Scratch of the decoders, valid during one callback. */
    wh_slice *slices;
    size_t slices_cap;
    wh_codec_claim *claims;
    size_t claims_cap;
    size_t *indexes;
    size_t indexes_cap;
    /* Scratch of the builders. */
    wh_buf scratch, record;
    wh_store_head_run *runs;
    size_t runs_cap;

    bool has_records;    /* the library there is not older than ours */
    int64_t stamp_ms;    /* the server's time in its last answer to a batch; 0: none */
    int64_t stamp_at_ms; /* our time then */
    int64_t triples_until_ms; /* ours: it did not take records as they were */
};

/* A node to build a request in; WH_ECONN unless the store can send it now. */
wh_err wh_store_node_take(wh_store *s, bool is_function,
                          wh_store_node **out) WH_MUSTCHECK;
/* Sends node->request; on failure the node is gone. */
wh_err wh_store_node_send(wh_store_node *n) WH_MUSTCHECK;
void wh_store_node_release(wh_store_node *n);

/* Delivers an error to all parked nodes: the server refused them, they were not done. */
void wh_store_fail_parked(wh_store *s, wh_err err, const char *why);
void wh_store_resend_parked(wh_store *s);
void wh_store_nodes_fini(wh_store *s);
/* Starts loading the library now, or when a second has passed since the last time. */
void wh_store_load_library(wh_store *s);

/* A node of a function with its decoder and its caller. */
wh_err wh_store_take(wh_store *s, wh_store_deliver_fn *deliver, void (*cb)(void),
                     void *arg, wh_store_node **out) WH_MUSTCHECK;
void wh_store_put_function(wh_buf *out, const char *function, size_t n_args,
                           const char *partition);
/* A text of our own for a reply that decoded badly. */
const wh_errbuf *wh_store_explain(wh_errbuf *own, wh_err err, const char *function);

/* Room for want slices in the scratch. */
wh_err wh_store_room(wh_store *s, size_t want) WH_MUSTCHECK;
/* The first max bytes at most, not cut inside a UTF-8 character. */
wh_slice wh_store_cut(wh_slice text, size_t max);
void wh_store_put_slice(wh_buf *out, wh_slice s);

/* The store's memory goes when it is closing and nothing is owed any more. */
void wh_store_settle(wh_store *s);
void wh_store_bell_forget(wh_store *s, const void *arg);
void wh_store_bell_close(wh_store *s);
/* A wait that was never sent ends with WH_ECANCELED. */
void wh_store_bell_cancel(wh_store *s);

#endif
