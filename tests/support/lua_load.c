/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads are packed by hand: fixed-size msgpack strings, hence the bound on names.
 */
#include "tests/support/lua_load.h"

#include "tests/support/lua_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const redisReply *r, int type, const char *what)
{
    if (r->type != type) {
        fail_msg("%s: %s", what, r->type == REDIS_REPLY_ERROR ? r->str : "odd reply");
    }
}

static size_t put_text(char *to, const char *text)
{
    size_t len = strlen(text);

    assert_in_range(len, 1, 31);
    to[0] = (char)(0xa0 | len);
    memcpy(to + 1, text, len);
    return len + 1;
}

/* A name as it is, or a numbered one of many. */
static size_t put_name(char *to, const char *name, unsigned number, unsigned many)
{
    char numbered[64];

    if (many == 0) {
        return put_text(to, name);
    }
    snprintf(numbered, sizeof numbered, "%s%u", name, number % many);
    return put_text(to, numbered);
}

static size_t pack_head(char *head, const struct wh_ll_jobs *jobs, unsigned i)
{
    size_t at = 0;

    head[at++] = (char)(jobs->group != NULL ? 0x94 : 0x93);
    at += put_name(head + at, jobs->type, i, jobs->types);
    at += put_text(head + at, jobs->org);
    head[at++] = (char)(jobs->priority != 0 ? jobs->priority : 5);
    if (jobs->group != NULL) {
        head[at++] = (char)0x81;
        at += put_text(head + at, "g");
        at += put_name(head + at, jobs->group, jobs->types > 0 ? i / jobs->types : i,
                       jobs->groups);
    }
    return at;
}

void wh_ll_fill(const struct wh_ll_jobs *jobs)
{
    char head[128];

    for (unsigned done = 0; done < jobs->count;) {
        struct wh_lc_args a = {0};
        unsigned batch = jobs->count - done < 1000 ? jobs->count - done : 1000;

        for (unsigned i = 0; i < batch; i++) {
            wh_lc_add(&a, wh_lc_raw(jobs->first + done + i), 16);
            wh_lc_add(&a, head, pack_head(head, jobs, done + i));
            wh_lc_add_text(&a, "payload");
        }
        redisReply *r = wh_lc_call_args("wh1_enqueue_batch", &a);
        check(r, REDIS_REPLY_ARRAY, "wh1_enqueue_batch");
        assert_int_equal(r->element[0]->integer, batch);
        freeReplyObject(r);
        done += batch;
    }
}

void wh_ll_fill_org(unsigned first, unsigned count, const char *type, const char *org)
{
    wh_ll_fill(
        &(struct wh_ll_jobs){.first = first, .count = count, .type = type, .org = org});
}

void wh_ll_start(void)
{
    wh_lc_ok("wh1_configure", "keep_count 0");
    wh_lc_ok("wh1_heartbeat", "w 3600000 new %s", "{}");
}

void wh_ll_put(unsigned n, const char *type, const char *options)
{
    char words[512];
    struct wh_lc_args a = {0};
    char *save = NULL;

    assert_in_range(strlen(options), 0, sizeof words - 1);
    memcpy(words, options, strlen(options) + 1);
    wh_lc_add_text(&a, "%s", type);
    wh_lc_add_text(&a, "p%u", n);
    wh_lc_add_text(&a, "ID");
    wh_lc_add_text(&a, "%s", wh_lc_id(n));
    for (char *w = strtok_r(words, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        wh_lc_add_text(&a, "%s", w);
    }
    redisReply *r = wh_lc_call_args("wh1_enqueue", &a);
    check(r, REDIS_REPLY_ARRAY, "wh1_enqueue");
    assert_string_equal(r->element[1]->str, "created");
    freeReplyObject(r);
}

void wh_ll_set(const char *setting, const char *value)
{
    wh_lc_text("OK", "wh1_limit", "%s %s", setting, value);
}

void wh_ll_take(const char *worker, unsigned want, struct wh_ll_claims *c)
{
    redisReply *r = wh_lc_call("wh1_cycle", "%s %u 0", worker, want);

    check(r, REDIS_REPLY_ARRAY, "wh1_cycle");
    const redisReply *claimed = r->element[4];
    assert_in_range(claimed->elements / 3, 0, want);
    c->n = 0;
    c->next_due = r->element[1]->integer;
    c->flags = (unsigned)r->element[2]->integer;
    for (size_t i = 0; i < claimed->elements; i += 3) {
        const unsigned char *raw = (const unsigned char *)claimed->element[i]->str;

        c->id[c->n] = (unsigned)raw[12] << 24 | (unsigned)raw[13] << 16 |
                      (unsigned)raw[14] << 8 | raw[15];
        c->fence[c->n++] = (unsigned)strtoul((const char *)raw + 16, NULL, 10);
    }
    freeReplyObject(r);
}

unsigned wh_ll_take_count(const char *worker, unsigned want)
{
    struct wh_ll_claims c;

    wh_ll_take(worker, want, &c);
    return c.n;
}

void wh_ll_done(const char *worker, const struct wh_ll_claims *c)
{
    struct wh_lc_args a = {0};

    wh_lc_add_text(&a, "%s", worker);
    wh_lc_add_text(&a, "0");
    wh_lc_add_text(&a, "%u", c->n);
    for (unsigned i = 0; i < c->n; i++) {
        wh_lc_add(&a, WH_LC_TOK(c->id[i], c->fence[i]));
    }
    redisReply *r = wh_lc_call_args("wh1_cycle", &a);
    check(r, REDIS_REPLY_ARRAY, "wh1_cycle");
    assert_int_equal(r->element[3]->elements, 0);
    freeReplyObject(r);
}

void wh_ll_end(const char *worker, unsigned n, unsigned fence, const char *outcome,
               long long delay_ms, const char *category)
{
    struct wh_lc_end e = {.n = n,
                          .fence = fence,
                          .outcome = outcome,
                          .delay_ms = delay_ms,
                          .category = category};

    wh_lc_finish(worker, &e, true);
}

void wh_ll_fire(unsigned n)
{
    struct wh_lc_args a = {0};

    wh_lc_text("created", "wh1_cron_set", "nightly def 5000");
    wh_lc_add_text(&a, "nightly");
    wh_lc_add_text(&a, "5000");
    wh_lc_add_text(&a, "6000");
    wh_lc_add(&a, wh_lc_raw(n), 16);
    wh_lc_add(&a, "\x93\xa4mail\xa1o\x05", 9);
    wh_lc_add_text(&a, "p");
    redisReply *r = wh_lc_call_args("wh1_cron_fire", &a);
    assert_int_equal(r->element[0]->integer, 1);
    assert_int_equal(r->element[1]->integer, 1);
    freeReplyObject(r);
}

void wh_ll_reset_calls(void)
{
    freeReplyObject(wh_lc_cmd("CONFIG RESETSTAT"));
}

static bool is_ours(const char *line)
{
    static const char *const own[] = {"fcall", "config", "info"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strncmp(line, own[i], strlen(own[i])) == 0) {
            return true;
        }
    }
    return false;
}

long long wh_ll_calls(const char *command)
{
    long long sum = 0;
    redisReply *r = wh_lc_cmd("INFO commandstats");
    char *save = NULL;

    for (char *line = strtok_r(r->str, "\r\n", &save); line != NULL;
         line = strtok_r(NULL, "\r\n", &save)) {
        const char *calls = strstr(line, ":calls=");
        if (calls == NULL || strncmp(line, "cmdstat_", 8) != 0) {
            continue;
        }
        const char *name = line + 8;
        size_t len = (size_t)(calls - name);
        bool named = command == NULL
                         ? !is_ours(name)
                         : strlen(command) == len && strncmp(name, command, len) == 0;
        if (named) {
            sum += strtoll(calls + 7, NULL, 10);
        }
    }
    freeReplyObject(r);
    return sum;
}
