/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orgs that a bulk load found at their quota. None of their further jobs is sent: they would
 * be refused, and one that is not would run before those that were.
 */
#ifndef WH_COMMON_CLI_CLI_FULL_H
#define WH_COMMON_CLI_CLI_FULL_H

#include "common/base/err.h"
#include "common/job/job.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct wh_cli_full {
    char (*orgs)[WH_JOB_NAME_MAX + 1]; /* an open hash table; "": free */
    size_t n, size;                    /* size: 0, or a power of 2 over n */
} wh_cli_full;

bool wh_cli_full_has(const wh_cli_full *f, const char *org);
/* Puts in what is not there yet. */
wh_err wh_cli_full_add(wh_cli_full *f, const char *org) WH_MUSTCHECK;
void wh_cli_full_fini(wh_cli_full *f);

#endif
