/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry job …`, all but enqueue (cli_enqueue.h) and list (cli_job_list.h).
 */
#ifndef WH_COMMON_CLI_CLI_JOB_H
#define WH_COMMON_CLI_CLI_JOB_H

#include "common/cli/cli.h"

wh_exit wh_cli_job_show(wh_cli *c);
wh_exit wh_cli_job_cancel(wh_cli *c);
wh_exit wh_cli_job_retry(wh_cli *c);
wh_exit wh_cli_job_wait(wh_cli *c);
wh_exit wh_cli_job_logs(wh_cli *c);

#endif
