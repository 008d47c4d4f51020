/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of an array's items, for the table of schema_run.
 */
#ifndef WH_COMMON_JOB_SCHEMA_ARRAY_H
#define WH_COMMON_JOB_SCHEMA_ARRAY_H

#include "common/job/schema_run.h"

/* `at` is an array of the run's document. */
bool wh_schema_array_items(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at);
bool wh_schema_array_contains(wh_schema_run *r, const wh_schema_rule *rule,
                              uint32_t at);
bool wh_schema_array_unique(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at);

#endif
