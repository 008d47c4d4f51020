/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bell: one BLPOP at a time on a connection of its own, made at the first wait. A
 * wait that begins while that connection is away is held back, at most for its own
 * timeout, so the caller's loop of waits needs no back-off.
 */
#include "common/base/clock.h"
#include "common/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GRACE_MS = 5000 }; /* the server answers a BLPOP a little after its timeout */

static void ring(wh_store *s, wh_err err, int partition, char what,
                 const wh_codec_claim *claim)
{
    wh_store_bell *b = &s->bell;
    wh_store_bell_fn *cb = b->cb;

    b->state = WH_STORE_BELL_NONE;
    b->cb = NULL;
    if (b->timer != NULL) {
        wh_timer_stop(b->timer);
    }
    if (cb != NULL) {
        cb(b->arg, err, partition, what, claim);
    }
}

/* -1 when the key is none of ours. */
static int index_of(const wh_store_bell *b, wh_slice key)
{
    const char *p = b->keys.data;

    for (size_t i = 0; i < b->n; i++) {
        size_t len = strlen(p);

        if (len == key.n && memcmp(p, key.p, len) == 0) {
            return (int)i;
        }
        p += len + 1;
    }
    return -1;
}

/* "j<now_ms> <token><record>", docs/protocol.md section 9. */
static bool read_handed(wh_slice value, wh_codec_claim *out)
{
    enum { TOKEN = WH_UUID_BYTES + 1 };
    size_t at = 1;
    int64_t now = 0;

    while (at < value.n && at <= 15 && value.p[at] >= '0' && value.p[at] <= '9') {
        now = now * 10 + (value.p[at++] - '0');
    }
    if (at == 1 || at + 1 + TOKEN > value.n || value.p[at] != ' ') {
        return false;
    }
    at++;
    out->now_ms = now;
    out->token = (wh_slice){value.p + at, TOKEN};
    out->record = (wh_slice){value.p + at + TOKEN, value.n - at - TOKEN};
    return true;
}

static void on_bell_reply(void *arg, wh_err err, const struct redisReply *reply)
{
    wh_store *s = arg;
    int partition = -1;
    char what = 0;
    wh_codec_claim claim = {0};

    s->in_flight--;
    if (err == WH_OK) {
        err = wh_call_error(reply, NULL);
    }
    if (err == WH_OK) {
        const wh_reply *r = wh_call_view(reply);
        wh_slice value = wh_reply_str(wh_reply_at(r, 1));

        if (wh_reply_count(r) == 2) {
            partition = index_of(&s->bell, wh_reply_str(wh_reply_at(r, 0)));
            what = value.n > 0 ? value.p[0] : 0;
            err = partition < 0 || (what == 'j' && !read_handed(value, &claim))
                      ? WH_EPROTO
                      : WH_OK;
        }
    }
    ring(s, err, partition, what, what == 'j' ? &claim : NULL);
    wh_store_settle(s);
}

static wh_err send_wait(wh_store *s)
{
    wh_store_bell *b = &s->bell;
    int64_t left_ms = b->deadline_ms - wh_clock_mono_ms();
    char seconds[32];
    wh_call call;
    wh_buf request = {0};
    const char *p = b->keys.data;

    if (left_ms < 1) {
        left_ms = 1; /* 0 would be "for ever" */
    }
    snprintf(seconds, sizeof seconds, "%" PRId64 ".%03d", left_ms / 1000,
             (int)(left_ms % 1000));
    wh_call_init_command(&call, "BLPOP");
    for (size_t i = 0; i < b->n; i++) {
        wh_call_args(&call, p);
        p += strlen(p) + 1;
    }
    wh_call_args(&call, seconds);
    wh_err err = wh_call_finish(&call, &request);
    if (err == WH_OK) {
        err = wh_conn_send(b->conn, &(wh_conn_request){.data = request.data,
                                                       .len = request.len,
                                                       .timeout_ms = left_ms + GRACE_MS,
                                                       .cb = on_bell_reply,
                                                       .arg = s});
    }
    wh_buf_fini(&request);
    if (err == WH_OK) {
        b->state = WH_STORE_BELL_SENT;
        s->in_flight++;
        wh_timer_stop(b->timer);
    }
    return err;
}

static void on_bell_state(void *arg, bool ready, const char *why)
{
    wh_store *s = arg;

    (void)why;
    if (s->closing) {
        return;
    }
    s->bell.ready = ready;
    if (ready && s->bell.state == WH_STORE_BELL_WAITING) {
        wh_err err = send_wait(s);

        if (err != WH_OK && err != WH_ECONN) {
            ring(s, err, -1, 0, NULL);
        }
    }
}

static void on_bell_timer(void *arg)
{
    wh_store *s = arg;

    if (s->bell.state == WH_STORE_BELL_WAITING) {
        ring(s, WH_OK, -1, 0, NULL);
    }
}

static wh_err open_bell(wh_store *s)
{
    wh_store_bell *b = &s->bell;
    wh_err err = WH_OK;

    if (b->timer == NULL) {
        err = wh_timer_new(s->loop, on_bell_timer, s, &b->timer);
    }
    if (err == WH_OK && b->conn == NULL) {
        wh_conn_options o = s->conn_options;

        o.on_state = on_bell_state;
        o.arg = s;
        o.once = false;
        o.use = "bell";
        err = wh_conn_new(s->loop, &o, &b->conn, NULL);
        if (err == WH_OK) {
            wh_conn_start(b->conn);
        }
    }
    return err;
}

static wh_err set_keys(wh_store_bell *b, const wh_store_bell_args *a)
{
    char key[WH_KEYS_BELL_MAX];

    wh_buf_clear(&b->keys);
    for (size_t i = 0; i < a->n; i++) {
        wh_keys_bell(a->partitions[i], a->workers != NULL ? a->workers[i] : a->worker,
                     key);
        wh_buf_add(&b->keys, key, strlen(key) + 1);
    }
    b->n = a->n;
    return wh_buf_ok(&b->keys) ? WH_OK : WH_ENOMEM;
}

wh_err wh_store_wait_bell(wh_store *s, const wh_store_bell_args *a,
                          wh_store_bell_fn *cb, void *arg)
{
    wh_store_bell *b = &s->bell;

    if (s->closing || b->state != WH_STORE_BELL_NONE) {
        return WH_ESTATE;
    }
    if (a->n == 0 || a->n > WH_JOB_BATCH_MAX || a->timeout_ms <= 0) {
        return WH_EINVAL;
    }
    wh_err err = open_bell(s);
    if (err == WH_OK) {
        err = set_keys(b, a);
    }
    if (err != WH_OK) {
        return err;
    }
    b->cb = cb;
    b->arg = arg;
    b->deadline_ms = wh_clock_mono_ms() + a->timeout_ms;
    b->state = WH_STORE_BELL_WAITING;
    wh_timer_start(b->timer, a->timeout_ms);
    err = b->ready ? send_wait(s) : WH_OK;
    if (err == WH_ECONN) {
        err = WH_OK; /* lost just now: wait for it like for one that is not there yet */
    }
    if (err != WH_OK) {
        b->state = WH_STORE_BELL_NONE;
        b->cb = NULL;
        wh_timer_stop(b->timer);
    }
    return err;
}

void wh_store_bell_forget(wh_store *s, const void *arg)
{
    wh_store_bell *b = &s->bell;

    if (b->cb == NULL || b->arg != arg) {
        return;
    }
    b->cb = NULL;
    if (b->state == WH_STORE_BELL_WAITING) {
        b->state = WH_STORE_BELL_NONE;
        wh_timer_stop(b->timer);
    }
}

void wh_store_bell_cancel(wh_store *s)
{
    if (s->bell.state == WH_STORE_BELL_WAITING) {
        ring(s, WH_ECANCELED, -1, 0, NULL);
    }
}

void wh_store_bell_close(wh_store *s)
{
    wh_store_bell *b = &s->bell;

    wh_timer_free(b->timer);
    b->timer = NULL;
    if (b->conn != NULL) {
        wh_conn_free(b->conn);
        b->conn = NULL;
    }
}
