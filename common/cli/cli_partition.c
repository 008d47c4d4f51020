/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition that nobody named is chosen only when there is no doubt: a command that
 * replays or purges must not guess. One is known when it is registered, or when its
 * figures say that something happened there: producers that speak plain Redis register
 * nothing.
 */
#include "common/cli/cli_partition.h"

#include "common/base/alloc.h"
#include "common/base/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_partition(wh_cli_partition *p)
{
    (void)snprintf(p->name, sizeof p->name, "%s:%s", p->region, p->queue);
}

static wh_exit make(wh_cli *c, const char *region, const char *queue,
                    wh_cli_partition *out)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_keys_partition(region, queue, out->key, &eb);

    if (err != WH_OK) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    WH_ASSERT(wh_keys_split(out->key, out->region, out->queue));
    name_partition(out);
    return WH_EXIT_OK;
}

/* A flag beside an operand that says otherwise: one of the two is a mistake, and nobody
 * but the user knows which. WHERRY_REGION is only a default. */
static wh_exit check_flags(wh_cli *c, const char *text, const wh_cli_partition *p)
{
    const char *const flags[][2] = {{"region", p->region}, {"queue", p->queue}};

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const char *value = wh_cli_args_text(&c->args, flags[i][0]);

        if (value != NULL && strcmp(value, flags[i][1]) != 0) {
            return wh_cli_usage(c, "%.160s and --%s %s contradict each other", text,
                                flags[i][0], value);
        }
    }
    return WH_EXIT_OK;
}

static wh_exit parse(wh_cli *c, const char *text, wh_cli_partition *out)
{
    const char *colon = strchr(text, ':');
    char region[WH_JOB_NAME_MAX + 2];

    if (colon == NULL) {
        return make(c, c->region, text, out);
    }
    if ((size_t)(colon - text) >= sizeof region) {
        return wh_cli_usage(c, "\"%.80s\" is no partition; write region:queue", text);
    }
    (void)snprintf(region, sizeof region, "%.*s", (int)(colon - text), text);
    return make(c, region, colon + 1, out);
}

wh_exit wh_cli_partition_parse(wh_cli *c, const char *text, wh_cli_partition *out)
{
    wh_exit status = parse(c, text, out);

    return status == WH_EXIT_OK ? check_flags(c, text, out) : status;
}

wh_exit wh_cli_partition_default(wh_cli *c, wh_cli_partition *out)
{
    return make(c, c->region, c->queue, out);
}

/* ---- the registry ---- */

void wh_cli_partition_list_fini(wh_cli_partitions *p)
{
    wh_free(p->list);
    *p = (wh_cli_partitions){.list = NULL};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const wh_cli_partition *)a)->name,
                  ((const wh_cli_partition *)b)->name);
}

bool wh_cli_partition_in(const wh_cli_partitions *all, const wh_cli_partition *p)
{
    return bsearch(p, all->list, all->n, sizeof *p, by_name) != NULL;
}

wh_exit wh_cli_partition_registered(wh_cli *c, wh_cli_partitions *out)
{
    const wh_reply *reply = NULL;
    wh_call call;

    *out = (wh_cli_partitions){.list = NULL};
    wh_call_init(&call, "wh1_partitions", true, WH_KEYS_REGISTRY);
    wh_exit status = wh_cli_redis_call(c, &call, &reply);
    if (status != WH_EXIT_OK) {
        return status;
    }
    size_t n = wh_reply_count(reply);
    out->list = wh_calloc(n + 1, sizeof *out->list);
    if (out->list == NULL) {
        return wh_cli_no_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        wh_cli_partition *p = &out->list[out->n];
        wh_slice key = wh_reply_str(wh_reply_at(reply, i));

        if (key.p != NULL && key.n < sizeof p->key &&
            wh_keys_split(key.p, p->region, p->queue)) {
            memcpy(p->key, key.p, key.n + 1);
            name_partition(p);
            out->n++;
        }
    }
    qsort(out->list, out->n, sizeof *out->list, by_name);
    return WH_EXIT_OK;
}

/* *is_new: it was not there. */
static wh_err register_quietly(wh_cli *c, const wh_cli_partition *p, bool *is_new,
                               wh_errbuf *eb)
{
    const wh_reply *reply = NULL;
    wh_call call;

    wh_call_init(&call, "wh1_register", false, WH_KEYS_REGISTRY);
    wh_call_args(&call, p->key);
    wh_err err = wh_cli_redis_try(c, &call, &reply, eb);
    *is_new = err == WH_OK && wh_reply_int(reply, 0) > 0;
    return err;
}

bool wh_cli_partition_register(wh_cli *c, const wh_cli_partition *p)
{
    wh_errbuf eb = {.code = WH_OK};
    bool is_new = false;
    wh_err err = register_quietly(c, p, &is_new, &eb);

    if (err != WH_OK && err != WH_EPERM) {
        wh_cli_warn(c, "it is done, but %s was not registered: %s", p->name, eb.text);
    }
    return is_new;
}

/* ---- known or not ---- */

/* The nearest name; failing that, the same queue in another region. NULL: none. */
static const char *nearest_in(const wh_cli_partitions *all, const wh_cli_partition *p)
{
    const char **names = wh_calloc(all->n + 1, sizeof *names);
    const char *best = NULL;
    size_t n = 0;

    for (size_t i = 0; names != NULL && i < all->n; i++) {
        if (strcmp(all->list[i].name, p->name) != 0) {
            names[n++] = all->list[i].name;
        }
    }
    best = n == 0 ? NULL : wh_conf_suggest(p->name, names, n);
    wh_free(names);
    for (size_t i = 0; best == NULL && i < all->n; i++) {
        if (strcmp(all->list[i].queue, p->queue) == 0 &&
            strcmp(all->list[i].region, p->region) != 0) {
            best = all->list[i].name;
        }
    }
    return best;
}

/* The registered name that p's may have been meant to be; "" when none is near. */
static wh_exit nearest(wh_cli *c, const wh_cli_partition *p,
                       char out[2 * WH_JOB_NAME_MAX + 2])
{
    wh_cli_partitions all;
    wh_exit status = wh_cli_partition_registered(c, &all);
    const char *best = status == WH_EXIT_OK ? nearest_in(&all, p) : NULL;

    (void)snprintf(out, sizeof p->name, "%s", best == NULL ? "" : best);
    wh_cli_partition_list_fini(&all);
    return status;
}

wh_exit wh_cli_partition_unknown(wh_cli *c, const wh_cli_partition *p, const char *hint)
{
    char other[sizeof p->name];
    wh_exit status = nearest(c, p, other);

    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_cli_error(c, "no partition %s is known%s%s%s (see wherry queue list%s%s)",
                 p->name, other[0] == '\0' ? "" : "; did you mean ", other,
                 other[0] == '\0' ? "" : "?", hint == NULL ? "" : "; ",
                 hint == NULL ? "" : hint);
    return WH_EXIT_NOTFOUND;
}

void wh_cli_partition_founded(wh_cli *c, const wh_cli_partition *p)
{
    char other[sizeof p->name];

    if (wh_cli_partition_register(c, p) && nearest(c, p, other) == WH_EXIT_OK &&
        other[0] != '\0') {
        wh_cli_note(c, "%s is a new partition; did you mean %s?", p->name, other);
    }
}

/* Do its figures tell of anything? All are 0 where nothing ever was, except the time and
 * the age of the oldest job, which is -1. */
static wh_exit look(wh_cli *c, const wh_cli_partition *p, bool *known)
{
    const wh_reply *stats = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_stats", true, p->key);
    wh_err err = wh_cli_redis_try(c, &call, &stats, &eb);
    *known = wh_cli_redis_is_damage(err);
    if (err != WH_OK) {
        return *known ? WH_EXIT_OK : wh_cli_redis_fail(c, p, err, &eb);
    }
    for (size_t i = 0; i + 1 < wh_reply_count(stats) && !*known; i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(stats, i));
        bool is_time = name.p != NULL && strcmp(name.p, "now_ms") == 0;

        *known = !is_time && wh_reply_int(wh_reply_at(stats, i + 1), 0) > 0;
    }
    return WH_EXIT_OK;
}

/* One that only its own figures know (a producer that speaks plain Redis made it) is registered, so that the
 * lists, the audit and the schedulers have it from then on. */
static wh_exit is_known(wh_cli *c, const wh_cli_partition *p, bool *known)
{
    wh_cli_partitions all;
    wh_errbuf eb = {.code = WH_OK};
    bool is_new = false;
    wh_exit status = wh_cli_partition_registered(c, &all);

    *known = status == WH_EXIT_OK && wh_cli_partition_in(&all, p);
    wh_cli_partition_list_fini(&all);
    if (status != WH_EXIT_OK || *known) {
        return status;
    }
    status = look(c, p, known);
    if (status == WH_EXIT_OK && *known) {
        (void)register_quietly(c, p, &is_new, &eb);
    }
    return status;
}

/* ---- the ones meant ---- */

static wh_exit choose(wh_cli *c, const wh_cli_partitions *all)
{
    wh_buf names = {0};

    for (size_t i = 0; i < all->n && i < 20; i++) {
        wh_buf_addf(&names, "%s%s", i == 0 ? "" : ", ", all->list[i].name);
    }
    wh_exit status = wh_cli_usage(c, "which partition? Name one of: %s%s",
                                  wh_buf_str(&names), all->n > 20 ? ", ..." : "");
    wh_buf_fini(&names);
    return status;
}

/* Nobody named it. */
static wh_exit guess(wh_cli *c, wh_cli_partition *out)
{
    wh_cli_partitions all;
    wh_exit status = wh_cli_partition_registered(c, &all);

    if (status == WH_EXIT_OK && all.n == 1) {
        *out = all.list[0];
    }
    if (status == WH_EXIT_OK && all.n > 1 && !wh_cli_partition_in(&all, out)) {
        status = choose(c, &all);
    }
    wh_cli_partition_list_fini(&all);
    return status;
}

static wh_exit named(wh_cli *c, const char *operand, wh_cli_partition *out)
{
    return operand != NULL ? wh_cli_partition_parse(c, operand, out)
                           : wh_cli_partition_default(c, out);
}

wh_exit wh_cli_partition_any(wh_cli *c, const char *operand, wh_cli_partition *out,
                             bool *known)
{
    wh_exit status = named(c, operand, out);

    if (status == WH_EXIT_OK && operand == NULL && !c->has_partition) {
        status = guess(c, out);
    }
    return status == WH_EXIT_OK ? is_known(c, out, known) : status;
}

static wh_exit named_and_known(wh_cli *c, const char *operand, wh_cli_partition *out)
{
    bool known = false;
    wh_exit status = named(c, operand, out);

    if (status == WH_EXIT_OK) {
        status = is_known(c, out, &known);
    }
    return status == WH_EXIT_OK && !known ? wh_cli_partition_unknown(c, out, NULL)
                                          : status;
}

wh_exit wh_cli_partition_one(wh_cli *c, const char *operand, wh_cli_partition *out)
{
    if (operand != NULL || c->has_partition) {
        return named_and_known(c, operand, out);
    }
    wh_exit status = wh_cli_partition_default(c, out);

    return status == WH_EXIT_OK ? guess(c, out) : status;
}

static wh_exit exactly(wh_cli *c, const char *operand, wh_cli_partitions *out)
{
    out->list = wh_calloc(2, sizeof *out->list);
    if (out->list == NULL) {
        return wh_cli_no_memory(c);
    }
    wh_exit status = named_and_known(c, operand, out->list);
    out->n = status == WH_EXIT_OK ? 1 : 0;
    return status;
}

wh_exit wh_cli_partition_all(wh_cli *c, const char *operand, wh_cli_partitions *out)
{
    size_t n = 0;

    *out = (wh_cli_partitions){.list = NULL};
    if (operand != NULL || (c->has_region && c->has_queue)) {
        return exactly(c, operand, out);
    }
    wh_exit status = wh_cli_partition_registered(c, out);
    if (status != WH_EXIT_OK || !c->has_partition) {
        return status;
    }
    for (size_t i = 0; i < out->n; i++) {
        const wh_cli_partition *p = &out->list[i];

        if (strcmp(p->region, c->has_region ? c->region : p->region) == 0 &&
            strcmp(p->queue, c->has_queue ? c->queue : p->queue) == 0) {
            out->list[n++] = *p;
        }
    }
    out->n = n;
    if (n == 0) {
        wh_cli_partition_list_fini(out);
        return exactly(c, NULL, out);
    }
    return WH_EXIT_OK;
}
