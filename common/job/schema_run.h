/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One check of one document against a compiled schema.
 */
#ifndef WH_COMMON_JOB_SCHEMA_RUN_H
#define WH_COMMON_JOB_SCHEMA_RUN_H

#include "common/job/schema_internal.h"

typedef struct wh_schema_run {
    const wh_schema *schema;
    const wh_schema_doc *doc;
    wh_schema_report *report; /* may be NULL */
    uint64_t work;            /* what may still be spent */
    unsigned depth;           /* of nested nodes */
    unsigned quiet;           /* > 0: a failure here decides nothing yet */
    wh_err err;               /* set: the check can't be finished */
    wh_schema_pattern_scratch scratch;
} wh_schema_run;

/* Is the document's value valid for the node? Meaningless when r->err is set then. */
bool wh_schema_run_node(wh_schema_run *r, uint32_t node, uint32_t at);

/* For the checks of further files, each of one rule on one value. */
bool wh_schema_run_pattern(wh_schema_run *r, uint32_t pattern, uint32_t at);
bool wh_schema_run_quietly(wh_schema_run *r, uint32_t node, uint32_t at);
/* Spends work; false, and r->err is set, when none is left. */
bool wh_schema_run_spend(wh_schema_run *r, uint64_t work, uint32_t at);

#endif
