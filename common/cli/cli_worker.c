/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker process stands in every partition that it claims from; the list has one row
 * for each.
 */
#include "common/cli/cli_worker.h"

#include "common/base/clock.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { FIELDS = 5 };

static const wh_cli_column columns[] = {
    {"WORKER", "worker", false}, {"PARTITION", "partition", false},
    {"STATE", "state", false},   {"RUNNING", "held", true},
    {"LEASE", "lease_ms", true}, {"IDLE", "idle", false},
    {"INFO", "info", false},
};

/* "mail,sms" of an array of texts, such as the types that it has handlers for. */
static void names_text(const json_t *array, wh_buf *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *name = json_string_value(json_array_get(array, i));

        wh_buf_addf(text, "%s%s", i == 0 ? "" : ",", name == NULL ? "?" : name);
    }
}

/* "started_at=2026-11-21T…" of started_at_ms. */
static void integer_text(const char *name, int64_t value, wh_buf *text)
{
    static const char suffix[] = "_at_ms";
    size_t n = strlen(name);
    char iso[32];

    if (n > sizeof suffix - 1 && strcmp(name + n - (sizeof suffix - 1), suffix) == 0) {
        wh_buf_addf(text, "%.*s=%s", (int)(n - strlen("_ms")), name,
                    wh_clock_iso(value, iso, sizeof iso));
    } else {
        wh_buf_addf(text, "%s=%" PRId64, name, value);
    }
}

/* "host=a pid=12" of the flat members of what a worker says about itself. */
static void info_text(const char *json, size_t n, wh_buf *text, wh_buf *raw)
{
    json_error_t fault;
    json_t *object = json_loadb(json, n, JSON_REJECT_DUPLICATES, &fault);
    const char *name = NULL;
    json_t *value = NULL;

    if (!json_is_object(object)) {
        json_decref(object);
        wh_buf_adds(raw, "null");
        return;
    }
    char *compact = json_dumps(object, JSON_COMPACT); /* one line for certain */
    wh_buf_adds(raw, compact == NULL ? "null" : compact);
    free(compact);
    json_object_foreach(object, name, value)
    {
        wh_buf_adds(text, text->len == 0 ? "" : " ");
        if (json_is_string(value)) {
            wh_buf_addf(text, "%s=%s", name, json_string_value(value));
        } else if (json_is_integer(value)) {
            integer_text(name, json_integer_value(value), text);
        } else if (json_is_boolean(value)) {
            wh_buf_addf(text, "%s=%s", name, json_is_true(value) ? "yes" : "no");
        } else if (json_is_array(value)) {
            wh_buf_addf(text, "%s=", name);
            names_text(value, text);
        }
    }
    json_decref(object);
}

static void add_row(wh_cli_table *t, const wh_cli_partition *p, const wh_reply *r,
                    size_t i)
{
    wh_slice name = wh_reply_str(wh_reply_at(r, i));
    wh_slice info = wh_reply_str(wh_reply_at(r, i + 4));
    int64_t lease_ms = wh_reply_int(wh_reply_at(r, i + 1), 0);
    wh_buf text = {0};
    wh_buf raw = {0};

    info_text(info.p == NULL ? "" : info.p, info.n, &text, &raw);
    wh_cli_table_slice(t, name.p == NULL ? "" : name.p, name.n);
    wh_cli_table_text(t, p->name);
    wh_cli_table_colored(t, lease_ms > 0 ? "live" : "lost", lease_ms > 0 ? "32" : "31");
    wh_cli_table_int(t, wh_reply_int(wh_reply_at(r, i + 2), 0));
    wh_cli_table_ms(t, lease_ms > 0 ? lease_ms : 0);
    wh_cli_table_bool(t, wh_reply_int(wh_reply_at(r, i + 3), 0) != 0, "idle");
    wh_cli_table_raw(t, wh_buf_str(&raw), wh_buf_str(&text));
    wh_cli_table_row(t);
    wh_buf_fini(&text);
    wh_buf_fini(&raw);
}

/* What a damaged partition costs: a message now and WH_EXIT_DATA in *damage at the end,
 * while the others have their turn. */
static wh_exit go_on(wh_cli *c, const wh_cli_partition *p, wh_err err,
                     const wh_errbuf *eb, wh_exit *damage)
{
    wh_exit status = wh_cli_redis_fail(c, p, err, eb);

    if (!wh_cli_redis_is_damage(err)) {
        return status;
    }
    *damage = WH_EXIT_DATA;
    return WH_EXIT_OK;
}

static wh_exit list_one(wh_cli *c, const wh_cli_partition *p, wh_cli_table *t,
                        wh_exit *damage)
{
    const wh_reply *reply = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_workers", true, p->key);
    wh_err err = wh_cli_redis_try(c, &call, &reply, &eb);
    if (err != WH_OK) {
        return go_on(c, p, err, &eb, damage);
    }
    for (size_t i = 0; i + FIELDS <= wh_reply_count(reply); i += FIELDS) {
        add_row(t, p, reply, i);
    }
    return WH_EXIT_OK;
}

wh_exit wh_cli_worker_list(wh_cli *c)
{
    wh_cli_partitions all = {.list = NULL};
    wh_cli_table t;
    wh_exit damage = WH_EXIT_OK;
    wh_exit status = wh_cli_redis_open(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_all(c, wh_cli_args_operand(&c->args, 0), &all);
    }
    wh_cli_table_init(&t, c, columns, sizeof columns / sizeof columns[0]);
    for (size_t p = 0; p < all.n && status == WH_EXIT_OK; p++) {
        status = list_one(c, &all.list[p], &t, &damage);
    }
    bool is_sound = status == WH_EXIT_OK && damage == WH_EXIT_OK;
    wh_exit printed = wh_cli_table_finish(&t, is_sound ? "no worker is known" : NULL);
    wh_cli_partition_list_fini(&all);
    status = status == WH_EXIT_OK ? printed : status;
    return status == WH_EXIT_OK ? damage : status;
}

/* WH_EXIT_OK also when the worker is not known there; *found counts where it is. */
static wh_exit quiet_one(wh_cli *c, const wh_cli_partition *p, const char *name,
                         size_t *found, wh_exit *damage)
{
    wh_buf more = {0};
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_quiet", false, p->key);
    wh_call_args(&call, name);
    wh_err err = wh_cli_redis_try(c, &call, NULL, &eb);
    if (err == WH_ENOTFOUND) {
        return WH_EXIT_OK;
    }
    if (err != WH_OK) {
        return go_on(c, p, err, &eb, damage);
    }
    (*found)++;
    wh_cli_note(c, "%s claims nothing more from %s", name, p->name);
    wh_buf_addf(&more, ",\"worker\":\"%s\"", name);
    wh_exit status = wh_cli_out_changed(c, p->name, &more, "quiet");
    wh_buf_fini(&more);
    return status;
}

wh_exit wh_cli_worker_quiet(wh_cli *c)
{
    wh_cli_partitions all = {.list = NULL};
    const char *name = wh_cli_args_operand(&c->args, 0);
    size_t found = 0;
    wh_exit damage = WH_EXIT_OK;

    if (!wh_job_name_ok(name, strlen(name))) {
        return wh_cli_usage(c, "\"%.70s\" is no worker's name", name);
    }
    wh_exit status = wh_cli_redis_open(c);
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_all(c, wh_cli_args_operand(&c->args, 1), &all);
    }
    for (size_t i = 0; i < all.n && status == WH_EXIT_OK; i++) {
        status = quiet_one(c, &all.list[i], name, &found, &damage);
    }
    if (status == WH_EXIT_OK && found == 0) {
        wh_cli_error(c, "there is no worker %s (see wherry worker list)", name);
        status = damage == WH_EXIT_OK ? WH_EXIT_NOTFOUND : damage;
    }
    wh_cli_partition_list_fini(&all);
    return status == WH_EXIT_OK ? damage : status;
}
