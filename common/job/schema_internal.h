/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled form, shared by schema_compile, schema_link (which make it) and
 * schema_run (which walks it). A node is one schema of the document, a rule one check of
 * it; keywords that work together (properties, patternProperties, additionalProperties)
 * are one rule.
 */
#ifndef WH_COMMON_JOB_SCHEMA_INTERNAL_H
#define WH_COMMON_JOB_SCHEMA_INTERNAL_H

#include "common/job/schema.h"
#include "common/job/schema_doc.h"
#include "common/job/schema_format.h"
#include "common/job/schema_pattern.h"

/* A node's rules are sorted by this: the cheap and the telling ones first. */
typedef enum wh_schema_op {
    WH_SCHEMA_NEVER, /* the schema false */
    WH_SCHEMA_TYPE,
    WH_SCHEMA_ENUM,
    WH_SCHEMA_CONST,
    WH_SCHEMA_MINIMUM,
    WH_SCHEMA_MAXIMUM,
    WH_SCHEMA_EXCLUSIVE_MINIMUM,
    WH_SCHEMA_EXCLUSIVE_MAXIMUM,
    WH_SCHEMA_MULTIPLE_OF,
    WH_SCHEMA_MIN_LENGTH,
    WH_SCHEMA_MAX_LENGTH,
    WH_SCHEMA_FORMAT,
    WH_SCHEMA_PATTERN,
    WH_SCHEMA_MIN_ITEMS,
    WH_SCHEMA_MAX_ITEMS,
    WH_SCHEMA_MIN_PROPERTIES,
    WH_SCHEMA_MAX_PROPERTIES,
    WH_SCHEMA_REQUIRED,
    WH_SCHEMA_DEPENDENT,
    WH_SCHEMA_NAMES,
    WH_SCHEMA_MEMBERS,
    WH_SCHEMA_ITEMS,
    WH_SCHEMA_UNIQUE,
    WH_SCHEMA_CONTAINS,
    WH_SCHEMA_REF,
    WH_SCHEMA_ALL_OF,
    WH_SCHEMA_ANY_OF,
    WH_SCHEMA_ONE_OF,
    WH_SCHEMA_NOT,
    WH_SCHEMA_CONDITION,
    WH_SCHEMA_OP_COUNT
} wh_schema_op;

/* Bits of WH_SCHEMA_TYPE. */
enum {
    WH_SCHEMA_TYPE_NULL = 1,
    WH_SCHEMA_TYPE_BOOLEAN = 2,
    WH_SCHEMA_TYPE_INTEGER = 4,
    WH_SCHEMA_TYPE_NUMBER = 8,
    WH_SCHEMA_TYPE_STRING = 16,
    WH_SCHEMA_TYPE_ARRAY = 32,
    WH_SCHEMA_TYPE_OBJECT = 64
};

/* A part of wh_schema.links. */
typedef struct wh_schema_list {
    uint32_t first, n;
} wh_schema_list;

/* Nodes, rules and values are named by number; WH_SCHEMA_NONE: there is none. */
typedef struct wh_schema_rule {
    uint32_t at; /* the keyword's value in the document */
    wh_schema_op op;
    union {
        uint32_t types;
        uint64_t limit;
        uint32_t node;    /* REF, NOT, NAMES */
        uint32_t pattern; /* in wh_schema.patterns */
        wh_schema_format_fn format;
        wh_schema_list list; /* ALL_OF, ANY_OF, ONE_OF: nodes; ENUM: values, sorted */
        uint32_t links; /* DEPENDENT: a node, or NONE, for each sorted name of `at` */
        struct {
            uint32_t properties;     /* the object of names; its nodes are the links */
            uint32_t property_links; /* in the order of the sorted names */
            uint32_t patterns;       /* first in wh_schema.patterns */
            wh_schema_list matching; /* their nodes */
            uint32_t rest;
        } members;
        struct {
            wh_schema_list prefix;
            uint32_t rest;
        } items;
        struct {
            uint32_t node;
            uint64_t min, max;
        } contains;
        struct {
            uint32_t test, then, otherwise;
        } condition;
    } u;
} wh_schema_rule;

typedef struct wh_schema_node {
    uint32_t at; /* its value in the document */
    uint32_t first_rule, rules;
    uint32_t resource; /* which $id it is under; while compiling */
} wh_schema_node;

struct wh_schema {
    char *text; /* the document borrows it */
    wh_schema_doc doc;
    wh_schema_node *nodes; /* 0: the root */
    wh_schema_rule *rules;
    uint32_t *links;
    wh_schema_pattern **patterns;
    uint32_t *node_of; /* for each value of the document; for the name of an unknown
                          keyword: the node that has it, no other name has one */
    uint32_t node_count, rule_count, link_count, pattern_count;
};

#endif
