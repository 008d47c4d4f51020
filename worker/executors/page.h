/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page that the worker and one wherry-executor share, next to their socket. It
 * tells the worker which job runs at every moment, also of a child that just died, and
 * lets it cancel the running job or take back ones that wait in the child.
 *
 * outbox: what the child has to say but has not written to the socket yet. The worker
 * may peek at it, so that a finished job behind which a slow one runs is reported at
 * once and no result is lost with a child. out_base is the position of outbox[0] in
 * the child's stream; a copy counts only if out_base is the same before and after.
 * The worker believes nothing here: a handler may have overwritten all of it.
 */
#ifndef WH_WORKER_EXECUTORS_PAGE_H
#define WH_WORKER_EXECUTORS_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define WH_PAGE_MAGIC 0x31485750U /* changes with the layout */
#define WH_PAGE_OUTBOX ((size_t)48 * 1024)

typedef struct wh_page {
    uint32_t magic;
    /* by the child */
    _Atomic uint64_t
        started; /* sequence number of the last job whose handler was called */
    _Atomic int64_t
        started_us;            /* when, by wh_clock_mono_us; written before `started` */
    _Atomic uint64_t finished; /* of the last job whose result is in the stream */
    _Atomic uint64_t out_base, out_len;
    /* by the worker */
    _Atomic uint64_t cancel;      /* the job that shall stop, 0 none */
    _Atomic uint64_t recall_from; /* jobs from this number on shall not start */
    char outbox[WH_PAGE_OUTBOX];
} wh_page;

#define WH_PAGE_NO_RECALL UINT64_MAX

/* The child has begun a job only if it still finds it not recalled after it has set
 * `started`; the worker has taken it back only if it finds it not started after it has
 * set `recall_from`. Both sides use sequentially consistent operations, so at least one
 * of them sees the other; when both do, the child says `skipped`. */

#endif
