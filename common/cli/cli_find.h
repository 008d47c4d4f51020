/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job by its id alone: it is looked for in all partitions, or those that the flags
 * name. A damaged partition does not hide the others.
 */
#ifndef WH_COMMON_CLI_CLI_FIND_H
#define WH_COMMON_CLI_CLI_FIND_H

#include "common/cli/cli_partition.h"

/* rec is initialised by this function and to be ended by the caller in any case. */
wh_exit wh_cli_find_job(wh_cli *c, const char *id, wh_cli_partition *where,
                        wh_job_record *rec);
/* One job of one partition. */
wh_err wh_cli_find_in(wh_cli *c, const wh_cli_partition *p, const char *id,
                      wh_job_record *rec, wh_errbuf *eb) WH_MUSTCHECK;

#endif
