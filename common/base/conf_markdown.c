/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options page: one Markdown table for the program's options and one per
 * section, from the same option table that reads the configuration, so that the
 * page can't fall behind. Called by the documentation build.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <string.h>

static const char *const type_names[] = {
    [WH_OPT_BOOL] = "true or false", [WH_OPT_INT] = "whole number",
    [WH_OPT_NUMBER] = "number",      [WH_OPT_DURATION] = "duration",
    [WH_OPT_SIZE] = "size",          [WH_OPT_STRING] = "text",
    [WH_OPT_ENUM] = "one of",        [WH_OPT_LIST] = "list"};

/* Text inside a cell: no pipe may end it, no line break either. */
static void add_cell(wh_buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|') {
            wh_buf_adds(out, "\\|");
        } else {
            wh_buf_addc(out, *s == '\n' ? ' ' : *s);
        }
    }
}

static void add_type(const wh_opt *o, wh_buf *out)
{
    bool is_bounded = o->min < 0 || o->min > 0 || o->max < 0 || o->max > 0;
    wh_buf_adds(out, type_names[o->type]);
    if (o->type == WH_OPT_ENUM) {
        wh_buf_addc(out, ' ');
        for (const char *p = o->choices; *p != '\0'; p++) {
            if (*p == '|') {
                wh_buf_adds(out, ", ");
            } else {
                wh_buf_addc(out, *p);
            }
        }
    } else if (is_bounded) {
        const char *what = o->type == WH_OPT_STRING ? " bytes"
                           : o->type == WH_OPT_LIST ? " items"
                                                    : "";
        wh_buf_adds(out, o->max >= o->min ? ", " : ", at least ");
        wh_conf_format_number(o->type, o->min, out);
        if (o->max >= o->min) {
            wh_buf_adds(out, " to ");
            wh_conf_format_number(o->type, o->max, out);
        }
        wh_buf_adds(out, what);
    }
}

static void add_default(const wh_opt *o, wh_buf *out)
{
    if (o->dflt != NULL && o->dflt[0] != '\0') {
        wh_buf_addc(out, '`');
        add_cell(out, o->dflt);
        wh_buf_addc(out, '`');
    }
}

static void add_meaning(const wh_opt *o, wh_buf *out)
{
    add_cell(out, o->help);
    if ((o->flags & WH_OPT_SECRET) != 0) {
        wh_buf_addf(out, " Secret; `%s_file` names a file that holds it.", o->name);
    }
    if ((o->flags & WH_OPT_FLAG_ONLY) != 0) {
        wh_buf_adds(out, " On the command line only.");
    }
}

static void add_names(const wh_opt *o, wh_buf *out)
{
    wh_buf_addf(out, "| `%s` | `", o->name);
    wh_conf_args_flag(o->name, out);
    wh_buf_adds(out, "` ");
    if (o->letter != '\0') {
        wh_buf_addf(out, "`-%c` ", o->letter);
    }
    wh_buf_adds(out, "| ");
    if ((o->flags & WH_OPT_FLAG_ONLY) == 0) {
        wh_buf_addc(out, '`');
        wh_conf_args_env(o->name, out);
        wh_buf_adds(out, "` ");
        if (o->env != NULL) {
            wh_buf_addf(out, "`%s` ", o->env);
        }
    }
}

static void add_rest(const wh_opt *o, wh_buf *out)
{
    wh_buf_adds(out, "| ");
    add_type(o, out);
    wh_buf_adds(out, " | ");
    add_default(o, out);
    wh_buf_adds(out, (o->flags & WH_OPT_RELOAD) != 0 ? " | yes | " : " | no | ");
    add_meaning(o, out);
    wh_buf_adds(out, " |\n");
}

static void add_section(const wh_opt_section *s, wh_buf *out)
{
    wh_buf_addf(out, "\n### `%s`\n\n%s\n", s->name, s->help);
    if (s->flag != NULL) {
        wh_buf_addf(out,
                    "\nOn the command line `--%s NAME%s` (repeatable), in the "
                    "environment `",
                    s->flag, s->n_opts > 0 ? "[=VALUE]" : "");
        wh_conf_args_env(s->name, out);
        wh_buf_adds(out, "`; either replaces the items of the file.\n");
    }
    if (s->n_opts == 0) {
        return;
    }
    wh_buf_adds(out, "\n| Option | Type | Default | Reload | Meaning |\n"
                     "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < s->n_opts; i++) {
        wh_buf_addf(out, "| `%s.NAME.%s` ", s->name, s->opts[i].name);
        add_rest(&s->opts[i], out);
    }
}

void wh_conf_markdown(const wh_opt_table *t, wh_buf *out)
{
    wh_opt *opts = NULL;
    size_t n_opts = 0;
    if (wh_conf_rows(t, &opts, &n_opts) != WH_OK) {
        out->failed = true;
        return;
    }
    wh_buf_addf(out, "## %s\n", t->program);
    if (t->about != NULL) {
        wh_buf_addf(out, "\n%s\n", t->about);
    }
    wh_buf_adds(out, "\n| Option | Flag | Environment | Type | Default | Reload | "
                     "Meaning |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < n_opts; i++) {
        add_names(&opts[i], out);
        add_rest(&opts[i], out);
    }
    wh_free(opts);
    for (size_t i = 0; i < t->n_sections; i++) {
        add_section(&t->sections[i], out);
    }
}
