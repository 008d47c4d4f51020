/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of a connection share; nobody else includes it.
 *   conn.c            life cycle, states, sending, deadlines
 *   conn_options.c    checks, defaults, copies
 *   conn_fifo.c       requests in flight
 *   conn_read.c       bytes in, replies out
 *   conn_link.c       resolve, connect, TLS, socket options: up to a bufferevent
 *   conn_handshake.c  AUTH, CLIENT SETNAME, SELECT, PING
 *   conn_tls.c        SSL contexts and their errors
 * One rule keeps callbacks safe: wh_conn_fail only marks the connection; links are torn
 * down and callbacks made by end_link in conn.c, from the loop's deferred list.
 */
#ifndef WH_COMMON_IO_CONN_INTERNAL_H
#define WH_COMMON_IO_CONN_INTERNAL_H

#include "common/base/buf.h"
#include "common/io/conn.h"
#include "common/io/conn_reader.h"
#include "common/io/resolve.h"

#include <sys/socket.h>

struct bufferevent;
struct ssl_st;

typedef struct wh_conn_slot {
    wh_conn_reply_fn *cb; /* NULL: forgotten; its reply is dropped */
    void *arg;
    int64_t deadline_ms; /* monotonic, 0: none */
} wh_conn_slot;

/* A ring; cap is 0 or a power of two. */
typedef struct wh_conn_fifo {
    wh_conn_slot *items;
    size_t cap, head, count;
} wh_conn_fifo;

enum { WH_CONN_MAX_ADDRESSES = 8 };

typedef struct wh_conn_address {
    struct sockaddr_storage sa;
    socklen_t len;
} wh_conn_address;

/* How far an attempt has got: from name to bufferevent. */
typedef struct wh_conn_link {
    wh_resolve *resolve; /* outlives an attempt that timed out waiting for it */
    wh_conn_address addresses[WH_CONN_MAX_ADDRESSES];
    size_t n_addresses, next_address;
    int fd; /* connecting, -1: none; then owned by bev */
    wh_watch *watch;
    struct bufferevent *bev;
    wh_watch *readable; /* plain: bytes are read past bev, with one system call */
    struct ssl_st *ssl; /* owned by bev; NULL: plain */
} wh_conn_link;

typedef enum wh_conn_step {
    WH_CONN_STEP_AUTH,
    WH_CONN_STEP_NAME,
    WH_CONN_STEP_SELECT,
    WH_CONN_STEP_PING,
    WH_CONN_STEPS
} wh_conn_step;

typedef struct wh_conn_step_arg {
    wh_conn *conn;
    wh_conn_step step;
} wh_conn_step_arg;

struct wh_conn {
    wh_loop *loop;
    wh_conn_options o; /* defaults filled in */
    char *strings[4];  /* its name and files */
    wh_conn_state state;
    bool begin_due; /* CONNECTING, and the attempt starts when the phase timer fires */
    bool ending;    /* wh_conn_fail was called, end_link is deferred */
    bool was_ready; /* of the link being ended */
    bool freed;
    unsigned attempts;  /* failures since the last stable connection */
    unsigned flaps;     /* of those: of connections that had become ready */
    int64_t expired_ms; /* the link ends because requests with a deadline up to this
                           one got no answer; 0: for another reason */
    int64_t ready_since_ms;
    wh_conn_link link;
    wh_conn_reader reader;
    wh_conn_fifo fifo;
    wh_buf out;  /* accepted and not yet given to the kernel or bev */
    char *chunk; /* what one read of a plain link takes; NULL until the first */
    wh_deferred flush_later, end_later;
    wh_timer *phase;     /* attempt, its time limit, or back-off: by state */
    wh_timer *deadline;  /* earliest deadline in the FIFO */
    int64_t deadline_ms; /* what it is set to, 0: not running */
    wh_conn_step_arg steps[WH_CONN_STEPS];
    wh_conn_counters counters;
    wh_err error_code;
    char error[320];
};

/* conn.c */
void wh_conn_set_state(wh_conn *c, wh_conn_state to);
/* The link is of no more use; safe anywhere, the first reason wins. */
void wh_conn_fail(wh_conn *c, wh_err code, const char *fmt, ...) WH_PRINTF(3, 4);
/* A bufferevent stands: begin the handshake. */
void wh_conn_connected(wh_conn *c);
/* The handshake is through. */
void wh_conn_established(wh_conn *c);
/* Appends to the output and the FIFO, whatever the state. */
wh_err wh_conn_push(wh_conn *c, const char *data, size_t len,
                    const wh_conn_slot *p) WH_MUSTCHECK;

/* conn_options.c */
/* What can be known to be wrong before the first attempt. */
wh_err wh_conn_options_check(const wh_conn_options *o, wh_errbuf *eb) WH_MUSTCHECK;
/* c->o and c->strings; _fini is legal also after a failure. */
wh_err wh_conn_options_init(wh_conn *c, const wh_conn_options *o) WH_MUSTCHECK;
void wh_conn_options_fini(wh_conn *c);

/* conn_fifo.c */
wh_err wh_conn_fifo_push(wh_conn_fifo *f, const wh_conn_slot *p) WH_MUSTCHECK;
/* False when empty. */
bool wh_conn_fifo_pop(wh_conn_fifo *f, wh_conn_slot *out);
wh_conn_slot *wh_conn_fifo_at(const wh_conn_fifo *f, size_t i);
void wh_conn_fifo_fini(wh_conn_fifo *f);

/* conn_read.c */
/* Hands all complete replies in bev's input to their requests. */
void wh_conn_read(wh_conn *c);
/* The same for a plain link, from its socket. */
void wh_conn_read_plain(wh_conn *c);

/* conn_link.c */
void wh_conn_link_init(wh_conn_link *k);
/* Starts an attempt; it ends in wh_conn_connected or wh_conn_fail. */
void wh_conn_link_start(wh_conn *c);
/* The time for this address is over: tries the next or fails. */
void wh_conn_link_expired(wh_conn *c);
/* No more events of it. */
void wh_conn_link_pause(wh_conn_link *k);
/* Ends the link; keeps a running name resolution. */
void wh_conn_link_close(wh_conn_link *k);
void wh_conn_link_fini(wh_conn_link *k);
/* Gives c->out to the kernel, the rest to the bufferevent. */
void wh_conn_link_flush(wh_conn *c);

/* conn_handshake.c */
void wh_conn_handshake_start(wh_conn *c);

/* conn_tls.c */
/* A client session for these options, host and chain verified. */
wh_err wh_conn_tls_new(const wh_conn_options *o, struct ssl_st **out,
                       wh_errbuf *eb) WH_MUSTCHECK;
void wh_conn_tls_free(struct ssl_st *ssl);
/* Behind what a server does that answers no TLS handshake. */
#define WH_CONN_NO_TLS "; does it speak TLS? If not, the address begins with redis://"
/* Why a handshake or transfer failed, for people. */
void wh_conn_tls_explain(struct ssl_st *ssl, unsigned long error, char *out,
                         size_t size);

#endif
