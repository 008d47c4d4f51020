/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of an object's members and names, for the table of schema_run.
 */
#ifndef WH_COMMON_JOB_SCHEMA_OBJECT_H
#define WH_COMMON_JOB_SCHEMA_OBJECT_H

#include "common/job/schema_run.h"

/* `at` is an object of the run's document. */
bool wh_schema_object_required(wh_schema_run *r, const wh_schema_rule *rule,
                               uint32_t at);
bool wh_schema_object_dependent(wh_schema_run *r, const wh_schema_rule *rule,
                                uint32_t at);
bool wh_schema_object_names(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at);
bool wh_schema_object_members(wh_schema_run *r, const wh_schema_rule *rule,
                              uint32_t at);

#endif
