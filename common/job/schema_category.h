/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicode's general categories by name, for schema_ecma.
 */
#ifndef WH_COMMON_JOB_SCHEMA_CATEGORY_H
#define WH_COMMON_JOB_SCHEMA_CATEGORY_H

#include <stddef.h>

/* The short name of a category's long one ("L" for "Letter"); NULL: it is none. */
const char *wh_schema_category_short(const char *p, size_t n);

#endif
