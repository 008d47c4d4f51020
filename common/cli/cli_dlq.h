/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry dlq list` and `dlq show`; replay and purge are in cli_dlq_move.h.
 */
#ifndef WH_COMMON_CLI_CLI_DLQ_H
#define WH_COMMON_CLI_CLI_DLQ_H

#include "common/cli/cli.h"
#include "common/cli/cli_partition.h"

wh_exit wh_cli_dlq_list(wh_cli *c);
wh_exit wh_cli_dlq_show(wh_cli *c);

/* Adds the filters of the command line (--org, --type, --category) to a call. */
void wh_cli_dlq_add_filters(const wh_cli *c, wh_call *call);
/* Is --cursor, when given, an entry of a DLQ? Says so when not. */
wh_exit wh_cli_dlq_check_cursor(wh_cli *c);

#endif
