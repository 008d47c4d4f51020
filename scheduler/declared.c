/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones are looked up while checking, so that a missing tzdata is seen at the start and
 * not at the first fire time.
 */
#include "scheduler/declared.h"

#include "common/base/alloc.h"
#include "common/job/payload.h"
#include "common/schedule/schedule.h"
#include "common/schedule/zones.h"

#include <string.h>

static wh_schedule schedule_of(const wh_schedule_config *c, const char *set)
{
    return (wh_schedule){
        .expression = c->expression,
        .zone = c->zone,
        .type = c->type,
        .org = c->org,
        .group = c->group,
        .payload = c->payload,
        .payload_len = c->payload == NULL ? 0 : strlen(c->payload),
        .priority_plus1 = (int)c->priority + 1,
        .max_attempts = (int)c->max_attempts,
        .timeout_ms = c->timeout_ms,
        .jitter_ms = c->jitter_ms,
        .misfire = (wh_schedule_misfire)c->misfire,
        .misfire_max = (int)c->misfire_max,
        .paused = c->paused,
        .declared = set,
    };
}

/* "zone: …" becomes "schedules.NAME.zone: …" when the text begins with an option. */
static wh_err refuse(const wh_schedule_config *c, wh_err err, const char *why,
                     wh_errbuf *eb)
{
    return wh_err_set(eb, err == WH_ENOMEM ? err : WH_ECONFIG, "schedules.%.64s.%s",
                      c->name, why);
}

static wh_err refuse_option(const wh_schedule_config *c, wh_err err, const char *option,
                            const char *why, wh_errbuf *eb)
{
    return wh_err_set(eb, err == WH_ENOMEM ? err : WH_ECONFIG, "schedules.%.64s.%s: %s",
                      c->name, option, why);
}

/* A payload is text here, so it is JSON when it has a schema. */
static wh_err check_payload(const wh_schedule_config *c, wh_errbuf *eb)
{
    wh_schema *schema = NULL;
    wh_schema_report report;
    wh_errbuf why = {0};
    wh_slice payload = {c->payload, c->payload == NULL ? 0 : strlen(c->payload)};

    if (c->schema == NULL || c->schema[0] == '\0')
        return WH_OK;
    wh_err err = wh_payload_schema(c->schema, &schema, &why);
    if (err)
        return refuse_option(c, err, "schema", why.text, eb);
    err = wh_payload_check(schema, WH_PAYLOAD_JSON, payload, &report, &why);
    wh_schema_free(schema);
    if (err && report.instance[0] == '\0') /* begins with "payload: " */
        return refuse(c, err, why.text, eb);
    return err ? refuse_option(c, err, "payload", why.text, eb) : WH_OK;
}

static wh_err load_one(const wh_schedule_config *c, const char *set, wh_zones *zones,
                       wh_declared_item *out, wh_errbuf *eb)
{
    wh_schedule s = schedule_of(c, set);
    wh_errbuf why = {0};
    const wh_zone *zone = NULL;
    wh_buf text = {0};
    wh_err err = WH_EINVAL;

    if (!wh_job_name_ok(c->name, strlen(c->name)))
        return wh_err_set(eb, WH_ECONFIG,
                          "schedules: \"%.70s\" is no name; use 1 to 64 of A-Z a-z 0-9 "
                          "_ . -",
                          c->name);
    memcpy(out->name, c->name, strlen(c->name) + 1);
    if (c->partition == NULL || c->partition[0] == '\0')
        return refuse(c, WH_EINVAL, "partition: is missing; write region:queue", eb);
    err = wh_options_scheduler_partition(c->partition, out->key, &why);
    if (err)
        return refuse_option(c, err, "partition", why.text, eb);
    err = wh_schedule_check(&s, &why);
    if (err)
        return refuse(c, err, why.text, eb);
    err = wh_zones_get(zones, s.zone, &zone, &why);
    if (err)
        return refuse_option(c, err, "zone", why.text, eb);
    err = check_payload(c, eb);
    if (err)
        return err;
    wh_schedule_format(&s, &text);
    out->text = wh_buf_ok(&text) ? wh_buf_take(&text) : NULL;
    wh_buf_fini(&text);
    return out->text ? WH_OK : wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
}

static wh_err check_set(const char *option, const char *name, wh_errbuf *eb)
{
    if (wh_job_name_ok(name, strlen(name)))
        return WH_OK;
    return wh_err_set(eb, WH_ECONFIG,
                      "%s: \"%.70s\" is no name; use 1 to 64 of A-Z a-z 0-9 _ . -",
                      option, name);
}

static wh_err load_sets(const wh_scheduler_config *c, wh_declared *d, wh_errbuf *eb)
{
    const wh_strlist *was = &c->schedule_set_was;
    wh_err err = check_set("schedule_set", c->schedule_set, eb);
    if (err)
        return err;
    memcpy(d->set, c->schedule_set, strlen(c->schedule_set) + 1);
    d->was = wh_calloc(was->count + 1, sizeof *d->was);
    if (!d->was)
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    for (size_t i = 0; i < was->count; i++) {
        err = check_set("schedule_set_was", was->items[i], eb);
        if (err)
            return err;
        if (strcmp(was->items[i], d->set) == 0)
            return wh_err_set(eb, WH_ECONFIG,
                              "schedule_set_was: \"%s\" is the set's own name; give "
                              "those that it had before",
                              d->set);
        memcpy(d->was[d->n_was++], was->items[i], strlen(was->items[i]) + 1);
    }
    return WH_OK;
}

wh_err wh_declared_load(const wh_scheduler_config *c, wh_declared *out, wh_errbuf *eb)
{
    wh_declared d = {.governs = out->governs || c->schedules.count > 0};
    const wh_schedule_config *items = c->schedules.items;
    wh_zones zones = {0};
    wh_err err = load_sets(c, &d, eb);

    if (!err) {
        d.items = wh_calloc(c->schedules.count + 1, sizeof *d.items);
        if (!d.items)
            err = wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    for (size_t i = 0; !err && i < c->schedules.count; i++)
        err = load_one(&items[i], d.set, &zones, &d.items[d.n++], eb);
    wh_zones_clear(&zones);
    if (err) {
        wh_declared_fini(&d);
        return err;
    }
    wh_declared_fini(out);
    *out = d;
    return WH_OK;
}

void wh_declared_fini(wh_declared *d)
{
    for (size_t i = 0; i < d->n; i++)
        wh_free(d->items[i].text);
    wh_free(d->items);
    wh_free(d->was);
    *d = (wh_declared){0};
}

bool wh_declared_has(const wh_declared *d, const char *key, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->items[i].name, name) == 0 && strcmp(d->items[i].key, key) == 0)
            return true;
    return false;
}

bool wh_declared_owns(const wh_declared *d, const char *set)
{
    if (strcmp(set, d->set) == 0)
        return true;
    for (size_t i = 0; i < d->n_was; i++)
        if (strcmp(set, d->was[i]) == 0)
            return true;
    return false;
}
