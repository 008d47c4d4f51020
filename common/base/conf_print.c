/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --print-config: the values in force as YAML that loads again (but for the masked
 * secrets), each with a comment that names its source; and the same as one JSON
 * object for the log. Options that only the command line can set are left out of
 * the YAML, as the file may not hold them.
 */
#include "common/base/conf_internal.h"

#include <string.h>

/* The options of the program or of one item, and where their values come from. */
struct view {
    const wh_conf *c;
    const wh_opt *opts;
    size_t n;
    const wh_conf_from *from;
    const void *base;
    const char *flag; /* of the section the item is in; NULL: the flag is the name's */
    const char *env;
};

static void add_source(const struct view *v, size_t i, wh_buf *out)
{
    const wh_conf_from *from = &v->from[i];
    const wh_opt *o = &v->opts[i];
    wh_buf_adds(out, "  # ");
    switch (from->kind) {
    case WH_CONF_FROM_DEFAULT:
        wh_buf_adds(out, "default");
        break;
    case WH_CONF_FROM_FILE:
        wh_buf_addf(out, "%s:%zu", v->c->file != NULL ? v->c->file : "file",
                    from->line);
        break;
    case WH_CONF_FROM_ENV:
        if (from->is_second_env) {
            wh_buf_adds(out, o->env);
        } else {
            wh_conf_args_env(v->env != NULL ? v->env : o->name, out);
        }
        wh_buf_adds(out, from->is_secret_file ? "_FILE" : "");
        break;
    case WH_CONF_FROM_FLAG:
        wh_conf_args_flag(v->flag != NULL ? v->flag : o->name, out);
        wh_buf_adds(out, from->is_secret_file ? "-file" : "");
        break;
    }
    wh_buf_addc(out, '\n');
}

static void indent(wh_buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        wh_buf_adds(out, "  ");
    }
}

static void add_leaf(const struct view *v, size_t i, const char *name, unsigned depth,
                     wh_buf *out)
{
    const wh_opt *o = &v->opts[i];
    indent(out, depth);
    if (wh_conf_format_is_null(o, v->base)) {
        wh_buf_addf(out, "# %s: (not set)\n", name);
        return;
    }
    wh_buf_addf(out, "%s: ", name);
    wh_conf_format_json(o, v->base, out);
    add_source(v, i, out);
}

static bool is_printed(const wh_opt *o, const char *prefix, size_t len)
{
    return (o->flags & WH_OPT_FLAG_ONLY) == 0 && strncmp(o->name, prefix, len) == 0;
}

/* All options whose names begin with the first `len` bytes of prefix; each group
 * where its first member stands. Recursion: one level per dot in a name. */
static void add_level(const struct view *v, const char *prefix, size_t len,
                      unsigned depth, wh_buf *out)
{
    for (size_t i = 0; i < v->n; i++) {
        const char *name = v->opts[i].name;
        if (!is_printed(&v->opts[i], prefix, len)) {
            continue;
        }
        const char *dot = strchr(name + len, '.');
        if (dot == NULL) {
            add_leaf(v, i, name + len, depth, out);
            continue;
        }
        size_t group = (size_t)(dot + 1 - name);
        bool is_first = true;
        for (size_t j = 0; j < i && is_first; j++) {
            is_first = !is_printed(&v->opts[j], name, group);
        }
        if (is_first) {
            indent(out, depth);
            wh_buf_add(out, name + len, group - 1 - len);
            wh_buf_adds(out, ":\n");
            add_level(v, name, group, depth + 1, out);
        }
    }
}

static struct view view_item(const wh_conf *c, size_t section, size_t i)
{
    const wh_opt_section *s = &c->t->sections[section];
    return (struct view){.c = c,
                         .opts = s->opts,
                         .n = s->n_opts,
                         .from = c->sections[section].opts + i * s->n_opts,
                         .base = wh_conf_items_at(c, section, i),
                         .flag = s->flag != NULL ? s->flag : s->name,
                         .env = s->name};
}

static void add_name(const struct view *item, wh_buf *out)
{
    char *const *name = item->base;
    wh_buf_add_json(out, *name, strlen(*name));
}

void wh_conf_print(const wh_conf *c, wh_buf *out)
{
    struct view v = {.c = c,
                     .opts = c->t->opts,
                     .n = c->t->n_opts,
                     .from = c->from,
                     .base = c->values};
    wh_buf_addf(out, "# Configuration of %s in force\n", c->t->program);
    add_level(&v, "", 0, 0, out);
    for (size_t i = 0; i < c->t->n_sections; i++) {
        size_t n = wh_conf_items_of(c, i)->count;
        wh_buf_addf(out, "%s:%s\n", c->t->sections[i].name, n == 0 ? " {}" : "");
        for (size_t j = 0; j < n; j++) {
            struct view item = view_item(c, i, j);
            indent(out, 1);
            add_name(&item, out);
            wh_buf_adds(out, item.n == 0 ? ": {}\n" : ":\n");
            add_level(&item, "", 0, 2, out);
        }
    }
}

static void add_json_fields(const struct view *v, wh_buf *out)
{
    for (size_t i = 0; i < v->n; i++) {
        wh_buf_adds(out, i > 0 ? "," : "");
        wh_buf_add_json(out, v->opts[i].name, strlen(v->opts[i].name));
        wh_buf_addc(out, ':');
        wh_conf_format_json(&v->opts[i], v->base, out);
    }
}

void wh_conf_print_json(const wh_conf *c, wh_buf *out)
{
    struct view v = {.c = c,
                     .opts = c->t->opts,
                     .n = c->t->n_opts,
                     .from = c->from,
                     .base = c->values};
    wh_buf_addc(out, '{');
    add_json_fields(&v, out);
    for (size_t i = 0; i < c->t->n_sections; i++) {
        const char *name = c->t->sections[i].name;
        wh_buf_adds(out, i > 0 || v.n > 0 ? "," : "");
        wh_buf_add_json(out, name, strlen(name));
        wh_buf_adds(out, ":{");
        for (size_t j = 0; j < wh_conf_items_of(c, i)->count; j++) {
            struct view item = view_item(c, i, j);
            wh_buf_adds(out, j > 0 ? "," : "");
            add_name(&item, out);
            wh_buf_adds(out, ":{");
            add_json_fields(&item, out);
            wh_buf_addc(out, '}');
        }
        wh_buf_addc(out, '}');
    }
    wh_buf_addc(out, '}');
}
