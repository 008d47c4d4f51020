/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd without a thread: its epoll fd is watched by the loop, its own time-outs
 * are kept by a timer. Only GET and HEAD without a body are served. The library's idle
 * time-out is restarted by every byte, so absolute limits end connections that take too
 * long over a request, and where the library refuses newcomers when it is full we end the
 * oldest connection instead: probes get through whoever holds connections open.
 * Responses are copied into the library before the handler's buffer is freed.
 */
#include "common/io/http.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/http_listen.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

enum {
    MAX_CONNECTIONS = 64,
    IDLE_S = 10,
    REQUEST_MS = 2000, /* from connect to the end of the first request's head */
    ANSWER_MS =
        10000, /* from there to the response's end, and then to the next one's */
    CHECK_MS = 500,
    ADDRESS_BYTES = 16,
    REQUEST_BYTES = 16 * 1024, /* request line, headers and the library's own needs */
    BAD_METHOD = 405,
    HAS_BODY = 413
};

/* One connection, for the limits; in http->peers from start to close, the youngest first. */
typedef struct peer {
    struct MHD_Connection *connection;
    int64_t since_ms, limit_ms;
    uint8_t address[ADDRESS_BYTES];
    bool is_cut; /* we ended it, and the library has not seen that yet */
    struct peer *prev, *next;
} peer;

struct wh_http {
    wh_loop *loop;
    struct MHD_Daemon *daemon;
    wh_watch *watch;
    wh_timer *timer; /* when the library wants to run again */
    wh_timer *check; /* for the absolute limit */
    wh_http_fn *handler;
    void *arg;
    peer *peers;
    unsigned max;    /* connections at a time; half of them of one address */
    bool has_closed; /* some, in this run of the library: it may accept again */
    int listen_fd;   /* -1 once the daemon owns it */
    int port;
};

/* -------------------------------------------------------------- answering */

static enum MHD_Result send_response(struct MHD_Connection *connection,
                                     const wh_http_response *rs)
{
    const char *type =
        rs->content_type != NULL ? rs->content_type : "text/plain; charset=utf-8";
    /* The signature wants a writable pointer; with MUST_COPY it is only read. */
    struct MHD_Response *r = MHD_create_response_from_buffer(
        rs->body.len, rs->body.data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result ok = MHD_NO;

    if (r == NULL) {
        return MHD_NO;
    }
    if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ==
            MHD_YES &&
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES &&
        (rs->status != BAD_METHOD ||
         MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES) &&
        (rs->status != HAS_BODY ||
         MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES)) {
        ok = MHD_queue_response(connection, (unsigned)rs->status, r);
    }
    MHD_destroy_response(r);
    return ok;
}

/* The connection's time runs from now, for so long. */
static void restart(struct MHD_Connection *connection, int64_t limit_ms)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    if (info != NULL && info->socket_context != NULL) {
        peer *p = info->socket_context;

        p->since_ms = wh_clock_mono_ms();
        p->limit_ms = limit_ms;
    }
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *coding = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_TRANSFER_ENCODING);

    return coding != NULL || (length != NULL && strcmp(length, "0") != 0);
}

/* The library calls twice: with the headers, and when the (empty) body is through. What
 * is refused is answered at once, which also closes the connection; the rest at the
 * second call, which keeps it. */
/* NOLINTNEXTLINE(readability-function-size): the library's signature */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *data_size, void **context)
{
    wh_http *h = arg;
    wh_http_request rq = {.method = method, .path = url};
    wh_http_response rs = {.status = 200};

    (void)version;
    (void)data;
    (void)data_size;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        rs.status = BAD_METHOD;
        wh_buf_adds(&rs.body, "only GET and HEAD\n");
    } else if (has_body(connection)) {
        rs.status = HAS_BODY;
        wh_buf_adds(&rs.body, "no request body, please\n");
    } else if (*context == NULL) {
        *context = h;
        restart(connection, ANSWER_MS);
        return MHD_YES;
    } else {
        h->handler(h->arg, &rq, &rs);
        if (!wh_buf_ok(&rs.body) || rs.status < 200 || rs.status > 599) {
            wh_buf_fini(&rs.body);
            rs = (wh_http_response){.status = 500};
        }
    }
    enum MHD_Result ok = send_response(connection, &rs);
    wh_buf_fini(&rs.body);
    return ok;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)arg;
    (void)context;
    (void)how;
    restart(connection, ANSWER_MS);
}

/* ------------------------------------------------------------ connections */

static void take_address(peer *p)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(p->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info != NULL ? info->client_addr : NULL;

    if (sa != NULL && sa->sa_family == AF_INET6) {
        memcpy(p->address, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
               sizeof(struct in6_addr));
    } else if (sa != NULL && sa->sa_family == AF_INET) {
        memcpy(p->address, &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
               sizeof(struct in_addr));
    }
}

static bool is_of(const peer *p, const peer *like)
{
    return like == NULL || memcmp(p->address, like->address, ADDRESS_BYTES) == 0;
}

static void cut(peer *p)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(p->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    p->is_cut = true;
    if (info != NULL) {
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* the library sees the end */
    }
}

/* Ends what has been there longest if there are more than `most`; of one address, or
 * (like NULL) of all. */
static void make_room(const wh_http *h, const peer *like, unsigned most)
{
    peer *oldest = NULL;
    unsigned n = 0;

    for (peer *p = h->peers; p != NULL; p = p->next) {
        if (!p->is_cut && is_of(p, like)) {
            n++;
            oldest = oldest == NULL || p->since_ms <= oldest->since_ms ? p : oldest;
        }
    }
    if (n > most && oldest != NULL) {
        cut(oldest);
    }
}

static void add_peer(wh_http *h, peer *p)
{
    p->since_ms = wh_clock_mono_ms();
    p->limit_ms = REQUEST_MS;
    take_address(p);
    p->next = h->peers;
    if (h->peers != NULL) {
        h->peers->prev = p;
    }
    h->peers = p;
    make_room(h, p, h->max > 1 ? h->max / 2 : 1);
    make_room(h, NULL, h->max);
    if (h->check != NULL && !wh_timer_is_running(h->check)) {
        wh_timer_start(h->check, CHECK_MS);
    }
}

static void remove_peer(wh_http *h, peer *p)
{
    if (p->prev != NULL) {
        p->prev->next = p->next;
    } else {
        h->peers = p->next;
    }
    if (p->next != NULL) {
        p->next->prev = p->prev;
    }
    wh_free(p);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    wh_http *h = arg;
    peer *p = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        p = wh_calloc(1, sizeof *p);
        *context = p;
        if (p != NULL) { /* else only the idle limit holds for this one */
            p->connection = connection;
            add_peer(h, p);
        }
        return;
    }
    h->has_closed = true;
    if (p != NULL) {
        remove_peer(h, p);
        *context = NULL;
    }
}

static void on_check(void *arg)
{
    wh_http *h = arg;
    int64_t now_ms = wh_clock_mono_ms();

    for (peer *p = h->peers; p != NULL; p = p->next) {
        if (!p->is_cut && now_ms - p->since_ms > p->limit_ms) {
            cut(p);
        }
    }
    if (h->peers != NULL) {
        wh_timer_start(h->check, CHECK_MS);
    }
}

/* ---------------------------------------------------------------- the loop */

static void run(wh_http *h)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;

    h->has_closed = false;
    (void)MHD_run(h->daemon);
    if (h->has_closed) { /* a full library looks for newcomers when it runs again */
        wh_timer_start(h->timer, 0);
    } else if (MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES) {
        wh_timer_start(h->timer, wait_ms < 60000 ? (int64_t)wait_ms : 60000);
    } else {
        wh_timer_stop(h->timer);
    }
}

static void on_ready(void *arg, unsigned events)
{
    (void)events;
    run(arg);
}

static void on_timer(void *arg)
{
    run(arg);
}

static void log_line(void *arg, const char *fmt, va_list ap) WH_PRINTF(2, 0);
static void log_line(void *arg, const char *fmt, va_list ap)
{
    char text[256];

    (void)arg;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\r\n")] = '\0';
    WH_LOG(DEBUG, "http.library", WH_F_STR("text", text));
}

/* ------------------------------------------------------------ construction */

/* The library may have twice as many as we let live: some are cut and not closed yet. */
static struct MHD_Daemon *start_daemon(wh_http *h)
{
#if MHD_VERSION >= 0x00097601
    const struct MHD_OptionItem strict = {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL};
#else
    const struct MHD_OptionItem strict = {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL};
#endif
    struct MHD_OptionItem options[] = {strict, {MHD_OPTION_END, 0, NULL}};

    /* The logger goes first: it is in force for the options behind it. */
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, h,
        MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_LISTEN_SOCKET,
        h->listen_fd, MHD_OPTION_CONNECTION_LIMIT, 2 * h->max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static wh_err attach(wh_http *h)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    wh_err err = wh_timer_new(h->loop, on_timer, h, &h->timer);

    if (err == WH_OK) {
        err = wh_timer_new(h->loop, on_check, h, &h->check);
    }
    if (err == WH_OK) {
        err = info == NULL ? WH_EIO
                           : wh_watch_new(h->loop, info->epoll_fd, WH_WATCH_READ,
                                          on_ready, h, &h->watch);
    }
    return err;
}

wh_err wh_http_new(wh_loop *l, const wh_http_options *o, wh_http **out, wh_errbuf *eb)
{
    wh_http *h = wh_calloc(1, sizeof *h);
    wh_err err = WH_OK;

    *out = NULL;
    if (h == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    h->loop = l;
    h->handler = o->handler;
    h->arg = o->arg;
    h->listen_fd = -1;
    h->max = o->max_connections > 0 ? o->max_connections : MAX_CONNECTIONS;
    err = wh_http_listen_open(o->listen, &h->listen_fd, &h->port, eb);
    if (err != WH_OK) {
        goto fail;
    }
    h->daemon = start_daemon(h);
    if (h->daemon == NULL) {
        err = wh_err_set(eb, WH_EIO, "can't start the HTTP server on %s", o->listen);
        goto fail;
    }
    h->listen_fd = -1;
    err = attach(h);
    if (err != WH_OK) {
        (void)wh_err_set(eb, err, "can't watch the HTTP server");
        goto fail;
    }
    *out = h;
    return WH_OK;
fail:
    wh_http_free(h);
    return err;
}

void wh_http_free(wh_http *h)
{
    if (h == NULL) {
        return;
    }
    wh_watch_free(h->watch);
    wh_timer_free(h->timer);
    if (h->daemon != NULL) {
        MHD_stop_daemon(h->daemon); /* closes all connections: on_connection */
    }
    wh_timer_free(h->check);
    if (h->listen_fd >= 0) {
        close(h->listen_fd);
    }
    wh_free(h);
}

int wh_http_port(const wh_http *h)
{
    return h->port;
}
