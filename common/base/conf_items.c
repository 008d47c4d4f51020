/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The named items of a section ("queues", "handlers"): an array of structs of the
 * caller's layout, first member `char *name`, grown as items come. Beside it runs
 * the array that tells where each item's options, and the item itself, come from.
 * Both belong to the wh_conf; names are unique within a section.
 */
#include "common/base/alloc.h"
#include "common/base/conf_internal.h"

#include <string.h>

wh_conf_items *wh_conf_items_of(const wh_conf *c, size_t at)
{
    void *p = (char *)c->values + c->t->sections[at].offset;
    return p;
}

void *wh_conf_items_at(const wh_conf *c, size_t at, size_t i)
{
    return (char *)wh_conf_items_of(c, at)->items + i * c->t->sections[at].item_size;
}

static const char *name_of(const void *item)
{
    char *const *name = item;
    return *name;
}

void *wh_conf_items_find(const wh_conf *c, size_t at, const char *name)
{
    size_t n = wh_conf_items_of(c, at)->count;
    for (size_t i = 0; i < n; i++) {
        void *item = wh_conf_items_at(c, at, i);
        if (strcmp(name_of(item), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* Sources per item. */
static size_t stride(const wh_opt_section *s)
{
    return s->n_opts + 1;
}

wh_conf_from *wh_conf_items_from(const wh_conf *c, size_t at, size_t i)
{
    return c->sections[at].opts + i * stride(&c->t->sections[at]);
}

void *wh_conf_items_last(const wh_conf *c, size_t at, wh_conf_from **from)
{
    size_t i = wh_conf_items_of(c, at)->count - 1;
    *from = wh_conf_items_from(c, at, i);
    return wh_conf_items_at(c, at, i);
}

static void item_fini(const wh_opt_section *s, void *item)
{
    char **name = item;
    for (size_t i = 0; i < s->n_opts; i++) {
        wh_conf_value_clear(&s->opts[i], item);
    }
    wh_free(*name);
    *name = NULL;
}

void wh_conf_items_clear(wh_conf *c, size_t at)
{
    wh_conf_items *items = wh_conf_items_of(c, at);
    for (size_t i = 0; i < items->count; i++) {
        item_fini(&c->t->sections[at], wh_conf_items_at(c, at, i));
    }
    wh_free(items->items);
    wh_free(c->sections[at].opts);
    *items = (wh_conf_items){0};
    c->sections[at] = (wh_conf_section){0};
}

static wh_err make_room(wh_conf *c, size_t at)
{
    const wh_opt_section *s = &c->t->sections[at];
    wh_conf_section *state = &c->sections[at];
    wh_conf_items *items = wh_conf_items_of(c, at);
    void *grown =
        wh_grow(items->items, &state->cap_items, items->count + 1, s->item_size);
    if (grown == NULL) {
        return WH_ENOMEM;
    }
    items->items = grown;
    wh_conf_from *from = wh_grow(state->opts, &state->cap_opts,
                                 (items->count + 1) * stride(s), sizeof *from);
    if (from == NULL) {
        return WH_ENOMEM;
    }
    state->opts = from;
    return WH_OK;
}

static wh_err refuse(wh_buf *why, const char *text)
{
    wh_buf_adds(why, text);
    return wh_buf_ok(why) ? WH_EINVAL : WH_ENOMEM;
}

static wh_err check_name(const wh_conf *c, size_t at, const char *name, wh_buf *why)
{
    const wh_opt_section *s = &c->t->sections[at];
    if (name[0] == '\0') {
        return refuse(why, "a name must not be empty");
    }
    if (wh_conf_items_of(c, at)->count == WH_CONF_ITEMS_MAX) {
        return refuse(why, "there are too many items");
    }
    if (wh_conf_items_find(c, at, name) != NULL) {
        wh_conf_format_quote(why, name);
        return refuse(why, " is given twice");
    }
    return wh_conf_value_check(s->check_name, name, why);
}

wh_err wh_conf_items_add(wh_conf *c, size_t at, const char *name, wh_buf *why)
{
    const wh_opt_section *s = &c->t->sections[at];
    wh_conf_items *items = wh_conf_items_of(c, at);
    wh_err err = check_name(c, at, name, why);
    if (err == WH_OK) {
        err = make_room(c, at);
    }
    if (err != WH_OK) {
        return err;
    }
    char *item = wh_conf_items_at(c, at, items->count);
    memset(item, 0, s->item_size);
    memset(wh_conf_items_from(c, at, items->count), 0,
           stride(s) * sizeof(wh_conf_from));
    char *copy = wh_strdup(name);
    if (copy == NULL) {
        return WH_ENOMEM;
    }
    memcpy(item, &copy, sizeof copy);
    err = wh_conf_value_defaults(s->opts, s->n_opts, item, why);
    if (err != WH_OK) {
        item_fini(s, item);
        return err;
    }
    items->count++;
    return WH_OK;
}

wh_err wh_conf_items_add_text(wh_conf *c, size_t at, const char *text,
                              wh_conf_from from, wh_buf *why)
{
    const wh_opt_section *s = &c->t->sections[at];
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    char *name = wh_strndup(text, len);
    if (name == NULL) {
        return WH_ENOMEM;
    }
    wh_err err = wh_conf_items_add(c, at, name, why);
    wh_free(name);
    if (err != WH_OK) {
        return err;
    }
    wh_conf_from *opts = NULL;
    void *item = wh_conf_items_last(c, at, &opts);
    opts[s->n_opts] = from;
    if (equals == NULL) {
        return WH_OK;
    }
    if (s->n_opts == 0) {
        return refuse(why, "a name takes no value here");
    }
    opts[0] = from;
    err = wh_conf_value_set(&s->opts[0], item, equals + 1, why);
    if (err != WH_OK) { /* or a later check would say that the value is missing */
        item_fini(s, item);
        wh_conf_items_of(c, at)->count--;
    }
    return err;
}
