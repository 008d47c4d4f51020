/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a schedule, and looking at fire times without one. Both check as the scheduler
 * does, so what is accepted here fires there. Payloads are text, so JSON where they have a
 * schema.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/cli/cli_cron.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_payload.h"
#include "common/cli/cli_scheduler.h"
#include "common/cli/cli_schema.h"
#include "common/cli/cli_table.h"
#include "common/schedule/firing.h"

#include <stdio.h>
#include <string.h>

/* ---- set ---- */

static void read_flags(const wh_cli_args *a, wh_schedule *s)
{
    const char *misfire = wh_cli_args_text(a, "misfire");

    *s = (wh_schedule){
        .expression = wh_cli_args_operand(a, 1),
        .type = wh_cli_args_operand(a, 2),
        .zone = wh_cli_args_text(a, "zone"),
        .org = wh_cli_args_text(a, "org"),
        .group = wh_cli_args_text(a, "group"),
        .priority_plus1 = (int)wh_cli_args_number(a, "priority", -1) + 1,
        .max_attempts = (int)wh_cli_args_number(a, "max-attempts", 0),
        .timeout_ms = wh_cli_args_number(a, "timeout", 0),
        .jitter_ms = wh_cli_args_number(a, "jitter", 0),
        .misfire_max = (int)wh_cli_args_number(a, "misfire-max", 0),
        .paused = wh_cli_args_has(a, "paused"),
    };
    if (misfire != NULL) { /* the flag's choices are the words */
        (void)wh_schedule_misfire_parse(misfire, &s->misfire);
    }
}

/* How often a schedule may change while it is set. */
enum { TRIES = 20 };

/* What is to be set: when it fires first, and the fire time that Redis has by then. */
typedef struct setting {
    const char *name;
    const wh_schedule *schedule;
    const wh_zone *zone;
    int64_t next_ms, was_ms;
    char result[16]; /* Redis' word */
} setting;

static wh_exit send(wh_cli *c, const wh_cli_cron *old, setting *set)
{
    const wh_reply *reply = NULL;
    wh_buf text = {0};
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_schedule_format(set->schedule, &text);
    wh_call_init(&call, "wh1_cron_set", false, old->where.key);
    wh_call_args(&call, set->name);
    wh_call_arg(&call, wh_buf_str(&text), text.len);
    wh_call_argi(&call, set->next_ms);
    wh_call_arg(&call, old->text == NULL ? "" : old->text, old->text_n);
    wh_call_argi(&call, set->was_ms);
    if (!wh_buf_ok(&text)) {
        wh_call_fini(&call);
        return wh_cli_no_memory(c);
    }
    wh_err err = wh_cli_redis_try(c, &call, &reply, &eb);
    wh_buf_fini(&text);
    wh_slice word = wh_reply_str(reply);
    (void)snprintf(set->result, sizeof set->result, "%s", word.p == NULL ? "" : word.p);
    return err == WH_OK ? WH_EXIT_OK : wh_cli_redis_fail(c, &old->where, err, &eb);
}

static wh_exit tell(wh_cli *c, const wh_cli_cron *old, const setting *set)
{
    const char *name = set->name;
    const char *result = set->result;
    int64_t next_ms = set->next_ms;
    char iso[WH_ZONE_ISO_SIZE];
    wh_buf more = {0};

    if (next_ms > 0) {
        wh_cli_note(c, "%s: schedule %s: %s; fires next at %s", old->where.name, name,
                    result, wh_zone_iso(set->zone, next_ms, iso, sizeof iso));
    } else {
        wh_cli_note(c, "%s: schedule %s: %s; paused", old->where.name, name, result);
    }
    if (old->text != NULL && old->schedule.declared != NULL) {
        wh_cli_warn(c,
                    "%s was declared in a scheduler's configuration (set \"%s\"), "
                    "which leaves it alone from now on: take it out there, or to get "
                    "that one back, wherry cron remove it and reload",
                    name, old->schedule.declared);
    }
    wh_buf_addf(&more, ",\"schedule\":\"%s\",\"next_ms\":", name);
    if (next_ms > 0) {
        wh_buf_addi(&more, next_ms);
    } else {
        wh_buf_adds(&more, "null");
    }
    wh_exit status = wh_cli_out_changed(c, old->where.name, &more, result);
    wh_buf_fini(&more);
    return status;
}

/* Redis leaves an equal definition alone; its pause is what may have to change. */
static wh_exit settle_pause(wh_cli *c, const wh_cli_cron *old, bool paused,
                            int64_t next_ms)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    if (paused == (old->next_ms < 0)) {
        return WH_EXIT_OK;
    }
    wh_call_init(&call, paused ? "wh1_cron_pause" : "wh1_cron_resume", false,
                 old->where.key);
    wh_call_args(&call, old->name);
    if (!paused) {
        wh_call_argi(&call, next_ms);
    }
    wh_err err = wh_cli_redis_try(c, &call, NULL, &eb);
    return err == WH_OK ? WH_EXIT_OK : wh_cli_redis_fail(c, &old->where, err, &eb);
}

/* Looks, and changes what is there unless somebody was faster: then the word is "stale".
 * Times are counted from Redis' clock. */
static wh_exit try_set(wh_cli *c, wh_cli_cron *old, setting *set)
{
    const wh_schedule *s = set->schedule;
    bool fire_old = false, fired = true;
    wh_exit status = wh_cli_cron_read(c, set->name, old);

    if (status != WH_EXIT_OK) {
        return status;
    }
    const wh_firing_change change = {
        .old = old->text != NULL && old->err == WH_OK ? &old->schedule : NULL,
        .old_next_ms = old->text != NULL ? old->next_ms : -1,
        .now_ms = old->now_ms};
    set->next_ms = wh_firing_changed(&change, s, set->zone, &fire_old);
    set->was_ms = change.old_next_ms > 0 ? change.old_next_ms : 0;
    if (!s->paused && set->next_ms == 0) {
        return wh_cli_usage(c, "\"%s\" never fires", s->expression);
    }
    if (fire_old) {
        status = wh_cli_cron_fire(c, old, &set->was_ms, &fired);
    }
    if (status == WH_EXIT_OK && fired) {
        status = send(c, old, set);
    }
    return status;
}

/* The schedule is sound. */
static wh_exit store(wh_cli *c, const char *name, const wh_schedule *s,
                     const wh_zone *zone)
{
    wh_cli_cron old = {.text = NULL};
    setting set = {.name = name, .schedule = s, .zone = zone, .result = "stale"};
    wh_exit status = wh_cli_partition_default(c, &old.where);

    if (status == WH_EXIT_OK) {
        status = wh_cli_redis_open(c);
    }
    for (int i = 0; status == WH_EXIT_OK && i < TRIES; i++) {
        wh_cli_cron_fini(&old);
        status = try_set(c, &old, &set);
        if (strcmp(set.result, "stale") != 0) {
            break;
        }
    }
    if (status == WH_EXIT_OK && strcmp(set.result, "stale") == 0) {
        wh_cli_error(c, "%s: schedule %s changes all the time; try again",
                     old.where.name, name);
        status = WH_EXIT_CONFLICT;
    }
    if (status == WH_EXIT_OK && strcmp(set.result, "same") == 0) {
        status = settle_pause(c, &old, s->paused, set.next_ms);
    }
    if (status == WH_EXIT_OK) {
        wh_cli_partition_founded(c, &old.where);
        status = tell(c, &old, &set);
    }
    if (status == WH_EXIT_OK && set.next_ms > 0 && wh_cli_scheduler_is_missing(c)) {
        wh_cli_warn(c,
                    "no wherry-scheduler is connected: schedules fire only while one "
                    "runs");
    }
    wh_cli_cron_fini(&old);
    return status;
}

static wh_exit check(wh_cli *c, wh_schedule *s, wh_zones *zones, const wh_zone **zone)
{
    wh_cli_schema schema;
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_schedule_check(s, &eb);

    if (err == WH_EBADDATA || err == WH_ETOOBIG) {
        return wh_cli_fail(c, err, &eb);
    }
    if (err == WH_OK) {
        err = wh_zones_get(zones, s->zone, zone, &eb);
    }
    if (err != WH_OK) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    wh_exit status =
        wh_cli_schema_load(c, wh_cli_args_text(&c->args, "schema"), NULL, &schema);
    if (status == WH_EXIT_OK) {
        status =
            wh_cli_schema_check(c, &schema, (wh_slice){s->payload, s->payload_len});
    }
    wh_cli_schema_fini(&schema);
    return status;
}

wh_exit wh_cli_cron_set(wh_cli *c)
{
    const char *name = wh_cli_args_operand(&c->args, 0);
    const wh_zone *zone = NULL;
    wh_zones zones = {0};
    wh_schedule s;
    wh_buf payload = {0};

    if (!wh_job_name_ok(name, strlen(name))) {
        return wh_cli_usage(c,
                            "\"%.70s\" is no name of a schedule; give 1 to %d "
                            "characters of A-Z a-z 0-9 _ . -",
                            name, WH_JOB_NAME_MAX);
    }
    read_flags(&c->args, &s);
    wh_exit status = wh_cli_payload_read(c, wh_cli_args_operand(&c->args, 3), &payload);
    if (status == WH_EXIT_OK) {
        s.payload = wh_buf_str(&payload);
        s.payload_len = payload.len;
        status = check(c, &s, &zones, &zone);
    }
    if (status == WH_EXIT_OK) {
        status = store(c, name, &s, zone);
    }
    wh_zones_clear(&zones);
    wh_buf_fini(&payload);
    return status;
}

/* ---- next ---- */

static const wh_cli_column columns[] = {
    {"LOCAL", "local", false},
    {"UTC", "at", false},
    {"IN", "in_ms", true},
    {NULL, "at_ms", false},
};

static void add_time(wh_cli_table *t, const wh_zone *zone, int64_t at, int64_t now)
{
    char local[WH_ZONE_ISO_SIZE], utc[32];
    wh_buf number = {0};

    wh_buf_addi(&number, at);
    wh_cli_table_text(t, wh_zone_iso(zone, at, local, sizeof local));
    wh_cli_table_text(t, wh_clock_iso(at, utc, sizeof utc));
    wh_cli_table_ms(t, at - now);
    wh_cli_table_raw(t, wh_buf_str(&number), "");
    wh_cli_table_row(t);
    wh_buf_fini(&number);
}

/* Of an expression from `at` on; of a schedule the first one is that which Redis has. */
static wh_exit print_times(wh_cli *c, const wh_schedule *s, const char *zone_name,
                           const wh_cli_cron *kept)
{
    const wh_zone *zone = NULL;
    wh_zones zones = {0};
    wh_cli_table t;
    wh_errbuf eb = {.code = WH_OK};
    int64_t now = kept != NULL ? kept->now_ms : wh_clock_wall_ms(), at = now;
    int64_t left = wh_cli_args_number(&c->args, "count", 5);
    wh_err err = wh_zones_get(&zones, zone_name, &zone, &eb);

    if (err != WH_OK) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    wh_cli_table_init(&t, c, columns, sizeof columns / sizeof columns[0]);
    if (kept != NULL && kept->next_ms < 0) {
        left = 0;
    } else if (kept != NULL) {
        add_time(&t, zone, kept->next_ms, now);
        at = kept->next_ms > now ? kept->next_ms : now;
        left--;
    }
    while (left-- > 0 && (at = wh_firing_next(s, zone, at)) > 0) {
        add_time(&t, zone, at, now);
    }
    wh_exit status =
        wh_cli_table_finish(&t, kept != NULL ? "it is paused, or never fires again"
                                             : "it never fires again");
    wh_zones_clear(&zones);
    return status;
}

static wh_exit next_of(wh_cli *c, const char *name)
{
    wh_cli_cron kept;

    if (wh_cli_args_has(&c->args, "zone")) {
        return wh_cli_usage(c,
                            "--zone is for an expression; the schedule \"%s\" has its "
                            "own",
                            name);
    }
    wh_exit status = wh_cli_cron_find(c, name, wh_cli_args_operand(&c->args, 1), &kept);
    if (status == WH_EXIT_OK && kept.err != WH_OK) {
        status = wh_cli_redis_fail(c, &kept.where, kept.err, &kept.why);
    } else if (status == WH_EXIT_OK) {
        status = print_times(c, &kept.schedule, kept.schedule.zone, &kept);
    }
    wh_cli_cron_fini(&kept);
    return status;
}

/* No name is an expression: those have blanks, or an @. */
wh_exit wh_cli_cron_next(wh_cli *c)
{
    const char *what = wh_cli_args_operand(&c->args, 0);
    wh_schedule s = {.expression = NULL};
    wh_errbuf eb = {.code = WH_OK};

    if (wh_job_name_ok(what, strlen(what))) {
        return next_of(c, what);
    }
    if (wh_cron_parse(what, &s.cron, &eb) != WH_OK) {
        return wh_cli_usage(c, "%s", eb.text);
    }
    if (wh_cli_args_operand(&c->args, 1) != NULL) {
        return wh_cli_usage(c, "an expression has no partition; \"%.140s\" is too much",
                            wh_cli_args_operand(&c->args, 1));
    }
    return print_times(c, &s, wh_cli_args_text(&c->args, "zone"), NULL);
}
