/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The escapes in a pattern that stand for one character.
 */
#ifndef WH_COMMON_JOB_SCHEMA_ESCAPE_H
#define WH_COMMON_JOB_SCHEMA_ESCAPE_H

#include <stdint.h>

/* The character that an escape means, the backslash and `c` read; *p moves behind it.
 * -1: it is none of these, -2: it is malformed. */
int32_t wh_schema_escape_read(const char **p, const char *end, char c);

#endif
