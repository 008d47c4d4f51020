/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry job explain`: the one thing that keeps a job from running, in one sentence.
 */
#ifndef WH_COMMON_CLI_CLI_EXPLAIN_H
#define WH_COMMON_CLI_CLI_EXPLAIN_H

#include "common/cli/cli.h"

wh_exit wh_cli_explain_run(wh_cli *c);

#endif
