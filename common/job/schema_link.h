/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers and references within one schema document.
 */
#ifndef WH_COMMON_JOB_SCHEMA_LINK_H
#define WH_COMMON_JOB_SCHEMA_LINK_H

#include "common/job/schema_compile.h"

/* Notes the $id and $anchor of the node being compiled. */
wh_err wh_schema_link_identify(wh_schema_build *b) WH_MUSTCHECK;
/* Ties every $ref to its node; what one leads to under an unknown keyword is compiled.
 * WH_EINVAL: a $ref leads out of the document or to no schema. */
wh_err wh_schema_link_resolve(wh_schema_build *b) WH_MUSTCHECK;
/* WH_EINVAL when a schema applies itself to the same value, or the chain of schemas that
 * apply to one value is too long. */
wh_err wh_schema_link_check_loops(wh_schema_build *b) WH_MUSTCHECK;

#endif
