/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_enqueue_batch, kept until it is answered. "Existing" with our own id after an
 * uncertain attempt means that the attempt had worked.
 */
#include "common/cli/cli_batch.h"

#include "common/base/alloc.h"
#include "common/client/session.h"
#include "common/job/codec.h"

#include <inttypes.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, PAYLOAD_MAX = 67108864, TRIES = 6, PAUSE_MS = 200 };
enum { ARGS_PER_JOB = 3 };

/* Not backpressure: it says itself when, and more calls until then would be more of it. */
static bool may_help(wh_err err)
{
    return wh_err_is_transient(err) && err != WH_EBACKPRESSURE;
}

static void begin(wh_cli_batch *b)
{
    wh_call_fini(&b->call);
    wh_call_init(&b->call, "wh1_enqueue_batch", false, b->where.key);
    b->head_argc = b->call.argc;
    b->head_len = b->call.body.len;
    b->n = 0;
}

void wh_cli_batch_init(wh_cli_batch *b, wh_cli *c, const wh_cli_partition *where)
{
    *b = (wh_cli_batch){.cli = c, .where = *where};
    begin(b);
}

void wh_cli_batch_fini(wh_cli_batch *b)
{
    wh_call_fini(&b->call);
    wh_buf_fini(&b->head);
}

wh_err wh_cli_batch_add(wh_cli_batch *b, const wh_job_spec *spec, wh_errbuf *eb)
{
    uint8_t *id = b->ids[b->n];
    wh_err err = wh_job_spec_check(spec, PAYLOAD_MAX, eb);

    WH_ASSERT(b->n < WH_CLI_BATCH_MAX);
    if (err != WH_OK) {
        return err;
    }
    wh_buf_clear(&b->head);
    err = wh_codec_pack_head(spec, &b->head);
    if (err == WH_OK && b->head.len > WH_JOB_HEAD_MAX) {
        return wh_err_set(
            eb, WH_ETOOBIG,
            "the job's options have %zu bytes together; at most %d are allowed",
            b->head.len, WH_JOB_HEAD_MAX);
    }
    if (err == WH_OK && spec->id != NULL) {
        memcpy(id, spec->id, WH_UUID_BYTES);
    } else if (err == WH_OK) {
        err = wh_rng_uuid7(id);
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    wh_call_arg(&b->call, id, WH_UUID_BYTES);
    wh_call_arg(&b->call, b->head.data, b->head.len);
    wh_call_arg(&b->call, spec->payload, spec->payload_len);
    b->lines[b->n] = b->line;
    b->ends[b->n++] = b->call.body.len;
    return WH_OK;
}

bool wh_cli_batch_is_full(const wh_cli_batch *b)
{
    return b->n >= WH_CLI_BATCH_MAX || b->call.body.len >= BYTES_MAX;
}

/* ---- sending: parts of it, in order ---- */

typedef struct part {
    size_t from, n;    /* jobs of the batch */
    bool is_uncertain; /* an earlier attempt may have worked */
} part;

/* A call is consumed by sending it; the batch must outlive that. */
static wh_err send_copy(wh_cli_batch *b, const part *p, const wh_reply **reply,
                        wh_errbuf *eb)
{
    size_t begin_at = p->from == 0 ? b->head_len : b->ends[p->from - 1];
    size_t end_at = b->ends[p->from + p->n - 1];
    wh_call copy = {.is_function = b->call.is_function,
                    .argc = b->head_argc + ARGS_PER_JOB * p->n};

    if (wh_buf_ok(&b->call.body)) {
        wh_buf_add(&copy.body, b->call.body.data, b->head_len);
        wh_buf_add(&copy.body, b->call.body.data + begin_at, end_at - begin_at);
    }
    if (!wh_buf_ok(&copy.body) || !wh_buf_ok(&b->call.body)) {
        wh_call_fini(&copy);
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    return wh_cli_redis_try(b->cli, &copy, reply, eb);
}

static void count(wh_cli_batch *b, const part *p, const wh_reply *reply)
{
    size_t last = p->from + p->n - 1;

    b->last_result = "created";
    b->last_line = b->lines[last];
    wh_rng_uuid_format(b->ids[last], b->last_id);
    for (size_t i = 2; i + 1 < wh_reply_count(reply); i += 2) {
        int64_t at = wh_reply_int(wh_reply_at(reply, i), 0) - 1;
        wh_slice text = wh_reply_str(wh_reply_at(reply, i + 1));
        uint8_t id[WH_UUID_BYTES];

        if (at < 0 || (uint64_t)at >= p->n || text.p == NULL ||
            !wh_rng_uuid_parse(text.p, text.n, id)) {
            continue;
        }
        size_t job = p->from + (size_t)at;
        if (p->is_uncertain && memcmp(id, b->ids[job], sizeof id) == 0) {
            continue;
        }
        b->existing++;
        b->created--;
        if (job == last) {
            b->last_result = "existing";
            wh_rng_uuid_format(id, b->last_id);
        }
    }
    b->created += (int64_t)p->n;
    b->sent += (int64_t)p->n;
}

/* WH_ECANCELED: the pause failed, and *status is its. */
static wh_err send_part(wh_cli_batch *b, part *p, wh_exit *status, wh_errbuf *eb)
{
    const wh_reply *reply = NULL;
    int64_t pause_ms = PAUSE_MS;

    for (int tries = 1;; tries++, pause_ms *= 2) {
        wh_err err = send_copy(b, p, &reply, eb);
        if (err == WH_OK) {
            count(b, p, reply);
        }
        if (err == WH_OK || !may_help(err) || tries == TRIES) {
            return err;
        }
        p->is_uncertain = p->is_uncertain || err == WH_EUNCERTAIN || err == WH_ETIMEOUT;
        *status = wh_cli_redis_sleep(b->cli, pause_ms);
        if (*status != WH_EXIT_OK) {
            return WH_ECANCELED;
        }
    }
}

static wh_exit refused(wh_cli_batch *b, int64_t line, wh_err err, const wh_errbuf *eb)
{
    if (line == 0) {
        return wh_cli_fail(b->cli, err, eb);
    }
    wh_cli_error(b->cli, "line %" PRId64 ": %s", line, eb->text);
    return err == WH_EINVAL ? WH_EXIT_DATA : wh_err_exit(err);
}

wh_exit wh_cli_batch_flush(wh_cli_batch *b)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_exit status = WH_EXIT_OK;
    size_t step = b->n;
    part p = {.n = 0};

    while (status == WH_EXIT_OK && p.from < b->n) {
        p.n = step < b->n - p.from ? step : b->n - p.from;
        wh_err err = send_part(b, &p, &status, &eb);
        bool is_bad = err == WH_EINVAL || err == WH_ETOOBIG;
        if (err == WH_OK) {
            p.from += p.n;
        } else if (is_bad && p.n > 1) {
            step = p.n / 2;
        } else if (is_bad) {
            status = refused(b, b->lines[p.from], err, &eb);
        } else if (status == WH_EXIT_OK) {
            status = wh_cli_fail(b->cli, err, &eb);
        }
    }
    begin(b);
    return status;
}

/* ---- one that may change another ---- */

typedef struct one {
    wh_session *session;
    wh_err err;
    wh_errbuf eb;
    bool is_done, is_created;
    wh_store_enqueue_fate fate;
    char id[WH_UUID_TEXT + 1]; /* of the one that existed */
} one;

static void on_enqueued(void *arg, wh_err err, const wh_errbuf *eb,
                        const wh_store_enqueued *e)
{
    one *o = arg;

    o->is_done = true;
    o->err = err;
    if (err != WH_OK && eb != NULL) {
        o->eb = *eb;
    } else if (err == WH_OK) {
        o->is_created = e->created > 0;
        o->fate = e->fate;
        if (e->n_existing > 0 && e->existing_ids[0].n == WH_UUID_TEXT) {
            memcpy(o->id, e->existing_ids[0].p, WH_UUID_TEXT);
        }
    }
    wh_session_wake(o->session);
}

static wh_err send_one(wh_cli_batch *b, const wh_job_spec *spec, one *o)
{
    wh_store *store = wh_session_store(b->cli->session);
    const wh_store_enqueue_args args = {b->where.key, spec, 1};

    *o = (one){.session = b->cli->session};
    wh_err err = wh_store_do_enqueue(store, &args, on_enqueued, o, &o->eb);
    while (err == WH_OK && !o->is_done) {
        err = wh_session_sleep(b->cli->session, PAUSE_MS); /* on_enqueued ends it */
    }
    if (!o->is_done) {
        wh_store_forget(store, o);
    }
    return err == WH_OK ? o->err : err;
}

wh_exit wh_cli_batch_one(wh_cli_batch *b, const wh_job_spec *spec)
{
    static const char *const words[] = {[WH_STORE_EXISTING] = "existing",
                                        [WH_STORE_REPLACED] = "replaced",
                                        [WH_STORE_EXTENDED] = "extended"};
    wh_job_spec with_id = *spec;
    int64_t pause_ms = PAUSE_MS;
    one o;

    if (spec->id == NULL) {
        wh_err made = wh_rng_uuid7(b->ids[0]);
        if (made != WH_OK) {
            return wh_cli_fail(b->cli, made, NULL);
        }
        with_id.id = b->ids[0];
    }
    wh_rng_uuid_format(with_id.id, b->last_id);
    wh_err err = send_one(b, &with_id, &o);
    for (int tries = 1; may_help(err) && tries < TRIES; tries++) {
        wh_exit status = wh_cli_redis_sleep(b->cli, pause_ms);
        if (status != WH_EXIT_OK) {
            return status;
        }
        pause_ms *= 2;
        err = send_one(b, &with_id, &o);
    }
    if (err != WH_OK) {
        return wh_cli_fail(b->cli, err, &o.eb);
    }
    bool ours = o.is_created || strcmp(o.id, b->last_id) == 0;
    b->last_result = ours ? "created" : words[o.fate];
    if (!ours) {
        memcpy(b->last_id, o.id, sizeof o.id);
    }
    b->sent = 1;
    b->created = ours;
    b->existing = !ours;
    return WH_EXIT_OK;
}
