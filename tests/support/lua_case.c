/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server per test program, hence state in one static struct: tests stay terse.
 */
#include "tests/support/lua_case.h"

#include "generated/lua_bundle_test.h"
#include "tests/support/redis_fixture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 64, FIELD_MAX = 64 };

static struct {
    wh_redis_fixture *redis;
    long long now;
} lc;

static redisReply *must(redisReply *r)
{
    if (r == NULL) {
        fail_msg("no reply from Redis");
        abort();
    }
    return r;
}

static void show(const redisReply *r, int depth)
{
    switch (r->type) {
    case REDIS_REPLY_INTEGER:
        print_error("%*s(integer) %lld\n", depth * 2, "", r->integer);
        break;
    case REDIS_REPLY_NIL:
        print_error("%*s(nil)\n", depth * 2, "");
        break;
    case REDIS_REPLY_ARRAY:
        print_error("%*sarray of %zu\n", depth * 2, "", r->elements);
        for (size_t i = 0; i < r->elements && i < 40; i++) {
            show(r->element[i], depth + 1);
        }
        break;
    default:
        print_error("%*s%s\"%.300s\"\n", depth * 2, "",
                    r->type == REDIS_REPLY_ERROR ? "(error) " : "", r->str);
    }
}

int wh_lc_start(void **state)
{
    (void)state;
    lc.redis = wh_redis_fixture_start(NULL);
    redisReply *r = wh_redis_fixture_cmd(lc.redis, "FUNCTION LOAD REPLACE %b",
                                         wh_lua_bundle_test, wh_lua_bundle_test_len);
    int bad = r == NULL || r->type == REDIS_REPLY_ERROR;

    if (bad && r != NULL) {
        show(r, 0);
    }
    freeReplyObject(r);
    return bad;
}

int wh_lc_stop(void **state)
{
    (void)state;
    wh_redis_fixture_stop(lc.redis);
    lc.redis = NULL;
    return 0;
}

int wh_lc_reset(void **state)
{
    (void)state;
    freeReplyObject(wh_lc_cmd("FLUSHALL"));
    wh_lc_clock(WH_LC_T0);
    return 0;
}

void wh_lc_clock(long long ms)
{
    lc.now = ms;
    freeReplyObject(wh_lc_cmd("FCALL wh1_test_clock 0 %lld", ms));
}

long long wh_lc_advance(long long ms)
{
    wh_lc_clock(lc.now + ms);
    return lc.now;
}

/* ------------------------------------------------------------------ ids */

static char *slot(void)
{
    static char slots[SLOTS][48];
    static unsigned next;

    return slots[next++ % SLOTS];
}

const char *wh_lc_id(unsigned n)
{
    char *s = slot();

    snprintf(s, 48, "0188aabb-cc00-7000-80ff-0000%08x", n);
    return s;
}

const char *wh_lc_raw(unsigned n)
{
    static const unsigned char head[12] = {0x01, 0x88, 0xaa, 0xbb, 0xcc, 0x00,
                                           0x70, 0x00, 0x80, 0xff, 0x00, 0x00};
    char *s = slot();

    memcpy(s, head, sizeof head);
    for (int i = 0; i < 4; i++) {
        s[12 + i] = (char)(n >> (24 - 8 * i) & 0xff);
    }
    return s;
}

const char *wh_lc_token(unsigned n, unsigned fence)
{
    char *s = slot();

    memcpy(s, wh_lc_raw(n), 16);
    snprintf(s + 16, 24, "%u", fence);
    return s;
}

size_t wh_lc_token_len(unsigned fence)
{
    char digits[24];

    return 16 + (size_t)snprintf(digits, sizeof digits, "%u", fence);
}

/* ---------------------------------------------------------------- calls */

redisReply *wh_lc_cmd(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = wh_redis_fixture_vcmd(lc.redis, fmt, ap);
    va_end(ap);
    return must(r);
}

static redisReply *vcall(const char *fn, const char *fmt, va_list ap)
{
    char whole[2048];

    snprintf(whole, sizeof whole, "FCALL %s 1 " WH_LC_P " %s", fn, fmt);
    return must(wh_redis_fixture_vcmd(lc.redis, whole, ap));
}

redisReply *wh_lc_call(const char *fn, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = vcall(fn, fmt, ap);
    va_end(ap);
    return r;
}

void wh_lc_add(struct wh_lc_args *a, const void *bytes, size_t len)
{
    if (a->n == a->room) {
        a->room = a->room * 2 + 16;
        a->v = realloc(a->v, (size_t)a->room * sizeof *a->v);
        a->len = realloc(a->len, (size_t)a->room * sizeof *a->len);
        assert_non_null(a->v);
        assert_non_null(a->len);
    }
    a->v[a->n] = malloc(len + 1);
    assert_non_null(a->v[a->n]);
    memcpy(a->v[a->n], bytes, len);
    a->len[a->n++] = len;
}

void wh_lc_add_text(struct wh_lc_args *a, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert_in_range(n, 0, sizeof text - 1);
    wh_lc_add(a, text, (size_t)n);
}

redisReply *wh_lc_call_args(const char *fn, struct wh_lc_args *a)
{
    const char *head[] = {"FCALL", fn, "1", WH_LC_P};
    size_t n_head = fn != NULL ? 4 : 0;
    size_t n = n_head + (size_t)a->n;
    const char **argv = calloc(n, sizeof *argv);
    size_t *lens = calloc(n, sizeof *lens);

    assert_non_null(argv);
    assert_non_null(lens);
    for (size_t i = 0; i < n; i++) {
        argv[i] = i < n_head ? head[i] : a->v[i - n_head];
        lens[i] = i < n_head ? strlen(head[i]) : a->len[i - n_head];
    }
    redisReply *r = must(wh_redis_fixture_argv(lc.redis, (int)n, argv, lens));
    for (int i = 0; i < a->n; i++) {
        free(a->v[i]);
    }
    free(a->v);
    free(a->len);
    free(argv);
    free(lens);
    *a = (struct wh_lc_args){0};
    return r;
}

/* --------------------------------------------------------- expectations */

static void not_error(const redisReply *r, const char *fn)
{
    if (r->type == REDIS_REPLY_ERROR) {
        show(r, 0);
        fail_msg("%s answers an error", fn);
    }
}

void wh_lc_ok(const char *fn, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = vcall(fn, fmt, ap);
    va_end(ap);
    not_error(r, fn);
    freeReplyObject(r);
}

void wh_lc_text(const char *want, const char *fn, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = vcall(fn, fmt, ap);
    va_end(ap);
    if ((r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS) ||
        strcmp(r->str, want) != 0) {
        show(r, 0);
        fail_msg("%s should answer %s", fn, want);
    }
    freeReplyObject(r);
}

void wh_lc_digest(char out[41])
{
    static const char script[] =
        /* The order inside a hash or set is no part of its value: a table may be in the
         * middle of growing. */
        "local function sorted(list, n) local t = {} "
        "for i = 1, #list, n do t[#t + 1] = list[i] .. '\\n' .. (n == 2 and list[i + "
        "1] or '') end "
        "table.sort(t) return table.concat(t, '\\n') end "
        "local ks = redis.call('KEYS', '*') table.sort(ks) local h = '' "
        "for _, k in ipairs(ks) do local kind, v = redis.call('TYPE', k).ok, nil "
        "if kind == 'hash' then v = sorted(redis.call('HGETALL', k), 2) "
        "elseif kind == 'set' then v = sorted(redis.call('SMEMBERS', k), 1) "
        "elseif kind == 'zset' then v = sorted(redis.call('ZRANGE', k, 0, -1, "
        "'WITHSCORES'), 2) "
        "else v = redis.call('DUMP', k) end "
        "h = redis.sha1hex(h .. k .. '\\n' .. kind .. v) end return h";
    redisReply *r = wh_lc_cmd("EVAL %s 0", script);

    not_error(r, "digest");
    snprintf(out, 41, "%s", r->str);
    freeReplyObject(r);
}

static void check_error(const redisReply *r, const char *word, const char *fn,
                        const char *before)
{
    char after[41];
    size_t n = strlen(word);

    if (r->type != REDIS_REPLY_ERROR || strncmp(r->str, word, n) != 0 ||
        (r->str[n] != ' ' && r->str[n] != '\0')) {
        show(r, 0);
        fail_msg("%s should answer %s", fn, word);
    }
    wh_lc_digest(after);
    if (strcmp(before, after) != 0) {
        show(r, 0);
        fail_msg("%s answered %s and changed data", fn, word);
    }
}

void wh_lc_error(const char *word, const char *fn, const char *fmt, ...)
{
    char before[41];
    va_list ap;

    wh_lc_digest(before);
    va_start(ap, fmt);
    redisReply *r = vcall(fn, fmt, ap);
    va_end(ap);
    check_error(r, word, fn, before);
    freeReplyObject(r);
}

void wh_lc_error_args(const char *word, const char *fn, struct wh_lc_args *a)
{
    char before[41];

    wh_lc_digest(before);
    redisReply *r = wh_lc_call_args(fn, a);
    check_error(r, word, fn, before);
    freeReplyObject(r);
}

long long wh_lc_nth(long long i, const char *fn, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = vcall(fn, fmt, ap);
    va_end(ap);
    if (r->type != REDIS_REPLY_ARRAY || (size_t)i >= r->elements ||
        r->element[i]->type != REDIS_REPLY_INTEGER) {
        show(r, 0);
        fail_msg("%s should answer an integer at %lld", fn, i);
    }
    long long v = r->element[i]->integer;
    freeReplyObject(r);
    return v;
}

const redisReply *wh_lc_find(const redisReply *flat, const char *field)
{
    for (size_t i = 0; i + 1 < flat->elements; i += 2) {
        if (strcmp(flat->element[i]->str, field) == 0) {
            return flat->element[i + 1];
        }
    }
    return NULL;
}

void wh_lc_field(unsigned n, const char *field, const char *want)
{
    redisReply *r = wh_lc_call("wh1_job", "%s", wh_lc_id(n));

    not_error(r, "wh1_job");
    const redisReply *v = wh_lc_find(r, field);
    if ((v == NULL) != (want == NULL) || (v != NULL && strcmp(v->str, want) != 0)) {
        show(r, 0);
        fail_msg("job %u: %s should be %s", n, field, want != NULL ? want : "absent");
    }
    freeReplyObject(r);
}

void wh_lc_status(unsigned n, const char *want)
{
    if (want == NULL) {
        wh_lc_error("WHNOTFOUND", "wh1_job", "%s", wh_lc_id(n));
    } else {
        wh_lc_field(n, "status", want);
    }
}

long long wh_lc_get_stat(const char *name)
{
    redisReply *r = wh_lc_call("wh1_stats", "");

    not_error(r, "wh1_stats");
    const redisReply *v = wh_lc_find(r, name);
    if (v == NULL || v->type != REDIS_REPLY_INTEGER) {
        fail_msg("stats have no %s", name);
    }
    long long got = v != NULL ? v->integer : -1;
    freeReplyObject(r);
    return got;
}

void wh_lc_stat(const char *name, long long want)
{
    long long got = wh_lc_get_stat(name);

    if (got != want) {
        fail_msg("stats: %s is %lld, should be %lld", name, got, want);
    }
}

void wh_lc_audit(void)
{
    redisReply *r = wh_lc_call("wh1_audit", "1000000");

    not_error(r, "wh1_audit");
    if (r->elements != 1) {
        show(r, 0);
        fail_msg("the audit finds problems");
    }
    freeReplyObject(r);
}

long long wh_lc_count(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = must(wh_redis_fixture_vcmd(lc.redis, fmt, ap));
    va_end(ap);
    if (r->type != REDIS_REPLY_INTEGER) {
        show(r, 0);
        fail_msg("%s should answer an integer", fmt);
    }
    long long v = r->integer;
    freeReplyObject(r);
    return v;
}

/* ------------------------------------------------------------ shortcuts */

void wh_lc_worker(const char *worker)
{
    wh_lc_ok("wh1_heartbeat", "%s 30000 new %s", worker, "{}");
}

void wh_lc_enqueue(unsigned n, const char *fmt, ...)
{
    char whole[1024];
    va_list ap;

    snprintf(whole, sizeof whole, "mail p%u ID %s %s", n, wh_lc_id(n), fmt);
    va_start(ap, fmt);
    redisReply *r = vcall("wh1_enqueue", whole, ap);
    va_end(ap);
    not_error(r, "wh1_enqueue");
    assert_string_equal(r->element[1]->str, "created");
    freeReplyObject(r);
}

void wh_lc_claim(const char *worker, unsigned want, const char *order)
{
    char got[4096] = "";
    size_t at = 0;
    redisReply *r = wh_lc_call("wh1_cycle", "%s %u 0", worker, want);

    not_error(r, "wh1_cycle");
    const redisReply *c = r->element[4];
    for (size_t i = 0; i < c->elements; i += 3) {
        const unsigned char *raw = (const unsigned char *)c->element[i]->str;
        unsigned n = (unsigned)raw[12] << 24 | (unsigned)raw[13] << 16 |
                     (unsigned)raw[14] << 8 | raw[15];

        assert_true(at + 12 < sizeof got);
        at += (size_t)snprintf(got + at, sizeof got - at, at != 0 ? " %u" : "%u", n);
    }
    assert_string_equal(got, order);
    freeReplyObject(r);
}

void wh_lc_finish(const char *worker, const struct wh_lc_end *e, bool accepted)
{
    redisReply *r = wh_lc_call(
        "wh1_cycle", "%s 0 0 %b %s %lld %s %s %s %s", worker, WH_LC_TOK(e->n, e->fence),
        e->outcome, e->delay_ms, e->category != NULL ? e->category : "",
        e->message != NULL ? e->message : "", e->context != NULL ? e->context : "",
        e->result != NULL ? e->result : "");

    not_error(r, "wh1_cycle");
    assert_int_equal(r->element[3]->elements, accepted ? 0 : 1);
    freeReplyObject(r);
}

void wh_lc_done(const char *worker, unsigned n, unsigned fence, bool accepted)
{
    redisReply *r = wh_lc_call("wh1_cycle", "%s 0 1 %b", worker, WH_LC_TOK(n, fence));

    not_error(r, "wh1_cycle");
    assert_int_equal(r->element[3]->elements, accepted ? 0 : 1);
    freeReplyObject(r);
}

void wh_lc_dead(const char *worker, unsigned n, const char *category)
{
    struct wh_lc_end e = {.n = n, .fence = 1, .outcome = "dead", .category = category};

    wh_lc_finish(worker, &e, true);
    wh_lc_status(n, "failed");
}
