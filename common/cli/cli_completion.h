/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry completion bash|zsh|fish`, from the table of commands.
 */
#ifndef WH_COMMON_CLI_CLI_COMPLETION_H
#define WH_COMMON_CLI_CLI_COMPLETION_H

#include "common/cli/cli.h"

wh_exit wh_cli_completion_run(wh_cli *c);

#endif
