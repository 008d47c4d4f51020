/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry dlq replay` and `dlq purge`: long runs over the dead-letter queue that can be
 * tried dry, slowed down, interrupted and resumed.
 */
#ifndef WH_COMMON_CLI_CLI_DLQ_MOVE_H
#define WH_COMMON_CLI_CLI_DLQ_MOVE_H

#include "common/cli/cli.h"

wh_exit wh_cli_dlq_move_replay(wh_cli *c);
wh_exit wh_cli_dlq_move_purge(wh_cli *c);

#endif
