/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a schema's document to nodes and rules.
 */
#ifndef WH_COMMON_JOB_SCHEMA_COMPILE_H
#define WH_COMMON_JOB_SCHEMA_COMPILE_H

#include "common/job/schema_internal.h"

typedef enum wh_schema_draft {
    WH_SCHEMA_DRAFT7 = 1,
    WH_SCHEMA_DRAFT2020 = 2
} wh_schema_draft;

typedef struct wh_schema_resource {
    char *uri;     /* "" when the root has no $id; owned */
    uint32_t node; /* its root */
} wh_schema_resource;

typedef struct wh_schema_anchor {
    const char *name; /* borrowed */
    size_t n;
    uint32_t resource, node;
} wh_schema_anchor;

/* What is needed while compiling only. */
typedef struct wh_schema_build {
    wh_schema *schema; /* borrowed; its document is read */
    wh_errbuf *eb;
    wh_schema_draft draft;
    uint32_t node; /* being compiled */
    wh_schema_resource *resources;
    wh_schema_anchor *anchors;
    uint32_t resource_count, anchor_count;
    size_t nodes_cap, rules_cap, links_cap, patterns_cap, resources_cap, anchors_cap;
} wh_schema_build;

/* Makes nodes and rules; $ref is left open. */
wh_err wh_schema_compile_nodes(wh_schema_build *b) WH_MUSTCHECK;
/* The node of a schema inside the one being compiled; made when it is not there. */
wh_err wh_schema_compile_inner(wh_schema_build *b, uint32_t at,
                               uint32_t *node) WH_MUSTCHECK;
/* The same, once all are made, for a schema under an unknown keyword of the node `owner`;
 * with what is inside it. Moves nodes, rules and links. */
wh_err wh_schema_compile_late(wh_schema_build *b, uint32_t owner, uint32_t at,
                              uint32_t *node) WH_MUSTCHECK;
/* Room for n links in a row. */
wh_err wh_schema_compile_links(wh_schema_build *b, uint32_t n,
                               uint32_t *first) WH_MUSTCHECK;
/* The rule of the node being compiled with this op; made, with `at`, when it is not
 * there. Valid until the next one is made. */
wh_err wh_schema_compile_rule(wh_schema_build *b, wh_schema_op op, uint32_t at,
                              wh_schema_rule **rule) WH_MUSTCHECK;
/* Appends the pattern in the string `at` to the schema's. */
wh_err wh_schema_compile_pattern(wh_schema_build *b, uint32_t at) WH_MUSTCHECK;
/* An integer of 0 or more; UINT64_MAX for all that are larger. */
wh_err wh_schema_compile_count(const wh_schema_build *b, uint32_t at,
                               uint64_t *count) WH_MUSTCHECK;
/* "at /properties/a/minimum: ..."; returns WH_EINVAL. */
wh_err wh_schema_compile_refuse(const wh_schema_build *b, uint32_t at, const char *fmt,
                                ...) WH_PRINTF(3, 4);
wh_err wh_schema_compile_no_memory(const wh_schema_build *b);
void wh_schema_compile_fini(wh_schema_build *b);

#endif
