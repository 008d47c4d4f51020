/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills reports. Called by the checks of schema_run and by schema. Invariants: a quiet
 * run leaves the report alone; of a payload's value at most 60 bytes are shown.
 */
#include "common/job/schema_report.h"

#include "common/job/schema_path.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 48, LOOK_COST_MAX = 1000 * 1000 };

/* The name of the keyword that a value of the schema is, or lies below, of. */
static void name_keyword(const wh_schema *s, uint32_t at, char *out, size_t size)
{
    const wh_schema_value *values = s->doc.values;
    char path[128];
    out[0] = '\0';
    while (values[at].parent != WH_SCHEMA_NONE &&
           s->node_of[values[at].parent] == WH_SCHEMA_NONE) {
        at = values[at].parent;
    }
    if (values[at].parent != WH_SCHEMA_NONE) {
        wh_schema_path_format(&s->doc, at, path, sizeof path);
        const char *name = strrchr(path, '/');
        name = name != NULL ? name + 1 : path;
        (void)wh_schema_path_show(name, strlen(name), size, out, size);
    }
}

static void fill_text(wh_schema_report *report, const char *text)
{
    (void)snprintf(report->text, sizeof report->text, "%.127s: %.190s",
                   report->instance[0] != '\0' ? report->instance : "payload", text);
}

static bool is_wanted(const wh_schema_run *r)
{
    return r->report != NULL && r->quiet == 0 && r->err == WH_OK;
}

bool wh_schema_report_fail(wh_schema_run *r, uint32_t keyword, uint32_t at,
                           const char *fmt, ...)
{
    wh_schema_report *report = r->report;
    if (!is_wanted(r)) {
        return false;
    }
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    wh_schema_path_format(r->doc, at, report->instance, sizeof report->instance);
    wh_schema_path_format(&r->schema->doc, keyword, report->schema,
                          sizeof report->schema);
    name_keyword(r->schema, keyword, report->keyword, sizeof report->keyword);
    fill_text(report, text);
    return false;
}

bool wh_schema_report_stop(wh_schema_run *r, wh_err err, uint32_t at)
{
    if (r->err == WH_OK) {
        r->err = err;
        if (r->report != NULL) {
            *r->report = (wh_schema_report){0};
            wh_schema_path_format(r->doc, at, r->report->instance,
                                  sizeof r->report->instance);
            fill_text(r->report,
                      err == WH_ETOOBIG
                          ? "checking this against the schema takes too much work; "
                            "simplify the schema (pattern, anyOf, uniqueItems), send "
                            "less, or check it in the handler"
                          : wh_err_text(err));
        }
    }
    return false;
}

void wh_schema_report_unreadable(wh_schema_report *report, const wh_errbuf *eb)
{
    if (report != NULL) {
        *report = (wh_schema_report){0};
        fill_text(report, eb->text);
    }
}

/* ---------------------------------------------------------------- quoting */

static void quote_text(const wh_schema_value *v, char *out, size_t size)
{
    out[0] = '"';
    size_t n = 1 + wh_schema_path_show(v->u.p, v->n, SHOWN_MAX, out + 1, size - 2);
    memcpy(out + n, "\"", 2);
}

/* Digits with the point among them, or an exponent behind them when it is far off. */
static void quote_decimal(const wh_schema_value *v, char *out, size_t size)
{
    char made[WH_SCHEMA_NUMBER_TEXT], digits[32];
    wh_schema_number a;
    uint64_t cost = 0;
    wh_schema_doc_number(v, made, &a, &cost);
    size_t shown =
        wh_schema_path_show(a.digits, a.n, sizeof digits - 1, digits, sizeof digits);
    int64_t point = (int64_t)a.n + a.exponent;
    const char *sign = a.negative ? "-" : "";
    if (shown == a.n && a.exponent == 0) {
        (void)snprintf(out, size, "%s%s", sign, digits);
    } else if (shown == a.n && point > 0 && (size_t)point < shown) {
        (void)snprintf(out, size, "%s%.*s.%s", sign, (int)point, digits,
                       digits + point);
    } else if (shown == a.n && point <= 0 && point > -6) {
        (void)snprintf(out, size, "%s0.%.*s%s", sign, (int)-point, "00000", digits);
    } else {
        (void)snprintf(out, size, "%s%se%" PRId32, sign, digits, a.exponent);
    }
}

void wh_schema_report_quote(const wh_schema_run *r, const wh_schema_value *v, char *out,
                            size_t size)
{
    out[0] = '\0';
    if (!is_wanted(r)) {
        return;
    }
    switch ((wh_schema_kind)v->kind) {
    case WH_SCHEMA_NULL:
        (void)snprintf(out, size, "null");
        return;
    case WH_SCHEMA_FALSE:
        (void)snprintf(out, size, "false");
        return;
    case WH_SCHEMA_TRUE:
        (void)snprintf(out, size, "true");
        return;
    case WH_SCHEMA_INTEGER:
        (void)snprintf(out, size, "%" PRId64, v->u.integer);
        return;
    case WH_SCHEMA_DECIMAL:
        quote_decimal(v, out, size);
        return;
    case WH_SCHEMA_STRING:
        quote_text(v, out, size);
        return;
    case WH_SCHEMA_ARRAY:
        (void)snprintf(out, size, "an array of %" PRIu32 " item%s", v->n,
                       v->n == 1 ? "" : "s");
        return;
    case WH_SCHEMA_OBJECT:
        (void)snprintf(out, size, "an object of %" PRIu32 " member%s", v->n,
                       v->n == 1 ? "" : "s");
        return;
    case WH_SCHEMA_BINARY:
    case WH_SCHEMA_EXTENSION:
        (void)snprintf(out, size, "a msgpack %s of %" PRIu32 " bytes",
                       v->kind == WH_SCHEMA_BINARY ? "bin" : "ext", v->n);
        return;
    }
}

/* ------------------------------------------------------------- differences */

/* Where a value of the payload and one of the schema, which differ, do so: the first
 * name that only one of two objects has, else NONE, with both places moved inwards. */
typedef struct difference {
    wh_schema_spot a, b; /* payload, schema */
    uint32_t only_a, only_b;
    uint64_t cost; /* of looking; a message may take some milliseconds, no more */
} difference;

static void compare_names(difference *f)
{
    const wh_schema_value *v = &f->a.doc->values[f->a.at],
                          *w = &f->b.doc->values[f->b.at];
    for (uint32_t i = 0; i < v->n || i < w->n; i++) {
        wh_schema_spot a = f->a, b = f->b;
        a.at = i < v->n ? a.doc->order[v->x.order + i] : WH_SCHEMA_NONE;
        b.at = i < w->n ? b.doc->order[w->x.order + i] : WH_SCHEMA_NONE;
        int order = a.at == WH_SCHEMA_NONE   ? 1
                    : b.at == WH_SCHEMA_NONE ? -1
                                             : wh_schema_doc_compare(a, b, &f->cost);
        if (order != 0) {
            f->only_a = order < 0 ? a.at : WH_SCHEMA_NONE;
            f->only_b = order > 0 ? b.at : WH_SCHEMA_NONE;
            return;
        }
    }
}

/* To the first items or members that differ; false: these are not alike enough. */
static bool step_inside(difference *f)
{
    const wh_schema_value *v = &f->a.doc->values[f->a.at],
                          *w = &f->b.doc->values[f->b.at];
    bool is_object = v->kind == WH_SCHEMA_OBJECT;
    if (f->cost > LOOK_COST_MAX || v->kind != w->kind ||
        (!is_object && v->kind != WH_SCHEMA_ARRAY)) {
        return false;
    }
    if (is_object) {
        compare_names(f);
    }
    if (v->n != w->n || f->only_a != WH_SCHEMA_NONE || f->only_b != WH_SCHEMA_NONE) {
        return false;
    }
    wh_schema_spot a = {f->a.doc, f->a.at + 1}, b = {f->b.doc, f->b.at + 1};
    for (uint32_t i = 0; i < v->n; i++) {
        if (is_object) {
            a.at = a.doc->order[v->x.order + i] + 1;
            b.at = b.doc->order[w->x.order + i] + 1;
        }
        if (wh_schema_doc_compare(a, b, &f->cost) != 0) {
            f->a = a;
            f->b = b;
            return true;
        }
        a.at = a.doc->values[a.at].next;
        b.at = b.doc->values[b.at].next;
    }
    return false;
}

bool wh_schema_report_differs(wh_schema_run *r, uint32_t keyword, uint32_t wanted,
                              uint32_t at)
{
    difference f = {.a = {r->doc, at},
                    .b = {&r->schema->doc, wanted},
                    .only_a = WH_SCHEMA_NONE,
                    .only_b = WH_SCHEMA_NONE};
    char shown[64], other[64];
    if (!is_wanted(r)) {
        return false;
    }
    while (step_inside(&f)) {
    }
    const wh_schema_value *v = &f.a.doc->values[f.a.at], *w = &f.b.doc->values[f.b.at];
    if (f.only_a != WH_SCHEMA_NONE || f.only_b != WH_SCHEMA_NONE) {
        bool is_missing = f.only_b != WH_SCHEMA_NONE;
        wh_schema_report_quote(
            r, is_missing ? &f.b.doc->values[f.only_b] : &f.a.doc->values[f.only_a],
            shown, sizeof shown);
        return wh_schema_report_fail(r, keyword, f.a.at, "%s is %s", shown,
                                     is_missing ? "missing" : "not wanted here");
    }
    wh_schema_report_quote(r, v, shown, sizeof shown);
    wh_schema_report_quote(r, w, other, sizeof other);
    return wh_schema_report_fail(r, keyword, f.a.at, "%s is not %s", shown,
                                 f.cost > LOOK_COST_MAX ? "what is wanted here"
                                                        : other);
}
