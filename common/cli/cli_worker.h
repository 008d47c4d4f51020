/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry worker …`: who claims where.
 */
#ifndef WH_COMMON_CLI_CLI_WORKER_H
#define WH_COMMON_CLI_CLI_WORKER_H

#include "common/cli/cli.h"

wh_exit wh_cli_worker_list(wh_cli *c);
wh_exit wh_cli_worker_quiet(wh_cli *c);

#endif
