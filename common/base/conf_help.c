/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --help from the option table: usage, examples (people come for those), then every
 * option in two columns with its default and its environment variable. Plain text,
 * at most 80 columns where the words allow.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <string.h>

enum { WIDTH = 80, COLUMN_MAX = 34, COLUMN_MIN = 16 };

static const char *unit_of(const wh_opt *o)
{
    static const char *const units[] = {
        [WH_OPT_BOOL] = "",         [WH_OPT_INT] = "number",
        [WH_OPT_NUMBER] = "number", [WH_OPT_DURATION] = "duration",
        [WH_OPT_SIZE] = "size",     [WH_OPT_STRING] = "text",
        [WH_OPT_ENUM] = "word",     [WH_OPT_LIST] = "list"};
    if (o->unit != NULL && o->unit[0] != '\0' && o->type != WH_OPT_BOOL) {
        return o->unit;
    }
    return units[o->type];
}

static void add_upper(wh_buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        wh_buf_addc(out, *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s);
    }
}

/* "  -s, --slots NUMBER" */
static void add_left(wh_buf *out, char letter, const char *name, const char *suffix,
                     const char *unit)
{
    if (letter != '\0') {
        wh_buf_addf(out, "  -%c, ", letter);
    } else {
        wh_buf_adds(out, "      ");
    }
    wh_conf_args_flag(name, out);
    wh_buf_adds(out, suffix);
    if (unit[0] != '\0') {
        wh_buf_addc(out, ' ');
        add_upper(out, unit);
    }
}

/* Text in the right column, wrapped between words; the line so far is `from` wide. */
static void add_right(wh_buf *out, const char *text, size_t from, size_t column)
{
    size_t at = from;
    if (at > 0 && at + 2 > column && text[0] != '\0') {
        wh_buf_addc(out, '\n');
        at = 0;
    }
    bool is_first = true;
    for (const char *p = text; *p != '\0';) {
        p += strspn(p, " ");
        size_t len = strcspn(p, " ");
        if (!is_first && at + 1 + len > WIDTH) {
            wh_buf_addc(out, '\n');
            at = 0;
            is_first = true;
        }
        if (is_first) {
            for (; at < column; at++) {
                wh_buf_addc(out, ' ');
            }
        } else {
            wh_buf_addc(out, ' ');
            at++;
        }
        wh_buf_add(out, p, len);
        at += len;
        p += len;
        is_first = false;
    }
    wh_buf_addc(out, '\n');
}

static void add_sentence(wh_buf *out, const char *help)
{
    size_t n = strlen(help);
    wh_buf_adds(out, help);
    wh_buf_adds(out, n > 0 && help[n - 1] != '.' ? "." : "");
}

static void add_bounds(const wh_opt *o, wh_buf *out)
{
    if (o->type == WH_OPT_ENUM) {
        wh_buf_adds(out, " One of ");
        for (const char *p = o->choices; *p != '\0'; p++) {
            if (*p == '|') {
                wh_buf_adds(out, ", ");
            } else {
                wh_buf_addc(out, *p);
            }
        }
        wh_buf_addc(out, '.');
    }
}

static void add_text(const wh_opt *o, wh_buf *out)
{
    add_sentence(out, o->help);
    add_bounds(o, out);
    if (o->type == WH_OPT_LIST) {
        wh_buf_adds(out, " Separated by commas.");
    }
    if ((o->flags & WH_OPT_SECRET) != 0) {
        wh_buf_adds(out, " Better given as a file:");
        wh_buf_addc(out, ' ');
        wh_conf_args_flag(o->name, out);
        wh_buf_adds(out, "-file PATH.");
    } else if (o->dflt != NULL && o->dflt[0] != '\0' && o->type != WH_OPT_BOOL) {
        wh_buf_addf(out, " Default: %s.", o->dflt);
    } else if (o->type == WH_OPT_BOOL && o->dflt != NULL &&
               strcmp(o->dflt, "true") == 0) {
        wh_buf_adds(out, " On by default; turn it off with --no-");
        wh_buf tail = {0};
        wh_conf_args_flag(o->name, &tail);
        out->failed = out->failed || !wh_buf_ok(&tail);
        wh_buf_adds(out, tail.len > 2 ? tail.data + 2 : "");
        wh_buf_addc(out, '.');
        wh_buf_fini(&tail);
    }
    if ((o->flags & WH_OPT_FLAG_ONLY) == 0) {
        wh_buf_adds(out, " [");
        wh_conf_args_env(o->name, out);
        if (o->env != NULL) {
            wh_buf_addf(out, ", %s", o->env);
        }
        wh_buf_addc(out, ']');
    }
}

/* One line (or more) of both columns; the buffers are scratch. */
static void flush(wh_buf *out, wh_buf *left, wh_buf *right, size_t column)
{
    out->failed = out->failed || !wh_buf_ok(left) || !wh_buf_ok(right);
    wh_buf_adds(out, wh_buf_str(left));
    add_right(out, wh_buf_str(right), left->len, column);
    wh_buf_clear(left);
    wh_buf_clear(right);
}

static void section_left(const wh_opt_section *s, wh_buf *left)
{
    add_left(left, '\0', s->flag, "", s->n_opts > 0 ? "name[=value]" : "name");
}

static size_t column_of(const wh_opt_table *t, const wh_opt *opts, size_t n_opts,
                        wh_buf *out)
{
    wh_buf left = {0};
    size_t column = COLUMN_MIN;
    for (size_t i = 0; i < n_opts + t->n_sections; i++) {
        left.len = 0;
        if (i < n_opts) {
            add_left(&left, opts[i].letter, opts[i].name, "", unit_of(&opts[i]));
        } else if (t->sections[i - n_opts].flag != NULL) {
            section_left(&t->sections[i - n_opts], &left);
        }
        if (left.len + 2 > column && left.len + 2 <= COLUMN_MAX) {
            column = left.len + 2;
        }
    }
    out->failed = out->failed || !wh_buf_ok(&left);
    wh_buf_fini(&left);
    return column;
}

static void add_own(wh_buf *out, wh_buf *left, wh_buf *right, size_t column)
{
    static const struct {
        char letter;
        const char *name, *unit, *help;
    } own[] = {{'c', "config", "path", "Read this YAML file. [WHERRY_CONFIG]"},
               {'\0', "check-config", "", "Check the configuration and exit."},
               {'\0', "print-config", "",
                "Print the configuration in force and where each value comes from."},
               {'\0', "json", "", "With either of these: answer as JSON."},
               {'h', "help", "", "Print this help."},
               {'V', "version", "", "Print the version."}};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        add_left(left, own[i].letter, own[i].name, "", own[i].unit);
        wh_buf_adds(right, own[i].help);
        flush(out, left, right, column);
    }
}

static void add_head(const wh_opt_table *t, wh_buf *out)
{
    wh_buf_addf(out, "Usage: %s%s%s\n", t->program, t->synopsis != NULL ? " " : "",
                t->synopsis != NULL ? t->synopsis : "");
    if (t->examples != NULL) {
        size_t n = strlen(t->examples);
        wh_buf_addf(out, "\nExamples:\n%s%s", t->examples,
                    n > 0 && t->examples[n - 1] == '\n' ? "" : "\n");
    }
    if (t->about != NULL) {
        wh_buf_addc(out, '\n');
        add_right(out, t->about, 0, 0);
    }
}

void wh_conf_help(const wh_opt_table *t, wh_buf *out)
{
    wh_buf left = {0};
    wh_buf right = {0};
    wh_opt *opts = NULL;
    size_t n_opts = 0;
    if (wh_conf_rows(t, &opts, &n_opts) != WH_OK) {
        out->failed = true;
        return;
    }
    size_t column = column_of(t, opts, n_opts, out);
    add_head(t, out);
    wh_buf_adds(out, "\nOptions:\n");
    for (size_t i = 0; i < n_opts; i++) {
        const wh_opt *o = &opts[i];
        add_left(&left, o->letter, o->name, "", unit_of(o));
        add_text(o, &right);
        flush(out, &left, &right, column);
    }
    for (size_t i = 0; i < t->n_sections; i++) {
        const wh_opt_section *s = &t->sections[i];
        if (s->flag == NULL) {
            continue;
        }
        section_left(s, &left);
        add_sentence(&right, s->help);
        wh_buf_adds(&right, " Repeatable. [");
        wh_conf_args_env(s->name, &right);
        wh_buf_adds(&right, ", split at commas]");
        flush(out, &left, &right, column);
    }
    add_own(out, &left, &right, column);
    wh_free(opts);
    wh_buf_fini(&left);
    wh_buf_fini(&right);
}
