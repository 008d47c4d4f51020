/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random enqueues and cycles: the operations that move most jobs.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAYLOAD_MAX = 60 };

/* -------------------------------------------------------------- enqueue */

/* Keys: the space moves on, since those by time are never free again. */
static void choose_key(struct wh_lmr *run, struct wh_lm_new *s)
{
    unsigned base = (unsigned)(run->op / 400) % (WH_LM_KEYS - 20);

    s->key = (int)(base + wh_lmr_random(run, 20));
    s->ttl = wh_lmr_chance(run, 20);
    if (wh_lmr_chance(run, 75)) {
        s->unique = wh_lmr_chance(run, 60) ? WH_LM_BY_DONE : WH_LM_BY_QUEUED;
    }
    if (wh_lmr_chance(run, 60)) {
        s->conflict = (enum wh_lm_conflict)(1 + wh_lmr_random(run, 3));
    }
}

/* Often what the key's job is, since only the like may replace it. */
static void resemble(struct wh_lmr *run, struct wh_lm_new *s)
{
    int holder = -1;

    for (unsigned i = 0; i < WH_LM_ORGS && holder < 0; i++) {
        holder = run->m.key_holder[(s->org + i) % WH_LM_ORGS][s->key];
    }
    if (holder >= 0 && wh_lmr_chance(run, 80)) {
        const struct wh_lm_job *j = &run->m.job[holder];
        s->org = j->org;
        s->level = j->level;
        s->type = j->type;
        s->group = j->group;
    }
}

void wh_lmr_random_job(struct wh_lmr *run, struct wh_lm_new *s)
{
    static const long long waits[] = {1, 20, 20, 100, 1000, 5000};
    static const unsigned levels[] = {0, 3, 7, 9};
    bool many = run->many_grouped;

    *s = (struct wh_lm_new){.n = wh_lmr_random(run, WH_LM_JOBS),
                            .key = -1,
                            .level = 5,
                            .delay_ms = -1,
                            .payload = 1 + wh_lmr_random(run, PAYLOAD_MAX)};
    for (int i = 0; i < 3 && run->m.job[s->n].state != WH_LM_NONE; i++) {
        s->n = wh_lmr_random(run, WH_LM_JOBS);
    }
    s->org = wh_lmr_chance(run, many ? 85 : 50) ? wh_lmr_random(run, many ? 2 : 3)
                                                : wh_lmr_random(run, WH_LM_ORGS);
    s->type = wh_lmr_chance(run, many ? 25 : 60) ? 0 : wh_lmr_random(run, WH_LM_TYPES);
    if (wh_lmr_chance(run, many ? 10 : 40)) {
        s->level = levels[wh_lmr_random(run, 4)];
    }
    if (wh_lmr_chance(run, many ? 75 : 25)) {
        s->group = wh_lmr_random(run, WH_LM_GROUPS);
    }
    if (wh_lmr_chance(run, 20)) {
        s->delay_ms = wh_lmr_chance(run, 20) ? 0 : waits[wh_lmr_random(run, 6)];
    }
    if (wh_lmr_chance(run, 15)) {
        s->expires_ms = waits[wh_lmr_random(run, 6)];
    }
    if (wh_lmr_chance(run, 15)) {
        choose_key(run, s);
        resemble(run, s);
    }
}

static void add_payload(struct wh_lc_args *a, const struct wh_lm_new *s)
{
    char text[PAYLOAD_MAX];

    memset(text, 'p', sizeof text);
    wh_lc_add(a, text, s->payload);
}

static void add_option(struct wh_lc_args *a, const char *name, long long v)
{
    wh_lc_add_text(a, "%s", name);
    wh_lc_add_text(a, "%lld", v);
}

static void add_words(struct wh_lc_args *a, const struct wh_lm_new *s)
{
    static const char *const unique[] = {"ttl", "done", "queued"};
    static const char *const conflict[] = {"keep", "replace", "extend", "keep_last"};

    if (s->delay_ms >= 0) {
        add_option(a, "DELAY", s->delay_ms);
    }
    if (s->expires_ms > 0) {
        add_option(a, "EXPIRES", s->expires_ms);
    }
    if (s->group > 0) {
        wh_lc_add_text(a, "%s", "GROUP");
        wh_lc_add_text(a, "g%u", s->group);
    }
    if (s->key >= 0) {
        wh_lc_add_text(a, "%s", "KEY");
        wh_lc_add_text(a, "k%d", s->key);
        wh_lc_add_text(a, "%s", "UNIQUE");
        wh_lc_add_text(a, "%s", unique[s->unique]);
        wh_lc_add_text(a, "%s", "CONFLICT");
        wh_lc_add_text(a, "%s", conflict[s->conflict]);
    }
    if (s->key >= 0 && s->ttl) {
        add_option(a, "KEYTTL", 90000000);
    }
}

void wh_lmr_enqueue_one(struct wh_lmr *run, struct wh_lm_new *s)
{
    static const char *const replies[] = {"created", "existing", "replaced",
                                          "extended"};
    struct wh_lc_args a = {0};
    struct wh_lm_call call;
    struct wh_lm_snap snap;

    wh_lmr_note(run,
                "enqueue %u %s org %u level %u group %u delay %lld expires %lld "
                "key %d unique %d conflict %d",
                s->n, wh_lm_types[s->type], s->org, s->level, s->group, s->delay_ms,
                s->expires_ms, s->key, (int)s->unique, (int)s->conflict);
    wh_lc_add_text(&a, "%s", wh_lm_types[s->type]);
    add_payload(&a, s);
    wh_lc_add_text(&a, "ID");
    wh_lc_add_text(&a, "%s", wh_lc_id(s->n));
    wh_lc_add_text(&a, "ORG");
    wh_lc_add_text(&a, "o%02u", s->org);
    add_option(&a, "PRIORITY", s->level);
    add_words(&a, s);
    wh_lmr_listen(&call);
    redisReply *r = wh_lmr_call_seen(run, "wh1_enqueue", &a, true, &snap);
    const char *error = wh_lm_enqueue(&run->m, s, 1, false);
    if (error != NULL) {
        wh_lmr_is_error(r, error);
    } else {
        wh_lmr_is_array(r);
        assert_string_equal(r->element[1]->str, replies[s->reply]);
        assert_string_equal(r->element[0]->str,
                            wh_lc_id(s->reply == WH_LM_CREATED ? s->n : s->existing));
    }
    wh_lmr_hear(run, error == NULL ? s : NULL, &call, &snap);
    wh_lmr_check_job(run, s->n);
    freeReplyObject(r);
}

void wh_lmr_enqueue(struct wh_lmr *run)
{
    struct wh_lm_new s;

    wh_lmr_random_job(run, &s);
    wh_lmr_enqueue_one(run, &s);
}

/* ----------------------------------------------------------------- heads */

struct head {
    char bytes[160];
    size_t n;
    unsigned options;
};

static void put_text(struct head *h, const char *text)
{
    h->bytes[h->n++] = (char)(0xa0 | strlen(text));
    memcpy(h->bytes + h->n, text, strlen(text));
    h->n += strlen(text);
}

static void put_int(struct head *h, const char *name, long long v)
{
    put_text(h, name);
    h->bytes[h->n++] = (char)0xcf;
    for (int shift = 56; shift >= 0; shift -= 8) {
        h->bytes[h->n++] = (char)(v >> shift & 0xff);
    }
    h->options++;
}

static void put_word(struct head *h, const char *name, const char *value)
{
    put_text(h, name);
    put_text(h, value);
    h->options++;
}

static void put_key(struct head *h, const struct wh_lm_new *s)
{
    static const char *const unique[] = {"", "d", "q"};
    static const char *const conflict[] = {"", "r", "e", "l"};
    char key[16];

    snprintf(key, sizeof key, "k%d", s->key);
    put_word(h, "k", key);
    if (s->ttl) {
        put_int(h, "kt", 90000000);
    }
    if (s->unique != WH_LM_BY_TTL) {
        put_word(h, "ku", unique[s->unique]);
    }
    if (s->conflict != WH_LM_KEEP) {
        put_word(h, "kc", conflict[s->conflict]);
    }
}

static struct head head_of(const struct wh_lm_new *s)
{
    struct head h = {.n = 1};
    char name[16];

    put_text(&h, wh_lm_types[s->type]);
    snprintf(name, sizeof name, "o%02u", s->org);
    put_text(&h, name);
    h.bytes[h.n++] = (char)s->level;
    size_t map = h.n++;
    if (s->delay_ms >= 0) {
        put_int(&h, "dl", s->delay_ms);
    }
    if (s->expires_ms > 0) {
        put_int(&h, "xp", s->expires_ms);
    }
    if (s->group > 0) {
        snprintf(name, sizeof name, "g%u", s->group);
        put_word(&h, "g", name);
    }
    if (s->key >= 0) {
        put_key(&h, s);
    }
    h.bytes[0] = (char)(h.options > 0 ? 0x94 : 0x93);
    h.bytes[map] = (char)(0x80 | h.options);
    h.n = h.options > 0 ? h.n : map;
    return h;
}

void wh_lmr_add_triple(struct wh_lc_args *a, const struct wh_lm_new *s)
{
    struct head h = head_of(s);

    wh_lc_add(a, wh_lc_raw(s->n), 16);
    wh_lc_add(a, h.bytes, h.n);
    add_payload(a, s);
}

/* The same as records, a group for each. */
static void add_records(struct wh_lc_args *a, const struct wh_lm_new *specs,
                        unsigned count, long long stamp)
{
    char rec[9 + sizeof(struct head) + PAYLOAD_MAX];

    wh_lc_add_text(a, "%lld", stamp);
    wh_lc_add_text(a, "%u", count);
    for (unsigned i = 0; i < count; i++) {
        struct head h = head_of(&specs[i]);
        wh_lc_add(a, h.bytes, h.n);
        wh_lc_add_text(a, "1");
    }
    rec[0] = (char)0xcf;
    for (int i = 1; i < 9; i++) {
        rec[i] = (char)(stamp >> (8 * (8 - i)) & 0xff);
    }
    for (unsigned i = 0; i < count; i++) {
        struct head h = head_of(&specs[i]);
        memcpy(rec + 9, h.bytes, h.n);
        memset(rec + 9 + h.n, 'p', specs[i].payload);
        wh_lc_add(a, wh_lc_raw(specs[i].n), 16);
        wh_lc_add(a, rec, 9 + h.n + specs[i].payload);
    }
}

/* Kept nowhere, a job that made room for another is forgotten, and its id may be used again. */
static bool is_repeatable(const struct wh_lmr *run, const struct wh_lm_new *specs,
                          unsigned count)
{
    for (unsigned i = 0; i < count && run->m.keep_count == 0; i++) {
        if (specs[i].conflict == WH_LM_KEEP_LAST) {
            return false;
        }
    }
    return true;
}

/* Of the keyed ones: id, key, what they do, whom they meet. */
static void note_batch(struct wh_lmr *run, const struct wh_lm_new *specs,
                       unsigned count)
{
    char keyed[256] = "";
    size_t at = 0;

    for (unsigned i = 0; i < count && at < sizeof keyed; i++) {
        const struct wh_lm_new *s = &specs[i];
        if (s->key >= 0) {
            at += (size_t)snprintf(keyed + at, sizeof keyed - at, ", %u k%d/%d of %d",
                                   s->n, s->key, (int)s->conflict,
                                   run->m.key_holder[s->org][s->key]);
        }
    }
    wh_lmr_note(run, "enqueue_batch of %u%s", count, keyed);
}

/* Which of them were there already, says the reply. */
static void check_batch(const redisReply *r, const struct wh_lm_new *specs,
                        unsigned count, size_t at)
{
    unsigned created = 0;

    wh_lmr_is_array(r);
    for (unsigned i = 0; i < count; i++) {
        bool named = at + 1 < r->elements && r->element[at]->integer == i + 1;
        if (named != (specs[i].reply != WH_LM_CREATED)) {
            fail_msg(
                "job %u of the batch, %u with key %d, conflict %d: the model says %d",
                i + 1, specs[i].n, specs[i].key, (int)specs[i].conflict,
                (int)specs[i].reply);
        }
        if (!named) {
            created++;
            continue;
        }
        assert_string_equal(r->element[at + 1]->str, wh_lc_id(specs[i].existing));
        at += 2;
    }
    assert_int_equal(at, r->elements);
    assert_int_equal(r->element[0]->integer, created);
}

void wh_lmr_enqueue_many(struct wh_lmr *run, struct wh_lm_new *specs, unsigned count)
{
    struct wh_lc_args a = {0};
    struct wh_lm_call call;
    struct wh_lm_snap snap;

    for (unsigned i = 0; i < count; i++) {
        wh_lmr_add_triple(&a, &specs[i]);
    }
    note_batch(run, specs, count);
    wh_lmr_listen(&call);
    redisReply *r =
        wh_lmr_call_seen(run, "wh1_enqueue_batch", &a, is_repeatable(run, specs, count),
                         count == 1 ? &snap : NULL);
    const char *error = wh_lm_enqueue(&run->m, specs, count, false);
    if (error != NULL) {
        wh_lmr_is_error(r, error);
    } else {
        check_batch(r, specs, count, 2);
    }
    wh_lmr_hear(run, error == NULL && count == 1 ? specs : NULL, &call, &snap);
    if (error == NULL) {
        wh_lmr_check_job(run, specs[0].n);
    }
    freeReplyObject(r);
}

/* Where the records were stored as they are, their stamps are what was sent. */
static void take_stamps(struct wh_lmr *run, const struct wh_lm_new *specs,
                        unsigned count, long long ago)
{
    assert_in_range(ago, 0, 250);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(specs[i].reply, WH_LM_CREATED);
        run->m.job[specs[i].n].enqueued_at = run->m.now - ago;
    }
}

/* A stamp is of an answer that the producer has: nothing happened after it that others could
 * tell from what it sends. */
static long long random_age(struct wh_lmr *run)
{
    long long ago = (long long)wh_lmr_random(run, 300) - 20;
    long long still = run->m.now - run->acted_at;

    return ago < still ? ago : still;
}

static void enqueue_records(struct wh_lmr *run, struct wh_lm_new *specs, unsigned count)
{
    long long ago = random_age(run);
    struct wh_lc_args a = {0};

    add_records(&a, specs, count, run->m.now - ago);
    note_batch(run, specs, count);
    redisReply *r = wh_lmr_call_seen(run, "wh1_enqueue_records", &a,
                                     is_repeatable(run, specs, count), NULL);
    const char *error = wh_lm_enqueue(&run->m, specs, count, false);
    if (error != NULL) {
        wh_lmr_is_error(r, error);
    } else {
        check_batch(r, specs, count, 3);
        if (r->element[2]->integer == 1) {
            take_stamps(run, specs, count, ago);
        }
        wh_lmr_check_job(run, specs[0].n);
    }
    freeReplyObject(r);
}

/* Nothing that has a part in where a job waits. */
static void make_plain(struct wh_lm_new *s)
{
    s->delay_ms = -1;
    s->expires_ms = 0;
    s->key = -1;
    s->group = 0;
    s->unique = WH_LM_BY_TTL;
    s->conflict = WH_LM_KEEP;
}

void wh_lmr_enqueue_batch(struct wh_lmr *run)
{
    unsigned count = 1 + wh_lmr_random(run, wh_lmr_chance(run, 10) ? 60 : 12);
    bool are_plain = wh_lmr_chance(run, 40), are_records = wh_lmr_chance(run, 40);
    struct wh_lm_new specs[WH_LM_BATCH];

    for (unsigned i = 0; i < count; i++) {
        wh_lmr_random_job(run, &specs[i]);
        if (are_plain) {
            make_plain(&specs[i]);
        }
    }
    if (are_records && count > 1) {
        enqueue_records(run, specs, count);
    } else {
        wh_lmr_enqueue_many(run, specs, count);
    }
}

/* The workers of this model say nothing of themselves: only what Redis knows holds a job. */
static const char *reason_of_workers(const struct wh_lm *m)
{
    unsigned live = 0, lost = 0, quiet = 0;

    for (unsigned w = 0; w < WH_LM_WORKERS; w++) {
        bool is_live = wh_lm_live(m, w);

        live += is_live;
        lost += m->worker[w].known && !is_live;
        quiet += is_live && m->worker[w].quiet;
    }
    return live == 0       ? lost > 0 ? "workers_lost" : "no_worker"
           : live == quiet ? "workers_quiet"
                           : "ready";
}

const char *wh_lm_reason(struct wh_lm *m, unsigned n, unsigned first)
{
    const struct wh_lm_job *j = &m->job[n];
    struct wh_lm_session x = wh_lm_session(m);
    struct wh_lm_room rooms[] = {
        wh_lm_queue_room(&x),
        wh_lm_org_room(&x, j->org),
        wh_lm_pair_room(&x, j->org, m->job[first].type),
        wh_lm_pair_room(&x, j->org, j->type),
        wh_lm_group_room(&x, j->org, j->group),
    };

    if (m->paused) {
        return "queue_paused";
    }
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        if (rooms[i].n <= 0) {
            return rooms[i].reason;
        }
    }
    return reason_of_workers(m);
}
