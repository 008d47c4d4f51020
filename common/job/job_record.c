/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job as operators read it: filled field by field from the replies of wh1_job,
 * wh1_jobs and wh1_dlq_list, printed as one JSON object. One table says for each
 * protocol field what it is and where it goes; reading and printing both follow
 * it. Called by store (fill), cli and scheduler (print).
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/job/job.h"

#include <limits.h>
#include <string.h>

#define TIME_MAX_MS INT64_C(9007199254740991)
#define JSON_DEPTH_MAX 16

typedef enum field_kind {
    FIELD_ID,
    FIELD_STATUS,
    FIELD_TEXT,
    FIELD_JSON,   /* text that is JSON already */
    FIELD_BYTES,  /* with a length; base64 unless text */
    FIELD_COUNT,  /* int, always there */
    FIELD_OPTION, /* int, -1 when absent */
    FIELD_NUMBER, /* int64_t, 0 when absent */
    FIELD_TIME    /* the same, printed as ISO text too */
} field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset, len_offset;
    int64_t max; /* of numbers */
} field;

#define AT(m) offsetof(wh_job_record, m), 0
#define BYTES_AT(m) offsetof(wh_job_record, m), offsetof(wh_job_record, m##_len)

static const field fields[] = {
    {"id", FIELD_ID, AT(id), 0},
    {"type", FIELD_TEXT, AT(type), 0},
    {"org", FIELD_TEXT, AT(org), 0},
    {"group", FIELD_TEXT, AT(group), 0},
    {"region", FIELD_TEXT, AT(region), 0},
    {"queue", FIELD_TEXT, AT(queue), 0},
    {"status", FIELD_STATUS, AT(status), 0},
    {"entity_type", FIELD_TEXT, AT(entity_type), 0},
    {"entity_id", FIELD_TEXT, AT(entity_id), 0},
    {"payload", FIELD_BYTES, BYTES_AT(payload), 0},
    {"result", FIELD_BYTES, BYTES_AT(result), 0},
    {"priority", FIELD_COUNT, AT(priority), 9},
    {"attempts", FIELD_COUNT, AT(attempts), INT_MAX},
    {"max_attempts", FIELD_OPTION, AT(max_attempts), INT_MAX},
    {"recoveries", FIELD_COUNT, AT(recoveries), INT_MAX},
    {"enqueued_at_ms", FIELD_TIME, AT(enqueued_at_ms), TIME_MAX_MS},
    {"started_at_ms", FIELD_TIME, AT(started_at_ms), TIME_MAX_MS},
    {"finished_at_ms", FIELD_TIME, AT(finished_at_ms), TIME_MAX_MS},
    {"next_retry_at_ms", FIELD_TIME, AT(next_retry_at_ms), TIME_MAX_MS},
    {"error_message", FIELD_TEXT, AT(error_message), 0},
    {"error_category", FIELD_TEXT, AT(error_category), 0},
    {"error_context", FIELD_TEXT, AT(error_context), 0},
    {"snoozed_until_ms", FIELD_TIME, AT(snoozed_until_ms), TIME_MAX_MS},
    {"snoozes", FIELD_OPTION, AT(snoozes), INT_MAX},
    {"snooze_category", FIELD_TEXT, AT(snooze_category), 0},
    {"snooze_message", FIELD_TEXT, AT(snooze_message), 0},
    {"progress", FIELD_OPTION, AT(progress), 100},
    {"progress_message", FIELD_TEXT, AT(progress_message), 0},
    {"traceparent", FIELD_TEXT, AT(traceparent), 0},
    {"worker", FIELD_TEXT, AT(worker), 0},
    {"timeout_ms", FIELD_NUMBER, AT(timeout_ms), TIME_MAX_MS},
    {"expires_at_ms", FIELD_TIME, AT(expires_at_ms), TIME_MAX_MS},
    {"fence", FIELD_NUMBER, AT(fence), TIME_MAX_MS},
    {"retry_for_ms", FIELD_NUMBER, AT(retry_for_ms), TIME_MAX_MS},
    {"idempotency_key", FIELD_TEXT, AT(idempotency_key), 0},
    {"unique", FIELD_TEXT, AT(unique), 0},
    {"conflict", FIELD_TEXT, AT(conflict), 0},
    {"dlq_entry", FIELD_TEXT, AT(dlq_entry), 0},
    {"history", FIELD_JSON, AT(history), 0},
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static bool is_owned(const field *f)
{
    return f->kind == FIELD_TEXT || f->kind == FIELD_JSON || f->kind == FIELD_BYTES;
}

static char *get_text(const wh_job_record *r, const field *f)
{
    char *text;
    memcpy(&text, (const char *)r + f->offset, sizeof text);
    return text;
}

static size_t get_len(const wh_job_record *r, const field *f)
{
    size_t len;
    memcpy(&len, (const char *)r + f->len_offset, sizeof len);
    return len;
}

static bool is_small(const field *f)
{
    return f->kind == FIELD_COUNT || f->kind == FIELD_OPTION;
}

static int64_t get_number(const wh_job_record *r, const field *f)
{
    int small;
    int64_t large;
    if (is_small(f)) {
        memcpy(&small, (const char *)r + f->offset, sizeof small);
        return small;
    }
    memcpy(&large, (const char *)r + f->offset, sizeof large);
    return large;
}

void wh_job_record_init(wh_job_record *r)
{
    *r = (wh_job_record){.max_attempts = -1, .snoozes = -1, .progress = -1};
}

void wh_job_record_fini(wh_job_record *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (is_owned(&fields[i])) {
            wh_free(get_text(r, &fields[i]));
        }
    }
    wh_job_record_init(r);
}

/* ------------------------------------------------------------------ reading */

static wh_err set_text(wh_job_record *r, const field *f, const char *value, size_t n)
{
    /* No value and an empty one mean the same, except for payload and result. */
    char *copy = NULL;
    if (n > 0 || f->kind == FIELD_BYTES) {
        copy = wh_memdup(n > 0 ? value : "", n);
        if (copy == NULL) {
            return WH_ENOMEM;
        }
    }
    wh_free(get_text(r, f));
    memcpy((char *)r + f->offset, &copy, sizeof copy);
    if (f->kind == FIELD_BYTES) {
        memcpy((char *)r + f->len_offset, &n, sizeof n);
    }
    return WH_OK;
}

static wh_err set_number(wh_job_record *r, const field *f, const char *value, size_t n)
{
    int64_t number = 0;
    if (n == 0 || n > 16) {
        return WH_EBADDATA;
    }
    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return WH_EBADDATA;
        }
        number = number * 10 + (value[i] - '0');
    }
    if (number > f->max) {
        return WH_EBADDATA;
    }
    if (is_small(f)) {
        int small = (int)number;
        memcpy((char *)r + f->offset, &small, sizeof small);
    } else {
        memcpy((char *)r + f->offset, &number, sizeof number);
    }
    return WH_OK;
}

static wh_err set_status(wh_job_record *r, const char *value, size_t n)
{
    char word[16];
    if (n >= sizeof word || memchr(value, '\0', n) != NULL) {
        return WH_EBADDATA;
    }
    memcpy(word, value, n);
    word[n] = '\0';
    return wh_job_status_parse(word, &r->status) ? WH_OK : WH_EBADDATA;
}

static wh_err set_id(wh_job_record *r, const char *value, size_t n)
{
    uint8_t id[WH_UUID_BYTES];
    if (!wh_rng_uuid_parse(value, n, id)) {
        return WH_EBADDATA;
    }
    wh_rng_uuid_format(id, r->id);
    return WH_OK;
}

wh_err wh_job_record_set(wh_job_record *r, const char *field_name, size_t field_len,
                         const char *value, size_t value_len)
{
    const field *f = NULL;
    for (size_t i = 0; f == NULL && i < N_FIELDS; i++) {
        if (strlen(fields[i].name) == field_len &&
            memcmp(fields[i].name, field_name, field_len) == 0) {
            f = &fields[i];
        }
    }
    if (f == NULL) {
        return WH_OK;
    }
    if (value == NULL) {
        value = "";
        value_len = 0;
    }
    switch (f->kind) {
    case FIELD_ID:
        return set_id(r, value, value_len);
    case FIELD_STATUS:
        return set_status(r, value, value_len);
    case FIELD_TEXT:
    case FIELD_JSON:
    case FIELD_BYTES:
        return set_text(r, f, value, value_len);
    case FIELD_COUNT:
    case FIELD_OPTION:
    case FIELD_NUMBER:
    case FIELD_TIME:
        return set_number(r, f, value, value_len);
    }
    return WH_EBADDATA;
}

/* ------------------------------------------------------- what may be printed */

/* Length of the UTF-8 sequence at p (n > 0 bytes left), 0 when it is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    /* Second byte's range by first byte: no overlong forms, no surrogates, <= U+10FFFF. */
    unsigned char lo = 0x80, hi = 0xbf;
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;
    if (len < 2 || len > n) {
        return len == 1 ? 1 : 0;
    }
    if (p[0] == 0xe0) {
        lo = 0xa0;
    } else if (p[0] == 0xed) {
        hi = 0x9f;
    } else if (p[0] == 0xf0) {
        lo = 0x90;
    } else if (p[0] == 0xf4) {
        hi = 0x8f;
    }
    if (p[1] < lo || p[1] > hi) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

/* Text that JSON can carry anywhere; NUL is UTF-8, but many readers stop at it. */
static bool is_text(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        size_t len = p[i] == '\0' ? 0 : utf8_len(p + i, n - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

/* The end of the JSON string at s (behind its opening quote), or NULL. */
static const char *json_string_end(const char *s)
{
    for (; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20) {
            return NULL;
        }
        if (*s == '\\') {
            s++;
            if (*s == 'u' && strspn(s + 1, "0123456789abcdefABCDEF") < 4) {
                return NULL;
            }
            if (*s == '\0' || strchr("\"\\/bfnrtu", *s) == NULL) {
                return NULL;
            }
        }
    }
    return s + 1;
}

static const char *json_number_end(const char *s)
{
    s += *s == '-';
    size_t digits = strspn(s, "0123456789");
    if (digits == 0 || (digits > 1 && *s == '0')) {
        return NULL;
    }
    s += digits;
    if (*s == '.') {
        digits = strspn(++s, "0123456789");
        s = digits > 0 ? s + digits : NULL;
    }
    if (s != NULL && (*s == 'e' || *s == 'E')) {
        s++;
        s += *s == '+' || *s == '-';
        digits = strspn(s, "0123456789");
        s = digits > 0 ? s + digits : NULL;
    }
    return s;
}

static const char *json_scalar_end(const char *s)
{
    static const char *const words[] = {"null", "true", "false"};
    if (*s == '"') {
        return json_string_end(s + 1);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncmp(s, words[i], strlen(words[i])) == 0) {
            return s + strlen(words[i]);
        }
    }
    return json_number_end(s);
}

/* Is it one JSON value made of arrays and scalars, as a history is? It came from a
 * stream that people can write to, and goes unquoted into our own JSON. */
static bool is_json_array(const char *s)
{
    unsigned depth = 0;
    s = skip_space(s);
    if (*s != '[') {
        return false;
    }
    do {
        if (*s == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return false;
            }
            s = skip_space(s + 1);
            if (*s != ']') {
                continue; /* a value must follow */
            }
        } else {
            s = json_scalar_end(s);
            if (s == NULL) {
                return false;
            }
            s = skip_space(s);
        }
        while (depth > 0 && *s == ']') {
            depth--;
            s = skip_space(s + 1);
        }
        if (depth > 0) {
            if (*s != ',') {
                return false;
            }
            s = skip_space(s + 1);
        }
    } while (depth > 0);
    return *s == '\0';
}

/* ----------------------------------------------------------------- printing */

static void add_base64(wh_buf *out, const char *s, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t bits = (uint32_t)p[i] << 16 |
                        (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (left > 2 ? p[i + 2] : 0U);
        char quad[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        wh_buf_add(out, quad, sizeof quad);
    }
}

/* ,"name": behind the id, which is always the first. */
static void add_name(wh_buf *out, const char *name, size_t n, const char *suffix)
{
    wh_buf_adds(out, ",\"");
    wh_buf_add(out, name, n);
    wh_buf_adds(out, suffix);
    wh_buf_adds(out, "\":");
}

static void add_text(const wh_job_record *r, const field *f, wh_buf *out)
{
    const char *text = get_text(r, f);
    if (text == NULL) {
        return;
    }
    size_t n = f->kind == FIELD_BYTES ? get_len(r, f) : strlen(text);
    bool as_text = f->kind != FIELD_BYTES || is_text(text, n);
    add_name(out, f->name, strlen(f->name), as_text ? "" : "_base64");
    if (!as_text) {
        wh_buf_addc(out, '"');
        add_base64(out, text, n);
        wh_buf_addc(out, '"');
    } else if (f->kind == FIELD_JSON && is_text(text, n) && is_json_array(text)) {
        wh_buf_add(out, text, n);
    } else {
        wh_buf_add_json(out, text, n);
    }
}

static void add_number(const wh_job_record *r, const field *f, wh_buf *out)
{
    int64_t number = get_number(r, f);
    bool is_absent =
        f->kind == FIELD_OPTION ? number < 0 : f->kind != FIELD_COUNT && number == 0;
    if (is_absent) {
        return;
    }
    add_name(out, f->name, strlen(f->name), "");
    wh_buf_addi(out, number);
    if (f->kind == FIELD_TIME) {
        char iso[40];
        add_name(out, f->name, strlen(f->name) - strlen("_ms"), "");
        wh_buf_addc(out, '"');
        wh_buf_adds(out, wh_clock_iso(number, iso, sizeof iso));
        wh_buf_addc(out, '"');
    }
}

void wh_job_record_json(const wh_job_record *r, wh_buf *out)
{
    wh_buf_adds(out, "{\"id\":");
    wh_buf_add_json(out, r->id, strlen(r->id));
    for (size_t i = 1; i < N_FIELDS; i++) {
        const field *f = &fields[i];
        if (is_owned(f)) {
            add_text(r, f, out);
        } else if (f->kind == FIELD_STATUS) {
            const char *status = wh_job_status_name(r->status);
            add_name(out, f->name, strlen(f->name), "");
            wh_buf_add_json(out, status, strlen(status));
        } else {
            add_number(r, f, out);
        }
    }
    wh_buf_addc(out, '}');
}
