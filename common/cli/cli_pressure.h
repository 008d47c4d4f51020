/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits in one partition and why, how much of its quotas and of Redis' memory is used,
 * and how hard its workers are pressed: a part of `wherry queue stats`.
 */
#ifndef WH_COMMON_CLI_CLI_PRESSURE_H
#define WH_COMMON_CLI_CLI_PRESSURE_H

#include "common/base/buf.h"
#include "common/cli/cli_redis.h"

/* Appends it, of types and orgs at most `rows` each: lines for people, or with --json the
 * members ,"waiting":{…},"usage":{…},"fleet":{…}. */
wh_exit wh_cli_pressure_add(wh_cli *c, const wh_cli_partition *p, int64_t rows,
                            wh_buf *out);

#endif
