/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What worker.c (life), worker_stop.c (its end), worker_probe.c (HTTP) and
 * worker_dump.c share. Nobody else includes this.
 */
#ifndef WH_WORKER_WORKER_INTERNAL_H
#define WH_WORKER_WORKER_INTERNAL_H

#include "common/io/http.h"
#include "worker/bell.h"
#include "worker/fetch.h"
#include "worker/heartbeat.h"
#include "worker/notes.h"
#include "worker/pressure.h"
#include "worker/worker.h"

struct wh_worker {
    wh_loop *loop;
    const wh_options *o;
    size_t slots;             /* may change on a reload */
    int64_t drain_timeout_ms; /* this, too */
    char name[WH_JOB_NAME_MAX + 1];
    int64_t started_ms;
    wh_worker_state state;
    wh_exit exit;
    bool is_quiet;     /* stopped claiming by a signal */
    bool is_cancelled; /* the drain timed out and handlers were asked to stop */

    wh_partitions partitions;
    wh_store *store;
    wh_metrics *metrics;
    wh_dispatch *dispatch;
    wh_registry *registry;
    wh_notes *notes;
    wh_fetch *fetch;
    wh_heartbeat *heartbeat;
    wh_pressure *pressure;
    wh_bell *bell;
    wh_http *http;
    wh_timer *deadline; /* of the state: drain, stop, leave */
    wh_timer *announce; /* names the partitions to the registry */
};

void wh_worker_set_state(wh_worker *w, wh_worker_state to);
/* What other processes see of this worker; at once, but no more than once a second. */
void wh_worker_tell_info(wh_worker *w);
/* "memory", "busy", …: why it claims nothing for now; "" when it claims. */
const char *wh_worker_backpressure(const wh_worker *w);
/* Something ended: is this state over? */
void wh_worker_check(wh_worker *w);
void wh_worker_on_deadline(void *arg);
/* "" when ready, else what is missing. */
void wh_worker_why_not_ready(const wh_worker *w, wh_buf *why);
void wh_worker_on_http(void *arg, const wh_http_request *rq, wh_http_response *rs);

#endif
