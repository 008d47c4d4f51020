/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker process serves several queues with the same slots, and each partition knows only
 * of its own claims. This finds the slots that other queues use, for `job explain`.
 */
#ifndef WH_COMMON_CLI_CLI_FLEET_H
#define WH_COMMON_CLI_CLI_FLEET_H

#include "common/cli/cli_redis.h"

typedef struct wh_cli_fleet {
    int64_t elsewhere; /* slots of this partition's live workers that other ones use */
    int64_t most;      /* of those, by the partition that uses most of them */
    char name[2 * WH_JOB_NAME_MAX + 2];
} wh_cli_fleet;

/* One call for each partition that is known, 100 at most. */
wh_exit wh_cli_fleet_read(wh_cli *c, const wh_cli_partition *p, wh_cli_fleet *out);

#endif
