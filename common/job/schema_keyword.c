/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keywords and what compiles each of them. Called by schema_compile.
 * Invariant: a keyword that is not in the table, or that is of the other draft, is
 * refused, unless it is a place of schemas that a $ref leads to; a wrong value of a
 * keyword is refused, too.
 */
#include "common/job/schema_keyword.h"

#include "common/job/schema_inner.h"

#include <string.h>

enum { BOTH = WH_SCHEMA_DRAFT7 | WH_SCHEMA_DRAFT2020 };

typedef wh_err (*compile_fn)(wh_schema_build *b, uint32_t at, wh_schema_op op);

static const wh_schema_value *value_at(const wh_schema_build *b, uint32_t at)
{
    return &b->schema->doc.values[at];
}

/* ------------------------------------------------------------ what only says */

static wh_err compile_nothing(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    (void)b;
    (void)at;
    (void)op;
    return WH_OK;
}

static wh_err compile_text(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    (void)op;
    return value_at(b, at)->kind == WH_SCHEMA_STRING
               ? WH_OK
               : wh_schema_compile_refuse(b, at, "wants a string");
}

/* The draft was chosen by the root's; schemas of another one can't be inside. */
static wh_err compile_schema(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    (void)op;
    const wh_schema_doc *d = &b->schema->doc;
    uint32_t root = wh_schema_doc_get(d, 0, "$schema", strlen("$schema"));
    uint64_t cost = 0;
    if (root != WH_SCHEMA_NONE &&
        wh_schema_doc_compare((wh_schema_spot){d, at}, (wh_schema_spot){d, root},
                              &cost) == 0) {
        return WH_OK;
    }
    return wh_schema_compile_refuse(b, at, "$schema differs from the root's");
}

/* ------------------------------------------------------------------- scalars */

static wh_err compile_limit(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    uint64_t limit = 0;
    wh_schema_rule *rule = NULL;
    wh_err err = wh_schema_compile_count(b, at, &limit);
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.limit = limit;
    }
    return err;
}

static wh_err compile_number(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    const wh_schema_value *v = value_at(b, at);
    wh_schema_rule *rule = NULL;
    if (v->kind != WH_SCHEMA_INTEGER && v->kind != WH_SCHEMA_DECIMAL) {
        return wh_schema_compile_refuse(b, at, "wants a number");
    }
    if (op == WH_SCHEMA_MULTIPLE_OF) {
        bool is_decimal = v->kind == WH_SCHEMA_DECIMAL;
        if (is_decimal ? v->negative : v->u.integer <= 0) {
            return wh_schema_compile_refuse(b, at, "wants a number above 0");
        }
        if (is_decimal ? v->n > WH_SCHEMA_NUMBER_DIVISOR_MAX
                       : v->u.integer >= INT64_C(1000000000000000000)) {
            return wh_schema_compile_refuse(b, at, "wants at most %d digits",
                                            WH_SCHEMA_NUMBER_DIVISOR_MAX);
        }
    }
    return wh_schema_compile_rule(b, op, at, &rule);
}

static wh_err add_type(wh_schema_build *b, uint32_t at, uint32_t *types)
{
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    const wh_schema_value *v = value_at(b, at);
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (wh_schema_doc_is_text(v, names[i])) {
            *types |= 1U << i;
            return WH_OK;
        }
    }
    return wh_schema_compile_refuse(b, at,
                                    "no such type; there are null, boolean, integer, "
                                    "number, string, array, object");
}

static wh_err compile_type(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    const wh_schema_value *v = value_at(b, at);
    uint32_t types = 0;
    wh_err err = WH_OK;
    if (v->kind != WH_SCHEMA_ARRAY) {
        err = add_type(b, at, &types);
    } else if (v->n == 0) {
        err = wh_schema_compile_refuse(b, at, "an empty list of types");
    }
    for (uint32_t i = at + 1; err == WH_OK && i < v->next; i = value_at(b, i)->next) {
        err = add_type(b, i, &types);
    }
    wh_schema_rule *rule = NULL;
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.types = types;
    }
    return err;
}

static wh_err compile_enum(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    const wh_schema_value *v = value_at(b, at);
    wh_schema_list list = {.n = v->n};
    wh_schema_rule *rule = NULL;
    if (v->kind != WH_SCHEMA_ARRAY || v->n == 0) {
        return wh_schema_compile_refuse(b, at, "wants an array of values, not empty");
    }
    wh_err err = wh_schema_compile_links(b, list.n, &list.first);
    if (err != WH_OK) {
        return err;
    }
    uint32_t *items = &b->schema->links[list.first];
    uint64_t work = UINT64_MAX;
    for (uint32_t i = 0, item = at + 1; i < list.n;
         i++, item = value_at(b, item)->next) {
        items[i] = item;
    }
    bool is_sorted = wh_schema_doc_sort(&b->schema->doc, items, list.n, &work);
    WH_ASSERT(is_sorted);
    err = wh_schema_compile_rule(b, op, at, &rule);
    if (err == WH_OK) {
        rule->u.list = list;
    }
    return err;
}

static wh_err compile_const(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    wh_schema_rule *rule = NULL;
    return wh_schema_compile_rule(b, op, at, &rule);
}

static wh_err compile_unique(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    const wh_schema_value *v = value_at(b, at);
    if (v->kind != WH_SCHEMA_TRUE && v->kind != WH_SCHEMA_FALSE) {
        return wh_schema_compile_refuse(b, at, "wants true or false");
    }
    return v->kind == WH_SCHEMA_TRUE ? compile_const(b, at, op) : WH_OK;
}

static wh_err compile_format(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    const wh_schema_value *v = value_at(b, at);
    wh_schema_rule *rule = NULL;
    wh_schema_format_fn is =
        v->kind == WH_SCHEMA_STRING ? wh_schema_format_get(v->u.p, v->n) : NULL;
    if (is == NULL) {
        return wh_schema_compile_refuse(
            b, at, "no format that is checked; there are %s", wh_schema_format_names());
    }
    wh_err err = wh_schema_compile_rule(b, op, at, &rule);
    if (err == WH_OK) {
        rule->u.format = is;
    }
    return err;
}

static wh_err compile_pattern(wh_schema_build *b, uint32_t at, wh_schema_op op)
{
    wh_schema_rule *rule = NULL;
    wh_err err = wh_schema_compile_pattern(b, at);
    err = err == WH_OK ? wh_schema_compile_rule(b, op, at, &rule) : err;
    if (err == WH_OK) {
        rule->u.pattern = b->schema->pattern_count - 1;
    }
    return err;
}

/* ---------------------------------------------------------------- the table */

typedef struct keyword {
    const char *name;
    int drafts;
    compile_fn compile;
    wh_schema_op op;
} keyword;

static const keyword keywords[] = {
    {"$anchor", WH_SCHEMA_DRAFT2020, compile_nothing, WH_SCHEMA_NEVER},
    {"$comment", BOTH, compile_text, WH_SCHEMA_NEVER},
    {"$defs", BOTH, wh_schema_inner_definitions, WH_SCHEMA_NEVER},
    {"$id", BOTH, compile_nothing, WH_SCHEMA_NEVER},
    {"$ref", BOTH, wh_schema_inner_one, WH_SCHEMA_REF},
    {"$schema", BOTH, compile_schema, WH_SCHEMA_NEVER},
    {"additionalItems", WH_SCHEMA_DRAFT7, wh_schema_inner_additional_items,
     WH_SCHEMA_ITEMS},
    {"additionalProperties", BOTH, wh_schema_inner_additional_properties,
     WH_SCHEMA_MEMBERS},
    {"allOf", BOTH, wh_schema_inner_list, WH_SCHEMA_ALL_OF},
    {"anyOf", BOTH, wh_schema_inner_list, WH_SCHEMA_ANY_OF},
    {"const", BOTH, compile_const, WH_SCHEMA_CONST},
    {"contains", BOTH, wh_schema_inner_contains, WH_SCHEMA_CONTAINS},
    {"contentEncoding", BOTH, compile_text, WH_SCHEMA_NEVER},
    {"contentMediaType", BOTH, compile_text, WH_SCHEMA_NEVER},
    {"default", BOTH, compile_nothing, WH_SCHEMA_NEVER},
    {"definitions", BOTH, wh_schema_inner_definitions, WH_SCHEMA_NEVER},
    {"dependencies", BOTH, wh_schema_inner_dependent, WH_SCHEMA_DEPENDENT},
    {"dependentRequired", WH_SCHEMA_DRAFT2020, wh_schema_inner_dependent_required,
     WH_SCHEMA_DEPENDENT},
    {"dependentSchemas", WH_SCHEMA_DRAFT2020, wh_schema_inner_dependent_schemas,
     WH_SCHEMA_DEPENDENT},
    {"deprecated", BOTH, compile_nothing, WH_SCHEMA_NEVER},
    {"description", BOTH, compile_text, WH_SCHEMA_NEVER},
    {"else", BOTH, wh_schema_inner_else, WH_SCHEMA_CONDITION},
    {"enum", BOTH, compile_enum, WH_SCHEMA_ENUM},
    {"examples", BOTH, compile_nothing, WH_SCHEMA_NEVER},
    {"exclusiveMaximum", BOTH, compile_number, WH_SCHEMA_EXCLUSIVE_MAXIMUM},
    {"exclusiveMinimum", BOTH, compile_number, WH_SCHEMA_EXCLUSIVE_MINIMUM},
    {"format", BOTH, compile_format, WH_SCHEMA_FORMAT},
    {"if", BOTH, wh_schema_inner_if, WH_SCHEMA_CONDITION},
    {"items", BOTH, wh_schema_inner_items, WH_SCHEMA_ITEMS},
    {"maxContains", WH_SCHEMA_DRAFT2020, wh_schema_inner_contains_limit,
     WH_SCHEMA_CONTAINS},
    {"maxItems", BOTH, compile_limit, WH_SCHEMA_MAX_ITEMS},
    {"maxLength", BOTH, compile_limit, WH_SCHEMA_MAX_LENGTH},
    {"maxProperties", BOTH, compile_limit, WH_SCHEMA_MAX_PROPERTIES},
    {"maximum", BOTH, compile_number, WH_SCHEMA_MAXIMUM},
    {"minContains", WH_SCHEMA_DRAFT2020, wh_schema_inner_contains_limit,
     WH_SCHEMA_CONTAINS},
    {"minItems", BOTH, compile_limit, WH_SCHEMA_MIN_ITEMS},
    {"minLength", BOTH, compile_limit, WH_SCHEMA_MIN_LENGTH},
    {"minProperties", BOTH, compile_limit, WH_SCHEMA_MIN_PROPERTIES},
    {"minimum", BOTH, compile_number, WH_SCHEMA_MINIMUM},
    {"multipleOf", BOTH, compile_number, WH_SCHEMA_MULTIPLE_OF},
    {"not", BOTH, wh_schema_inner_one, WH_SCHEMA_NOT},
    {"oneOf", BOTH, wh_schema_inner_list, WH_SCHEMA_ONE_OF},
    {"pattern", BOTH, compile_pattern, WH_SCHEMA_PATTERN},
    {"patternProperties", BOTH, wh_schema_inner_pattern_properties, WH_SCHEMA_MEMBERS},
    {"prefixItems", WH_SCHEMA_DRAFT2020, wh_schema_inner_prefix_items, WH_SCHEMA_ITEMS},
    {"properties", BOTH, wh_schema_inner_properties, WH_SCHEMA_MEMBERS},
    {"propertyNames", BOTH, wh_schema_inner_one, WH_SCHEMA_NAMES},
    {"readOnly", BOTH, compile_nothing, WH_SCHEMA_NEVER},
    {"required", BOTH, wh_schema_inner_required, WH_SCHEMA_REQUIRED},
    {"then", BOTH, wh_schema_inner_then, WH_SCHEMA_CONDITION},
    {"title", BOTH, compile_text, WH_SCHEMA_NEVER},
    {"type", BOTH, compile_type, WH_SCHEMA_TYPE},
    {"uniqueItems", BOTH, compile_unique, WH_SCHEMA_UNIQUE},
    {"writeOnly", BOTH, compile_nothing, WH_SCHEMA_NEVER},
};

static wh_err refuse_unknown(const wh_schema_build *b, uint32_t name)
{
    return wh_schema_compile_refuse(
        b, name,
        "this keyword would not be checked, so it is refused; for notes use "
        "$comment or a name with x- before it");
}

/* Of the names that are not in the table, those that ask for something: no place of
 * schemas, whatever leads there. */
static bool is_of_the_standard(const wh_schema_value *name)
{
    static const char *const names[] = {"contentSchema", "unevaluatedItems",
                                        "unevaluatedProperties"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (wh_schema_doc_is_text(name, names[i])) {
            return true;
        }
    }
    return name->n > 0 && name->u.p[0] == '$';
}

wh_err wh_schema_keyword_compile(wh_schema_build *b, uint32_t name)
{
    const wh_schema_value *v = value_at(b, name);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const keyword *k = &keywords[i];
        if (!wh_schema_doc_is_text(v, k->name)) {
            continue;
        }
        if ((k->drafts & (int)b->draft) != 0) {
            return k->compile(b, name + 1, k->op);
        }
        return wh_schema_compile_refuse(b, name, "this keyword is not in %s",
                                        b->draft == WH_SCHEMA_DRAFT7 ? "draft-07"
                                                                     : "2020-12");
    }
    if (v->n > 2 && memcmp(v->u.p, "x-", 2) == 0) {
        return WH_OK;
    }
    if (is_of_the_standard(v)) {
        return refuse_unknown(b, name);
    }
    b->schema->node_of[name] = b->node; /* judged when each $ref is known */
    return WH_OK;
}

/* Does any $ref lead to it, or inside it? Nothing else makes nodes there. */
static bool is_referred_to(const wh_schema *s, uint32_t name)
{
    for (uint32_t at = name + 1; at < s->doc.values[name + 1].next; at++) {
        if (s->node_of[at] != WH_SCHEMA_NONE) {
            return true;
        }
    }
    return false;
}

wh_err wh_schema_keyword_check_unknown(const wh_schema_build *b)
{
    const wh_schema *s = b->schema;
    for (uint32_t at = 0; at < s->doc.count; at++) {
        if (s->doc.values[at].kind == WH_SCHEMA_STRING &&
            s->node_of[at] != WH_SCHEMA_NONE && !is_referred_to(s, at)) {
            return refuse_unknown(b, at);
        }
    }
    return WH_OK;
}

bool wh_schema_keyword_holds_definitions(const wh_schema_value *name)
{
    return wh_schema_doc_is_text(name, "$defs") ||
           wh_schema_doc_is_text(name, "definitions");
}
