/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket of the HTTP server: addresses as they stand in configurations,
 * and a socket for them. Called by http.c and, for the check, by option tables.
 */
#include "common/io/http_listen.h"

#include "common/io/http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_SIZE = 128, BACKLOG = 64 };

/* "HOST:PORT" into its parts; host "" stands for all addresses. */
static bool split_address(const char *text, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - text);

    if (colon == NULL || n >= size || colon[1] == '\0' || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtol(colon + 1, NULL, 10) > 65535) {
        return false;
    }
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n) != NULL) {
        return false; /* an IPv6 address without its brackets */
    }
    memcpy(host, text, n);
    host[n] = '\0';
    *port = colon + 1;
    return true;
}

static int listen_on(const struct addrinfo *a)
{
    const int one = 1;
    const int zero = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6) { /* "all addresses" means IPv4 too */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int sys = errno;

        close(fd);
        errno = sys;
        return -1;
    }
    return fd;
}

static int listen_on_any(const struct addrinfo *list, int family)
{
    int fd = -1;

    for (; list != NULL && fd < 0; list = list->ai_next) {
        if (family == AF_UNSPEC || list->ai_family == family) {
            fd = listen_on(list);
        }
    }
    return fd;
}

static wh_err refuse_address(wh_errbuf *eb, wh_err code, const char *text)
{
    return wh_err_set(eb, code, "\"%s\" must be ADDRESS:PORT, [IPV6]:PORT or :PORT",
                      text);
}

/* Both programs have the option under this name. */
static wh_err refuse_listen(wh_errbuf *eb, int sys, const char *text)
{
    wh_err err = wh_err_sys(eb, sys, "can't listen on %s", text);

    if (sys == EADDRINUSE && eb != NULL) {
        (void)wh_err_set(
            eb, err, "%s; --metrics-listen 127.0.0.1:0 picks a free port, \"\" none",
            eb->text);
        eb->sys = sys;
    }
    return err;
}

wh_err wh_http_listen_check(const char *text, wh_errbuf *eb)
{
    char host[HOST_SIZE];
    const char *port = NULL;

    return *text == '\0' || split_address(text, host, sizeof host, &port)
               ? WH_OK
               : refuse_address(eb, WH_ECONFIG, text);
}

wh_err wh_http_listen_open(const char *text, int *out, int *port_out, wh_errbuf *eb)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char host[HOST_SIZE];
    const char *port = NULL;
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    int fd = -1;

    *out = -1;
    if (!split_address(text, host, sizeof host, &port)) {
        return refuse_address(eb, WH_EINVAL, text);
    }
    int rc = getaddrinfo(*host != '\0' ? host : NULL, port, &hints, &list);
    if (rc != 0) {
        return wh_err_set(eb, WH_EINVAL, "can't listen on %s: %s", text,
                          gai_strerror(rc));
    }
    errno = EAFNOSUPPORT;
    if (*host == '\0') {
        fd = listen_on_any(list, AF_INET6);
    }
    if (fd < 0) {
        fd = listen_on_any(list, AF_UNSPEC);
    }
    int sys = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        return refuse_listen(eb, sys, text);
    }
    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
        sys = errno;
        close(fd);
        return wh_err_sys(eb, sys, "getsockname");
    }
    *out = fd;
    *port_out = sa.ss_family == AF_INET6
                    ? ntohs(((const struct sockaddr_in6 *)&sa)->sin6_port)
                    : ntohs(((const struct sockaddr_in *)&sa)->sin_port);
    return WH_OK;
}
