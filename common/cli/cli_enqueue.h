/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry job enqueue`: one job, the same job several times, or JSON lines.
 */
#ifndef WH_COMMON_CLI_CLI_ENQUEUE_H
#define WH_COMMON_CLI_CLI_ENQUEUE_H

#include "common/cli/cli.h"

wh_exit wh_cli_enqueue_run(wh_cli *c);

#endif
