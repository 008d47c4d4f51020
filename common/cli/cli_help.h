/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help and documentation, all from the table of commands.
 */
#ifndef WH_COMMON_CLI_CLI_HELP_H
#define WH_COMMON_CLI_CLI_HELP_H

#include "common/cli/cli.h"

/* Help on stdout: of a command, of a noun (command NULL), of everything (both NULL). */
wh_exit wh_cli_help_show(wh_cli *c, const char *noun, const wh_cli_command *command);
/* The same on stderr, for a command line that stops too early. */
wh_exit wh_cli_help_missing(wh_cli *c, const char *noun);
wh_exit wh_cli_help_version(wh_cli *c);
/* `wherry help [NOUN [VERB]]`, with --markdown all of docs/cli.md. */
wh_exit wh_cli_help_run(wh_cli *c);

/* "-q, --queue Q" */
void wh_cli_help_flag(const wh_cli_flag *f, wh_buf *out);
/* "wherry job show ID [flags]" */
void wh_cli_help_usage(const wh_cli_command *command, wh_buf *out);

#endif
