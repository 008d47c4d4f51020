/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the keywords that hold further schemas, and those about an object's names.
 * Called by schema_keyword. Invariant: each schema inside becomes a node, also where
 * it can't count (then without if), because a $ref may lead there.
 */
#include "common/job/schema_inner.h"

#include <string.h>

static const wh_schema_value *value_at(const wh_schema_build *b, uint32_t at)
{
    return &b->schema->doc.values[at];
}

static wh_err want_text(const wh_schema_build *b, uint32_t at)
{
    return value_at(b, at)->kind == WH_SCHEMA_STRING
               ? WH_OK
               : wh_schema_compile_refuse(b, at, "wants a string");
}

/* REF (tied later), NOT, NAMES. */
wh_err wh_schema_inner_one(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint32_t node = WH_SCHEMA_NONE;
    wh_schema_rule *rule = NULL;
    wh_err err =
        op == WH_SCHEMA_REF ? want_text(b, at) : wh_schema_compile_inner(b, at, &node);
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.node = node;
    }
    return err;
}

static wh_err compile_array(wh_schema_build *b, uint32_t at, wh_schema_list *list)
{
    const wh_schema_value *v = value_at(b, at);
    if (v->kind != WH_SCHEMA_ARRAY || v->n == 0) {
        return wh_schema_compile_refuse(b, at, "wants an array of schemas, not empty");
    }
    list->n = v->n;
    wh_err err = wh_schema_compile_links(b, list->n, &list->first);
    uint32_t item = at + 1;
    for (uint32_t i = 0; i < list->n && err == WH_OK; i++) {
        err = wh_schema_compile_inner(b, item, &b->schema->links[list->first + i]);
        item = value_at(b, item)->next;
    }
    return err;
}

wh_err wh_schema_inner_list(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    wh_schema_list list = {0};
    wh_schema_rule *rule = NULL;
    wh_err err = compile_array(b, at, &list);
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.list = list;
    }
    return err;
}

/* The rule that if, then and else share. */
static wh_err compile_condition(wh_schema_build *b, uint32_t at, uint32_t **part,
                                size_t i)
{
    const uint32_t none = WH_SCHEMA_NONE;
    uint32_t before = b->schema->rule_count;
    wh_schema_rule *rule = NULL;
    wh_err err = wh_schema_compile_rule(b, WH_SCHEMA_CONDITION, at, &rule);
    if (err != WH_OK) {
        return err;
    }
    if (b->schema->rule_count > before) {
        rule->u.condition.test = rule->u.condition.then = rule->u.condition.otherwise =
            none;
    }
    *part = i == 0   ? &rule->u.condition.test
            : i == 1 ? &rule->u.condition.then
                     : &rule->u.condition.otherwise;
    return WH_OK;
}

static wh_err compile_branch(wh_schema_build *b, uint32_t at, size_t i)
{
    uint32_t node = WH_SCHEMA_NONE, *part = NULL;
    wh_err err = wh_schema_compile_inner(b, at, &node);
    err = err == WH_OK ? compile_condition(b, at, &part, i) : err;
    if (err == WH_OK) {
        *part = node;
    }
    return err;
}

wh_err wh_schema_inner_if(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    (void)op;
    return compile_branch(b, at, 0);
}

wh_err wh_schema_inner_then(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    (void)op;
    return compile_branch(b, at, 1);
}

wh_err wh_schema_inner_else(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    (void)op;
    return compile_branch(b, at, 2);
}

/* ------------------------------------------------------------------- objects */

static wh_err want_texts(wh_schema_build *b, uint32_t at)
{
    const wh_schema_value *v = value_at(b, at);
    bool all = v->kind == WH_SCHEMA_ARRAY;
    for (uint32_t i = at + 1; all && i < v->next; i++) {
        all = value_at(b, i)->kind == WH_SCHEMA_STRING;
    }
    return all ? WH_OK : wh_schema_compile_refuse(b, at, "wants an array of strings");
}

wh_err wh_schema_inner_required(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    wh_schema_rule *rule = NULL;
    wh_err err = want_texts(b, at);
    return err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
}

static wh_err want_object(wh_schema_build *b, uint32_t at)
{
    return value_at(b, at)->kind == WH_SCHEMA_OBJECT
               ? WH_OK
               : wh_schema_compile_refuse(b, at, "wants an object");
}

/* The nodes of an object of schemas, a link for each sorted name. With `or_texts`, an
 * array of strings gives no node. */
static wh_err compile_object(wh_schema_build *b, uint32_t at, bool or_texts,
                             uint32_t *first)
{
    const wh_schema_doc *d = &b->schema->doc;
    wh_err err = want_object(b, at);
    err = err == WH_OK ? wh_schema_compile_links(b, d->values[at].n, first) : err;
    for (uint32_t i = 0; err == WH_OK && i < d->values[at].n; i++) {
        uint32_t value = d->order[d->values[at].x.order + i] + 1, node = WH_SCHEMA_NONE;
        err = or_texts && d->values[value].kind == WH_SCHEMA_ARRAY
                  ? want_texts(b, value)
                  : wh_schema_compile_inner(b, value, &node);
        b->schema->links[*first + i] = node;
    }
    return err;
}

/* $defs: schemas that only count when they are referred to. */
wh_err wh_schema_inner_definitions(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint32_t first = 0;
    (void)op;
    return compile_object(b, at, false, &first);
}

wh_err wh_schema_inner_dependent(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint32_t first = 0;
    wh_schema_rule *rule = NULL;
    wh_err err = compile_object(b, at, true, &first);
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.links = first;
    }
    return err;
}

wh_err wh_schema_inner_dependent_required(wh_schema_build *b, uint32_t at,
                                          wh_schema_op op)
{
    const wh_schema_doc *d = &b->schema->doc;
    wh_err err = want_object(b, at);
    for (uint32_t name = at + 1; err == WH_OK && name < d->values[at].next;
         name = d->values[name + 1].next) {
        err = want_texts(b, name + 1);
    }
    return err == WH_OK ? wh_schema_inner_dependent(b, at, op) : err;
}

wh_err wh_schema_inner_dependent_schemas(wh_schema_build *b, uint32_t at,
                                         wh_schema_op op)
{
    const wh_schema_doc *d = &b->schema->doc;
    wh_err err = want_object(b, at);
    for (uint32_t name = at + 1; err == WH_OK && name < d->values[at].next;
         name = d->values[name + 1].next) {
        if (d->values[name + 1].kind == WH_SCHEMA_ARRAY) {
            return wh_schema_compile_refuse(b, name,
                                            "a schema is an object, true or false");
        }
    }
    return err == WH_OK ? wh_schema_inner_dependent(b, at, op) : err;
}

/* The rule that properties, patternProperties and additionalProperties share. */
static wh_err members_rule(wh_schema_build *b, uint32_t at, wh_schema_rule **rule)
{
    uint32_t before = b->schema->rule_count;
    wh_err err = wh_schema_compile_rule(b, WH_SCHEMA_MEMBERS, at, rule);
    if (err == WH_OK && b->schema->rule_count > before) {
        (*rule)->u.members.properties = WH_SCHEMA_NONE;
        (*rule)->u.members.rest = WH_SCHEMA_NONE;
    }
    return err;
}

wh_err wh_schema_inner_properties(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint32_t first = 0;
    wh_schema_rule *rule = NULL;
    (void)op;
    wh_err err = compile_object(b, at, false, &first);
    err = err == WH_OK ? members_rule(b, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.members.properties = at;
        rule->u.members.property_links = first;
    }
    return err;
}

wh_err wh_schema_inner_pattern_properties(wh_schema_build *b, uint32_t at,
                                          wh_schema_op op)
{
    const wh_schema_doc *d = &b->schema->doc;
    wh_schema_list matching = {0};
    uint32_t patterns = b->schema->pattern_count;
    wh_schema_rule *rule = NULL;
    (void)op;
    wh_err err = compile_object(b, at, false, &matching.first);
    matching.n = err == WH_OK ? d->values[at].n : 0;
    for (uint32_t i = 0; err == WH_OK && i < matching.n; i++) {
        err = wh_schema_compile_pattern(b, d->order[d->values[at].x.order + i]);
    }
    err = err == WH_OK ? members_rule(b, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.members.patterns = patterns;
        rule->u.members.matching = matching;
    }
    return err;
}

wh_err wh_schema_inner_additional_properties(wh_schema_build *b, uint32_t at,
                                             wh_schema_op op)
{
    uint32_t node = WH_SCHEMA_NONE;
    wh_schema_rule *rule = NULL;
    (void)op;
    wh_err err = wh_schema_compile_inner(b, at, &node);
    err = err == WH_OK ? members_rule(b, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.members.rest = node;
    }
    return err;
}

/* -------------------------------------------------------------------- arrays */

/* The rule that prefixItems, items and additionalItems share. */
static wh_err items_rule(wh_schema_build *b, uint32_t at, wh_schema_rule **rule)
{
    uint32_t before = b->schema->rule_count;
    wh_err err = wh_schema_compile_rule(b, WH_SCHEMA_ITEMS, at, rule);
    if (err == WH_OK && b->schema->rule_count > before) {
        (*rule)->u.items.rest = WH_SCHEMA_NONE;
    }
    return err;
}

wh_err wh_schema_inner_prefix_items(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    wh_schema_list prefix = {0};
    wh_schema_rule *rule = NULL;
    (void)op;
    wh_err err = WH_OK;
    if (b->draft == WH_SCHEMA_DRAFT2020 || value_at(b, at)->kind != WH_SCHEMA_ARRAY ||
        value_at(b, at)->n > 0) {
        err = compile_array(b, at, &prefix);
    }
    err = err == WH_OK ? items_rule(b, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.items.prefix = prefix;
    }
    return err;
}

static wh_err compile_rest_of_items(wh_schema_build *b, uint32_t at)
{
    uint32_t node = WH_SCHEMA_NONE;
    wh_schema_rule *rule = NULL;
    wh_err err = wh_schema_compile_inner(b, at, &node);
    err = err == WH_OK ? items_rule(b, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.items.rest = node;
    }
    return err;
}

wh_err wh_schema_inner_items(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    if (value_at(b, at)->kind != WH_SCHEMA_ARRAY) {
        return compile_rest_of_items(b, at);
    }
    return b->draft == WH_SCHEMA_DRAFT7
               ? wh_schema_inner_prefix_items(b, at, op)
               : wh_schema_compile_refuse(b, at,
                                          "in 2020-12 write prefixItems for a list");
}

/* Without an array in items, additionalItems says nothing; then it is only compiled. */
wh_err wh_schema_inner_additional_items(wh_schema_build *b, uint32_t at,
                                        wh_schema_op op)
{
    const wh_schema_doc *d = &b->schema->doc;
    uint32_t node = WH_SCHEMA_NONE;
    (void)op;
    uint32_t items =
        wh_schema_doc_get(d, d->values[at].parent, "items", strlen("items"));
    return items != WH_SCHEMA_NONE && d->values[items].kind == WH_SCHEMA_ARRAY
               ? compile_rest_of_items(b, at)
               : wh_schema_compile_inner(b, at, &node);
}

/* minContains, maxContains: contains itself looks for them. */
wh_err wh_schema_inner_contains_limit(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint64_t limit = 0;
    (void)op;
    return wh_schema_compile_count(b, at, &limit);
}

/* The value of minContains or maxContains beside a contains, when it is there. */
static wh_err read_limit(const wh_schema_build *b, uint32_t at, const char *name,
                         uint64_t *limit)
{
    const wh_schema_doc *d = &b->schema->doc;
    uint32_t i = wh_schema_doc_get(d, d->values[at].parent, name, strlen(name));
    return i == WH_SCHEMA_NONE ? WH_OK : wh_schema_compile_count(b, i, limit);
}

wh_err wh_schema_inner_contains(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint32_t node = WH_SCHEMA_NONE;
    uint64_t min = 1, max = UINT64_MAX;
    wh_schema_rule *rule = NULL;
    wh_err err = wh_schema_compile_inner(b, at, &node);
    err = err == WH_OK ? read_limit(b, at, "minContains", &min) : err;
    err = err == WH_OK ? read_limit(b, at, "maxContains", &max) : err;
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.contains.node = node;
        rule->u.contains.min = min;
        rule->u.contains.max = max;
    }
    return err;
}
