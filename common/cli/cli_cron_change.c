/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of schedules that exist: remove, pause, resume, run. What the configuration of a
 * scheduler declares it sets back at its next start or reload, and the user is told so.
 */
#include "common/base/alloc.h"
#include "common/cli/cli_batch.h"
#include "common/cli/cli_cron.h"
#include "common/cli/cli_out.h"
#include "common/schedule/firing.h"

#include <string.h>

static wh_exit find(wh_cli *c, wh_cli_cron *s)
{
    return wh_cli_cron_find(c, wh_cli_args_operand(&c->args, 0),
                            wh_cli_args_operand(&c->args, 1), s);
}

static wh_exit tell(wh_cli *c, const wh_cli_cron *s, const char *result)
{
    wh_buf more = {0};

    wh_buf_addf(&more, ",\"schedule\":\"%s\"", s->name);
    wh_exit status = wh_cli_out_changed(c, s->where.name, &more, result);
    wh_buf_fini(&more);
    return status;
}

static wh_exit send(wh_cli *c, const wh_cli_cron *s, const char *function,
                    int64_t next_ms)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_call call;

    wh_call_init(&call, function, false, s->where.key);
    wh_call_args(&call, s->name);
    if (next_ms > 0) {
        wh_call_argi(&call, next_ms);
    }
    wh_err err = wh_cli_redis_try(c, &call, NULL, &eb);
    return err == WH_OK ? WH_EXIT_OK : wh_cli_redis_fail(c, &s->where, err, &eb);
}

wh_exit wh_cli_cron_remove(wh_cli *c)
{
    wh_cli_cron s;
    wh_exit status = find(c, &s);

    if (status == WH_EXIT_OK) {
        status = send(c, &s, "wh1_cron_remove", 0);
    }
    if (status == WH_EXIT_OK) {
        wh_cli_note(c, "%s: schedule %s is removed; jobs that it made stay",
                    s.where.name, s.name);
        if (s.schedule.declared != NULL) {
            wh_cli_warn(c,
                        "%s is declared in a scheduler's configuration (set \"%s\"): "
                        "its next start or reload makes it again, unless another set "
                        "that declares it does so before",
                        s.name, s.schedule.declared);
        }
        status = tell(c, &s, "removed");
    }
    wh_cli_cron_fini(&s);
    return status;
}

wh_exit wh_cli_cron_pause(wh_cli *c)
{
    wh_cli_cron s;
    wh_exit status = find(c, &s);

    if (status == WH_EXIT_OK) {
        status = send(c, &s, "wh1_cron_pause", 0);
    }
    if (status == WH_EXIT_OK) {
        wh_cli_note(c, "%s: schedule %s is paused", s.where.name, s.name);
        status = tell(c, &s, "paused");
    }
    wh_cli_cron_fini(&s);
    return status;
}

static wh_exit resume(wh_cli *c, const wh_cli_cron *s)
{
    const wh_zone *zone = NULL;
    wh_zones zones = {0};
    wh_errbuf eb = s->why;
    wh_err err = s->err;
    char iso[WH_ZONE_ISO_SIZE];

    if (err == WH_OK) {
        err = wh_zones_get(&zones, s->schedule.zone, &zone, &eb);
    }
    if (err != WH_OK) {
        return wh_cli_redis_fail(c, &s->where, err, &eb);
    }
    int64_t next = wh_firing_next(&s->schedule, zone, s->now_ms);
    wh_exit status = WH_EXIT_OK;
    if (next == 0) {
        wh_cli_error(c, "%s: schedule %s never fires again: \"%s\"", s->where.name,
                     s->name, s->schedule.expression);
        status = WH_EXIT_CONFLICT;
    } else {
        status = send(c, s, "wh1_cron_resume", next);
    }
    if (status == WH_EXIT_OK) {
        wh_cli_note(c, "%s: schedule %s fires next at %s", s->where.name, s->name,
                    wh_zone_iso(zone, next, iso, sizeof iso));
        status = tell(c, s, "resumed");
    }
    wh_zones_clear(&zones);
    return status;
}

wh_exit wh_cli_cron_resume(wh_cli *c)
{
    wh_cli_cron s;
    wh_exit status = find(c, &s);

    if (status == WH_EXIT_OK && s.next_ms >= 0) {
        wh_cli_note(c, "%s: schedule %s is not paused", s.where.name, s.name);
        status = tell(c, &s, "resumed");
    } else if (status == WH_EXIT_OK) {
        status = resume(c, &s);
    }
    wh_cli_cron_fini(&s);
    return status;
}

/* ---- fire ---- */

static void put_arg(void *call, const void *p, size_t n)
{
    wh_call_arg(call, p, n);
}

static wh_err call_fire(wh_cli *c, const wh_cli_cron *s, const wh_firing *due,
                        const wh_reply **reply, wh_errbuf *eb)
{
    const wh_firing_call args = {.partition = s->where.key,
                                 .name = s->name,
                                 .text = {s->text, s->text_n},
                                 .expected_ms = s->next_ms,
                                 .now_ms = s->now_ms};
    wh_call call;

    wh_call_init(&call, "wh1_cron_fire_batch", false, s->where.key);
    wh_err err = wh_firing_write(&args, &s->schedule, due, put_arg, &call);
    if (err != WH_OK) {
        wh_call_fini(&call);
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    return wh_cli_redis_try(c, &call, reply, eb);
}

/* Neither Redis nor the way there is at fault: it will be no better next time. */
static bool is_refusal(wh_err err)
{
    return err == WH_EINVAL || err == WH_ETOOBIG || err == WH_ENOTFOUND;
}

wh_exit wh_cli_cron_fire(wh_cli *c, const wh_cli_cron *s, int64_t *next_ms, bool *fired)
{
    const wh_reply *reply = NULL;
    const wh_zone *zone = NULL;
    wh_zones zones = {0};
    wh_errbuf eb = {.code = WH_OK};
    wh_firing due;
    char iso[WH_ZONE_ISO_SIZE];
    wh_err err = wh_zones_get(&zones, s->schedule.zone, &zone, &eb);

    if (err == WH_OK) {
        wh_firing_due(&s->schedule, zone, s->next_ms, s->now_ms, &due);
        err = call_fire(c, s, &due, &reply, &eb);
    }
    const char *at = wh_zone_iso(zone, s->next_ms, iso, sizeof iso);
    *fired = err != WH_OK || wh_reply_int(wh_reply_at(reply, 0), 0) == 1;
    wh_exit status = WH_EXIT_OK;
    if (is_refusal(err)) {
        wh_cli_warn(c, "%s: schedule %s was due at %s; that is lost: %s", s->where.name,
                    s->name, at, eb.text);
    } else if (err != WH_OK) {
        status = wh_cli_redis_fail(c, &s->where, err, &eb);
    } else if (*fired) {
        *next_ms = due.next_ms;
        wh_cli_note(c, "%s: schedule %s was due at %s, which was fired first",
                    s->where.name, s->name, at);
    }
    wh_zones_clear(&zones);
    return status;
}

/* ---- run ---- */

static wh_exit print_id(wh_cli *c, const wh_cli_cron *s, const char *id)
{
    wh_buf out = {0};

    if (c->json) {
        wh_buf_addf(&out,
                    "{\"id\":\"%s\",\"result\":\"created\",\"partition\":\"%s\","
                    "\"schedule\":\"%s\"}\n",
                    id, s->where.name, s->name);
    } else {
        wh_buf_addf(&out, "%s\n", id);
    }
    return wh_cli_out_done(c, &out, "enqueued");
}

/* A job as at a fire time, with an id of its own: the schedule's fire times stay. */
static wh_exit run(wh_cli *c, const wh_cli_cron *s)
{
    const wh_firing_of f = {s->where.key, s->name, 0, s->now_ms};
    uint8_t id[WH_UUID_BYTES];
    wh_errbuf eb = {.code = WH_OK};
    wh_job_spec spec = wh_firing_job(&s->schedule, &f, id);

    spec.id = NULL;
    wh_cli_batch *b = wh_calloc(1, sizeof *b);
    if (b == NULL) {
        return wh_cli_no_memory(c);
    }
    wh_cli_batch_init(b, c, &s->where);
    wh_err err = wh_cli_batch_add(b, &spec, &eb);
    wh_exit status = err == WH_OK ? wh_cli_batch_flush(b)
                                  : wh_cli_redis_fail(c, &s->where, err, &eb);
    if (status == WH_EXIT_OK) {
        status = print_id(c, s, b->last_id);
    }
    wh_cli_batch_fini(b);
    wh_free(b);
    return status;
}

wh_exit wh_cli_cron_run(wh_cli *c)
{
    wh_cli_cron s;
    wh_exit status = find(c, &s);

    if (status == WH_EXIT_OK && s.err != WH_OK) {
        status = wh_cli_redis_fail(c, &s.where, s.err, &s.why);
    } else if (status == WH_EXIT_OK) {
        status = run(c, &s);
    }
    wh_cli_cron_fini(&s);
    return status;
}
