/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `job explain` says of the workers that could run a job, and the facts it says it from
 * (docs/protocol.md section 8, wh1_explain).
 */
#ifndef WH_COMMON_CLI_CLI_EXPLAIN_WORKERS_H
#define WH_COMMON_CLI_CLI_EXPLAIN_WORKERS_H

#include "common/cli/cli_fleet.h"

typedef struct wh_cli_explained {
    const wh_cli_partition *where;
    const wh_reply *flat;
    const char *reason; /* NULL: it does not wait */
    wh_cli_fleet fleet;
} wh_cli_explained;

/* A fact as text, or NULL. */
const char *wh_cli_explain_fact(const wh_reply *flat, const char *name);
const char *wh_cli_explain_text(const wh_reply *flat, const char *name,
                                const char *dflt);
/* 0 when it is not there. */
int64_t wh_cli_explain_number(const wh_reply *flat, const char *name);

/* "; the adaptive rate of type mail is 12.5/s now", where there is one. */
void wh_cli_explain_rate(const wh_reply *flat, const char *type, wh_buf *out);
/* "; only 1 of 2 workers has a handler for type mail", where that is so. */
void wh_cli_explain_able(const wh_reply *flat, wh_buf *out);
/* Its workers hold it, or nothing does; false: something else. */
bool wh_cli_explain_workers(const wh_cli_explained *e, wh_buf *out);

#endif
