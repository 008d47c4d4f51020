/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry config …`: the daemons know their options, so they are asked.
 */
#ifndef WH_COMMON_CLI_CLI_CONFIG_H
#define WH_COMMON_CLI_CLI_CONFIG_H

#include "common/cli/cli.h"

wh_exit wh_cli_config_check(wh_cli *c);
wh_exit wh_cli_config_print(wh_cli *c);

#endif
