/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests are written as RESP bytes at once; only the argument count, known at the
 * end, is put in front by _finish. A wh_reply is hiredis' reply seen through a type that
 * the upper layers can't look into, so that a view costs nothing.
 */
#include "common/store/call.h"

#include "common/base/alloc.h"

#include <inttypes.h>
#include <string.h>

#include <hiredis/hiredis.h>

enum { BULK_OVERHEAD = 32, DIGITS_MAX = 24 };

/* ---- replies ---- */

static const redisReply *inner(const wh_reply *r)
{
    return (const redisReply *)(const void *)r;
}

const wh_reply *wh_call_view(const struct redisReply *r)
{
    return (const wh_reply *)(const void *)r;
}

wh_reply_type wh_reply_type_of(const wh_reply *r)
{
    if (r == NULL) {
        return WH_REPLY_NIL;
    }
    switch (inner(r)->type) {
    case REDIS_REPLY_INTEGER:
        return WH_REPLY_INT;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return WH_REPLY_STR;
    case REDIS_REPLY_ARRAY:
        return WH_REPLY_ARRAY;
    default: /* nil, and an error inside an array, which no function of ours makes */
        return WH_REPLY_NIL;
    }
}

size_t wh_reply_count(const wh_reply *r)
{
    return wh_reply_type_of(r) == WH_REPLY_ARRAY ? inner(r)->elements : 0;
}

const wh_reply *wh_reply_at(const wh_reply *r, size_t i)
{
    return i < wh_reply_count(r) ? wh_call_view(inner(r)->element[i]) : NULL;
}

static bool parse_int(const char *p, size_t n, int64_t *out)
{
    size_t i = n > 0 && p[0] == '-' ? 1 : 0;
    uint64_t value = 0;

    if (i == n || n - i > 18) {
        return false;
    }
    for (; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(p[i] - '0');
    }
    *out = p[0] == '-' ? -(int64_t)value : (int64_t)value;
    return true;
}

int64_t wh_reply_int(const wh_reply *r, int64_t dflt)
{
    int64_t value = dflt;

    switch (wh_reply_type_of(r)) {
    case WH_REPLY_INT:
        return inner(r)->integer;
    case WH_REPLY_STR:
        return parse_int(inner(r)->str, inner(r)->len, &value) ? value : dflt;
    case WH_REPLY_NIL:
    case WH_REPLY_ARRAY:
        break;
    }
    return dflt;
}

wh_slice wh_reply_str(const wh_reply *r)
{
    if (wh_reply_type_of(r) != WH_REPLY_STR) {
        return (wh_slice){NULL, 0};
    }
    return (wh_slice){inner(r)->str, inner(r)->len};
}

static redisReply *copy_node(const redisReply *from);

static bool copy_elements(redisReply *to, const redisReply *from)
{
    if (from->elements == 0) {
        return true;
    }
    to->element = wh_calloc(from->elements, sizeof(redisReply *));
    if (to->element == NULL) {
        return false;
    }
    for (; to->elements < from->elements; to->elements++) {
        to->element[to->elements] = copy_node(from->element[to->elements]);
        if (to->element[to->elements] == NULL) {
            return false;
        }
    }
    return true;
}

static void free_node(redisReply *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->elements; i++) {
        free_node(r->element[i]);
    }
    wh_free(r->element);
    wh_free(r->str);
    wh_free(r);
}

/* Recursion is bounded by the reader's own limit of nesting. */
static redisReply *copy_node(const redisReply *from)
{
    redisReply *to = wh_calloc(1, sizeof *to);

    if (to == NULL) {
        return NULL;
    }
    to->type = from->type;
    to->integer = from->integer;
    if (from->type == REDIS_REPLY_ARRAY) {
        if (!copy_elements(to, from)) {
            goto fail;
        }
    } else if (from->str != NULL) {
        to->str = wh_memdup(from->str, from->len);
        if (to->str == NULL) {
            goto fail;
        }
        to->len = from->len;
    }
    return to;
fail:
    free_node(to);
    return NULL;
}

wh_err wh_reply_copy(const wh_reply *r, wh_reply **out)
{
    *out = NULL;
    if (r == NULL) {
        return WH_OK;
    }
    *out = (wh_reply *)(void *)copy_node(inner(r));
    return *out == NULL ? WH_ENOMEM : WH_OK;
}

void wh_reply_free(wh_reply *r)
{
    free_node((redisReply *)(void *)r);
}

/* ---- errors ---- */

static const struct error_word {
    const char *word;
    wh_err code;
} error_words[] = {
    {"WHBADARG", WH_EINVAL},
    {"WHTOOBIG", WH_ETOOBIG},
    {"WHLOST", WH_ELOST},
    {"WHNOTFOUND", WH_ENOTFOUND},
    {"WHSTATE", WH_ESTATE},
    {"WHBADDATA", WH_EBADDATA},
    {"WRONGTYPE", WH_EBADDATA},
    {"OOM", WH_EFULL},
    {"MISCONF", WH_EFULL},
    {"NOREPLICAS", WH_EFULL},
    {"BUSY", WH_EBUSY},
    {"LOADING", WH_EBUSY},
    {"MASTERDOWN", WH_EBUSY},
    {"READONLY", WH_EBUSY},
    {"TRYAGAIN", WH_EBUSY},
    {"CLUSTERDOWN", WH_EBUSY},
    {"UNBLOCKED", WH_EBUSY},
    {"NOAUTH", WH_EAUTH},
    {"WRONGPASS", WH_EAUTH},
    {"NOPERM", WH_EPERM},
    {"WHBACKPRESSURE", WH_EBACKPRESSURE},
};

/* What Redis says under its catch-all word ERR and we must tell apart. */
static const struct error_word error_phrases[] = {
    {"ERR Function not found", WH_ENOFUNC},
    {"ERR ACL failure in script", WH_EPERM},
    {"ERR The user executing the script", WH_EPERM},
};

static wh_err code_of(const char *text, size_t n, size_t word_len)
{
    for (size_t i = 0; i < sizeof error_words / sizeof error_words[0]; i++) {
        if (strlen(error_words[i].word) == word_len &&
            memcmp(error_words[i].word, text, word_len) == 0) {
            return error_words[i].code;
        }
    }
    for (size_t i = 0; i < sizeof error_phrases / sizeof error_phrases[0]; i++) {
        size_t len = strlen(error_phrases[i].word);

        if (n >= len && memcmp(error_phrases[i].word, text, len) == 0) {
            return error_phrases[i].code;
        }
    }
    return WH_EREDIS;
}

/* Digits at the start of the text; returns how many. */
static size_t read_digits(const char *text, size_t n, int64_t *out)
{
    size_t digits = 0;

    *out = 0;
    while (digits < n && digits < 15 && text[digits] >= '0' && text[digits] <= '9') {
        *out = *out * 10 + (text[digits++] - '0');
    }
    return digits;
}

/* "job <n>: " before the sentence; returns its length, 0 when it is not there. */
static size_t read_job(const char *text, size_t n, size_t *job)
{
    static const char before[] = "job ", behind[] = ": ";
    const size_t head = sizeof before - 1, tail = sizeof behind - 1;
    int64_t number = 0;

    *job = 0;
    if (n <= head || memcmp(text, before, head) != 0) {
        return 0;
    }
    size_t at = head + read_digits(text + head, n - head, &number);
    if (at == head || n < at + tail || memcmp(text + at, behind, tail) != 0) {
        return 0;
    }
    *job = (size_t)number;
    return at + tail;
}

/* "[<ms> ][job <n>: ]<why>": the numbers for the caller, the sentence for people. */
static wh_err refused(wh_err code, const char *text, size_t n, wh_errbuf *eb)
{
    const bool is_for_now = code == WH_EBACKPRESSURE;
    int64_t ms = 0;
    size_t job = 0;
    size_t skip = is_for_now ? read_digits(text, n, &ms) : 0;

    skip += skip > 0 && skip < n && text[skip] == ' ';
    skip += read_job(text + skip, n - skip, &job);
    size_t left = n - skip < 240 ? n - skip : 240;
    if (is_for_now) {
        (void)wh_err_set(eb, code, "%.*s (try again in %" PRId64 " ms)", (int)left,
                         text + skip, ms);
    } else {
        (void)wh_err_set(eb, code, "%.*s", (int)left, text + skip);
    }
    if (eb != NULL) {
        eb->retry_after_ms = ms;
        eb->job = job;
    }
    return code;
}

wh_err wh_call_error(const struct redisReply *r, wh_errbuf *eb)
{
    if (r == NULL) {
        return wh_err_set(eb, WH_EPROTO, "no reply");
    }
    if (r->type != REDIS_REPLY_ERROR) {
        return WH_OK;
    }
    const char *space = memchr(r->str, ' ', r->len);
    size_t word_len = space == NULL ? r->len : (size_t)(space - r->str);
    wh_err code = code_of(r->str, r->len, word_len);
    size_t skip = space != NULL && r->len > 2 && memcmp(r->str, "WH", 2) == 0
                      ? word_len + 1
                      : 0; /* our own words are in the code already */
    size_t left = r->len - skip;
    if (code == WH_EBACKPRESSURE || code == WH_ETOOBIG) {
        return refused(code, r->str + skip, left, eb);
    }
    return wh_err_set(eb, code, "%.*s", (int)(left > 300 ? 300 : left), r->str + skip);
}

/* ---- requests ---- */

static size_t put_number(char *p, uint64_t v)
{
    char digits[DIGITS_MAX];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++) {
        p[i] = digits[n - 1 - i];
    }
    return n;
}

void wh_call_put_head(wh_buf *out, size_t argc)
{
    char *p = wh_buf_reserve(out, BULK_OVERHEAD);

    if (p != NULL) {
        size_t n = 1;

        p[0] = '*';
        n += put_number(p + n, argc);
        p[n++] = '\r';
        p[n++] = '\n';
        out->len += n;
    }
}

void wh_call_put(wh_buf *out, const void *data, size_t n)
{
    char *start =
        n > SIZE_MAX - BULK_OVERHEAD ? NULL : wh_buf_reserve(out, n + BULK_OVERHEAD);

    if (start == NULL) {
        out->failed = true;
        return;
    }
    char *p = start;
    *p++ = '$';
    p += put_number(p, n);
    *p++ = '\r';
    *p++ = '\n';
    if (n > 0) {
        memcpy(p, data, n);
        p += n;
    }
    *p++ = '\r';
    *p++ = '\n';
    out->len += (size_t)(p - start);
}

void wh_call_puts(wh_buf *out, const char *s)
{
    wh_call_put(out, s, strlen(s));
}

void wh_call_puti(wh_buf *out, int64_t v)
{
    char text[DIGITS_MAX];
    size_t n = 0;

    if (v < 0) {
        text[n++] = '-';
    }
    n += put_number(text + n, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    wh_call_put(out, text, n);
}

void wh_call_init_command(wh_call *c, const char *command)
{
    *c = (wh_call){.argc = 0};
    wh_call_args(c, command);
}

void wh_call_init(wh_call *c, const char *function, bool read_only, const char *key)
{
    wh_call_init_command(c, read_only ? "FCALL_RO" : "FCALL");
    c->is_function = true;
    wh_call_args(c, function);
    wh_call_argi(c, key == NULL ? 0 : 1);
    if (key != NULL) {
        wh_call_args(c, key);
    }
}

void wh_call_arg(wh_call *c, const void *p, size_t n)
{
    wh_call_put(&c->body, p, n);
    c->argc++;
}

void wh_call_args(wh_call *c, const char *s)
{
    wh_call_arg(c, s, strlen(s));
}

void wh_call_argi(wh_call *c, int64_t v)
{
    wh_call_puti(&c->body, v);
    c->argc++;
}

wh_err wh_call_finish(wh_call *c, wh_buf *out)
{
    bool ok = wh_buf_ok(&c->body);

    if (ok) {
        wh_call_put_head(out, c->argc);
        wh_buf_add(out, c->body.data, c->body.len);
    }
    wh_call_fini(c);
    return ok && wh_buf_ok(out) ? WH_OK : WH_ENOMEM;
}

void wh_call_fini(wh_call *c)
{
    wh_buf_fini(&c->body);
    *c = (wh_call){.argc = 0};
}
