/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of jobs and the parts it is sent in; shared by client_batch.c (making, ending)
 * and client_enqueue.c (sending). Invariant: a job is in exactly one part until its
 * result is written.
 */
#ifndef WH_COMMON_CLIENT_CLIENT_BATCH_H
#define WH_COMMON_CLIENT_CLIENT_BATCH_H

#include "common/client/client_internal.h"

typedef struct wh_client_part {
    wh_client_batch *batch;
    struct wh_client_part *next;
    size_t first, n;
    uint16_t *order; /* of the call on its way (client_order.h) */
    int tries;
    int64_t due_ms; /* not sent before */
    bool is_sent;
    wh_err last; /* why it is tried again */
} wh_client_part;

struct wh_client_batch {
    wh_client *client;
    wh_client_batch *next;
    char partition[WH_KEYS_PARTITION_MAX];
    const char *jobs; /* the caller's array, or our copy of it */
    size_t step;      /* from one job to the next */
    size_t n;
    uint8_t *ids;                /* 16 bytes each */
    bool *made;                  /* the id is ours */
    wh_client_enqueued *results; /* NULL: nobody wants them */
    bool owns_results;
    wh_client_job *copy; /* of jobs and all they point to */
    wh_client_part *parts;
    size_t in_flight;
    int64_t deadline_ms;
    wh_errbuf first_error;
    wh_client_enqueue_fn *cb;
    void *arg;
};

/* Checks names and makes room; err is in c->last. On failure *out may be half a batch: free it. */
wh_err wh_client_batch_new(wh_client *c, const wh_client_queue *q,
                           wh_client_enqueued *results, size_t n,
                           wh_client_batch **out) WH_MUSTCHECK;
void wh_client_batch_free(wh_client_batch *b);
/* Checks all jobs, gives them ids and cuts them in parts. */
wh_err wh_client_batch_plan(wh_client_batch *b, wh_errbuf *eb) WH_MUSTCHECK;
/* Among the client's open batches. */
void wh_client_batch_link(wh_client_batch *b);
void wh_client_batch_unlink(wh_client_batch *b);
wh_job_spec wh_client_batch_spec(const wh_client_batch *b, size_t i);
/* The id of job i as it was sent. */
void wh_client_batch_id(const wh_client_batch *b, size_t i, char out[WH_UUID_TEXT + 1]);

/* A new part at *end, before what stood there. */
wh_err wh_client_part_add(wh_client_batch *b, wh_client_part **end, size_t first,
                          size_t n) WH_MUSTCHECK;
/* Out of its batch; its jobs have their results. */
void wh_client_part_drop(wh_client_part *p);
/* Gives all its jobs this error, with its text and time, and drops it. */
void wh_client_part_fail(wh_client_part *p, wh_err err, const wh_errbuf *eb);

#endif
