/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing with jansson behind a length check, so a header costs at most 16 KiB of
 * text; fields that are absent or null take their defaults, fields of a wrong type are
 * an error that names them. Fuzzed.
 */
#include "worker/executors/exec_frame.h"

#include "common/base/alloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define DELAY_MAX_MS INT64_C(315360000000)
#define BUSY_DEFAULT_MS 5000

/* ------------------------------------------------------------------ parsing */

static const json_t *field(const wh_exec_frame *f, const char *name)
{
    const json_t *v = json_object_get(f->root, name);
    return json_is_null(v) ? NULL : v;
}

static wh_err wrong(const char *name, const char *what, wh_errbuf *eb)
{
    return wh_err_set(eb, WH_EPROTO, "frame: field %s is no %s", name, what);
}

/* Also 50.0: some languages have one kind of number. */
static wh_err read_int(const wh_exec_frame *f, const char *name, int64_t *out,
                       wh_errbuf *eb)
{
    const json_t *v = field(f, name);
    if (v == NULL) {
        return WH_OK;
    }
    if (json_is_integer(v)) {
        *out = (int64_t)json_integer_value(v);
        return WH_OK;
    }
    double d = json_real_value(v);
    if (!json_is_real(v) || d < -1e15 || d > 1e15) {
        return wrong(name, "number", eb);
    }
    *out = (int64_t)d;
    return WH_OK;
}

static wh_err read_text(const wh_exec_frame *f, const char *name, wh_slice *out,
                        wh_errbuf *eb)
{
    const json_t *v = field(f, name);
    if (v == NULL) {
        *out = (wh_slice){"", 0};
        return WH_OK;
    }
    if (!json_is_string(v)) {
        return wrong(name, "string", eb);
    }
    *out = (wh_slice){json_string_value(v), json_string_length(v)};
    return WH_OK;
}

static wh_err read_id(wh_exec_frame *f, wh_errbuf *eb)
{
    wh_slice text;
    wh_err err = read_text(f, "id", &text, eb);
    if (err == WH_OK && !wh_rng_uuid_parse(text.p, text.n, f->id)) {
        err = wrong("id", "job id", eb);
    }
    return err;
}

/* Text as it is, anything else as JSON. */
static wh_err read_context(wh_exec_frame *f, wh_errbuf *eb)
{
    const json_t *v = field(f, "context");
    if (v == NULL || json_is_string(v)) {
        return read_text(f, "context", &f->context, eb);
    }
    f->context_text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    if (f->context_text == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    f->context = (wh_slice){f->context_text, strlen(f->context_text)};
    return WH_OK;
}

static wh_err read_status(wh_exec_frame *f, wh_errbuf *eb)
{
    static const struct {
        const char *word;
        wh_result_status status;
    } words[] = {{"ok", WH_RESULT_OK},
                 {"retry", WH_RESULT_RETRY},
                 {"fail", WH_RESULT_FAIL},
                 {"snooze", WH_RESULT_SNOOZE}};
    wh_slice text;
    wh_err err = read_text(f, "status", &text, eb);
    for (size_t i = 0; err == WH_OK && i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == text.n &&
            memcmp(words[i].word, text.p, text.n) == 0) {
            f->status = words[i].status;
            return WH_OK;
        }
    }
    return err != WH_OK ? err : wrong("status", "ok, retry, fail or snooze", eb);
}

static wh_err read_result(wh_exec_frame *f, wh_errbuf *eb)
{
    wh_slice category;
    const json_t *permanent = field(f, "permanent");
    wh_err err = read_id(f, eb);
    if (err == WH_OK) {
        err = read_status(f, eb);
    }
    if (err == WH_OK) {
        err = read_text(f, "category", &category, eb);
    }
    if (err == WH_OK) {
        f->category = wh_errclass_of_word(category.p, category.n);
        err = read_int(f, "delay_ms", &f->delay_ms, eb);
    }
    if (err == WH_OK) {
        err = read_context(f, eb);
    }
    if (err == WH_OK && permanent != NULL && !json_is_boolean(permanent)) {
        err = wrong("permanent", "boolean", eb);
    }
    if (json_is_true(permanent) && f->status == WH_RESULT_RETRY) {
        f->status = WH_RESULT_FAIL;
    }
    f->delay_ms = f->delay_ms < 0 ? -1 : f->delay_ms;
    f->delay_ms = f->delay_ms > DELAY_MAX_MS ? DELAY_MAX_MS : f->delay_ms;
    return err;
}

static wh_err read_ready(wh_exec_frame *f, wh_errbuf *eb)
{
    f->version = WH_EXEC_FRAME_VERSION;
    f->concurrency = 1;
    wh_err err = read_int(f, "version", &f->version, eb);
    if (err == WH_OK) {
        err = read_int(f, "concurrency", &f->concurrency, eb);
    }
    if (err == WH_OK &&
        (f->concurrency < 1 || f->concurrency > WH_EXEC_FRAME_CONCURRENCY_MAX)) {
        err = wh_err_set(eb, WH_EPROTO, "frame: concurrency %" PRId64 "; give 1 to %d",
                         f->concurrency, WH_EXEC_FRAME_CONCURRENCY_MAX);
    }
    return err;
}

static wh_err read_progress(wh_exec_frame *f, wh_errbuf *eb)
{
    int64_t percent = 0;
    wh_err err = read_id(f, eb);
    if (err == WH_OK) {
        err = read_int(f, "percent", &percent, eb);
    }
    f->percent = percent < 0 ? 0 : (percent > 100 ? 100 : (int)percent);
    return err;
}

static wh_err read_busy(wh_exec_frame *f, wh_errbuf *eb)
{
    f->for_ms = BUSY_DEFAULT_MS;
    wh_err err = read_int(f, "for_ms", &f->for_ms, eb);
    f->for_ms = f->for_ms < 0 ? 0 : f->for_ms;
    return err;
}

static wh_err read_op(wh_exec_frame *f, wh_errbuf *eb)
{
    static const char *const words[] = {
        [WH_EXEC_FRAME_READY] = "ready", [WH_EXEC_FRAME_PROGRESS] = "progress",
        [WH_EXEC_FRAME_LOG] = "log",     [WH_EXEC_FRAME_RESULT] = "result",
        [WH_EXEC_FRAME_PONG] = "pong",   [WH_EXEC_FRAME_BUSY] = "busy",
    };
    wh_slice text;
    wh_err err = read_text(f, "op", &text, eb);
    if (err != WH_OK || text.n == 0) {
        return err != WH_OK ? err : wrong("op", "word", eb);
    }
    f->op = WH_EXEC_FRAME_UNKNOWN;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == text.n && memcmp(words[i], text.p, text.n) == 0) {
            f->op = (wh_exec_frame_op)i;
        }
    }
    return WH_OK;
}

static wh_err read_fields(wh_exec_frame *f, wh_errbuf *eb)
{
    int64_t body_len = 0;
    wh_err err = read_op(f, eb);
    if (err == WH_OK) {
        err = read_int(f, "body_len", &body_len, eb);
    }
    if (err == WH_OK && (body_len < 0 || body_len > WH_EXEC_FRAME_BODY_MAX)) {
        err = wh_err_set(eb, WH_EPROTO, "frame: body_len %" PRId64 "; at most %d",
                         body_len, WH_EXEC_FRAME_BODY_MAX);
    }
    if (err != WH_OK) {
        return err;
    }
    f->body_len = (size_t)body_len;
    switch (f->op) {
    case WH_EXEC_FRAME_READY:
        err = read_ready(f, eb);
        break;
    case WH_EXEC_FRAME_PROGRESS:
        err = read_progress(f, eb);
        break;
    case WH_EXEC_FRAME_LOG:
        err = read_id(f, eb);
        break;
    case WH_EXEC_FRAME_RESULT:
        err = read_result(f, eb);
        break;
    case WH_EXEC_FRAME_BUSY:
        return read_busy(f, eb);
    case WH_EXEC_FRAME_PONG:
    case WH_EXEC_FRAME_UNKNOWN:
        return WH_OK;
    }
    return err != WH_OK ? err : read_text(f, "message", &f->message, eb);
}

wh_err wh_exec_frame_parse(const char *p, size_t n, wh_exec_frame *out, size_t *used,
                           wh_errbuf *eb)
{
    json_error_t error;
    *used = 0;
    *out = (wh_exec_frame){.delay_ms = -1};
    size_t most = n < WH_EXEC_FRAME_HEADER_MAX ? n : WH_EXEC_FRAME_HEADER_MAX;
    const char *newline = most > 0 ? memchr(p, '\n', most) : NULL;
    if (newline == NULL) {
        return n < WH_EXEC_FRAME_HEADER_MAX
                   ? WH_OK
                   : wh_err_set(eb, WH_EPROTO, "frame: no line break in %d bytes",
                                WH_EXEC_FRAME_HEADER_MAX);
    }
    size_t len = (size_t)(newline - p);
    out->root = json_loadb(p, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json_is_object(out->root)) {
        wh_exec_frame_fini(out);
        return wh_err_set(eb, WH_EPROTO, "frame: the header is no JSON object");
    }
    wh_err err = read_fields(out, eb);
    if (err != WH_OK) {
        wh_exec_frame_fini(out);
        return err;
    }
    *used = len + 1;
    return WH_OK;
}

void wh_exec_frame_fini(wh_exec_frame *f)
{
    json_decref(f->root);
    free(f->context_text); /* jansson's */
    *f = (wh_exec_frame){0};
}

/* ------------------------------------------------------------------ packing */

static void add_text(wh_buf *b, const char *name, const char *s, size_t n)
{
    wh_buf_addf(b, ",\"%s\":", name);
    wh_buf_add_json(b, s, n);
}

static void add_string(wh_buf *b, const char *name, const char *s)
{
    add_text(b, name, s != NULL ? s : "", s != NULL ? strlen(s) : 0);
}

static void add_optional(wh_buf *b, const char *name, wh_slice s)
{
    if (s.n > 0) {
        add_text(b, name, s.p, s.n);
    }
}

static void add_id(wh_buf *b, const char *op, const wh_job *job)
{
    char id[WH_UUID_TEXT + 1];
    wh_rng_uuid_format(job->id, id);
    wh_buf_addf(b, "{\"op\":\"%s\",\"id\":\"%s\"", op, id);
}

void wh_exec_frame_add_hello(wh_buf *b, const char *worker, const char *type)
{
    wh_buf_addf(b, "{\"op\":\"hello\",\"version\":%d", WH_EXEC_FRAME_VERSION);
    add_string(b, "worker", worker);
    add_string(b, "type", type);
    wh_buf_adds(b, "}\n");
}

void wh_exec_frame_add_job(wh_buf *b, const wh_job *job,
                           const wh_exec_frame_claim *claim)
{
    add_id(b, "job", job);
    wh_buf_addf(b, ",\"attempt\":%d,\"fence\":%" PRIu64, job->attempt, job->fence);
    add_string(b, "type", job->type);
    add_string(b, "org", job->org);
    add_string(b, "queue", job->queue);
    add_string(b, "region", job->region != NULL ? job->region : claim->region);
    wh_buf_addf(b, ",\"deadline_ms\":%" PRId64 ",\"max_attempts\":%" PRId64,
                claim->deadline_ms, claim->max_attempts);
    add_optional(b, "traceparent", job->traceparent);
    add_optional(b, "entity_type", job->entity_type);
    add_optional(b, "entity_id", job->entity_id);
    wh_buf_addf(b, ",\"body_len\":%zu}\n", job->payload.n);
    wh_buf_add(b, job->payload.p, job->payload.n);
}

void wh_exec_frame_add_cancel(wh_buf *b, const wh_job *job, const char *reason)
{
    add_id(b, "cancel", job);
    add_string(b, "reason", reason);
    wh_buf_adds(b, "}\n");
}

void wh_exec_frame_add_ping(wh_buf *b)
{
    wh_buf_adds(b, "{\"op\":\"ping\"}\n");
}

void wh_exec_frame_add_shutdown(wh_buf *b, int64_t grace_ms)
{
    wh_buf_addf(b, "{\"op\":\"shutdown\",\"grace_ms\":%" PRId64 "}\n", grace_ms);
}
