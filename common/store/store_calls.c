/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other typed calls: heartbeat, resync, and the reading of records.
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
    RESYNC_MAX = 5000
};

void wh_store_put_function(wh_buf *out, const char *function, size_t n_args,
                           const char *partition)
{
    wh_call_put_head(out, 4 + n_args);
    wh_call_put(out, "FCALL", 5);
    wh_call_puts(out, function);
    wh_call_put(out, "1", 1);
    wh_call_puts(out, partition);
}

wh_err wh_store_take(wh_store *s, wh_store_deliver_fn *deliver, void (*cb)(void),
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

const wh_errbuf *wh_store_explain(wh_errbuf *own, wh_err err, const char *function)
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

    wh_store_put_function(out, "wh1_heartbeat", n, a->partition);
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
        eb = err == WH_OK ? eb : wh_store_explain(&own, err, "wh1_heartbeat");
    }
    cb(n->arg, err, eb, err == WH_OK ? &beat : NULL);
}

wh_err wh_store_do_heartbeat(wh_store *s, const wh_store_heartbeat_args *a,
                             wh_store_heartbeat_fn *cb, void *arg)
{
    wh_store_node *n = NULL;
    wh_err err = check_heartbeat(a);

    if (err == WH_OK) {
        err = wh_store_take(s, deliver_heartbeat, (void (*)(void))cb, arg, &n);
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
        eb = err == WH_OK ? eb : wh_store_explain(&own, err, "wh1_resync");
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
    wh_err err = wh_store_take(s, deliver_resync, (void (*)(void))cb, arg, &n);
    if (err != WH_OK) {
        return err;
    }
    wh_store_put_function(&n->request, "wh1_resync", 1 + a->n_tokens, a->partition);
    wh_call_puts(&n->request, a->worker);
    for (size_t i = 0; i < a->n_tokens; i++) {
        wh_store_put_slice(&n->request, a->tokens[i]);
    }
    return wh_store_node_send(n);
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
