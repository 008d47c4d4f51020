/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML file, walked as events of libyaml against the option table: what the
 * table does not know is refused where it stands. Only plain YAML is read: no
 * anchors, aliases, tags, merge keys, doubled keys or second documents, so a file
 * says exactly what it shows, and its depth is bounded by the table's names.
 *
 * Recursion: read_mapping calls itself for groups and for a section's items only.
 */
#include "common/base/conf_events.h"
#include "common/base/conf_internal.h"

#include <stdio.h>
#include <string.h>

#define OTHER_FORM "; with and without _file exclude each other"
enum { FILE_MAX = 1 << 20, DEPTH_MAX = 8 };

struct reader {
    wh_conf *c;
    wh_conf_events ev;
    wh_buf why;
    char path[WH_CONF_OPTION_MAX]; /* of the last option that was refused */
};

/* The options that a mapping may name: the program's, or those of one item. */
struct scope {
    const wh_opt *opts;
    size_t n_opts;
    wh_conf_from *from;
    void *base;
    const char *path;  /* "" or "handlers.hash." */
    bool has_sections; /* only the program's own */
};

/* A key of a mapping: where it stands and what it is in full. */
struct key {
    yaml_mark_t mark;
    char name[WH_CONF_NAME_MAX]; /* within the scope: "redis.url" */
};

/* REFUSE(r, mark, option, "format", …); the option (its path) may be NULL. */
#define REFUSE(r, ...) wh_conf_events_refuse(&(r)->ev, __VA_ARGS__)

/* "handlers.hash.timeout" */
static const char *path_of(struct reader *r, const struct scope *s,
                           const struct key *key)
{
    (void)snprintf(r->path, sizeof r->path, "%s%s", s->path, key->name);
    return r->path;
}

static wh_conf_from from_file(yaml_mark_t at)
{
    return (wh_conf_from){
        .kind = WH_CONF_FROM_FILE, .line = at.line + 1, .column = at.column + 1};
}

static void set_place(wh_conf_from *from, yaml_mark_t at)
{
    from->line = at.line + 1;
    from->column = at.column + 1;
}

static wh_err no_memory(struct reader *r)
{
    return wh_conf_events_no_memory(&r->ev);
}

static wh_err next(struct reader *r)
{
    return wh_conf_events_next(&r->ev);
}

/* To the next key of the mapping that is open at `depth`, or to its end; behind a refusal
 * of the last one (event number `key`) too, for there may be more. */
static wh_err next_key(struct reader *r, wh_err err, size_t key, size_t depth)
{
    if (err != WH_OK && !r->ev.is_broken) {
        wh_buf_clear(&r->why);
        err = wh_conf_refuse_more(r->c->report, err);
        err = err != WH_OK ? err : wh_conf_events_skip(&r->ev, key, depth);
    }
    return err != WH_OK ? err : next(r);
}

static const char *scalar(const struct reader *r)
{
    return wh_conf_events_text(&r->ev);
}

static bool is_null(const struct reader *r)
{
    return wh_conf_events_is_null(&r->ev);
}

static yaml_event_type_t type_of(const struct reader *r)
{
    return r->ev.event.type;
}

static yaml_mark_t mark_of(const struct reader *r)
{
    return r->ev.event.start_mark;
}

/* ---- names ---- */

static bool has_prefix(const char *name, const char *group)
{
    size_t n = strlen(group);
    return strncmp(name, group, n) == 0 && name[n] == '.';
}

static bool is_group(const struct scope *s, const char *name)
{
    for (size_t i = 0; i < s->n_opts; i++) {
        if (has_prefix(s->opts[i].name, name)) {
            return true;
        }
    }
    return false;
}

static const wh_opt *find_option(const struct scope *s, const char *name, bool *is_file)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < s->n_opts; i++) {
        const wh_opt *o = &s->opts[i];
        size_t len = strlen(o->name);
        *is_file = false;
        if (strcmp(o->name, name) == 0) {
            return o;
        }
        *is_file = true;
        if ((o->flags & WH_OPT_SECRET) != 0 && n == len + strlen("_file") &&
            memcmp(name, o->name, len) == 0 && strcmp(name + len, "_file") == 0) {
            return o;
        }
    }
    return NULL;
}

static size_t find_section(const struct reader *r, const struct scope *s,
                           const char *name)
{
    size_t n = s->has_sections ? r->c->t->n_sections : 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(r->c->t->sections[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static wh_err refuse_unknown(struct reader *r, const struct scope *s,
                             const struct key *key)
{
    wh_buf names = {0};
    for (size_t i = 0; i < s->n_opts; i++) {
        const wh_opt *o = &s->opts[i];
        if ((o->flags & WH_OPT_FLAG_ONLY) == 0) {
            wh_buf_add(&names, o->name, strlen(o->name) + 1);
            const char *dot = strchr(o->name, '.');
            wh_buf_add(&names, o->name, dot != NULL ? (size_t)(dot - o->name) : 0);
            wh_buf_addc(&names, '\0');
        }
    }
    for (size_t i = 0; s->has_sections && i < r->c->t->n_sections; i++) {
        const char *name = r->c->t->sections[i].name;
        wh_buf_add(&names, name, strlen(name) + 1);
    }
    wh_buf word = {0};
    wh_buf_adds(&word, s->path);
    wh_buf_adds(&word, key->name);
    wh_conf_format_quote(&r->why, wh_buf_str(&word));
    wh_err err = WH_ECONFIG;
    if (!wh_buf_ok(&names) || !wh_buf_ok(&word) || !wh_buf_ok(&r->why)) {
        err = no_memory(r);
    } else {
        const char *best = wh_conf_suggest_in(key->name, &names);
        best = best != NULL ? best : wh_conf_suggest_aka(key->name, s->opts, s->n_opts);
        (void)REFUSE(r, key->mark, NULL, "unknown option %s; %s%s%s%s",
                     wh_buf_str(&r->why), best != NULL ? "did you mean \"" : "see ",
                     best != NULL ? s->path : r->c->t->program,
                     best != NULL ? best : " --help", best != NULL ? "\"?" : "");
    }
    wh_buf_fini(&names);
    wh_buf_fini(&word);
    return err;
}

/* Turns the current scalar into a key, prefix in front. */
static wh_err read_key(struct reader *r, const char *prefix, struct key *key)
{
    key->mark = mark_of(r);
    if (type_of(r) != YAML_SCALAR_EVENT || is_null(r)) {
        return REFUSE(r, key->mark, NULL, "the name of an option is expected here");
    }
    const char *text = scalar(r);
    if (strcmp(text, "<<") == 0) {
        return REFUSE(r, key->mark, NULL, "a merge key (<<) is not allowed");
    }
    int n = snprintf(key->name, sizeof key->name, "%s%s", prefix, text);
    if (n < 0 || (size_t)n >= sizeof key->name) {
        return REFUSE(r, key->mark, NULL, "this name is too long");
    }
    if (strchr(text, '.') != NULL) {
        return REFUSE(r, key->mark, NULL,
                      "a name with a dot; write its parts as nested "
                      "mappings, e.g. \"redis: {url: ...}\"");
    }
    return WH_OK;
}

/* ---- values ---- */

/* WH_EINVAL with a reason in r->why becomes an error at this place. */
static wh_err place(struct reader *r, const struct scope *s, const struct key *key,
                    yaml_mark_t at, wh_err err)
{
    if (err == WH_ENOMEM) {
        return no_memory(r);
    }
    if (err != WH_OK) {
        return REFUSE(r, at, path_of(r, s, key), "%s", wh_buf_str(&r->why));
    }
    return WH_OK;
}

static wh_err read_list(struct reader *r, const struct scope *s, const wh_opt *o,
                        const struct key *key)
{
    yaml_mark_t start = mark_of(r);
    wh_conf_value_clear(o, s->base);
    for (;;) {
        wh_err err = next(r);
        if (err != WH_OK) {
            return err;
        }
        yaml_mark_t at = mark_of(r);
        if (type_of(r) == YAML_SEQUENCE_END_EVENT) {
            return place(r, s, key, start,
                         wh_conf_value_check_list(o, s->base, &r->why));
        }
        if (type_of(r) != YAML_SCALAR_EVENT || is_null(r)) {
            return REFUSE(r, at, path_of(r, s, key), "one value per item is expected");
        }
        err =
            place(r, s, key, at, wh_conf_value_append(o, s->base, scalar(r), &r->why));
        if (err != WH_OK) {
            return err;
        }
    }
}

static wh_err read_option(struct reader *r, const struct scope *s, const wh_opt *o,
                          const struct key *key, bool is_file)
{
    wh_conf_from *from = &s->from[o - s->opts];
    if ((o->flags & WH_OPT_FLAG_ONLY) != 0) {
        return REFUSE(r, key->mark, path_of(r, s, key),
                      "only the command line can set this");
    }
    if (from->kind == WH_CONF_FROM_FILE) {
        const char *other = from->is_secret_file != is_file ? OTHER_FORM : "";
        return REFUSE(r, key->mark, path_of(r, s, key), "already given in line %zu%s",
                      from->line, other);
    }
    *from = from_file(key->mark);
    from->is_secret_file = is_file;
    wh_err err = next(r);
    if (err != WH_OK) {
        return err;
    }
    yaml_mark_t at = mark_of(r); /* faults of a value are shown where it begins */
    if (type_of(r) == YAML_SEQUENCE_START_EVENT && o->type == WH_OPT_LIST) {
        set_place(from, at);
        return read_list(r, s, o, key);
    }
    if (type_of(r) != YAML_SCALAR_EVENT) {
        return REFUSE(r, at, path_of(r, s, key), "one value is expected");
    }
    if (is_null(r)) {
        return REFUSE(r, key->mark, path_of(r, s, key),
                      "the value is missing; write one, or remove the line");
    }
    set_place(from, at);
    err = is_file ? wh_conf_secret_set(r->c, o, s->base, scalar(r), &r->why)
                  : wh_conf_value_set(o, s->base, scalar(r), &r->why);
    return place(r, s, key, at, err);
}

static wh_err read_mapping(struct reader *r, const struct scope *s, const char *prefix,
                           unsigned depth);

/* What follows a group's name: a mapping, or nothing. */
static wh_err read_group(struct reader *r, const struct scope *s, const struct key *key,
                         unsigned depth)
{
    char prefix[WH_CONF_NAME_MAX + 1];
    (void)snprintf(prefix, sizeof prefix, "%s.", key->name);
    wh_err err = next(r);
    if (err != WH_OK || is_null(r)) {
        return err;
    }
    if (type_of(r) != YAML_MAPPING_START_EVENT) {
        return REFUSE(r, mark_of(r), path_of(r, s, key),
                      "a mapping of options is expected");
    }
    return read_mapping(r, s, prefix, depth + 1);
}

/* What follows an item's name: a mapping, the value of its first option, nothing. */
static wh_err read_item_value(struct reader *r, const struct scope *s,
                              const struct key *key, unsigned depth)
{
    wh_err err = next(r);
    if (err != WH_OK || is_null(r)) {
        return err;
    }
    if (type_of(r) == YAML_MAPPING_START_EVENT) {
        return read_mapping(r, s, "", depth + 1);
    }
    if (type_of(r) != YAML_SCALAR_EVENT || s->n_opts == 0) {
        return REFUSE(r, mark_of(r), key->name, "a mapping of options is expected");
    }
    yaml_mark_t at = mark_of(r);
    s->from[0] = from_file(at);
    struct key first = {.mark = at};
    (void)snprintf(first.name, sizeof first.name, "%s", s->opts[0].name);
    return place(r, s, &first, at,
                 wh_conf_value_set(&s->opts[0], s->base, scalar(r), &r->why));
}

static wh_err read_item(struct reader *r, size_t section, unsigned depth)
{
    const wh_opt_section *sec = &r->c->t->sections[section];
    struct key key = {.mark = mark_of(r)};
    char path[sizeof key.name + 1];
    if (type_of(r) != YAML_SCALAR_EVENT || is_null(r)) {
        return REFUSE(r, key.mark, sec->name, "a name is expected here");
    }
    int n = snprintf(key.name, sizeof key.name, "%s.%s", sec->name, scalar(r));
    if (n < 0 || (size_t)n >= sizeof key.name) {
        return REFUSE(r, key.mark, sec->name, "this name is too long");
    }
    if (strcmp(scalar(r), "<<") == 0) {
        return REFUSE(r, key.mark, NULL, "a merge key (<<) is not allowed");
    }
    wh_err err = wh_conf_items_add(r->c, section, scalar(r), &r->why);
    if (err != WH_OK) {
        (void)snprintf(key.name, sizeof key.name, "%s", sec->name);
        return place(r, &(struct scope){.path = ""}, &key, key.mark, err);
    }
    (void)snprintf(path, sizeof path, "%s.", key.name);
    struct scope item = {.opts = sec->opts, .n_opts = sec->n_opts, .path = path};
    item.base = wh_conf_items_last(r->c, section, &item.from);
    item.from[sec->n_opts] = from_file(key.mark);
    return read_item_value(r, &item, &key, depth);
}

static wh_err read_section(struct reader *r, size_t section, const struct key *key,
                           unsigned depth)
{
    wh_conf_from *from = &r->c->sections[section].from;
    if (from->kind == WH_CONF_FROM_FILE) {
        return REFUSE(r, key->mark, key->name, "already given in line %zu", from->line);
    }
    *from = from_file(key->mark);
    wh_err err = next(r);
    if (err != WH_OK || is_null(r)) {
        return err;
    }
    if (type_of(r) != YAML_MAPPING_START_EVENT) {
        return REFUSE(r, mark_of(r), key->name,
                      "a mapping of names is expected; write {%s}",
                      r->c->t->sections[section].example);
    }
    size_t open = r->ev.depth;
    err = next(r);
    while (err == WH_OK && type_of(r) != YAML_MAPPING_END_EVENT) {
        size_t at = r->ev.count;
        err = next_key(r, read_item(r, section, depth + 1), at, open);
    }
    return err;
}

static wh_err read_entry(struct reader *r, const struct scope *s, const struct key *key,
                         unsigned depth)
{
    bool is_file = false;
    const wh_opt *o = find_option(s, key->name, &is_file);
    if (o != NULL) {
        return read_option(r, s, o, key, is_file);
    }
    size_t section = find_section(r, s, key->name);
    if (section != SIZE_MAX) {
        return read_section(r, section, key, depth);
    }
    if (is_group(s, key->name)) {
        return read_group(r, s, key, depth);
    }
    return refuse_unknown(r, s, key);
}

/* Refuses a key that this mapping already had; options know by themselves, this is
 * for groups. seen: names, each with its NUL. */
static wh_err note_key(struct reader *r, wh_buf *seen, const struct key *key)
{
    for (size_t at = 0; at < seen->len; at += strlen(seen->data + at) + 1) {
        if (strcmp(seen->data + at, key->name) == 0) {
            return REFUSE(r, key->mark, key->name, "given twice");
        }
    }
    wh_buf_add(seen, key->name, strlen(key->name) + 1);
    return wh_buf_ok(seen) ? WH_OK : no_memory(r);
}

/* The start event has been read; returns at the end event. */
static wh_err read_mapping(struct reader *r, const struct scope *s, const char *prefix,
                           unsigned depth)
{
    if (depth > DEPTH_MAX) {
        return REFUSE(r, mark_of(r), NULL, "nested too deeply");
    }
    wh_buf seen = {0};
    size_t open = r->ev.depth;
    wh_err err = next(r);
    while (err == WH_OK && type_of(r) != YAML_MAPPING_END_EVENT) {
        struct key key;
        size_t at = r->ev.count;
        err = read_key(r, prefix, &key);
        if (err == WH_OK && is_group(s, key.name)) {
            err = note_key(r, &seen, &key);
        }
        if (err == WH_OK) {
            err = read_entry(r, s, &key, depth);
        }
        err = next_key(r, err, at, open);
    }
    wh_buf_fini(&seen);
    return err;
}

static wh_err read_document(struct reader *r)
{
    bool empty = false;
    wh_err err = wh_conf_events_begin(&r->ev, &empty);
    if (err != WH_OK || empty) {
        return err;
    }
    if (type_of(r) == YAML_MAPPING_START_EVENT) {
        struct scope top = {.opts = r->c->opts,
                            .n_opts = r->c->n_opts,
                            .from = r->c->from,
                            .base = r->c->values,
                            .path = "",
                            .has_sections = true};
        err = read_mapping(r, &top, "", 0);
    } else if (!is_null(r)) {
        err = REFUSE(r, mark_of(r), NULL, "a mapping of options is expected");
    }
    return err != WH_OK ? err : wh_conf_events_end(&r->ev);
}

wh_err wh_conf_file_parse(wh_conf *c, const char *path, const char *text, size_t n,
                          wh_errbuf *eb)
{
    struct reader r = {.c = c, .ev = {.path = path, .eb = eb, .report = c->report}};
    wh_err err = wh_conf_events_init(&r.ev, text, n);
    if (err != WH_OK) {
        return err;
    }
    err = read_document(&r);
    wh_conf_events_fini(&r.ev);
    wh_buf_fini(&r.why);
    return err;
}

wh_err wh_conf_file_load(wh_conf *c, const char *path, wh_errbuf *eb)
{
    wh_conf_read_result file = {0};
    wh_errbuf why = {.text = ""};
    wh_err err = wh_conf_read(path, FILE_MAX, &file, &why);
    if (err == WH_OK) {
        c->file_mode = file.mode;
        err = wh_conf_file_parse(c, path, wh_buf_str(&file.text), file.text.len, eb);
    } else if (err == WH_ENOMEM) {
        (void)wh_err_set(eb, err, "%s", why.text);
    } else {
        /* An unreadable file is a matter of configuration. The text names it. */
        size_t n = strlen(path) + strlen(": ");
        const wh_conf_refusal r = {
            .file = path, .message = strlen(why.text) > n ? why.text + n : why.text};
        err = wh_conf_refuse(c->report, eb, WH_ECONFIG, &r);
    }
    wh_conf_read_fini(&file);
    return err;
}
