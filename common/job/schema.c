/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas from outside: compiling one, checking a payload, freeing. Called by whoever
 * has schemas by job type. The work is in schema_json and schema_msgpack (reading),
 * schema_compile and schema_link (compiling), schema_run (checking). Invariant: a
 * compiled schema is never written to.
 */
#include "common/job/schema.h"

#include "common/base/alloc.h"
#include "common/job/job.h"
#include "common/job/schema_compile.h"
#include "common/job/schema_json.h"
#include "common/job/schema_keyword.h"
#include "common/job/schema_link.h"
#include "common/job/schema_msgpack.h"
#include "common/job/schema_report.h"

#include <string.h>

enum {
    SCHEMA_DEPTH_MAX = 128,
    WORK_BASE = 8 * 1000 * 1000, /* steps of a check: some 5 ns each */
    WORK_PER_VALUE = 5           /* to read it; bytes are read for nothing */
};

/* ---------------------------------------------------------------- compiling */

static wh_err choose_draft(wh_schema_build *b)
{
    static const struct {
        const char *uri;
        wh_schema_draft draft;
    } known[] = {
        {"https://json-schema.org/draft/2020-12/schema", WH_SCHEMA_DRAFT2020},
        {"http://json-schema.org/draft-07/schema", WH_SCHEMA_DRAFT7},
        {"https://json-schema.org/draft-07/schema", WH_SCHEMA_DRAFT7},
    };
    const wh_schema_doc *d = &b->schema->doc;
    uint32_t at = d->values[0].kind == WH_SCHEMA_OBJECT
                      ? wh_schema_doc_get(d, 0, "$schema", strlen("$schema"))
                      : WH_SCHEMA_NONE;
    b->draft = WH_SCHEMA_DRAFT2020;
    if (at == WH_SCHEMA_NONE) {
        return WH_OK;
    }
    wh_schema_value uri = d->values[at];
    if (uri.kind == WH_SCHEMA_STRING && uri.n > 0 && uri.u.p[uri.n - 1] == '#') {
        uri.n--;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (wh_schema_doc_is_text(&uri, known[i].uri)) {
            b->draft = known[i].draft;
            return WH_OK;
        }
    }
    return wh_schema_compile_refuse(b, at, "unknown draft; there are %s and %s#",
                                    known[0].uri, known[1].uri);
}

static wh_err build(wh_schema *s, size_t n, wh_errbuf *eb)
{
    wh_schema_build b = {.schema = s, .eb = eb};
    wh_err err = wh_schema_json_read(&s->doc, s->text, n, eb);
    if (err == WH_EBADDATA) {
        err = WH_EINVAL;
        if (eb != NULL) {
            eb->code = err;
        }
    }
    err = err == WH_OK ? choose_draft(&b) : err;
    err = err == WH_OK ? wh_schema_compile_nodes(&b) : err;
    err = err == WH_OK ? wh_schema_link_resolve(&b) : err;
    err = err == WH_OK ? wh_schema_keyword_check_unknown(&b) : err;
    err = err == WH_OK ? wh_schema_link_check_loops(&b) : err;
    wh_schema_compile_fini(&b);
    return err;
}

wh_err wh_schema_compile(const void *json, size_t n, wh_schema **out, wh_errbuf *eb)
{
    *out = NULL;
    if (n > WH_SCHEMA_BYTES_MAX) {
        return wh_err_set(eb, WH_ETOOBIG, "a schema of %zu bytes; at most %d", n,
                          WH_SCHEMA_BYTES_MAX);
    }
    wh_schema *s = wh_calloc(1, sizeof *s);
    if (s == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    }
    wh_schema_doc_init(&s->doc, SCHEMA_DEPTH_MAX);
    s->text = wh_memdup(json, n);
    wh_err err = s->text != NULL
                     ? build(s, n, eb)
                     : wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
    if (err != WH_OK) {
        wh_schema_free(s);
        return err;
    }
    *out = s;
    return WH_OK;
}

void wh_schema_free(wh_schema *s)
{
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < s->pattern_count; i++) {
        wh_schema_pattern_free(s->patterns[i]);
    }
    wh_free(s->patterns);
    wh_free(s->nodes);
    wh_free(s->rules);
    wh_free(s->links);
    wh_free(s->node_of);
    wh_schema_doc_fini(&s->doc);
    wh_free(s->text);
    wh_free(s);
}

/* ----------------------------------------------------------------- checking */

typedef wh_err (*read_fn)(wh_schema_doc *d, const void *p, size_t n, wh_errbuf *eb);

static uint64_t left_for_checking(const wh_schema_doc *d)
{
    uint64_t reading = (uint64_t)d->count * WORK_PER_VALUE;
    return d->work > reading ? d->work - reading : 0;
}

static wh_err check(const wh_schema *s, wh_slice payload, read_fn read,
                    wh_schema_report *report)
{
    wh_errbuf eb = {0};
    wh_schema_doc doc;
    wh_schema_doc_init(&doc, WH_SCHEMA_PAYLOAD_DEPTH_MAX);
    doc.work = WORK_BASE + (uint64_t)payload.n;
    if (report != NULL) {
        *report = (wh_schema_report){0};
    }
    wh_err err = read(&doc, payload.p, payload.n, &eb);
    if (err != WH_OK) {
        wh_schema_report_unreadable(report, &eb);
    } else {
        wh_schema_run run = {.schema = s,
                             .doc = &doc,
                             .report = report,
                             .work = left_for_checking(&doc)};
        bool valid = wh_schema_run_node(&run, 0, 0);
        wh_schema_pattern_scratch_fini(&run.scratch);
        err = run.err != WH_OK ? run.err : valid ? WH_OK : WH_EINVAL;
    }
    wh_schema_doc_fini(&doc);
    return err;
}

wh_err wh_schema_check_json(const wh_schema *s, const void *json, size_t n,
                            wh_schema_report *report)
{
    return check(s, (wh_slice){json, n}, wh_schema_json_read, report);
}

wh_err wh_schema_check_msgpack(const wh_schema *s, const void *p, size_t n,
                               wh_schema_report *report)
{
    return check(s, (wh_slice){p, n}, wh_schema_msgpack_read, report);
}
