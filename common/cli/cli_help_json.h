/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands as one JSON document, for those who make tools of it.
 */
#ifndef WH_COMMON_CLI_CLI_HELP_JSON_H
#define WH_COMMON_CLI_CLI_HELP_JSON_H

#include "common/base/buf.h"
#include "common/cli/cli_args.h"

/* All commands, those of a noun, or the one; with the flags of all commands and the exit
 * statuses. Ends in a line break. */
void wh_cli_help_json_add(const wh_cli_set *set, const char *noun,
                          const wh_cli_command *command, wh_buf *out);

#endif
