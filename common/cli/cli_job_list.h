/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry job list`: pages of jobs of one or several statuses.
 */
#ifndef WH_COMMON_CLI_CLI_JOB_LIST_H
#define WH_COMMON_CLI_CLI_JOB_LIST_H

#include "common/cli/cli.h"

wh_exit wh_cli_job_list(wh_cli *c);

#endif
