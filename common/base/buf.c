/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing byte buffer that all text and wire output goes through. Invariants:
 * data is NULL or holds cap bytes with cap > len, so that there is always room for
 * the NUL; once failed is set the contents stay as they were until _clear, _take
 * or _fini.
 */
#include "common/base/buf.h"

#include "common/base/alloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wh_buf_fini(wh_buf *b)
{
    wh_free(b->data);
    *b = (wh_buf){0};
}

void wh_buf_clear(wh_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

bool wh_buf_ok(const wh_buf *b)
{
    return !b->failed;
}

const char *wh_buf_str(const wh_buf *b)
{
    if (b->data == NULL) {
        return "";
    }
    b->data[b->len] = '\0'; /* whoever used _reserve set only len */
    return b->data;
}

char *wh_buf_take(wh_buf *b)
{
    (void)wh_buf_reserve(b, 0);
    if (b->failed) {
        wh_buf_fini(b);
        return NULL;
    }
    char *data = b->data;
    data[b->len] = '\0';
    *b = (wh_buf){0};
    return data;
}

char *wh_buf_reserve(wh_buf *b, size_t n)
{
    if (b->failed) {
        return NULL;
    }
    if (b->data == NULL || n >= b->cap - b->len) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        char *data = NULL;
        if (n < SIZE_MAX - b->len) {
            data = wh_grow(b->data, &cap, b->len + n + 1, 1);
        }
        if (data == NULL) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
        b->data[b->len] = '\0';
    }
    return b->data + b->len;
}

void wh_buf_add(wh_buf *b, const void *p, size_t n)
{
    char *to = wh_buf_reserve(b, n);
    if (to != NULL && n > 0) {
        memcpy(to, p, n);
        to[n] = '\0';
        b->len += n;
    }
}

void wh_buf_adds(wh_buf *b, const char *s)
{
    wh_buf_add(b, s, strlen(s));
}

void wh_buf_addc(wh_buf *b, char c)
{
    wh_buf_add(b, &c, 1);
}

void wh_buf_addi(wh_buf *b, int64_t v)
{
    char text[24];
    char *at = text + sizeof text;
    uint64_t u = v < 0 ? 0U - (uint64_t)v : (uint64_t)v;
    do {
        *--at = (char)('0' + (int)(u % 10U));
        u /= 10U;
    } while (u > 0);
    if (v < 0) {
        *--at = '-';
    }
    wh_buf_add(b, at, (size_t)(text + sizeof text - at));
}

void wh_buf_addf(wh_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    char *to = wh_buf_reserve(b, (size_t)n);
    if (to == NULL) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void wh_buf_add_double(wh_buf *b, double v)
{
    if (isnan(v)) {
        wh_buf_adds(b, "NaN");
        return;
    }
    if (isinf(v)) {
        wh_buf_adds(b, v > 0 ? "+Inf" : "-Inf");
        return;
    }
    if (v > -1e15 && v < 1e15 && v == (double)(int64_t)v) {
        wh_buf_addi(b, (int64_t)v);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    /* A locale may write the point as something else, of several bytes even. */
    for (const char *p = text; *p != '\0';) {
        size_t plain = strspn(p, "0123456789+-e");
        wh_buf_add(b, p, plain);
        p += plain;
        if (*p != '\0') {
            wh_buf_addc(b, '.');
            p += strcspn(p, "0123456789+-e");
        }
    }
}

void wh_buf_consume(wh_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else if (n > 0) {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data != NULL) {
        b->data[b->len] = '\0';
    }
}

static bool is_tail(unsigned char c)
{
    return (c & 0xC0U) == 0x80U;
}

size_t wh_buf_utf8_len(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0 || (p[0] >= 0x80 && p[0] < 0xC2) || p[0] > 0xF4) {
        return 0;
    }
    if (p[0] < 0x80) {
        return 1;
    }
    size_t want = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < want) {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if (!is_tail(p[i])) {
            return 0;
        }
    }
    /* Longer than needed, a surrogate half, or beyond U+10FFFF. */
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) {
        return 0;
    }
    return want;
}

/* Adds one well-formed character; controls (C0, DEL, C1) go out as escapes, so that
 * a terminal that shows the text obeys nothing in it. */
static void add_json_char(wh_buf *b, const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];
    if (c == '"' || c == '\\') {
        wh_buf_addc(b, '\\');
        wh_buf_addc(b, (char)c);
    } else if (c == '\n') {
        wh_buf_adds(b, "\\n");
    } else if (c == '\r') {
        wh_buf_adds(b, "\\r");
    } else if (c == '\t') {
        wh_buf_adds(b, "\\t");
    } else if (c < 0x20 || c == 0x7F) {
        wh_buf_addf(b, "\\u%04x", (unsigned)c);
    } else if (c == 0xC2 && (unsigned char)s[1] < 0xA0) {
        wh_buf_addf(b, "\\u%04x", (unsigned)(unsigned char)s[1]);
    } else {
        wh_buf_add(b, s, len);
    }
}

static bool is_plain_json(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

void wh_buf_add_json(wh_buf *b, const char *s, size_t n)
{
    wh_buf_addc(b, '"');
    for (size_t i = 0; i < n && !b->failed;) {
        size_t run = 0;
        while (i + run < n && is_plain_json((unsigned char)s[i + run])) {
            run++;
        }
        wh_buf_add(b, s + i, run);
        i += run;
        if (i == n) {
            break;
        }
        size_t len = wh_buf_utf8_len(s + i, n - i);
        if (len == 0) {
            wh_buf_adds(b, "\xEF\xBF\xBD");
            i++;
        } else {
            add_json_char(b, s + i, len);
            i += len;
        }
    }
    wh_buf_addc(b, '"');
}
