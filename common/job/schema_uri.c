/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits, checks and resolves URI references. Called by schema_link for $id and $ref
 * and by schema_format. Resolving is RFC 3986 section 5.2, with no base there the
 * reference is left as it is.
 */
#include "common/job/schema_uri.h"

#include "common/job/schema_format.h"

#include <string.h>

#define UNRESERVED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
#define SUB_DELIMS "!$&'()*+,;="

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t scheme_len(const char *p, size_t n)
{
    if (n == 0 || !is_alpha(p[0])) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (p[i] == ':') {
            return i;
        }
        if (!is_alpha(p[i]) && !is_digit(p[i]) &&
            (p[i] == '\0' || !strchr("+-.", p[i]))) {
            return 0;
        }
    }
    return 0;
}

/* What stands before the first of `ends`, and steps over it. */
static wh_schema_uri_part cut(const char **p, const char *end, const char *ends)
{
    const char *begin = *p;
    while (*p < end && (**p == '\0' || strchr(ends, **p) == NULL)) {
        ++*p;
    }
    return (wh_schema_uri_part){begin, (size_t)(*p - begin)};
}

void wh_schema_uri_split(const char *p, size_t n, wh_schema_uri *out)
{
    const char *end = p + n;
    *out = (wh_schema_uri){0};
    size_t scheme = scheme_len(p, n);
    if (scheme > 0) {
        out->scheme = (wh_schema_uri_part){p, scheme};
        p += scheme + 1;
    }
    if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
        p += 2;
        out->authority = cut(&p, end, "/?#");
    }
    out->path = cut(&p, end, "?#");
    if (p < end && *p == '?') {
        p++;
        out->query = cut(&p, end, "#");
    }
    if (p < end) {
        out->fragment = (wh_schema_uri_part){p + 1, (size_t)(end - p) - 1};
    }
}

/* ----------------------------------------------------------------- checking */

static int hex_of(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Only characters that are allowed anywhere in a URI, the further ones, and %XX. */
static bool has_only(wh_schema_uri_part part, const char *further)
{
    for (size_t i = 0; i < part.n; i++) {
        char c = part.p[i];
        if (c == '%') {
            if (part.n - i < 3 || hex_of(part.p[i + 1]) < 0 ||
                hex_of(part.p[i + 2]) < 0) {
                return false;
            }
            i += 2;
        } else if (c == '\0' || (strchr(UNRESERVED SUB_DELIMS, c) == NULL &&
                                 strchr(further, c) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_port(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(p[i])) {
            return false;
        }
    }
    return true;
}

/* [ip6] or [vN.text], and a port behind it. */
static bool is_bracketed(const char *p, size_t n)
{
    const char *close = memchr(p, ']', n);
    if (close == NULL) {
        return false;
    }
    size_t len = (size_t)(close - p) - 1, behind = n - len - 2;
    if (behind > 0 && (close[1] != ':' || !is_port(close + 2, behind - 1))) {
        return false;
    }
    if (len > 2 && (p[1] == 'v' || p[1] == 'V')) {
        const char *point = memchr(p + 1, '.', len);
        return point != NULL && hex_of(p[2]) >= 0 &&
               has_only((wh_schema_uri_part){point + 1, (size_t)(close - point) - 1},
                        ":");
    }
    return wh_schema_format_is_ipv6(p + 1, len);
}

static bool is_authority(wh_schema_uri_part authority)
{
    const char *host = authority.p;
    size_t n = authority.n;
    const char *at = n > 0 ? memchr(host, '@', n) : NULL;
    if (at != NULL) {
        if (!has_only((wh_schema_uri_part){host, (size_t)(at - host)}, ":")) {
            return false;
        }
        n -= (size_t)(at - host) + 1;
        host = at + 1;
    }
    if (n > 0 && host[0] == '[') {
        return is_bracketed(host, n);
    }
    const char *colon = n > 0 ? memchr(host, ':', n) : NULL;
    size_t name = colon != NULL ? (size_t)(colon - host) : n;
    return has_only((wh_schema_uri_part){host, name}, "") &&
           (colon == NULL || is_port(colon + 1, n - name - 1));
}

bool wh_schema_uri_is_valid(const wh_schema_uri *uri)
{
    if (uri->authority.p != NULL && !is_authority(uri->authority)) {
        return false;
    }
    /* Without a scheme, a colon in the first segment would look like one. */
    size_t first = 0;
    while (first < uri->path.n && uri->path.p[first] != '/') {
        first++;
    }
    if (uri->scheme.p == NULL && uri->authority.p == NULL && first > 0 &&
        memchr(uri->path.p, ':', first) != NULL) {
        return false;
    }
    return has_only(uri->path, ":@/") && has_only(uri->query, ":@/?") &&
           has_only(uri->fragment, ":@/?");
}

/* ---------------------------------------------------------------- resolving */

static void add_part(wh_buf *out, const char *before, wh_schema_uri_part part)
{
    if (part.p != NULL) {
        wh_buf_adds(out, before);
        wh_buf_add(out, part.p, part.n);
    }
}

static void drop_segment(wh_buf *out, size_t begin)
{
    while (out->len > begin && out->data[out->len - 1] != '/') {
        out->len--;
    }
    if (out->len > begin) {
        out->len--;
    }
}

/* Appends a path without "." and ".." segments. */
static void add_plain_path(wh_buf *out, const char *p, size_t n)
{
    size_t begin = out->len;
    for (size_t i = 0; i < n && wh_buf_ok(out);) {
        size_t next = i + (p[i] == '/' ? 1 : 0);
        while (next < n && p[next] != '/') {
            next++;
        }
        const char *name = p + i + (p[i] == '/' ? 1 : 0);
        size_t len = (size_t)(p + next - name);
        bool is_up = len == 2 && memcmp(name, "..", 2) == 0;
        if (is_up) {
            drop_segment(out, begin);
        } else if (len != 1 || name[0] != '.') {
            wh_buf_add(out, p + i, next - i);
        }
        if (next == n && (is_up || (len == 1 && name[0] == '.'))) {
            wh_buf_addc(out, '/');
        }
        i = next;
    }
}

/* The base's path up to its last '/', and the reference's behind it. */
static void merge_paths(const wh_schema_uri *base, const wh_schema_uri *ref,
                        wh_buf *out)
{
    size_t keep = base->path.n;
    while (keep > 0 && base->path.p[keep - 1] != '/') {
        keep--;
    }
    wh_buf joined = {0};
    if (keep == 0 && base->authority.p != NULL) {
        wh_buf_addc(&joined, '/');
    }
    wh_buf_add(&joined, base->path.p, keep);
    wh_buf_add(&joined, ref->path.p, ref->path.n);
    add_plain_path(out, wh_buf_str(&joined), joined.len);
    out->failed = out->failed || !wh_buf_ok(&joined);
    wh_buf_fini(&joined);
}

void wh_schema_uri_resolve(const wh_schema_uri *base, const wh_schema_uri *ref,
                           wh_buf *out)
{
    bool own_scheme = ref->scheme.p != NULL;
    bool own_authority = own_scheme || ref->authority.p != NULL;
    const wh_schema_uri *scheme = own_scheme ? ref : base;
    if (scheme->scheme.p != NULL) {
        wh_buf_add(out, scheme->scheme.p, scheme->scheme.n);
        wh_buf_addc(out, ':');
    }
    add_part(out, "//", own_authority ? ref->authority : base->authority);
    if (own_authority || (ref->path.n > 0 && ref->path.p[0] == '/')) {
        add_plain_path(out, ref->path.p, ref->path.n);
    } else if (ref->path.n > 0) {
        merge_paths(base, ref, out);
    } else {
        wh_buf_add(out, base->path.p, base->path.n);
        add_part(out, "?", ref->query.p != NULL ? ref->query : base->query);
        return;
    }
    add_part(out, "?", ref->query);
}

bool wh_schema_uri_decode(wh_schema_uri_part part, wh_buf *out)
{
    for (size_t i = 0; i < part.n; i++) {
        char c = part.p[i];
        if (c == '%') {
            int high = part.n - i >= 3 ? hex_of(part.p[i + 1]) : -1;
            int low = part.n - i >= 3 ? hex_of(part.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        wh_buf_addc(out, c);
    }
    return true;
}
