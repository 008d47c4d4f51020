/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry functions …`: the Lua library in Redis.
 */
#ifndef WH_COMMON_CLI_CLI_FUNCTIONS_H
#define WH_COMMON_CLI_CLI_FUNCTIONS_H

#include "common/cli/cli.h"

wh_exit wh_cli_functions_load(wh_cli *c);
wh_exit wh_cli_functions_status(wh_cli *c);

#endif
