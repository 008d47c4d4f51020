/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What client.c, client_jobs.c, client_enqueue.c and client_query.c share. Nobody else includes it.
 */
#ifndef WH_COMMON_CLIENT_CLIENT_INTERNAL_H
#define WH_COMMON_CLIENT_CLIENT_INTERNAL_H

#include "common/base/err.h"
#include "common/client/wherry.h"
#include "common/io/loop.h"
#include "common/io/pollset.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct wh_client_batch wh_client_batch;
typedef struct wh_client_schema wh_client_schema; /* client_schema.c */

struct wh_client {
    wh_loop *loop;
    wh_store *store;
    wh_pollset *pollset; /* made at the first wh_client_poll_info */
    wh_timer *timer;     /* the next thing that a batch has to do */
    int64_t timeout_ms;
    wh_errbuf last;
    int64_t retry_after_ms; /* of the enqueue that was refused last */
    wh_client_batch *batches;
    size_t n_batches;
    wh_client_schema *schemas; /* owned list */
    bool touched;              /* something may be deferred: the next wait is none */
    bool in_callback;          /* of the caller: no synchronous calls now */

    /* The reply that client_query.c waits for. */
    bool done;
    wh_err err;
    wh_errbuf eb;
    wh_reply *reply;
};

/* Sets the last error and returns it as the public code. */
int wh_client_fail(wh_client *c, wh_err code, const char *fmt, ...) WH_PRINTF(3, 4);
int wh_client_fail_with(wh_client *c, wh_err code, const wh_errbuf *eb);
/* Start of a public call: forgets the last error; refuses synchronous ones in callbacks. */
wh_err wh_client_enter(wh_client *c, bool synchronous) WH_MUSTCHECK;
wh_err wh_client_partition(const wh_client_queue *q, char out[WH_KEYS_PARTITION_MAX],
                           wh_errbuf *eb) WH_MUSTCHECK;
/* One turn of the loop, not beyond the deadline (-1: none). WH_ETIMEOUT when it passed. */
wh_err wh_client_turn(wh_client *c, int64_t deadline_ms) WH_MUSTCHECK;
/* Pause before try number tries + 1: 20 ms doubling to 1 s, with jitter. */
int64_t wh_client_backoff(int tries);

/* Job i of an array whose elements lie step bytes apart. */
wh_client_job wh_client_job_at(const char *jobs, size_t step, size_t i);
wh_job_spec wh_client_job_spec(const wh_client_job *job, const uint8_t *id);
/* One block: n jobs of our size, then all bytes they point to; NULL: out of memory. The
 * jobs were checked before. */
wh_client_job *wh_client_job_copy(const char *jobs, size_t step, size_t n);

/* Sends what can be sent now, of all batches; ends those whose time is up. */
void wh_client_pump(wh_client *c);
/* All open batches end with WH_ECANCELED. */
void wh_client_cancel_batches(wh_client *c);

#endif
