/* SPDX-License-Identifier: Apache-2.0 */
/* `wherry queue forget`: takes an empty partition out of the registry. */
#ifndef WH_COMMON_CLI_CLI_FORGET_H
#define WH_COMMON_CLI_CLI_FORGET_H

#include "common/cli/cli.h"

wh_exit wh_cli_forget_run(wh_cli *c);

#endif
