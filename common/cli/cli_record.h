/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job as an operator reads it, in full: for `job show`, `job wait`, `dlq show`.
 */
#ifndef WH_COMMON_CLI_CLI_RECORD_H
#define WH_COMMON_CLI_CLI_RECORD_H

#include "common/cli/cli.h"
#include "common/job/job.h"

/* Prints it to stdout: fields below each other, or one JSON document. */
wh_exit wh_cli_record_print(wh_cli *c, const wh_job_record *r);
/* One JSON line. */
wh_exit wh_cli_record_print_json(wh_cli *c, const wh_job_record *r);

#endif
