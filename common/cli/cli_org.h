/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry org …`: the orgs of a partition and their shares.
 */
#ifndef WH_COMMON_CLI_CLI_ORG_H
#define WH_COMMON_CLI_CLI_ORG_H

#include "common/cli/cli.h"

wh_exit wh_cli_org_list(wh_cli *c);
wh_exit wh_cli_org_weight(wh_cli *c);

#endif
