/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The payload operand of commands that make jobs: the text itself, "-" for stdin, "@FILE".
 */
#ifndef WH_COMMON_CLI_CLI_PAYLOAD_H
#define WH_COMMON_CLI_CLI_PAYLOAD_H

#include "common/cli/cli.h"

enum { WH_CLI_PAYLOAD_MAX = 67108864 };

/* Appends to *out; word NULL: nothing. Has said what is wrong when it is not WH_EXIT_OK. */
wh_exit wh_cli_payload_read(wh_cli *c, const char *word, wh_buf *out);
/* The same of a file's name, "-" for stdin. */
wh_exit wh_cli_payload_file(wh_cli *c, const char *path, wh_buf *out);

#endif
