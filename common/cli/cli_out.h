/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to stdout: text made safe for terminals, aligned tables, JSON lines from
 * the same cells.
 */
#ifndef WH_COMMON_CLI_CLI_OUT_H
#define WH_COMMON_CLI_CLI_OUT_H

#include "common/base/buf.h"
#include "common/cli/cli.h"

/* Appends text as a terminal may see it: control characters and bytes that are no UTF-8
 * become \xNN; line breaks too when one_line. */
void wh_cli_out_clean(wh_buf *out, const char *s, size_t n, bool one_line);
/* Columns that text takes on a terminal. */
size_t wh_cli_out_width(const char *s, size_t n);
/* Columns of the terminal behind stdout; 0: it is none. */
size_t wh_cli_out_columns(const wh_cli *c);

/* Writes the buffer to stdout and clears it. After the first failure (said once, unless
 * the reader just went away) nothing is written any more. */
void wh_cli_out_flush(wh_cli *c, wh_buf *b);
/* WH_EXIT_OK, or what became of stdout or memory. */
wh_exit wh_cli_out_status(wh_cli *c, const wh_buf *b);
/* Writes the whole buffer, unless memory did not suffice for it, and ends it. */
wh_exit wh_cli_out_print(wh_cli *c, wh_buf *out);

/* The same of what tells of a change: when stdout doesn't take it, stderr gets it, with
 * what was done ("enqueued"), as nothing else would tell. */
wh_exit wh_cli_out_done(wh_cli *c, wh_buf *out, const char *did);

/* "text" in this SGR colour when stdout may have colours. */
void wh_cli_out_color(const wh_cli *c, wh_buf *b, const char *sgr, const char *text);
/* The colour of a job's status, or NULL. */
const char *wh_cli_out_status_color(const char *status);

/* With --json, the one object that tells of a change: {"partition":…,"result":…}, and in
 * between the members in `more` (",\"org\":…"; may be NULL). Else prints nothing. */
wh_exit wh_cli_out_changed(wh_cli *c, const char *partition, const wh_buf *more,
                           const char *result);

#endif
