/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field that is unknown, doubled or of the wrong kind is refused: a bulk load that
 * silently ignores "dealy_ms" is worse than one that stops at the first line.
 */
#include "common/cli/cli_jsonl.h"

#include "common/base/alloc.h"
#include "common/base/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

enum { READ_SIZE = 65536, LINE_MAX_BYTES = 100 * 1024 * 1024 };
#define YEARS_10 INT64_C(315360000000)
#define WEEK INT64_C(604800000)

/* ---- lines ---- */

void wh_cli_jsonl_init(wh_cli_jsonl_reader *r, int fd)
{
    *r = (wh_cli_jsonl_reader){.fd = fd};
}

void wh_cli_jsonl_fini(wh_cli_jsonl_reader *r)
{
    wh_buf_fini(&r->text);
}

static wh_err fill(wh_cli_jsonl_reader *r, wh_errbuf *eb)
{
    char *to = wh_buf_reserve(&r->text, READ_SIZE);

    if (to == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    ssize_t n = read(r->fd, to, READ_SIZE);
    if (n < 0) {
        return errno == EINTR ? WH_ECANCELED
                              : wh_err_sys(eb, errno, "can't read stdin");
    }
    r->text.len += (size_t)n;
    r->text.data[r->text.len] = '\0';
    r->at_end = n == 0;
    return WH_OK;
}

static bool is_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr(" \t\r\n", s[i]) == NULL || s[i] == '\0') {
            return false;
        }
    }
    return true;
}

/* Bytes of a byte order mark, as some editors put before the first line. */
static size_t mark_of(const char *s, size_t n)
{
    static const char mark[] = "\xef\xbb\xbf";

    return n >= sizeof mark - 1 && memcmp(s, mark, sizeof mark - 1) == 0
               ? sizeof mark - 1
               : 0;
}

/* Drops the line before, whose end is at r->scanned. */
static void consume(wh_cli_jsonl_reader *r, size_t n)
{
    r->bytes += (int64_t)n;
    wh_buf_consume(&r->text, n);
    r->scanned = 0;
}

wh_err wh_cli_jsonl_next(wh_cli_jsonl_reader *r, const char **line, size_t *n,
                         wh_errbuf *eb)
{
    *line = NULL;
    if (r->scanned > 0) {
        consume(r, r->scanned);
    }
    for (;;) {
        size_t len = r->text.len;
        const char *start = wh_buf_str(&r->text);
        const char *end = len > r->scanned
                              ? memchr(start + r->scanned, '\n', len - r->scanned)
                              : NULL;

        if (end == NULL && !r->at_end) {
            r->scanned = len;
            wh_err err = len > LINE_MAX_BYTES
                             ? wh_err_set(eb, WH_ETOOBIG, "a line has over 100 MiB")
                             : fill(r, eb);
            if (err != WH_OK) {
                r->scanned = 0;
                return err;
            }
            continue;
        }
        size_t used = end == NULL ? len : (size_t)(end - start) + 1;
        if (used == 0) {
            return WH_OK;
        }
        size_t mark = r->line == 0 ? mark_of(start, used) : 0;
        r->line++;
        if (is_blank(start + mark, used - mark)) {
            consume(r, used);
            continue;
        }
        r->scanned = used;
        *line = start + mark;
        *n = (end == NULL ? used : used - 1) - mark;
        return WH_OK;
    }
}

/* ---- fields ---- */

typedef enum field_kind {
    FIELD_TEXT,
    FIELD_TRACE,
    FIELD_MS,
    FIELD_COUNT,
    FIELD_PRIORITY,
    FIELD_UNIQUE,
    FIELD_CONFLICT,
    FIELD_ID,
    FIELD_PAYLOAD,
    FIELD_BASE64
} field_kind;

static const struct field {
    const char *name;
    field_kind kind;
    size_t offset;
    int64_t min, max;   /* of numbers */
    const char *absent; /* what holds without the field, where 0 might be meant so */
} fields[] = {
#define TEXT(n, k)                                                                     \
    {                                                                                  \
        .name = #n, .kind = (k), .offset = offsetof(wh_job_spec, n)                    \
    }
#define NUMBER(n, k, member, lo, hi, none)                                             \
    {                                                                                  \
        .name = (n), .kind = (k), .offset = offsetof(wh_job_spec, member),             \
        .min = (lo), .max = (hi), .absent = (none)                                     \
    }
#define MS(n, lo, hi, none) NUMBER(#n, FIELD_MS, n, lo, hi, none)
    TEXT(type, FIELD_TEXT),
    TEXT(org, FIELD_TEXT),
    TEXT(key, FIELD_TEXT),
    TEXT(entity_type, FIELD_TEXT),
    TEXT(entity_id, FIELD_TEXT),
    TEXT(traceparent, FIELD_TRACE),
    MS(delay_ms, 0, YEARS_10, NULL),
    MS(timeout_ms, 1, WEEK, "for the worker's"),
    MS(expires_ms, 1, YEARS_10, "for what --expires says, or never"),
    MS(key_ttl_ms, 1, YEARS_10, "for 24 h"),
    NUMBER("max_attempts", FIELD_COUNT, max_attempts, 1, 1000, "for the worker's"),
    NUMBER("priority", FIELD_PRIORITY, priority_plus1, 0, 9, NULL),
    TEXT(group, FIELD_TEXT),
    {.name = "unique", .kind = FIELD_UNIQUE},
    {.name = "conflict", .kind = FIELD_CONFLICT},
    MS(retry_for_ms, 1, YEARS_10, "for what --retry-for says, or no bound"),
    {.name = "id", .kind = FIELD_ID},
    {.name = "payload", .kind = FIELD_PAYLOAD},
    {.name = "payload_base64", .kind = FIELD_BASE64},
};
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

/* The words of the flags: "delay" for delay_ms, "max-attempts"; or a part of the name. */
static const char *meant(const char *name)
{
    enum { PART_MIN = 4, WORD_MAX = 60 };
    char word[WORD_MAX + 4];
    size_t n = strlen(name);

    if (n > WORD_MAX) {
        return NULL;
    }
    memcpy(word, name, n + 1);
    for (char *dash = strchr(word, '-'); dash != NULL; dash = strchr(dash, '-')) {
        *dash = '_';
    }
    for (size_t i = 0; i < N_FIELDS; i++) {
        size_t rest = strlen(fields[i].name) - n;

        if (strncmp(fields[i].name, word, n) == 0 &&
            (rest == 0 || strcmp(fields[i].name + n, "_ms") == 0)) {
            return fields[i].name;
        }
    }
    for (size_t i = 0; i < N_FIELDS && n >= PART_MIN; i++) {
        if (strstr(fields[i].name, word) != NULL) {
            return fields[i].name;
        }
    }
    return NULL;
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

static wh_err unknown_field(const char *name, wh_errbuf *eb)
{
    const char *names[N_FIELDS];

    for (size_t i = 0; i < N_FIELDS; i++) {
        names[i] = fields[i].name;
    }
    const char *nearest = meant(name);
    nearest = nearest == NULL ? wh_conf_suggest(name, names, N_FIELDS) : nearest;
    if (nearest != NULL) {
        return wh_err_set(eb, WH_EINVAL,
                          "there is no field \"%.60s\"; did you mean \"%s\"?", name,
                          nearest);
    }
    return wh_err_set(eb, WH_EINVAL, "there is no field \"%.60s\"", name);
}

static int base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* Decodes in place of a fresh copy; false when it is no base64. */
static bool decode_base64(const char *s, size_t n, char *out, size_t *out_len)
{
    size_t len = 0;

    if (n % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i += 4) {
        bool is_last = i + 4 == n;
        int pad =
            is_last ? (s[i + 3] == '=') + (s[i + 3] == '=' && s[i + 2] == '=') : 0;
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            int digit = (int)k >= 4 - pad ? 0 : base64_digit(s[i + k]);
            if (digit < 0) {
                return false;
            }
            bits = bits << 6 | (uint32_t)digit;
        }
        for (int k = 0; k < 3 - pad; k++) {
            out[len++] = (char)(unsigned char)(bits >> (16 - 8 * k) & 0xff);
        }
    }
    *out_len = len;
    return true;
}

static wh_err set_base64(wh_cli_jsonl_job *j, const json_t *v, wh_errbuf *eb)
{
    size_t n = json_is_string(v) ? json_string_length(v) : 0;

    j->payload = wh_malloc(n + 1);
    if (j->payload == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    if (!json_is_string(v) ||
        !decode_base64(json_string_value(v), n, j->payload, &j->spec.payload_len)) {
        return wh_err_set(eb, WH_EINVAL, "payload_base64 is no base64 text");
    }
    j->spec.payload = j->payload;
    return WH_OK;
}

/* n lowercase hex digits, not all of them 0 unless may_be_zero. */
static bool is_hex(const char *s, size_t n, bool may_be_zero)
{
    return strspn(s, "0123456789abcdef") >= n && (may_be_zero || strspn(s, "0") < n);
}

bool wh_cli_jsonl_is_trace(const char *text)
{
    enum { TRACE = 3, PARENT = 36, FLAGS = 53, END = 55 };

    return strlen(text) == END && strncmp(text, "00-", TRACE) == 0 &&
           is_hex(text + TRACE, 32, false) && text[PARENT - 1] == '-' &&
           is_hex(text + PARENT, 16, false) && text[FLAGS - 1] == '-' &&
           is_hex(text + FLAGS, 2, true);
}

/* Text is taken as it is, any other value as compact JSON. */
static wh_err set_payload(wh_cli_jsonl_job *j, const json_t *v, wh_errbuf *eb)
{
    if (json_is_string(v)) {
        j->spec.payload = json_string_value(v);
        j->spec.payload_len = json_string_length(v);
        return WH_OK;
    }
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t n = json_dumpb(v, NULL, 0, flags);
    j->payload = wh_malloc(n + 1);
    if (j->payload == NULL || n == 0 || json_dumpb(v, j->payload, n, flags) != n) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    j->spec.payload = j->payload;
    j->spec.payload_len = n;
    return WH_OK;
}

static wh_err set_number(wh_cli_jsonl_job *j, const struct field *f, const json_t *v,
                         wh_errbuf *eb)
{
    int64_t number = json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
    char *to = (char *)&j->spec + f->offset;

    if (number < f->min || number > f->max) {
        /* 0 would be what it is without the field: for ever, not at once. */
        bool is_hint = number == 0 && f->absent != NULL;

        return wh_err_set(
            eb, WH_EINVAL,
            "%s must be a whole number from %" PRId64 " to %" PRId64 "%s%s", f->name,
            f->min, f->max, is_hint ? "; leave it out " : "", is_hint ? f->absent : "");
    }
    if (f->kind == FIELD_MS) {
        memcpy(to, &number, sizeof number);
    } else {
        int small = (int)number + (f->kind == FIELD_PRIORITY);
        memcpy(to, &small, sizeof small);
    }
    return WH_OK;
}

bool wh_cli_jsonl_conflict(const char *text, wh_job_conflict *out)
{
    return wh_job_conflict_parse(strcmp(text, "keep-last") == 0 ? "keep_last" : text,
                                 out);
}

static wh_err set_field(wh_cli_jsonl_job *j, const struct field *f, const json_t *v,
                        wh_errbuf *eb)
{
    const char *text = json_string_value(v);

    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_TRACE:
        if (text == NULL) {
            return wh_err_set(eb, WH_EINVAL, "%s must be a string", f->name);
        }
        if (f->kind == FIELD_TRACE && !wh_cli_jsonl_is_trace(text)) {
            return wh_err_set(eb, WH_EINVAL, "traceparent is " WH_CLI_JSONL_NO_TRACE);
        }
        memcpy((char *)&j->spec + f->offset, &text, sizeof text);
        return WH_OK;
    case FIELD_MS:
    case FIELD_COUNT:
    case FIELD_PRIORITY:
        return set_number(j, f, v, eb);
    case FIELD_UNIQUE:
        if (text == NULL || !wh_job_unique_parse(text, &j->spec.unique)) {
            return wh_err_set(eb, WH_EINVAL, "unique must be ttl, done or queued");
        }
        return WH_OK;
    case FIELD_CONFLICT:
        if (text == NULL || !wh_cli_jsonl_conflict(text, &j->spec.conflict)) {
            return wh_err_set(eb, WH_EINVAL,
                              "conflict must be keep, replace, extend or keep-last");
        }
        return WH_OK;
    case FIELD_ID:
        if (text == NULL || !wh_rng_uuid_parse(text, strlen(text), j->id)) {
            return wh_err_set(eb, WH_EINVAL, "id must be a UUID of 36 characters");
        }
        j->spec.id = j->id;
        return WH_OK;
    case FIELD_PAYLOAD:
        return set_payload(j, v, eb);
    case FIELD_BASE64:
        return set_base64(j, v, eb);
    }
    return WH_EINVAL;
}

/* Where the value of a member of the line's object begins, from 1; 0: not found. The line is
 * good JSON. */
static size_t column_of(const char *s, size_t n, const char *name)
{
    int depth = 0;

    for (size_t i = 0; i < n; i++) {
        depth += s[i] == '{' || s[i] == '[';
        depth -= s[i] == '}' || s[i] == ']';
        if (s[i] != '"') {
            continue;
        }
        size_t from = ++i;
        for (; i < n && s[i] != '"'; i++) {
            i += s[i] == '\\';
        }
        size_t at = i + 1;
        while (at < n && strchr(" \t\r:", s[at]) != NULL) {
            at++;
        }
        if (depth == 1 && i - from == strlen(name) && memchr(s + i, ':', at - i) &&
            memcmp(s + from, name, i - from) == 0) {
            return at + 1;
        }
    }
    return 0;
}

/* Says in which column of the line it is. */
static wh_err at_column(size_t column, wh_err err, wh_errbuf *eb)
{
    return column == 0 ? err : wh_err_set(eb, err, "column %zu: %s", column, eb->text);
}

/* An entity is named by both of its parts on one line: half of one with the other half
 * from the flags would name what nobody meant. */
static wh_err check_pairs(const json_t *object, wh_errbuf *eb)
{
    bool has_type = json_object_get(object, "entity_type") != NULL;
    bool has_id = json_object_get(object, "entity_id") != NULL;

    if (json_object_get(object, "payload") != NULL &&
        json_object_get(object, "payload_base64") != NULL) {
        return wh_err_set(eb, WH_EINVAL,
                          "payload and payload_base64 exclude each other");
    }
    if (has_type != has_id) {
        return wh_err_set(eb, WH_EINVAL, "%s without %s; give both or neither",
                          has_type ? "entity_type" : "entity_id",
                          has_type ? "entity_id" : "entity_type");
    }
    return WH_OK;
}

wh_err wh_cli_jsonl_parse(const char *line, size_t n, const wh_job_spec *dflt,
                          wh_cli_jsonl_job *out, wh_errbuf *eb)
{
    json_error_t fault;
    const char *name = NULL;
    json_t *value = NULL;

    *out = (wh_cli_jsonl_job){.spec = *dflt};
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &fault);
    out->json = object;
    if (object == NULL && json_error_code(&fault) == json_error_null_character) {
        return wh_err_set(
            eb, WH_EINVAL,
            "a string holds \\u0000; write the payload as payload_base64");
    }
    /* Another value alone is a syntax error to the parser, which would take arrays. */
    bool is_object = n > 0 && line[strspn(line, " \t\r")] == '{';
    if (object == NULL && is_object) {
        (void)wh_err_set(eb, WH_EINVAL, "no JSON object: %s", fault.text);
        return at_column(fault.column > 0 ? (size_t)fault.column : 0, WH_EINVAL, eb);
    }
    if (!json_is_object(object)) {
        return wh_err_set(eb, WH_EINVAL,
                          "no JSON object; write {\"type\": ..., \"payload\": "
                          "...}");
    }
    wh_err err = check_pairs(object, eb);
    if (err != WH_OK) {
        return err;
    }
    json_object_foreach(object, name, value)
    {
        const struct field *f = find_field(name);

        err = f == NULL ? unknown_field(name, eb) : set_field(out, f, value, eb);
        if (err != WH_OK) {
            return at_column(column_of(line, n, name), err, eb);
        }
    }
    return WH_OK;
}

void wh_cli_jsonl_job_fini(wh_cli_jsonl_job *j)
{
    json_decref(j->json);
    wh_free(j->payload);
    *j = (wh_cli_jsonl_job){.json = NULL};
}
