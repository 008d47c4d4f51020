/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where a result becomes an outcome. A handler that was asked to stop and
 * still succeeded has succeeded; whatever else it reports then is the cancellation.
 */
#include "worker/outcome.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SNOOZE_DEFAULT_MS = 1000 };
static const int64_t DELAY_MAX_MS = INT64_C(315360000000);

static wh_slice text(const char *s)
{
    return (wh_slice){s, strlen(s)};
}

/* Would the next attempt start after the time that the producer gave for retries? */
static bool is_too_late(const wh_outcome_question *q, int64_t delay_ms)
{
    const wh_job *j = q->job;

    return j->retry_for_ms > 0 &&
           q->now_ms + delay_ms > j->enqueued_at_ms + j->retry_for_ms;
}

/* The handler's words, if any, stay behind the reason why there is no other attempt. */
static void end_too_late(const wh_outcome_question *q, wh_slice words,
                         wh_store_finish *out)
{
    size_t n = words.n < WH_JOB_MESSAGE_MAX ? words.n : WH_JOB_MESSAGE_MAX;

    (void)snprintf(
        q->room, WH_OUTCOME_ROOM,
        "no retry: more than %" PRId64 " ms (retry_for) after its enqueue%s%.*s",
        q->job->retry_for_ms, n > 0 ? ": " : "", (int)n, n > 0 ? words.p : "");
    out->message = text(q->room);
    out->delay_ms = 0;
}

static void fail(const wh_outcome_question *q, const wh_result *r, wh_store_finish *out)
{
    wh_retry_question ask = {.attempt = q->job->attempt,
                             .max_attempts = q->job->max_attempts,
                             .category = r->category,
                             .asked_delay_ms = r->delay_ms};

    out->category = wh_errclass_name(r->category);
    out->message = r->message;
    out->context = r->context;
    out->outcome = WH_STORE_DEAD;
    if (r->status == WH_RESULT_RETRY &&
        wh_retry_decide(q->policy, &ask, &out->delay_ms)) {
        if (is_too_late(q, out->delay_ms)) {
            end_too_late(q, r->message, out);
        } else {
            out->outcome = WH_STORE_RETRY;
        }
    }
}

static void succeed(const wh_result *r, wh_store_finish *out)
{
    if (r->result.n > WH_JOB_RESULT_MAX) {
        out->outcome = WH_STORE_DEAD;
        out->category = wh_errclass_name(WH_ERRCLASS_OVERSIZE);
        out->message = text("the handler's result is over 65536 bytes");
        return;
    }
    out->outcome = WH_STORE_OK;
    out->result = r->result;
}

/* With a category it tells of the type (rate_limited holds an adaptive one back). */
static void snooze(const wh_result *r, wh_store_finish *out)
{
    out->outcome = WH_STORE_SNOOZE;
    out->category =
        r->category == WH_ERRCLASS_ERROR ? NULL : wh_errclass_name(r->category);
    out->delay_ms = r->delay_ms < 0 ? SNOOZE_DEFAULT_MS : r->delay_ms;
    if (out->delay_ms > DELAY_MAX_MS) {
        out->delay_ms = DELAY_MAX_MS;
    }
}

/* Ended because it was asked to? Then it was not the handler's failure. */
static bool stopped(const wh_outcome_question *q, wh_store_finish *out)
{
    switch (q->cancel) {
    case WH_SLOT_KEEP:
        return false;
    case WH_SLOT_CANCEL_REQUESTED:
        out->outcome = WH_STORE_CANCELLED;
        return true;
    case WH_SLOT_CANCEL_STOPPING:
        out->outcome = WH_STORE_RELEASE;
        return true;
    }
    return false;
}

void wh_outcome_of_result(const wh_outcome_question *q, const wh_result *r,
                          wh_store_finish *out)
{
    *out = (wh_store_finish){0};
    if (r->status != WH_RESULT_OK && stopped(q, out)) {
        return;
    }
    switch (r->status) {
    case WH_RESULT_OK:
        succeed(r, out);
        break;
    case WH_RESULT_RETRY:
    case WH_RESULT_FAIL:
        fail(q, r, out);
        break;
    case WH_RESULT_SNOOZE:
        snooze(r, out);
        break;
    case WH_RESULT_CANCELLED: {
        /* Nobody asked for it: an error like others. */
        wh_result error = *r;

        error.status = WH_RESULT_RETRY;
        fail(q, &error, out);
        break;
    }
    case WH_RESULT_RELEASED:
        out->outcome = WH_STORE_RELEASE;
        break;
    }
}

bool wh_outcome_is_too_late(const wh_outcome_question *q, wh_store_finish *out)
{
    if (q->job->attempt <= 1 || !is_too_late(q, 0)) {
        return false;
    }
    *out = (wh_store_finish){.outcome = WH_STORE_DEAD,
                             .category = wh_errclass_name(q->job->last_error)};
    end_too_late(q, (wh_slice){NULL, 0}, out);
    return true;
}

void wh_outcome_no_handler(const wh_outcome_question *q, wh_store_finish *out)
{
    wh_result r = {.status = WH_RESULT_RETRY,
                   .category = WH_ERRCLASS_UNAVAILABLE, /* for the policy: try again */
                   .delay_ms = -1,
                   .message = text("no handler is configured for this job type")};

    *out = (wh_store_finish){0};
    fail(q, &r, out);
    out->category = wh_errclass_name(WH_ERRCLASS_NO_HANDLER);
}
