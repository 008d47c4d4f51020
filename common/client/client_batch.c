/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches before and after they are sent: every job checked and given its id, cut in
 * parts that one call can take, results written, memory returned.
 */
#include "common/client/client_batch.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/client/client_schema.h"

#include <string.h>

enum {
    PART_BYTES_MAX = 8 * 1024 * 1024,
    JOB_OVERHEAD = 256,
    PAYLOAD_HARD_MAX = 67108864 /* the partition's own limit is the server's to say */
};

/* ---- jobs in ---- */

wh_job_spec wh_client_batch_spec(const wh_client_batch *b, size_t i)
{
    wh_client_job job = wh_client_job_at(b->jobs, b->step, i);

    return wh_client_job_spec(&job, b->ids + i * WH_UUID_BYTES);
}

void wh_client_batch_id(const wh_client_batch *b, size_t i, char out[WH_UUID_TEXT + 1])
{
    wh_rng_uuid_format(b->ids + i * WH_UUID_BYTES, out);
}

static wh_err set_id(wh_client_batch *b, size_t i, const char *given, wh_errbuf *eb)
{
    uint8_t *id = b->ids + i * WH_UUID_BYTES;
    wh_err err = WH_OK;

    b->made[i] = given == NULL;
    if (given == NULL) {
        err = wh_rng_uuid7(id);
    } else if (!wh_rng_uuid_parse(given, strlen(given), id)) {
        return wh_err_set(eb, WH_EINVAL, "id: not a UUID of 36 characters: \"%.40s\"",
                          given);
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "id: %s", wh_err_text(err));
    }
    return WH_OK;
}

/* *bytes: of its payload. */
static wh_err check_job(wh_client_batch *b, size_t i, size_t *bytes, wh_errbuf *eb)
{
    wh_client_job job = wh_client_job_at(b->jobs, b->step, i);
    wh_err err = set_id(b, i, job.id, eb);

    if (err == WH_OK && job.size != b->step) {
        err = wh_err_set(eb, WH_EINVAL,
                         "size: %zu, but %zu in the first job; make them with "
                         "wh_client_job_make",
                         job.size, b->step);
    }
    *bytes = job.payload_len;
    if (err == WH_OK) {
        wh_job_spec spec = wh_client_job_spec(&job, b->ids + i * WH_UUID_BYTES);

        err = wh_job_spec_check(&spec, PAYLOAD_HARD_MAX, eb);
        if (err == WH_OK) {
            err = wh_client_schema_check(b->client, &spec, eb);
        }
    }
    return err;
}

wh_err wh_client_part_add(wh_client_batch *b, wh_client_part **end, size_t first,
                          size_t n)
{
    wh_client_part *p = wh_calloc(1, sizeof *p);

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
wh_err wh_client_batch_plan(wh_client_batch *b, wh_errbuf *eb)
{
    size_t first = 0;
    size_t bytes = 0;
    wh_client_part **end = &b->parts;
    wh_err err = WH_OK;

    for (size_t i = 0; i < b->n && err == WH_OK; i++) {
        wh_errbuf inner;
        size_t size = 0;

        err = check_job(b, i, &size, &inner);
        if (err != WH_OK) {
            if (b->results != NULL) {
                b->results[i].error = (int)err;
            }
            return b->n == 1 ? wh_err_set(eb, err, "%s", inner.text)
                             : wh_err_set(eb, err, "job %zu: %s", i, inner.text);
        }
        size += JOB_OVERHEAD;
        if (i > first &&
            (i - first >= WH_JOB_BATCH_MAX || bytes + size > PART_BYTES_MAX)) {
            err = wh_client_part_add(b, end, first, i - first);
            end = err == WH_OK ? &(*end)->next : end;
            first = i;
            bytes = 0;
        }
        bytes += size;
    }
    if (err == WH_OK) {
        err = wh_client_part_add(b, end, first, b->n - first);
    }
    return err == WH_OK ? WH_OK : wh_err_set(eb, err, "%s", wh_err_text(err));
}

/* ---- life of a batch ---- */

void wh_client_batch_free(wh_client_batch *b)
{
    if (b == NULL) {
        return;
    }
    while (b->parts != NULL) {
        wh_client_part *p = b->parts;

        b->parts = p->next;
        wh_free(p->order);
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

wh_err wh_client_batch_new(wh_client *c, const wh_client_queue *q,
                           wh_client_enqueued *results, size_t n, wh_client_batch **out)
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
    b->results = results;
    if (results != NULL) {
        memset(results, 0, n * sizeof *results);
    }
    if (b->ids == NULL || b->made == NULL) {
        return wh_err_set(&c->last, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    return WH_OK;
}

void wh_client_batch_link(wh_client_batch *b)
{
    b->next = b->client->batches;
    b->client->batches = b;
    b->client->n_batches++;
}

void wh_client_batch_unlink(wh_client_batch *b)
{
    wh_client_batch **at = &b->client->batches;

    while (*at != b) {
        at = &(*at)->next;
    }
    *at = b->next;
    b->client->n_batches--;
}

void wh_client_part_drop(wh_client_part *p)
{
    wh_client_part **at = &p->batch->parts;

    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    wh_free(p->order);
    wh_free(p);
}

/* The text of the batch's error; where a quota of one org refuses the part, its name and a job
 * of it. */
static void set_first_error(wh_client_part *p, wh_err err, const wh_errbuf *eb)
{
    wh_client_batch *b = p->batch;
    wh_errbuf *to = &b->first_error;

    if (eb->job == 0 || eb->job > p->n) {
        (void)wh_err_set(to, err, "%s", eb->text);
        return;
    }
    size_t in_call = eb->job - 1;
    size_t at = p->first + (p->order != NULL ? p->order[in_call] : in_call);
    wh_job_spec spec = wh_client_batch_spec(b, at);
    const char *org = spec.org == NULL ? "default" : spec.org;

    if (b->n == 1) {
        (void)wh_err_set(to, err, "org %s: %s", org, eb->text);
    } else {
        (void)wh_err_set(to, err, "job %zu: org %s: %s", at, org, eb->text);
    }
}

void wh_client_part_fail(wh_client_part *p, wh_err err, const wh_errbuf *eb)
{
    wh_client_batch *b = p->batch;

    for (size_t i = p->first; i < p->first + p->n && b->results != NULL; i++) {
        b->results[i].error = (int)err;
        wh_client_batch_id(b, i, b->results[i].id);
    }
    if (b->first_error.code == WH_OK) {
        set_first_error(p, err, eb);
        b->first_error.retry_after_ms = eb->retry_after_ms;
    }
    wh_client_part_drop(p);
}
