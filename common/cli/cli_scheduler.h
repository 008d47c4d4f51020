/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does anybody keep time? Schedulers are known by the names of their connections, and by
 * what they leave undone: schedules whose time is over.
 */
#ifndef WH_COMMON_CLI_CLI_SCHEDULER_H
#define WH_COMMON_CLI_CLI_SCHEDULER_H

#include "common/cli/cli_partition.h"

/* Is none connected for certain? false also where CLIENT LIST is refused. */
bool wh_cli_scheduler_is_missing(wh_cli *c);
/* What there is to say of schedulers and of the schedules in these partitions. *advice is
 * static text, or NULL: all is well. */
void wh_cli_scheduler_look(wh_cli *c, const wh_cli_partitions *all, wh_buf *text,
                           const char **advice);

#endif
