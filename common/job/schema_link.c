/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ties $ref to nodes by $id, $anchor and JSON pointer, all within one document. Called
 * by schema_compile ($id of a node) and schema (the rest). Invariants: no address is
 * ever fetched; after check_loops, walking from a node through the rules that apply to
 * the same value ends within CHAIN_MAX nodes.
 */
#include "common/job/schema_link.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/job/schema_path.h"
#include "common/job/schema_uri.h"

#include <string.h>

enum { CHAIN_MAX = 100 };

/* -------------------------------------------------------------- identifiers */

static wh_err add_anchor(wh_schema_build *b, uint32_t at, const char *name, size_t n)
{
    uint32_t resource = b->schema->nodes[b->node].resource;
    for (uint32_t i = 0; i < b->anchor_count; i++) {
        const wh_schema_anchor *other = &b->anchors[i];
        if (other->resource == resource && other->n == n &&
            memcmp(other->name, name, n) == 0) {
            return wh_schema_compile_refuse(b, at, "this anchor is there twice");
        }
    }
    wh_schema_anchor *anchors = wh_grow(b->anchors, &b->anchors_cap,
                                        (size_t)b->anchor_count + 1, sizeof *anchors);
    if (anchors == NULL) {
        return wh_schema_compile_no_memory(b);
    }
    b->anchors = anchors;
    anchors[b->anchor_count++] =
        (wh_schema_anchor){.name = name, .n = n, .resource = resource, .node = b->node};
    return WH_OK;
}

/* Takes the uri. */
static wh_err add_resource(wh_schema_build *b, uint32_t at, char *uri)
{
    for (uint32_t i = 0; uri != NULL && i < b->resource_count; i++) {
        if (strcmp(b->resources[i].uri, uri) == 0) {
            wh_free(uri);
            return wh_schema_compile_refuse(b, at, "this $id is there twice");
        }
    }
    wh_schema_resource *resources =
        wh_grow(b->resources, &b->resources_cap, (size_t)b->resource_count + 1,
                sizeof *resources);
    b->resources = resources != NULL ? resources : b->resources;
    if (resources == NULL || uri == NULL) {
        wh_free(uri);
        return wh_schema_compile_no_memory(b);
    }
    b->schema->nodes[b->node].resource = b->resource_count;
    resources[b->resource_count++] = (wh_schema_resource){.uri = uri, .node = b->node};
    return WH_OK;
}

/* What a reference means in the node's resource; NULL: out of memory. */
static char *resolve(const wh_schema_build *b, uint32_t node, const wh_schema_uri *ref)
{
    uint32_t resource = b->schema->nodes[node].resource;
    const char *base = resource != WH_SCHEMA_NONE ? b->resources[resource].uri : "";
    wh_schema_uri base_uri;
    wh_buf out = {0};
    wh_schema_uri_split(base, strlen(base), &base_uri);
    wh_schema_uri_resolve(&base_uri, ref, &out);
    if (wh_buf_ok(&out) && out.len > 0) {
        return wh_buf_take(&out);
    }
    bool failed = !wh_buf_ok(&out);
    wh_buf_fini(&out);
    return failed ? NULL : wh_strdup("");
}

static wh_err identify_by_id(wh_schema_build *b, uint32_t at)
{
    const wh_schema_value *v = &b->schema->doc.values[at];
    wh_schema_uri id;
    if (v->kind != WH_SCHEMA_STRING || memchr(v->u.p, '\0', v->n) != NULL) {
        return wh_schema_compile_refuse(b, at, "wants a URI reference");
    }
    wh_schema_uri_split(v->u.p, v->n, &id);
    if (!wh_schema_uri_is_valid(&id)) {
        return wh_schema_compile_refuse(b, at, "wants a URI reference");
    }
    bool has_anchor = id.fragment.n > 0;
    if (has_anchor && b->draft == WH_SCHEMA_DRAFT2020) {
        return wh_schema_compile_refuse(b, at, "no fragment may be here; use $anchor");
    }
    wh_err err = WH_OK;
    bool is_anchor_only = has_anchor && (size_t)(id.fragment.p - v->u.p) == 1;
    if (!is_anchor_only) {
        err = add_resource(b, at, resolve(b, b->node, &id));
    } else if (b->node == 0) {
        err = add_resource(b, at, wh_strdup(""));
    }
    return err == WH_OK && has_anchor ? add_anchor(b, at, id.fragment.p, id.fragment.n)
                                      : err;
}

static wh_err identify_by_anchor(wh_schema_build *b, uint32_t at)
{
    const wh_schema_value *v = &b->schema->doc.values[at];
    bool ok = v->kind == WH_SCHEMA_STRING && v->n > 0;
    for (uint32_t i = 0; ok && i < v->n; i++) {
        char c = v->u.p[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_further = (c >= '0' && c <= '9') || c == '-' || c == '.';
        ok = is_letter || (i > 0 && is_further);
    }
    return ok ? add_anchor(b, at, v->u.p, v->n)
              : wh_schema_compile_refuse(b, at, "an anchor has letters, digits, - _ .");
}

wh_err wh_schema_link_identify(wh_schema_build *b)
{
    const wh_schema_doc *d = &b->schema->doc;
    uint32_t at = b->schema->nodes[b->node].at;
    uint32_t id = WH_SCHEMA_NONE, anchor = WH_SCHEMA_NONE;
    if (d->values[at].kind == WH_SCHEMA_OBJECT) {
        bool is_alone = b->draft == WH_SCHEMA_DRAFT7 &&
                        wh_schema_doc_get(d, at, "$ref", 4) != WH_SCHEMA_NONE;
        id = is_alone ? WH_SCHEMA_NONE : wh_schema_doc_get(d, at, "$id", 3);
        anchor = b->draft == WH_SCHEMA_DRAFT2020
                     ? wh_schema_doc_get(d, at, "$anchor", 7)
                     : WH_SCHEMA_NONE;
    }
    wh_err err = WH_OK;
    if (b->node == 0 && id == WH_SCHEMA_NONE) {
        err = add_resource(b, at, wh_strdup(""));
    } else if (id != WH_SCHEMA_NONE) {
        err = identify_by_id(b, id);
    }
    return err == WH_OK && anchor != WH_SCHEMA_NONE ? identify_by_anchor(b, anchor)
                                                    : err;
}

/* --------------------------------------------------------------- references */

static uint32_t find_resource(const wh_schema_build *b, const char *uri)
{
    for (uint32_t i = 0; i < b->resource_count; i++) {
        if (strcmp(b->resources[i].uri, uri) == 0) {
            return i;
        }
    }
    return WH_SCHEMA_NONE;
}

/* The schema at a place of the document. Under a keyword that nobody knows there are
 * schemas only where a $ref leads: they are compiled then. */
static wh_err find_at(wh_schema_build *b, uint32_t at, uint32_t *node)
{
    const wh_schema *s = b->schema;
    *node = at == WH_SCHEMA_NONE ? at : s->node_of[at];
    for (uint32_t i = at; *node == WH_SCHEMA_NONE && i != WH_SCHEMA_NONE;
         i = s->doc.values[i].parent) {
        uint32_t parent = s->doc.values[i].parent;
        bool is_member =
            parent != WH_SCHEMA_NONE && s->doc.values[parent].kind == WH_SCHEMA_OBJECT;
        if (is_member && s->node_of[i - 1] != WH_SCHEMA_NONE) {
            return wh_schema_compile_late(b, s->node_of[i - 1], at, node);
        }
    }
    return WH_OK;
}

/* The node that a decoded fragment names in a resource; WH_SCHEMA_NONE: none. */
static wh_err find_fragment(wh_schema_build *b, uint32_t resource,
                            const wh_buf *fragment, uint32_t *node)
{
    const wh_schema *s = b->schema;
    *node = b->resources[resource].node;
    if (fragment->len == 0) {
        return WH_OK;
    }
    if (fragment->data[0] == '/') {
        uint32_t at = wh_schema_path_follow(&s->doc, s->nodes[*node].at,
                                            fragment->data + 1, fragment->len - 1);
        return find_at(b, at, node);
    }
    *node = WH_SCHEMA_NONE;
    for (uint32_t i = 0; i < b->anchor_count && *node == WH_SCHEMA_NONE; i++) {
        const wh_schema_anchor *a = &b->anchors[i];
        if (a->resource == resource && a->n == fragment->len &&
            memcmp(a->name, fragment->data, a->n) == 0) {
            *node = a->node;
        }
    }
    return WH_OK;
}

static wh_err resolve_fragment(wh_schema_build *b, uint32_t rule, uint32_t resource,
                               wh_schema_uri_part part)
{
    wh_buf fragment = {0};
    wh_err err = WH_OK;
    uint32_t node = WH_SCHEMA_NONE;
    bool ok = wh_schema_uri_decode(part, &fragment);
    if (!wh_buf_ok(&fragment)) {
        err = wh_schema_compile_no_memory(b);
    } else if (ok) {
        err = find_fragment(b, resource, &fragment, &node);
    }
    wh_buf_fini(&fragment);
    b->schema->rules[rule].u.node = node;
    return err == WH_OK && node == WH_SCHEMA_NONE
               ? wh_schema_compile_refuse(b, b->schema->rules[rule].at,
                                          "leads to no schema of the document")
               : err;
}

static wh_err resolve_ref(wh_schema_build *b, uint32_t node, uint32_t rule)
{
    uint32_t at = b->schema->rules[rule].at;
    const wh_schema_value *v = &b->schema->doc.values[at];
    wh_schema_uri ref;
    wh_schema_uri_split(v->u.p, v->n, &ref);
    if (memchr(v->u.p, '\0', v->n) != NULL || !wh_schema_uri_is_valid(&ref)) {
        return wh_schema_compile_refuse(b, at, "wants a URI reference");
    }
    char *uri = resolve(b, node, &ref);
    if (uri == NULL) {
        return wh_schema_compile_no_memory(b);
    }
    uint32_t resource = find_resource(b, uri);
    wh_free(uri);
    if (resource == WH_SCHEMA_NONE) {
        return wh_schema_compile_refuse(
            b, at, "leads out of the document; nothing is fetched, put it in $defs");
    }
    return resolve_fragment(b, rule, resource, ref.fragment);
}

/* Nodes are added and moved meanwhile; the last ones are tied, too. */
wh_err wh_schema_link_resolve(wh_schema_build *b)
{
    const wh_schema *s = b->schema;
    wh_err err = WH_OK;
    for (uint32_t i = 0; i < s->node_count && err == WH_OK; i++) {
        for (uint32_t k = 0; k < s->nodes[i].rules && err == WH_OK; k++) {
            uint32_t rule = s->nodes[i].first_rule + k;
            err = s->rules[rule].op == WH_SCHEMA_REF ? resolve_ref(b, i, rule) : WH_OK;
        }
    }
    return err;
}

/* -------------------------------------------------------------------- loops */

enum { UNSEEN = 0, OPEN = 255 }; /* else: how many nodes the longest chain has */

/* The k-th node that a rule applies to the same value; false: no more. */
static bool applied_node(const wh_schema *s, const wh_schema_rule *rule, uint32_t k,
                         uint32_t *node)
{
    const uint32_t *list = NULL;
    uint32_t n = 0, single[3] = {0};
    if (rule->op == WH_SCHEMA_REF || rule->op == WH_SCHEMA_NOT) {
        single[0] = rule->u.node;
        list = single;
        n = 1;
    } else if (rule->op == WH_SCHEMA_CONDITION) {
        single[0] = rule->u.condition.test;
        single[1] = rule->u.condition.then;
        single[2] = rule->u.condition.otherwise;
        list = single;
        n = 3;
    } else if (rule->op == WH_SCHEMA_ALL_OF || rule->op == WH_SCHEMA_ANY_OF ||
               rule->op == WH_SCHEMA_ONE_OF) {
        list = &s->links[rule->u.list.first];
        n = rule->u.list.n;
    } else if (rule->op == WH_SCHEMA_DEPENDENT) {
        n = s->doc.values[rule->at].n;
        list = n > 0 ? &s->links[rule->u.links] : NULL;
    }
    *node = k < n ? list[k] : WH_SCHEMA_NONE;
    return k < n;
}

static wh_err visit(wh_schema_build *b, uint8_t *chains, uint32_t at, unsigned depth);

static wh_err visit_rule(wh_schema_build *b, uint8_t *chains,
                         const wh_schema_rule *rule, unsigned depth, uint8_t *longest)
{
    uint32_t node = WH_SCHEMA_NONE;
    for (uint32_t k = 0; applied_node(b->schema, rule, k, &node); k++) {
        if (node == WH_SCHEMA_NONE) {
            continue;
        }
        if (chains[node] == OPEN) {
            return wh_schema_compile_refuse(
                b, rule->at, "a loop: this schema applies itself to the same value");
        }
        wh_err err = visit(b, chains, node, depth + 1);
        if (err != WH_OK) {
            return err;
        }
        *longest = chains[node] > *longest ? chains[node] : *longest;
    }
    return WH_OK;
}

/* Recurses no deeper than CHAIN_MAX. */
static wh_err visit(wh_schema_build *b, uint8_t *chains, uint32_t at, unsigned depth)
{
    const wh_schema_node *node = &b->schema->nodes[at];
    uint8_t longest = 0;
    if (depth > CHAIN_MAX) {
        return wh_schema_compile_refuse(
            b, node->at,
            "more than %d schemas, each applying the next to the same value",
            CHAIN_MAX);
    }
    if (chains[at] != UNSEEN) {
        return depth + chains[at] <= CHAIN_MAX + 1
                   ? WH_OK
                   : visit(b, chains, at, CHAIN_MAX + 1);
    }
    chains[at] = OPEN;
    for (uint32_t k = 0; k < node->rules; k++) {
        wh_err err = visit_rule(b, chains, &b->schema->rules[node->first_rule + k],
                                depth, &longest);
        if (err != WH_OK) {
            return err;
        }
    }
    chains[at] = (uint8_t)(longest + 1);
    return WH_OK;
}

wh_err wh_schema_link_check_loops(wh_schema_build *b)
{
    uint8_t *chains = wh_calloc(b->schema->node_count, 1);
    wh_err err = chains != NULL ? WH_OK : wh_schema_compile_no_memory(b);
    for (uint32_t i = 0; i < b->schema->node_count && err == WH_OK; i++) {
        err = visit(b, chains, i, 1);
    }
    wh_free(chains);
    return err;
}
