/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of a pattern's groups. Called by schema_ecma while it reads. Two things are
 * judged by it that PCRE2 does otherwise than ECMA-262, or otherwise in each version:
 * the length of look-behinds, and references to groups that are repeated. ECMA-262
 * empties the groups inside a repeat whenever it begins anew, PCRE2 keeps what they had.
 * Invariant: list[0] is the pattern itself once anything was added, and open inside it.
 */
#include "common/job/schema_group.h"

#include "common/base/alloc.h"

#include <string.h>

#define VARIES (UINT32_MAX >> 1) /* the length of what may have several */

enum { NONE = 0 };

struct wh_schema_group {
    wh_schema_group_kind kind;
    uint32_t parent, number; /* number: of a CAPTURE */
    const char *name;
    size_t n, begin, end;
    uint32_t branch;       /* of the parent, that it stands in */
    uint32_t alternatives; /* that ended in it; in the end one less than there are */
    uint32_t length, first_length; /* of the branch being read, of the first */
    bool varies;                   /* a branch has no fixed length */
    bool differs;                  /* two branches have different ones */
    bool is_optional, is_repeated;
};

struct wh_schema_group_ref {
    const char *name; /* or digits */
    size_t n, at;
    uint32_t parent, branch;
};

static bool is_look(wh_schema_group_kind kind)
{
    return kind != WH_SCHEMA_GROUP_PLAIN && kind != WH_SCHEMA_GROUP_CAPTURE;
}

static wh_err add_group(wh_schema_groups *g, const struct wh_schema_group *group)
{
    struct wh_schema_group *list =
        wh_grow(g->list, &g->list_cap, (size_t)g->count + 1, sizeof *list);
    if (list == NULL) {
        return WH_ENOMEM;
    }
    g->list = list;
    list[g->count++] = *group;
    return WH_OK;
}

wh_err wh_schema_group_open(wh_schema_groups *g, wh_schema_group_kind kind,
                            const char *name, size_t n, size_t at)
{
    bool is_capture = kind == WH_SCHEMA_GROUP_CAPTURE;
    wh_err err = g->count == 0 ? add_group(g, &(struct wh_schema_group){0}) : WH_OK;
    if (err == WH_OK) {
        err = add_group(
            g, &(struct wh_schema_group){.kind = kind,
                                         .parent = g->open,
                                         .number = is_capture ? g->captures + 1 : 0,
                                         .name = name,
                                         .n = n,
                                         .begin = at,
                                         .end = SIZE_MAX,
                                         .branch = g->list[g->open].alternatives});
    }
    if (err == WH_OK) {
        g->open = g->count - 1;
        g->captures += is_capture;
    }
    return err;
}

/* ------------------------------------------------------------------- lengths */

static void lengthen(struct wh_schema_group *group, uint64_t characters)
{
    uint64_t length = group->length + characters;
    group->length = length < VARIES ? (uint32_t)length : VARIES;
}

void wh_schema_group_add(wh_schema_groups *g, uint32_t characters)
{
    g->last = NONE;
    g->last_length = characters;
    if (g->count > 0) { /* before the first group nothing needs lengths */
        lengthen(&g->list[g->open], characters);
    }
}

void wh_schema_group_repeat(wh_schema_groups *g, uint32_t min, uint32_t max)
{
    if (g->count == 0) {
        return;
    }
    struct wh_schema_group *in = &g->list[g->open], *last = &g->list[g->last];
    if (g->last != NONE) {
        last->is_optional = min == 0;
        last->is_repeated = max > 1;
    }
    if (min != max) {
        in->length = VARIES;
    } else if (in->length < VARIES) {
        in->length -= g->last_length;
        lengthen(in, (uint64_t)g->last_length * min);
    }
    g->last = NONE;
}

static void end_branch(struct wh_schema_group *group)
{
    if (group->alternatives == 0) {
        group->first_length = group->length;
    }
    group->varies = group->varies || group->length == VARIES;
    group->differs = group->differs || group->length != group->first_length;
    group->length = 0;
}

void wh_schema_group_alternative(wh_schema_groups *g)
{
    g->last = NONE;
    if (g->count > 0) {
        end_branch(&g->list[g->open]);
        g->list[g->open].alternatives++;
    }
}

bool wh_schema_group_close(wh_schema_groups *g, size_t at)
{
    if (g->open == NONE) {
        return false;
    }
    struct wh_schema_group *group = &g->list[g->open];
    end_branch(group);
    group->end = at;
    uint32_t length = group->varies || group->differs ? VARIES : group->first_length;
    uint32_t closed = g->open;
    g->open = group->parent;
    wh_schema_group_add(g, is_look(group->kind) ? 0 : length);
    g->last = closed;
    return true;
}

bool wh_schema_group_was_look(const wh_schema_groups *g)
{
    return g->last != NONE && is_look(g->list[g->last].kind);
}

/* ---------------------------------------------------------------- references */

wh_err wh_schema_group_refer(wh_schema_groups *g, const char *name, size_t n, size_t at)
{
    struct wh_schema_group_ref *refs =
        wh_grow(g->refs, &g->refs_cap, (size_t)g->ref_count + 1, sizeof *refs);
    if (refs == NULL) {
        return WH_ENOMEM;
    }
    g->refs = refs;
    refs[g->ref_count++] = (struct wh_schema_group_ref){
        .name = name,
        .n = n,
        .at = at,
        .parent = g->open,
        .branch = g->count > 0 ? g->list[g->open].alternatives : 0};
    wh_schema_group_add(g, VARIES);
    return WH_OK;
}

/* The group that is meant; NONE: there is none, which PCRE2 refuses. */
static uint32_t find(const wh_schema_groups *g, const struct wh_schema_group_ref *ref)
{
    uint32_t number = 0;
    bool is_number = ref->name[0] >= '0' && ref->name[0] <= '9';
    for (size_t i = 0; is_number && i < ref->n && number < g->count; i++) {
        number = number * 10 + (uint32_t)(ref->name[i] - '0');
    }
    for (uint32_t i = 1; i < g->count; i++) {
        const struct wh_schema_group *group = &g->list[i];
        if (is_number ? group->number == number
                      : group->name != NULL && group->n == ref->n &&
                            memcmp(group->name, ref->name, ref->n) == 0) {
            return i;
        }
    }
    return NONE;
}

static bool holds(const struct wh_schema_group *group,
                  const struct wh_schema_group_ref *ref)
{
    return ref->at > group->begin && ref->at < group->end;
}

/* The branch of `in`, which holds the reference, that it stands in. */
static uint32_t branch_of(const wh_schema_groups *g,
                          const struct wh_schema_group_ref *ref, uint32_t in)
{
    uint32_t at = ref->parent, branch = ref->branch;
    for (; at != in; at = g->list[at].parent) {
        branch = g->list[at].branch;
    }
    return branch;
}

/* Whoever comes to the reference has just passed the group: it is behind it, in the same
 * branch, with no way around the group. */
static bool follows(const wh_schema_groups *g, const struct wh_schema_group_ref *ref,
                    uint32_t target)
{
    const struct wh_schema_group *group = &g->list[target];
    if (ref->at < group->end || group->is_optional) {
        return false;
    }
    while (group->parent != NONE && !holds(&g->list[group->parent], ref)) {
        group = &g->list[group->parent];
        if (group->is_optional || group->alternatives > 0) {
            return false;
        }
    }
    return branch_of(g, ref, group->parent) == group->branch;
}

/* Has it one meaning? It has when the group is in no repeat, or when the reference is in
 * the same ones and follows it. */
static bool is_clear(const wh_schema_groups *g, const struct wh_schema_group_ref *ref)
{
    uint32_t target = find(g, ref);
    bool is_repeated = false;
    for (uint32_t at = target; at != NONE; at = g->list[at].parent) {
        if (g->list[at].is_repeated && !holds(&g->list[at], ref)) {
            return false;
        }
        is_repeated = is_repeated || g->list[at].is_repeated;
    }
    return !is_repeated || follows(g, ref, target);
}

const char *wh_schema_group_check(wh_schema_groups *g, size_t *at)
{
    for (uint32_t i = 1; i < g->count; i++) {
        const struct wh_schema_group *group = &g->list[i];
        *at = group->begin;
        if (group->end == SIZE_MAX) {
            return "a ( is not closed";
        }
        bool is_behind = group->kind == WH_SCHEMA_GROUP_BEHIND ||
                         group->kind == WH_SCHEMA_GROUP_NOT_BEHIND;
        if (is_behind && group->varies) {
            return "each alternative of a look-behind wants one length: a{3} or "
                   "ad|bcd, "
                   "not a{1,3}, (?:a|bc)d or \\1";
        }
    }
    for (uint32_t i = 0; i < g->ref_count; i++) {
        *at = g->refs[i].at;
        if (!is_clear(g, &g->refs[i])) {
            return "this refers to a group in a repeat, which each repeat empties; "
                   "refer "
                   "to it behind it in the same repeat only";
        }
    }
    return NULL;
}

void wh_schema_group_fini(wh_schema_groups *g)
{
    wh_free(g->list);
    wh_free(g->refs);
    *g = (wh_schema_groups){0};
}
