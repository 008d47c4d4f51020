/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON pointers of values, both ways. Called by schema_report to say where a fault
 * lies and by schema_link to follow a $ref. Invariant: what is written is always
 * NUL-terminated, free of control characters, and cut at whole characters.
 */
#include "common/job/schema_path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t wh_schema_path_show(const char *p, size_t n, size_t max, char *out, size_t size)
{
    static const char dots[] = "...";
    size_t room = size - 1 < max ? size - 1 : max, len = n;
    if (n > room) {
        len = room > sizeof dots - 1 ? room - (sizeof dots - 1) : 0;
        while (len > 0 && ((unsigned char)p[len] & 0xC0U) == 0x80U) {
            len--;
        }
    }
    for (size_t i = 0; i < len; i++) {
        bool is_control = (unsigned char)p[i] < 0x20 || p[i] == 0x7f;
        if (is_control) {
            out[i] = '?';
        } else {
            out[i] = p[i];
        }
    }
    if (n > room && room >= sizeof dots - 1) {
        memcpy(out + len, dots, sizeof dots - 1);
        len += sizeof dots - 1;
    }
    out[len] = '\0';
    return len;
}

static uint32_t place_among(const wh_schema_doc *d, uint32_t array, uint32_t at)
{
    uint32_t place = 0;
    for (uint32_t i = array + 1; i < at; i = d->values[i].next) {
        place++;
    }
    return place;
}

/* The name of the member that a value, or a name, belongs to. */
static const wh_schema_value *name_of(const wh_schema_doc *d, uint32_t object,
                                      uint32_t at)
{
    uint32_t name = object + 1;
    while (name < at && d->values[name + 1].next <= at) {
        name = d->values[name + 1].next;
    }
    return &d->values[name];
}

static size_t format_name(const wh_schema_value *name, char *out, size_t size)
{
    char escaped[2 * WH_SCHEMA_PATH_NAME_MAX];
    size_t n = 0, i = 0;
    for (; i < name->n && n + 2 <= sizeof escaped; i++) {
        bool is_special = name->u.p[i] == '~' || name->u.p[i] == '/';
        if (is_special) {
            escaped[n++] = '~';
            escaped[n++] = (char)(name->u.p[i] == '~' ? '0' : '1');
        } else {
            escaped[n++] = name->u.p[i];
        }
    }
    return wh_schema_path_show(escaped, n, WH_SCHEMA_PATH_NAME_MAX, out, size);
}

void wh_schema_path_format(const wh_schema_doc *d, uint32_t at, char *out, size_t size)
{
    static const char more[] = "/...";
    uint32_t way[WH_SCHEMA_DOC_DEPTH_LIMIT + 1];
    size_t n = 0, len = 0;
    for (; d->values[at].parent != WH_SCHEMA_NONE; at = d->values[at].parent) {
        way[n++] = at;
    }
    size_t room = size - (sizeof more - 1); /* for all but the mark of more */
    out[0] = '\0';
    for (; n > 0 && len + 2 * sizeof more < room; n--) {
        uint32_t here = way[n - 1], parent = d->values[here].parent;
        out[len++] = '/';
        if (d->values[parent].kind == WH_SCHEMA_OBJECT) {
            len += format_name(name_of(d, parent, here), out + len, room - len);
        } else {
            int digits = snprintf(out + len, room - len, "%" PRIu32,
                                  place_among(d, parent, here));
            len += digits > 0 ? (size_t)digits : 0;
        }
    }
    if (n > 0) {
        memcpy(out + len, more, sizeof more);
    }
}

static uint32_t item_at(const wh_schema_doc *d, uint32_t array, const char *p, size_t n)
{
    enum { PLACE_DIGITS = 7 };
    uint32_t place = 0;
    if (n == 0 || n > PLACE_DIGITS || (n > 1 && p[0] == '0')) {
        return WH_SCHEMA_NONE;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return WH_SCHEMA_NONE;
        }
        place = place * 10 + (uint32_t)(p[i] - '0');
    }
    if (place >= d->values[array].n) {
        return WH_SCHEMA_NONE;
    }
    uint32_t at = array + 1;
    for (; place > 0; place--) {
        at = d->values[at].next;
    }
    return at;
}

/* The member whose name is the token with ~0 and ~1 in it. */
static uint32_t member_at(const wh_schema_doc *d, uint32_t object, const char *p,
                          size_t n)
{
    char name[256];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (len == sizeof name) {
            return WH_SCHEMA_NONE;
        }
        name[len] = p[i];
        if (p[i] == '~') {
            i++;
            if (i == n || (p[i] != '0' && p[i] != '1')) {
                return WH_SCHEMA_NONE;
            }
            name[len] = p[i] == '0' ? '~' : '/';
        }
        len++;
    }
    return wh_schema_doc_get(d, object, name, len);
}

uint32_t wh_schema_path_follow(const wh_schema_doc *d, uint32_t at, const char *p,
                               size_t n)
{
    for (size_t i = 0; i <= n && at != WH_SCHEMA_NONE;) {
        const char *slash = i < n ? memchr(p + i, '/', n - i) : NULL;
        size_t len = slash != NULL ? (size_t)(slash - p) - i : n - i;
        switch ((wh_schema_kind)d->values[at].kind) {
        case WH_SCHEMA_OBJECT:
            at = member_at(d, at, p + i, len);
            break;
        case WH_SCHEMA_ARRAY:
            at = item_at(d, at, p + i, len);
            break;
        case WH_SCHEMA_NULL:
        case WH_SCHEMA_FALSE:
        case WH_SCHEMA_TRUE:
        case WH_SCHEMA_INTEGER:
        case WH_SCHEMA_DECIMAL:
        case WH_SCHEMA_STRING:
        case WH_SCHEMA_BINARY:
        case WH_SCHEMA_EXTENSION:
            return WH_SCHEMA_NONE;
        }
        i += len + 1;
    }
    return at;
}
