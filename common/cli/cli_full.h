/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orgs that a bulk load found at their quota. None of their further jobs is sent: they would
 * be refused, and one that is not would run before those that were.
 */
#ifndef WH_COMMON_CLI_CLI_FULL_H
#define WH_COMMON_CLI_CLI_FULL_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct wh_cli_full {
    void *tree; /* of names */
    size_t n;
} wh_cli_full;

bool wh_cli_full_has(const wh_cli_full *f, const char *org);
/* Puts in what is not there yet. */
wh_err wh_cli_full_add(wh_cli_full *f, const char *org) WH_MUSTCHECK;
void wh_cli_full_fini(wh_cli_full *f);

#endif
