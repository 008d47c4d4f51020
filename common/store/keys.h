/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only C that spells keys: the partition, the registry, the bells. All other keys
 * derive from the partition in lua/lib/keys.lua.
 */
#ifndef WH_COMMON_STORE_KEYS_H
#define WH_COMMON_STORE_KEYS_H

#include "common/base/err.h"
#include "common/job/job.h"

#define WH_KEYS_PARTITION_MAX (2 * WH_JOB_NAME_MAX + 8)
#define WH_KEYS_REGISTRY "wh:{registry}"
#define WH_KEYS_BELL_MAX (WH_KEYS_PARTITION_MAX + WH_JOB_NAME_MAX + 8)

/* "wh:{<region>:<queue>}"; WH_EINVAL with a reason for bad names. */
wh_err wh_keys_partition(const char *region, const char *queue,
                         char out[WH_KEYS_PARTITION_MAX], wh_errbuf *eb) WH_MUSTCHECK;
/* The names back out of a partition key; false when it is none. */
bool wh_keys_split(const char *partition, char region[WH_JOB_NAME_MAX + 1],
                   char queue[WH_JOB_NAME_MAX + 1]);
/* "<partition>:bell:<worker>". */
void wh_keys_bell(const char *partition, const char *worker,
                  char out[WH_KEYS_BELL_MAX]);

#endif
