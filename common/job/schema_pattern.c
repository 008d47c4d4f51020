/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCRE2, and nothing of it outside. Called by schema_compile (new) and schema_run
 * (match). Invariant: no text makes a match slow. PCRE2's own limits count backtracking
 * only, and per starting place; so every element it tries calls back here, and what it
 * moved over since is paid from the caller's budget.
 */
#include "common/job/schema_pattern.h"

#include "common/base/alloc.h"
#include "common/job/schema_ecma.h"

#include <inttypes.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    PATTERN_MAX = 4096,             /* bytes, as written */
    MATCH_LIMIT = 10 * 1000 * 1000, /* backtracks; the budget is spent before */
    DEPTH_LIMIT = 100 * 1000,
    HEAP_LIMIT_KIB = 32 * 1024
};

struct wh_schema_pattern {
    pcre2_code *code;
    uint64_t step_cost;
    bool has_backrefs;
};

static void *allocate(PCRE2_SIZE size, void *data)
{
    (void)data;
    return wh_malloc(size);
}

static void release(void *p, void *data)
{
    (void)data;
    wh_free(p);
}

static wh_err no_memory(wh_errbuf *eb)
{
    return wh_err_set(eb, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
}

static wh_err compile(const wh_schema_ecma *ecma, pcre2_code **out, wh_errbuf *eb)
{
    const uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                             PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_general_context *general =
        pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context =
        general != NULL ? pcre2_compile_context_create(general) : NULL;
    if (context != NULL) {
        *out = pcre2_compile((PCRE2_SPTR)wh_buf_str(&ecma->text), ecma->text.len,
                             options, &code, &at, context);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (*out != NULL) {
        return WH_OK;
    }
    if (context == NULL || code == PCRE2_ERROR_HEAP_FAILED) {
        return no_memory(eb);
    }
    PCRE2_UCHAR text[160] = "";
    (void)pcre2_get_error_message(code, text, sizeof text);
    return wh_err_set(eb, WH_EINVAL, "%s", (const char *)text);
}

wh_err wh_schema_pattern_new(const char *ecma, size_t n, wh_schema_pattern **out,
                             wh_errbuf *eb)
{
    if (n > PATTERN_MAX) {
        return wh_err_set(eb, WH_EINVAL, "a pattern of %zu bytes; at most %d", n,
                          PATTERN_MAX);
    }
    wh_schema_ecma translated;
    wh_err err = wh_schema_ecma_translate(ecma, n, &translated, eb);
    if (err != WH_OK) {
        return err;
    }
    wh_schema_pattern *p = wh_calloc(1, sizeof *p);
    if (p == NULL) {
        wh_buf_fini(&translated.text);
        return no_memory(eb);
    }
    /* A repeat of one element is tried without a call for each: x{1000} that ends at
     * its 999th costs 999 unseen. */
    p->step_cost = 3 + translated.repeat_max / 2;
    p->has_backrefs = translated.has_backrefs;
    err = compile(&translated, &p->code, eb);
    wh_buf_fini(&translated.text);
    if (err != WH_OK) {
        wh_schema_pattern_free(p);
        return err;
    }
    *out = p;
    return WH_OK;
}

void wh_schema_pattern_free(wh_schema_pattern *p)
{
    if (p != NULL) {
        pcre2_code_free(p->code);
        wh_free(p);
    }
}

/* ----------------------------------------------------------------- matching */

typedef struct meter {
    uint64_t *work, step_cost;
    size_t last; /* where the last call was */
    bool has_backrefs;
} meter;

static int on_step(pcre2_callout_block *block, void *data)
{
    meter *m = data;
    size_t here = block->current_position;
    size_t moved = here > m->last ? here - m->last : m->last - here;
    uint64_t cost = m->step_cost + moved;
    if (m->has_backrefs) {
        cost += here / 2; /* comparing a group that does not fit goes unseen, too */
    }
    m->last = here;
    if (cost > *m->work) {
        *m->work = 0;
        return PCRE2_ERROR_CALLOUT;
    }
    *m->work -= cost;
    return 0;
}

static wh_err prepare(wh_schema_pattern_scratch *s)
{
    if (s->data != NULL) {
        return WH_OK;
    }
    pcre2_general_context *general =
        pcre2_general_context_create(allocate, release, NULL);
    pcre2_match_context *context =
        general != NULL ? pcre2_match_context_create(general) : NULL;
    pcre2_match_data *data =
        context != NULL ? pcre2_match_data_create(1, general) : NULL;
    pcre2_general_context_free(general);
    if (data == NULL) {
        pcre2_match_context_free(context);
        return WH_ENOMEM;
    }
    (void)pcre2_set_match_limit(context, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(context, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
    s->data = data;
    s->context = context;
    return WH_OK;
}

void wh_schema_pattern_scratch_fini(wh_schema_pattern_scratch *s)
{
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    *s = (wh_schema_pattern_scratch){0};
}

wh_err wh_schema_pattern_match(const wh_schema_pattern *p, wh_schema_pattern_scratch *s,
                               const char *text, size_t n, uint64_t *work,
                               bool *matches)
{
    uint64_t least = 10 + n / 16; /* to look for where a match may begin */
    if (least > *work) {
        *work = 0;
        return WH_ETOOBIG;
    }
    *work -= least;
    wh_err err = prepare(s);
    if (err != WH_OK) {
        return err;
    }
    meter m = {
        .work = work, .step_cost = p->step_cost, .has_backrefs = p->has_backrefs};
    (void)pcre2_set_callout(s->context, on_step, &m);
    int code = pcre2_match(p->code, (PCRE2_SPTR)text, n, 0, PCRE2_NO_UTF_CHECK, s->data,
                           s->context);
    *matches = code >= 0; /* 0: more groups than the one place for them */
    if (code >= 0 || code == PCRE2_ERROR_NOMATCH) {
        return WH_OK;
    }
    return code == PCRE2_ERROR_NOMEMORY ? WH_ENOMEM : WH_ETOOBIG;
}
