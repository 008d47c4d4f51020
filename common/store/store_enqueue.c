/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueue: single jobs and batches. A batch is sent as triples of id, head and payload, or,
 * where few heads stand for many jobs and an answer has just said what time it is, as records
 * that are ready to be stored (docs/protocol.md, wh1_enqueue_records).
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    PAYLOAD_HARD_MAX = 67108864, /* the server knows the partition's own limit */
    STAMP_BYTES = 9,
    STAMP_FRESH_MS = 200, /* a little less than the server's */
    TRIPLES_MS = 1000,    /* after records that were not taken as they are */
    RECORDS_PER_HEAD = 4,
    RECORD_KEEP_BYTES = 256 * 1024, /* of the scratch, between calls */
    HEAD_WITHOUT_OPTIONS = 0x93     /* an array of three */
};

static const char SINGLE[] = "wh1_enqueue";
static const char BATCH[] = "wh1_enqueue_batch";
static const char RECORDS[] = "wh1_enqueue_records";

static wh_err check_specs(const wh_store_enqueue_args *a, wh_errbuf *eb)
{
    if (a->n == 0 || a->n > WH_JOB_BATCH_MAX) {
        return wh_err_set(eb, a->n == 0 ? WH_EINVAL : WH_ETOOBIG,
                          "a batch has 1 to %d jobs (got %zu)", WH_JOB_BATCH_MAX, a->n);
    }
    for (size_t i = 0; i < a->n && !a->is_checked; i++) {
        wh_errbuf inner = {0};
        wh_err err = wh_job_spec_check(&a->specs[i], PAYLOAD_HARD_MAX, &inner);

        if (err == WH_OK && a->specs[i].id == NULL) {
            err = wh_err_set(&inner, WH_EINVAL, "id: missing");
        }
        if (err != WH_OK) {
            return wh_err_set(eb, err, "job %zu of the batch: %s", i, inner.text);
        }
    }
    return WH_OK;
}

static void put_word(wh_call *c, const char *word, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        wh_call_args(c, word);
        wh_call_args(c, value);
    }
}

static void put_number(wh_call *c, const char *word, int64_t value)
{
    if (value > 0) {
        wh_call_args(c, word);
        wh_call_argi(c, value);
    }
}

/* wh1_enqueue instead of a batch of one: it tells what became of the job that exists. */
static wh_err put_one(wh_buf *out, const char *partition, const wh_job_spec *s)
{
    wh_call c;
    char id[WH_UUID_TEXT + 1];

    wh_rng_uuid_format(s->id, id);
    wh_call_init(&c, SINGLE, false, partition);
    wh_call_args(&c, s->type);
    wh_call_arg(&c, s->payload, s->payload_len);
    put_word(&c, "ID", id);
    put_word(&c, "ORG", s->org);
    if (s->priority_plus1 > 0) {
        wh_call_args(&c, "PRIORITY");
        wh_call_argi(&c, s->priority_plus1 - 1);
    }
    put_number(&c, "DELAY", s->delay_ms);
    put_word(&c, "KEY", s->key);
    put_number(&c, "KEYTTL", s->key_ttl_ms);
    put_number(&c, "MAXATTEMPTS", s->max_attempts);
    put_number(&c, "TIMEOUT", s->timeout_ms);
    put_number(&c, "EXPIRES", s->expires_ms);
    if (s->entity_type != NULL || s->entity_id != NULL) {
        wh_call_args(&c, "ENTITY");
        wh_call_args(&c, s->entity_type == NULL ? "" : s->entity_type);
        wh_call_args(&c, s->entity_id == NULL ? "" : s->entity_id);
    }
    put_word(&c, "TRACEPARENT", s->traceparent);
    put_word(&c, "GROUP", s->group);
    put_word(&c, "UNIQUE", wh_job_unique_name(s->unique));
    put_word(&c, "CONFLICT", wh_job_conflict_name(s->conflict));
    put_number(&c, "RETRYFOR", s->retry_for_ms);
    return wh_call_finish(&c, out);
}

static wh_err decode_one(wh_store *s, const wh_reply *r, wh_store_enqueued *out)
{
    static const char *const words[] = {[WH_STORE_EXISTING] = "existing",
                                        [WH_STORE_REPLACED] = "replaced",
                                        [WH_STORE_EXTENDED] = "extended"};
    wh_slice id = wh_reply_str(wh_reply_at(r, 0));
    wh_slice word = wh_reply_str(wh_reply_at(r, 1));

    if (id.n != WH_UUID_TEXT || word.n == 0) {
        return WH_EPROTO;
    }
    if (strcmp(word.p, "created") == 0) {
        out->created = 1;
        return WH_OK;
    }
    size_t *indexes = wh_grow(s->indexes, &s->indexes_cap, 1, sizeof *indexes);
    if (indexes == NULL || wh_store_room(s, 1) != WH_OK) {
        s->indexes = indexes == NULL ? s->indexes : indexes;
        return WH_ENOMEM;
    }
    s->indexes = indexes;
    indexes[0] = 0;
    s->slices[0] = id;
    out->existing = indexes;
    out->existing_ids = s->slices;
    out->n_existing = 1;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word.p, words[i]) == 0) {
            out->fate = (wh_store_enqueue_fate)i;
        }
    }
    return WH_OK;
}

/* The pairs of number and id behind the first `from` elements: jobs that exist already. */
static wh_err decode_existing(wh_store_node *node, const wh_reply *r, size_t from,
                              wh_store_enqueued *out)
{
    wh_store *s = node->store;
    size_t n = (wh_reply_count(r) - from) / 2;
    size_t *indexes = wh_grow(s->indexes, &s->indexes_cap, n, sizeof *indexes);

    if (indexes == NULL || wh_store_room(s, n) != WH_OK) {
        s->indexes = indexes == NULL ? s->indexes : indexes;
        return WH_ENOMEM;
    }
    s->indexes = indexes;
    for (size_t i = 0; i < n; i++) {
        int64_t index = wh_reply_int(wh_reply_at(r, from + 2 * i), -1);

        s->slices[i] = wh_reply_str(wh_reply_at(r, from + 1 + 2 * i));
        if (index < 1 || (size_t)index > node->n || s->slices[i].n != WH_UUID_TEXT) {
            return WH_EPROTO;
        }
        indexes[i] = (size_t)index - 1;
    }
    out->existing = indexes;
    out->existing_ids = s->slices;
    out->n_existing = n;
    return WH_OK;
}

/* An answer says what time it is there, and whether records are worth their while. */
static wh_err decode_many(wh_store_node *node, const wh_reply *r,
                          wh_store_enqueued *out)
{
    wh_store *s = node->store;
    size_t from = node->function == RECORDS ? 3 : 2;
    size_t n = wh_reply_count(r);
    int64_t created = wh_reply_int(wh_reply_at(r, 0), -1);
    int64_t as_is = from == 3 ? wh_reply_int(wh_reply_at(r, 2), -1) : 1;

    out->now_ms = wh_reply_int(wh_reply_at(r, 1), -1);
    if (n < from || (n - from) % 2 != 0 || created < 0 || out->now_ms < 0 ||
        as_is < 0) {
        return WH_EPROTO;
    }
    out->created = (size_t)created;
    s->stamp_ms = out->now_ms;
    s->stamp_at_ms = wh_clock_mono_ms();
    if (as_is == 0) {
        s->triples_until_ms = s->stamp_at_ms + TRIPLES_MS;
    }
    return decode_existing(node, r, from, out);
}

static void deliver_enqueued(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                             const wh_reply *r)
{
    wh_store_enqueued_fn *cb = (wh_store_enqueued_fn *)n->cb;
    wh_store_enqueued enqueued = {0};
    wh_errbuf own = {0};

    if (err == WH_OK) {
        err = n->function == SINGLE ? decode_one(n->store, r, &enqueued)
                                    : decode_many(n, r, &enqueued);
        eb = err == WH_OK ? eb : wh_store_explain(&own, err, n->function);
    }
    cb(n->arg, err, eb, err == WH_OK ? &enqueued : NULL);
}

/* The hot path is the batch, of one too; only who may replace a job wants to know more. */
static bool is_single(const wh_store_enqueue_args *a)
{
    return a->n == 1 && (a->specs[0].conflict == WH_JOB_CONFLICT_REPLACE ||
                         a->specs[0].conflict == WH_JOB_CONFLICT_EXTEND);
}

/* ---- batches ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* More than what each head has: type, org, priority. */
static bool has_options(const wh_job_spec *s)
{
    return s->delay_ms != 0 || s->timeout_ms != 0 || s->expires_ms != 0 ||
           s->retry_for_ms != 0 || s->max_attempts != 0 || s->key != NULL ||
           s->entity_type != NULL || s->entity_id != NULL || s->traceparent != NULL ||
           s->group != NULL || s->unique != WH_JOB_UNIQUE_TTL ||
           s->conflict != WH_JOB_CONFLICT_KEEP;
}

/* Are the heads equal, as far as can be told without packing them? */
static bool is_same_head(const wh_job_spec *a, const wh_job_spec *b)
{
    return a->priority_plus1 == b->priority_plus1 && is_same_text(a->type, b->type) &&
           is_same_text(a->org, b->org) && !has_options(a) && !has_options(b);
}

/* The heads of all jobs into the scratch, each run of equal ones once. O(1) a job. */
static wh_err pack_heads(wh_store *s, const wh_store_enqueue_args *a, size_t *n_runs)
{
    wh_store_head_run *runs = wh_grow(s->runs, &s->runs_cap, a->n, sizeof *runs);
    wh_buf *heads = &s->scratch;
    size_t n = 0;

    if (runs == NULL) {
        return WH_ENOMEM;
    }
    s->runs = runs;
    wh_buf_clear(heads);
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0 && is_same_head(&a->specs[i - 1], &a->specs[i])) {
            runs[n - 1].count++;
            continue;
        }
        size_t at = heads->len;
        wh_err err = wh_codec_pack_head(&a->specs[i], heads);
        if (err != WH_OK || heads->len - at > WH_JOB_HEAD_MAX) {
            return err != WH_OK ? err : WH_ETOOBIG;
        }
        runs[n++] = (wh_store_head_run){.at = at, .len = heads->len - at, .count = 1};
    }
    *n_runs = n;
    return WH_OK;
}

static void put_triples(wh_store *s, wh_buf *out, const wh_store_enqueue_args *a,
                        size_t n_runs)
{
    const wh_job_spec *spec = a->specs;

    wh_store_put_function(out, BATCH, 3 * a->n, a->partition);
    for (size_t r = 0; r < n_runs; r++) {
        for (size_t i = 0; i < s->runs[r].count; i++, spec++) {
            wh_call_put(out, spec->id, WH_UUID_BYTES);
            wh_call_put(out, s->scratch.data + s->runs[r].at, s->runs[r].len);
            wh_call_put(out, spec->payload, spec->payload_len);
        }
    }
}

/* Is there a stamp that the server will take for fresh? It knows better: one that it does not
 * take costs some time there, no more. */
static bool has_stamp(const wh_store *s)
{
    int64_t now = wh_clock_mono_ms();

    return s->has_records && s->stamp_ms > 0 && now - s->stamp_at_ms < STAMP_FRESH_MS &&
           now >= s->triples_until_ms;
}

/* Only heads without options: their stored form is known here. Few jobs of a head are dearer
 * as records than as triples. */
static bool are_records(const wh_store *s, const wh_store_enqueue_args *a,
                        size_t n_runs)
{
    if (a->n < RECORDS_PER_HEAD * n_runs || !has_stamp(s)) {
        return false;
    }
    for (size_t r = 0; r < n_runs; r++) {
        if ((uint8_t)s->scratch.data[s->runs[r].at] != HEAD_WITHOUT_OPTIONS) {
            return false;
        }
    }
    return true;
}

/* What a record of this job begins with: stamp and head as they are stored. Without a priority
 * of its own the type has one, or the queue: most often the usual one. */
static wh_err put_prefix(wh_buf *out, int64_t stamp_ms, const wh_job_spec *spec)
{
    wh_job_spec stored = *spec;
    char stamp[STAMP_BYTES] = {(char)0xcf};

    for (int i = 1; i < STAMP_BYTES; i++) {
        stamp[i] = (char)((uint64_t)stamp_ms >> (8 * (STAMP_BYTES - 1 - i)));
    }
    if (stored.priority_plus1 == 0) {
        stored.priority_plus1 = WH_JOB_PRIORITY_USUAL + 1;
    }
    wh_buf_clear(out);
    wh_buf_add(out, stamp, sizeof stamp);
    return wh_codec_pack_head(&stored, out);
}

static wh_err put_records(wh_store *s, wh_buf *out, const wh_store_enqueue_args *a,
                          size_t n_runs)
{
    const wh_job_spec *spec = a->specs;
    wh_buf *record = &s->record;
    wh_err err = WH_OK;

    wh_store_put_function(out, RECORDS, 2 + 2 * n_runs + 2 * a->n, a->partition);
    wh_call_puti(out, s->stamp_ms);
    wh_call_puti(out, (int64_t)n_runs);
    for (size_t r = 0; r < n_runs; r++) {
        wh_call_put(out, s->scratch.data + s->runs[r].at, s->runs[r].len);
        wh_call_puti(out, (int64_t)s->runs[r].count);
    }
    for (size_t r = 0; r < n_runs && err == WH_OK; r++) {
        err = put_prefix(record, s->stamp_ms, spec);
        size_t prefix = record->len;

        for (size_t i = 0; i < s->runs[r].count && err == WH_OK; i++, spec++) {
            record->len = prefix;
            wh_buf_add(record, spec->payload, spec->payload_len);
            wh_call_put(out, spec->id, WH_UUID_BYTES);
            wh_call_put(out, record->data, record->len);
            err = wh_buf_ok(record) ? WH_OK : WH_ENOMEM;
        }
    }
    if (record->cap > RECORD_KEEP_BYTES) {
        wh_buf_fini(record);
    }
    return err;
}

static wh_err put_batch(wh_store *s, wh_store_node *n, const wh_store_enqueue_args *a)
{
    size_t n_runs = 0;
    wh_err err = pack_heads(s, a, &n_runs);

    if (err != WH_OK) {
        return err;
    }
    if (are_records(s, a, n_runs)) {
        n->function = RECORDS;
        return put_records(s, &n->request, a, n_runs);
    }
    n->function = BATCH;
    put_triples(s, &n->request, a, n_runs);
    return WH_OK;
}

wh_err wh_store_do_enqueue(wh_store *s, const wh_store_enqueue_args *a,
                           wh_store_enqueued_fn *cb, void *arg, wh_errbuf *eb)
{
    wh_store_node *n = NULL;
    wh_err err = check_specs(a, eb);

    if (err != WH_OK) {
        return err;
    }
    err = wh_store_take(s, deliver_enqueued, (void (*)(void))cb, arg, &n);
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_store_error(s));
    }
    n->n = a->n;
    if (is_single(a)) {
        n->function = SINGLE;
        err = put_one(&n->request, a->partition, &a->specs[0]);
    } else {
        err = put_batch(s, n, a);
    }
    if (err != WH_OK) {
        wh_store_node_release(n);
    } else {
        err = wh_store_node_send(n);
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "%s", wh_err_text(err));
}
