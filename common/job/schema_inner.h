/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keywords that hold schemas, for the table of schema_keyword: each of these turns the
 * value `at` of one keyword into rules of the node being compiled.
 */
#ifndef WH_COMMON_JOB_SCHEMA_INNER_H
#define WH_COMMON_JOB_SCHEMA_INNER_H

#include "common/job/schema_compile.h"

wh_err wh_schema_inner_one(wh_schema_build *b, uint32_t at,
                           wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_list(wh_schema_build *b, uint32_t at,
                            wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_if(wh_schema_build *b, uint32_t at,
                          wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_then(wh_schema_build *b, uint32_t at,
                            wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_else(wh_schema_build *b, uint32_t at,
                            wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_required(wh_schema_build *b, uint32_t at,
                                wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_definitions(wh_schema_build *b, uint32_t at,
                                   wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_dependent(wh_schema_build *b, uint32_t at,
                                 wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_dependent_required(wh_schema_build *b, uint32_t at,
                                          wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_dependent_schemas(wh_schema_build *b, uint32_t at,
                                         wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_properties(wh_schema_build *b, uint32_t at,
                                  wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_pattern_properties(wh_schema_build *b, uint32_t at,
                                          wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_additional_properties(wh_schema_build *b, uint32_t at,
                                             wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_prefix_items(wh_schema_build *b, uint32_t at,
                                    wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_items(wh_schema_build *b, uint32_t at,
                             wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_additional_items(wh_schema_build *b, uint32_t at,
                                        wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_contains_limit(wh_schema_build *b, uint32_t at,
                                      wh_schema_op op) WH_MUSTCHECK;
wh_err wh_schema_inner_contains(wh_schema_build *b, uint32_t at,
                                wh_schema_op op) WH_MUSTCHECK;

#endif
