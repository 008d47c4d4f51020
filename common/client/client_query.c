/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about one job or one queue. Each is one function call, sent again while
 * the outcome is unknown or Redis is busy (all of them may be repeated), until the
 * client's time is up.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/client/client_internal.h"
#include "common/client/session.h"

#include <stddef.h>
#include <string.h>

enum {
    WAIT_MIN_MS = 10,
    WAIT_MAX_MS = 500,
    LAST_ANSWER_MS = 500 /* beyond the deadline, to be able to say how the job stands */
};

typedef struct question {
    const char *function;
    bool read_only;
    char partition[WH_KEYS_PARTITION_MAX];
    const char *id; /* NULL: about the queue */
} question;

static void on_reply(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_client *c = arg;

    c->done = true;
    c->err = err;
    if (err == WH_OK) {
        c->err = wh_reply_copy(r, &c->reply);
        (void)wh_err_set(&c->eb, c->err, "%s", wh_err_text(c->err));
    } else {
        c->eb = *eb;
    }
}

/* One try; c->reply holds the answer. */
static wh_err ask_once(wh_client *c, const question *q, int64_t deadline_ms)
{
    wh_call call;

    wh_reply_free(c->reply);
    c->reply = NULL;
    c->done = false;
    wh_call_init(&call, q->function, q->read_only, q->partition);
    if (q->id != NULL) {
        wh_call_args(&call, q->id);
    }
    wh_err err = wh_store_call(c->store, &call, on_reply, c);
    if (err != WH_OK) {
        const char *why = wh_store_error(c->store);

        return wh_err_set(&c->eb, err, "%s", why[0] != '\0' ? why : wh_err_text(err));
    }
    while (!c->done && err == WH_OK) {
        err = wh_client_turn(c, deadline_ms);
    }
    if (!c->done) {
        wh_store_forget(c->store, c);
        return wh_err_set(&c->eb, err, "%s", wh_err_text(err));
    }
    return c->err;
}

/* Turns the loop for that long, or until the deadline. */
static wh_err rest(wh_client *c, int64_t ms, int64_t deadline_ms)
{
    int64_t until = wh_clock_mono_ms() + ms;
    wh_err err = WH_OK;

    if (deadline_ms >= 0 && deadline_ms < until) {
        until = deadline_ms;
    }
    while (err == WH_OK) {
        err = wh_client_turn(c, until);
    }
    return err == WH_ETIMEOUT ? WH_OK : err;
}

static bool is_worth_another_try(const wh_client *c, wh_err err)
{
    if (err == WH_ECONN) {
        return wh_session_is_hopeful(wh_store_error_code(c->store));
    }
    return err == WH_EUNCERTAIN || err == WH_ETIMEOUT || err == WH_EBUSY;
}

/* limit_ms: the caller's own deadline, -1 none. */
static wh_err ask(wh_client *c, const question *q, int64_t limit_ms)
{
    int64_t deadline_ms = wh_clock_mono_ms() + c->timeout_ms;
    int tries = 0;

    if (limit_ms >= 0 && limit_ms < deadline_ms) {
        deadline_ms = limit_ms;
    }

    for (;;) {
        wh_err err = ask_once(c, q, deadline_ms);

        if (err == WH_OK || !is_worth_another_try(c, err) ||
            wh_clock_mono_ms() >= deadline_ms) {
            return err;
        }
        wh_errbuf why = c->eb;
        wh_err turned = rest(c, wh_client_backoff(tries++), deadline_ms);
        c->eb = why;
        if (turned != WH_OK) {
            return wh_err_set(&c->eb, turned, "%s", wh_err_text(turned));
        }
    }
}

/* The common start of all public functions here. */
static wh_err begin(wh_client *c, const wh_client_queue *where, const char *id,
                    question *q)
{
    wh_err err = wh_client_enter(c, true);

    if (err != WH_OK) {
        return err;
    }
    c->touched = true;
    q->id = id;
    return wh_client_partition(where, q->partition, &c->last);
}

static wh_err begin_job(wh_client *c, const wh_client_queue *where, const char *id,
                        question *q)
{
    uint8_t bytes[WH_UUID_BYTES];
    wh_err err = begin(c, where, id, q);

    if (err == WH_OK && (id == NULL || !wh_rng_uuid_parse(id, strlen(id), bytes))) {
        err = wh_err_set(&c->last, WH_EINVAL,
                         "id: not a UUID of 36 characters: \"%.40s\"",
                         id == NULL ? "" : id);
    }
    return err;
}

/* ---- records ---- */

typedef struct record {
    wh_client_record shown; /* first: what the caller holds */
    wh_job_record own;
} record;

static void show(record *r)
{
    const wh_job_record *o = &r->own;

    r->shown = (wh_client_record){
        .size = sizeof r->shown,
        .status = (int)o->status,
        .status_name = wh_job_status_name(o->status),
        .id = o->id,
        .type = o->type,
        .org = o->org,
        .region = o->region,
        .queue = o->queue,
        .payload = o->payload,
        .result = o->result,
        .payload_len = o->payload_len,
        .result_len = o->result_len,
        .priority = o->priority,
        .attempts = o->attempts,
        .recoveries = o->recoveries,
        .max_attempts = o->max_attempts,
        .progress = o->progress,
        .enqueued_at_ms = o->enqueued_at_ms,
        .started_at_ms = o->started_at_ms,
        .finished_at_ms = o->finished_at_ms,
        .next_retry_at_ms = o->next_retry_at_ms,
        .timeout_ms = o->timeout_ms,
        .expires_at_ms = o->expires_at_ms,
        .error_category = o->error_category,
        .error_message = o->error_message,
        .error_context = o->error_context,
        .progress_message = o->progress_message,
        .worker = o->worker,
        .traceparent = o->traceparent,
        .entity_type = o->entity_type,
        .entity_id = o->entity_id,
        .history = o->history,
        .group = o->group,
        .key = o->idempotency_key,
        .unique = o->unique,
        .conflict = o->conflict,
        .retry_for_ms = o->retry_for_ms,
    };
}

void wh_client_record_free(wh_client_record *r)
{
    if (r != NULL) {
        record *whole = (record *)(void *)r;

        wh_job_record_fini(&whole->own);
        wh_free(whole);
    }
}

#define SAME(name)                                                                     \
    _Static_assert((int)WH_STATUS_##name == (int)WH_JOB_##name,                        \
                   "public and own status differ")
SAME(PENDING);
SAME(SCHEDULED);
SAME(IN_PROGRESS);
SAME(COMPLETED);
SAME(FAILED);
SAME(CANCELLED);
SAME(EXPIRED);

static wh_err read_reply(wh_client *c, wh_client_record **out)
{
    record *r = wh_calloc(1, sizeof *r);

    if (r == NULL) {
        return wh_err_set(&c->eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    wh_err err = wh_store_read_record(c->reply, &r->own);
    if (err != WH_OK) {
        wh_free(r);
        return wh_err_set(&c->eb, err, "wh1_job: %s", wh_err_text(err));
    }
    show(r);
    *out = &r->shown;
    return WH_OK;
}

int wh_client_job_get(wh_client *c, const wh_client_queue *q, const char *id,
                      wh_client_record **out)
{
    question job = {.function = "wh1_job", .read_only = true};

    if (out == NULL) {
        return (int)WH_EINVAL;
    }
    *out = NULL;
    wh_err err = begin_job(c, q, id, &job);
    if (err != WH_OK) {
        return (int)err;
    }
    err = ask(c, &job, -1);
    if (err == WH_OK) {
        err = read_reply(c, out);
    }
    return err == WH_OK ? 0 : wh_client_fail_with(c, err, &c->eb);
}

static bool is_over(int status)
{
    return status == WH_STATUS_COMPLETED || status == WH_STATUS_FAILED ||
           status == WH_STATUS_CANCELLED || status == WH_STATUS_EXPIRED;
}

/* Asks until the job is over; *r is its last record then. */
static wh_err watch(wh_client *c, const question *job, int64_t deadline_ms,
                    wh_client_record **r)
{
    int64_t pause_ms = WAIT_MIN_MS;

    for (;;) {
        wh_err err = ask(c, job, deadline_ms < 0 ? -1 : deadline_ms + LAST_ANSWER_MS);

        if (err == WH_OK) {
            err = read_reply(c, r);
        }
        if (err != WH_OK || is_over((*r)->status)) {
            return err;
        }
        if (deadline_ms >= 0 && wh_clock_mono_ms() >= deadline_ms) {
            return wh_err_set(&c->eb, WH_ETIMEOUT, "the job is still %s",
                              (*r)->status_name);
        }
        wh_client_record_free(*r);
        *r = NULL;
        err = rest(c, pause_ms, deadline_ms);
        if (err != WH_OK) {
            return wh_err_set(&c->eb, err, "%s", wh_err_text(err));
        }
        pause_ms = pause_ms * 3 / 2 < WAIT_MAX_MS ? pause_ms * 3 / 2 : WAIT_MAX_MS;
    }
}

int wh_client_wait(wh_client *c, const wh_client_queue *q, const char *id,
                   int64_t timeout_ms, wh_client_record **out)
{
    question job = {.function = "wh1_job", .read_only = true};
    int64_t deadline_ms = timeout_ms < 0 ? -1 : wh_clock_mono_ms() + timeout_ms;
    wh_client_record *r = NULL;

    if (out != NULL) {
        *out = NULL;
    }
    wh_err err = begin_job(c, q, id, &job);
    if (err != WH_OK) {
        return (int)err;
    }
    err = watch(c, &job, deadline_ms, &r);
    if (err == WH_OK && out != NULL) {
        *out = r;
    } else {
        wh_client_record_free(r);
    }
    return err == WH_OK ? 0 : wh_client_fail_with(c, err, &c->eb);
}

/* ---- changes ---- */

int wh_client_cancel(wh_client *c, const wh_client_queue *q, const char *id,
                     int *requested)
{
    question cancel = {.function = "wh1_cancel"};
    wh_err err = begin_job(c, q, id, &cancel);

    if (err != WH_OK) {
        return (int)err;
    }
    err = ask(c, &cancel, -1);
    if (err != WH_OK) {
        return wh_client_fail_with(c, err, &c->eb);
    }
    if (requested != NULL) {
        wh_slice answer = wh_reply_str(c->reply);

        *requested = answer.n == 9 && memcmp(answer.p, "requested", 9) == 0 ? 1 : 0;
    }
    return 0;
}

int wh_client_retry(wh_client *c, const wh_client_queue *q, const char *id)
{
    question retry = {.function = "wh1_retry"};
    wh_err err = begin_job(c, q, id, &retry);

    if (err != WH_OK) {
        return (int)err;
    }
    err = ask(c, &retry, -1);
    return err == WH_OK ? 0 : wh_client_fail_with(c, err, &c->eb);
}

/* ---- stats ---- */

#define STAT(name)                                                                     \
    {                                                                                  \
#name, offsetof(wh_client_stats, name)                                         \
    }

static const struct stat_field {
    const char *name;
    size_t offset;
} stat_fields[] = {
    STAT(now_ms),   STAT(pending),      STAT(scheduled), STAT(in_progress),
    STAT(kept),     STAT(dead),         STAT(orgs),      STAT(workers),
    STAT(idle),     STAT(paused),       STAT(oldest_ms), STAT(enqueued),
    STAT(claimed),  STAT(completed),    STAT(retried),   STAT(snoozed),
    STAT(released), STAT(cancelled),    STAT(expired),   STAT(recovered),
    STAT(fenced),   STAT(workers_lost), STAT(replayed),  STAT(purged),
    STAT(promoted), STAT(dead_total),
};

static void set_stat(wh_client_stats *out, wh_slice name, int64_t value)
{
    for (size_t i = 0; i < sizeof stat_fields / sizeof stat_fields[0]; i++) {
        const struct stat_field *f = &stat_fields[i];

        if (strlen(f->name) == name.n && memcmp(f->name, name.p, name.n) == 0) {
            memcpy((char *)out + f->offset, &value, sizeof value);
            return;
        }
    }
}

int wh_client_queue_stats(wh_client *c, const wh_client_queue *q, wh_client_stats *out)
{
    question stats = {.function = "wh1_stats", .read_only = true};
    wh_client_stats all = {.size = sizeof all};

    if (out == NULL || out->size < sizeof out->size) {
        return (int)WH_EINVAL;
    }
    wh_err err = begin(c, q, NULL, &stats);
    if (err != WH_OK) {
        return (int)err;
    }
    err = ask(c, &stats, -1);
    if (err != WH_OK) {
        return wh_client_fail_with(c, err, &c->eb);
    }
    for (size_t i = 0; i + 1 < wh_reply_count(c->reply); i += 2) {
        wh_slice name = wh_reply_str(wh_reply_at(c->reply, i));

        if (name.p != NULL) {
            set_stat(&all, name, wh_reply_int(wh_reply_at(c->reply, i + 1), 0));
        }
    }
    size_t size = out->size;
    memcpy(out, &all, size < sizeof all ? size : sizeof all);
    out->size = size;
    return 0;
}
