/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry queue …`: the partitions and their settings; stats are in cli_stats.h.
 */
#ifndef WH_COMMON_CLI_CLI_QUEUE_H
#define WH_COMMON_CLI_CLI_QUEUE_H

#include "common/cli/cli.h"

wh_exit wh_cli_queue_list(wh_cli *c);
wh_exit wh_cli_queue_pause(wh_cli *c);
wh_exit wh_cli_queue_resume(wh_cli *c);
wh_exit wh_cli_queue_set(wh_cli *c);

#endif
