/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where Redis is: the text form of wh_endpoint (conn.h), for options, the command line
 * and the log. Invariant: nothing that this file prints or refuses contains a password,
 * so a refused text is quoted only from behind its '@'.
 */
#include "common/base/alloc.h"
#include "common/io/conn.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_PORT = 6379, MAX_DB = 1000000 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %XX decoded; NULL *out: the escape is wrong (WH_EINVAL) or memory is out. */
static wh_err decode(const char *s, size_t n, char **out)
{
    char *text = wh_malloc(n + 1);
    size_t len = 0;

    *out = NULL;
    if (text == NULL) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s[i];

        if (c == '%') {
            int high = n - i > 2 ? hex_value(s[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(s[i + 2]);

            if (low < 0 || (high == 0 && low == 0)) {
                wh_free(text);
                return WH_EINVAL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        text[len++] = c;
    }
    text[len] = '\0';
    *out = text;
    return WH_OK;
}

/* Digits only, at most max; -1 otherwise. */
static int parse_number(const char *s, size_t n, int max)
{
    int v = 0;

    if (n == 0 || n > 7) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }
        v = v * 10 + (s[i] - '0');
    }
    return v > max ? -1 : v;
}

/* "user:password" or ":password" */
static wh_err parse_userinfo(const char *s, size_t n, wh_endpoint *e, wh_errbuf *eb)
{
    const char *colon = memchr(s, ':', n);
    wh_err err = WH_OK;

    if (colon == NULL || colon == s + n - 1) {
        return wh_err_set(eb, WH_EINVAL,
                          "before '@' there must be user:password or :password");
    }
    if (colon > s) {
        err = decode(s, (size_t)(colon - s), &e->user);
    }
    if (err == WH_OK) {
        err = decode(colon + 1, (size_t)(s + n - colon - 1), &e->password);
    }
    if (err == WH_EINVAL) {
        return wh_err_set(eb, err, "a wrong %%-escape before '@' (write %% as %%25)");
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "out of memory");
}

static wh_err bad_db(wh_errbuf *eb)
{
    return wh_err_set(eb, WH_EINVAL, "the database must be a number from 0 to %d",
                      (int)MAX_DB);
}

/* "?db=3" or "" */
static wh_err parse_query(const char *s, wh_endpoint *e, wh_errbuf *eb)
{
    if (*s == '\0') {
        return WH_OK;
    }
    if (strncmp(s, "?db=", 4) != 0) {
        return wh_err_set(eb, WH_EINVAL, "only ?db=NUMBER may follow the address");
    }
    e->db = parse_number(s + 4, strlen(s + 4), MAX_DB);
    return e->db < 0 ? bad_db(eb) : WH_OK;
}

static wh_err parse_path(const char *s, wh_endpoint *e, wh_errbuf *eb)
{
    size_t n = strcspn(s, "?");

    if (n < 2 || s[0] != '/') {
        return wh_err_set(eb, WH_EINVAL,
                          "unix:// needs an absolute path: unix:///run/redis.sock");
    }
    if (n > 107) {
        return wh_err_set(eb, WH_EINVAL, "a socket's path has at most 107 characters");
    }
    wh_err err = decode(s, n, &e->path);
    if (err == WH_EINVAL) {
        return wh_err_set(eb, err, "a wrong %%-escape in the path (write %% as %%25)");
    }
    return err != WH_OK ? wh_err_set(eb, err, "out of memory")
                        : parse_query(s + n, e, eb);
}

/* Sets host and port; *rest is what follows. */
static wh_err parse_host(const char *s, wh_endpoint *e, const char **rest,
                         wh_errbuf *eb)
{
    const char *host = s;
    size_t n = strcspn(s, ":/?");
    const char *end = s + n;

    if (*s == '[') {
        host = s + 1;
        n = strcspn(host, "]");
        end = host + n + (host[n] == ']' ? 1 : 0);
        if (host[n] != ']' || memchr(host, ':', n) == NULL) {
            return wh_err_set(eb, WH_EINVAL, "brackets hold an IPv6 address: [::1]");
        }
    }
    if (n == 0 || n > 255) {
        return wh_err_set(eb, WH_EINVAL, "the host is missing: redis://HOST:PORT/DB");
    }
    e->host = wh_strndup(host, n);
    if (e->host == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    e->port = DEFAULT_PORT;
    if (*end == ':') {
        size_t digits = strcspn(end + 1, "/?");

        e->port = parse_number(end + 1, digits, 65535);
        if (e->port <= 0) {
            return wh_err_set(eb, WH_EINVAL,
                              "the port must be a number from 1 to 65535");
        }
        end += 1 + digits;
    }
    *rest = end;
    return WH_OK;
}

static wh_err parse_tcp(const char *s, wh_endpoint *e, wh_errbuf *eb)
{
    const char *rest = s;
    wh_err err = parse_host(s, e, &rest, eb);

    if (err != WH_OK) {
        return err;
    }
    if (*rest == '/') {
        size_t n = strcspn(++rest, "?");

        if (n > 0) {
            e->db = parse_number(rest, n, MAX_DB);
            if (e->db < 0) {
                return bad_db(eb);
            }
        }
        rest += n;
    } else if (*rest != '\0' && *rest != '?') {
        return wh_err_set(eb, WH_EINVAL, "a ':' or '/' must follow the host");
    }
    return parse_query(rest, e, eb);
}

static bool take_prefix(const char **s, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncmp(*s, prefix, n) != 0) {
        return false;
    }
    *s += n;
    return true;
}

wh_err wh_endpoint_parse(const char *url, wh_endpoint *out, wh_errbuf *eb)
{
    const char *s = url;
    const char *at = NULL;
    bool is_path = false;
    wh_err err = WH_OK;

    *out = (wh_endpoint){0};
    if (*s == '/') {
        is_path = true;
    } else if (take_prefix(&s, "unix://")) {
        is_path = true;
        at = *s == '/' ? NULL : strrchr(s, '@');
    } else if (take_prefix(&s, "redis://") || take_prefix(&s, "rediss://")) {
        out->tls = url[5] == 's';
        at = strrchr(s, '@');
    } else {
        return wh_err_set(
            eb, WH_EINVAL,
            "must be redis://HOST:PORT/DB, rediss://…, unix:///PATH or /PATH");
    }
    if (at != NULL) {
        err = parse_userinfo(s, (size_t)(at - s), out, eb);
        s = at + 1;
    }
    if (err == WH_OK) {
        err = is_path ? parse_path(s, out, eb) : parse_tcp(s, out, eb);
    }
    if (err != WH_OK) {
        wh_endpoint_fini(out);
    }
    return err;
}

static void free_secret(char *s)
{
    if (s != NULL) {
        volatile char *p = s;

        while (*p != '\0') {
            *p++ = '\0';
        }
        wh_free(s);
    }
}

void wh_endpoint_fini(wh_endpoint *e)
{
    wh_free(e->path);
    wh_free(e->host);
    wh_free(e->user);
    free_secret(e->password);
    *e = (wh_endpoint){0};
}

void wh_endpoint_print(const wh_endpoint *e, char *out, size_t size)
{
    const char *user = e->user != NULL ? e->user : "";
    const char *at = e->user != NULL ? "@" : "";
    char db[24] = "";

    if (e->path != NULL) {
        if (e->db > 0) {
            (void)snprintf(db, sizeof db, "?db=%d", e->db);
        }
        (void)snprintf(out, size, "unix://%s%s%s%s", user, at, e->path, db);
        return;
    }
    const char *host = e->host != NULL ? e->host : "";
    bool is_v6 = strchr(host, ':') != NULL;
    if (e->db > 0) {
        (void)snprintf(db, sizeof db, "/%d", e->db);
    }
    (void)snprintf(out, size, "%s://%s%s%s%s%s:%d%s", e->tls ? "rediss" : "redis", user,
                   at, is_v6 ? "[" : "", host, is_v6 ? "]" : "", e->port, db);
}
