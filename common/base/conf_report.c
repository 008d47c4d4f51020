/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where values come from, in words; and refusals, as lines for people and in parts for
 * programs. Invariant: the place of a value reads the same in a refusal of the load,
 * in one of a later check, and behind the values of --print-config.
 */
#include "common/base/conf_report.h"

#include "common/base/conf_internal.h"
#include "common/base/log.h"

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

static void add_fault(wh_conf_report *report, const wh_errbuf *eb,
                      const wh_conf_refusal *r)
{
    if (report->n == WH_CONF_FAULTS_MAX) {
        return;
    }
    wh_conf_fault *f = &report->faults[report->n++];
    *f = (wh_conf_fault){
        .in_file = r->file != NULL, .line = r->line, .column = r->column};
    copy_text(f->source, sizeof f->source, r->source);
    copy_text(f->option, sizeof f->option, r->option);
    copy_text(f->message, sizeof f->message, r->message);
    copy_text(f->text, sizeof f->text, eb->text);
    if (f->in_file) {
        copy_text(report->file, sizeof report->file, r->file);
    }
    if (report->n == 1) {
        report->code = eb->code;
    }
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
    wh_errbuf text = {.text = ""};
    (void)wh_err_set(&text, code, "%s%s%s%s%s%s", source != NULL ? source : "", place,
                     source != NULL ? ": " : "", shows_option ? r->option : "",
                     shows_option ? ": " : "", r->message);
    if (report != NULL) {
        add_fault(report, &text, r);
    }
    if (eb != NULL && (report == NULL || report->n == 1)) {
        *eb = text; /* what r points to may be in there */
    }
    return code;
}

wh_err wh_conf_refuse_more(const wh_conf_report *report, wh_err err)
{
    bool is_refusal = err == WH_ECONFIG || err == WH_EINVAL;
    return is_refusal && report != NULL && report->n < WH_CONF_FAULTS_MAX ? WH_OK : err;
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

/* "handlers.a" has "handlers.a.run"; but of all "handlers" one may be refused and the
 * others be read. */
static bool has_option(const char *refused, const char *option)
{
    size_t n = strlen(refused);
    if (n == 0 || strncmp(refused, option, n) != 0) {
        return false;
    }
    return option[n] == '\0' || (option[n] == '.' && strchr(refused, '.') != NULL);
}

bool wh_conf_is_refused(const wh_conf_report *report, const char *option)
{
    for (size_t i = 0; report != NULL && i < report->n; i++) {
        if (has_option(report->faults[i].option, option)) {
            return true;
        }
    }
    return false;
}

void wh_conf_blame(const wh_conf *c, wh_errbuf *eb, wh_conf_report *report)
{
    struct match m = match(c, eb->text);
    wh_buf source = {0};
    char option[WH_CONF_OPTION_MAX];
    wh_conf_refusal r = {.message = eb->text};
    int kind = m.len > 0 ? (int)m.from->kind : WH_CONF_FROM_DEFAULT;
    if (m.len > 0) {
        (void)snprintf(option, sizeof option, "%.*s", (int)m.len, eb->text);
        r.option = option;
        r.message += m.len + 1;
        r.message += strspn(r.message, " ");
        if (wh_conf_is_refused(report, option)) {
            return;
        }
    }
    if (kind == WH_CONF_FROM_FILE) {
        r.file = c->file != NULL ? c->file : "file";
        r.line = m.from->line;
        r.column = m.from->column;
    } else if (kind != WH_CONF_FROM_DEFAULT) {
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

static void add_fields(wh_buf *out, const char *message, const char *file,
                       const wh_conf_fault *f)
{
    wh_buf_adds(out, "{\"message\":");
    wh_buf_add_json(out, message, strlen(message));
    add_member(out, "file", f->in_file ? file : "");
    add_number(out, "line", f->line);
    add_number(out, "column", f->column);
    add_member(out, "source", f->source);
    add_member(out, "option", f->option);
    wh_buf_addc(out, '}');
}

void wh_conf_report_print(const wh_conf_report *r, const wh_errbuf *eb, wh_buf *out)
{
    if (eb->text[0] == '\0') {
        wh_buf_adds(out, "{\"valid\":true}\n");
        return;
    }
    wh_buf_adds(out, "{\"valid\":false,\"errors\":[");
    if (r->n == 0) {
        add_fields(out, eb->text, "", &(wh_conf_fault){.line = 0});
    }
    for (size_t i = 0; i < r->n; i++) {
        wh_buf_adds(out, i > 0 ? ",\n " : "");
        add_fields(out, r->faults[i].message, r->file, &r->faults[i]);
    }
    wh_buf_adds(out, "]}\n");
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

/* A wrong command line has no parts. */
static const char *text_at(const wh_conf_report *r, const wh_errbuf *eb, size_t i)
{
    return r->n > 0 ? r->faults[i].text : eb->text;
}

wh_exit wh_conf_report_tell(const wh_conf_report *r, const char *program,
                            const wh_errbuf *eb)
{
    wh_buf out = {0};
    if (r->action == WH_CONF_CHECK && r->as_json) {
        wh_conf_report_print(r, eb, &out);
    } else if (eb->text[0] != '\0') {
        for (size_t i = 0; i == 0 || i < r->n; i++) {
            (void)fprintf(stderr, "%s: %s\n", program, text_at(r, eb, i));
        }
        if (r->n == WH_CONF_FAULTS_MAX) {
            (void)fprintf(stderr, "%s: these are the first %d; there may be more\n",
                          program, WH_CONF_FAULTS_MAX);
        }
        return WH_EXIT_OK;
    } else {
        wh_buf_adds(&out, "configuration ok\n");
    }
    wh_exit status = wh_conf_report_say(program, &out);
    wh_buf_fini(&out);
    return status;
}

void wh_conf_report_log(const wh_conf_report *r, const wh_errbuf *eb)
{
    for (size_t i = 0; i == 0 || i < r->n; i++) {
        WH_LOG(ERROR, "config.reload_refused", WH_F_STR("error", text_at(r, eb, i)));
    }
}
