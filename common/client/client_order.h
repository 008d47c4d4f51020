/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of jobs within a call: those of an org side by side. Redis then looks an org up
 * once instead of once per job, and lays an org's jobs side by side in its memory, where
 * claims come for them. Called by client_enqueue.c; each org's jobs keep their order.
 */
#ifndef WH_COMMON_CLIENT_CLIENT_ORDER_H
#define WH_COMMON_CLIENT_CLIENT_ORDER_H

#include "common/base/err.h"
#include "common/job/job.h"

#include <stddef.h>
#include <stdint.h>

/* *order: n indexes into specs, to be freed by wh_free; NULL: as they are. n: 1 to
 * WH_JOB_BATCH_MAX. O(n). WH_ENOMEM. */
wh_err wh_client_order(const wh_job_spec *specs, size_t n,
                       uint16_t **order) WH_MUSTCHECK;

#endif
