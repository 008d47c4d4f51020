/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One option's value: from text into the config struct, compared, and freed.
 * Only this and conf_format.c know the C type behind each wh_opt_type. Nothing a
 * secret holds ever goes into a message.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 4096 };

static void *at(const wh_opt *o, void *base)
{
    return (char *)base + o->offset;
}

static const void *at_const(const wh_opt *o, const void *base)
{
    return (const char *)base + o->offset;
}

/* Names the refused text, unless it is a secret. */
static void add_subject(const wh_opt *o, const char *text, wh_buf *why)
{
    if ((o->flags & WH_OPT_SECRET) != 0) {
        wh_buf_adds(why, "the value");
    } else {
        wh_conf_format_quote(why, text);
    }
}

static wh_err refuse(const wh_opt *o, const char *text, const char *rest, wh_buf *why)
{
    add_subject(o, text, why);
    wh_buf_adds(why, rest);
    return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
}

/* ---- numbers ---- */

static bool has_min(const wh_opt *o)
{
    return o->min < 0 || o->min > 0 || o->max < 0 || o->max > 0;
}

static bool has_max(const wh_opt *o)
{
    return has_min(o) && o->max >= o->min;
}

static void add_range(const wh_opt *o, wh_buf *why)
{
    wh_opt_type type = o->type;
    if (has_max(o)) {
        wh_conf_format_number(type, o->min, why);
        wh_buf_adds(why, " to ");
        wh_conf_format_number(type, o->max, why);
        wh_buf_adds(why, " is allowed");
    } else {
        wh_conf_format_number(type, o->min, why);
        wh_buf_adds(why, " is the least");
    }
}

static wh_err check_range(const wh_opt *o, const char *text, double v, wh_buf *why)
{
    if ((!has_min(o) || v >= o->min) && (!has_max(o) || v <= o->max)) {
        return WH_OK;
    }
    add_subject(o, text, why);
    wh_buf_adds(why, " is out of range; ");
    add_range(o, why);
    return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
}

static wh_err set_whole(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    int64_t v = 0;
    bool ok = false;
    const char *hint = "";
    if (o->type == WH_OPT_DURATION) {
        ok = wh_conf_parse_duration(text, &v);
        hint = " is no duration; write a number with a unit, e.g. 250ms, 5s, 2m, 1h";
    } else if (o->type == WH_OPT_SIZE) {
        ok = wh_conf_parse_size(text, &v);
        hint = " is no size; write bytes, or KiB, MiB, GiB, e.g. 500, 64KiB, 1MiB";
    } else {
        ok = wh_conf_parse_int(text, INT64_MIN, INT64_MAX, &v);
        hint = " is no whole number; write digits, e.g. 5";
    }
    if (!ok) {
        return refuse(o, text, hint, why);
    }
    wh_err err = check_range(o, text, (double)v, why);
    if (err == WH_OK) {
        int64_t *to = at(o, base);
        *to = v;
    }
    return err;
}

/* strtod, for plain decimals only and with '.' in every locale. */
static bool parse_number(const char *text, double *out)
{
    char copy[64];
    size_t n = strlen(text);
    const char *point = localeconv()->decimal_point;
    char *dot = NULL;
    if (n == 0 || n >= sizeof copy || strspn(text, "0123456789+-.eE") != n) {
        return false;
    }
    memcpy(copy, text, n + 1);
    dot = strchr(copy, '.');
    if (dot != NULL && point[1] == '\0') {
        *dot = point[0];
    }
    char *end = NULL;
    double v = strtod(copy, &end);
    if (end != copy + n || !isfinite(v)) {
        return false;
    }
    *out = v;
    return true;
}

static wh_err set_number(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    double v = 0;
    if (!parse_number(text, &v)) {
        return refuse(o, text, " is no number; write e.g. 0.5", why);
    }
    wh_err err = check_range(o, text, v, why);
    if (err == WH_OK) {
        double *to = at(o, base);
        *to = v;
    }
    return err;
}

/* ---- words ---- */

static wh_err set_bool(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            bool *to = at(o, base);
            *to = i % 2 == 1;
            return WH_OK;
        }
    }
    return refuse(o, text, " is no truth value; write true or false", why);
}

static wh_err set_enum(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    size_t n = strlen(text);
    int index = 0;
    for (const char *p = o->choices;; index++) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, text, n) == 0) {
            int *to = at(o, base);
            *to = index;
            return WH_OK;
        }
        p += len;
        if (*p++ == '\0') {
            break;
        }
    }
    add_subject(o, text, why);
    wh_buf_adds(why, " is not known; write one of ");
    for (const char *p = o->choices; *p != '\0'; p++) {
        if (*p == '|') {
            wh_buf_adds(why, ", ");
        } else {
            wh_buf_addc(why, *p);
        }
    }
    return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
}

static bool is_utf8(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t len = wh_buf_utf8_len(text + i, n - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

wh_err wh_conf_value_check(wh_opt_check_fn *check, const char *text, wh_buf *why)
{
    wh_errbuf eb = {.text = ""};
    wh_err err = check != NULL ? check(text, &eb) : WH_OK;
    if (err != WH_OK) {
        wh_buf_adds(why, eb.text);
    }
    return err == WH_OK || wh_buf_ok(why) ? err : WH_ENOMEM;
}

static wh_err check_text(const wh_opt *o, const char *text, wh_buf *why)
{
    size_t n = strlen(text);
    if ((o->flags & WH_OPT_SECRET) == 0 && !is_utf8(text)) {
        return refuse(o, text, " is not UTF-8", why);
    }
    /* The bounds of a list are those of its count. */
    if (o->type == WH_OPT_LIST) {
        return wh_conf_value_check(o->check, text, why);
    }
    if (has_min(o) && (double)n < o->min) {
        wh_buf_addf(why, n == 0 ? "it must not be empty" : "it is too short; ");
        if (n > 0) {
            wh_buf_addf(why, "%.0f bytes are the least", o->min);
        }
    } else if (has_max(o) && (double)n > o->max) {
        wh_buf_addf(why, "it is too long; %.0f bytes are the most", o->max);
    } else {
        return wh_conf_value_check(o->check, text, why);
    }
    return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
}

static wh_err set_string(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    wh_err err = check_text(o, text, why);
    if (err != WH_OK) {
        return err;
    }
    char *copy = wh_strdup(text);
    if (copy == NULL) {
        return WH_ENOMEM;
    }
    wh_conf_value_clear(o, base);
    char **to = at(o, base);
    *to = copy;
    return WH_OK;
}

/* ---- lists ---- */

static wh_err append_n(const wh_opt *o, void *base, const char *text, size_t n)
{
    wh_strlist *list = at(o, base);
    char *copy = wh_strndup(text, n);
    if (copy == NULL) {
        return WH_ENOMEM;
    }
    char **grown = wh_realloc(list->items, (list->count + 1) * sizeof *list->items);
    if (grown == NULL) {
        wh_free(copy);
        return WH_ENOMEM;
    }
    list->items = grown;
    list->items[list->count++] = copy;
    return WH_OK;
}

wh_err wh_conf_value_append(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    const wh_strlist *list = at(o, base);
    if (text[0] == '\0' || list->count == LIST_MAX) {
        wh_buf_adds(why, text[0] == '\0' ? "an item is empty" : "too many items");
        return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
    }
    wh_err err = check_text(o, text, why);
    return err != WH_OK ? err : append_n(o, base, text, strlen(text));
}

wh_err wh_conf_value_append_all(const wh_opt *o, void *base, const char *text,
                                wh_buf *why)
{
    static const char blanks[] = " \t";
    char *copy = wh_strdup(text);
    if (copy == NULL) {
        return WH_ENOMEM;
    }
    wh_err err = WH_OK;
    char *next = copy[strspn(copy, blanks)] == '\0' ? NULL : copy;
    while (next != NULL && err == WH_OK) {
        char *item = next + strspn(next, blanks);
        char *comma = strchr(item, ',');
        char *end = comma != NULL ? comma : item + strlen(item);
        next = comma != NULL ? comma + 1 : NULL;
        while (end > item && strchr(blanks, end[-1]) != NULL) {
            end--;
        }
        *end = '\0';
        err = wh_conf_value_append(o, base, item, why);
    }
    wh_free(copy);
    return err;
}

wh_err wh_conf_value_check_list(const wh_opt *o, const void *base, wh_buf *why)
{
    const wh_strlist *list = at_const(o, base);
    double n = (double)list->count;
    if ((!has_min(o) || n >= o->min) && (!has_max(o) || n <= o->max)) {
        return WH_OK;
    }
    wh_buf_addf(why, "it has %zu items; ", list->count);
    add_range(o, why);
    return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
}

static void strlist_fini(wh_strlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        wh_free(list->items[i]);
    }
    wh_free(list->items);
    *list = (wh_strlist){0};
}

static wh_err set_list(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    wh_strlist *list = at(o, base);
    wh_strlist old = *list;
    *list = (wh_strlist){0};
    wh_err err = wh_conf_value_append_all(o, base, text, why);
    if (err == WH_OK) {
        err = wh_conf_value_check_list(o, base, why);
    }
    if (err != WH_OK) {
        strlist_fini(list);
        *list = old;
        return err;
    }
    strlist_fini(&old);
    return WH_OK;
}

/* ---- any type ---- */

wh_err wh_conf_value_set(const wh_opt *o, void *base, const char *text, wh_buf *why)
{
    switch (o->type) {
    case WH_OPT_BOOL:
        return set_bool(o, base, text, why);
    case WH_OPT_INT:
    case WH_OPT_DURATION:
    case WH_OPT_SIZE:
        return set_whole(o, base, text, why);
    case WH_OPT_NUMBER:
        return set_number(o, base, text, why);
    case WH_OPT_STRING:
        return set_string(o, base, text, why);
    case WH_OPT_ENUM:
        return set_enum(o, base, text, why);
    case WH_OPT_LIST:
        return set_list(o, base, text, why);
    }
    return WH_EINVAL;
}

void wh_conf_value_clear(const wh_opt *o, void *base)
{
    if (o->type == WH_OPT_STRING) {
        char **s = at(o, base);
        if (*s != NULL && (o->flags & WH_OPT_SECRET) != 0) {
            explicit_bzero(*s, strlen(*s));
        }
        wh_free(*s);
        *s = NULL;
    } else if (o->type == WH_OPT_LIST) {
        strlist_fini(at(o, base));
    }
}

wh_err wh_conf_value_defaults(const wh_opt *opts, size_t n, void *base, wh_buf *why)
{
    for (size_t i = 0; i < n; i++) {
        char *found = opts[i].find_dflt != NULL ? opts[i].find_dflt() : NULL;
        const char *text = found != NULL ? found : opts[i].dflt;
        wh_err err =
            text == NULL ? WH_OK : wh_conf_value_set(&opts[i], base, text, why);
        wh_free(found);
        if (err != WH_OK) {
            return err;
        }
    }
    return WH_OK;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_list(const wh_strlist *a, const wh_strlist *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return same;
}

bool wh_conf_value_equal(const wh_opt *o, const void *a, const void *b)
{
    const void *x = at_const(o, a);
    const void *y = at_const(o, b);
    switch (o->type) {
    case WH_OPT_BOOL:
        return memcmp(x, y, sizeof(bool)) == 0;
    case WH_OPT_INT:
    case WH_OPT_DURATION:
    case WH_OPT_SIZE:
        return memcmp(x, y, sizeof(int64_t)) == 0;
    case WH_OPT_NUMBER:
        return memcmp(x, y, sizeof(double)) == 0;
    case WH_OPT_ENUM:
        return memcmp(x, y, sizeof(int)) == 0;
    case WH_OPT_STRING: {
        char *const *s = x;
        char *const *t = y;
        return is_same_text(*s, *t);
    }
    case WH_OPT_LIST:
        return is_same_list(x, y);
    }
    return false;
}
