/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A progress bar on stderr, only when that is a terminal and --quiet is not given:
 * amount, share, rate, time left. Redrawn at most ten times a second.
 */
#ifndef WH_COMMON_CLI_CLI_PROGRESS_H
#define WH_COMMON_CLI_CLI_PROGRESS_H

#include "common/cli/cli.h"

typedef struct wh_cli_progress {
    wh_cli *cli;
    bool on;
    const char *label;
    int64_t total; /* 0: unknown */
    int64_t start_ms, drawn_ms;
} wh_cli_progress;

void wh_cli_progress_start(wh_cli_progress *p, wh_cli *c, const char *label,
                           int64_t total);
/* done of total steps, which are `items` things for people. */
void wh_cli_progress_set(wh_cli_progress *p, int64_t done, int64_t items);
/* Wipes the bar away. */
void wh_cli_progress_end(wh_cli_progress *p);

#endif
