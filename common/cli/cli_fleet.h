/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live workers of one partition, added up: what `job explain` says when no limit holds
 * a job. Each worker counts by what it last said about itself (wh1_workers).
 */
#ifndef WH_COMMON_CLI_CLI_FLEET_H
#define WH_COMMON_CLI_CLI_FLEET_H

#include "common/cli/cli_redis.h"

typedef struct wh_cli_fleet {
    int64_t workers; /* live ones */
    int64_t slots;   /* of theirs, for all queues that they serve */
    int64_t held;    /* in use by this partition */
    int64_t quiet;   /* workers that claim nothing more: told so, or about to end */
    int64_t pressed; /* workers that claim nothing for now */
    char why[24];    /* of one of those: "memory" or "busy" */
} wh_cli_fleet;

wh_exit wh_cli_fleet_read(wh_cli *c, const wh_cli_partition *p, wh_cli_fleet *out);

#endif
