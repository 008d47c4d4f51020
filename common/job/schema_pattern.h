/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions for schema, matched within a budget of work.
 */
#ifndef WH_COMMON_JOB_SCHEMA_PATTERN_H
#define WH_COMMON_JOB_SCHEMA_PATTERN_H

#include "common/base/err.h"

#include <stdint.h>

typedef struct wh_schema_pattern wh_schema_pattern; /* immutable */

/* What matching needs beside the pattern; one for many patterns. Zero is empty. */
typedef struct wh_schema_pattern_scratch {
    void *data, *context;
} wh_schema_pattern_scratch;

/* WH_EINVAL: not a regular expression of ECMA-262, or one that PCRE2 can't do. */
wh_err wh_schema_pattern_new(const char *ecma, size_t n, wh_schema_pattern **out,
                             wh_errbuf *eb) WH_MUSTCHECK;
void wh_schema_pattern_free(wh_schema_pattern *p);
void wh_schema_pattern_scratch_fini(wh_schema_pattern_scratch *s);

/* Is there a match in the text (well-formed UTF-8)? Takes what it costs from *work, about
 * one for each step and byte. WH_ETOOBIG: *work, or PCRE2's own limits, did not suffice. */
wh_err wh_schema_pattern_match(const wh_schema_pattern *p, wh_schema_pattern_scratch *s,
                               const char *text, size_t n, uint64_t *work,
                               bool *matches) WH_MUSTCHECK;

#endif
