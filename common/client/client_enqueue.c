/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches. A batch is cut in parts of at most 1,000 jobs and 8 MiB; four parts are on
 * their way at a time. A part whose outcome is unknown, or that came at a bad moment, is
 * sent again until the deadline: ids make that safe. A part that the server refuses for
 * one bad job is halved until that job stands alone.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/client/client_batch.h"
#include "common/client/client_order.h"
#include "common/client/session.h"

#include <string.h>

enum { PARTS_IN_FLIGHT = 4 };

/* An asynchronous batch that is done tells its caller and goes. */
static void settle(wh_client_batch *b)
{
    wh_client *c = b->client;

    if (b->parts != NULL || b->cb == NULL) {
        return;
    }
    wh_client_batch_unlink(b);
    bool outer = c->in_callback;
    c->in_callback = true;
    c->retry_after_ms = b->first_error.retry_after_ms;
    b->cb(b->arg, (int)b->first_error.code, b->results, b->n);
    c->in_callback = outer;
    wh_client_batch_free(b);
}

/* ---- sending ---- */

/* True: p and a new part behind it have a half of the jobs each. */
static bool halve(wh_client_part *p)
{
    size_t half = p->n / 2;

    if (p->n < 2 ||
        wh_client_part_add(p->batch, &p->next, p->first + half, p->n - half) != WH_OK) {
        return false;
    }
    p->n = half;
    p->tries = 0;
    return true;
}

static int fate_of(wh_store_enqueue_fate fate)
{
    switch (fate) {
    case WH_STORE_REPLACED:
        return WH_ENQUEUED_REPLACED;
    case WH_STORE_EXTENDED:
        return WH_ENQUEUED_EXTENDED;
    case WH_STORE_EXISTING:
        break;
    }
    return WH_ENQUEUED_EXISTING;
}

static void write_results(const wh_client_part *p, const wh_store_enqueued *e)
{
    wh_client_batch *b = p->batch;
    char text[WH_UUID_TEXT + 1] = "";

    for (size_t i = p->first; i < p->first + p->n; i++) {
        b->results[i].created = 1;
        b->results[i].fate = WH_ENQUEUED_CREATED;
        wh_client_batch_id(b, i, b->results[i].id);
    }
    for (size_t i = 0; i < e->n_existing; i++) {
        size_t in_call = e->existing[i];
        size_t at = p->first + (p->order != NULL ? p->order[in_call] : in_call);
        wh_client_enqueued *r = &b->results[at];

        memcpy(text, e->existing_ids[i].p, WH_UUID_TEXT);
        /* An id of our making can only exist because an earlier try had come through. */
        r->created = b->made[at] && strcmp(text, r->id) == 0 ? 1 : 0;
        r->fate = (short)(r->created ? WH_ENQUEUED_CREATED : fate_of(e->fate));
        memcpy(r->id, text, sizeof text);
    }
}

/* WH_EFULL and WH_EBACKPRESSURE are not waited for: the producer must see them at once to
 * shed load. */
static bool is_worth_another_try(wh_err err)
{
    return err == WH_ECONN || err == WH_EUNCERTAIN || err == WH_ETIMEOUT ||
           err == WH_EBUSY;
}

static void on_enqueued(void *arg, wh_err err, const wh_errbuf *eb,
                        const wh_store_enqueued *e)
{
    wh_client_part *p = arg;
    wh_client_batch *b = p->batch;
    wh_client *c = b->client;

    p->is_sent = false;
    b->in_flight--;
    if (err == WH_OK) {
        if (b->results != NULL) {
            write_results(p, e);
        }
        wh_client_part_drop(p);
    } else if (is_worth_another_try(err)) {
        p->last = err;
        p->due_ms = wh_clock_mono_ms() + wh_client_backoff(p->tries++);
    } else if ((err != WH_ETOOBIG && err != WH_EINVAL) || !halve(p)) {
        wh_client_part_fail(p, err, eb);
    }
    settle(b);
    if (c->batches != NULL) {
        wh_timer_start(c->timer, 0);
    }
}

/* The jobs of a part in the order of its call: an array to be freed, NULL without memory. */
static wh_job_spec *make_specs(wh_client_part *p)
{
    wh_job_spec *specs = wh_calloc(p->n, sizeof *specs);

    wh_free(p->order);
    p->order = NULL;
    for (size_t i = 0; i < p->n && specs != NULL; i++) {
        specs[i] = wh_client_batch_spec(p->batch, p->first + i);
    }
    if (specs == NULL || wh_client_order(specs, p->n, &p->order) != WH_OK) {
        wh_free(specs);
        return NULL;
    }
    if (p->order == NULL) {
        return specs;
    }
    wh_job_spec *ordered = wh_calloc(p->n, sizeof *ordered);
    for (size_t i = 0; i < p->n && ordered != NULL; i++) {
        ordered[i] = specs[p->order[i]];
    }
    wh_free(specs);
    return ordered;
}

static wh_err send_part(wh_client_part *p, wh_errbuf *eb)
{
    wh_client_batch *b = p->batch;
    wh_job_spec *specs = make_specs(p);

    if (specs == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    wh_store_enqueue_args args = {
        .partition = b->partition, .specs = specs, .n = p->n, .is_checked = true};
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
        wh_client_part *p = b->parts;
        const char *why = wh_store_error(b->client->store);
        wh_err err = code;
        wh_errbuf eb = {.code = WH_OK};

        if (code == WH_ETIMEOUT && !p->is_sent) {
            err = p->last != WH_OK ? p->last : WH_ECONN;
        }
        wh_store_forget(b->client->store, p);
        (void)wh_err_set(&eb, err, "%s: %.200s", what,
                         why[0] != '\0' ? why : wh_err_text(err));
        wh_client_part_fail(p, err, &eb);
    }
    b->in_flight = 0;
}

/* Returns when this batch has to be looked at again. */
static int64_t pump_batch(wh_client_batch *b)
{
    int64_t now = wh_clock_mono_ms();
    int64_t next = b->deadline_ms;
    wh_client_part *p = b->parts;

    if (now >= b->deadline_ms) {
        give_up(b, WH_ETIMEOUT, "not done in time");
        return INT64_MAX;
    }
    while (p != NULL && b->in_flight < PARTS_IN_FLIGHT) {
        wh_client_part *behind = p->next;
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
            wh_client_part_fail(p, err, &eb);
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
        err = wh_client_batch_new(c, q, results, n, &b);
    }
    if (err == WH_OK) {
        b->jobs = (const char *)jobs;
        b->step = jobs[0].size;
        err = wh_client_batch_plan(b, &c->last);
    }
    if (err != WH_OK) {
        wh_client_batch_free(b);
        return (int)err;
    }
    wh_client_batch_link(b);
    c->touched = true;
    wh_client_pump(c);
    while (b->parts != NULL && err == WH_OK) {
        err = wh_client_turn(c, -1); /* its own deadline ends it */
    }
    wh_client_batch_unlink(b);
    if (err != WH_OK) {
        give_up(b, err, "the loop failed");
    }
    err = b->first_error.code;
    c->last = b->first_error;
    c->retry_after_ms = b->first_error.retry_after_ms;
    wh_client_batch_free(b);
    return (int)err;
}

int wh_client_enqueue(wh_client *c, const wh_client_queue *q, const wh_client_job *job,
                      wh_client_enqueued *result)
{
    return wh_client_enqueue_batch(c, q, job, 1, result);
}

int wh_client_enqueue_async(wh_client *c, const wh_client_queue *q,
                            const wh_client_job *jobs, size_t n,
                            wh_client_enqueue_fn *cb, void *arg)
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
        err = wh_client_batch_new(c, q, NULL, n, &b);
    }
    if (err == WH_OK) {
        b->results = wh_calloc(n, sizeof *b->results);
        b->owns_results = true;
        err = b->results != NULL
                  ? WH_OK
                  : wh_err_set(&c->last, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    if (err == WH_OK) {
        b->jobs = (const char *)jobs;
        b->step = jobs[0].size;
        err = wh_client_batch_plan(b, &c->last);
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
        wh_client_batch_free(b);
        return (int)err;
    }
    b->cb = cb;
    b->arg = arg;
    wh_client_batch_link(b);
    c->touched = true;
    wh_timer_start(c->timer, 0);
    return (int)WH_OK;
}
