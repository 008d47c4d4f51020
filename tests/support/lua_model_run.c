/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orgs are named o00…, workers w0…, so that their order by name is that of their numbers;
 * groups g1….
 */
#include "tests/support/lua_model_run.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { LAST = 20 };

void wh_lmr_init(struct wh_lmr *r, unsigned share)
{
    const char *seed = getenv("WH_MODEL_SEED");
    const char *count = getenv("WH_MODEL_OPS");
    struct timespec now;

    memset(r, 0, sizeof *r);
    clock_gettime(CLOCK_REALTIME, &now);
    r->seed = seed != NULL ? strtoull(seed, NULL, 10)
                           : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    r->random = r->seed;
    r->ops = (count != NULL ? strtoul(count, NULL, 10) : 100000) * share / 100;
    wh_lm_init(&r->m, WH_LC_T0);
    r->m.still_held = wh_lmr_still_held;
    print_message("WH_MODEL_SEED=%" PRIu64 " WH_MODEL_OPS=%lu\n", r->seed, r->ops);
}

/* SplitMix64. */
unsigned wh_lmr_random(struct wh_lmr *r, unsigned below)
{
    uint64_t z = r->random += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return (unsigned)((z ^ z >> 31) % below);
}

bool wh_lmr_chance(struct wh_lmr *r, unsigned percent)
{
    return wh_lmr_random(r, 100) < percent;
}

void wh_lmr_note(struct wh_lmr *r, const char *fmt, ...)
{
    char *line = r->last[r->notes++ % LAST];
    size_t used =
        (size_t)snprintf(line, sizeof r->last[0], "%lu @%lld ", r->op, r->m.now);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line + used, sizeof r->last[0] - used, fmt, ap);
    va_end(ap);
}

/* The readable keys that decide who runs. */
static void show_keys(void)
{
    static const char *const hashes[] = {"limits", "levels", "load", "active"};
    static const char script[] =
        "local P, out = ARGV[1], {} for _, k in ipairs(redis.call('KEYS', P .. '*')) "
        "do "
        "local what, v = string.match(k, '^%a+', #P + 1), nil "
        "if what == 'ring' or what == 'parked' or what == 'waiting' or what == "
        "'groups' or what == 'held' "
        "then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') "
        "elseif what == 'aside' then v = {redis.call('ZCARD', k)} "
        "elseif what == 'ratelimit' then v = {redis.call('GET', k)} "
        "elseif what == 'breaker' then v = redis.call('HGETALL', k) end "
        "if v then out[#out + 1] = '  ' .. k .. ': ' .. table.concat(v, ' ') end end "
        "return table.concat(out, '\\n')";

    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        redisReply *r = wh_lc_cmd("HGETALL " WH_LC_P ":%s", hashes[i]);
        print_error("  %s:", hashes[i]);
        for (size_t k = 0; k < r->elements; k++) {
            print_error(" %s", r->element[k]->str);
        }
        print_error("\n");
        freeReplyObject(r);
    }
    redisReply *r = wh_lc_cmd("EVAL %s 0 " WH_LC_P ":", script);
    char *save = NULL; /* by lines: cmocka cuts long texts */
    for (char *line = strtok_r(r->str, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        print_error("%s\n", line);
    }
    freeReplyObject(r);
}

void wh_lmr_show(const struct wh_lmr *r)
{
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        const struct wh_lm_breaker *b = &r->m.limits.state[t];
        print_error("  the model's breaker of %s: state %d first %.0f window %.0f "
                    "since %.0f good %g+%g bad %g+%g\n",
                    wh_lm_types[t], (int)b->state, b->first, b->window, b->since,
                    b->good0, b->good, b->bad0, b->bad);
    }
    print_error("WH_MODEL_SEED=%" PRIu64 ", the last operations:\n", r->seed);
    for (unsigned long i = r->notes < LAST ? 0 : r->notes - LAST; i < r->notes; i++) {
        print_error("  %s\n", r->last[i % LAST]);
    }
    show_keys();
}

unsigned wh_lmr_pick_in(struct wh_lmr *run, enum wh_lm_state state)
{
    unsigned from = wh_lmr_random(run, WH_LM_JOBS);

    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        unsigned n = (from + i) % WH_LM_JOBS;
        if (run->m.job[n].state == state) {
            return n;
        }
    }
    return from;
}

unsigned wh_lmr_pick_live(struct wh_lmr *run)
{
    unsigned w = wh_lmr_random(run, WH_LM_WORKERS);

    for (unsigned i = 0; i < WH_LM_WORKERS && wh_lmr_chance(run, 95); i++, w++) {
        if (wh_lm_live(&run->m, w % WH_LM_WORKERS)) {
            break;
        }
    }
    return w % WH_LM_WORKERS;
}

void wh_lmr_is_error(const redisReply *r, const char *word)
{
    if (r->type != REDIS_REPLY_ERROR || strncmp(r->str, word, strlen(word)) != 0) {
        fail_msg("should answer %s, not %s", word, r->str != NULL ? r->str : "a value");
    }
}

void wh_lmr_is_array(const redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY) {
        fail_msg("should answer an array, not %s", r->str != NULL ? r->str : "a value");
    }
}

/* ---------------------------------------------------------------- calls */

/* A line for each key, with the SHA-1 of its contents in a fixed order, whatever order a table
 * happens to have. Of the events only their number; not what a repeated call may do again (wake,
 * count). What ends by Redis' own clock must not end between two looks. */
static char *digest(const struct wh_lmr *run)
{
    static const char script[] =
        "local out, P = {}, ARGV[1] local function add(name, v) "
        "for i = 1, #v do v[i] = #v[i] .. ':' .. v[i] end "
        "out[#out + 1] = name .. ' ' .. redis.sha1hex(table.concat(v, ',')) end "
        "local all = redis.call('KEYS', P .. '*') table.sort(all) "
        "for _, k in ipairs(all) do local name, v = string.sub(k, #P + 1), {} "
        "local what = string.match(name, '^%a+') "
        "if what == 'ratelimit' or what == 'breaker' then redis.call('PERSIST', k) end "
        "local type = redis.call('TYPE', k).ok "
        "if what == 'bell' or what == 'idle' or what == 'stats' or "
        "(what == 'events' and ARGV[2] == '1') then type = 'none' end "
        "if type == 'hash' then local f = redis.call('HGETALL', k) "
        "for i = 1, #f, 2 do if what ~= 'ctl' or (f[i] ~= 'limits' and f[i] ~= 'seq') "
        "then v[#v + 1] = #f[i] .. f[i] .. '=' .. f[i + 1] end end table.sort(v) "
        "elseif type == 'zset' then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') "
        "elseif type == 'list' then v = redis.call('LRANGE', k, 0, -1) "
        "elseif type == 'set' then v = redis.call('SMEMBERS', k) table.sort(v) "
        "elseif type == 'string' then v = {redis.call('GET', k)} "
        "elseif what == 'events' and type == 'stream' then v = "
        "{tostring(redis.call('XLEN', k))} "
        "elseif type == 'stream' then for _, e in ipairs(redis.call('XRANGE', k, '-', "
        "'+')) do v[#v + 1] = e[1] for _, f in ipairs(e[2]) do v[#v + 1] = f end end "
        "end "
        "if #v > 0 then add(name, v) end end return table.concat(out, '\\n')";
    redisReply *r = wh_lc_cmd("EVAL %s 0 " WH_LC_P ": %d", script, run->no_events);

    if (r->type != REDIS_REPLY_STRING) {
        fail_msg("digest: %s", r->str);
    }
    char *text = strdup(r->str);
    freeReplyObject(r);
    assert_non_null(text);
    return text;
}

/* Names the first key of which the two say something else. */
static void check_same(const char *fn, const char *before, const char *after)
{
    while (*before != '\0' || *after != '\0') {
        size_t a = strcspn(before, "\n"), b = strcspn(after, "\n");
        if (a != b || memcmp(before, after, a) != 0) {
            fail_msg("a second %s changes data: %.*s is %.*s afterwards", fn, (int)a,
                     before, (int)b, after);
        }
        before += a + (before[a] != '\0');
        after += b + (after[b] != '\0');
    }
}

static void copy_args(struct wh_lc_args *to, const struct wh_lc_args *from)
{
    for (int i = 0; i < from->n; i++) {
        wh_lc_add(to, from->v[i], from->len[i]);
    }
}

redisReply *wh_lmr_call_seen(struct wh_lmr *r, const char *fn, struct wh_lc_args *a,
                             bool repeatable, struct wh_lm_snap *snap)
{
    struct wh_lc_args again = {0};
    bool twice = r->twice && repeatable;

    if (twice) {
        copy_args(&again, a);
    }
    redisReply *reply =
        snap != NULL ? wh_lmr_see(r, fn, a, snap) : wh_lc_call_args(fn, a);
    if (twice) {
        char *before = digest(r);
        freeReplyObject(wh_lc_call_args(fn, &again));
        char *after = digest(r);
        check_same(fn, before, after);
        free(before);
        free(after);
    }
    return reply;
}

redisReply *wh_lmr_call(struct wh_lmr *r, const char *fn, struct wh_lc_args *a,
                        bool repeatable)
{
    return wh_lmr_call_seen(r, fn, a, repeatable, NULL);
}

redisReply *wh_lmr_words(struct wh_lmr *run, const char *fn, bool repeatable,
                         const char *text)
{
    struct wh_lc_args a = {0};
    char copy[512];
    char *save = NULL;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *w = strtok_r(copy, " ", &save); w != NULL;
         w = strtok_r(NULL, " ", &save)) {
        wh_lc_add_text(&a, "%s", strcmp(w, "@") == 0 ? "" : w);
    }
    return wh_lmr_call(run, fn, &a, repeatable);
}

bool wh_lmr_still_held(unsigned worker, unsigned n, unsigned fence)
{
    return wh_lc_count("HEXISTS " WH_LC_P ":run:w%u %b", worker, WH_LC_TOK(n, fence)) ==
           1;
}

/* ---------------------------------------------------------- comparisons */

static const char *status_of(const struct wh_lm_job *j)
{
    switch (j->state) {
    case WH_LM_NONE:
    case WH_LM_TOMB:
        break;
    case WH_LM_READY:
        return "pending";
    case WH_LM_DELAYED:
        return "scheduled";
    case WH_LM_RUN:
        return "in_progress";
    case WH_LM_COMPLETED:
        return "completed";
    case WH_LM_CANCELLED:
        return "cancelled";
    case WH_LM_EXPIRED:
        return "expired";
    case WH_LM_DEAD:
        return "failed";
    }
    return NULL;
}

static void check_field(unsigned n, const redisReply *job, const char *name,
                        long long want)
{
    const redisReply *v = wh_lc_find(job, name);

    if (v == NULL || strtoll(v->str, NULL, 10) != want) {
        fail_msg("job %u: %s is %s, the model says %lld", n, name,
                 v != NULL ? v->str : "absent", want);
    }
}

void wh_lmr_check_job(const struct wh_lmr *r, unsigned n)
{
    const struct wh_lm_job *j = &r->m.job[n];
    const char *want = status_of(j);
    redisReply *job = wh_lc_call("wh1_job", "%s", wh_lc_id(n));

    if (want == NULL || job->type == REDIS_REPLY_ERROR) {
        if (want != NULL || job->type != REDIS_REPLY_ERROR ||
            strncmp(job->str, "WHNOTFOUND ", 11) != 0) {
            fail_msg("job %u: the model says %s; %s", n,
                     want != NULL ? want : "unknown",
                     job->type == REDIS_REPLY_ERROR ? job->str : "it is there");
        }
        freeReplyObject(job);
        return;
    }
    const redisReply *status = wh_lc_find(job, "status");
    if (status == NULL || strcmp(status->str, want) != 0) {
        fail_msg("job %u is %s, the model says %s", n,
                 status != NULL ? status->str : "?", want);
    }
    check_field(n, job, "attempts", j->attempts);
    check_field(n, job, "recoveries", j->recoveries);
    check_field(n, job, "priority", j->level);
    check_field(n, job, "enqueued_at_ms", j->enqueued_at);
    if (j->state == WH_LM_RUN) {
        check_field(n, job, "fence", j->run_fence);
    } else if (j->state == WH_LM_DELAYED) {
        check_field(n, job, "next_retry_at_ms", j->due);
    } else if (j->state != WH_LM_READY && j->state != WH_LM_DEAD) {
        check_field(n, job, "finished_at_ms", j->finished_at);
    }
    freeReplyObject(job);
}

static void check_stat(const redisReply *stats, const char *name, long long want)
{
    const redisReply *v = wh_lc_find(stats, name);

    if (v == NULL || v->integer != want) {
        fail_msg("stats: %s is %lld, the model says %lld", name,
                 v != NULL ? v->integer : -1, want);
    }
}

void wh_lmr_check_stats(const struct wh_lmr *r)
{
    static const char *const counters[WH_LM_STATS] = {
        "enqueued", "claimed",   "completed", "retried",   "dead_total", "snoozed",
        "released", "cancelled", "expired",   "recovered", "fenced",     "workers_lost",
        "replayed", "purged",    "promoted",  "cron_fired"};
    const struct wh_lm *m = &r->m;
    redisReply *s = wh_lc_call("wh1_stats", "");
    unsigned live = 0;

    for (unsigned w = 0; w < WH_LM_WORKERS; w++) {
        live += wh_lm_live(m, w);
    }
    check_stat(s, "pending", wh_lm_count(m, WH_LM_READY));
    check_stat(s, "scheduled", wh_lm_count(m, WH_LM_DELAYED));
    check_stat(s, "in_progress", wh_lm_count(m, WH_LM_RUN));
    check_stat(s, "kept",
               wh_lm_count(m, WH_LM_COMPLETED) + wh_lm_count(m, WH_LM_CANCELLED) +
                   wh_lm_count(m, WH_LM_EXPIRED));
    check_stat(s, "dead", m->n_dlq);
    check_stat(s, "workers", live);
    check_stat(s, "paused", m->paused);
    for (unsigned i = 0; i < WH_LM_STATS; i++) {
        if (!(r->twice &&
              i == WH_LM_FENCED)) { /* repeated finishes are counted there */
            check_stat(s, counters[i], m->stat[i]);
        }
    }
    freeReplyObject(s);
}

static unsigned little_endian(const redisReply *r, size_t from, size_t len)
{
    unsigned v = 0;

    for (size_t i = len; i > 0; i--) {
        v = v << 8 | (unsigned char)r->str[from + i - 1];
    }
    return v;
}

/* What waits, as the quotas count it: jobs, bytes, and ids of jobs that ended in their list. */
static void check_queued(const struct wh_lmr *r)
{
    const struct wh_lm *m = &r->m;
    unsigned jobs = 0, bytes = 0, stale = 0;

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &m->job[n];
        if (j->state == WH_LM_READY || j->state == WH_LM_DELAYED) {
            jobs++;
            bytes += j->bytes;
        } else {
            stale += m->stand[n].in;
        }
    }
    redisReply *all = wh_lc_cmd("HGET " WH_LC_P ":queued *");
    if (jobs + stale > 0) {
        assert_int_equal(all->len, 16);
        assert_int_equal(little_endian(all, 0, 6), jobs);
        assert_int_equal(little_endian(all, 6, 6), bytes);
        assert_int_equal(little_endian(all, 12, 4), stale);
    }
    freeReplyObject(all);
}

static void check_crons(const struct wh_lmr *r)
{
    redisReply *list = wh_lc_call("wh1_cron_list", "");
    size_t known = 0;
    char text[32];

    wh_lmr_is_array(list);
    for (size_t i = 1; i + 2 < list->elements; i += 3, known++) {
        const struct wh_lm_cron *c =
            &r->m.cron[strtoul(list->element[i]->str + 1, NULL, 10)];
        assert_true(c->known);
        assert_string_equal(list->element[i + 1]->str, wh_lmr_cron_text(c->text, text));
        assert_int_equal(list->element[i + 2]->integer, c->at > 0 ? c->at : -1);
    }
    for (unsigned i = 0; i < WH_LM_CRONS; i++) {
        known -= r->m.cron[i].known;
    }
    assert_int_equal(known, 0);
    freeReplyObject(list);
}

static void check_dlq(const struct wh_lmr *r)
{
    redisReply *entries = wh_lc_cmd("XRANGE " WH_LC_P ":dlq - +");

    assert_int_equal(entries->elements, r->m.n_dlq);
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *id = wh_lc_find(entries->element[i]->element[1], "id");
        assert_non_null(id);
        assert_string_equal(id->str, wh_lc_id(r->m.dlq[i]));
    }
    freeReplyObject(entries);
}

static void check_key(const struct wh_lmr *r, unsigned org, int key)
{
    redisReply *v = wh_lc_cmd("GET " WH_LC_P ":unique:o%02u:k%d", org, key);
    int holder = r->m.key_holder[org][key];

    if (v->type == REDIS_REPLY_NIL || strcmp(v->str, wh_lc_id((unsigned)holder)) != 0) {
        fail_msg("key %d of org %u is of %s, the model says %d", key, org,
                 v->str != NULL ? v->str : "nobody", holder);
    }
    freeReplyObject(v);
}

static void check_keys(const struct wh_lmr *r)
{
    redisReply *taken = wh_lc_cmd("KEYS " WH_LC_P ":unique:*");
    size_t n = 0;

    for (unsigned org = 0; org < WH_LM_ORGS; org++) {
        for (int key = 0; key < WH_LM_KEYS; key++) {
            if (r->m.key_holder[org][key] >= 0) {
                check_key(r, org, key);
                n++;
            }
        }
    }
    assert_int_equal(taken->elements, n);
    freeReplyObject(taken);
}

void wh_lmr_check_all(const struct wh_lmr *r)
{
    check_keys(r);
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        wh_lmr_check_job(r, n);
    }
    check_queued(r);
    check_crons(r);
    check_dlq(r);
    wh_lc_audit();
}
