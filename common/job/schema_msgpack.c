/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads msgpack through a cursor, which bounds every count by the bytes that are
 * there, so a bomb is refused before it costs anything. Called by schema for payloads.
 * Invariant: recursion is as deep as the document may nest.
 */
#include "common/job/schema_msgpack.h"

#include "common/base/buf.h"
#include "common/job/cursor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct reader {
    wh_schema_doc *doc;
    wh_cursor cursor;
    const char *fault; /* set with the error */
} reader;

static wh_err refuse(reader *r, const char *fault)
{
    r->fault = fault;
    return WH_EBADDATA;
}

static bool is_utf8(const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = (unsigned char)p[i] < 0x80 ? 1 : wh_buf_utf8_len(p + i, n - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

static wh_err add(reader *r, wh_schema_kind kind)
{
    return wh_schema_doc_add(r->doc, &(wh_schema_value){.kind = (uint8_t)kind});
}

static wh_err add_float(reader *r, const wh_cursor_value *v)
{
    double d = 0;
    if (v->width == 4) {
        float f = 0;
        uint32_t bits = (uint32_t)v->bits;
        memcpy(&f, &bits, sizeof f);
        d = (double)f;
    } else {
        memcpy(&d, &v->bits, sizeof d);
    }
    if (!isfinite(d)) {
        return refuse(r, "a float is not a number that JSON has");
    }
    return wh_schema_doc_add_double(r->doc, d);
}

static wh_err add_integer(reader *r, const wh_cursor_value *v)
{
    if (v->kind == WH_CURSOR_INT || v->bits <= INT64_MAX) {
        int64_t integer = 0;
        memcpy(&integer, &v->bits, sizeof integer);
        return wh_schema_doc_add(r->doc, &(wh_schema_value){.kind = WH_SCHEMA_INTEGER,
                                                            .u.integer = integer});
    }
    char text[WH_SCHEMA_NUMBER_TEXT];
    int n = snprintf(text, sizeof text, "%" PRIu64, v->bits);
    return wh_schema_doc_add_number(r->doc, text, (size_t)n);
}

/* `first` is the byte the value began with: bin and str are one kind to the cursor. */
static wh_err add_text(reader *r, const wh_cursor_value *v, unsigned char first)
{
    wh_schema_value text = {.kind = WH_SCHEMA_STRING, .u.p = v->p, .n = (uint32_t)v->n};
    if (first >= 0xc4 && first <= 0xc6) {
        text.kind = WH_SCHEMA_BINARY;
    } else if (v->kind == WH_CURSOR_EXT) {
        text.kind = WH_SCHEMA_EXTENSION;
        text.n++; /* the type byte before the bytes */
    } else if (!is_utf8(v->p, v->n)) {
        return refuse(r, "a str is not UTF-8; use bin for bytes");
    }
    return wh_schema_doc_add(r->doc, &text);
}

static wh_err read_value(reader *r, bool is_name);

static wh_err read_items(reader *r, const wh_cursor_value *v)
{
    bool is_map = v->kind == WH_CURSOR_MAP;
    wh_err err =
        wh_schema_doc_open(r->doc, is_map ? WH_SCHEMA_OBJECT : WH_SCHEMA_ARRAY);
    for (size_t i = 0; i < v->n && err == WH_OK; i++) {
        err = read_value(r, is_map && i % 2 == 0);
    }
    if (err == WH_OK) {
        err = wh_schema_doc_close(r->doc);
    }
    return err == WH_EBADDATA && r->fault == NULL
               ? refuse(r, "a map has the same name twice")
               : err;
}

static wh_err read_value(reader *r, bool is_name)
{
    wh_cursor_value v;
    unsigned char first = r->cursor.p < r->cursor.end ? *r->cursor.p : 0;
    if (!wh_cursor_next(&r->cursor, &v)) {
        return refuse(r, "malformed or cut off");
    }
    bool is_bin = first >= 0xc4 && first <= 0xc6;
    if (is_name && (v.kind != WH_CURSOR_TEXT || is_bin)) {
        return refuse(r, "a name in a map is not a str");
    }
    switch (v.kind) {
    case WH_CURSOR_NIL:
        return add(r, WH_SCHEMA_NULL);
    case WH_CURSOR_FALSE:
        return add(r, WH_SCHEMA_FALSE);
    case WH_CURSOR_TRUE:
        return add(r, WH_SCHEMA_TRUE);
    case WH_CURSOR_UINT:
    case WH_CURSOR_INT:
        return add_integer(r, &v);
    case WH_CURSOR_FLOAT:
        return add_float(r, &v);
    case WH_CURSOR_TEXT:
    case WH_CURSOR_EXT:
        return add_text(r, &v, first);
    case WH_CURSOR_ARRAY:
    case WH_CURSOR_MAP:
        return read_items(r, &v);
    case WH_CURSOR_BAD:
        break;
    }
    return refuse(r, "malformed or cut off");
}

wh_err wh_schema_msgpack_read(wh_schema_doc *d, const void *p, size_t n, wh_errbuf *eb)
{
    if (n > WH_SCHEMA_DOC_BYTES_MAX) {
        return wh_err_set(eb, WH_ETOOBIG, "%zu bytes of msgpack; at most %d", n,
                          WH_SCHEMA_DOC_BYTES_MAX);
    }
    if (n == 0) {
        return wh_err_set(eb, WH_EBADDATA, "not msgpack: empty");
    }
    reader r = {.doc = d, .cursor = {p, (const unsigned char *)p + n}};
    wh_err err = read_value(&r, false);
    if (err == WH_OK && r.cursor.p != r.cursor.end) {
        err = refuse(&r, "something follows the value");
    }
    if (err == WH_ENOMEM) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    if (err == WH_ETOOBIG) {
        return wh_err_set(eb, err, "msgpack: %s", d->fault);
    }
    return err == WH_OK ? err
                        : wh_err_set(eb, err, "not msgpack at byte %zu: %s",
                                     n - (size_t)(r.cursor.end - r.cursor.p), r.fault);
}
