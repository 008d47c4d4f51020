/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything rests on wh1_cron_list, whose first element is Redis' clock: fire times are
 * counted from there, never from this machine's.
 */
#include "common/cli/cli_cron.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/conf.h"
#include "common/cli/cli_batch.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_table.h"
#include "common/schedule/firing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS = 3, LATE_MS = 5000 };

/* ---- reading ---- */

void wh_cli_cron_fini(wh_cli_cron *s)
{
    wh_schedule_fini(&s->schedule);
    wh_free(s->text);
    s->text = NULL;
}

/* Row i of a list. */
static wh_exit take_row(wh_cli *c, const wh_reply *list, size_t i, wh_cli_cron *out)
{
    wh_slice name = wh_reply_str(wh_reply_at(list, i));
    wh_slice text = wh_reply_str(wh_reply_at(list, i + 1));

    (void)snprintf(out->name, sizeof out->name, "%s", name.p == NULL ? "" : name.p);
    out->text_n = text.n;
    out->text = wh_strndup(text.p == NULL ? "" : text.p, text.n);
    if (out->text == NULL) {
        return wh_cli_no_memory(c);
    }
    out->next_ms = wh_reply_int(wh_reply_at(list, i + 2), -1);
    out->err = wh_schedule_parse(out->text, text.n, &out->schedule, &out->why);
    if (out->err != WH_OK) {
        wh_schedule_fini(&out->schedule);
    }
    return WH_EXIT_OK;
}

wh_exit wh_cli_cron_read(wh_cli *c, const char *name, wh_cli_cron *out)
{
    const wh_reply *list = NULL;
    wh_cli_partition where = out->where;
    wh_exit status = wh_cli_redis_ask(c, "wh1_cron_list", &where, &list);

    *out = (wh_cli_cron){.where = where};
    if (status != WH_EXIT_OK) {
        return status;
    }
    out->now_ms = wh_reply_int(wh_reply_at(list, 0), 0);
    for (size_t i = 1; i + FIELDS <= wh_reply_count(list); i += FIELDS) {
        const char *have = wh_reply_str(wh_reply_at(list, i)).p;

        if (have != NULL && strcmp(have, name) == 0) {
            return take_row(c, list, i, out);
        }
        if (have != NULL && wh_conf_suggest(name, &have, 1) != NULL) {
            (void)snprintf(out->near, sizeof out->near, "%s", have);
        }
    }
    return WH_EXIT_OK;
}

static wh_exit is_in_two(wh_cli *c, const wh_cli_cron *a, const wh_cli_cron *b)
{
    return wh_cli_usage(
        c,
        "a schedule \"%s\" is in %s and in %s; name the partition behind "
        "it",
        a->name, a->where.name, b->where.name);
}

static wh_exit find_in(wh_cli *c, const char *name, const wh_cli_partitions *all,
                       wh_cli_cron *out)
{
    wh_exit status = WH_EXIT_OK;

    for (size_t i = 0; i < all->n && status == WH_EXIT_OK; i++) {
        wh_cli_cron found = {.where = all->list[i]};

        status = wh_cli_cron_read(c, name, &found);
        if (status == WH_EXIT_OK && found.text != NULL && out->text != NULL) {
            status = is_in_two(c, out, &found);
        } else if (status == WH_EXIT_OK && found.text != NULL) {
            *out = found;
            continue;
        } else if (found.near[0] != '\0') {
            memcpy(out->near, found.near, sizeof out->near);
        }
        wh_cli_cron_fini(&found);
    }
    return status;
}

wh_exit wh_cli_cron_find(wh_cli *c, const char *name, const char *operand,
                         wh_cli_cron *out)
{
    wh_cli_partitions all = {.list = NULL};

    *out = (wh_cli_cron){.text = NULL};
    if (!wh_job_name_ok(name, strlen(name))) {
        return wh_cli_usage(c,
                            "\"%.70s\" is no name of a schedule; it has 1 to %d "
                            "characters of A-Z a-z 0-9 _ . -",
                            name, WH_JOB_NAME_MAX);
    }
    wh_exit status = wh_cli_redis_open(c);
    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_all(c, operand, &all);
    }
    if (status == WH_EXIT_OK) {
        status = find_in(c, name, &all, out);
    }
    if (status == WH_EXIT_OK && out->text == NULL) {
        const char *near = out->near[0] == '\0' ? NULL : out->near;

        wh_cli_error(c,
                     "there is no schedule \"%s\" in %s%s%s%s (see wherry cron list)",
                     name, all.n == 1 ? all.list[0].name : "any of the partitions",
                     near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near,
                     near == NULL ? "" : "\"?");
        status = WH_EXIT_NOTFOUND;
    }
    wh_cli_partition_list_fini(&all);
    return status;
}

/* ---- counting ---- */

void wh_cli_cron_count(wh_cli *c, const wh_cli_partition *p, wh_cli_cron_tally *t)
{
    const wh_reply *list = NULL;
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, "wh1_cron_list", true, p->key);
    if (wh_cli_redis_try(c, &call, &list, &eb) != WH_OK) {
        return;
    }
    int64_t now_ms = wh_reply_int(wh_reply_at(list, 0), 0);
    for (size_t i = 1; i + FIELDS <= wh_reply_count(list); i += FIELDS) {
        int64_t next_ms = wh_reply_int(wh_reply_at(list, i + 2), -1);

        t->active += next_ms >= 0;
        if (next_ms < 0 || now_ms - next_ms <= LATE_MS) {
            continue;
        }
        t->late++;
        if (now_ms - next_ms > t->late_ms) {
            wh_slice name = wh_reply_str(wh_reply_at(list, i));

            t->late_ms = now_ms - next_ms;
            (void)snprintf(t->latest, sizeof t->latest, "%s",
                           name.p == NULL ? "" : name.p);
            (void)snprintf(t->where, sizeof t->where, "%s", p->name);
        }
    }
}

/* ---- list ---- */

static const wh_cli_column columns[] = {
    {"SCHEDULE", "schedule", false},
    {"PARTITION", "partition", false},
    {"EXPRESSION", "expression", false},
    {"ZONE", "zone", false},
    {"TYPE", "type", false},
    {"ORG", "org", false},
    {"NEXT", NULL, false},
    {NULL, "next_ms", false},
    {NULL, "paused", false},
    {NULL, "declared", false},
    {"STATE", NULL, false},
};

/* What keeps it from firing, as far as can be told from here, and whose it is. */
static void add_state(const wh_cli_cron *s, wh_zones *zones, wh_buf *out)
{
    const wh_zone *zone = NULL;

    if (s->err != WH_OK) {
        wh_buf_adds(out, "unreadable");
        return;
    }
    wh_err err = wh_zones_get(zones, s->schedule.zone, &zone, NULL);
    if (s->next_ms < 0) {
        wh_buf_adds(out, "paused");
    } else if (err == WH_ENOTFOUND ||
               err == WH_EINVAL) { /* else: no data here, others may have */
        wh_buf_adds(out, "unknown zone");
    }
    if (s->schedule.declared != NULL) {
        wh_buf_addf(out, "%sdeclared by %s", out->len > 0 ? ", " : "",
                    s->schedule.declared);
    }
}

/* Counted from Redis' clock. One that is late by more than a scheduler takes is not "in 0ms". */
static void add_next(const wh_cli_cron *s, wh_buf *out)
{
    int64_t in = s->next_ms - s->now_ms;
    char human[24];

    if (s->next_ms >= 0 && in < -LATE_MS) {
        wh_buf_addf(out, "%s late", wh_clock_human(-in, human, sizeof human));
    } else if (s->next_ms >= 0) {
        wh_buf_addf(out, "in %s", wh_clock_human(in > 0 ? in : 0, human, sizeof human));
    }
}

static void add_row(wh_cli_table *t, const wh_cli_cron *s, wh_zones *zones)
{
    const wh_schedule *d = &s->schedule;
    wh_buf next = {0}, state = {0};

    wh_cli_table_text(t, s->name);
    wh_cli_table_text(t, s->where.name);
    wh_cli_table_text(t, d->expression);
    wh_cli_table_text(t, s->err == WH_OK && d->zone == NULL ? "UTC" : d->zone);
    wh_cli_table_text(t, d->type);
    wh_cli_table_text(t, s->err == WH_OK && d->org == NULL ? "default" : d->org);
    add_next(s, &next);
    wh_cli_table_text(t, wh_buf_str(&next));
    wh_buf_clear(&next);
    wh_buf_addf(&next, "%" PRId64, s->next_ms);
    wh_cli_table_raw(t, s->next_ms < 0 ? "null" : wh_buf_str(&next), "");
    wh_cli_table_bool(t, s->next_ms < 0, "");
    wh_cli_table_text(t, d->declared);
    add_state(s, zones, &state);
    wh_cli_table_text(t, wh_buf_str(&state));
    wh_cli_table_row(t);
    wh_buf_fini(&state);
    wh_buf_fini(&next);
}

static wh_exit list_one(wh_cli *c, const wh_cli_partition *p, wh_zones *zones,
                        wh_cli_table *t)
{
    const wh_reply *list = NULL;
    wh_exit status = wh_cli_redis_ask(c, "wh1_cron_list", p, &list);

    for (size_t i = 1; status == WH_EXIT_OK && i + FIELDS <= wh_reply_count(list);
         i += FIELDS) {
        wh_cli_cron s = {.where = *p, .now_ms = wh_reply_int(wh_reply_at(list, 0), 0)};

        status = take_row(c, list, i, &s);
        if (status == WH_EXIT_OK) {
            add_row(t, &s, zones);
        }
        wh_cli_cron_fini(&s);
    }
    return status;
}

wh_exit wh_cli_cron_list(wh_cli *c)
{
    wh_cli_partitions all = {.list = NULL};
    wh_zones zones = {0};
    wh_cli_table t;
    wh_exit status = wh_cli_redis_open(c);

    if (status == WH_EXIT_OK) {
        status = wh_cli_partition_all(c, wh_cli_args_operand(&c->args, 0), &all);
    }
    wh_cli_table_init(&t, c, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < all.n && status == WH_EXIT_OK; i++) {
        status = list_one(c, &all.list[i], &zones, &t);
    }
    wh_exit printed =
        wh_cli_table_finish(&t, status == WH_EXIT_OK ? "there is no schedule" : NULL);
    wh_zones_clear(&zones);
    wh_cli_partition_list_fini(&all);
    return status == WH_EXIT_OK ? printed : status;
}

/* ---- show ---- */

static void line(const wh_cli *c, wh_buf *out, const char *label, const char *text)
{
    char padded[24];

    if (text != NULL && text[0] != '\0') {
        (void)snprintf(padded, sizeof padded, "%-14s", label);
        wh_cli_out_color(c, out, "1", padded);
        wh_cli_out_clean(out, text, strlen(text), true);
        wh_buf_addc(out, '\n');
    }
}

static void number_line(const wh_cli *c, wh_buf *out, const char *label, int64_t n)
{
    char text[24];

    if (n > 0) {
        (void)snprintf(text, sizeof text, "%" PRId64, n);
        line(c, out, label, text);
    }
}

static void time_line(const wh_cli *c, wh_buf *out, const char *label, int64_t ms)
{
    char human[24];

    if (ms > 0) {
        line(c, out, label, wh_clock_human(ms, human, sizeof human));
    }
}

static void next_line(const wh_cli *c, wh_buf *out, const wh_cli_cron *s)
{
    const wh_zone *zone = NULL;
    wh_zones zones = {0};
    char iso[WH_ZONE_ISO_SIZE], human[24], text[96];
    int64_t in = s->next_ms > s->now_ms ? s->next_ms - s->now_ms : 0;

    if (s->next_ms < 0) {
        line(c, out, "next", "none: paused");
        return;
    }
    /* Without the zone's data here UTC must do; schedulers may have them. */
    wh_err err = wh_zones_get(&zones, s->schedule.zone, &zone, NULL);
    (void)snprintf(text, sizeof text, "%s (in %s)",
                   wh_zone_iso(err == WH_OK ? zone : NULL, s->next_ms, iso, sizeof iso),
                   wh_clock_human(in, human, sizeof human));
    line(c, out, "next", text);
    wh_zones_clear(&zones);
}

static void show_text(const wh_cli *c, const wh_cli_cron *s, wh_buf *out)
{
    const wh_schedule *d = &s->schedule;

    line(c, out, "schedule", s->name);
    line(c, out, "partition", s->where.name);
    if (s->err != WH_OK) {
        line(c, out, "unreadable", s->why.text);
        line(c, out, "definition", s->text);
        return;
    }
    line(c, out, "expression", d->expression);
    line(c, out, "zone", d->zone == NULL ? "UTC" : d->zone);
    next_line(c, out, s);
    line(c, out, "type", d->type);
    line(c, out, "org", d->org == NULL ? "default" : d->org);
    line(c, out, "group", d->group);
    line(c, out, "payload", d->payload);
    if (d->priority_plus1 > 0) { /* 0 is one, too */
        char priority[] = {(char)('0' + d->priority_plus1 - 1), '\0'};

        line(c, out, "priority", priority);
    }
    line(c, out, "misfire", wh_schedule_misfire_name(d->misfire));
    number_line(c, out, "misfire max", d->misfire_max);
    time_line(c, out, "jitter", d->jitter_ms);
    time_line(c, out, "timeout", d->timeout_ms);
    number_line(c, out, "max attempts", d->max_attempts);
    line(c, out, "declared by", d->declared);
}

static void show_json(const wh_cli_cron *s, wh_buf *out)
{
    wh_buf_adds(out, "{\"schedule\":");
    wh_buf_add_json(out, s->name, strlen(s->name));
    wh_buf_adds(out, ",\"partition\":");
    wh_buf_add_json(out, s->where.name, strlen(s->where.name));
    wh_buf_adds(out, ",\"next_ms\":");
    if (s->next_ms < 0) {
        wh_buf_adds(out, "null");
    } else {
        wh_buf_addi(out, s->next_ms);
    }
    wh_buf_addf(out,
                ",\"paused\":%s,\"definition\":", s->next_ms < 0 ? "true" : "false");
    if (s->err == WH_OK) {
        wh_schedule_format(&s->schedule, out);
    } else {
        wh_buf_add_json(out, s->text, strlen(s->text));
    }
    wh_buf_adds(out, "}\n");
}

wh_exit wh_cli_cron_show(wh_cli *c)
{
    wh_cli_cron s;
    wh_buf out = {0};
    wh_exit status = wh_cli_cron_find(c, wh_cli_args_operand(&c->args, 0),
                                      wh_cli_args_operand(&c->args, 1), &s);

    if (status == WH_EXIT_OK) {
        if (c->json) {
            show_json(&s, &out);
        } else {
            show_text(c, &s, &out);
        }
        status = wh_cli_out_print(c, &out);
    }
    wh_cli_cron_fini(&s);
    return status;
}
