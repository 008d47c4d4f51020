/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry doctor`: what is wrong with this installation, and what would be right.
 */
#ifndef WH_COMMON_CLI_CLI_DOCTOR_H
#define WH_COMMON_CLI_CLI_DOCTOR_H

#include "common/cli/cli.h"

wh_exit wh_cli_doctor_run(wh_cli *c);

#endif
