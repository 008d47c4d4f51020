/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All words are read before anything is sent, and go in calls of at most 100: each all or
 * nothing.
 */
#include "common/cli/cli_limit.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/conf.h"
#include "common/cli/cli_near.h"
#include "common/cli/cli_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTINGS_MAX = 100 }; /* of a call */
static const char STATE[] =
    "state:"; /* what wh1_limits puts before a breaker's state */
static const char MORE[] =
    "state:more"; /* and before how many states it does not list */

/* The operands that are no settings: at most the first, the partition. */
static size_t settings_from(const wh_cli_args *a)
{
    const char *first = wh_cli_args_operand(a, 0);
    wh_cli_setting as_setting;

    return strpbrk(first, "=/") != NULL ||
                   wh_cli_setting_name(first, &as_setting, NULL) == WH_OK
               ? 0
               : 1;
}

typedef wh_err read_fn(const char *word, wh_cli_setting *out, wh_errbuf *eb);

/* Two names with a colon; a lone one may be a setting that was mistyped. */
static bool is_partition(const char *word)
{
    const char *colon = strchr(word, ':');

    return colon != NULL && wh_job_name_ok(word, (size_t)(colon - word)) &&
           wh_job_name_ok(colon + 1, strlen(colon + 1));
}

static wh_exit partition_late(wh_cli *c, const char *word)
{
    const wh_cli_args *a = &c->args;

    return wh_cli_usage(c, "the partition comes first: wherry limit %s %.130s %.200s%s",
                        a->command->verb, word, wh_cli_args_operand(a, 0),
                        a->n_operands > 2 ? " ..." : "");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static wh_exit check_twice(wh_cli *c, const wh_cli_setting *list, size_t n)
{
    const char **names = wh_calloc(n, sizeof *names);
    wh_exit status = WH_EXIT_OK;

    if (names == NULL) {
        return wh_cli_no_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = list[i].name;
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 1; i < n && status == WH_EXIT_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = wh_cli_usage(c, "%s is there twice", names[i]);
        }
    }
    wh_free(names);
    return status;
}

/* *list is to be freed in any case. */
static wh_exit read_settings(wh_cli *c, size_t from, read_fn *read,
                             wh_cli_setting **list)
{
    const wh_cli_args *a = &c->args;
    size_t n = a->n_operands - from;
    wh_cli_setting only; /* a lone operand may be a setting with a typing error */
    wh_errbuf eb = {.code = WH_OK};

    *list = NULL;
    if (n == 0 && read(wh_cli_args_operand(a, 0), &only, &eb) != WH_OK &&
        strstr(eb.text, "did you mean") != NULL) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    if (n == 0) {
        return wh_cli_usage(c, "say which limit, like active:org/acme%s",
                            read == wh_cli_setting_parse ? "=5" : "");
    }
    *list = wh_calloc(n, sizeof **list);
    if (*list == NULL) {
        return wh_cli_no_memory(c);
    }
    for (size_t i = 0; i < n; i++) {
        const char *word = wh_cli_args_operand(a, from + i);

        if (read(word, &(*list)[i], &eb) != WH_OK) {
            return from == 0 && is_partition(word) &&
                           strstr(eb.text, "did you mean") == NULL
                       ? partition_late(c, word)
                       : wh_cli_usage(c, "%s", eb.text);
        }
    }
    return check_twice(c, *list, n);
}

static bool is_pace(const char *name)
{
    return strncmp(name, WH_CLI_LIMIT_PACE, strlen(WH_CLI_LIMIT_PACE)) == 0;
}

/* A removal of what is not set changes nothing: a hint, not an error. */
static void note_unset(wh_cli *c, const wh_cli_partition *p, wh_cli_setting *setting,
                       const wh_reply *flat)
{
    const char *name = setting->name;
    size_t n = wh_reply_count(flat) / 2;
    const char **names = wh_calloc(n + 1, sizeof *names);
    size_t used = 0;

    for (size_t i = 0; names != NULL && i < n; i++) {
        const char *set = wh_reply_str(wh_reply_at(flat, 2 * i)).p;

        if (set != NULL && strcmp(set, name) == 0) {
            wh_free(names);
            return;
        }
        if (set != NULL && strncmp(set, STATE, sizeof STATE - 1) != 0 &&
            !is_pace(set)) {
            names[used++] = set;
        }
    }
    setting->was_unset = true;
    const char *nearest = used == 0 ? NULL : wh_conf_suggest(name, names, used);
    wh_cli_note(c, "%s: %s was not set%s%s%s", p->name, name,
                nearest == NULL ? "" : "; did you mean ",
                nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
    wh_free(names);
}

static void note_all_unset(wh_cli *c, const wh_cli_partition *p, wh_cli_setting *list,
                           size_t n)
{
    const wh_reply *flat = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_limits", true, p->key);
    if (wh_cli_redis_try(c, &call, &flat, &eb) == WH_OK) {
        for (size_t i = 0; i < n; i++) {
            note_unset(c, p, &list[i], flat);
        }
    }
}

static wh_err send(wh_cli *c, const wh_cli_partition *p, const wh_cli_setting *list,
                   size_t n, wh_errbuf *eb)
{
    wh_call call;

    wh_call_init(&call, "wh1_limit", false, p->key);
    for (size_t i = 0; i < n; i++) {
        wh_call_args(&call, list[i].name);
        wh_call_args(&call, list[i].value);
    }
    return wh_cli_redis_try(c, &call, NULL, eb);
}

wh_exit wh_cli_limit_apply(wh_cli *c, const wh_cli_partition *p, wh_cli_setting *list,
                           size_t n)
{
    wh_errbuf eb = {.code = WH_OK};
    bool is_removal = n > 0 && list[0].value[0] == '\0';

    if (is_removal) {
        note_all_unset(c, p, list, n);
    }
    for (size_t i = 0; i < n; i += SETTINGS_MAX) {
        size_t some = n - i < SETTINGS_MAX ? n - i : SETTINGS_MAX;
        wh_err err = send(c, p, list + i, some, &eb);

        if (err != WH_OK && i > 0) {
            wh_cli_error(c, "stopped; the first %zu of %zu are %s", i, n,
                         is_removal ? "removed" : "in force");
        }
        if (err != WH_OK) {
            return wh_cli_redis_fail(c, p, err, &eb);
        }
    }
    return WH_EXIT_OK;
}

/* {"partition":…,"settings":{NAME:VALUE…},"result":…} */
static wh_exit tell(wh_cli *c, const wh_cli_partition *p, const wh_cli_setting *list,
                    size_t n, const char *result)
{
    wh_buf more = {0};

    wh_buf_adds(&more, ",\"settings\":{");
    for (size_t i = 0; i < n; i++) {
        bool removed = list[i].value[0] == '\0';
        wh_buf shown = {0};

        wh_cli_setting_show(list[i].name, list[i].value, &shown);
        if (!list[i].was_unset) {
            wh_cli_note(c, removed ? "%s: no %s any more%s%s" : "%s: %s%s%s", p->name,
                        list[i].name, removed ? "" : "=", wh_buf_str(&shown));
        }
        wh_buf_adds(&more, i == 0 ? "" : ",");
        wh_buf_add_json(&more, list[i].name, strlen(list[i].name));
        wh_buf_addc(&more, ':');
        if (removed) {
            wh_buf_adds(&more, "null");
        } else {
            wh_buf_add_json(&more, list[i].value, strlen(list[i].value));
        }
        wh_buf_fini(&shown);
    }
    wh_buf_addc(&more, '}');
    wh_exit status = wh_cli_out_changed(c, p->name, &more, result);
    wh_buf_fini(&more);
    return status;
}

static wh_exit change(wh_cli *c, read_fn *read, const char *result)
{
    size_t from = settings_from(&c->args), n = c->args.n_operands - from;
    wh_cli_setting *list = NULL;
    wh_cli_partition p;
    bool known = false;
    wh_exit status = read_settings(c, from, read, &list);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_any(
            c, from == 1 ? wh_cli_args_operand(&c->args, 0) : NULL, &p, &known);
    }
    if (status == WH_EXIT_OK && !known && read == wh_cli_setting_name) {
        status = wh_cli_partition_unknown(c, &p, NULL);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_limit_apply(c, &p, list, n);
    }
    if (status == WH_EXIT_OK) {
        if (!known) {
            wh_cli_partition_founded(c, &p);
        }
        status = tell(c, &p, list, n, result);
        bool is_few = n <= SETTINGS_MAX; /* each takes calls of its own */
        for (size_t i = 0; i < n && is_few && read == wh_cli_setting_parse; i++) {
            wh_cli_near_scope(c, &p, list[i].name + strcspn(list[i].name, ":") + 1);
        }
    }
    wh_free(list);
    return status;
}

wh_exit wh_cli_limit_set(wh_cli *c)
{
    return change(c, wh_cli_setting_parse, "set");
}

wh_exit wh_cli_limit_remove(wh_cli *c)
{
    return change(c, wh_cli_setting_name, "removed");
}

/* ---- list ---- */

static const wh_cli_column columns[] = {
    {"SETTING", "setting", false},   {"VALUE", NULL, false},
    {NULL, "value", false},          {NULL, "partition", false},
    {"STATE", NULL, false},          {NULL, "state", false},
    {NULL, "state_ms", false},       {NULL, "rate_now", false},
    {NULL, "retry_after_ms", false}, {NULL, "set", false},
};

void wh_cli_limit_show_state(const char *value, wh_buf *out)
{
    size_t len = strcspn(value, " ");
    int64_t left = value[len] == ' ' ? strtoll(value + len + 1, NULL, 10) : 0;
    char human[24];

    wh_buf_add(out, value, len);
    if (left > 0) {
        wh_buf_addf(out, ", probes in %s", wh_clock_human(left, human, sizeof human));
    }
}

void wh_cli_limit_show_pace(const char *value, wh_buf *out)
{
    size_t len = strcspn(value, " ");
    char human[24];

    wh_buf_add(out, value, len);
    wh_buf_adds(out, "/s now");
    if (value[len] == ' ') {
        wh_buf_addf(
            out, ", held by a handler's Retry-After for %s",
            wh_clock_human(strtoll(value + len + 1, NULL, 10), human, sizeof human));
    }
}

typedef struct row {
    const char *name, *value;
} row;

const char *wh_cli_limit_value(const wh_reply *flat, const char *name)
{
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice s = wh_reply_str(wh_reply_at(flat, i));

        if (s.p != NULL && strcmp(s.p, name) == 0) {
            return wh_reply_str(wh_reply_at(flat, i + 1)).p;
        }
    }
    return NULL;
}

/* "open 4000" as a word and a number; is_raw: a number and a number. */
static void add_pair(wh_cli_table *t, const char *text, bool is_raw)
{
    size_t len = text == NULL ? 0 : strcspn(text, " ");
    wh_buf first = {0};

    if (text == NULL) {
        wh_cli_table_text(t, NULL);
        wh_cli_table_raw(t, "null", "");
        return;
    }
    wh_buf_add(&first, text, len);
    if (is_raw) {
        wh_cli_table_raw(t, wh_buf_str(&first), "");
        wh_cli_table_raw(t, text[len] == ' ' ? text + len + 1 : "null", "");
    } else {
        wh_cli_table_slice(t, text, len);
        wh_cli_table_raw(t, text[len] == ' ' ? text + len + 1 : "0", "");
    }
    wh_buf_fini(&first);
}

/* state: of a breaker, or NULL. pace: of an adaptive rate, or NULL. */
static void add_row(wh_cli_table *t, const wh_cli_partition *p, const row *r,
                    const char *state, const char *pace)
{
    wh_buf shown = {0}, human = {0};
    size_t len = state == NULL ? 0 : strcspn(state, " ");

    wh_cli_setting_show(r->name, r->value, &shown);
    if (state != NULL) {
        wh_cli_limit_show_state(state, &human);
    } else if (pace != NULL) {
        wh_cli_limit_show_pace(pace, &human);
    }
    wh_cli_table_text(t, r->name);
    wh_cli_table_text(t, wh_buf_str(&shown));
    wh_cli_table_text(t, r->value);
    wh_cli_table_text(t, p->name);
    wh_cli_table_colored(t, wh_buf_str(&human), len == 4 ? "31" : NULL);
    add_pair(t, state, false);
    add_pair(t, pace, true);
    wh_buf_clear(&human);
    wh_buf_addf(&human, "%s=%s", r->name, wh_buf_str(&shown));
    wh_cli_table_text(t, wh_buf_str(&human));
    wh_cli_table_row(t);
    wh_buf_fini(&shown);
    wh_buf_fini(&human);
}

static int by_name(const void *a, const void *b)
{
    const row *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* A setting with its state. Each type whose breaker comes from the one for all types has
 * a row, too. */
static void add_rows(wh_cli_table *t, const wh_cli_partition *p, const wh_reply *flat,
                     row *rows, size_t n)
{
    const char *any = wh_cli_limit_value(flat, "breaker:type/*");

    qsort(rows, n, sizeof *rows, by_name);
    for (size_t i = 0; i < n; i++) {
        wh_buf other = {0};
        const char *name = rows[i].name;

        if (strncmp(name, STATE, sizeof STATE - 1) == 0) {
            wh_buf_addf(&other, "breaker:%s", name + sizeof STATE - 1);
            if (wh_cli_limit_value(flat, wh_buf_str(&other)) == NULL && any != NULL) {
                add_row(t, p, &(row){wh_buf_str(&other), any}, rows[i].value, NULL);
            }
        } else if (!is_pace(name)) {
            wh_buf_addf(&other, "state:%s", name + strcspn(name, ":") + 1);
            const char *state = strncmp(name, "breaker:", 8) == 0
                                    ? wh_cli_limit_value(flat, wh_buf_str(&other))
                                    : NULL;
            wh_buf_clear(&other);
            wh_buf_addf(&other, WH_CLI_LIMIT_PACE "%s", name + strcspn(name, ":") + 1);
            add_row(t, p, &rows[i], state,
                    strncmp(name, "adaptive:", 9) == 0
                        ? wh_cli_limit_value(flat, wh_buf_str(&other))
                        : NULL);
        }
        wh_buf_fini(&other);
    }
}

wh_exit wh_cli_limit_list(wh_cli *c)
{
    const wh_reply *flat = NULL;
    wh_cli_partition p;
    wh_cli_table t;
    char empty[192];
    wh_exit status = wh_cli_redis_open(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_one(c, wh_cli_args_operand(&c->args, 0), &p);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_ask(c, "wh1_limits", &p, &flat);
    }
    if (status != WH_EXIT_OK) {
        return status;
    }
    row *rows = wh_calloc(wh_reply_count(flat) / 2 + 1, sizeof *rows);
    if (rows == NULL) {
        return wh_cli_no_memory(c);
    }
    size_t n = 0;
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        rows[n].name = wh_reply_str(wh_reply_at(flat, i)).p;
        rows[n].value = wh_reply_str(wh_reply_at(flat, i + 1)).p;
        n += rows[n].name != NULL && rows[n].value != NULL &&
             strcmp(rows[n].name, MORE) != 0;
    }
    wh_cli_table_init(&t, c, columns, sizeof columns / sizeof columns[0]);
    add_rows(&t, &p, flat, rows, n);
    wh_free(rows);
    (void)snprintf(empty, sizeof empty, "%s has no limits", p.name);
    status = wh_cli_table_finish(&t, empty);
    const char *more = wh_cli_limit_value(flat, MORE);
    if (more != NULL) {
        wh_cli_error(c, "%s more types have a breaker that is not closed", more);
    }
    return status;
}
