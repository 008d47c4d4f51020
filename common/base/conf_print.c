/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --print-config: the values in force as YAML that loads again (but for the masked
 * secrets), each with a comment that names its source; and the same as one JSON
 * object for the log, or with the sources for programs. Options that only the command line can set are left out of
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
    const wh_opt *o = &v->opts[i];
    const wh_conf_spot spot = {.from = &v->from[i],
                               .flag = v->flag != NULL ? v->flag : o->name,
                               .env = v->env != NULL ? v->env : o->name,
                               .second_env = o->env};
    wh_conf_spot_add(v->c, &spot, out);
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
    wh_buf_adds(out, "  # ");
    add_source(v, i, out);
    wh_buf_addc(out, '\n');
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
                         .from = wh_conf_items_from(c, section, i),
                         .base = wh_conf_items_at(c, section, i),
                         .flag = s->flag != NULL ? s->flag : s->name,
                         .env = s->name};
}

static void add_name(const struct view *item, wh_buf *out)
{
    char *const *name = item->base;
    wh_buf_add_json(out, *name, strlen(*name));
}

static struct view view_top(const wh_conf *c)
{
    return (struct view){
        .c = c, .opts = c->opts, .n = c->n_opts, .from = c->from, .base = c->values};
}

static void add_section_source(const wh_conf *c, size_t section, wh_buf *out)
{
    const wh_opt_section *s = &c->t->sections[section];
    const wh_conf_spot spot = {.from = &c->sections[section].from,
                               .flag = s->flag != NULL ? s->flag : s->name,
                               .env = s->name};
    wh_conf_spot_add(c, &spot, out);
}

static void print_yaml(const wh_conf *c, wh_buf *out)
{
    struct view v = view_top(c);
    wh_buf_addf(out, "# Configuration of %s in force\n", c->t->program);
    add_level(&v, "", 0, 0, out);
    for (size_t i = 0; i < c->t->n_sections; i++) {
        size_t n = wh_conf_items_of(c, i)->count;
        wh_buf_adds(out, c->t->sections[i].name);
        wh_buf_adds(out, n == 0 ? ": {}  # " : ":");
        if (n == 0) {
            add_section_source(c, i, out);
        }
        wh_buf_addc(out, '\n');
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
    struct view v = view_top(c);
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

/* Of one view: "handlers.hash.run": {"value": …, "source": …}, … */
static void add_sourced(const struct view *v, const char *section, wh_buf *out)
{
    wh_buf text = {0};
    for (size_t i = 0; i < v->n; i++) {
        text.len = 0;
        if (section != NULL) {
            char *const *name = v->base;
            wh_buf_addf(&text, "%s.%s.", section, *name);
        }
        wh_buf_adds(&text, v->opts[i].name);
        wh_buf_adds(out, out->len > 1 ? ",\n " : "");
        wh_buf_add_json(out, wh_buf_str(&text), text.len);
        wh_buf_adds(out, ": {\"value\": ");
        wh_conf_format_json(&v->opts[i], v->base, out);
        wh_buf_adds(out, ", \"source\": ");
        text.len = 0;
        add_source(v, i, &text);
        wh_buf_add_json(out, wh_buf_str(&text), text.len);
        wh_buf_addc(out, '}');
    }
    out->failed = out->failed || !wh_buf_ok(&text);
    wh_buf_fini(&text);
}

/* A section without items, so that its name is there: "handlers": {"value": {}, … */
static void add_empty(const wh_conf *c, size_t section, wh_buf *out)
{
    const char *name = c->t->sections[section].name;
    wh_buf text = {0};
    add_section_source(c, section, &text);
    wh_buf_adds(out, out->len > 1 ? ",\n " : "");
    wh_buf_add_json(out, name, strlen(name));
    wh_buf_adds(out, ": {\"value\": {}, \"source\": ");
    wh_buf_add_json(out, wh_buf_str(&text), text.len);
    wh_buf_addc(out, '}');
    out->failed = out->failed || !wh_buf_ok(&text);
    wh_buf_fini(&text);
}

static void print_sourced(const wh_conf *c, wh_buf *out)
{
    struct view v = view_top(c);
    wh_buf_addc(out, '{');
    add_sourced(&v, NULL, out);
    for (size_t i = 0; i < c->t->n_sections; i++) {
        if (wh_conf_items_of(c, i)->count == 0) {
            add_empty(c, i, out);
        }
        for (size_t j = 0; j < wh_conf_items_of(c, i)->count; j++) {
            struct view item = view_item(c, i, j);
            add_sourced(&item, c->t->sections[i].name, out);
        }
    }
    wh_buf_adds(out, "}\n");
}

void wh_conf_print(const wh_conf *c, wh_buf *out)
{
    if (c->as_json) {
        print_sourced(c, out);
    } else {
        print_yaml(c, out);
    }
}
