/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to Redis over a libevent bufferevent: unix socket, TCP or TLS, one
 * code path; hiredis' reader and formatter only. Pipelines requests in a FIFO;
 * reconnects by itself with full-jitter back-off; performs AUTH, CLIENT SETNAME and
 * SELECT before it is ready.
 *
 * Contract: an accepted request gets its callback exactly once, never before the start
 * function returns: with a reply (also an error reply), or with WH_EUNCERTAIN (sent or
 * partly sent, connection ended), WH_ETIMEOUT (its deadline passed: the connection is
 * closed then, since a pipelined reply cannot be skipped) or WH_ECANCELED (the
 * connection is being freed). Requests are refused with WH_ECONN unless ready.
 *
 * A dead peer shows by a request's deadline; requests without one (blocking commands)
 * and idle connections rely on TCP keepalive and TCP_USER_TIMEOUT (10 s).
 *
 * Name resolution never blocks the loop (libevent's evdns, or getaddrinfo in a thread).
 * A reply is valid during its callback only.
 */
#ifndef WH_COMMON_IO_CONN_H
#define WH_COMMON_IO_CONN_H

#include "common/base/err.h"
#include "common/io/loop.h"

#include <stddef.h>
#include <stdint.h>

struct redisReply;
typedef struct wh_conn wh_conn;

typedef enum wh_conn_state {
    WH_CONN_IDLE,
    WH_CONN_CONNECTING,
    WH_CONN_HANDSHAKE,
    WH_CONN_READY,
    WH_CONN_WAITING /* back-off */,
    WH_CONN_CLOSED
} wh_conn_state;

/* Where and how; all strings owned by the struct. */
typedef struct wh_endpoint {
    char *path; /* unix socket, or NULL */
    char *host; /* or NULL */
    int port, db;
    bool tls;
    char *user, *password; /* NULL: none */
} wh_endpoint;
/* redis://[user:pass@]host[:port][/db], rediss://…, unix:///path[?db=n], or a bare /path. The
 * error text never contains the password. */
wh_err wh_endpoint_parse(const char *url, wh_endpoint *out, wh_errbuf *eb) WH_MUSTCHECK;
void wh_endpoint_fini(wh_endpoint *e);
/* For logs: with the user, and without any trace of a password, which may have come from
 * elsewhere than a URL. */
void wh_endpoint_print(const wh_endpoint *e, char *out, size_t size);

typedef void wh_conn_reply_fn(void *arg, wh_err err, const struct redisReply *reply);
/* State changes the owner cares about: READY (true) and loss of readiness (false). why: text or NULL.
 * A loss is told before the requests that it ends get their callbacks. With `once`, false also
 * tells that the only attempt failed. Attempts that fail meanwhile are logged, and not told. */
typedef void wh_conn_state_fn(void *arg, bool ready, const char *why);

typedef struct wh_conn_options {
    wh_endpoint endpoint; /* copied */
    const char *name;     /* CLIENT SETNAME; NULL none */
    const char *use;      /* what it is for, in the log; a literal; NULL: "calls" */
    /* TLS; NULL: the system's store. Host and chain are always verified. */
    const char *ca_file;
    const char *cert_file, *key_file;
    int64_t connect_timeout_ms;             /* 0: 5,000 */
    int64_t request_timeout_ms;             /* 0: 10,000; a request may have its own */
    int64_t backoff_min_ms, backoff_max_ms; /* 0: 50 and 5,000 */
    bool once; /* do not reconnect: after a failure state is CLOSED (CLI) */
    wh_conn_state_fn *on_state;
    void *arg;
} wh_conn_options;

wh_err wh_conn_new(wh_loop *l, const wh_conn_options *o, wh_conn **out,
                   wh_errbuf *eb) WH_MUSTCHECK;
void wh_conn_start(wh_conn *c);
/* Pending requests get WH_ECANCELED from the loop before the memory goes; safe inside callbacks. */
void wh_conn_free(wh_conn *c);

wh_conn_state wh_conn_state_of(const wh_conn *c);
/* The last failure, for people ("" if none). */
const char *wh_conn_error(const wh_conn *c);
/* Its kind: WH_ECONN, WH_EAUTH, WH_EBUSY (loading), WH_EPROTO, WH_ETIMEOUT …; WH_OK if none. */
wh_err wh_conn_error_code(const wh_conn *c);
size_t wh_conn_pending(const wh_conn *c);

typedef struct wh_conn_request {
    const char *data; /* a complete RESP command, copied */
    size_t len;
    int64_t timeout_ms; /* 0: the connection's; -1: none (blocking commands) */
    wh_conn_reply_fn *cb;
    void *arg;
} wh_conn_request;
/* WH_ECONN: not ready. WH_EBUSY: 256 MiB of requests wait for the network. */
wh_err wh_conn_send(wh_conn *c, const wh_conn_request *r) WH_MUSTCHECK;
/* Forgets the callbacks of all pending requests with this arg (they count as cancelled, no callback). */
void wh_conn_forget(wh_conn *c, const void *arg);
/* Closes and reconnects after back-off (READONLY, broken peer). */
void wh_conn_reset(wh_conn *c, const char *why);

typedef struct wh_conn_counters {
    uint64_t requests, replies, errors, connects, bytes_in, bytes_out;
} wh_conn_counters;
wh_conn_counters wh_conn_counters_of(const wh_conn *c);

#endif
