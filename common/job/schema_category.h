/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What \p{...} names: Unicode's categories, properties and scripts.
 */
#ifndef WH_COMMON_JOB_SCHEMA_CATEGORY_H
#define WH_COMMON_JOB_SCHEMA_CATEGORY_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* Appends \p{...}, or \P{...}, as PCRE2 wants it, for a name in ECMA-262's spelling; false:
 * there it has no meaning, and nothing was appended. */
bool wh_schema_category_put(const char *name, size_t n, bool negated,
                            wh_buf *out) WH_MUSTCHECK;

#endif
