/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an endpoint to a bufferevent: addresses are tried one after another on sockets
 * of our own (so that their options hold from the first packet on), then one code path
 * for unix, TCP and TLS. Names are resolved anew for each attempt. Everything here
 * runs on the loop and reports through wh_conn_connected or wh_conn_fail.
 */
#include "common/io/conn_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

enum {
    DEAD_PEER_MS = 10000, /* unacknowledged data, or no answer to keepalive */
    KEEPALIVE_IDLE_S = 5,
    KEEPALIVE_INTERVAL_S = 2,
    KEEPALIVE_COUNT = 3,
    READ_BYTES = 64 * 1024, /* at most per turn and connection */
    KEEP_OUT_BYTES = 1024 * 1024
};

static void try_next(wh_conn *c);

void wh_conn_link_init(wh_conn_link *k)
{
    *k = (wh_conn_link){.fd = -1};
}

void wh_conn_link_pause(wh_conn_link *k)
{
    if (k->readable != NULL) {
        wh_watch_set(k->readable, 0);
    }
    if (k->bev != NULL) {
        (void)bufferevent_disable(k->bev, EV_READ | EV_WRITE);
    }
}

void wh_conn_link_close(wh_conn_link *k)
{
    wh_watch_free(k->watch);
    k->watch = NULL;
    if (k->fd >= 0) {
        close(k->fd);
        k->fd = -1;
    }
    wh_watch_free(k->readable);
    k->readable = NULL;
    if (k->bev != NULL) {
        bufferevent_free(k->bev); /* with its socket and TLS session */
        k->bev = NULL;
        k->ssl = NULL;
    }
    k->n_addresses = 0;
    k->next_address = 0;
}

void wh_conn_link_fini(wh_conn_link *k)
{
    wh_conn_link_close(k);
    wh_resolve_free(k->resolve);
    k->resolve = NULL;
}

/* ------------------------------------------------------- the bufferevent */

static void on_read(struct bufferevent *bev, void *arg)
{
    wh_conn *c = arg;

    (void)bev;
    wh_loop_enter(c->loop);
    wh_conn_read(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    wh_conn *c = arg;
    int sys = errno;
    char why[200];

    wh_loop_enter(c->loop);
    if ((what & BEV_EVENT_CONNECTED) != 0) {
        wh_conn_connected(c);
    } else if ((what & BEV_EVENT_EOF) != 0) {
        wh_conn_fail(c, WH_ECONN, "Redis closed the connection%s",
                     c->state == WH_CONN_CONNECTING ? WH_CONN_NO_TLS : "");
    } else if (c->link.ssl != NULL) {
        wh_conn_tls_explain(c->link.ssl, bufferevent_get_openssl_error(bev), why,
                            sizeof why);
        wh_conn_fail(c, WH_ECONN, "%s", why);
    } else {
        wh_conn_fail(c, WH_ECONN, "connection to Redis lost: %s", strerror(sys));
    }
}

static void on_plain(void *arg, unsigned events)
{
    (void)events;
    wh_conn_read_plain(arg);
}

/* Starts the events of a connected link. */
static wh_err listen_to(wh_conn *c)
{
    wh_conn_link *k = &c->link;
    int what = EV_WRITE | (k->ssl != NULL ? EV_READ : 0);

    if (bufferevent_enable(k->bev, (short)what) != 0) {
        return WH_EIO;
    }
    return k->ssl != NULL ? WH_OK
                          : wh_watch_new(c->loop, bufferevent_getfd(k->bev),
                                         WH_WATCH_READ, on_plain, c, &k->readable);
}

static struct bufferevent *make_bev(wh_conn *c, wh_errbuf *eb)
{
    struct event_base *base = wh_loop_base(c->loop);
    struct bufferevent *bev = NULL;

    if (!c->o.endpoint.tls) {
        bev = bufferevent_socket_new(base, c->link.fd, BEV_OPT_CLOSE_ON_FREE);
    } else if (wh_conn_tls_new(&c->o, &c->link.ssl, eb) != WH_OK) {
        return NULL;
    } else {
        /* Takes the session also when it fails. */
        bev = bufferevent_openssl_socket_new(base, c->link.fd, c->link.ssl,
                                             BUFFEREVENT_SSL_CONNECTING,
                                             BEV_OPT_CLOSE_ON_FREE);
    }
    if (bev == NULL) {
        (void)wh_err_set(eb, WH_ENOMEM, "out of memory for a connection");
    }
    return bev;
}

static void on_tcp_connected(wh_conn *c)
{
    wh_conn_link *k = &c->link;
    wh_errbuf eb = {0};

    k->bev = make_bev(c, &eb);
    if (k->bev == NULL) {
        k->ssl = NULL;
        wh_conn_fail(c, eb.code, "%s", eb.text);
        return;
    }
    k->fd = -1; /* the bufferevent's now */
    bufferevent_setcb(k->bev, on_read, NULL, on_event, c);
    (void)bufferevent_set_max_single_read(k->bev, READ_BYTES);
    if (k->ssl != NULL) {
        bufferevent_openssl_set_allow_dirty_shutdown(k->bev, 1);
    }
    if (listen_to(c) != WH_OK) {
        wh_conn_fail(c, WH_EIO, "the event loop refused the connection");
    } else if (k->ssl == NULL) {
        wh_conn_connected(c);
    }
}

void wh_conn_link_flush(wh_conn *c)
{
    struct bufferevent *bev = c->link.bev;
    wh_buf *out = &c->out;
    ssize_t n = 0;

    if (bev == NULL || c->ending || out->len == 0) {
        return;
    }
    /* Straight to the kernel: no watching for writability on the usual path. */
    if (c->link.ssl == NULL && evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
        n = send(bufferevent_getfd(bev), out->data, out->len,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EPIPE && c->state == WH_CONN_HANDSHAKE) {
            wh_buf_clear(out); /* what it said before it closed is still to be read */
            return;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            wh_conn_fail(c, WH_ECONN, "connection to Redis lost: %s", strerror(errno));
            return;
        }
        n = n < 0 ? 0 : n;
    }
    if ((size_t)n < out->len &&
        bufferevent_write(bev, out->data + n, out->len - (size_t)n) != 0) {
        wh_conn_fail(c, WH_ENOMEM, "out of memory for requests");
        return;
    }
    if (out->cap > KEEP_OUT_BYTES) {
        wh_buf_fini(out);
    } else {
        wh_buf_clear(out);
    }
}

/* ------------------------------------------------------------ connecting */

static void set_options(int fd)
{
    const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_MS},
    };

    /* A kernel without one of them still gives a connection that works. */
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    }
}

static void address_failed(wh_conn *c, int sys)
{
    char where[160];

    wh_conn_link *k = &c->link;
    wh_watch_free(k->watch);
    k->watch = NULL;
    if (k->fd >= 0) {
        close(k->fd);
        k->fd = -1;
    }
    if (k->next_address < k->n_addresses) {
        try_next(c);
        return;
    }
    wh_endpoint_print(&c->o.endpoint, where, sizeof where);
    wh_conn_fail(c, WH_ECONN, "can't connect to %s: %s", where, strerror(sys));
}

static void on_writable(void *arg, unsigned events)
{
    wh_conn *c = arg;
    wh_conn_link *k = &c->link;
    int sys = 0;
    socklen_t len = sizeof sys;

    (void)events;
    if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0) {
        sys = errno;
    }
    if (sys != 0) {
        address_failed(c, sys);
        return;
    }
    wh_watch_free(k->watch);
    k->watch = NULL;
    on_tcp_connected(c);
}

/* errno of the failure, 0: connected, EINPROGRESS: watching. */
static int try_one(wh_conn *c, const wh_conn_address *a)
{
    wh_conn_link *k = &c->link;
    int family = a->sa.ss_family;

    k->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (k->fd < 0) {
        return errno;
    }
    if (family != AF_UNIX) {
        set_options(k->fd);
    }
    if (connect(k->fd, (const struct sockaddr *)&a->sa, a->len) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    return wh_watch_new(c->loop, k->fd, WH_WATCH_WRITE, on_writable, c, &k->watch) ==
                   WH_OK
               ? EINPROGRESS
               : ENOMEM;
}

/* Each address gets its share of the time, so that one that drops packets leaves some
 * for the next. */
static void try_next(wh_conn *c)
{
    wh_conn_link *k = &c->link;
    int64_t share = c->o.connect_timeout_ms / (int64_t)k->n_addresses;
    int sys = try_one(c, &k->addresses[k->next_address++]);

    if (sys == 0) {
        on_tcp_connected(c);
    } else if (sys == EINPROGRESS) {
        wh_timer_start(c->phase, share > 0 ? share : 1);
    } else {
        address_failed(c, sys);
    }
}

void wh_conn_link_expired(wh_conn *c)
{
    if (c->link.watch != NULL) {
        address_failed(c, ETIMEDOUT);
    } else if (c->link.bev != NULL) {
        bool is_tls = c->state == WH_CONN_CONNECTING;

        wh_conn_fail(c, WH_ETIMEOUT, "Redis did not answer %s within %lld ms%s",
                     is_tls ? "the TLS handshake" : "the first commands",
                     (long long)c->o.connect_timeout_ms, is_tls ? WH_CONN_NO_TLS : "");
    } else {
        wh_conn_fail(c, WH_ETIMEOUT, "can't resolve %.64s within %lld ms",
                     c->o.endpoint.host, (long long)c->o.connect_timeout_ms);
    }
}

/* ------------------------------------------------------------- resolving */

static void on_resolved(void *arg, wh_err err, const struct addrinfo *list,
                        const char *why)
{
    wh_conn *c = arg;
    wh_conn_link *k = &c->link;

    wh_resolve_free(k->resolve);
    k->resolve = NULL;
    if (c->state != WH_CONN_CONNECTING || c->begin_due) {
        return; /* too late for its attempt: the next one asks anew */
    }
    if (err != WH_OK) {
        wh_conn_fail(c, err, "%s", why);
        return;
    }
    for (; list != NULL && k->n_addresses < WH_CONN_MAX_ADDRESSES;
         list = list->ai_next) {
        if (list->ai_addrlen <= sizeof(struct sockaddr_storage)) {
            wh_conn_address *a = &k->addresses[k->n_addresses++];

            memcpy(&a->sa, list->ai_addr, list->ai_addrlen);
            a->len = list->ai_addrlen;
        }
    }
    if (k->n_addresses == 0) {
        wh_conn_fail(c, WH_ECONN, "%.64s has no address", c->o.endpoint.host);
    } else {
        try_next(c);
    }
}

void wh_conn_link_start(wh_conn *c)
{
    const wh_endpoint *e = &c->o.endpoint;
    wh_conn_link *k = &c->link;

    if (e->path != NULL) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};

        memcpy(un.sun_path, e->path, strlen(e->path) + 1); /* checked by wh_conn_new */
        memcpy(&k->addresses[0].sa, &un, sizeof un);
        k->addresses[0].len = sizeof un;
        k->n_addresses = 1;
        try_next(c);
        return;
    }
    if (k->resolve == NULL) {
        wh_err err =
            wh_resolve_start(c->loop, e->host, e->port, on_resolved, c, &k->resolve);

        if (err != WH_OK) {
            wh_conn_fail(c, err, "can't resolve %.64s: %s", e->host, wh_err_text(err));
        }
    }
}
