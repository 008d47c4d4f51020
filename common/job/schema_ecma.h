/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions as JSON Schema means them (ECMA-262, Unicode mode), written in
 * the syntax of PCRE2.
 */
#ifndef WH_COMMON_JOB_SCHEMA_ECMA_H
#define WH_COMMON_JOB_SCHEMA_ECMA_H

#include "common/base/buf.h"
#include "common/base/err.h"

typedef struct wh_schema_ecma {
    wh_buf text;         /* for PCRE2; the caller's to free */
    unsigned repeat_max; /* the largest number in a {n,m} */
    bool has_backrefs;
} wh_schema_ecma;

/* WH_EINVAL: not ECMA-262, or ambiguous there; eb says what and where. p is UTF-8. */
wh_err wh_schema_ecma_translate(const char *p, size_t n, wh_schema_ecma *out,
                                wh_errbuf *eb) WH_MUSTCHECK;

#endif
