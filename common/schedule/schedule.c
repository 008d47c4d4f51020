/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON text has only the fields that differ from their defaults, in the order of the
 * table, so that comparing texts compares schedules.
 */
#include "common/schedule/schedule.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include <jansson.h>

typedef enum field_kind {
    FIELD_TEXT,
    FIELD_PAYLOAD,
    FIELD_MS,
    FIELD_COUNT,
    FIELD_PRIORITY,
    FIELD_MISFIRE,
    FIELD_BOOL
} field_kind;

static const struct field {
    const char *name;
    field_kind kind;
    size_t offset;
} fields[] = {
    {"expression", FIELD_TEXT, offsetof(wh_schedule, expression)},
    {"zone", FIELD_TEXT, offsetof(wh_schedule, zone)},
    {"type", FIELD_TEXT, offsetof(wh_schedule, type)},
    {"org", FIELD_TEXT, offsetof(wh_schedule, org)},
    {"group", FIELD_TEXT, offsetof(wh_schedule, group)},
    {"payload", FIELD_PAYLOAD, offsetof(wh_schedule, payload)},
    {"priority", FIELD_PRIORITY, offsetof(wh_schedule, priority_plus1)},
    {"max_attempts", FIELD_COUNT, offsetof(wh_schedule, max_attempts)},
    {"timeout_ms", FIELD_MS, offsetof(wh_schedule, timeout_ms)},
    {"jitter_ms", FIELD_MS, offsetof(wh_schedule, jitter_ms)},
    {"misfire", FIELD_MISFIRE, offsetof(wh_schedule, misfire)},
    {"misfire_max", FIELD_COUNT, offsetof(wh_schedule, misfire_max)},
    {"paused", FIELD_BOOL, offsetof(wh_schedule, paused)},
    {"declared", FIELD_TEXT, offsetof(wh_schedule, declared)},
};
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static const char *const misfires[WH_SCHEDULE_MISFIRE_COUNT] = {
    [WH_SCHEDULE_ONCE] = "once",
    [WH_SCHEDULE_SKIP] = "skip",
    [WH_SCHEDULE_ALL] = "all"};

const char *wh_schedule_misfire_name(wh_schedule_misfire m)
{
    return m < WH_SCHEDULE_MISFIRE_COUNT ? misfires[m] : "once";
}

bool wh_schedule_misfire_parse(const char *text, wh_schedule_misfire *out)
{
    for (int i = 0; i < WH_SCHEDULE_MISFIRE_COUNT; i++) {
        if (strcmp(misfires[i], text) == 0) {
            *out = (wh_schedule_misfire)i;
            return true;
        }
    }
    return false;
}

static const char *zone_of(const wh_schedule *s)
{
    return s->zone != NULL ? s->zone : "UTC";
}

bool wh_schedule_same_times(const wh_schedule *a, const wh_schedule *b)
{
    return strcmp(a->expression, b->expression) == 0 &&
           strcmp(zone_of(a), zone_of(b)) == 0;
}

/* ---- check ---- */

static wh_err check_text(const wh_schedule *s, wh_errbuf *eb)
{
    for (size_t i = 0; i < s->payload_len;) {
        size_t n = wh_buf_utf8_len(s->payload + i, s->payload_len - i);

        if (n == 0 || s->payload[i] == '\0') {
            return wh_err_set(
                eb, WH_EBADDATA,
                "payload: byte %zu is no UTF-8 text; a schedule's payload "
                "is text (put binary data where the handler finds them)",
                i + 1);
        }
        i += n;
    }
    if (s->zone != NULL &&
        (s->zone[0] == '\0' || strlen(s->zone) > WH_SCHEDULE_ZONE_MAX)) {
        return wh_err_set(eb, WH_EINVAL,
                          "zone: give a name of 1 to %d characters, such as "
                          "Europe/Berlin",
                          WH_SCHEDULE_ZONE_MAX);
    }
    if (s->declared != NULL && !wh_job_name_ok(s->declared, strlen(s->declared))) {
        return wh_err_set(eb, WH_EINVAL,
                          "declared: \"%.70s\" is no name of a set; give 1 to %d "
                          "characters of A-Z a-z 0-9 _ . -",
                          s->declared, WH_JOB_NAME_MAX);
    }
    return WH_OK;
}

static wh_err check_times(const wh_schedule *s, wh_errbuf *eb)
{
    if (s->jitter_ms < 0 || s->jitter_ms > WH_SCHEDULE_JITTER_MAX_MS) {
        return wh_err_set(eb, WH_EINVAL, "jitter: give 0 to 24 hours");
    }
    if (s->misfire_max < 0 || s->misfire_max > WH_SCHEDULE_JOBS_MAX) {
        return wh_err_set(eb, WH_EINVAL, "misfire_max: give 1 to %d",
                          WH_SCHEDULE_JOBS_MAX);
    }
    if (s->misfire_max > 0 && s->misfire != WH_SCHEDULE_ALL) {
        return wh_err_set(
            eb, WH_EINVAL,
            "misfire_max: is of misfire \"all\"; with \"%s\" leave it out",
            wh_schedule_misfire_name(s->misfire));
    }
    return WH_OK;
}

wh_job_spec wh_schedule_job(const wh_schedule *s)
{
    return (wh_job_spec){.type = s->type,
                         .org = s->org,
                         .group = s->group,
                         .payload = s->payload,
                         .payload_len = s->payload_len,
                         .priority_plus1 = s->priority_plus1,
                         .max_attempts = s->max_attempts,
                         .timeout_ms = s->timeout_ms};
}

/* A job's errors begin with the field's name and a blank. */
static wh_err check_job(const wh_schedule *s, wh_errbuf *eb)
{
    wh_errbuf why = {0};
    const wh_job_spec spec = wh_schedule_job(s);
    wh_err err = wh_job_spec_check(&spec, WH_SCHEDULE_TEXT_MAX, &why);
    int field = (int)strcspn(why.text, " ");

    return err == WH_OK
               ? WH_OK
               : wh_err_set(eb, err, "%.*s:%s", field, why.text, why.text + field);
}

wh_err wh_schedule_check(wh_schedule *s, wh_errbuf *eb)
{
    wh_errbuf why = {0};

    if (s->expression == NULL) {
        return wh_err_set(eb, WH_EINVAL,
                          "expression: is missing; give one like \"0 3 * * *\" (each "
                          "day at 3)");
    }
    wh_err err = wh_cron_parse(s->expression, &s->cron, &why);
    if (err != WH_OK) {
        return wh_err_set(eb, err, "expression: %s", why.text);
    }
    err = check_text(s, eb);
    if (err == WH_OK) {
        err = check_times(s, eb);
    }
    if (err == WH_OK) {
        err = check_job(s, eb);
    }
    if (err != WH_OK) {
        return err;
    }
    wh_buf text = {0};
    wh_schedule_format(s, &text);
    if (!wh_buf_ok(&text)) {
        err = wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    } else if (text.len > WH_SCHEDULE_TEXT_MAX) {
        err = wh_err_set(eb, WH_ETOOBIG,
                         "payload: the schedule has %zu bytes as JSON; at most %d are "
                         "kept",
                         text.len, WH_SCHEDULE_TEXT_MAX);
    }
    wh_buf_fini(&text);
    return err;
}

/* ---- parse ---- */

static wh_err wrong_kind(const struct field *f, const char *what, wh_errbuf *eb)
{
    return wh_err_set(eb, WH_EBADDATA, "%s: must be %s", f->name, what);
}

static wh_err set_number(wh_schedule *s, const struct field *f, const json_t *v,
                         wh_errbuf *eb)
{
    int64_t number = json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
    char *to = (char *)s + f->offset;

    if (number < 0 || (f->kind != FIELD_MS && number >= INT_MAX)) {
        return wrong_kind(f, "a whole number, 0 or more", eb);
    }
    if (f->kind == FIELD_MS) {
        memcpy(to, &number, sizeof number);
    } else {
        int small = (int)number + (f->kind == FIELD_PRIORITY);
        memcpy(to, &small, sizeof small);
    }
    return WH_OK;
}

static wh_err set_field(wh_schedule *s, const struct field *f, const json_t *v,
                        wh_errbuf *eb)
{
    const char *text = json_string_value(v);

    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_PAYLOAD:
        if (text == NULL) {
            return wrong_kind(f, "a string", eb);
        }
        memcpy((char *)s + f->offset, &text, sizeof text);
        if (f->kind == FIELD_PAYLOAD) {
            s->payload_len = json_string_length(v);
        }
        return WH_OK;
    case FIELD_MS:
    case FIELD_COUNT:
    case FIELD_PRIORITY:
        return set_number(s, f, v, eb);
    case FIELD_MISFIRE:
        if (text == NULL || !wh_schedule_misfire_parse(text, &s->misfire)) {
            return wrong_kind(f, "\"once\", \"skip\" or \"all\"", eb);
        }
        return WH_OK;
    case FIELD_BOOL:
        if (!json_is_boolean(v)) {
            return wrong_kind(f, "true or false", eb);
        }
        s->paused = json_is_true(v);
        return WH_OK;
    }
    return WH_EINVAL;
}

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

wh_err wh_schedule_parse(const char *text, size_t n, wh_schedule *out, wh_errbuf *eb)
{
    json_error_t fault;
    const char *name = NULL;
    json_t *value = NULL;
    wh_err err = WH_OK;
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &fault);

    *out = (wh_schedule){.memory = object};
    if (!json_is_object(object)) {
        return wh_err_set(eb, WH_EBADDATA, "no JSON object%s%s",
                          object == NULL ? ": " : "", object == NULL ? fault.text : "");
    }
    json_object_foreach(object, name, value)
    {
        const struct field *f = find_field(name);

        err = f != NULL
                  ? set_field(out, f, value, eb)
                  : wh_err_set(eb, WH_EBADDATA,
                               "%.60s: there is no such field in this version", name);
        if (err != WH_OK) {
            return err;
        }
    }
    return wh_schedule_check(out, eb);
}

void wh_schedule_fini(wh_schedule *s)
{
    json_decref(s->memory);
    *s = (wh_schedule){0};
}

/* ---- format ---- */

static int int_at(const wh_schedule *s, const struct field *f)
{
    int value;

    memcpy(&value, (const char *)s + f->offset, sizeof value);
    return value;
}

static int64_t ms_at(const wh_schedule *s, const struct field *f)
{
    int64_t value;

    memcpy(&value, (const char *)s + f->offset, sizeof value);
    return value;
}

static const char *text_at(const wh_schedule *s, const struct field *f)
{
    const char *value;

    memcpy(&value, (const char *)s + f->offset, sizeof value);
    return value;
}

/* The value, or nothing when it is the default. */
static void format_value(const wh_schedule *s, const struct field *f, wh_buf *out)
{
    const char *text = NULL;

    switch (f->kind) {
    case FIELD_TEXT:
        text = text_at(s, f);
        if (text != NULL) {
            wh_buf_add_json(out, text, strlen(text));
        }
        break;
    case FIELD_PAYLOAD:
        if (s->payload_len > 0) {
            wh_buf_add_json(out, s->payload, s->payload_len);
        }
        break;
    case FIELD_MS:
        if (ms_at(s, f) > 0) {
            wh_buf_addf(out, "%" PRId64, ms_at(s, f));
        }
        break;
    case FIELD_COUNT:
    case FIELD_PRIORITY:
        if (int_at(s, f) > 0) {
            wh_buf_addf(out, "%d", int_at(s, f) - (f->kind == FIELD_PRIORITY));
        }
        break;
    case FIELD_MISFIRE:
        if (s->misfire != WH_SCHEDULE_ONCE) {
            wh_buf_addf(out, "\"%s\"", wh_schedule_misfire_name(s->misfire));
        }
        break;
    case FIELD_BOOL:
        wh_buf_adds(out, s->paused ? "true" : "");
        break;
    }
}

void wh_schedule_format(const wh_schedule *s, wh_buf *out)
{
    wh_buf value = {0};
    char before = '{';

    for (size_t i = 0; i < N_FIELDS; i++) {
        wh_buf_clear(&value);
        format_value(s, &fields[i], &value);
        if (!wh_buf_ok(&value)) {
            out->failed = true;
        } else if (value.len > 0) {
            wh_buf_addf(out, "%c\"%s\":", before, fields[i].name);
            wh_buf_add(out, value.data, value.len);
            before = ',';
        }
    }
    wh_buf_addc(out, '}');
    wh_buf_fini(&value);
}
