/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON strictly: UTF-8 only, no name twice, numbers kept exactly (jansson stops
 * at 2^63 and keeps the rest as doubles, hence a reader of our own). Called by schema
 * for schemas and payloads. Invariants: no byte outside the text is read; recursion is
 * as deep as the document may nest.
 */
#include "common/job/schema_json.h"

#include "common/base/buf.h"

#include <string.h>

typedef struct reader {
    wh_schema_doc *doc;
    const char *begin, *p, *end;
    const char *fault; /* why it is not JSON */
} reader;

static wh_err refuse(reader *r, const char *fault)
{
    r->fault = fault;
    return WH_EBADDATA;
}

static void skip_space(reader *r)
{
    while (r->p < r->end &&
           (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t')) {
        r->p++;
    }
}

static bool skip_char(reader *r, char c)
{
    skip_space(r);
    if (r->p == r->end || *r->p != c) {
        return false;
    }
    r->p++;
    return true;
}

/* ------------------------------------------------------------------ strings */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape at p; -1 when they are not. */
static int32_t read_unit(const char *p, const char *end)
{
    int32_t unit = 0;
    if (end - p < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_of(p[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xE0 | c >> 12);
        } else {
            *to++ = (char)(0xF0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (c & 0x3F));
    return to;
}

/* A \u escape, its backslash and u read; the text has room for it. */
static bool put_unit(reader *r, char **to)
{
    static const char lone[] = "a string has a lone surrogate, which UTF-8 can't hold";
    int32_t unit = read_unit(r->p, r->end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        r->fault = unit < 0 ? NULL : lone;
        return false;
    }
    r->p += 4;
    uint32_t c = (uint32_t)unit;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int32_t low = r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u'
                          ? read_unit(r->p + 2, r->end)
                          : -1;
        if (low < 0xDC00 || low > 0xDFFF) {
            r->fault = lone;
            return false;
        }
        r->p += 6;
        c = 0x10000 + ((c - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    }
    *to = put_utf8(*to, c);
    return true;
}

static bool put_escape(reader *r, char **to)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = *r->p++;
    if (c == 'u') {
        return put_unit(r, to);
    }
    const char *found = c != '\0' ? strchr(letters, c) : NULL;
    if (found == NULL) {
        return false;
    }
    *(*to)++ = meant[found - letters];
    return true;
}

/* Checks the text up to the closing quote; its length, and whether it has escapes. */
static bool scan_text(reader *r, size_t *len, bool *has_escapes)
{
    const char *p = r->p;
    *has_escapes = false;
    while (p < r->end && *p != '"') {
        unsigned char c = (unsigned char)*p;
        size_t step = c < 0x20 ? 0 : 1;
        if (c == '\\') {
            *has_escapes = true;
            step = r->end - p >= 2 && (unsigned char)p[1] < 0x80 ? 2 : 0;
        } else if (c >= 0x80) {
            step = wh_buf_utf8_len(p, (size_t)(r->end - p));
        }
        if (step == 0) {
            r->p = p;
            return false;
        }
        p += step;
    }
    *len = (size_t)(p - r->p);
    return p < r->end;
}

/* A string, its opening quote read; never longer than it is written. */
static wh_err read_string(reader *r)
{
    size_t len = 0;
    bool has_escapes = false;
    if (!scan_text(r, &len, &has_escapes)) {
        return refuse(r,
                      "a string is not closed, not UTF-8 or has a control character");
    }
    wh_schema_value v = {.kind = WH_SCHEMA_STRING, .u.p = r->p, .n = (uint32_t)len};
    const char *close = r->p + len;
    if (has_escapes) {
        char *text = wh_schema_doc_text(r->doc, len);
        if (text == NULL) {
            return WH_ENOMEM;
        }
        v.u.p = text;
        while (r->p < close) {
            if (*r->p != '\\') {
                *text++ = *r->p++;
                continue;
            }
            r->p++;
            if (!put_escape(r, &text)) {
                return refuse(r, r->fault != NULL ? r->fault
                                                  : "a string has a wrong escape");
            }
        }
        v.n = (uint32_t)(text - v.u.p);
    }
    r->p = close + 1;
    return wh_schema_doc_add(r->doc, &v);
}

/* ------------------------------------------------------------------- values */

static wh_err read_value(reader *r);

static wh_err read_array(reader *r)
{
    wh_err err = wh_schema_doc_open(r->doc, WH_SCHEMA_ARRAY);
    if (err != WH_OK) {
        return err;
    }
    if (!skip_char(r, ']')) {
        do {
            err = read_value(r);
        } while (err == WH_OK && skip_char(r, ','));
        if (err == WH_OK && !skip_char(r, ']')) {
            err = refuse(r, "expected ',' or ']'");
        }
    }
    return err == WH_OK ? wh_schema_doc_close(r->doc) : err;
}

static wh_err read_member(reader *r)
{
    if (!skip_char(r, '"')) {
        return refuse(r, "expected a name in quotes");
    }
    wh_err err = read_string(r);
    if (err != WH_OK) {
        return err;
    }
    return skip_char(r, ':') ? read_value(r) : refuse(r, "expected ':'");
}

static wh_err read_object(reader *r)
{
    wh_err err = wh_schema_doc_open(r->doc, WH_SCHEMA_OBJECT);
    if (err != WH_OK) {
        return err;
    }
    if (!skip_char(r, '}')) {
        do {
            err = read_member(r);
        } while (err == WH_OK && skip_char(r, ','));
        if (err == WH_OK && !skip_char(r, '}')) {
            err = refuse(r, "expected ',' or '}'");
        }
    }
    if (err == WH_OK) {
        err = wh_schema_doc_close(r->doc);
    }
    return err == WH_EBADDATA && r->fault == NULL
               ? refuse(r, "an object has the same name twice")
               : err;
}

static wh_err read_number(reader *r)
{
    size_t n = wh_schema_number_scan(r->p, (size_t)(r->end - r->p));
    if (n == 0) {
        return refuse(r, "expected a value");
    }
    wh_err err = wh_schema_doc_add_number(r->doc, r->p, n);
    r->p += n;
    return err;
}

static wh_err read_word(reader *r)
{
    static const struct {
        const char *word;
        wh_schema_kind kind;
    } words[] = {
        {"null", WH_SCHEMA_NULL}, {"false", WH_SCHEMA_FALSE}, {"true", WH_SCHEMA_TRUE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(r->end - r->p) >= len && memcmp(r->p, words[i].word, len) == 0) {
            r->p += len;
            return wh_schema_doc_add(
                r->doc, &(wh_schema_value){.kind = (uint8_t)words[i].kind});
        }
    }
    return refuse(r, "expected a value");
}

static wh_err read_value(reader *r)
{
    skip_space(r);
    if (r->p == r->end) {
        return refuse(r, "ends too early");
    }
    switch (*r->p) {
    case '{':
        r->p++;
        return read_object(r);
    case '[':
        r->p++;
        return read_array(r);
    case '"':
        r->p++;
        return read_string(r);
    case 'n':
    case 'f':
    case 't':
        return read_word(r);
    default:
        return read_number(r);
    }
}

wh_err wh_schema_json_read(wh_schema_doc *d, const void *json, size_t n, wh_errbuf *eb)
{
    if (n > WH_SCHEMA_DOC_BYTES_MAX) {
        return wh_err_set(eb, WH_ETOOBIG, "%zu bytes of JSON; at most %d", n,
                          WH_SCHEMA_DOC_BYTES_MAX);
    }
    if (n == 0) {
        return wh_err_set(eb, WH_EBADDATA, "not JSON: empty");
    }
    reader r = {.doc = d, .begin = json, .p = json, .end = (const char *)json + n};
    wh_err err = read_value(&r);
    if (err == WH_OK) {
        skip_space(&r);
        err = r.p == r.end ? WH_OK : refuse(&r, "something follows the value");
    }
    if (err == WH_ENOMEM) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    size_t at = (size_t)(r.p - r.begin);
    if (err == WH_ETOOBIG) {
        return wh_err_set(eb, err, "JSON at byte %zu: %s", at, d->fault);
    }
    return err == WH_OK ? err
                        : wh_err_set(eb, err, "not JSON at byte %zu: %s", at, r.fault);
}
