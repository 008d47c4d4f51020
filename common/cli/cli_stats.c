/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All figures of one partition, then what waits and why, then its limits. Three calls:
 * there is no moment at which all were looked at.
 */
#include "common/cli/cli_stats.h"

#include "common/base/clock.h"
#include "common/cli/cli_limit.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_pressure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WATCH_MS = 1000, ORGS_DEFAULT = 5, STATS_MAX = 64, NAME_MAX_LEN = 24 };

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
        "enqueued",   "claimed",      "completed", "retried", "dead_total",
        "snoozed",    "released",     "cancelled", "expired", "recovered",
        "fenced",     "workers_lost", "replayed",  "purged",  "promoted",
        "cron_fired", "damaged"};

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
        if (strcmp(s->names[i], "paused") == 0) {
            wh_buf_adds(out, s->values[i] != 0 ? ":true" : ":false");
        } else {
            wh_buf_addf(out, ":%" PRId64, s->values[i]);
        }
    }
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

/* ---- limits ---- */

static bool is_state(const char *name)
{
    return strncmp(name, "state:", 6) == 0;
}

static bool is_pace(const char *name)
{
    return strncmp(name, WH_CLI_LIMIT_PACE, strlen(WH_CLI_LIMIT_PACE)) == 0;
}

/* ,"limits":{…} of settings, or ,"breakers":{TYPE:STATE…}. */
static void limits_json(wh_buf *out, const char *key, const wh_reply *flat, bool states)
{
    const char *before = "";

    wh_buf_addf(out, ",\"%s\":{", key);
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(flat, i));
        wh_slice value = wh_reply_str(wh_reply_at(flat, i + 1));
        size_t skip = states ? strlen("state:type/") : 0;

        if (name.p == NULL || value.p == NULL || name.n < skip ||
            is_state(name.p) != states || is_pace(name.p)) {
            continue;
        }
        wh_buf_adds(out, before);
        wh_buf_add_json(out, name.p + skip, name.n - skip);
        wh_buf_addc(out, ':');
        wh_buf_add_json(out, value.p, value.n);
        before = ",";
    }
    wh_buf_addc(out, '}');
}

/* ,"paces":{TYPE:{"rate":…,"retry_after_ms":…}…} */
static void paces_json(wh_buf *out, const wh_reply *flat)
{
    const char *before = "";

    wh_buf_adds(out, ",\"paces\":{");
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(flat, i));
        wh_slice value = wh_reply_str(wh_reply_at(flat, i + 1));
        size_t skip = strlen(WH_CLI_LIMIT_PACE "type/");

        if (name.p == NULL || value.p == NULL || name.n < skip || !is_pace(name.p)) {
            continue;
        }
        size_t len = strcspn(value.p, " ");
        wh_buf_adds(out, before);
        wh_buf_add_json(out, name.p + skip, name.n - skip);
        wh_buf_addf(out, ":{\"rate\":%.*s,\"retry_after_ms\":%s}", (int)len, value.p,
                    value.p[len] == ' ' ? value.p + len + 1 : "null");
        before = ",";
    }
    wh_buf_addc(out, '}');
}

/* " (7 waiting)", where the figures tell how much of a limit is used. */
static void add_usage(wh_buf *out, const char *name, const sample *s)
{
    if (strcmp(name, "jobs:queue") == 0) {
        wh_buf_addf(out, " (%" PRId64 " waiting)",
                    value_of(s, "pending", 0) + value_of(s, "scheduled", 0));
    } else if (strcmp(name, "active:queue") == 0) {
        wh_buf_addf(out, " (%" PRId64 " running)", value_of(s, "in_progress", 0));
    }
}

static void limits_text(wh_buf *out, const wh_reply *flat, const sample *s)
{
    for (size_t i = 0; i + 1 < wh_reply_count(flat); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(flat, i));
        wh_slice value = wh_reply_str(wh_reply_at(flat, i + 1));

        if (name.p == NULL || value.p == NULL) {
            continue;
        }
        wh_buf_adds(out, i == 0 ? "limits\n" : "");
        if (strcmp(name.p, "state:more") == 0) {
            wh_buf_addf(out, "  breakers of %s more types: not closed", value.p);
        } else if (is_state(name.p)) {
            wh_buf_addf(out, "  breaker of %s: ", name.p + strlen("state:"));
            wh_cli_limit_show_state(value.p, out);
        } else if (is_pace(name.p)) {
            wh_buf_addf(out,
                        "  adaptive rate of %s: ", name.p + strlen(WH_CLI_LIMIT_PACE));
            wh_cli_limit_show_pace(value.p, out);
        } else {
            wh_buf_addf(out, "  %s=", name.p);
            wh_cli_setting_show(name.p, value.p, out);
            add_usage(out, name.p, s);
        }
        wh_buf_addc(out, '\n');
    }
}

static wh_exit add_limits(wh_cli *c, const wh_cli_partition *p, const sample *s,
                          wh_buf *out)
{
    const wh_reply *flat = NULL;
    wh_exit status = wh_cli_redis_ask(c, "wh1_limits", p, &flat);

    if (status == WH_EXIT_OK && c->json) {
        limits_json(out, "limits", flat, false);
        limits_json(out, "breakers", flat, true);
        paces_json(out, flat);
        wh_buf_adds(out, "}\n");
    } else if (status == WH_EXIT_OK) {
        limits_text(out, flat, s);
    }
    return status;
}

/* ---- both ---- */

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
    status = wh_cli_pressure_add(
        c, p, wh_cli_args_number(&c->args, "orgs", ORGS_DEFAULT), &out);
    if (status == WH_EXIT_OK) {
        status = add_limits(c, p, &now, &out);
    }
    if (status == WH_EXIT_OK) {
        status = wh_cli_out_print(c, &out);
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

wh_exit wh_cli_stats_run(wh_cli *c)
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
