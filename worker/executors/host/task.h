/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job as its handler sees it: the functions behind wh_task. Called by host.
 */
#ifndef WH_WORKER_EXECUTORS_HOST_TASK_H
#define WH_WORKER_EXECUTORS_HOST_TASK_H

#include "worker/executors/host/host.h"

/* Once, before the first job. */
void wh_task_setup(void);
/* Calls the handler and posts the result frame; returns the time at its end. */
int64_t wh_task_run(wh_host *h, const wh_frame_job *job, int64_t started_us);

#endif
