/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where values come from, in words; and refusals, as one line for people and in parts
 * for programs. Invariant: the place of a value reads the same in a refusal of the load,
 * in one of a later check, and behind the values of --print-config.
 */
#include "common/base/conf_report.h"

#include "common/base/conf_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- places ---- */

void wh_conf_spot_add(const wh_conf *c, const wh_conf_spot *s, wh_buf *out)
{
    const wh_conf_from *from = s->from;
    switch (from->kind) {
    case WH_CONF_FROM_DEFAULT:
        wh_buf_adds(out, "default");
        return;
    case WH_CONF_FROM_FILE:
        wh_buf_addf(out, "%s:%zu:%zu", c->file != NULL ? c->file : "file", from->line,
                    from->column);
        return;
    case WH_CONF_FROM_ENV:
        wh_buf_adds(out, "environment ");
        if (from->is_second_env) {
            wh_buf_adds(out, s->second_env);
        } else {
            wh_conf_args_env(s->env, out);
        }
        wh_buf_adds(out, from->is_secret_file ? "_FILE" : "");
        return;
    case WH_CONF_FROM_FLAG:
        wh_conf_args_flag(s->flag, out);
        wh_buf_adds(out, from->is_secret_file ? "-file" : "");
        return;
    }
}

/* ---- refusals ---- */

static void copy_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from != NULL ? from : "");
}

wh_err wh_conf_refuse(wh_conf_report *report, wh_errbuf *eb, wh_err code,
                      const wh_conf_refusal *r)
{
    char place[64] = "";
    bool shows_option = r->option != NULL && !r->is_named;
    const char *source = r->file != NULL ? r->file : r->source;
    if (r->file != NULL && r->line > 0) {
        (void)snprintf(place, sizeof place, ":%zu:%zu", r->line, r->column);
    }
    if (report != NULL) {
        copy_text(report->file, sizeof report->file, r->file);
        copy_text(report->source, sizeof report->source, r->source);
        copy_text(report->option, sizeof report->option, r->option);
        copy_text(report->message, sizeof report->message, r->message);
        report->line = r->line;
        report->column = r->column;
    }
    return wh_err_set(eb, code, "%s%s%s%s%s%s", source != NULL ? source : "", place,
                      source != NULL ? ": " : "", shows_option ? r->option : "",
                      shows_option ? ": " : "", r->message);
}

/* ---- blame ---- */

/* The option or item that a text is about; the longest path wins. */
struct match {
    size_t len; /* of the path; 0: none */
    const wh_conf_from *from;
    wh_conf_spot spot;
    bool is_top; /* an option of the program itself */
};

/* "handlers", "hash" and "run" (the last two may be NULL) in front of a ':'? */
static size_t path_len(const char *text, const char *const parts[3])
{
    const char *p = text;
    for (size_t i = 0; i < 3 && parts[i] != NULL; i++) {
        size_t n = strlen(parts[i]);
        if (i > 0 && *p++ != '.') {
            return 0;
        }
        if (strncmp(p, parts[i], n) != 0) {
            return 0;
        }
        p += n;
    }
    return *p == ':' ? (size_t)(p - text) : 0;
}

static void try_match(struct match *best, size_t len, const struct match *found)
{
    if (len > best->len) {
        *best = *found;
        best->len = len;
        best->spot.from = found->from;
    }
}

static void match_item(const wh_conf *c, size_t at, size_t i, const char *text,
                       struct match *best)
{
    const wh_opt_section *s = &c->t->sections[at];
    const wh_conf_from *from = wh_conf_items_from(c, at, i);
    const wh_conf_from *own = &from[s->n_opts];
    char *const *name = wh_conf_items_at(c, at, i);
    struct match m = {
        .from = own,
        .spot = {.flag = s->flag != NULL ? s->flag : s->name, .env = s->name}};
    try_match(best, path_len(text, (const char *const[3]){s->name, *name}), &m);
    for (size_t j = 0; j < s->n_opts; j++) {
        const char *const parts[3] = {s->name, *name, s->opts[j].name};
        /* What the item does not say is missing where the item stands. */
        m.from = from[j].kind != WH_CONF_FROM_DEFAULT ? &from[j] : own;
        try_match(best, path_len(text, parts), &m);
    }
}

static struct match match(const wh_conf *c, const char *text)
{
    struct match best = {0};
    for (size_t i = 0; i < c->n_opts; i++) {
        const wh_opt *o = &c->opts[i];
        const struct match m = {
            .from = &c->from[i],
            .spot = {.flag = o->name, .env = o->name, .second_env = o->env},
            .is_top = true};
        try_match(&best, path_len(text, (const char *const[3]){o->name}), &m);
    }
    for (size_t i = 0; i < c->t->n_sections; i++) {
        const wh_opt_section *s = &c->t->sections[i];
        const struct match m = {
            .from = &c->sections[i].from,
            .spot = {.flag = s->flag != NULL ? s->flag : s->name, .env = s->name}};
        try_match(&best, path_len(text, (const char *const[3]){s->name}), &m);
        for (size_t j = 0; j < wh_conf_items_of(c, i)->count; j++) {
            match_item(c, i, j, text, &best);
        }
    }
    return best;
}

void wh_conf_blame(const wh_conf *c, wh_errbuf *eb, wh_conf_report *report)
{
    struct match m = match(c, eb->text);
    if (m.len == 0) {
        return;
    }
    wh_buf source = {0};
    char option[WH_CONF_OPTION_MAX];
    (void)snprintf(option, sizeof option, "%.*s", (int)m.len, eb->text);
    const char *message = eb->text + m.len + 1;
    wh_conf_refusal r = {.option = option, .message = message + strspn(message, " ")};
    if (m.from->kind == WH_CONF_FROM_FILE) {
        r.file = c->file != NULL ? c->file : "file";
        r.line = m.from->line;
        r.column = m.from->column;
    } else if (m.from->kind != WH_CONF_FROM_DEFAULT) {
        wh_conf_spot_add(c, &m.spot, &source);
        r.source = wh_buf_ok(&source) ? wh_buf_str(&source) : NULL;
        r.is_named = m.is_top && r.source != NULL;
    }
    int sys = eb->sys;
    (void)wh_conf_refuse(report, eb, eb->code, &r);
    eb->sys = sys;
    wh_buf_fini(&source);
}

/* ---- for programs ---- */

static void add_member(wh_buf *out, const char *name, const char *text)
{
    wh_buf_addf(out, ",\"%s\":", name);
    if (text[0] == '\0') {
        wh_buf_adds(out, "null");
    } else {
        wh_buf_add_json(out, text, strlen(text));
    }
}

static void add_number(wh_buf *out, const char *name, size_t v)
{
    if (v == 0) {
        wh_buf_addf(out, ",\"%s\":null", name);
    } else {
        wh_buf_addf(out, ",\"%s\":%zu", name, v);
    }
}

void wh_conf_report_print(const wh_conf_report *r, const wh_errbuf *eb, wh_buf *out)
{
    if (eb->text[0] == '\0') {
        wh_buf_adds(out, "{\"valid\":true}\n");
        return;
    }
    const char *message = r->message[0] != '\0' ? r->message : eb->text;
    wh_buf_adds(out, "{\"valid\":false,\"errors\":[{\"message\":");
    wh_buf_add_json(out, message, strlen(message));
    add_member(out, "file", r->file);
    add_number(out, "line", r->line);
    add_number(out, "column", r->column);
    add_member(out, "source", r->source);
    add_member(out, "option", r->option);
    wh_buf_adds(out, "}]}\n");
}

wh_exit wh_conf_report_say(const char *program, const wh_buf *text)
{
    if (!wh_buf_ok(text)) {
        (void)fprintf(stderr, "%s: %s\n", program, wh_err_text(WH_ENOMEM));
        return wh_err_exit(WH_ENOMEM);
    }
    if (fwrite(wh_buf_str(text), 1, text->len, stdout) != text->len ||
        fflush(stdout) != 0) {
        (void)fprintf(stderr, "%s: can't write to stdout: %s\n", program,
                      strerror(errno));
        return WH_EXIT_IO;
    }
    return WH_EXIT_OK;
}

wh_exit wh_conf_report_tell(const wh_conf_report *r, const char *program,
                            const wh_errbuf *eb)
{
    wh_buf out = {0};
    if (r->action == WH_CONF_CHECK && r->as_json) {
        wh_conf_report_print(r, eb, &out);
    } else if (eb->text[0] != '\0') {
        (void)fprintf(stderr, "%s: %s\n", program, eb->text);
        return WH_EXIT_OK;
    } else {
        wh_buf_adds(&out, "configuration ok\n");
    }
    wh_exit status = wh_conf_report_say(program, &out);
    wh_buf_fini(&out);
    return status;
}
