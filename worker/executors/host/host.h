/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process that runs the jobs of one plug-in, one after the other: reads job
 * frames, calls handlers, writes result frames. Made by main; task.c is the part that
 * handlers see. Nothing here knows Redis or the event loop.
 *
 * Small jobs are cheap because one read may bring hundreds of them and one write takes
 * all their results; a job that takes longer than a flush interval is reported when it
 * ends.
 */
#ifndef WH_WORKER_EXECUTORS_HOST_HOST_H
#define WH_WORKER_EXECUTORS_HOST_HOST_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/client/plugin.h"
#include "worker/executors/frame.h"
#include "worker/executors/page.h"

#include <stdbool.h>

typedef struct wh_host {
    int channel;
    wh_page *page;
    const wh_plugin *plugin;
    wh_buf in; /* bytes read; `parsed` of them are used up */
    size_t parsed;
    wh_buf scratch; /* one frame being packed */
    uint64_t out_base;
    size_t out_len;
    int64_t flushed_us;
} wh_host;

/* fds of the worker: the channel and the page. Takes both. */
wh_err wh_host_init(wh_host *h, int channel_fd, int page_fd,
                    wh_errbuf *eb) WH_MUSTCHECK;
void wh_host_fini(wh_host *h);
/* Tells the worker why this plug-in can't be used. */
void wh_host_refuse(wh_host *h, const char *reason);
/* Says ready and serves until a shutdown frame (WH_OK) or the end of the channel. */
wh_err wh_host_serve(wh_host *h, const wh_plugin *plugin) WH_MUSTCHECK;

/* For task.c: sends what h->scratch holds (soon). */
void wh_host_post(wh_host *h);

#endif
