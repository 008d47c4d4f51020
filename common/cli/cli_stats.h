/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry queue stats`: all figures and limits of one partition, once or again and again.
 */
#ifndef WH_COMMON_CLI_CLI_STATS_H
#define WH_COMMON_CLI_CLI_STATS_H

#include "common/cli/cli_limit.h"

wh_exit wh_cli_stats_run(wh_cli *c);

#endif
