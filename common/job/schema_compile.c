/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the nodes of a schema, one after the other: compiling one only queues the
 * schemas inside it, so nothing recurses and a node's rules lie in a row. Called by
 * schema; schema_keyword makes the rules. Invariant: every member of every schema of
 * the document was looked at by schema_keyword.
 */
#include "common/job/schema_compile.h"

#include "common/base/alloc.h"
#include "common/job/schema_keyword.h"
#include "common/job/schema_link.h"
#include "common/job/schema_path.h"

#include <stdio.h>
#include <string.h>

wh_err wh_schema_compile_refuse(const wh_schema_build *b, uint32_t at, const char *fmt,
                                ...)
{
    char path[128], text[192];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    wh_schema_path_format(&b->schema->doc, at, path, sizeof path);
    return wh_err_set(b->eb, WH_EINVAL, "at %s: %s",
                      path[0] != '\0' ? path : "the root", text);
}

wh_err wh_schema_compile_no_memory(const wh_schema_build *b)
{
    return wh_err_set(b->eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
}

wh_err wh_schema_compile_inner(wh_schema_build *b, uint32_t at, uint32_t *node)
{
    wh_schema *s = b->schema;
    if (s->node_of[at] == WH_SCHEMA_NONE) {
        wh_schema_node *nodes =
            wh_grow(s->nodes, &b->nodes_cap, (size_t)s->node_count + 1, sizeof *nodes);
        if (nodes == NULL) {
            return wh_schema_compile_no_memory(b);
        }
        uint32_t resource =
            s->node_count > 0 ? nodes[b->node].resource : WH_SCHEMA_NONE;
        s->nodes = nodes;
        nodes[s->node_count] = (wh_schema_node){.at = at, .resource = resource};
        s->node_of[at] = s->node_count++;
    }
    *node = s->node_of[at];
    return WH_OK;
}

wh_err wh_schema_compile_links(wh_schema_build *b, uint32_t n, uint32_t *first)
{
    wh_schema *s = b->schema;
    uint32_t *links =
        wh_grow(s->links, &b->links_cap, (size_t)s->link_count + n, sizeof *links);
    if (links == NULL) {
        return wh_schema_compile_no_memory(b);
    }
    s->links = links;
    *first = s->link_count;
    s->link_count += n;
    return WH_OK;
}

wh_err wh_schema_compile_rule(wh_schema_build *b, wh_schema_op op, uint32_t at,
                              wh_schema_rule **rule)
{
    wh_schema *s = b->schema;
    wh_schema_node *node = &s->nodes[b->node];
    for (uint32_t i = 0; i < node->rules; i++) {
        *rule = &s->rules[node->first_rule + i];
        if ((*rule)->op == op && op != WH_SCHEMA_DEPENDENT) {
            return WH_OK;
        }
    }
    wh_schema_rule *rules =
        wh_grow(s->rules, &b->rules_cap, (size_t)s->rule_count + 1, sizeof *rules);
    if (rules == NULL) {
        return wh_schema_compile_no_memory(b);
    }
    s->rules = rules;
    *rule = &rules[s->rule_count++];
    **rule = (wh_schema_rule){.at = at, .op = op};
    node->rules++;
    return WH_OK;
}

wh_err wh_schema_compile_pattern(wh_schema_build *b, uint32_t at)
{
    wh_schema *s = b->schema;
    const wh_schema_value *v = &s->doc.values[at];
    if (v->kind != WH_SCHEMA_STRING) {
        return wh_schema_compile_refuse(b, at, "wants a string");
    }
    wh_schema_pattern **patterns = wh_grow(
        s->patterns, &b->patterns_cap, (size_t)s->pattern_count + 1, sizeof(void *));
    if (patterns == NULL) {
        return wh_schema_compile_no_memory(b);
    }
    s->patterns = patterns;
    wh_errbuf why = {0};
    wh_err err = wh_schema_pattern_new(v->u.p, v->n, &patterns[s->pattern_count], &why);
    if (err == WH_OK) {
        s->pattern_count++;
        return WH_OK;
    }
    return err == WH_EINVAL ? wh_schema_compile_refuse(b, at, "%s", why.text)
                            : wh_schema_compile_no_memory(b);
}

wh_err wh_schema_compile_count(const wh_schema_build *b, uint32_t at, uint64_t *count)
{
    const wh_schema_value *v = &b->schema->doc.values[at];
    bool is_huge = v->kind == WH_SCHEMA_DECIMAL && !v->negative && v->x.exponent >= 0;
    if (!is_huge && (v->kind != WH_SCHEMA_INTEGER || v->u.integer < 0)) {
        return wh_schema_compile_refuse(b, at, "wants an integer of 0 or more");
    }
    *count = is_huge ? UINT64_MAX : (uint64_t)v->u.integer;
    return WH_OK;
}

static void sort_rules(wh_schema_rule *rules, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        wh_schema_rule rule = rules[i];
        uint32_t to = i;
        for (; to > 0 && rules[to - 1].op > rule.op; to--) {
            rules[to] = rules[to - 1];
        }
        rules[to] = rule;
    }
}

/* In draft-07 a $ref stands alone: what is beside it does not count, but may be referred
 * to. */
static bool is_ignored(const wh_schema_build *b, bool has_ref,
                       const wh_schema_value *name)
{
    return has_ref && b->draft == WH_SCHEMA_DRAFT7 &&
           !wh_schema_doc_is_text(name, "$ref") &&
           !wh_schema_keyword_holds_definitions(name);
}

static wh_err compile_object(wh_schema_build *b, uint32_t at)
{
    const wh_schema_doc *d = &b->schema->doc;
    bool has_ref = wh_schema_doc_get(d, at, "$ref", 4) != WH_SCHEMA_NONE;
    for (uint32_t name = at + 1; name < d->values[at].next;
         name = d->values[name + 1].next) {
        if (is_ignored(b, has_ref, &d->values[name])) {
            continue;
        }
        wh_err err = wh_schema_keyword_compile(b, name);
        if (err != WH_OK) {
            return err;
        }
    }
    return WH_OK;
}

static wh_err compile_node(wh_schema_build *b)
{
    wh_schema *s = b->schema;
    s->nodes[b->node].first_rule = s->rule_count;
    uint32_t at = s->nodes[b->node].at;
    const wh_schema_value *v = &s->doc.values[at];
    wh_schema_rule *rule = NULL;
    wh_err err = wh_schema_link_identify(b);
    if (err != WH_OK || v->kind == WH_SCHEMA_TRUE) {
        return err;
    }
    if (v->kind == WH_SCHEMA_FALSE) {
        return wh_schema_compile_rule(b, WH_SCHEMA_NEVER, at, &rule);
    }
    if (v->kind != WH_SCHEMA_OBJECT) {
        return wh_schema_compile_refuse(b, at, "a schema is an object, true or false");
    }
    err = compile_object(b, at);
    const wh_schema_node *node = &s->nodes[b->node];
    if (err == WH_OK && node->rules > 0) {
        sort_rules(&s->rules[node->first_rule], node->rules);
    }
    return err;
}

static wh_err compile_from(wh_schema_build *b, uint32_t first)
{
    wh_err err = WH_OK;
    for (b->node = first; err == WH_OK && b->node < b->schema->node_count; b->node++) {
        err = compile_node(b);
    }
    return err;
}

wh_err wh_schema_compile_late(wh_schema_build *b, uint32_t owner, uint32_t at,
                              uint32_t *node)
{
    b->node = owner;
    uint32_t first = b->schema->node_count;
    wh_err err = wh_schema_compile_inner(b, at, node);
    return err == WH_OK ? compile_from(b, first) : err;
}

wh_err wh_schema_compile_nodes(wh_schema_build *b)
{
    wh_schema *s = b->schema;
    uint32_t root = 0;
    s->node_of = wh_malloc(s->doc.count * sizeof *s->node_of);
    if (s->node_of == NULL) {
        return wh_schema_compile_no_memory(b);
    }
    memset(s->node_of, 0xff, s->doc.count * sizeof *s->node_of);
    wh_err err = wh_schema_compile_inner(b, 0, &root);
    return err == WH_OK ? compile_from(b, 0) : err;
}

void wh_schema_compile_fini(wh_schema_build *b)
{
    for (uint32_t i = 0; i < b->resource_count; i++) {
        wh_free(b->resources[i].uri);
    }
    wh_free(b->resources);
    wh_free(b->anchors);
}
