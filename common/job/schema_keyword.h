/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keywords: which there are in which draft, and what each one becomes.
 */
#ifndef WH_COMMON_JOB_SCHEMA_KEYWORD_H
#define WH_COMMON_JOB_SCHEMA_KEYWORD_H

#include "common/job/schema_compile.h"

/* Turns one member of a schema, by its name's place in the document, into its part of
 * the rules. WH_EINVAL: a wrong value, or a keyword that is not checked; of unknown ones
 * only those that are sure to be none of a user's places for schemas. */
wh_err wh_schema_keyword_compile(wh_schema_build *b, uint32_t name) WH_MUSTCHECK;
/* Once each $ref is tied: WH_EINVAL for an unknown keyword that none leads into. */
wh_err wh_schema_keyword_check_unknown(const wh_schema_build *b) WH_MUSTCHECK;
/* May it stand beside $ref in draft-07, where all else there is ignored? */
bool wh_schema_keyword_holds_definitions(const wh_schema_value *name);

#endif
