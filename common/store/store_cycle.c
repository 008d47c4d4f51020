/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot path: finishes and claims in one request. The request is written straight into
 * the node's buffer with the final argument count in front; the reply is handed on as
 * slices into it, without a copy.
 */
#include "common/base/alloc.h"
#include "common/store/store_internal.h"

#include <stdio.h>
#include <string.h>

enum { FIXED_ARGS = 7, GROUP = 7, CLAIM = 3, BYTES_PER_OK = 40, BYTES_PER_GROUP = 160 };

static const char *const outcome_names[] = {
    [WH_STORE_OK] = "ok",           [WH_STORE_RETRY] = "retry",
    [WH_STORE_DEAD] = "dead",       [WH_STORE_SNOOZE] = "snooze",
    [WH_STORE_RELEASE] = "release", [WH_STORE_CANCELLED] = "cancelled",
    [WH_STORE_EXPIRED] = "expired",
};

static bool is_plain(const wh_store_finish *f)
{
    return f->outcome == WH_STORE_OK && f->result.n == 0;
}

/* Counts the plain ones and refuses what the server would refuse as a whole. */
static wh_err check(const wh_store_cycle_args *a, size_t *n_plain, size_t *bytes)
{
    *n_plain = 0;
    *bytes = 0;
    if (a->n_finishes > WH_JOB_BATCH_MAX) {
        return WH_ETOOBIG;
    }
    if (a->want > WH_JOB_BATCH_MAX) {
        return WH_EINVAL;
    }
    for (size_t i = 0; i < a->n_finishes; i++) {
        const wh_store_finish *f = &a->finishes[i];

        if (f->token.n == 0 || f->delay_ms < 0) {
            return WH_EINVAL;
        }
        if (f->result.n > WH_JOB_RESULT_MAX) {
            return WH_ETOOBIG;
        }
        if (is_plain(f)) {
            ++*n_plain;
            *bytes += BYTES_PER_OK;
        } else {
            *bytes += BYTES_PER_GROUP + f->message.n + f->context.n + f->result.n;
        }
    }
    return WH_OK;
}

static void put_group(wh_buf *out, const wh_store_finish *f)
{
    wh_store_put_slice(out, f->token);
    wh_call_puts(out, outcome_names[f->outcome]);
    wh_call_puti(out, f->delay_ms);
    wh_call_puts(out, f->category == NULL ? "" : f->category);
    wh_store_put_slice(out, wh_store_cut(f->message, WH_JOB_MESSAGE_MAX));
    wh_store_put_slice(out, wh_store_cut(f->context, WH_JOB_CONTEXT_MAX));
    if (f->outcome != WH_STORE_OK && f->says != NULL) {
        wh_call_puts(out, f->says); /* no other outcome has a result */
    } else {
        wh_store_put_slice(out, f->result);
    }
}

static void put_request(wh_buf *out, const wh_store_cycle_args *a, size_t n_plain)
{
    size_t groups = a->n_finishes - n_plain;

    wh_call_put_head(out, FIXED_ARGS + n_plain + groups * GROUP);
    wh_call_put(out, "FCALL", 5);
    wh_call_put(out, "wh1_cycle", 9);
    wh_call_put(out, "1", 1);
    wh_call_puts(out, a->partition);
    wh_call_puts(out, a->worker);
    char want[16];
    snprintf(want, sizeof want, "%u%s", a->want, a->over_bell ? "+" : "");
    wh_call_puts(out, want);
    wh_call_puti(out, (int64_t)n_plain);
    for (size_t i = 0; i < a->n_finishes && n_plain > 0; i++) {
        if (is_plain(&a->finishes[i])) {
            wh_store_put_slice(out, a->finishes[i].token);
        }
    }
    for (size_t i = 0; i < a->n_finishes && groups > 0; i++) {
        if (!is_plain(&a->finishes[i])) {
            put_group(out, &a->finishes[i]);
        }
    }
}

static wh_err decode_fenced(wh_store *s, const wh_reply *r, wh_store_cycle *out)
{
    size_t n = wh_reply_count(r);

    if (wh_reply_type_of(r) != WH_REPLY_ARRAY) {
        return WH_EPROTO;
    }
    if (wh_store_room(s, n) != WH_OK) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        s->slices[i] = wh_reply_str(wh_reply_at(r, i));
        if (s->slices[i].p == NULL) {
            return WH_EPROTO;
        }
    }
    out->fenced = s->slices;
    out->n_fenced = n;
    return WH_OK;
}

static wh_err decode_claims(wh_store *s, const wh_reply *r, wh_store_cycle *out)
{
    size_t n = wh_reply_count(r);

    if (wh_reply_type_of(r) != WH_REPLY_ARRAY || n % CLAIM != 0) {
        return WH_EPROTO;
    }
    n /= CLAIM;
    wh_codec_claim *p = wh_grow(s->claims, &s->claims_cap, n, sizeof *p);
    if (p == NULL) {
        return WH_ENOMEM;
    }
    s->claims = p;
    for (size_t i = 0; i < n; i++) {
        p[i] = (wh_codec_claim){.token = wh_reply_str(wh_reply_at(r, i * CLAIM)),
                                .meta = wh_reply_str(wh_reply_at(r, i * CLAIM + 1)),
                                .record = wh_reply_str(wh_reply_at(r, i * CLAIM + 2)),
                                .now_ms = out->now_ms};
        if (p[i].token.p == NULL || p[i].meta.p == NULL || p[i].record.p == NULL) {
            return WH_EPROTO;
        }
    }
    out->claims = p;
    out->n_claims = n;
    return WH_OK;
}

static wh_err decode(wh_store *s, const wh_reply *r, wh_store_cycle *out)
{
    if (wh_reply_count(r) < 5) {
        return WH_EPROTO;
    }
    out->now_ms = wh_reply_int(wh_reply_at(r, 0), -1);
    out->next_due_ms = wh_reply_int(wh_reply_at(r, 1), -1);
    out->flags = (unsigned)wh_reply_int(wh_reply_at(r, 2), 0);
    if (out->now_ms < 0) {
        return WH_EPROTO;
    }
    wh_err err = decode_fenced(s, wh_reply_at(r, 3), out);
    return err == WH_OK ? decode_claims(s, wh_reply_at(r, 4), out) : err;
}

static void deliver_cycle(wh_store_node *n, wh_err err, const wh_errbuf *eb,
                          const wh_reply *r)
{
    wh_store_cycle_fn *cb = (wh_store_cycle_fn *)n->cb;
    wh_store_cycle cycle = {0};
    wh_errbuf own = {0};

    if (err == WH_OK) {
        err = decode(n->store, r, &cycle);
        if (err != WH_OK) {
            (void)wh_err_set(&own, err, "wh1_cycle: %s", wh_err_text(err));
            eb = &own;
        }
    }
    cb(n->arg, err, eb, err == WH_OK ? &cycle : NULL);
}

wh_err wh_store_do_cycle(wh_store *s, const wh_store_cycle_args *a,
                         wh_store_cycle_fn *cb, void *arg)
{
    wh_store_node *n = NULL;
    size_t n_plain = 0;
    size_t bytes = 0;
    wh_err err = check(a, &n_plain, &bytes);

    if (err == WH_OK) {
        err = wh_store_node_take(s, true, &n);
    }
    if (err != WH_OK) {
        return err;
    }
    n->deliver = deliver_cycle;
    n->cb = (void (*)(void))cb;
    n->arg = arg;
    (void)wh_buf_reserve(&n->request, bytes + 256); /* one growth instead of many */
    put_request(&n->request, a, n_plain);
    return wh_store_node_send(n);
}
