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
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, PAYLOAD_MAX = 67108864, TRIES = 6, PAUSE_MS = 200 };
enum { ARGS_PER_JOB = 3 };

/* Not backpressure: it says itself when, and more calls until then would be more of it. Nor a
 * Redis that is full: who hands in jobs must know at once. */
static bool may_help(wh_err err)
{
    return wh_err_is_transient(err) && err != WH_EBACKPRESSURE && err != WH_EFULL;
}

/* The call after this one is the try number `tries` + 1: the first time, says why. */
static wh_exit pause_before(wh_cli_batch *b, int tries, wh_err err, const wh_errbuf *eb)
{
    if (tries == 1) {
        wh_cli_note(b->cli, "%s: %s; trying again for some seconds", b->where.name,
                    wh_cli_reason(err, eb));
    }
    return wh_cli_redis_sleep(b->cli, (int64_t)PAUSE_MS << (tries - 1));
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
    wh_cli_full_fini(&b->full);
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
    const char *org = spec->org == NULL ? "default" : spec->org; /* a name: it fits */
    memcpy(b->orgs[b->n], org, strlen(org) + 1);
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
    size_t from, end; /* of the batch */
    uint16_t jobs[WH_CLI_BATCH_MAX];
    size_t n;          /* jobs of it that are sent */
    bool is_uncertain; /* an earlier attempt may have worked */
} part;

static bool is_kept_out(const wh_cli_batch *b, size_t job)
{
    return wh_cli_full_has(&b->full, b->orgs[job]);
}

/* The next jobs from there on, at most so many. */
static void make_part(const wh_cli_batch *b, part *p, size_t from, size_t most)
{
    p->from = from;
    p->is_uncertain = false;
    p->n = 0;
    for (p->end = from; p->end < b->n && p->n < most; p->end++) {
        if (!is_kept_out(b, p->end)) {
            p->jobs[p->n++] = (uint16_t)p->end;
        }
    }
}

/* A call is consumed by sending it; the batch must outlive that. */
static wh_err send_copy(wh_cli_batch *b, const part *p, const wh_reply **reply,
                        wh_errbuf *eb)
{
    wh_call copy = {.is_function = b->call.is_function,
                    .argc = b->head_argc + ARGS_PER_JOB * p->n};
    const wh_buf *body = &b->call.body;

    if (wh_buf_ok(body)) {
        wh_buf_add(&copy.body, body->data, b->head_len);
    }
    for (size_t i = 0; i < p->n && wh_buf_ok(body); i++) {
        size_t job = p->jobs[i];
        size_t begin_at = job == 0 ? b->head_len : b->ends[job - 1];

        wh_buf_add(&copy.body, body->data + begin_at, b->ends[job] - begin_at);
    }
    if (!wh_buf_ok(&copy.body) || !wh_buf_ok(body)) {
        wh_call_fini(&copy);
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    return wh_cli_redis_try(b->cli, &copy, reply, eb);
}

static void count(wh_cli_batch *b, const part *p, const wh_reply *reply)
{
    size_t last = p->jobs[p->n - 1];

    b->last_result = "created";
    wh_rng_uuid_format(b->ids[last], b->last_id);
    for (size_t i = 2; i + 1 < wh_reply_count(reply); i += 2) {
        int64_t at = wh_reply_int(wh_reply_at(reply, i), 0) - 1;
        wh_slice text = wh_reply_str(wh_reply_at(reply, i + 1));
        uint8_t id[WH_UUID_BYTES];

        if (at < 0 || (uint64_t)at >= p->n || text.p == NULL ||
            !wh_rng_uuid_parse(text.p, text.n, id)) {
            continue;
        }
        size_t job = p->jobs[at];
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

    for (int tries = 1;; tries++) {
        wh_err err = send_copy(b, p, &reply, eb);
        if (err == WH_OK) {
            count(b, p, reply);
        }
        if (err == WH_OK || !may_help(err) || tries == TRIES) {
            return err;
        }
        p->is_uncertain = p->is_uncertain || err == WH_EUNCERTAIN || err == WH_ETIMEOUT;
        *status = pause_before(b, tries, err, eb);
        if (*status != WH_EXIT_OK) {
            return WH_ECANCELED;
        }
    }
}

/* Says what is wrong; with the line of the job that it is about, and the org whose quota. */
static wh_exit tell(wh_cli_batch *b, const size_t *job, wh_err err, const wh_errbuf *eb)
{
    const char *why = wh_cli_reason(err, eb);
    int64_t line = job == NULL ? 0 : b->lines[*job];
    const char *org = job == NULL || eb->job == 0 ? "" : b->orgs[*job];
    char where[WH_JOB_NAME_MAX + 64] = "";

    if (line > 0) {
        (void)snprintf(where, sizeof where, "line %" PRId64 ": ", line);
    }
    if (org[0] != '\0') {
        size_t at = strlen(where);
        (void)snprintf(where + at, sizeof where - at, "org %s: ", org);
    }
    wh_cli_error(b->cli, "%s%s%s", where, err == WH_EFULL ? "Redis is full: " : "",
                 why);
    return line > 0 && err == WH_EINVAL ? WH_EXIT_DATA : wh_err_exit(err);
}

/* The part is behind us: those of it that were kept out are told. */
static void pass(wh_cli_batch *b, const part *p)
{
    for (size_t i = p->from; i < p->end; i++) {
        if (is_kept_out(b, i)) {
            b->refused++;
            wh_cli_error(b->cli, "line %" PRId64 ": not enqueued: org %s is full",
                         b->lines[i], b->orgs[i]);
        }
    }
    if (p->end > p->from) {
        b->last_line = b->lines[p->end - 1];
    }
}

/* A quota of the org of `job` refuses the part. With several jobs of that org, fewer of them may
 * have room; a lone one tells that it has no room for any. */
static wh_exit leave_out(wh_cli_batch *b, const part *p, size_t job, size_t *step,
                         const wh_errbuf *eb)
{
    const char *org = b->orgs[job];
    size_t of_org = 0;

    for (size_t i = 0; i < p->n; i++) {
        of_org += strcmp(b->orgs[p->jobs[i]], org) == 0;
    }
    if (of_org > 1) {
        *step = p->n / 2;
        return WH_EXIT_OK;
    }
    wh_cli_error(b->cli, "org %s: %s; no more of its jobs are sent", org, eb->text);
    *step = WH_CLI_BATCH_MAX;
    return wh_cli_full_add(&b->full, org) == WH_OK ? WH_EXIT_OK
                                                   : wh_cli_no_memory(b->cli);
}

/* What a refusal of the part leads to: another step, or the end. */
static wh_exit refused(wh_cli_batch *b, const part *p, size_t *step, wh_err err,
                       const wh_errbuf *eb)
{
    bool has_job = eb->job > 0 && eb->job <= p->n;
    size_t job = p->jobs[has_job ? eb->job - 1 : 0];

    if (err == WH_EBACKPRESSURE && has_job && b->skips_full) {
        return leave_out(b, p, job, step, eb);
    }
    bool is_one_bad = err == WH_EINVAL || err == WH_ETOOBIG;
    if (p->n > 1 && (is_one_bad || err == WH_EBACKPRESSURE)) {
        *step = p->n / 2; /* fewer may have room */
        return WH_EXIT_OK;
    }
    return tell(b, is_one_bad || has_job ? &job : NULL, err, eb);
}

wh_exit wh_cli_batch_flush(wh_cli_batch *b)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_exit status = WH_EXIT_OK;
    size_t step = WH_CLI_BATCH_MAX;
    part p = {.n = 0};

    for (size_t from = 0; status == WH_EXIT_OK && from < b->n;) {
        make_part(b, &p, from, step);
        wh_err err = p.n == 0 ? WH_OK : send_part(b, &p, &status, &eb);
        if (err == WH_OK) {
            pass(b, &p);
            from = p.end;
        } else if (status == WH_EXIT_OK) {
            status = refused(b, &p, &step, err, &eb);
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
    const wh_store_enqueue_args args = {
        .partition = b->where.key, .specs = spec, .n = 1};

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
        wh_exit status = pause_before(b, tries, err, &o.eb);
        if (status != WH_EXIT_OK) {
            return status;
        }
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
