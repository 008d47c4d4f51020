/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a job after its handler reported: executor's result + retry policy ->
 * outcome, delay, category of the finish. Pure, apart from the policy's jitter.
 */
#ifndef WH_WORKER_OUTCOME_H
#define WH_WORKER_OUTCOME_H

#include "common/job/retry.h"
#include "common/store/store.h"
#include "worker/executors/executor.h"
#include "worker/slots.h"

#define WH_OUTCOME_ROOM ((size_t)WH_JOB_MESSAGE_MAX + 96)

typedef struct wh_outcome_question {
    const wh_job *job;
    const wh_retry_policy *policy;
    wh_slot_cancel cancel; /* was it asked to stop, and why */
    int64_t now_ms;        /* Redis' time; only read when the job has a retry_for_ms */
    char *room;            /* WH_OUTCOME_ROOM bytes for a message that is made here */
} wh_outcome_question;

/* Fills outcome, delay, category and texts (borrowed from the result, or in the question's
 * room), not the token.
 * RELEASED is the dispatcher's own affair: here it gives back the job. */
void wh_outcome_of_result(const wh_outcome_question *q, const wh_result *r,
                          wh_store_finish *out);
/* Is it a retry, or was it snoozed, and would start, now, after the time that its producer gave
 * for both? Then it ends, with the category of its last error; no handler ran. */
bool wh_outcome_is_too_late(const wh_outcome_question *q, wh_store_finish *out);
/* No handler takes its type: another worker may, so it is tried again on the schedule. */
void wh_outcome_no_handler(const wh_outcome_question *q, wh_store_finish *out);

#endif
