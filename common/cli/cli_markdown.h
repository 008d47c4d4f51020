/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/cli.md from the table of commands.
 */
#ifndef WH_COMMON_CLI_CLI_MARKDOWN_H
#define WH_COMMON_CLI_CLI_MARKDOWN_H

#include "common/base/buf.h"
#include "common/cli/cli_args.h"

void wh_cli_markdown_all(const wh_cli_set *set, wh_buf *out);

/* Exit statuses and what they mean, also for --help. */
typedef struct wh_cli_markdown_exit {
    int status;
    const char *meaning;
} wh_cli_markdown_exit;
const wh_cli_markdown_exit *wh_cli_markdown_exits(size_t *n);

#endif
