/* SPDX-License-Identifier: Apache-2.0 */
/*
 * required, dependencies, propertyNames, and what each member must be. Called by
 * schema_run for values that are objects.
 */
#include "common/job/schema_object.h"

#include "common/job/schema_report.h"

static bool has_member(const wh_schema_run *r, uint32_t object,
                       const wh_schema_value *name)
{
    return wh_schema_doc_find(r->doc, object, name->u.p, name->n) != WH_SCHEMA_NONE;
}

/* Does the object have all the names of an array in the schema? */
static bool has_all(wh_schema_run *r, uint32_t names, uint32_t at)
{
    const wh_schema_doc *d = &r->schema->doc;
    if (!wh_schema_run_spend(r, d->values[names].n, at)) {
        return false;
    }
    for (uint32_t i = names + 1; i < d->values[names].next; i++) {
        if (!has_member(r, at, &d->values[i])) {
            char name[64];
            wh_schema_report_quote(r, &d->values[i], name, sizeof name);
            return wh_schema_report_fail(r, names, at, "%s is missing", name);
        }
    }
    return true;
}

bool wh_schema_object_required(wh_schema_run *r, const wh_schema_rule *rule,
                               uint32_t at)
{
    return has_all(r, rule->at, at);
}

bool wh_schema_object_dependent(wh_schema_run *r, const wh_schema_rule *rule,
                                uint32_t at)
{
    const wh_schema_doc *d = &r->schema->doc;
    const wh_schema_value *object = &d->values[rule->at];
    if (!wh_schema_run_spend(r, object->n, at)) {
        return false;
    }
    for (uint32_t i = 0; i < object->n; i++) {
        uint32_t name = d->order[object->x.order + i];
        uint32_t node = r->schema->links[rule->u.links + i];
        if (!has_member(r, at, &d->values[name])) {
            continue;
        }
        if (node == WH_SCHEMA_NONE ? !has_all(r, name + 1, at)
                                   : !wh_schema_run_node(r, node, at)) {
            return false;
        }
    }
    return true;
}

bool wh_schema_object_names(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_doc *d = r->doc;
    for (uint32_t name = at + 1; name < d->values[at].next;
         name = d->values[name + 1].next) {
        if (!wh_schema_run_node(r, rule->u.node, name)) {
            return false;
        }
    }
    return true;
}

/* A member by its name: what properties say of it, what patterns say, else the rest. */
static bool check_member(wh_schema_run *r, const wh_schema_rule *rule, uint32_t name)
{
    const wh_schema *s = r->schema;
    const wh_schema_value *v = &r->doc->values[name];
    bool is_known = false;
    if (rule->u.members.properties != WH_SCHEMA_NONE) {
        uint32_t i =
            wh_schema_doc_find(&s->doc, rule->u.members.properties, v->u.p, v->n);
        is_known = i != WH_SCHEMA_NONE;
        if (is_known &&
            !wh_schema_run_node(r, s->links[rule->u.members.property_links + i],
                                name + 1)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < rule->u.members.matching.n; i++) {
        bool matches = wh_schema_run_pattern(r, rule->u.members.patterns + i, name);
        is_known = is_known || matches;
        if (r->err != WH_OK ||
            (matches &&
             !wh_schema_run_node(r, s->links[rule->u.members.matching.first + i],
                                 name + 1))) {
            return false;
        }
    }
    return is_known || rule->u.members.rest == WH_SCHEMA_NONE ||
           wh_schema_run_node(r, rule->u.members.rest, name + 1);
}

bool wh_schema_object_members(wh_schema_run *r, const wh_schema_rule *rule, uint32_t at)
{
    const wh_schema_doc *d = r->doc;
    if (!wh_schema_run_spend(r, d->values[at].n, at)) {
        return false;
    }
    for (uint32_t name = at + 1; name < d->values[at].next;
         name = d->values[name + 1].next) {
        if (!check_member(r, rule, name)) {
            return false;
        }
    }
    return true;
}
