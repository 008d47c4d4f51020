/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole worker on a loop: makes the units, connects them, and takes them through the
 * life of the process:
 *
 *     STARTING -> RUNNING -> DRAINING -> STOPPING -> LEAVING -> STOPPED
 *
 * STARTING until every partition is registered; DRAINING: nothing is claimed, jobs end;
 * STOPPING: what is left is given back; LEAVING: says bye; STOPPED: the loop is stopped.
 */
#ifndef WH_WORKER_WORKER_H
#define WH_WORKER_WORKER_H

#include "common/base/err.h"
#include "common/io/loop.h"
#include "worker/options.h"
#include "worker/registry.h"

typedef struct wh_worker wh_worker;

typedef enum wh_worker_state {
    WH_WORKER_STARTING,
    WH_WORKER_RUNNING,
    WH_WORKER_DRAINING,
    WH_WORKER_STOPPING,
    WH_WORKER_LEAVING,
    WH_WORKER_STOPPED,
    WH_WORKER_STATE_COUNT
} wh_worker_state;

/* o and all it points to must outlive the worker. WH_ECONFIG names the first that is
 * wrong; refusals are told of all. */
wh_err wh_worker_new(wh_loop *l, const wh_options *o,
                     const wh_registry_refusals *refusals, wh_worker **out,
                     wh_errbuf *eb) WH_MUSTCHECK;
/* Connects and opens the metrics listener. */
wh_err wh_worker_start(wh_worker *w, wh_errbuf *eb) WH_MUSTCHECK;
void wh_worker_free(wh_worker *w);

/* First call: drain. Second: give back at once. The loop is stopped in the end. */
void wh_worker_stop(wh_worker *w);
/* Stops claiming for good; running jobs and leases go on. */
void wh_worker_quiet(wh_worker *w);
/* Takes over what may change. On error nothing has changed. */
wh_err wh_worker_reload(wh_worker *w, const wh_options *fresh,
                        wh_errbuf *eb) WH_MUSTCHECK;
/* The state as log lines. */
void wh_worker_dump(const wh_worker *w);

const char *wh_worker_state_name(wh_worker_state s);
/* After STOPPED: was everything given back? */
wh_exit wh_worker_exit(const wh_worker *w);

#endif
