/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What native.c knows about one child, and the side of it that listens: the frames of
 * wherry-executor turned into results, progress and log lines.
 */
#ifndef WH_WORKER_EXECUTORS_NATIVE_TAKE_H
#define WH_WORKER_EXECUTORS_NATIVE_TAKE_H

#include "worker/executors/frame.h"
#include "worker/executors/page.h"
#include "worker/executors/pool.h"

/* The state of a wh_pool_child of the native driver. */
typedef struct wh_native_child {
    wh_page *page;
    uint64_t stream_at; /* position of the end of c->in in the child's stream */
    uint64_t socket_at; /* position of what the socket gave so far */
} wh_native_child;

/* Uses up the complete frames of c->in; the driver's `parse`. */
wh_err wh_native_take_frames(wh_pool_child *c, wh_errbuf *eb) WH_MUSTCHECK;

#endif
