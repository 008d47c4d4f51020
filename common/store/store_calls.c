/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other typed calls: heartbeat, resync, enqueue, and the reading of records.
 * Texts are cut to the limits of docs/protocol.md here, so that one long line of a
 * handler can't make the server refuse the heartbeat of all its jobs.
 */
#include "common/base/alloc.h"
#include "common/store/store_internal.h"

#include <string.h>

enum {
    PROGRESS_MESSAGE_MAX = 256,
    LOG_LINE_MAX = 1024,
    INFO_MAX = 4096,
    RESYNC_MAX = 5000,
    PAYLOAD_HARD_MAX = 67108864 /* the server knows the partition's own limit */
};

static void put_function(wh_buf *out, const char *function, size_t n_args,
                         const char *partition)
{
    wh_call_put_head(out, 4 + n_args);
    wh_call_put(out, "FCALL", 5);
    wh_call_puts(out, function);
    wh_call_put(out, "1", 1);
    wh_call_puts(out, partition);
}

static wh_err take(wh_store *s, wh_store_deliver_fn *deliver, void (*cb)(void),
                   void *arg, wh_store_node **out)
{
    wh_err err = wh_store_node_take(s, true, out);

    if (err == WH_OK) {
        (*out)->deliver = deliver;
        (*out)->cb = cb;
        (*out)->arg = arg;
    }
    return err;
}

/* A text of our own for a reply that decoded badly. */
static const wh_errbuf *explain(wh_errbuf *own, wh_err err, const char *function)
{
    (void)wh_err_set(own, err, "%s: %s", function, wh_err_text(err));
    return own;
}

/* ---- heartbeat ---- */

static wh_err check_heartbeat(const wh_store_heartbeat_args *a)
{
    if (a->n_progress > WH_JOB_BATCH_MAX ||
        a->n_lines > WH_JOB_BATCH_MAX - a->n_progress ||
        (a->info != NULL && strlen(a->info) > INFO_MAX)) {
        return WH_ETOOBIG;
    }
    return WH_OK;
}

static void put_progress(wh_buf *out, const wh_store_progress *p)
{
    wh_store_put_slice(out, p->token);
    if (p->percent < 0) {
        wh_call_puts(out, "");
    } else {
        wh_call_puti(out, p->percent > 100 ? 100 : p->percent);
    }
    wh_store_put_slice(out, wh_store_cut(p->message, PROGRESS_MESSAGE_MAX));
}

static void put_heartbeat(wh_buf *out, const wh_store_heartbeat_args *a)
{
    static const char *const modes[] = {[WH_STORE_BEAT_NEW] = "new",
                                        [WH_STORE_BEAT_RENEW] = "renew",
                                        [WH_STORE_BEAT_BYE] = "bye"};
    size_t n = 4 + 3 * a->n_progress + (a->n_lines > 0 ? 1 + 2 * a->n_lines : 0);

    put_function(out, "wh1_heartbeat", n, a->partition);
    wh_call_puts(out, a->worker);
    wh_call_puti(out, a->lease_ms);
    wh_call_puts(out, modes[a->mode]);
    wh_call_puts(out, a->info == NULL ? "" : a->info);
    for (size_t i = 0; i < a->n_progress; i++) {
        put_progress(out, &a->progress[i]);
    }
    if (a->n_lines > 0) {
        wh_call_puts(out, "LOG");
    }
    for (size_t i = 0; i < a->n_lines; i++) {
        wh_store_put_slice(out, a->lines[i].token);
        wh_store_put_slice(out, wh_store_cut(a->lines[i].line, LOG_LINE_MAX));
    }
}

static wh_err decode_heartbeat(wh_store *s, const wh_reply *r, wh_store_heartbeat *out)
{
    static const char cancel[] = "cancel ";
    const size_t skip = sizeof cancel - 1;
    size_t n = wh_reply_count(r);

    if (n < 2) {
        return WH_EPROTO;
    }
    if (wh_store_room(s, n) != WH_OK) {
        return WH_ENOMEM;
    }
    out->now_ms = wh_reply_int(wh_reply_at(r, 0), -1);
    int64_t held = wh_reply_int(wh_reply_at(r, 1), -1);
    if (out->now_ms < 0 || held < 0) {
        return WH_EPROTO;
    }
    out->held = (size_t)held;
    for (size_t i = 2; i < n; i++) {
        wh_slice word = wh_reply_str(wh_reply_at(r, i));

        if (word.n == 5 && memcmp(word.p, "quiet", 5) == 0) {
            out->quiet = true;
        } else if (word.n > skip && memcmp(word.p, cancel, skip) == 0) {
            s->slices[out->n_cancels++] = (wh_slice){word.p + skip, word.n - skip};
        } /* anything else comes from a newer library: not for us */
    }
    out->cancels = s->slices;
    return WH_OK;
}

static void deliver_heartbeat(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                              const wh_reply *r)
{
    wh_store_heartbeat_fn *cb = (wh_store_heartbeat_fn *)n->cb;
    wh_store_heartbeat beat = {0};
    wh_errbuf own = {0};

    if (err == WH_OK) {
        err = decode_heartbeat(n->store, r, &beat);
        eb = err == WH_OK ? eb : explain(&own, err, "wh1_heartbeat");
    }
    cb(n->arg, err, eb, err == WH_OK ? &beat : NULL);
}

wh_err wh_store_do_heartbeat(wh_store *s, const wh_store_heartbeat_args *a,
                             wh_store_heartbeat_fn *cb, void *arg)
{
    wh_store_node *n = NULL;
    wh_err err = check_heartbeat(a);

    if (err == WH_OK) {
        err = take(s, deliver_heartbeat, (void (*)(void))cb, arg, &n);
    }
    if (err != WH_OK) {
        return err;
    }
    put_heartbeat(&n->request, a);
    return wh_store_node_send(n);
}

/* ---- resync ---- */

static wh_err decode_resync(wh_store *s, const wh_reply *r, wh_store_resync *out)
{
    size_t n = wh_reply_count(r);
    int64_t released = wh_reply_int(wh_reply_at(r, 0), -1);

    if (n < 1 || released < 0) {
        return WH_EPROTO;
    }
    if (wh_store_room(s, n) != WH_OK) {
        return WH_ENOMEM;
    }
    out->released = (size_t)released;
    for (size_t i = 1; i < n; i++) {
        s->slices[i - 1] = wh_reply_str(wh_reply_at(r, i));
        if (s->slices[i - 1].p == NULL) {
            return WH_EPROTO;
        }
    }
    out->gone = s->slices;
    out->n_gone = n - 1;
    return WH_OK;
}

static void deliver_resync(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                           const wh_reply *r)
{
    wh_store_resync_fn *cb = (wh_store_resync_fn *)n->cb;
    wh_store_resync resync = {0};
    wh_errbuf own = {0};

    if (err == WH_OK) {
        err = decode_resync(n->store, r, &resync);
        eb = err == WH_OK ? eb : explain(&own, err, "wh1_resync");
    }
    cb(n->arg, err, eb, err == WH_OK ? &resync : NULL);
}

wh_err wh_store_do_resync(wh_store *s, const wh_store_resync_args *a,
                          wh_store_resync_fn *cb, void *arg)
{
    wh_store_node *n = NULL;

    if (a->n_tokens > RESYNC_MAX) {
        return WH_ETOOBIG;
    }
    wh_err err = take(s, deliver_resync, (void (*)(void))cb, arg, &n);
    if (err != WH_OK) {
        return err;
    }
    put_function(&n->request, "wh1_resync", 1 + a->n_tokens, a->partition);
    wh_call_puts(&n->request, a->worker);
    for (size_t i = 0; i < a->n_tokens; i++) {
        wh_store_put_slice(&n->request, a->tokens[i]);
    }
    return wh_store_node_send(n);
}

/* ---- enqueue ---- */

static wh_err check_specs(const wh_store_enqueue_args *a, wh_errbuf *eb)
{
    if (a->n == 0 || a->n > WH_JOB_BATCH_MAX) {
        return wh_err_set(eb, a->n == 0 ? WH_EINVAL : WH_ETOOBIG,
                          "a batch has 1 to %d jobs (got %zu)", WH_JOB_BATCH_MAX, a->n);
    }
    for (size_t i = 0; i < a->n; i++) {
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

static wh_err put_triple(wh_store *s, wh_buf *out, const wh_job_spec *spec)
{
    wh_buf_clear(&s->scratch);
    wh_err err = wh_codec_pack_head(spec, &s->scratch);

    if (err == WH_OK && s->scratch.len > WH_JOB_HEAD_MAX) {
        err = WH_ETOOBIG;
    }
    if (err == WH_OK) {
        wh_call_put(out, spec->id, WH_UUID_BYTES);
        wh_call_put(out, s->scratch.data, s->scratch.len);
        wh_call_put(out, spec->payload, spec->payload_len);
    }
    return err;
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
    wh_call_init(&c, "wh1_enqueue", false, partition);
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

static wh_err decode_enqueued(wh_store_node *node, const wh_reply *r,
                              wh_store_enqueued *out)
{
    wh_store *s = node->store;
    size_t n = wh_reply_count(r);
    int64_t created = wh_reply_int(wh_reply_at(r, 0), -1);

    out->now_ms = wh_reply_int(wh_reply_at(r, 1), -1);
    if (n < 2 || n % 2 != 0 || created < 0 || out->now_ms < 0) {
        return WH_EPROTO;
    }
    out->created = (size_t)created;
    out->n_existing = (n - 2) / 2;
    size_t *indexes =
        wh_grow(s->indexes, &s->indexes_cap, out->n_existing, sizeof *indexes);
    if (indexes == NULL || wh_store_room(s, out->n_existing) != WH_OK) {
        s->indexes = indexes == NULL ? s->indexes : indexes;
        return WH_ENOMEM;
    }
    s->indexes = indexes;
    for (size_t i = 0; i < out->n_existing; i++) {
        int64_t index = wh_reply_int(wh_reply_at(r, 2 + 2 * i), -1);

        s->slices[i] = wh_reply_str(wh_reply_at(r, 3 + 2 * i));
        if (index < 1 || (size_t)index > node->n || s->slices[i].n != WH_UUID_TEXT) {
            return WH_EPROTO;
        }
        indexes[i] = (size_t)index - 1;
    }
    out->existing = indexes;
    out->existing_ids = s->slices;
    return WH_OK;
}

static void deliver_enqueued(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                             const wh_reply *r)
{
    wh_store_enqueued_fn *cb = (wh_store_enqueued_fn *)n->cb;
    wh_store_enqueued enqueued = {0};
    wh_errbuf own = {0};

    if (err == WH_OK) {
        err = n->is_single ? decode_one(n->store, r, &enqueued)
                           : decode_enqueued(n, r, &enqueued);
        eb = err == WH_OK ? eb
                          : explain(&own, err,
                                    n->is_single ? "wh1_enqueue" : "wh1_enqueue_batch");
    }
    cb(n->arg, err, eb, err == WH_OK ? &enqueued : NULL);
}

/* The hot path is the batch, of one too; only who may replace a job wants to know more. */
static bool is_single(const wh_store_enqueue_args *a)
{
    return a->n == 1 && (a->specs[0].conflict == WH_JOB_CONFLICT_REPLACE ||
                         a->specs[0].conflict == WH_JOB_CONFLICT_EXTEND);
}

static wh_err put_batch(wh_store *s, wh_buf *out, const wh_store_enqueue_args *a)
{
    wh_err err = WH_OK;

    put_function(out, "wh1_enqueue_batch", 3 * a->n, a->partition);
    for (size_t i = 0; i < a->n && err == WH_OK; i++) {
        err = put_triple(s, out, &a->specs[i]);
    }
    return err;
}

wh_err wh_store_do_enqueue(wh_store *s, const wh_store_enqueue_args *a,
                           wh_store_enqueued_fn *cb, void *arg, wh_errbuf *eb)
{
    wh_store_node *n = NULL;
    wh_err err = check_specs(a, eb);

    if (err != WH_OK) {
        return err;
    }
    err = take(s, deliver_enqueued, (void (*)(void))cb, arg, &n);
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_store_error(s));
    }
    n->n = a->n;
    n->is_single = is_single(a);
    err = n->is_single ? put_one(&n->request, a->partition, &a->specs[0])
                       : put_batch(s, &n->request, a);
    if (err != WH_OK) {
        wh_store_node_release(n);
    } else {
        err = wh_store_node_send(n);
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "%s", wh_err_text(err));
}

/* ---- records ---- */

wh_err wh_store_read_record(const wh_reply *flat, wh_job_record *out)
{
    size_t n = wh_reply_count(flat);
    wh_err err = WH_OK;

    wh_job_record_init(out);
    if (wh_reply_type_of(flat) != WH_REPLY_ARRAY || n % 2 != 0) {
        return WH_EPROTO;
    }
    for (size_t i = 0; i < n && err == WH_OK; i += 2) {
        const wh_reply *v = wh_reply_at(flat, i + 1);
        wh_slice field = wh_reply_str(wh_reply_at(flat, i));
        wh_slice value = wh_reply_str(v);
        wh_buf number = {0};

        if (wh_reply_type_of(v) == WH_REPLY_INT) {
            wh_buf_addi(&number, wh_reply_int(v, 0));
            value = (wh_slice){wh_buf_str(&number), number.len};
        }
        if (field.p == NULL || value.p == NULL) {
            err = WH_EPROTO;
        } else if (!wh_buf_ok(&number)) {
            err = WH_ENOMEM;
        } else {
            err = wh_job_record_set(out, field.p, field.n, value.p, value.n);
        }
        wh_buf_fini(&number);
    }
    if (err != WH_OK) {
        wh_job_record_fini(out);
    }
    return err;
}
