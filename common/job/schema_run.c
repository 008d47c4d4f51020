/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks nodes and values at once. Called by schema; objects, arrays and reports are in
 * files of their own. Invariants: everything that is done is paid from r->work, so
 * neither a schema nor a payload makes a check endless; a run that was stopped (r->err)
 * says neither valid nor invalid, also inside not.
 */
#include "common/job/schema_run.h"

#include "common/job/schema_array.h"
#include "common/job/schema_object.h"
#include "common/job/schema_report.h"

#include <inttypes.h>

enum { DEPTH_MAX = 1000, SHOWN = 64 };

typedef bool (*check_fn)(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at);

bool wh_schema_run_spend(wh_schema_run *r, uint64_t work, uint32_t at)
{
    if (r->err == WH_OK && work <= r->work) {
        r->work -= work;
        return true;
    }
    r->work = 0;
    return wh_schema_report_stop(r, WH_ETOOBIG, at);
}

static const wh_schema_value *value_at(const wh_schema_run *r, uint32_t at)
{
    return &r->doc->values[at];
}

bool wh_schema_run_quietly(wh_schema_run *r, uint32_t node, uint32_t at)
{
    r->quiet++;
    bool valid = wh_schema_run_node(r, node, at);
    r->quiet--;
    return valid && r->err == WH_OK;
}

/* ------------------------------------------------------------------- scalars */

static bool check_never(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    return wh_schema_report_fail(r, rule->at, at, "may not be there");
}

static uint32_t types_of(const wh_schema_value *v)
{
    switch ((wh_schema_kind)v->kind) {
    case WH_SCHEMA_NULL:
        return WH_SCHEMA_TYPE_NULL;
    case WH_SCHEMA_FALSE:
    case WH_SCHEMA_TRUE:
        return WH_SCHEMA_TYPE_BOOLEAN;
    case WH_SCHEMA_INTEGER:
        return WH_SCHEMA_TYPE_INTEGER | WH_SCHEMA_TYPE_NUMBER;
    case WH_SCHEMA_DECIMAL:
        return v->x.exponent >= 0 ? WH_SCHEMA_TYPE_INTEGER | WH_SCHEMA_TYPE_NUMBER
                                  : WH_SCHEMA_TYPE_NUMBER;
    case WH_SCHEMA_STRING:
        return WH_SCHEMA_TYPE_STRING;
    case WH_SCHEMA_ARRAY:
        return WH_SCHEMA_TYPE_ARRAY;
    case WH_SCHEMA_OBJECT:
        return WH_SCHEMA_TYPE_OBJECT;
    case WH_SCHEMA_BINARY:
    case WH_SCHEMA_EXTENSION:
        return 0;
    }
    return 0;
}

static bool check_type(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *v = value_at(r, at),
                          *type = &r->schema->doc.values[rule->at];
    if ((types_of(v) & rule->u.types) != 0) {
        return true;
    }
    char shown[SHOWN], wanted[SHOWN];
    wh_schema_report_quote(r, v, shown, sizeof shown);
    if (type->kind == WH_SCHEMA_STRING) {
        wh_schema_report_quote(r, type, wanted, sizeof wanted);
        return wh_schema_report_fail(r, rule->at, at, "%s is not of type %s", shown,
                                     wanted);
    }
    return wh_schema_report_fail(
        r, rule->at, at, "%s is of none of the %" PRIu32 " types", shown, type->n);
}

static bool check_enum(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const uint32_t *items = &r->schema->links[rule->u.list.first];
    uint32_t low = 0, high = rule->u.list.n;
    uint64_t cost = 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order =
            wh_schema_doc_compare((wh_schema_spot){&r->schema->doc, items[middle]},
                                  (wh_schema_spot){r->doc, at}, &cost);
        if (order == 0) {
            return wh_schema_run_spend(r, cost, at);
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (!wh_schema_run_spend(r, cost, at)) {
        return false;
    }
    if (rule->u.list.n == 1) {
        return wh_schema_report_differs(r, rule->at, items[0], at);
    }
    char shown[SHOWN];
    wh_schema_report_quote(r, value_at(r, at), shown, sizeof shown);
    return wh_schema_report_fail(
        r, rule->at, at, "%s is none of the %" PRIu32 " values that may be here", shown,
        rule->u.list.n);
}

static bool check_const(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    uint64_t cost = 0;
    bool equal = wh_schema_doc_compare((wh_schema_spot){&r->schema->doc, rule->at},
                                       (wh_schema_spot){r->doc, at}, &cost) == 0;
    if (!wh_schema_run_spend(r, cost, at) || equal) {
        return r->err == WH_OK;
    }
    return wh_schema_report_differs(r, rule->at, rule->at, at);
}

static bool is_multiple(const wh_schema_value *v, const wh_schema_value *divisor,
                        uint64_t *cost)
{
    char digits[WH_SCHEMA_NUMBER_TEXT], divisor_digits[WH_SCHEMA_NUMBER_TEXT];
    wh_schema_number a, b;
    if (v->kind == WH_SCHEMA_INTEGER && divisor->kind == WH_SCHEMA_INTEGER) {
        return v->u.integer % divisor->u.integer == 0;
    }
    wh_schema_doc_number(v, digits, &a, cost);
    wh_schema_doc_number(divisor, divisor_digits, &b, cost);
    *cost += 16 + (uint64_t)a.n;
    *cost += a.exponent > b.exponent ? (uint64_t)(a.exponent - b.exponent) : 0;
    return wh_schema_number_is_multiple(&a, &b);
}

/* minimum to multipleOf. */
static bool check_number(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    static const char *const faults[WH_SCHEMA_OP_COUNT] = {
        [WH_SCHEMA_MINIMUM] = "less than minimum",
        [WH_SCHEMA_MAXIMUM] = "more than maximum",
        [WH_SCHEMA_EXCLUSIVE_MINIMUM] = "not above",
        [WH_SCHEMA_EXCLUSIVE_MAXIMUM] = "not below",
        [WH_SCHEMA_MULTIPLE_OF] = "not a multiple of",
    };
    const wh_schema_value *v = value_at(r, at),
                          *limit = &r->schema->doc.values[rule->at];
    uint64_t cost = 0;
    bool ok = false;
    if (rule->op == WH_SCHEMA_MULTIPLE_OF) {
        ok = is_multiple(v, limit, &cost);
    } else {
        int order =
            wh_schema_doc_compare((wh_schema_spot){r->doc, at},
                                  (wh_schema_spot){&r->schema->doc, rule->at}, &cost);
        ok = rule->op == WH_SCHEMA_MINIMUM             ? order >= 0
             : rule->op == WH_SCHEMA_MAXIMUM           ? order <= 0
             : rule->op == WH_SCHEMA_EXCLUSIVE_MINIMUM ? order > 0
                                                       : order < 0;
    }
    if (!wh_schema_run_spend(r, cost, at) || ok) {
        return r->err == WH_OK;
    }
    char shown[SHOWN], wanted[SHOWN];
    wh_schema_report_quote(r, v, shown, sizeof shown);
    wh_schema_report_quote(r, limit, wanted, sizeof wanted);
    return wh_schema_report_fail(r, rule->at, at, "%s is %s %s", shown,
                                 faults[rule->op], wanted);
}

/* minLength, maxLength: characters, not bytes. */
static bool check_length(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *v = value_at(r, at);
    uint64_t length = 0;
    if (!wh_schema_run_spend(r, v->n / 16, at)) {
        return false;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        length += ((unsigned char)v->u.p[i] & 0xC0U) != 0x80U;
    }
    bool is_min = rule->op == WH_SCHEMA_MIN_LENGTH;
    bool ok = is_min ? length >= rule->u.limit : length <= rule->u.limit;
    return ok || wh_schema_report_fail(r, rule->at, at,
                                       "%" PRIu64 " characters; at %s %" PRIu64, length,
                                       is_min ? "least" : "most", rule->u.limit);
}

/* minItems to maxProperties. */
static bool check_count(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *v = value_at(r, at);
    bool is_min =
        rule->op == WH_SCHEMA_MIN_ITEMS || rule->op == WH_SCHEMA_MIN_PROPERTIES;
    bool ok = is_min ? v->n >= rule->u.limit : v->n <= rule->u.limit;
    return ok ||
           wh_schema_report_fail(r, rule->at, at, "%" PRIu32 " %s; at %s %" PRIu64,
                                 v->n, v->kind == WH_SCHEMA_ARRAY ? "items" : "members",
                                 is_min ? "least" : "most", rule->u.limit);
}

static bool fail_text(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at,
                      const char *fault)
{
    char shown[SHOWN], wanted[SHOWN];
    wh_schema_report_quote(r, value_at(r, at), shown, sizeof shown);
    wh_schema_report_quote(r, &r->schema->doc.values[rule->at], wanted, sizeof wanted);
    return wh_schema_report_fail(r, rule->at, at, "%s %s %s", shown, fault, wanted);
}

static bool check_format(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *v = value_at(r, at);
    return wh_schema_run_spend(r, v->n / 2, at) &&
           (rule->u.format(v->u.p, v->n) || fail_text(r, rule, at, "is not of format"));
}

bool wh_schema_run_pattern(wh_schema_run *r, uint32_t pattern, uint32_t at)
{
    const wh_schema_value *v = value_at(r, at);
    bool matches = false;
    wh_err err = wh_schema_pattern_match(r->schema->patterns[pattern], &r->scratch,
                                         v->u.p, v->n, &r->work, &matches);
    return err == WH_OK ? matches : wh_schema_report_stop(r, err, at);
}

static bool check_pattern(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    return wh_schema_run_pattern(r, rule->u.pattern, at) ||
           fail_text(r, rule, at, "does not match pattern");
}

/* -------------------------------------------------------------- combinations */

static bool check_ref(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    return wh_schema_run_node(r, rule->u.node, at);
}

static bool check_all(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    for (uint32_t i = 0; i < rule->u.list.n; i++) {
        if (!wh_schema_run_node(r, r->schema->links[rule->u.list.first + i], at)) {
            return false;
        }
    }
    return true;
}

/* anyOf, oneOf. */
static bool check_some(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    bool is_one = rule->op == WH_SCHEMA_ONE_OF;
    uint32_t found = 0;
    for (uint32_t i = 0; i < rule->u.list.n && (found == 0 || (is_one && found == 1));
         i++) {
        found += wh_schema_run_quietly(r, r->schema->links[rule->u.list.first + i], at);
        if (r->err != WH_OK) {
            return false;
        }
    }
    if (found == 1) {
        return true;
    }
    char shown[SHOWN];
    wh_schema_report_quote(r, value_at(r, at), shown, sizeof shown);
    return wh_schema_report_fail(r, rule->at, at,
                                 "%s fits %s of the %" PRIu32 " schemas", shown,
                                 found == 0 ? "none" : "more than one", rule->u.list.n);
}

static bool check_not(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    bool valid = wh_schema_run_quietly(r, rule->u.node, at);
    if (!valid || r->err != WH_OK) {
        return r->err == WH_OK;
    }
    char shown[SHOWN];
    wh_schema_report_quote(r, value_at(r, at), shown, sizeof shown);
    return wh_schema_report_fail(r, rule->at, at, "%s fits the schema of not", shown);
}

static bool check_condition(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    if (rule->u.condition.test == WH_SCHEMA_NONE) {
        return true;
    }
    bool valid = wh_schema_run_quietly(r, rule->u.condition.test, at);
    uint32_t node = valid ? rule->u.condition.then : rule->u.condition.otherwise;
    return r->err == WH_OK &&
           (node == WH_SCHEMA_NONE || wh_schema_run_node(r, node, at));
}

/* ------------------------------------------------------------------- walking */

enum {
    ANY = 0,
    NUMBERS = WH_SCHEMA_TYPE_INTEGER | WH_SCHEMA_TYPE_NUMBER,
    STRINGS = WH_SCHEMA_TYPE_STRING,
    ARRAYS = WH_SCHEMA_TYPE_ARRAY,
    OBJECTS = WH_SCHEMA_TYPE_OBJECT
};

/* What checks a rule, and of which types; values of others pass. */
static const struct {
    check_fn check;
    uint32_t types;
} checks[WH_SCHEMA_OP_COUNT] = {
    [WH_SCHEMA_NEVER] = {check_never, ANY},
    [WH_SCHEMA_TYPE] = {check_type, ANY},
    [WH_SCHEMA_ENUM] = {check_enum, ANY},
    [WH_SCHEMA_CONST] = {check_const, ANY},
    [WH_SCHEMA_MINIMUM] = {check_number, NUMBERS},
    [WH_SCHEMA_MAXIMUM] = {check_number, NUMBERS},
    [WH_SCHEMA_EXCLUSIVE_MINIMUM] = {check_number, NUMBERS},
    [WH_SCHEMA_EXCLUSIVE_MAXIMUM] = {check_number, NUMBERS},
    [WH_SCHEMA_MULTIPLE_OF] = {check_number, NUMBERS},
    [WH_SCHEMA_MIN_LENGTH] = {check_length, STRINGS},
    [WH_SCHEMA_MAX_LENGTH] = {check_length, STRINGS},
    [WH_SCHEMA_FORMAT] = {check_format, STRINGS},
    [WH_SCHEMA_PATTERN] = {check_pattern, STRINGS},
    [WH_SCHEMA_MIN_ITEMS] = {check_count, ARRAYS},
    [WH_SCHEMA_MAX_ITEMS] = {check_count, ARRAYS},
    [WH_SCHEMA_MIN_PROPERTIES] = {check_count, OBJECTS},
    [WH_SCHEMA_MAX_PROPERTIES] = {check_count, OBJECTS},
    [WH_SCHEMA_REQUIRED] = {wh_schema_object_required, OBJECTS},
    [WH_SCHEMA_DEPENDENT] = {wh_schema_object_dependent, OBJECTS},
    [WH_SCHEMA_NAMES] = {wh_schema_object_names, OBJECTS},
    [WH_SCHEMA_MEMBERS] = {wh_schema_object_members, OBJECTS},
    [WH_SCHEMA_ITEMS] = {wh_schema_array_items, ARRAYS},
    [WH_SCHEMA_UNIQUE] = {wh_schema_array_unique, ARRAYS},
    [WH_SCHEMA_CONTAINS] = {wh_schema_array_contains, ARRAYS},
    [WH_SCHEMA_REF] = {check_ref, ANY},
    [WH_SCHEMA_ALL_OF] = {check_all, ANY},
    [WH_SCHEMA_ANY_OF] = {check_some, ANY},
    [WH_SCHEMA_ONE_OF] = {check_some, ANY},
    [WH_SCHEMA_NOT] = {check_not, ANY},
    [WH_SCHEMA_CONDITION] = {check_condition, ANY},
};

bool wh_schema_run_node(wh_schema_run *r, uint32_t node, uint32_t at)
{
    const wh_schema_node *n = &r->schema->nodes[node];
    uint32_t types = types_of(value_at(r, at));
    if (!wh_schema_run_spend(r, 1 + (uint64_t)n->rules, at)) {
        return false;
    }
    if (r->depth == DEPTH_MAX) {
        return wh_schema_report_stop(r, WH_ETOOBIG, at);
    }
    r->depth++;
    bool valid = true;
    for (uint32_t i = 0; i < n->rules && valid; i++) {
        const wh_schema_rule *rule = &r->schema->rules[n->first_rule + i];
        uint32_t wanted = checks[rule->op].types;
        if (wanted == ANY || (wanted & types) != 0) {
            valid = checks[rule->op].check(r, rule, at);
        }
    }
    r->depth--;
    return valid && r->err == WH_OK;
}
