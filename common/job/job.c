/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, limits and the check of what a producer asks for; the status words.
 * Called by client (before anything is packed) and by everyone who prints a
 * status. The limits are those of docs/protocol.md sections 1 and 3, which the
 * functions in Redis check again: this check exists for its better messages.
 */
#include "common/job/job.h"

#include "common/base/alloc.h"

#include <inttypes.h>
#include <string.h>

#define PRIORITY_MAX 9
#define MAX_ATTEMPTS_MAX 1000
#define TIMEOUT_MAX_MS INT64_C(604800000)  /* 7 days */
#define DELAY_MAX_MS INT64_C(315360000000) /* 10 years */
#define LABEL_MAX 256                      /* entity, trace, idempotency key */

static const char *const status_names[WH_JOB_STATUS_COUNT] = {
    [WH_JOB_PENDING] = "pending",         [WH_JOB_SCHEDULED] = "scheduled",
    [WH_JOB_IN_PROGRESS] = "in_progress", [WH_JOB_COMPLETED] = "completed",
    [WH_JOB_FAILED] = "failed",           [WH_JOB_CANCELLED] = "cancelled",
    [WH_JOB_EXPIRED] = "expired",
};

static const char *const unique_names[WH_JOB_UNIQUE_COUNT] = {
    [WH_JOB_UNIQUE_TTL] = "ttl",
    [WH_JOB_UNIQUE_DONE] = "done",
    [WH_JOB_UNIQUE_QUEUED] = "queued",
};

static const char *const conflict_names[WH_JOB_CONFLICT_COUNT] = {
    [WH_JOB_CONFLICT_KEEP] = "keep",
    [WH_JOB_CONFLICT_REPLACE] = "replace",
    [WH_JOB_CONFLICT_EXTEND] = "extend",
    [WH_JOB_CONFLICT_KEEP_LAST] = "keep_last",
};

void wh_job_free(wh_job *job)
{
    wh_free(job);
}

static const char *word_of(const char *const *words, unsigned n, unsigned index)
{
    return index < n ? words[index] : "unknown";
}

/* The index of s; n: it is none of the words. */
static unsigned find_word(const char *const *words, unsigned n, const char *s)
{
    unsigned i = s == NULL ? n : 0;
    while (i < n && strcmp(s, words[i]) != 0) {
        i++;
    }
    return i;
}

const char *wh_job_status_name(wh_job_status s)
{
    return word_of(status_names, WH_JOB_STATUS_COUNT, (unsigned)s);
}

bool wh_job_status_parse(const char *s, wh_job_status *out)
{
    unsigned i = find_word(status_names, WH_JOB_STATUS_COUNT, s);
    if (i < WH_JOB_STATUS_COUNT) {
        *out = (wh_job_status)i;
    }
    return i < WH_JOB_STATUS_COUNT;
}

const char *wh_job_unique_name(wh_job_unique u)
{
    return word_of(unique_names, WH_JOB_UNIQUE_COUNT, (unsigned)u);
}

bool wh_job_unique_parse(const char *s, wh_job_unique *out)
{
    unsigned i = find_word(unique_names, WH_JOB_UNIQUE_COUNT, s);
    if (i < WH_JOB_UNIQUE_COUNT) {
        *out = (wh_job_unique)i;
    }
    return i < WH_JOB_UNIQUE_COUNT;
}

const char *wh_job_conflict_name(wh_job_conflict c)
{
    return word_of(conflict_names, WH_JOB_CONFLICT_COUNT, (unsigned)c);
}

bool wh_job_conflict_parse(const char *s, wh_job_conflict *out)
{
    unsigned i = find_word(conflict_names, WH_JOB_CONFLICT_COUNT, s);
    if (i < WH_JOB_CONFLICT_COUNT) {
        *out = (wh_job_conflict)i;
    }
    return i < WH_JOB_CONFLICT_COUNT;
}

/* Not isalnum(): a name must not change its meaning with the locale. */
static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '.' || c == '-';
}

bool wh_job_name_ok(const char *s, size_t n)
{
    if (s == NULL || n == 0 || n > WH_JOB_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_name_byte(s[i])) {
            return false;
        }
    }
    return true;
}

/* The first bytes of a refused value, fit to print: it came from outside. */
typedef struct excerpt {
    char text[36];
} excerpt;

static excerpt make_excerpt(const char *s)
{
    enum { EXCERPT_MAX = 32 };
    excerpt e;
    size_t n = 0, len = 0, left = strlen(s);
    for (; n < left && n < EXCERPT_MAX; n += len) {
        len = wh_buf_utf8_len(s + n, left - n);
        if (n + len > EXCERPT_MAX) {
            break;
        }
        /* C1 controls are two bytes. */
        bool is_control =
            len == 0 || (len == 1 && (s[n] < ' ' || s[n] > '~')) ||
            (len == 2 && s[n] == '\xc2' && (unsigned char)s[n + 1] < 0xa0);
        len = len == 0 ? 1 : len;
        memcpy(e.text + n, s + n, len);
        memset(e.text + n, '?', is_control ? len : 0);
    }
    memcpy(e.text + n, s[n] == '\0' ? "" : "...", s[n] == '\0' ? 1 : 4);
    return e;
}

static wh_err check_name(const char *field, const char *s, wh_errbuf *eb)
{
    size_t n = strlen(s);
    if (wh_job_name_ok(s, n)) {
        return WH_OK;
    }
    if (n == 0) {
        return wh_err_set(eb, WH_EINVAL,
                          "%s is empty; give 1 to %d characters of A-Z a-z 0-9 _ . -",
                          field, WH_JOB_NAME_MAX);
    }
    if (n > WH_JOB_NAME_MAX) {
        return wh_err_set(eb, WH_EINVAL,
                          "%s \"%s\" has %zu bytes; at most %d are allowed", field,
                          make_excerpt(s).text, n, WH_JOB_NAME_MAX);
    }
    return wh_err_set(eb, WH_EINVAL,
                      "%s \"%s\" has a character outside A-Z a-z 0-9 _ . -", field,
                      make_excerpt(s).text);
}

static wh_err check_range(const char *field, int64_t value, int64_t max, wh_errbuf *eb)
{
    if (value >= 0 && value <= max) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_EINVAL,
                      "%s is %" PRId64 "; give 1 to %" PRId64 ", or 0 for the default",
                      field, value, max);
}

static wh_err check_label(const char *field, const char *s, wh_errbuf *eb)
{
    size_t n = s == NULL ? 0 : strlen(s);
    if (n <= LABEL_MAX) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_EINVAL, "%s has %zu bytes; at most %d are allowed", field,
                      n, LABEL_MAX);
}

/* What is said about a key that is not given would be lost silently. */
static wh_err check_no_key(const wh_job_spec *s, wh_errbuf *eb)
{
    const char *field = s->key_ttl_ms != 0                    ? "key_ttl_ms"
                        : s->unique != WH_JOB_UNIQUE_TTL      ? "unique"
                        : s->conflict != WH_JOB_CONFLICT_KEEP ? "conflict"
                                                              : NULL;
    return field == NULL
               ? WH_OK
               : wh_err_set(eb, WH_EINVAL,
                            "%s is set without key; give an idempotency key too",
                            field);
}

static wh_err check_modes(const wh_job_spec *s, wh_errbuf *eb)
{
    if ((unsigned)s->unique >= WH_JOB_UNIQUE_COUNT) {
        return wh_err_set(eb, WH_EINVAL, "unique is %d; give ttl, done or queued",
                          (int)s->unique);
    }
    if ((unsigned)s->conflict >= WH_JOB_CONFLICT_COUNT) {
        return wh_err_set(eb, WH_EINVAL,
                          "conflict is %d; give keep, replace, extend or keep_last",
                          (int)s->conflict);
    }
    return WH_OK;
}

static wh_err check_key(const wh_job_spec *s, wh_errbuf *eb)
{
    wh_err err = check_modes(s, eb);
    if (err != WH_OK || s->key == NULL) {
        return err != WH_OK ? err : check_no_key(s, eb);
    }
    if (s->key[0] == '\0') {
        return wh_err_set(eb, WH_EINVAL,
                          "key is empty; give 1 to %d printable characters, or none",
                          LABEL_MAX);
    }
    for (const char *c = s->key; *c != '\0'; c++) {
        if (*c < '!' || *c > '~') {
            return wh_err_set(
                eb, WH_EINVAL,
                "key \"%s\" has a space or a character outside ASCII ! to ~",
                make_excerpt(s->key).text);
        }
    }
    err = check_label("key", s->key, eb);
    return err != WH_OK ? err
                        : check_range("key_ttl_ms", s->key_ttl_ms, DELAY_MAX_MS, eb);
}

static wh_err check_payload(const wh_job_spec *s, size_t payload_max, wh_errbuf *eb)
{
    size_t max = payload_max > 0 ? payload_max : WH_JOB_PAYLOAD_DEFAULT_MAX;
    if (s->payload == NULL && s->payload_len > 0) {
        return wh_err_set(
            eb, WH_EINVAL,
            "payload is NULL but payload_len is %zu; give both or neither",
            s->payload_len);
    }
    if (s->payload_len > max) {
        return wh_err_set(
            eb, WH_ETOOBIG,
            "payload has %zu bytes; at most %zu are allowed (store large data "
            "elsewhere and enqueue a reference)",
            s->payload_len, max);
    }
    return WH_OK;
}

static wh_err check_numbers(const wh_job_spec *s, wh_errbuf *eb)
{
    if (s->priority_plus1 < 0 || s->priority_plus1 > PRIORITY_MAX + 1) {
        return wh_err_set(eb, WH_EINVAL, "priority is %d; give 0 to %d",
                          s->priority_plus1 - (s->priority_plus1 > 0), PRIORITY_MAX);
    }
    const struct {
        const char *field;
        int64_t value, max;
    } ranges[] = {
        {"delay_ms", s->delay_ms, DELAY_MAX_MS},
        {"timeout_ms", s->timeout_ms, TIMEOUT_MAX_MS},
        {"expires_ms", s->expires_ms, DELAY_MAX_MS},
        {"retry_for_ms", s->retry_for_ms, DELAY_MAX_MS},
        {"max_attempts", s->max_attempts, MAX_ATTEMPTS_MAX},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        wh_err err = check_range(ranges[i].field, ranges[i].value, ranges[i].max, eb);
        if (err != WH_OK) {
            return err;
        }
    }
    return WH_OK;
}

wh_err wh_job_spec_check(const wh_job_spec *s, size_t payload_max, wh_errbuf *eb)
{
    if (s->type == NULL) {
        return wh_err_set(eb, WH_EINVAL, "type is missing; every job has one");
    }
    const struct {
        const char *field, *value;
    } labels[] = {
        {"entity_type", s->entity_type},
        {"entity_id", s->entity_id},
        {"traceparent", s->traceparent},
    };
    wh_err err = check_name("type", s->type, eb);
    if (err == WH_OK && s->org != NULL) {
        err = check_name("org", s->org, eb);
    }
    if (err == WH_OK && s->group != NULL) {
        err = check_name("group", s->group, eb);
    }
    if (err == WH_OK) {
        err = check_payload(s, payload_max, eb);
    }
    if (err == WH_OK) {
        err = check_numbers(s, eb);
    }
    if (err == WH_OK) {
        err = check_key(s, eb);
    }
    for (size_t i = 0; err == WH_OK && i < sizeof labels / sizeof labels[0]; i++) {
        err = check_label(labels[i].field, labels[i].value, eb);
    }
    return err;
}
