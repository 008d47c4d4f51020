/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other programs of Wherry: those beside this binary come first, then PATH.
 */
#ifndef WH_COMMON_CLI_CLI_SIBLING_H
#define WH_COMMON_CLI_CLI_SIBLING_H

#include "common/base/err.h"

#include <stddef.h>

/* Full path of a program, owned; NULL: not found (or no memory). */
char *wh_cli_sibling_find(const char *program);
/* The same in PATH only. */
char *wh_cli_sibling_in_path(const char *program);

#endif
