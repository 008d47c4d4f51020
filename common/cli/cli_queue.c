/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures come from wh1_stats of each partition, one call each: there is no moment at
 * which all partitions were looked at.
 */
#include "common/cli/cli_queue.h"

#include "common/base/conf.h"
#include "common/cli/cli_limit.h"
#include "common/cli/cli_near.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_partition.h"
#include "common/cli/cli_table.h"

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

/* ---- pause, resume, set ---- */

/* As open_one, and *known tells whether the partition is. */
static wh_exit open_any(wh_cli *c, const char *operand, wh_cli_partition *p,
                        bool *known)
{
    wh_exit status = wh_cli_redis_open(c);

    return status == WH_EXIT_OK ? wh_cli_partition_any(c, operand, p, known) : status;
}

typedef struct switching {
    const char *function, *did, *result;
    bool on;          /* pause, not resume */
    const char *hint; /* for a partition that is not known, or NULL */
} switching;

/* The org or type that is meant, as a setting of wh1_limit; false: the queue itself. */
static bool part_of(const wh_cli *c, const switching *w, wh_cli_setting *out)
{
    const char *org = wh_cli_args_text(&c->args, "org");
    const char *type = wh_cli_args_text(&c->args, "type");

    *out = (wh_cli_setting){.name = ""};
    if (org == NULL && type == NULL) {
        return false;
    }
    (void)snprintf(out->name, sizeof out->name, "pause:%s/%s",
                   org != NULL ? "org" : "type", org != NULL ? org : type);
    (void)snprintf(out->value, sizeof out->value, "%s", w->on ? "1" : "");
    return true;
}

/* What a resume says of what was not paused: most often a name is mistyped. */
static const switching not_paused = {"wh1_resume", "was not paused: nothing changed",
                                     "not_paused", false, NULL};

static wh_exit ask_paused(wh_cli *c, const wh_cli_partition *p,
                          const wh_cli_setting *part, bool *out)
{
    const wh_reply *reply = NULL;
    wh_exit status =
        wh_cli_redis_ask(c, part != NULL ? "wh1_limits" : "wh1_stats", p, &reply);

    if (status == WH_EXIT_OK && part != NULL) {
        *out = wh_cli_limit_value(reply, part->name) != NULL;
    } else if (status == WH_EXIT_OK) {
        *out = wh_cli_redis_field(reply, "paused", 0) != 0;
    }
    return status;
}

static wh_exit send_switch(wh_cli *c, const switching *w, const wh_cli_partition *p,
                           wh_cli_setting *part)
{
    wh_call call;

    if (part != NULL) {
        return wh_cli_limit_apply(c, p, part, 1);
    }
    wh_call_init(&call, w->function, false, p->key);
    return wh_cli_redis_call(c, &call, NULL);
}

static wh_exit tell_switch(wh_cli *c, const switching *w, const wh_cli_partition *p,
                           const wh_cli_setting *part)
{
    wh_buf more = {0};

    if (part == NULL) {
        wh_cli_note(c, "%s %s", p->name, w->did);
        return wh_cli_out_changed(c, p->name, NULL, w->result);
    }
    const char *scope = part->name + strlen("pause:");
    const char *slash = strchr(scope, '/');
    wh_cli_note(c, "%s: %.*s %s %s", p->name, (int)(slash - scope), scope, slash + 1,
                w->did);
    if (w->on && strncmp(scope, "org/", 4) == 0) {
        wh_cli_near_paused_org(c, p, slash + 1);
    } else if (w->on && strncmp(scope, "type/", 5) == 0) {
        wh_cli_near_paused_type(c, p, slash + 1);
    } else if (w->on || w == &not_paused) {
        wh_cli_near_scope(c, p, scope);
    }
    wh_buf_addf(&more, ",\"%.*s\":", (int)(slash - scope), scope);
    wh_buf_add_json(&more, slash + 1, strlen(slash + 1));
    wh_exit status = wh_cli_out_changed(c, p->name, &more, w->result);
    wh_buf_fini(&more);
    return status;
}

/* A pause of a partition whose name has a typing error would stop nothing: one that is
 * not known is refused, unless it may be new. */
static wh_exit change(wh_cli *c, const switching *w, bool may_be_new)
{
    wh_cli_partition p;
    wh_cli_setting part;
    wh_cli_setting *of = part_of(c, w, &part) ? &part : NULL;
    bool known = false;
    wh_exit status = open_any(c, wh_cli_args_operand(&c->args, 0), &p, &known);

    if (status != WH_EXIT_OK) {
        return status;
    }
    if (!known && !may_be_new) {
        return wh_cli_partition_unknown(c, &p, w->hint);
    }
    bool was_paused = true;
    if (!w->on) {
        status = ask_paused(c, &p, of, &was_paused);
    }
    if (status == WH_EXIT_OK) {
        status = send_switch(c, w, &p, of);
    }
    if (status == WH_EXIT_OK && !known) {
        (void)wh_cli_partition_register(c, &p);
    }
    return status != WH_EXIT_OK ? status
           : was_paused         ? tell_switch(c, w, &p, of)
                                : tell_switch(c, &not_paused, &p, of);
}

wh_exit wh_cli_queue_pause(wh_cli *c)
{
    static const switching pause = {
        "wh1_pause", "is paused: nothing is claimed, running jobs go on", "paused",
        true, "--new pauses one before its first job"};

    return change(c, &pause, wh_cli_args_has(&c->args, "new"));
}

wh_exit wh_cli_queue_resume(wh_cli *c)
{
    static const switching resume = {"wh1_resume", "is claimed from again", "resumed",
                                     false, NULL};

    return change(c, &resume, false);
}

static const struct setting {
    const char *name, *field;
    enum { SETTING_DURATION, SETTING_COUNT, SETTING_SIZE, SETTING_WORD } kind;
    int64_t min, max;
    const char *example;
} settings[] = {
    {"keep", "keep_ms", SETTING_DURATION, 0, INT64_C(315360000000), "24h"},
    {"keep-count", "keep_count", SETTING_COUNT, 0, 1000000, "10000"},
    {"payload-max", "payload_max", SETTING_SIZE, 1, 67108864, "256KiB"},
    {"order", "order", SETTING_WORD, 0, 0, "order=arrival or order=deadline"},
};
enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

/* *is_value: it is one of this kind, be it out of range. */
static bool parse_setting(const struct setting *s, const char *text, int64_t *value,
                          bool *is_value)
{
    bool ok = false;

    switch (s->kind) {
    case SETTING_DURATION:
        ok = wh_conf_parse_duration(text, value);
        break;
    case SETTING_COUNT:
        ok = wh_conf_parse_int(text, INT64_MIN, INT64_MAX, value);
        break;
    case SETTING_SIZE:
        ok = wh_conf_parse_size(text, value);
        break;
    case SETTING_WORD:
        return strcmp(text, "arrival") == 0 || strcmp(text, "deadline") == 0;
    }
    *is_value = ok;
    return ok && *value >= s->min && *value <= s->max;
}

static wh_exit refuse_range(wh_cli *c, const struct setting *s, const char *text)
{
    wh_opt_type type = s->kind == SETTING_DURATION ? WH_OPT_DURATION
                       : s->kind == SETTING_SIZE   ? WH_OPT_SIZE
                                                   : WH_OPT_INT;
    wh_buf min = {0};
    wh_buf max = {0};

    wh_conf_format_number(type, (double)s->min, &min);
    wh_conf_format_number(type, (double)s->max, &max);
    wh_exit status =
        wh_cli_usage(c, "%s: \"%.40s\" is out of range; at least %s, at most %s",
                     s->name, text, wh_buf_str(&min), wh_buf_str(&max));
    wh_buf_fini(&min);
    wh_buf_fini(&max);
    return status;
}

/* "keep=24h" becomes two arguments of the call. */
static wh_exit add_setting(wh_cli *c, wh_call *call, const char *word)
{
    const char *names[N_SETTINGS];
    char name[32];
    size_t len = strcspn(word, "=");
    int64_t value = 0;
    bool is_value = false;

    (void)snprintf(name, sizeof name, "%.*s", (int)(len < 31 ? len : 31), word);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];

        names[i] = s->name;
        if (strcmp(s->name, name) != 0) {
            continue;
        }
        if (!parse_setting(s, word + len + 1, &value, &is_value)) {
            return is_value
                       ? refuse_range(c, s, word + len + 1)
                       : wh_cli_usage(
                             c, "%s: \"%.40s\" is no good value; write one like %s",
                             s->name, word + len + 1, s->example);
        }
        wh_call_args(call, s->field);
        if (s->kind == SETTING_WORD) {
            wh_call_args(call, word + len + 1);
        } else {
            wh_call_argi(call, value);
        }
        return WH_EXIT_OK;
    }
    const char *nearest = wh_conf_suggest(name, names, N_SETTINGS);
    return wh_cli_usage(c, "there is no setting \"%s\"; %s%s%s", name,
                        nearest == NULL
                            ? "there are keep, keep-count, payload-max and order"
                            : "did you mean \"",
                        nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

/* Was the name of operand i given by one before it? The last would win silently. */
static bool is_twice(const wh_cli_args *a, size_t i)
{
    const char *word = wh_cli_args_operand(a, i);
    size_t n = strcspn(word, "=") + 1;

    for (size_t k = 0; k < i; k++) {
        if (strncmp(wh_cli_args_operand(a, k), word, n) == 0) {
            return true;
        }
    }
    return false;
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

        status = strchr(word, '=') == NULL
                     ? wh_cli_usage(c, "\"%.60s\" is no NAME=VALUE", word)
                 : is_twice(a, i) ? wh_cli_usage(c, "%.*s is there twice",
                                                 (int)strcspn(word, "="), word)
                                  : add_setting(c, &call, word);
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
