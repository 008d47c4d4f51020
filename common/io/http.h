/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP server inside the loop (libmicrohttpd, external epoll fd): for /metrics,
 * /livez, /readyz and later the API. Connections are bounded, in all and (half of that) of
 * one address; a new one ends the oldest. A request that is not there 2 s after the connect
 * is cut. Handlers answer at once from memory; they never block.
 */
#ifndef WH_COMMON_IO_HTTP_H
#define WH_COMMON_IO_HTTP_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/io/loop.h"

#include <stdint.h>

typedef struct wh_http wh_http;

typedef struct wh_http_request {
    const char *method, *path;
} wh_http_request;
typedef struct wh_http_response {
    int status;
    const char *content_type; /* literal; default text/plain; charset=utf-8 */
    wh_buf body;
} wh_http_response;
typedef void wh_http_fn(void *arg, const wh_http_request *rq, wh_http_response *rs);

typedef struct wh_http_options {
    const char *
        listen; /* "127.0.0.1:9394", "[::1]:0", ":9394" (all addresses); port 0 picks one */
    unsigned max_connections; /* 0: 64 */
    wh_http_fn *handler;
    void *arg;
} wh_http_options;

wh_err wh_http_new(wh_loop *l, const wh_http_options *o, wh_http **out,
                   wh_errbuf *eb) WH_MUSTCHECK;
void wh_http_free(wh_http *h);
/* Is it an address to listen on, or empty for none? WH_ECONFIG; a wh_opt_check_fn. */
wh_err wh_http_listen_check(const char *text, wh_errbuf *eb) WH_MUSTCHECK;
int wh_http_port(const wh_http *h);

#endif
