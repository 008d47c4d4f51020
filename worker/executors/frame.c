/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing and parsing of the private frames. Linked into the worker and into
 * wherry-executor; fuzzed. Parsing copies nothing: what it hands out points into the
 * caller's bytes, and a text's NUL is part of the wire so that the executor can give
 * it to a plug-in as it stands.
 */
#include "worker/executors/frame.h"

#include <string.h>

/* ------------------------------------------------------------------ reading */

/* A cursor that turns bad at the first overrun and stays so; checked once. */
typedef struct reader {
    const unsigned char *p;
    size_t left;
    bool bad;
} reader;

static uint64_t take_int(reader *r, size_t bytes)
{
    uint64_t v = 0;
    if (r->bad || r->left < bytes) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        v |= (uint64_t)r->p[i] << (8 * i);
    }
    r->p += bytes;
    r->left -= bytes;
    return v;
}

static int64_t take_i64(reader *r)
{
    uint64_t v = take_int(r, 8);
    int64_t out;
    memcpy(&out, &v, sizeof out); /* two's complement, as packed */
    return out;
}

/* n bytes and the NUL behind them. */
static wh_frame_text take_bytes(reader *r, size_t n)
{
    if (r->bad || r->left <= n || r->p[n] != 0) {
        r->bad = true;
        return (wh_frame_text){"", 0};
    }
    wh_frame_text text = {(const char *)r->p, n};
    r->p += n + 1;
    r->left -= n + 1;
    return text;
}

/* Bytes that may hold NULs. */
static wh_frame_text take_text(reader *r)
{
    return take_bytes(r, (size_t)take_int(r, 2));
}

static wh_frame_text take_long(reader *r)
{
    return take_bytes(r, (size_t)take_int(r, 4));
}

static wh_err done(const reader *r)
{
    return r->bad || r->left > 0 ? WH_EPROTO : WH_OK;
}

static reader reader_of(const wh_frame *f)
{
    return (reader){f->body, f->body_len, false};
}

static bool is_op(uint64_t op)
{
    return (op >= WH_FRAME_JOB && op <= WH_FRAME_SHUTDOWN) ||
           (op >= WH_FRAME_READY && op <= WH_FRAME_BUSY);
}

wh_err wh_frame_parse(const char *p, size_t n, size_t max_body, wh_frame *out,
                      size_t *used, wh_errbuf *eb)
{
    reader r = {(const unsigned char *)p, n, false};
    *used = 0;
    if (n < WH_FRAME_HEAD) {
        return WH_OK;
    }
    uint64_t body_len = take_int(&r, 4);
    uint64_t op = take_int(&r, 2);
    uint64_t version = take_int(&r, 1);
    uint64_t zero = take_int(&r, 1);
    if (version != WH_FRAME_VERSION || zero != 0) {
        return wh_err_set(eb, WH_EPROTO, "no frame of version %d here",
                          WH_FRAME_VERSION);
    }
    if (!is_op(op)) {
        return wh_err_set(eb, WH_EPROTO, "a frame of unknown kind %u", (unsigned)op);
    }
    if (body_len > max_body) {
        return wh_err_set(eb, WH_EPROTO,
                          "a frame of %llu bytes; at most %zu are allowed",
                          (unsigned long long)body_len, max_body);
    }
    if (r.left < body_len) {
        return WH_OK;
    }
    *out = (wh_frame){(wh_frame_op)op, r.p, (size_t)body_len};
    *used = WH_FRAME_HEAD + (size_t)body_len;
    return WH_OK;
}

wh_err wh_frame_read_job(const wh_frame *f, wh_frame_job *out)
{
    reader r = reader_of(f);
    out->seq = take_int(&r, 8);
    out->fence = take_int(&r, 8);
    out->attempt = (uint32_t)take_int(&r, 4);
    out->max_attempts = (uint32_t)take_int(&r, 4);
    out->recoveries = (uint32_t)take_int(&r, 4);
    out->timeout_ms = take_i64(&r);
    wh_frame_text id = take_text(&r);
    out->id = id.p;
    out->type = take_text(&r);
    out->org = take_text(&r);
    out->region = take_text(&r);
    out->queue = take_text(&r);
    out->traceparent = take_text(&r);
    out->entity_type = take_text(&r);
    out->entity_id = take_text(&r);
    out->payload = take_long(&r);
    return id.n != 36 ? WH_EPROTO : done(&r);
}

wh_err wh_frame_read_ready(const wh_frame *f, wh_frame_ready *out)
{
    reader r = reader_of(f);
    out->name = take_text(&r);
    out->version = take_text(&r);
    out->n_types = (size_t)take_int(&r, 2);
    if (out->n_types > WH_FRAME_TYPES_MAX) {
        out->n_types = 0;
        return WH_EPROTO;
    }
    for (size_t i = 0; i < out->n_types; i++) {
        out->types[i] = take_text(&r);
    }
    return done(&r);
}

wh_err wh_frame_read_result(const wh_frame *f, wh_frame_result *out)
{
    reader r = reader_of(f);
    out->seq = take_int(&r, 8);
    out->status = (uint32_t)take_int(&r, 1);
    out->delay_ms = take_i64(&r);
    out->run_us = take_i64(&r);
    out->category = take_text(&r);
    out->message = take_text(&r);
    out->context = take_text(&r);
    out->result = take_long(&r);
    return done(&r);
}

wh_err wh_frame_read_note(const wh_frame *f, wh_frame_note *out)
{
    reader r = reader_of(f);
    out->seq = take_int(&r, 8);
    out->percent = (int32_t)take_int(&r, 1);
    out->text = take_text(&r);
    return out->percent > 100 ? WH_EPROTO : done(&r);
}

wh_err wh_frame_read_busy(const wh_frame *f, uint32_t *for_ms)
{
    reader r = reader_of(f);
    *for_ms = (uint32_t)take_int(&r, 4);
    return done(&r);
}

wh_err wh_frame_read_refuse(const wh_frame *f, wh_frame_text *out)
{
    reader r = reader_of(f);
    *out = take_text(&r);
    return done(&r);
}

/* ------------------------------------------------------------------ packing */

static void put_int(wh_buf *b, uint64_t v, size_t bytes)
{
    char out[8];
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (char)(unsigned char)(v >> (8 * i));
    }
    wh_buf_add(b, out, bytes);
}

static void put_bytes(wh_buf *b, wh_frame_text t)
{
    wh_buf_add(b, t.p, t.n);
    wh_buf_addc(b, '\0');
}

static void put_text(wh_buf *b, wh_frame_text t)
{
    if (t.n > UINT16_MAX) {
        t.n = UINT16_MAX;
    }
    put_int(b, t.n, 2);
    put_bytes(b, t);
}

static void put_long(wh_buf *b, wh_frame_text t)
{
    if (t.n > WH_FRAME_MAX_DOWN) {
        b->failed = true; /* the caller's limits are far below */
        return;
    }
    put_int(b, t.n, 4);
    put_bytes(b, t);
}

static wh_frame_text text_of(const char *s)
{
    return (wh_frame_text){s, strlen(s)};
}

/* The head with an open length; _end fills it in. */
static size_t begin(wh_buf *b, wh_frame_op op)
{
    size_t at = b->len;
    put_int(b, 0, 4);
    put_int(b, (uint64_t)op, 2);
    put_int(b, WH_FRAME_VERSION, 1);
    put_int(b, 0, 1);
    return at;
}

static void end(wh_buf *b, size_t at)
{
    if (!wh_buf_ok(b)) {
        b->len = at; /* never half a frame */
        return;
    }
    size_t body_len = b->len - at - WH_FRAME_HEAD;
    for (size_t i = 0; i < 4; i++) {
        b->data[at + i] = (char)(unsigned char)(body_len >> (8 * i));
    }
}

void wh_frame_add_job(wh_buf *b, const wh_frame_job *job)
{
    size_t at = begin(b, WH_FRAME_JOB);
    put_int(b, job->seq, 8);
    put_int(b, job->fence, 8);
    put_int(b, job->attempt, 4);
    put_int(b, job->max_attempts, 4);
    put_int(b, job->recoveries, 4);
    put_int(b, (uint64_t)job->timeout_ms, 8);
    put_text(b, text_of(job->id));
    put_text(b, job->type);
    put_text(b, job->org);
    put_text(b, job->region);
    put_text(b, job->queue);
    put_text(b, job->traceparent);
    put_text(b, job->entity_type);
    put_text(b, job->entity_id);
    put_long(b, job->payload);
    end(b, at);
}

void wh_frame_add_ready(wh_buf *b, const wh_frame_ready *ready)
{
    size_t at = begin(b, WH_FRAME_READY);
    put_text(b, ready->name);
    put_text(b, ready->version);
    put_int(b, ready->n_types, 2);
    for (size_t i = 0; i < ready->n_types; i++) {
        put_text(b, ready->types[i]);
    }
    end(b, at);
}

void wh_frame_add_result(wh_buf *b, const wh_frame_result *r)
{
    size_t at = begin(b, WH_FRAME_RESULT);
    put_int(b, r->seq, 8);
    put_int(b, r->status, 1);
    put_int(b, (uint64_t)r->delay_ms, 8);
    put_int(b, (uint64_t)r->run_us, 8);
    put_text(b, r->category);
    put_text(b, r->message);
    put_text(b, r->context);
    put_long(b, r->result);
    end(b, at);
}

void wh_frame_add_note(wh_buf *b, wh_frame_op op, const wh_frame_note *note)
{
    size_t at = begin(b, op);
    put_int(b, note->seq, 8);
    put_int(b, (uint64_t)(note->percent & 0xff), 1);
    put_text(b, note->text);
    end(b, at);
}

void wh_frame_add_busy(wh_buf *b, uint32_t for_ms)
{
    size_t at = begin(b, WH_FRAME_BUSY);
    put_int(b, for_ms, 4);
    end(b, at);
}

void wh_frame_add_refuse(wh_buf *b, const char *reason)
{
    size_t at = begin(b, WH_FRAME_REFUSE);
    put_text(b, text_of(reason));
    end(b, at);
}

void wh_frame_add_shutdown(wh_buf *b)
{
    end(b, begin(b, WH_FRAME_SHUTDOWN));
}
