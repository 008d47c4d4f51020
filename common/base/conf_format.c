/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One option's value as text for people: in messages, --print-config and the log.
 * Everything that must not show (secrets, passwords inside URLs) is masked here and
 * nowhere else.
 */
#include "common/base/conf_internal.h"

#include <string.h>

#define MASK "********"
#define URL_MASK "***"

enum { QUOTE_MAX = 48 };

void wh_conf_format_quote(wh_buf *out, const char *text)
{
    size_t n = strlen(text);
    size_t end = n < QUOTE_MAX ? n : QUOTE_MAX;
    while (end < n && end > 0 && ((unsigned char)text[end] & 0xC0U) == 0x80U) {
        end--;
    }
    wh_buf_add_json(out, text, end);
    if (end < n) {
        wh_buf_adds(out, "...");
    }
}

static bool is_multiple(double v, int64_t of)
{
    return v > 0 && v < 0x1p62 && (int64_t)v % of == 0 && v == (double)(int64_t)v;
}

void wh_conf_format_number(wh_opt_type type, double v, wh_buf *out)
{
    static const struct {
        wh_opt_type type;
        int64_t scale;
        const char *name;
    } units[] = {{WH_OPT_DURATION, 86400000, "d"},
                 {WH_OPT_DURATION, 3600000, "h"},
                 {WH_OPT_DURATION, 60000, "m"},
                 {WH_OPT_DURATION, 1000, "s"},
                 {WH_OPT_DURATION, 1, "ms"},
                 {WH_OPT_SIZE, INT64_C(1) << 40, "TiB"},
                 {WH_OPT_SIZE, INT64_C(1) << 30, "GiB"},
                 {WH_OPT_SIZE, INT64_C(1) << 20, "MiB"},
                 {WH_OPT_SIZE, INT64_C(1) << 10, "KiB"}};
    if (type == WH_OPT_DURATION && !(v > 0)) {
        wh_buf_adds(out, "0s");
        return;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].type == type && is_multiple(v, units[i].scale)) {
            wh_buf_add_double(out, v / (double)units[i].scale);
            wh_buf_adds(out, units[i].name);
            return;
        }
    }
    wh_buf_add_double(out, v);
}

bool wh_conf_format_is_null(const wh_opt *o, const void *base)
{
    if (o->type != WH_OPT_STRING) {
        return false;
    }
    const void *p = (const char *)base + o->offset;
    char *const *s = p;
    return *s == NULL;
}

/* The password in scheme://user:password@host, from behind the "://"; NULL: none. As
 * whoever connects sees it, an '@' ends it wherever it stands (is_url); in other texts
 * an authority ends before. */
static const char *password_of(const char *authority, bool is_url, size_t *len)
{
    size_t n = strcspn(authority, is_url ? "" : "/?# \t\r\n\"'");
    size_t at = n;
    while (at > 0 && authority[at - 1] != '@') {
        at--;
    }
    const char *colon = at > 0 ? memchr(authority, ':', at - 1) : NULL;
    if (colon == NULL) {
        return NULL;
    }
    *len = (size_t)(authority + at - 1 - (colon + 1));
    return colon + 1;
}

static const char *behind_scheme(const char *s)
{
    const char *p = strstr(s, "://");
    return p != NULL ? p + 3 : NULL;
}

bool wh_conf_format_has_password(const char *url)
{
    const char *authority = behind_scheme(url);
    size_t len = 0;
    return authority != NULL && password_of(authority, true, &len) != NULL;
}

/* The passwords of all URLs in a text are nobody's business. */
static void add_text(wh_buf *out, const char *s, bool is_url)
{
    wh_buf masked = {0};
    const char *rest = s;
    for (const char *p = behind_scheme(s); p != NULL; p = behind_scheme(p)) {
        size_t len = 0;
        const char *password = password_of(p, is_url, &len);
        if (password != NULL) {
            wh_buf_add(&masked, rest, (size_t)(password - rest));
            wh_buf_adds(&masked, URL_MASK);
            rest = p = password + len;
        }
    }
    wh_buf_adds(&masked, rest);
    out->failed = out->failed || !wh_buf_ok(&masked);
    wh_buf_add_json(out, wh_buf_str(&masked), masked.len);
    wh_buf_fini(&masked);
}

static void add_choice(wh_buf *out, const char *choices, int index)
{
    const char *p = choices;
    for (int i = 0; i < index; i++) {
        p += strcspn(p, "|");
        p += *p == '|' ? 1 : 0;
    }
    wh_buf_add_json(out, p, strcspn(p, "|"));
}

static void add_list(wh_buf *out, const wh_strlist *list)
{
    wh_buf_addc(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        wh_buf_adds(out, i > 0 ? ", " : "");
        add_text(out, list->items[i], false);
    }
    wh_buf_addc(out, ']');
}

static void add_whole(wh_buf *out, wh_opt_type type, int64_t v)
{
    if (type == WH_OPT_INT) {
        wh_buf_addi(out, v);
        return;
    }
    wh_buf_addc(out, '"');
    wh_conf_format_number(type, (double)v, out);
    wh_buf_addc(out, '"');
}

void wh_conf_format_json(const wh_opt *o, const void *base, wh_buf *out)
{
    const void *p = (const char *)base + o->offset;
    if (wh_conf_format_is_null(o, base)) {
        wh_buf_adds(out, "null");
        return;
    }
    if ((o->flags & WH_OPT_SECRET) != 0 && (o->flags & WH_OPT_URL) == 0) {
        wh_buf_adds(out, "\"" MASK "\"");
        return;
    }
    switch (o->type) {
    case WH_OPT_BOOL: {
        const bool *v = p;
        wh_buf_adds(out, *v ? "true" : "false");
        break;
    }
    case WH_OPT_INT:
    case WH_OPT_DURATION:
    case WH_OPT_SIZE: {
        const int64_t *v = p;
        add_whole(out, o->type, *v);
        break;
    }
    case WH_OPT_NUMBER: {
        const double *v = p;
        wh_buf_add_double(out, *v);
        break;
    }
    case WH_OPT_STRING: {
        char *const *v = p;
        add_text(out, *v, (o->flags & WH_OPT_URL) != 0);
        break;
    }
    case WH_OPT_ENUM: {
        const int *v = p;
        add_choice(out, o->choices, *v);
        break;
    }
    case WH_OPT_LIST:
        add_list(out, p);
        break;
    }
}
