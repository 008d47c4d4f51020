/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers stand in an array that never moves (executors and slots point into it); a
 * small open-addressing table finds them by type, since that is asked for every job.
 */
#include "worker/registry.h"

#include "common/base/alloc.h"
#include "worker/executors/program.h"

#include <string.h>

struct wh_registry {
    wh_handler *handlers;
    size_t n;
    wh_handler **table;
    size_t table_size;
    wh_handler *any;
};

static size_t hash_type(const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (; *s != '\0'; s++) {
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ (h >> 32U));
}

wh_handler *wh_registry_find(const wh_registry *r, const char *type)
{
    size_t mask = r->table_size - 1;

    for (size_t at = hash_type(type) & mask; r->table[at] != NULL;
         at = (at + 1) & mask) {
        if (strcmp(r->table[at]->config.name, type) == 0) {
            return r->table[at];
        }
    }
    return r->any;
}

size_t wh_registry_count(const wh_registry *r)
{
    return r->n;
}

wh_handler *wh_registry_at(const wh_registry *r, size_t i)
{
    return &r->handlers[i];
}

void wh_registry_tell_types(const wh_registry *r, size_t max, wh_buf *out)
{
    const char *before = "";
    size_t used = 0, told = 0;

    wh_buf_adds(out, ",\"types\":[");
    if (r->any != NULL) {
        wh_buf_adds(out, "\"*\"");
        before = ",";
        told++;
    }
    for (size_t i = 0; i < r->n; i++) {
        const char *name = r->handlers[i].config.name;
        size_t n = strlen(name);

        if (&r->handlers[i] != r->any && used + n + 3 <= max) {
            wh_buf_adds(out, before);
            wh_buf_add_json(out, name, n);
            before = ",";
            used += n + 3;
            told++;
        }
    }
    wh_buf_adds(out, told < r->n ? "],\"types_cut\":true" : "]");
}

wh_err wh_registry_policy(const wh_handler_config *c, wh_retry_policy *out,
                          wh_errbuf *eb)
{
    wh_errbuf inner = {0};

    wh_retry_default(out);
    out->max_attempts = (int)c->max_attempts;
    out->jitter = c->jitter;
    if (c->retry == NULL || c->retry[0] == '\0') {
        return WH_OK;
    }
    if (wh_retry_parse(c->retry, out, &inner) != WH_OK) {
        return wh_err_set(eb, WH_ECONFIG, "handlers.%s.retry: %s", c->name, inner.text);
    }
    return WH_OK;
}

/* NULL when the handler has none. */
static wh_err load_schema(const wh_handler_config *c, wh_schema **out, wh_errbuf *eb)
{
    wh_errbuf inner = {0};

    *out = NULL;
    if (c->schema == NULL || c->schema[0] == '\0') {
        return WH_OK;
    }
    wh_err err = wh_payload_schema(c->schema, out, &inner);
    if (err == WH_OK) {
        return WH_OK;
    }
    return wh_err_set(eb, err == WH_ENOMEM ? err : WH_ECONFIG, "handlers.%s.schema: %s",
                      c->name, inner.text);
}

/* What is wrong with the handlers: the first of it, and who is told of all. */
typedef struct verdict {
    const wh_registry_refusals *refusals;
    wh_err err;
    wh_errbuf *eb;
} verdict;

/* err, for its caller to see. */
static wh_err judge(verdict *v, wh_err err, const wh_errbuf *why)
{
    if (err == WH_OK) {
        return err;
    }
    if (v->err == WH_OK && v->eb != NULL) {
        *v->eb = *why;
    }
    v->err = v->err == WH_OK ? err : v->err;
    if (v->refusals->tell != NULL && err != WH_ENOMEM) {
        v->refusals->tell(v->refusals->arg, why);
    }
    return err;
}

static wh_err find_kind(wh_handler *h, const wh_registry_setup *o, wh_errbuf *eb)
{
    wh_errbuf inner = {0};
    const char *rest = NULL;

    if (h->config.run == NULL || h->config.run[0] == '\0') {
        return wh_err_set(
            eb, WH_ECONFIG,
            "handlers.%s.run: missing; write native:FILE.so, exec:COMMAND or "
            "command:COMMAND",
            h->config.name);
    }
    h->kind = o->kind_of != NULL ? o->kind_of(h->config.run, &rest, &inner)
                                 : wh_executor_kind_of(h->config.run, &rest, &inner);
    return h->kind != NULL ? WH_OK
                           : wh_err_set(eb, WH_ECONFIG, "handlers.%s.run: %s",
                                        h->config.name, inner.text);
}

static wh_err check_dir(const wh_handler_config *c, wh_errbuf *eb)
{
    wh_errbuf inner = {0};

    return wh_program_dir(c->dir, &inner) == WH_OK
               ? WH_OK
               : wh_err_set(eb, WH_ECONFIG, "handlers.%s.%s", c->name, inner.text);
}

static wh_err create_executor(wh_handler *h, const wh_registry_setup *o, wh_errbuf *eb)
{
    wh_errbuf inner = {0};
    wh_executor_setup setup = o->executor;

    setup.config = &h->config;
    wh_err err = h->kind->create(&setup, &h->executor, &inner);
    if (err != WH_OK) {
        /* What check_dir says too, it says alike, so that it is told once. */
        bool is_dir = strncmp(inner.text, "dir: ", 5) == 0;

        h->executor = NULL;
        return wh_err_set(eb, err, "handlers.%s.%s%s", h->config.name,
                          is_dir ? "" : "run: ",
                          inner.text[0] != '\0' ? inner.text : wh_err_text(err));
    }
    return WH_OK;
}

static void open_handler(wh_handler *h, const wh_registry_setup *o, verdict *v)
{
    wh_errbuf why = {0};
    wh_err found = judge(v, find_kind(h, o, &why), &why);

    (void)judge(v, wh_registry_policy(&h->config, &h->policy, &why), &why);
    (void)judge(v, load_schema(&h->config, &h->schema, &why), &why);
    (void)judge(v, check_dir(&h->config, &why), &why);
    if (found == WH_OK) {
        (void)judge(v, create_executor(h, o, &why), &why);
    }
}

/* Up to the first that is wrong, or all of them when somebody wants to know. */
static wh_err open_handlers(wh_registry *r, const wh_registry_setup *o, wh_errbuf *eb)
{
    verdict v = {.refusals = &o->refusals, .eb = eb};

    for (size_t i = 0; i < o->n && v.err != WH_ENOMEM; i++) {
        wh_handler *h = &r->handlers[i];

        h->config = o->configs[i];
        h->index = i;
        r->n++;
        open_handler(h, o, &v);
        if (v.err != WH_OK && o->refusals.tell == NULL) {
            break;
        }
    }
    return v.err;
}

static void index_handlers(wh_registry *r)
{
    for (size_t i = 0; i < r->n; i++) {
        wh_handler *h = &r->handlers[i];
        size_t at = hash_type(h->config.name) & (r->table_size - 1);

        if (strcmp(h->config.name, "*") == 0) {
            r->any = h;
            continue;
        }
        while (r->table[at] != NULL) {
            at = (at + 1) & (r->table_size - 1);
        }
        r->table[at] = h;
    }
}

wh_err wh_registry_new(const wh_registry_setup *o, wh_registry **out, wh_errbuf *eb)
{
    *out = NULL;
    wh_registry *r = wh_calloc(1, sizeof *r);

    if (r == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    for (r->table_size = 16; r->table_size < 2 * o->n;) {
        r->table_size *= 2;
    }
    wh_err err = WH_ENOMEM;
    r->handlers = wh_calloc(o->n + 1, sizeof *r->handlers);
    r->table = wh_calloc(r->table_size, sizeof(void *));
    if (r->handlers == NULL || r->table == NULL) {
        (void)wh_err_set(eb, err, "%s", wh_err_text(err));
        goto fail;
    }
    err = open_handlers(r, o, eb);
    if (err != WH_OK) {
        goto fail;
    }
    index_handlers(r);
    *out = r;
    return WH_OK;
fail:
    wh_registry_free(r);
    return err;
}

void wh_registry_kill(wh_registry *r)
{
    for (size_t i = 0; i < r->n; i++) {
        wh_handler *h = &r->handlers[i];

        if (h->executor != NULL) {
            h->kind->free(h->executor);
            h->executor = NULL;
        }
    }
}

void wh_registry_free(wh_registry *r)
{
    if (r == NULL) {
        return;
    }
    if (r->handlers != NULL) {
        wh_registry_kill(r);
        for (size_t i = 0; i < r->n; i++) {
            wh_schema_free(r->handlers[i].schema);
        }
    }
    wh_free(r->handlers);
    wh_free(r->table);
    wh_free(r);
}

void wh_registry_drain(wh_registry *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->handlers[i].executor != NULL) {
            r->handlers[i].kind->drain(r->handlers[i].executor);
        }
    }
}

/* What a reload brings to one handler. */
typedef struct renewal {
    wh_retry_policy policy;
    wh_schema *schema;
} renewal;

/* Is each of them fit? */
static wh_err prepare(const wh_handler_config *configs, size_t n, renewal *out,
                      wh_errbuf *eb)
{
    wh_err err = WH_OK;

    for (size_t i = 0; i < n && err == WH_OK; i++) {
        err = wh_registry_policy(&configs[i], &out[i].policy, eb);
        if (err == WH_OK) {
            err = load_schema(&configs[i], &out[i].schema, eb);
        }
    }
    return err;
}

/* The old schema goes back in the renewal. */
static void renew(wh_handler *h, const wh_handler_config *c, renewal *by)
{
    wh_schema *old = h->schema;

    h->schema = by->schema;
    by->schema = old;
    h->policy = by->policy;
    h->config.schema_format = c->schema_format;
    h->config.timeout_ms = c->timeout_ms;
    h->config.grace_ms = c->grace_ms;
    h->config.max_jobs = c->max_jobs;
    h->config.max_attempts = c->max_attempts;
    h->config.jitter = c->jitter;
}

wh_err wh_registry_reload(wh_registry *r, const wh_handler_config *configs, size_t n,
                          wh_errbuf *eb)
{
    renewal *fresh = wh_calloc(n + 1, sizeof *fresh);

    if (fresh == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    wh_err err = prepare(configs, n, fresh, eb);
    for (size_t i = 0; err == WH_OK && i < r->n; i++) {
        for (size_t k = 0; k < n; k++) {
            if (strcmp(configs[k].name, r->handlers[i].config.name) == 0) {
                renew(&r->handlers[i], &configs[k], &fresh[k]);
                break;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        wh_schema_free(fresh[i].schema);
    }
    wh_free(fresh);
    return err;
}

void wh_registry_set_slots(wh_registry *r, unsigned slots)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->handlers[i].executor != NULL) {
            r->handlers[i].kind->set_slots(r->handlers[i].executor, slots);
        }
    }
}
