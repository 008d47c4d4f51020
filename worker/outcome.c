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
static void end_too_late(const wh_outcome_question *q, const char *no, wh_slice words,
                         wh_store_finish *out)
{
    size_t n = words.n < WH_JOB_MESSAGE_MAX ? words.n : WH_JOB_MESSAGE_MAX;

    (void)snprintf(
        q->room, WH_OUTCOME_ROOM,
        "no %s: more than %" PRId64 " ms (retry_for) after its enqueue%s%.*s", no,
        q->job->retry_for_ms, n > 0 ? ": " : "", (int)n, n > 0 ? words.p : "");
    out->outcome = WH_STORE_DEAD;
    out->message = text(q->room);
}

/* What the handler wished for, if it did: of a job that is dead it still tells of the type. */
static int64_t wish_of(const wh_result *r)
{
    return r->delay_ms < 0              ? 0
           : r->delay_ms > DELAY_MAX_MS ? DELAY_MAX_MS
                                        : r->delay_ms;
}

static void fail(const wh_outcome_question *q, const wh_result *r, wh_store_finish *out)
{
    wh_retry_question ask = {.attempt = q->job->attempt,
                             .max_attempts = q->job->max_attempts,
                             .category = r->category,
                             .asked_delay_ms = r->delay_ms};
    int64_t delay_ms = 0;

    out->category = wh_errclass_name(r->category);
    out->message = r->message;
    out->context = r->context;
    out->outcome = WH_STORE_DEAD;
    out->delay_ms = wish_of(r);
    if (r->status != WH_RESULT_RETRY || !wh_retry_decide(q->policy, &ask, &delay_ms)) {
        return;
    }
    if (is_too_late(q, delay_ms)) {
        end_too_late(q, "retry", r->message, out);
        return;
    }
    out->outcome = WH_STORE_RETRY;
    out->delay_ms = delay_ms;
    out->says = r->delay_ms < 0 ? WH_STORE_OWN_DELAY : NULL;
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

/* With a category it tells of the type (rate_limited holds an adaptive one back). The time for
 * retries bounds snoozes too: nothing else does. */
static void snooze(const wh_outcome_question *q, const wh_result *r,
                   wh_store_finish *out)
{
    int64_t delay_ms = r->delay_ms < 0 ? SNOOZE_DEFAULT_MS : wish_of(r);

    out->delay_ms = wish_of(r);
    if (is_too_late(q, delay_ms)) {
        end_too_late(q, "snooze", r->message, out);
        out->category = wh_errclass_name(r->category);
        out->context = r->context;
        out->says = WH_STORE_SNOOZED;
        return;
    }
    out->outcome = WH_STORE_SNOOZE;
    out->category =
        r->category == WH_ERRCLASS_ERROR ? NULL : wh_errclass_name(r->category);
    out->message = r->message;
    out->delay_ms = delay_ms;
    out->says = r->delay_ms < 0 ? WH_STORE_OWN_DELAY : NULL;
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
        snooze(q, r, out);
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
    if (!q->job->was_put_off || !is_too_late(q, 0)) {
        return false;
    }
    bool is_snoozed = q->job->is_snoozed;
    *out = (wh_store_finish){
        .category =
            wh_errclass_name(is_snoozed ? q->job->snooze_category : q->job->last_error),
        .says = WH_STORE_NOT_STARTED};
    end_too_late(q, is_snoozed || q->job->attempt == 1 ? "snooze" : "retry",
                 q->job->snooze_message, out);
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
