/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built once per executor; the command executor adds each job's variables to a copy.
 */
#include "worker/executors/environ.h"

#include "common/base/alloc.h"

#include <string.h>

extern char **environ;

static bool is_name(const char *item, const char *name)
{
    size_t n = strlen(name);
    return strncmp(item, name, n) == 0 && item[n] == '=';
}

static bool is_private(const char *item)
{
    return strncmp(item, "WHERRY_", 7) == 0 || is_name(item, "REDIS_URL") ||
           is_name(item, "REDIS_PASSWORD") || is_name(item, "REDISCLI_AUTH");
}

/* Takes item. */
static wh_err append(wh_environ *e, char *item)
{
    char **items =
        item == NULL ? NULL : wh_grow(e->items, &e->cap, e->count + 2, sizeof *items);
    if (items == NULL) {
        wh_free(item);
        return WH_ENOMEM;
    }
    e->items = items;
    e->items[e->count++] = item;
    e->items[e->count] = NULL;
    return WH_OK;
}

wh_err wh_environ_set(wh_environ *e, const char *name, const char *value, size_t n)
{
    char *item = wh_asprintf("%s=%.*s", name, (int)n, value);
    for (size_t i = 0; item != NULL && i < e->count; i++) {
        if (is_name(e->items[i], name)) {
            wh_free(e->items[i]);
            e->items[i] = item;
            return WH_OK;
        }
    }
    return append(e, item);
}

const char *wh_environ_get(const wh_environ *e, const char *name)
{
    for (size_t i = 0; i < e->count; i++) {
        if (is_name(e->items[i], name)) {
            return e->items[i] + strlen(name) + 1;
        }
    }
    return NULL;
}

bool wh_environ_is_variable(const char *item)
{
    const char *equals = strchr(item, '=');
    return equals != NULL && equals != item;
}

static wh_err add_configured(wh_environ *e, const char *item, wh_errbuf *eb)
{
    const char *equals = strchr(item, '=');
    if (equals == NULL || !wh_environ_is_variable(item)) {
        return wh_err_set(eb, WH_ECONFIG, "env \"%.80s\" is not NAME=VALUE", item);
    }
    char *name = wh_strndup(item, (size_t)(equals - item));
    wh_err err = name == NULL ? WH_ENOMEM
                              : wh_environ_set(e, name, equals + 1, strlen(equals + 1));
    wh_free(name);
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "out of memory");
}

static wh_err inherit(wh_environ *e)
{
    for (char **item = environ; item != NULL && *item != NULL; item++) {
        wh_err err = is_private(*item) ? WH_OK : append(e, wh_strdup(*item));
        if (err != WH_OK) {
            return err;
        }
    }
    return WH_OK;
}

wh_err wh_environ_init(wh_environ *e, const wh_executor_setup *s, wh_errbuf *eb)
{
    const char *worker = s->worker != NULL ? s->worker : "";
    const char *region = s->region != NULL ? s->region : "";
    *e = (wh_environ){0};
    wh_err err = inherit(e);
    if (err == WH_OK) {
        err = wh_environ_set(e, "WHERRY_WORKER", worker, strlen(worker));
    }
    if (err == WH_OK) {
        err = wh_environ_set(e, "WHERRY_REGION", region, strlen(region));
    }
    if (err != WH_OK) {
        wh_environ_fini(e);
        return wh_err_set(eb, err, "out of memory");
    }
    for (size_t i = 0; i < s->config->env.count; i++) {
        err = add_configured(e, s->config->env.items[i], eb);
        if (err != WH_OK) {
            wh_environ_fini(e);
            return err;
        }
    }
    return WH_OK;
}

void wh_environ_fini(wh_environ *e)
{
    for (size_t i = 0; i < e->count; i++) {
        wh_free(e->items[i]);
    }
    wh_free(e->items);
    *e = (wh_environ){0};
}

wh_err wh_environ_copy(const wh_environ *from, wh_environ *to)
{
    *to = (wh_environ){0};
    for (size_t i = 0; i < from->count; i++) {
        wh_err err = append(to, wh_strdup(from->items[i]));
        if (err != WH_OK) {
            wh_environ_fini(to);
            return err;
        }
    }
    return WH_OK;
}
