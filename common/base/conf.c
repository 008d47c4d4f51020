/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a configuration together: defaults, then the file, the environment and the
 * command line, each over the one before; owns the resulting wh_conf. A wh_conf is
 * read-only once loaded; a reload loads a new one and compares.
 *
 * An empty environment variable counts as not set (`VAR=${VAR:-}` in scripts and
 * compose files means that). Variables that no option knows are left alone: others
 * name theirs WHERRY_… too (service links of orchestrators, for one).
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <string.h>

static wh_err no_memory(wh_errbuf *eb)
{
    return wh_err_set(eb, WH_ENOMEM, "out of memory while reading the configuration");
}

/* ---- environment ---- */

static const char *env_get(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
        if (strncmp(env[i], name, n) == 0 && env[i][n] == '=' &&
            env[i][n + 1] != '\0') {
            return env[i] + n + 1;
        }
    }
    return NULL;
}

/* One option from WHERRY_NAME, WHERRY_NAME_FILE or its second name. `name` comes
 * back as the variable that was used, for the message. */
static wh_err env_option(wh_conf *c, const char *const *env, size_t i, wh_buf *name,
                         wh_buf *why)
{
    const wh_opt *o = &c->opts[i];
    wh_conf_from from = {.kind = WH_CONF_FROM_ENV};
    wh_buf_clear(name);
    wh_conf_args_env(o->name, name);
    const char *value = env_get(env, wh_buf_str(name));
    if ((o->flags & WH_OPT_SECRET) != 0) {
        size_t len = name->len;
        wh_buf_adds(name, "_FILE");
        const char *path = env_get(env, wh_buf_str(name));
        if (value != NULL && path != NULL) {
            wh_buf_adds(why, "both this and the same without _FILE are set; use one");
            return WH_EINVAL;
        }
        if (path != NULL) {
            from.is_secret_file = true;
            c->from[i] = from;
            return wh_conf_secret_set(c, o, c->values, path, why);
        }
        name->len = wh_buf_ok(name) ? len : name->len;
    }
    if (value == NULL && o->env != NULL) {
        wh_buf_clear(name);
        wh_buf_adds(name, o->env);
        value = env_get(env, o->env);
        from.is_second_env = true;
    }
    if (value == NULL) {
        return wh_buf_ok(name) ? WH_OK : WH_ENOMEM;
    }
    c->from[i] = from;
    return wh_conf_value_set(o, c->values, value, why);
}

/* WHERRY_QUEUES="a=5,b=1" */
static wh_err env_section(wh_conf *c, const char *const *env, size_t i, wh_buf *name,
                          wh_buf *why)
{
    const wh_conf_from from = {.kind = WH_CONF_FROM_ENV};
    wh_buf_clear(name);
    wh_conf_args_env(c->t->sections[i].name, name);
    if (!wh_buf_ok(name)) {
        return WH_ENOMEM;
    }
    const char *value = env_get(env, wh_buf_str(name));
    if (value == NULL) {
        return WH_OK;
    }
    char *text = wh_strdup(value);
    if (text == NULL) {
        return WH_ENOMEM;
    }
    wh_conf_items_clear(c, i);
    c->sections[i].from = from;
    wh_err err = WH_OK;
    for (char *next = text; next != NULL && err == WH_OK;) {
        char *item = next + strspn(next, " ");
        char *end = item + strcspn(item, ",");
        next = *end == ',' ? end + 1 : NULL;
        while (end > item && end[-1] == ' ') {
            end--;
        }
        *end = '\0';
        err = wh_conf_items_add_text(c, i, item, from, why);
    }
    wh_free(text);
    return err;
}

static wh_err refuse_env(const wh_conf *c, const char *name, const char *option,
                         const char *why, wh_errbuf *eb)
{
    wh_buf source = {0};
    wh_buf_addf(&source, "environment %s", name);
    const wh_conf_refusal r = {.source = wh_buf_str(&source),
                               .option = option,
                               .is_named = true,
                               .message = why};
    wh_err err = wh_buf_ok(&source) ? wh_conf_refuse(c->report, eb, WH_ECONFIG, &r)
                                    : no_memory(eb);
    wh_buf_fini(&source);
    return err;
}

/* What became of one option or section. */
static wh_err settle_env(const wh_conf *c, wh_err err, const char *option, wh_buf *name,
                         wh_buf *why, wh_errbuf *eb)
{
    if (err == WH_ENOMEM || !wh_buf_ok(name) || !wh_buf_ok(why)) {
        return no_memory(eb);
    }
    if (err != WH_OK) {
        err = refuse_env(c, wh_buf_str(name), option, wh_buf_str(why), eb);
        wh_buf_clear(why);
    }
    return wh_conf_refuse_more(c->report, err);
}

static wh_err load_env(wh_conf *c, const char *const *env, wh_errbuf *eb)
{
    wh_buf name = {0};
    wh_buf why = {0};
    wh_err err = WH_OK;
    for (size_t i = 0; i < c->n_opts && err == WH_OK; i++) {
        if ((c->opts[i].flags & WH_OPT_FLAG_ONLY) == 0) {
            err = env_option(c, env, i, &name, &why);
            err = settle_env(c, err, c->opts[i].name, &name, &why, eb);
        }
    }
    for (size_t i = 0; i < c->t->n_sections && err == WH_OK; i++) {
        if (c->t->sections[i].flag != NULL) {
            err = env_section(c, env, i, &name, &why);
            err = settle_env(c, err, c->t->sections[i].name, &name, &why, eb);
        }
    }
    wh_buf_fini(&name);
    wh_buf_fini(&why);
    return err;
}

/* ---- loading ---- */

wh_err wh_conf_rows(const wh_opt_table *t, wh_opt **out, size_t *n)
{
    size_t count = t->n_opts;
    for (size_t i = 0; i < t->n_groups; i++) {
        count += t->groups[i].n_opts;
    }
    wh_opt *rows = wh_calloc(count, sizeof *rows);
    *out = rows;
    *n = count;
    if (rows == NULL) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < t->n_opts; i++) {
        *rows++ = t->opts[i];
    }
    for (size_t i = 0; i < t->n_groups; i++) {
        for (size_t j = 0; j < t->groups[i].n_opts; j++) {
            *rows = t->groups[i].opts[j];
            rows++->offset += t->groups[i].offset;
        }
    }
    return WH_OK;
}

static wh_err new_conf(const wh_opt_table *t, wh_conf **out, wh_errbuf *eb)
{
    wh_buf why = {0};
    wh_err err = WH_ENOMEM;
    wh_conf *c = wh_calloc(1, sizeof *c);
    if (c == NULL) {
        return no_memory(eb);
    }
    c->t = t;
    if (wh_conf_rows(t, &c->opts, &c->n_opts) == WH_OK) {
        c->values = wh_calloc(1, t->size);
        c->from = wh_calloc(c->n_opts, sizeof *c->from);
        c->sections = wh_calloc(t->n_sections, sizeof *c->sections);
    }
    if (c->values != NULL && c->from != NULL && c->sections != NULL) {
        err = wh_conf_value_defaults(c->opts, c->n_opts, c->values, &why);
    }
    if (err == WH_OK) {
        *out = c;
    } else if (err == WH_ENOMEM) {
        (void)no_memory(eb);
    } else {
        err = wh_err_set(eb, WH_ECONFIG, "a default of %s is wrong: %s", t->program,
                         wh_buf_str(&why));
    }
    wh_buf_fini(&why);
    if (err != WH_OK) {
        wh_conf_free(c);
    }
    return err;
}

static wh_err load_file(wh_conf *c, const wh_conf_source *src, const wh_conf_args *args,
                        wh_errbuf *eb)
{
    const char *path = src->file != NULL ? src->file : args->config;
    if (path == NULL) {
        path = env_get(src->env, "WHERRY_CONFIG");
    }
    if (path == NULL) {
        return WH_OK;
    }
    c->file = wh_strdup(path);
    if (c->file == NULL) {
        return no_memory(eb);
    }
    return wh_conf_file_load(c, path, eb);
}

/* A section that has no item, for nobody gave one or a source said {}. */
static wh_err fill_sections(wh_conf *c, wh_errbuf *eb)
{
    wh_buf why = {0};
    wh_err err = WH_OK;
    for (size_t i = 0; i < c->t->n_sections && err == WH_OK; i++) {
        const char *dflt = c->t->sections[i].dflt;
        if (dflt != NULL && wh_conf_items_of(c, i)->count == 0) {
            err = wh_conf_items_add_text(c, i, dflt, c->sections[i].from, &why);
        }
    }
    wh_buf_fini(&why);
    return err == WH_OK ? WH_OK : no_memory(eb); /* nothing else is wrong with them */
}

/* Every source, also when one before is refused. */
static wh_err load_values(wh_conf *c, const wh_conf_source *src,
                          const wh_conf_args *args, wh_errbuf *eb)
{
    wh_conf_report *report = c->report;
    wh_err err = load_file(c, src, args, eb);
    c->is_cut = err != WH_OK;
    err = wh_conf_refuse_more(report, err);
    if (err == WH_OK) {
        err = load_env(c, src->env, eb);
    }
    if (err == WH_OK) {
        err = wh_conf_args_apply(c, args, eb);
    }
    if (err == WH_OK) {
        err = fill_sections(c, eb);
    }
    c->is_cut = c->is_cut || err != WH_OK;
    if (report != NULL && err == WH_ENOMEM) {
        report->n = 0; /* that is the error, then */
    }
    return report != NULL && report->n > 0 ? report->code : err;
}

wh_err wh_conf_load(const wh_opt_table *t, const wh_conf_source *src, wh_conf **out,
                    wh_errbuf *eb)
{
    wh_conf *c = NULL;
    wh_conf_args args = {0};
    *out = NULL;
    wh_err err = new_conf(t, &c, eb);
    if (err != WH_OK || c == NULL) {
        return err;
    }
    c->report = src->report;
    err = wh_conf_args_parse(c, src, &args, eb);
    if (src->report != NULL) {
        *src->report = (wh_conf_report){.action = c->action, .as_json = c->as_json};
    }
    /* Help must work where the configuration is broken. */
    bool wants_values = c->action != WH_CONF_HELP && c->action != WH_CONF_VERSION;
    bool is_whole = false;
    if (err == WH_OK && wants_values) {
        err = load_values(c, src, &args, eb);
        is_whole = !c->is_cut;
    }
    wh_conf_args_fini(&args);
    c->report = NULL; /* the caller's, and only for the load */
    if (is_whole && src->check != NULL) {
        *out = c;
        wh_errbuf why = {.text = ""};
        wh_err unfit = src->check(c, src->report, err == WH_OK ? eb : &why);
        return err != WH_OK ? err : unfit;
    }
    if (err != WH_OK) {
        wh_conf_free(c);
        return err;
    }
    *out = c;
    return WH_OK;
}

void wh_conf_free(wh_conf *c)
{
    if (c == NULL) {
        return;
    }
    if (c->values != NULL && c->sections != NULL) {
        for (size_t i = 0; i < c->n_opts; i++) {
            wh_conf_value_clear(&c->opts[i], c->values);
        }
        for (size_t i = 0; i < c->t->n_sections; i++) {
            wh_conf_items_clear(c, i);
        }
    }
    for (size_t i = 0; i < c->n_rest; i++) {
        wh_free(c->rest[i]);
    }
    wh_free(c->rest);
    wh_conf_secret_fini(c);
    wh_free(c->opts);
    wh_free(c->sections);
    wh_free(c->from);
    wh_free(c->values);
    wh_free(c->file);
    wh_free(c);
}

/* ---- accessors ---- */

const void *wh_conf_values(const wh_conf *c)
{
    return c->values;
}

wh_conf_action wh_conf_action_of(const wh_conf *c)
{
    return c->action;
}

const char *wh_conf_file(const wh_conf *c)
{
    return c->file;
}

size_t wh_conf_rest(const wh_conf *c, char *const **rest)
{
    *rest = c->rest;
    return c->n_rest;
}

/* ---- reload ---- */

static void note(wh_buf *changed, size_t *n, const char *a, const char *b,
                 const char *d)
{
    wh_buf_addf(changed, "%s%s%s%s%s%s", *n > 0 ? "," : "", a, b != NULL ? "." : "",
                b != NULL ? b : "", d != NULL ? "." : "", d != NULL ? d : "");
    (*n)++;
}

/* Items are matched by name; one that came or went is a change of the section, to be
 * had on reload only where all its options are. */
static void compare_section(const wh_conf *old_conf, const wh_conf *new_conf, size_t at,
                            wh_buf *changed, size_t *n)
{
    const wh_opt_section *s = &old_conf->t->sections[at];
    size_t old_count = wh_conf_items_of(old_conf, at)->count;
    bool is_fixed = false;
    for (size_t i = 0; i < s->n_opts; i++) {
        is_fixed = is_fixed || (s->opts[i].flags & WH_OPT_RELOAD) == 0;
    }
    bool differs = old_count != wh_conf_items_of(new_conf, at)->count;
    for (size_t i = 0; i < old_count; i++) {
        const void *item = wh_conf_items_at(old_conf, at, i);
        char *const *name = item;
        const void *other = wh_conf_items_find(new_conf, at, *name);
        differs = differs || other == NULL;
        for (size_t j = 0; other != NULL && j < s->n_opts; j++) {
            if ((s->opts[j].flags & WH_OPT_RELOAD) == 0 &&
                !wh_conf_value_equal(&s->opts[j], item, other)) {
                note(changed, n, s->name, *name, s->opts[j].name);
            }
        }
    }
    if (differs && is_fixed) {
        note(changed, n, s->name, NULL, NULL);
    }
}

size_t wh_conf_frozen_changes(const wh_conf *old_conf, const wh_conf *new_conf,
                              wh_buf *changed)
{
    const wh_opt_table *t = old_conf->t;
    size_t n = 0;
    for (size_t i = 0; i < old_conf->n_opts; i++) {
        const wh_opt *o = &old_conf->opts[i];
        if ((o->flags & WH_OPT_RELOAD) == 0 &&
            !wh_conf_value_equal(o, old_conf->values, new_conf->values)) {
            note(changed, &n, o->name, NULL, NULL);
        }
    }
    for (size_t i = 0; i < t->n_sections; i++) {
        compare_section(old_conf, new_conf, i, changed, &n);
    }
    return n;
}
