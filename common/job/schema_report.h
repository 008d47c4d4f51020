/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check says about the payload.
 */
#ifndef WH_COMMON_JOB_SCHEMA_REPORT_H
#define WH_COMMON_JOB_SCHEMA_REPORT_H

#include "common/job/schema_run.h"

/* Fills the report, unless the run is quiet: the value `at` of the payload fails the
 * keyword whose value is `keyword` in the schema. Always false. */
bool wh_schema_report_fail(wh_schema_run *r, uint32_t keyword, uint32_t at,
                           const char *fmt, ...) WH_PRINTF(4, 5);
/* The same for a value that should equal `wanted` of the schema: names the first place
 * inside where it does not. */
bool wh_schema_report_differs(wh_schema_run *r, uint32_t keyword, uint32_t wanted,
                              uint32_t at);
/* Ends the run: the check can't be finished. Always false. */
bool wh_schema_report_stop(wh_schema_run *r, wh_err err, uint32_t at);
/* A payload that can't be read. */
void wh_schema_report_unreadable(wh_schema_report *report, const wh_errbuf *eb);

/* A value for a message, cut to 60 bytes at most: 17, "text", an array of 3 items. Where
 * no message is wanted it is empty: anyOf may fail a million times. */
void wh_schema_report_quote(const wh_schema_run *r, const wh_schema_value *v, char *out,
                            size_t size);

#endif
