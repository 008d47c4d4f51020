/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups of a pattern: how long what they match is, and which references to them
 * mean the same to ECMA-262 and to PCRE2.
 */
#ifndef WH_COMMON_JOB_SCHEMA_GROUP_H
#define WH_COMMON_JOB_SCHEMA_GROUP_H

#include "common/base/err.h"

#include <stdint.h>

typedef enum wh_schema_group_kind {
    WH_SCHEMA_GROUP_PLAIN,
    WH_SCHEMA_GROUP_CAPTURE,
    WH_SCHEMA_GROUP_AHEAD,
    WH_SCHEMA_GROUP_NOT_AHEAD,
    WH_SCHEMA_GROUP_BEHIND,
    WH_SCHEMA_GROUP_NOT_BEHIND
} wh_schema_group_kind;

struct wh_schema_group;
struct wh_schema_group_ref;

/* Fed with a pattern from left to right; zero is the empty pattern. */
typedef struct wh_schema_groups {
    struct wh_schema_group *list; /* 0: the pattern itself */
    struct wh_schema_group_ref *refs;
    size_t list_cap, refs_cap;
    uint32_t count, ref_count, captures;
    uint32_t open; /* the innermost one */
    uint32_t last; /* the group that ended last, when nothing followed; 0: none */
    uint32_t last_length;
} wh_schema_groups;

/* `name` may be NULL; it is borrowed. */
wh_err wh_schema_group_open(wh_schema_groups *g, wh_schema_group_kind kind,
                            const char *name, size_t n, size_t at) WH_MUSTCHECK;
/* The closing bracket at `at`. false: there is none open. */
bool wh_schema_group_close(wh_schema_groups *g, size_t at) WH_MUSTCHECK;
/* The last one that was closed, which may be said of nothing but a group at once. */
bool wh_schema_group_was_look(const wh_schema_groups *g);
/* An element of so many characters: a character, a class, or a place between two. */
void wh_schema_group_add(wh_schema_groups *g, uint32_t characters);
/* A back-reference, by its digits or by a name. */
wh_err wh_schema_group_refer(wh_schema_groups *g, const char *name, size_t n,
                             size_t at) WH_MUSTCHECK;
/* The last element is there min to max times. */
void wh_schema_group_repeat(wh_schema_groups *g, uint32_t min, uint32_t max);
/* A | */
void wh_schema_group_alternative(wh_schema_groups *g);

/* At the end: NULL, or what is wrong, and where. */
const char *wh_schema_group_check(wh_schema_groups *g, size_t *at);
void wh_schema_group_fini(wh_schema_groups *g);

#endif
