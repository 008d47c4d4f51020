/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry dev`: a private Redis, and the scheduler when it is there, in the foreground.
 */
#ifndef WH_COMMON_CLI_CLI_DEV_H
#define WH_COMMON_CLI_CLI_DEV_H

#include "common/cli/cli.h"

wh_exit wh_cli_dev_run(wh_cli *c);

#endif
