/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry audit`: is every job in exactly one place?
 */
#ifndef WH_COMMON_CLI_CLI_AUDIT_H
#define WH_COMMON_CLI_CLI_AUDIT_H

#include "common/cli/cli.h"

wh_exit wh_cli_audit_run(wh_cli *c);

#endif
