/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures come from wh1_stats of each partition, one call each: there is no moment at
 * which all partitions were looked at.
 */
#include "common/cli/cli_queue.h"

#include "common/base/clock.h"
#include "common/base/conf.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- list ---- */

static const wh_cli_column list_columns[] = {
    {"PARTITION", "partition", false},
    {NULL, "region", false},
    {NULL, "queue", false},
    {"PENDING", "pending", true},
    {"SCHEDULED", "scheduled", true},
    {"RUNNING", "in_progress", true},
    {"DEAD", "dead", true},
    {"KEPT", "kept", true},
    {"ORGS", "orgs", true},
    {"WORKERS", "workers", true},
    {"OLDEST", "oldest_ms", true},
    {"STATE", "paused", false},
    {NULL, "damaged", false},
};

/* stats NULL: it has none, as something in it is not Wherry's. */
static void list_row(wh_cli_table *t, const wh_cli_partition *p, const wh_reply *stats)
{
    static const char *const numbers[] = {"pending", "scheduled", "in_progress", "dead",
                                          "kept",    "orgs",      "workers"};

    wh_cli_table_text(t, p->name);
    wh_cli_table_text(t, p->region);
    wh_cli_table_text(t, p->queue);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (stats == NULL) {
            wh_cli_table_raw(t, "null", "-");
        } else {
            wh_cli_table_int(t, wh_cli_redis_field(stats, numbers[i], 0));
        }
    }
    if (stats == NULL) {
        wh_cli_table_raw(t, "null", "-");
        wh_cli_table_raw(t, "null", "damaged");
    } else {
        wh_cli_table_ms(t, wh_cli_redis_field(stats, "oldest_ms", -1));
        wh_cli_table_bool(t, wh_cli_redis_field(stats, "paused", 0) != 0, "paused");
    }
    wh_cli_table_bool(t, stats == NULL, "");
    wh_cli_table_row(t);
}

/* A damaged one gets its row and a message too, and the list goes on: *damage becomes
 * WH_EXIT_DATA. */
static wh_exit list_one(wh_cli *c, const wh_cli_partition *p, wh_cli_table *t,
                        wh_exit *damage)
{
    const wh_reply *stats = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_stats", true, p->key);
    wh_err err = wh_cli_redis_try(c, &call, &stats, &eb);
    if (err == WH_OK) {
        list_row(t, p, stats);
        return WH_EXIT_OK;
    }
    wh_exit status = wh_cli_redis_fail(c, p, err, &eb);
    if (!wh_cli_redis_is_damage(err)) {
        return status;
    }
    list_row(t, p, NULL);
    *damage = WH_EXIT_DATA;
    return WH_EXIT_OK;
}

wh_exit wh_cli_queue_list(wh_cli *c)
{
    wh_cli_partitions all = {.list = NULL};
    wh_cli_table t;
    wh_exit damage = WH_EXIT_OK;
    wh_exit status = wh_cli_redis_open(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_all(c, NULL, &all);
    }
    wh_cli_table_init(&t, c, list_columns,
                      sizeof list_columns / sizeof list_columns[0]);
    for (size_t i = 0; i < all.n && status == WH_EXIT_OK; i++) {
        status = list_one(c, &all.list[i], &t, &damage);
    }
    wh_exit printed = wh_cli_table_finish(
        &t, status == WH_EXIT_OK
                ? "no queue is known yet; enqueue a job or start a worker"
                : NULL);
    wh_cli_partition_list_fini(&all);
    status = status == WH_EXIT_OK ? printed : status;
    return status == WH_EXIT_OK ? damage : status;
}

/* ---- stats ---- */

enum { WATCH_MS = 1000, STATS_MAX = 48, NAME_MAX_LEN = 24 };

typedef struct sample {
    char names[STATS_MAX][NAME_MAX_LEN];
    int64_t values[STATS_MAX];
    size_t n;
} sample;

static void take(const wh_reply *stats, sample *s)
{
    s->n = 0;
    for (size_t i = 0; i + 1 < wh_reply_count(stats) && s->n < STATS_MAX; i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(stats, i));

        (void)snprintf(s->names[s->n], NAME_MAX_LEN, "%.*s",
                       (int)(name.n < NAME_MAX_LEN ? name.n : NAME_MAX_LEN - 1),
                       name.p == NULL ? "" : name.p);
        s->values[s->n++] = wh_reply_int(wh_reply_at(stats, i + 1), 0);
    }
}

static int64_t value_of(const sample *s, const char *name, int64_t dflt)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->names[i], name) == 0) {
            return s->values[i];
        }
    }
    return dflt;
}

/* Counters grow; states go up and down and have no rate. */
static bool is_counter(const char *name)
{
    static const char *const counters[] = {
        "enqueued", "claimed",      "completed", "retried", "dead_total",
        "snoozed",  "released",     "cancelled", "expired", "recovered",
        "fenced",   "workers_lost", "replayed",  "purged",  "promoted"};

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        if (strcmp(counters[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void stats_json(wh_buf *out, const wh_cli_partition *p, const sample *s)
{
    wh_buf_adds(out, "{\"partition\":");
    wh_buf_add_json(out, p->name, strlen(p->name));
    for (size_t i = 0; i < s->n; i++) {
        wh_buf_addc(out, ',');
        wh_buf_add_json(out, s->names[i], strlen(s->names[i]));
        wh_buf_addf(out, ":%" PRId64, s->values[i]);
    }
    wh_buf_adds(out, "}\n");
}

static void stats_line(wh_buf *out, const sample *s, const sample *before, size_t i)
{
    const char *name = s->names[i];
    int64_t elapsed = value_of(s, "now_ms", 0) - value_of(before, "now_ms", 0);
    char human[24];

    if (strcmp(name, "now_ms") == 0) {
        return;
    }
    if (strcmp(name, "oldest_ms") == 0) {
        wh_buf_addf(
            out, "%-14s %14s\n", "oldest",
            s->values[i] < 0 ? "-" : wh_clock_human(s->values[i], human, sizeof human));
        return;
    }
    if (strcmp(name, "paused") == 0) {
        wh_buf_addf(out, "%-14s %14s\n", name, s->values[i] != 0 ? "yes" : "no");
        return;
    }
    wh_buf_addf(out, "%-14s %14" PRId64, name, s->values[i]);
    if (before->n > 0 && elapsed > 0 && is_counter(name)) {
        int64_t grown = s->values[i] - value_of(before, name, s->values[i]);
        wh_buf_addf(out, " %9" PRId64 "/s", grown * 1000 / elapsed);
    }
    wh_buf_addc(out, '\n');
}

static wh_exit stats_once(wh_cli *c, const wh_cli_partition *p, sample *before)
{
    const wh_reply *reply = NULL;
    wh_buf out = {0};
    sample now;
    wh_exit status = wh_cli_redis_ask(c, "wh1_stats", p, &reply);

    if (status != WH_EXIT_OK) {
        return status;
    }
    take(reply, &now);
    if (c->json) {
        stats_json(&out, p, &now);
    } else {
        wh_buf_adds(&out, before->n > 0 && c->is_out_terminal ? "\033[H\033[J" : "");
        wh_cli_out_color(c, &out, "1", p->name);
        wh_buf_addc(&out, '\n');
        for (size_t i = 0; i < now.n; i++) {
            stats_line(&out, &now, before, i);
        }
    }
    *before = now;
    status = wh_cli_out_status(c, &out);
    if (status == WH_EXIT_OK) {
        wh_cli_out_flush(c, &out);
        status = wh_cli_out_status(c, NULL);
    }
    wh_buf_fini(&out);
    return status;
}

static wh_exit watch(wh_cli *c, const wh_cli_partition *p)
{
    sample before = {.n = 0};
    int64_t every_ms = wh_cli_args_number(&c->args, "interval", WATCH_MS);
    wh_exit status = wh_cli_redis_catch(c);

    if (c->is_out_terminal && !c->json) {
        fputs("\033[H\033[J", stdout);
    }
    while (status == WH_EXIT_OK && !c->interrupted) {
        status = stats_once(c, p, &before);
        if (status == WH_EXIT_OK) {
            status = wh_cli_redis_sleep(c, every_ms);
        }
    }
    return status;
}

/* Connects and finds out which partition is meant. */
static wh_exit open_one(wh_cli *c, const char *operand, wh_cli_partition *p)
{
    wh_exit status = wh_cli_redis_open(c);

    return status == WH_EXIT_OK ? wh_cli_partition_one(c, operand, p) : status;
}

wh_exit wh_cli_queue_stats(wh_cli *c)
{
    wh_cli_partition p;
    sample none = {.n = 0};

    if (wh_cli_args_has(&c->args, "interval") && !wh_cli_args_has(&c->args, "watch")) {
        return wh_cli_usage(c, "--interval is of --watch: give both");
    }
    wh_exit status = open_one(c, wh_cli_args_operand(&c->args, 0), &p);

    if (status != WH_EXIT_OK) {
        return status;
    }
    return wh_cli_args_has(&c->args, "watch") ? watch(c, &p) : stats_once(c, &p, &none);
}

/* ---- pause, resume, set ---- */

/* As open_one, and *known tells whether the partition is. */
static wh_exit open_any(wh_cli *c, const char *operand, wh_cli_partition *p,
                        bool *known)
{
    wh_exit status = wh_cli_redis_open(c);

    return status == WH_EXIT_OK ? wh_cli_partition_any(c, operand, p, known) : status;
}

/* A pause of a partition whose name has a typing error would stop nothing: one that is
 * not known is refused, unless may_be_new. */
static wh_exit change(wh_cli *c, const char *function, const char *did,
                      const char *result, bool may_be_new, const char *hint)
{
    wh_cli_partition p;
    wh_call call;
    bool known = false;
    wh_exit status = open_any(c, wh_cli_args_operand(&c->args, 0), &p, &known);

    if (status != WH_EXIT_OK) {
        return status;
    }
    if (!known && !may_be_new) {
        return wh_cli_partition_unknown(c, &p, hint);
    }
    wh_call_init(&call, function, false, p.key);
    status = wh_cli_redis_call(c, &call, NULL);
    if (status == WH_EXIT_OK && !known) {
        (void)wh_cli_partition_register(c, &p);
    }
    if (status == WH_EXIT_OK) {
        wh_cli_note(c, "%s %s", p.name, did);
        status = wh_cli_out_changed(c, p.name, NULL, result);
    }
    return status;
}

wh_exit wh_cli_queue_pause(wh_cli *c)
{
    return change(c, "wh1_pause", "is paused: nothing is claimed, running jobs go on",
                  "paused", wh_cli_args_has(&c->args, "new"),
                  "--new pauses one before its first job");
}

wh_exit wh_cli_queue_resume(wh_cli *c)
{
    return change(c, "wh1_resume", "is claimed from again", "resumed", false, NULL);
}

static const struct setting {
    const char *name, *field;
    enum { SETTING_DURATION, SETTING_COUNT, SETTING_SIZE } kind;
    int64_t min, max;
    const char *example;
} settings[] = {
    {"keep", "keep_ms", SETTING_DURATION, 0, INT64_C(315360000000), "24h"},
    {"keep-count", "keep_count", SETTING_COUNT, 0, 1000000, "10000"},
    {"payload-max", "payload_max", SETTING_SIZE, 1, 67108864, "256KiB"},
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static bool parse_setting(const struct setting *s, const char *text, int64_t *value)
{
    bool ok = false;

    switch (s->kind) {
    case SETTING_DURATION:
        ok = wh_conf_parse_duration(text, value);
        break;
    case SETTING_COUNT:
        ok = wh_conf_parse_int(text, s->min, s->max, value);
        break;
    case SETTING_SIZE:
        ok = wh_conf_parse_size(text, value);
        break;
    }
    return ok && *value >= s->min && *value <= s->max;
}

/* "keep=24h" becomes two arguments of the call. */
static wh_exit add_setting(wh_cli *c, wh_call *call, const char *word)
{
    const char *names[N_SETTINGS];
    char name[32];
    size_t len = strcspn(word, "=");
    int64_t value = 0;

    (void)snprintf(name, sizeof name, "%.*s", (int)(len < 31 ? len : 31), word);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];

        names[i] = s->name;
        if (strcmp(s->name, name) != 0) {
            continue;
        }
        if (!parse_setting(s, word + len + 1, &value)) {
            return wh_cli_usage(c, "%s: \"%.40s\" is no good value; write one like %s",
                                s->name, word + len + 1, s->example);
        }
        wh_call_args(call, s->field);
        wh_call_argi(call, value);
        return WH_EXIT_OK;
    }
    const char *nearest = wh_conf_suggest(name, names, N_SETTINGS);
    return wh_cli_usage(c, "there is no setting \"%s\"; %s%s%s", name,
                        nearest == NULL ? "there are keep, keep-count and payload-max"
                                        : "did you mean \"",
                        nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

wh_exit wh_cli_queue_set(wh_cli *c)
{
    const wh_cli_args *a = &c->args;
    const char *first = wh_cli_args_operand(a, 0);
    bool has_partition = strchr(first, '=') == NULL;
    wh_cli_partition p;
    wh_call call;
    bool known = false;

    if (has_partition && a->n_operands < 2) {
        return wh_cli_usage(c, "say what to set, like keep=24h");
    }
    wh_exit status = open_any(c, has_partition ? first : NULL, &p, &known);
    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_call_init(&call, "wh1_configure", false, p.key);
    for (size_t i = has_partition ? 1 : 0; i < a->n_operands && status == WH_EXIT_OK;
         i++) {
        const char *word = wh_cli_args_operand(a, i);

        status = strchr(word, '=') != NULL
                     ? add_setting(c, &call, word)
                     : wh_cli_usage(c, "\"%.60s\" is no NAME=VALUE", word);
    }
    if (status != WH_EXIT_OK) {
        wh_call_fini(&call);
        return status;
    }
    status = wh_cli_redis_call(c, &call, NULL);
    if (status == WH_EXIT_OK) {
        wh_cli_note(c, "%s: set", p.name);
        if (!known) {
            wh_cli_partition_founded(c, &p);
        }
        status = wh_cli_out_changed(c, p.name, NULL, "set");
    }
    return status;
}
