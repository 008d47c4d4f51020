/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry functions …`: the Lua library in Redis.
 */
#ifndef WH_COMMON_CLI_CLI_FUNCTIONS_H
#define WH_COMMON_CLI_CLI_FUNCTIONS_H

#include "common/cli/cli.h"
#include "common/store/funclib.h"

wh_exit wh_cli_functions_load(wh_cli *c);
wh_exit wh_cli_functions_status(wh_cli *c);

/* Does the answer look like one of Wherry's library? Somebody else's function of the same
 * name may return anything. True when no library is there. */
bool wh_cli_functions_is_ours(const wh_funclib_status *st);

#endif
