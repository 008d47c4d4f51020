/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of commands.
 */
#ifndef WH_COMMON_CLI_CLI_COMMANDS_H
#define WH_COMMON_CLI_CLI_COMMANDS_H

#include "common/cli/cli_args.h"

const wh_cli_set *wh_cli_commands_set(void);

#endif
