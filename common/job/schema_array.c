/* SPDX-License-Identifier: Apache-2.0 */
/*
 * items, contains, uniqueItems. Called by schema_run for values that are arrays.
 * Invariant: no array costs more than n log n looks at its items.
 */
#include "common/job/schema_array.h"

#include "common/base/alloc.h"
#include "common/job/schema_report.h"

#include <inttypes.h>

bool wh_schema_array_items(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *array = &r->doc->values[at];
    wh_schema_list prefix = rule->u.items.prefix;
    uint32_t item = at + 1;
    for (uint32_t i = 0; i < array->n; i++) {
        uint32_t node =
            i < prefix.n ? r->schema->links[prefix.first + i] : rule->u.items.rest;
        if (node == WH_SCHEMA_NONE) {
            break;
        }
        if (!wh_schema_run_node(r, node, item)) {
            return false;
        }
        item = r->doc->values[item].next;
    }
    return true;
}

bool wh_schema_array_contains(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *array = &r->doc->values[at];
    uint64_t min = rule->u.contains.min, max = rule->u.contains.max, found = 0;
    for (uint32_t item = at + 1; item < array->next; item = r->doc->values[item].next) {
        if (found >= min && max == UINT64_MAX) {
            return true;
        }
        found += wh_schema_run_quietly(r, rule->u.contains.node, item);
        if (r->err != WH_OK) {
            return false;
        }
    }
    if (found < min) {
        return wh_schema_report_fail(
            r, rule->at, at,
            "%" PRIu64 " items fit contains; at least %" PRIu64 " must", found, min);
    }
    return found <= max ||
           wh_schema_report_fail(
               r, rule->at, at,
               "%" PRIu64 " items fit contains; at most %" PRIu64 " may", found, max);
}

/* Two sorted neighbours that are equal; false: there are none. */
static bool find_equal(wh_schema_run *r, const uint32_t *items, uint32_t n,
                       uint32_t *which)
{
    uint64_t cost = 0;
    for (uint32_t i = 1; i < n; i++) {
        wh_schema_spot a = {r->doc, items[i - 1]}, b = {r->doc, items[i]};
        if (wh_schema_doc_compare(a, b, &cost) == 0) {
            *which = items[i] > items[i - 1] ? items[i] : items[i - 1];
            return true;
        }
    }
    return false;
}

bool wh_schema_array_unique(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_value *array = &r->doc->values[at];
    uint32_t small[32], *items = small, twice = 0;
    if (array->n < 2) {
        return true;
    }
    if (array->n > sizeof small / sizeof small[0]) {
        items = wh_malloc(array->n * sizeof *items);
        if (items == NULL) {
            return wh_schema_report_stop(r, WH_ENOMEM, at);
        }
    }
    uint32_t item = at + 1;
    for (uint32_t i = 0; i < array->n; i++) {
        items[i] = item;
        item = r->doc->values[item].next;
    }
    bool is_sorted = wh_schema_doc_sort(r->doc, items, array->n, &r->work);
    bool has_equal = is_sorted && find_equal(r, items, array->n, &twice);
    if (items != small) {
        wh_free(items);
    }
    if (!is_sorted) {
        return wh_schema_report_stop(r, WH_ETOOBIG, at);
    }
    return !has_equal ||
           wh_schema_report_fail(r, rule->at, twice, "this item is there twice");
}
