/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches. A batch is cut in parts of at most 1,000 jobs and 8 MiB; four parts are on
 * their way at a time. A part whose outcome is unknown, or that came at a bad moment, is
 * sent again until the deadline: ids make that safe. A part that the server refuses for
 * one bad job is halved until that job stands alone.
 *
 * Invariant: a job is in exactly one part until its result is written.
 */
#include "common/client/client_internal.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/client/session.h"

#include <stdio.h>
#include <string.h>

enum {
    PARTS_IN_FLIGHT = 4,
    PART_BYTES_MAX = 8 * 1024 * 1024,
    JOB_OVERHEAD = 256,
    PAYLOAD_HARD_MAX = 67108864 /* the partition's own limit is the server's to say */
};

typedef struct part {
    wh_client_batch *batch;
    struct part *next;
    size_t first, n;
    int tries;
    int64_t due_ms; /* not sent before */
    bool is_sent;
    wh_err last; /* why it is tried again */
} part;

struct wh_client_batch {
    wh_client *client;
    wh_client_batch *next;
    char partition[WH_KEYS_PARTITION_MAX];
    const char *jobs; /* the caller's array, or our copy of it */
    size_t step;      /* from one job to the next */
    size_t n;
    uint8_t *ids; /* 16 bytes each */
    bool *made;   /* the id is ours */
    wh_client_enqueued *results;
    bool owns_results;
    wh_client_job *copy; /* of jobs and all they point to */
    part *parts;
    size_t in_flight;
    int64_t deadline_ms;
    wh_errbuf first_error;
    wh_client_enqueue_fn *cb;
    void *arg;
};

/* ---- jobs in ---- */

static wh_client_job job_at(const wh_client_batch *b, size_t i)
{
    return wh_client_job_at(b->jobs, b->step, i);
}

static wh_job_spec spec_at(const wh_client_batch *b, size_t i)
{
    return wh_client_job_spec(b->jobs, b->step, i, b->ids + i * WH_UUID_BYTES);
}

static wh_err set_id(wh_client_batch *b, size_t i, const char *given, wh_errbuf *eb)
{
    uint8_t *id = b->ids + i * WH_UUID_BYTES;
    wh_err err = WH_OK;

    b->made[i] = given == NULL;
    if (given == NULL) {
        err = wh_rng_uuid7(id);
    } else if (!wh_rng_uuid_parse(given, strlen(given), id)) {
        return wh_err_set(eb, WH_EINVAL, "id: not a UUID of 36 characters: \"%.40s\"", given);
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "id: %s", wh_err_text(err));
    }
    wh_rng_uuid_format(id, b->results[i].id);
    return WH_OK;
}

static wh_err check_job(wh_client_batch *b, size_t i, wh_errbuf *eb)
{
    wh_client_job job = job_at(b, i);
    wh_err err = set_id(b, i, job.id, eb);

    if (err == WH_OK && job.size != b->step) {
        err = wh_err_set(eb, WH_EINVAL,
                         "size: %zu, but %zu in the first job; make them with "
                         "wh_client_job_make",
                         job.size, b->step);
    }
    if (err == WH_OK) {
        wh_job_spec spec = spec_at(b, i);

        err = wh_job_spec_check(&spec, PAYLOAD_HARD_MAX, eb);
    }
    return err;
}

static wh_err add_part(wh_client_batch *b, part **end, size_t first, size_t n)
{
    part *p = wh_calloc(1, sizeof *p);

    if (p == NULL) {
        return WH_ENOMEM;
    }
    p->batch = b;
    p->first = first;
    p->n = n;
    p->next = *end;
    *end = p;
    return WH_OK;
}

/* Checks all jobs and cuts them in parts. */
static wh_err plan(wh_client_batch *b, wh_errbuf *eb)
{
    size_t first = 0;
    size_t bytes = 0;
    part **end = &b->parts;
    wh_err err = WH_OK;

    for (size_t i = 0; i < b->n && err == WH_OK; i++) {
        wh_errbuf inner = {.code = WH_OK};

        err = check_job(b, i, &inner);
        if (err != WH_OK) {
            b->results[i].error = (int)err;
            return b->n == 1 ? wh_err_set(eb, err, "%s", inner.text)
                             : wh_err_set(eb, err, "job %zu: %s", i, inner.text);
        }
        size_t size = job_at(b, i).payload_len + JOB_OVERHEAD;
        if (i > first && (i - first >= WH_JOB_BATCH_MAX || bytes + size > PART_BYTES_MAX)) {
            err = add_part(b, end, first, i - first);
            end = err == WH_OK ? &(*end)->next : end;
            first = i;
            bytes = 0;
        }
        bytes += size;
    }
    if (err == WH_OK) {
        err = add_part(b, end, first, b->n - first);
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "%s", wh_err_text(err));
}

/* ---- life of a batch ---- */

static void free_batch(wh_client_batch *b)
{
    if (b == NULL) {
        return;
    }
    while (b->parts != NULL) {
        part *p = b->parts;

        b->parts = p->next;
        wh_free(p);
    }
    wh_free(b->ids);
    wh_free(b->made);
    if (b->owns_results) {
        wh_free(b->results);
    }
    wh_free(b->copy);
    wh_free(b);
}

static wh_err new_batch(wh_client *c, const wh_client_queue *q, wh_client_enqueued *results,
                        size_t n, wh_client_batch **out)
{
    wh_client_batch *b = wh_calloc(1, sizeof *b);

    if (b == NULL) {
        return wh_err_set(&c->last, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    *out = b;
    b->client = c;
    b->n = n;
    b->deadline_ms = wh_clock_mono_ms() + c->timeout_ms;
    wh_err err = wh_client_partition(q, b->partition, &c->last);
    if (err != WH_OK) {
        return err;
    }
    b->ids = wh_calloc(n, WH_UUID_BYTES);
    b->made = wh_calloc(n, sizeof *b->made);
    b->owns_results = results == NULL;
    b->results = results == NULL ? wh_calloc(n, sizeof *results) : results;
    if (b->ids == NULL || b->made == NULL || b->results == NULL) {
        return wh_err_set(&c->last, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    memset(b->results, 0, n * sizeof *b->results);
    return WH_OK;
}

static void link_batch(wh_client_batch *b)
{
    b->next = b->client->batches;
    b->client->batches = b;
    b->client->n_batches++;
}

static void unlink_batch(wh_client_batch *b)
{
    wh_client_batch **at = &b->client->batches;

    while (*at != b) {
        at = &(*at)->next;
    }
    *at = b->next;
    b->client->n_batches--;
}

/* An asynchronous batch that is done tells its caller and goes. */
static void settle(wh_client_batch *b)
{
    wh_client *c = b->client;

    if (b->parts != NULL || b->cb == NULL) {
        return;
    }
    unlink_batch(b);
    bool outer = c->in_callback;
    c->in_callback = true;
    b->cb(b->arg, (int)b->first_error.code, b->results, b->n);
    c->in_callback = outer;
    free_batch(b);
}

static void drop_part(part *p)
{
    part **at = &p->batch->parts;

    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    wh_free(p);
}

static void fail_part(part *p, wh_err err, const char *text)
{
    wh_client_batch *b = p->batch;

    for (size_t i = p->first; i < p->first + p->n; i++) {
        b->results[i].error = (int)err;
    }
    if (b->first_error.code == WH_OK) {
        (void)wh_err_set(&b->first_error, err, "%s", text);
    }
    drop_part(p);
}

/* ---- sending ---- */

/* True: p and a new part behind it have a half of the jobs each. */
static bool halve(part *p)
{
    size_t half = p->n / 2;

    if (p->n < 2 ||
        add_part(p->batch, &p->next, p->first + half, p->n - half) != WH_OK) {
        return false;
    }
    p->n = half;
    p->tries = 0;
    return true;
}

static void complete_part(part *p, const wh_store_enqueued *e)
{
    wh_client_batch *b = p->batch;
    char text[WH_UUID_TEXT + 1] = "";

    for (size_t i = p->first; i < p->first + p->n; i++) {
        b->results[i].created = 1;
    }
    for (size_t i = 0; i < e->n_existing; i++) {
        size_t at = p->first + e->existing[i];
        wh_client_enqueued *r = &b->results[at];

        memcpy(text, e->existing_ids[i].p, WH_UUID_TEXT);
        /* An id of our making can only exist because an earlier try had come through. */
        r->created = b->made[at] && strcmp(text, r->id) == 0 ? 1 : 0;
        memcpy(r->id, text, sizeof text);
    }
    drop_part(p);
}

/* WH_EFULL is not waited for: the producer must see it at once to shed load. */
static bool is_worth_another_try(wh_err err)
{
    return err == WH_ECONN || err == WH_EUNCERTAIN || err == WH_ETIMEOUT || err == WH_EBUSY;
}

static void on_enqueued(void *arg, wh_err err, const wh_errbuf *eb,
                        const wh_store_enqueued *e)
{
    part *p = arg;
    wh_client_batch *b = p->batch;
    wh_client *c = b->client;

    p->is_sent = false;
    b->in_flight--;
    if (err == WH_OK) {
        complete_part(p, e);
    } else if (is_worth_another_try(err)) {
        p->last = err;
        p->due_ms = wh_clock_mono_ms() + wh_client_backoff(p->tries++);
    } else if ((err != WH_ETOOBIG && err != WH_EINVAL) || !halve(p)) {
        fail_part(p, err, eb->text);
    }
    settle(b);
    if (c->batches != NULL) {
        wh_timer_start(c->timer, 0);
    }
}

static wh_err send_part(part *p, wh_errbuf *eb)
{
    wh_client_batch *b = p->batch;
    wh_job_spec *specs = wh_calloc(p->n, sizeof *specs);

    if (specs == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    for (size_t i = 0; i < p->n; i++) {
        specs[i] = spec_at(b, p->first + i);
    }
    wh_store_enqueue_args args = {.partition = b->partition, .specs = specs, .n = p->n};
    wh_err err = wh_store_do_enqueue(b->client->store, &args, on_enqueued, p, eb);
    wh_free(specs);
    if (err == WH_OK) {
        p->is_sent = true;
        b->in_flight++;
    }
    return err;
}

static void give_up(wh_client_batch *b, wh_err code, const char *what)
{
    while (b->parts != NULL) {
        part *p = b->parts;
        const char *why = wh_store_error(b->client->store);
        wh_err err = code;
        char text[sizeof b->first_error.text];

        if (code == WH_ETIMEOUT && !p->is_sent) {
            err = p->last != WH_OK ? p->last : WH_ECONN;
        }
        wh_store_forget(b->client->store, p);
        (void)snprintf(text, sizeof text, "%s: %.200s", what,
                       why[0] != '\0' ? why : wh_err_text(err));
        fail_part(p, err, text);
    }
    b->in_flight = 0;
}

/* Returns when this batch has to be looked at again. */
static int64_t pump_batch(wh_client_batch *b)
{
    int64_t now = wh_clock_mono_ms();
    int64_t next = b->deadline_ms;
    part *p = b->parts;

    if (now >= b->deadline_ms) {
        give_up(b, WH_ETIMEOUT, "not done in time");
        return INT64_MAX;
    }
    while (p != NULL && b->in_flight < PARTS_IN_FLIGHT) {
        part *behind = p->next;
        wh_errbuf eb = {.code = WH_OK};
        wh_err err = WH_OK;

        if (!p->is_sent && p->due_ms > now) {
            next = p->due_ms < next ? p->due_ms : next;
        } else if (!p->is_sent) {
            err = send_part(p, &eb);
        }
        if (err == WH_ECONN) {
            /* on_ready comes back to it, unless there is no hope. */
            wh_err code = wh_store_error_code(b->client->store);

            if (!wh_session_is_hopeful(code)) {
                give_up(b, code, "Redis refuses");
            }
            break;
        }
        if (err != WH_OK) {
            fail_part(p, err, eb.text);
        }
        p = behind;
    }
    return next;
}

void wh_client_pump(wh_client *c)
{
    int64_t next = INT64_MAX;
    wh_client_batch *b = c->batches;

    wh_timer_stop(c->timer);
    while (b != NULL) {
        wh_client_batch *behind = b->next;
        int64_t due = pump_batch(b);

        next = due < next ? due : next;
        settle(b); /* its callback may have started others; those kicked the timer */
        b = behind;
    }
    if (c->batches != NULL && next != INT64_MAX && !wh_timer_is_running(c->timer)) {
        int64_t wait_ms = next - wh_clock_mono_ms();

        wh_timer_start(c->timer, wait_ms > 0 ? wait_ms : 0);
    }
}

void wh_client_cancel_batches(wh_client *c)
{
    while (c->batches != NULL) {
        wh_client_batch *b = c->batches;

        give_up(b, WH_ECANCELED, "the client was closed");
        settle(b);
    }
}

/* ---- public ---- */

static wh_err check_call(wh_client *c, const wh_client_job *jobs, size_t n)
{
    if (jobs == NULL || n == 0) {
        return wh_err_set(&c->last, WH_EINVAL, "no jobs");
    }
    if (jobs[0].size < sizeof(size_t) + sizeof(char *) || jobs[0].size > 4096) {
        return wh_err_set(&c->last, WH_EINVAL,
                          "job 0: size: %zu; make jobs with wh_client_job_make",
                          jobs[0].size);
    }
    return WH_OK;
}

int wh_client_enqueue_batch(wh_client *c, const wh_client_queue *q,
                            const wh_client_job *jobs, size_t n,
                            wh_client_enqueued *results)
{
    wh_client_batch *b = NULL;
    wh_err err = wh_client_enter(c, true);

    if (err == WH_OK) {
        err = check_call(c, jobs, n);
    }
    if (err == WH_OK) {
        err = new_batch(c, q, results, n, &b);
    }
    if (err == WH_OK) {
        b->jobs = (const char *)jobs;
        b->step = jobs[0].size;
        err = plan(b, &c->last);
    }
    if (err != WH_OK) {
        free_batch(b);
        return (int)err;
    }
    link_batch(b);
    c->touched = true;
    wh_client_pump(c);
    while (b->parts != NULL && err == WH_OK) {
        err = wh_client_turn(c, -1); /* its own deadline ends it */
    }
    unlink_batch(b);
    if (err != WH_OK) {
        give_up(b, err, "the loop failed");
    }
    err = b->first_error.code;
    c->last = b->first_error;
    free_batch(b);
    return (int)err;
}

int wh_client_enqueue(wh_client *c, const wh_client_queue *q, const wh_client_job *job,
                      wh_client_enqueued *result)
{
    return wh_client_enqueue_batch(c, q, job, 1, result);
}

int wh_client_enqueue_async(wh_client *c, const wh_client_queue *q,
                            const wh_client_job *jobs, size_t n, wh_client_enqueue_fn *cb,
                            void *arg)
{
    wh_client_batch *b = NULL;
    wh_err err = wh_client_enter(c, false);

    if (err == WH_OK && cb == NULL) {
        err = wh_err_set(&c->last, WH_EINVAL, "no callback");
    }
    if (err == WH_OK) {
        err = check_call(c, jobs, n);
    }
    if (err == WH_OK) {
        err = new_batch(c, q, NULL, n, &b);
    }
    if (err == WH_OK) {
        b->jobs = (const char *)jobs;
        b->step = jobs[0].size;
        err = plan(b, &c->last);
    }
    if (err == WH_OK) {
        b->copy = wh_client_job_copy(b->jobs, b->step, n);
        b->jobs = (const char *)b->copy;
        b->step = sizeof *b->copy;
        err = b->copy != NULL
                  ? WH_OK
                  : wh_err_set(&c->last, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    if (err != WH_OK) {
        free_batch(b);
        return (int)err;
    }
    b->cb = cb;
    b->arg = arg;
    link_batch(b);
    c->touched = true;
    wh_timer_start(c->timer, 0);
    return (int)WH_OK;
}
