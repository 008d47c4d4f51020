/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public job struct: read from the caller's array, whose elements may be of an older
 * and smaller version; turned into what the store takes; copied for asynchronous calls.
 */
#include "common/base/alloc.h"
#include "common/client/client_internal.h"

#include <string.h>

#define SAME(theirs, ours)                                                             \
    _Static_assert((int)(theirs) == (int)(ours), "public and own mode differ")
SAME(WH_UNIQUE_TTL, WH_JOB_UNIQUE_TTL);
SAME(WH_UNIQUE_DONE, WH_JOB_UNIQUE_DONE);
SAME(WH_UNIQUE_QUEUED, WH_JOB_UNIQUE_QUEUED);
SAME(WH_CONFLICT_KEEP, WH_JOB_CONFLICT_KEEP);
SAME(WH_CONFLICT_REPLACE, WH_JOB_CONFLICT_REPLACE);
SAME(WH_CONFLICT_EXTEND, WH_JOB_CONFLICT_EXTEND);
SAME(WH_CONFLICT_KEEP_LAST, WH_JOB_CONFLICT_KEEP_LAST);

enum { N_TEXTS = 8 };

wh_client_job wh_client_job_at(const char *jobs, size_t step, size_t i)
{
    wh_client_job job = {.size = 0};

    memcpy(&job, jobs + i * step, step < sizeof job ? step : sizeof job);
    return job;
}

wh_job_spec wh_client_job_spec(const wh_client_job *job, const uint8_t *id)
{
    return (wh_job_spec){.type = job->type,
                         .org = job->org,
                         .payload = job->payload,
                         .payload_len = job->payload_len,
                         .priority_plus1 = job->priority,
                         .delay_ms = job->delay_ms,
                         .timeout_ms = job->timeout_ms,
                         .expires_ms = job->expires_ms,
                         .max_attempts = job->max_attempts,
                         .key = job->key,
                         .key_ttl_ms = job->key_ttl_ms,
                         .entity_type = job->entity_type,
                         .entity_id = job->entity_id,
                         .traceparent = job->traceparent,
                         .id = id,
                         .group = job->group,
                         .unique = (wh_job_unique)job->unique,
                         .conflict = (wh_job_conflict)job->conflict,
                         .retry_for_ms = job->retry_for_ms};
}

static void texts_of(wh_client_job *job, const char **texts[N_TEXTS])
{
    texts[0] = &job->type;
    texts[1] = &job->org;
    texts[2] = &job->key;
    texts[3] = &job->entity_type;
    texts[4] = &job->entity_id;
    texts[5] = &job->traceparent;
    texts[6] = &job->id;
    texts[7] = &job->group;
}

static size_t bytes_of(wh_client_job job)
{
    const char **texts[N_TEXTS];
    size_t bytes = job.payload_len;

    texts_of(&job, texts);
    for (size_t i = 0; i < N_TEXTS; i++) {
        bytes += *texts[i] == NULL ? 0 : strlen(*texts[i]) + 1;
    }
    return bytes;
}

static char *copy_job(wh_client_job *job, char *to)
{
    const char **texts[N_TEXTS];

    texts_of(job, texts);
    for (size_t i = 0; i < N_TEXTS; i++) {
        if (*texts[i] != NULL) {
            size_t len = strlen(*texts[i]) + 1;

            memcpy(to, *texts[i], len);
            *texts[i] = to;
            to += len;
        }
    }
    if (job->payload_len > 0) {
        memcpy(to, job->payload, job->payload_len);
        job->payload = to;
        to += job->payload_len;
    }
    return to;
}

wh_client_job *wh_client_job_copy(const char *jobs, size_t step, size_t n)
{
    size_t bytes = n * sizeof(wh_client_job);

    for (size_t i = 0; i < n; i++) {
        bytes += bytes_of(wh_client_job_at(jobs, step, i));
    }
    wh_client_job *copy = wh_malloc(bytes);
    if (copy == NULL) {
        return NULL;
    }
    char *to = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        copy[i] = wh_client_job_at(jobs, step, i);
        to = copy_job(&copy[i], to);
    }
    return copy;
}
