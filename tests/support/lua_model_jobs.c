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

/* -------------------------------------------------------------- enqueue */

static struct wh_lm_new new_job(struct wh_lmr *run)
{
    static const long long waits[] = {1, 20, 20, 100, 1000, 5000};
    unsigned room = (unsigned)(run->op / 20 + 5);
    struct wh_lm_new s = {.n = wh_lmr_random(run, WH_LM_JOBS), .key = -1, .level = 5};

    for (int i = 0; i < 3 && run->m.job[s.n].state != WH_LM_NONE; i++) {
        s.n = wh_lmr_random(run, WH_LM_JOBS);
    }
    s.org =
        wh_lmr_chance(run, 50) ? wh_lmr_random(run, 3) : wh_lmr_random(run, WH_LM_ORGS);
    if (wh_lmr_chance(run, 40)) {
        s.level = wh_lmr_random(run, WH_LM_LEVELS);
    }
    if (wh_lmr_chance(run, 20)) {
        s.delay_ms = waits[wh_lmr_random(run, 6)];
    }
    if (wh_lmr_chance(run, 15)) {
        s.expires_ms = waits[wh_lmr_random(run, 6)];
    }
    if (wh_lmr_chance(run, 5)) {
        s.key = (int)wh_lmr_random(run, room < WH_LM_KEYS ? room : WH_LM_KEYS);
    }
    return s;
}

static void check_existing(struct wh_lmr *run, unsigned n, int existing, const char *id)
{
    if (existing >= 0) {
        assert_string_equal(id, wh_lc_id((unsigned)existing));
    }
    wh_lmr_check_job(run, n);
}

void wh_lmr_enqueue(struct wh_lmr *run)
{
    struct wh_lm_new s = new_job(run);
    struct wh_lc_args a = {0};

    wh_lmr_note(run, "enqueue %u org %u level %u delay %lld expires %lld key %d", s.n,
                s.org, s.level, s.delay_ms, s.expires_ms, s.key);
    wh_lc_add_text(&a, "mail");
    wh_lc_add_text(&a, "p%u", s.n);
    wh_lc_add_text(&a, "ID");
    wh_lc_add_text(&a, "%s", wh_lc_id(s.n));
    wh_lc_add_text(&a, "ORG");
    wh_lc_add_text(&a, "o%02u", s.org);
    wh_lc_add_text(&a, "PRIORITY");
    wh_lc_add_text(&a, "%u", s.level);
    if (s.delay_ms > 0 || wh_lmr_chance(run, 10)) {
        wh_lc_add_text(&a, "DELAY");
        wh_lc_add_text(&a, "%lld", s.delay_ms);
    }
    if (s.expires_ms > 0) {
        wh_lc_add_text(&a, "EXPIRES");
        wh_lc_add_text(&a, "%lld", s.expires_ms);
    }
    if (s.key >= 0) {
        wh_lc_add_text(&a, "KEY");
        wh_lc_add_text(&a, "k%d", s.key);
    }
    redisReply *r = wh_lmr_call(run, "wh1_enqueue", &a, true);
    wh_lmr_is_array(r);
    int existing = wh_lm_enqueue(&run->m, &s);
    assert_string_equal(r->element[1]->str, existing >= 0 ? "existing" : "created");
    check_existing(run, s.n, existing, r->element[0]->str);
    freeReplyObject(r);
}

static void add_head(struct wh_lc_args *a, const struct wh_lm_new *s)
{
    unsigned options = (s->delay_ms > 0 ? 1U : 0U) + (s->expires_ms > 0 ? 1U : 0U) +
                       (s->key >= 0 ? 1U : 0U);
    char head[128] = "\x93\xa4mail\xa3";
    size_t at = 7;

    head[0] = (char)(options > 0 ? 0x94 : 0x93);
    at += (size_t)snprintf(head + at, 8, "o%02u", s->org);
    head[at++] = (char)s->level;
    if (options > 0) {
        head[at++] = (char)(0x80 | options);
    }
    if (s->delay_ms > 0) {
        memcpy(head + at,
               "\xa2"
               "dl\xcd",
               4);
        head[at + 4] = (char)(s->delay_ms >> 8);
        head[at + 5] = (char)(s->delay_ms & 0xff);
        at += 6;
    }
    if (s->expires_ms > 0) {
        memcpy(head + at, "\xa2xp\xcd", 4);
        head[at + 4] = (char)(s->expires_ms >> 8);
        head[at + 5] = (char)(s->expires_ms & 0xff);
        at += 6;
    }
    if (s->key >= 0) {
        char key[16];
        int len = snprintf(key, sizeof key, "k%d", s->key);
        memcpy(head + at, "\xa1k", 2);
        head[at + 2] = (char)(0xa0 | len);
        memcpy(head + at + 3, key, (size_t)len);
        at += 3 + (size_t)len;
    }
    wh_lc_add(a, head, at);
}

void wh_lmr_enqueue_batch(struct wh_lmr *run)
{
    unsigned count = 1 + wh_lmr_random(run, wh_lmr_chance(run, 10) ? 60 : 12);
    struct wh_lm_new specs[64];
    struct wh_lc_args a = {0};
    unsigned created = 0;
    size_t at = 2;

    wh_lmr_note(run, "enqueue_batch of %u", count);
    for (unsigned i = 0; i < count; i++) {
        specs[i] = new_job(run);
        wh_lc_add(&a, wh_lc_raw(specs[i].n), 16);
        add_head(&a, &specs[i]);
        wh_lc_add_text(&a, "p%u", specs[i].n);
    }
    redisReply *r = wh_lmr_call(run, "wh1_enqueue_batch", &a, true);
    wh_lmr_is_array(r);
    for (unsigned i = 0; i < count; i++) {
        int existing = wh_lm_enqueue(&run->m, &specs[i]);
        if (existing < 0) {
            created++;
            continue;
        }
        assert_true(at + 1 < r->elements);
        assert_int_equal(r->element[at]->integer, i + 1);
        assert_string_equal(r->element[at + 1]->str, wh_lc_id((unsigned)existing));
        at += 2;
    }
    assert_int_equal(at, r->elements);
    assert_int_equal(r->element[0]->integer, created);
    freeReplyObject(r);
    wh_lmr_check_job(run, specs[0].n);
}

/* ---------------------------------------------------------------- cycle */

static struct wh_lm_end stray(struct wh_lmr *run)
{
    struct wh_lm_end e = {.n = wh_lmr_chance(run, 70) ? wh_lmr_pick_in(run, WH_LM_RUN)
                                                      : wh_lmr_random(run, WH_LM_JOBS)};
    const struct wh_lm_job *j = &run->m.job[e.n];

    e.fence = wh_lmr_chance(run, 50) ? 1 + wh_lmr_random(run, 4)
                                     : j->run_fence + (wh_lmr_chance(run, 50) ? 1 : 0);
    if (e.fence == 0) {
        e.fence = 1;
    }
    return e;
}

static void choose_ends(struct wh_lmr *run, struct wh_lm_cycle *c)
{
    static const long long delays[] = {0, 0, 10, 100, 3000};
    unsigned share = wh_lmr_random(run, 100);

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &run->m.job[n];
        bool mine = j->state == WH_LM_RUN && j->worker == c->worker;
        struct wh_lm_end e = {.n = n, .fence = j->run_fence};

        if (!(mine && wh_lmr_random(run, 100) < share) && !wh_lmr_chance(run, 1)) {
            continue;
        }
        if (!mine) {
            e = stray(run);
        }
        if (wh_lmr_chance(run, 60) && c->n_ok < 60) {
            c->ok[c->n_ok++] = e;
        } else if (c->n_end < 60) {
            e.outcome = (enum wh_lm_outcome)wh_lmr_random(run, WH_LM_RECOVER);
            e.delay_ms = delays[wh_lmr_random(run, 5)];
            e.category = 1 + wh_lmr_random(run, 2); /* 0: lost_worker */
            c->end[c->n_end++] = e;
        }
        if (wh_lmr_chance(run, 2) && c->n_ok > 0 && c->n_ok < 60) { /* named twice */
            c->ok[c->n_ok] = c->ok[wh_lmr_random(run, c->n_ok)];
            c->n_ok++;
        }
    }
}

static void send_cycle(const struct wh_lm_cycle *c, struct wh_lc_args *a)
{
    static const char *const outcomes[] = {"ok",      "retry",     "dead",   "snooze",
                                           "release", "cancelled", "expired"};

    wh_lc_add_text(a, "w%u", c->worker);
    wh_lc_add_text(a, "%u", c->want);
    wh_lc_add_text(a, "%u", c->n_ok);
    for (unsigned i = 0; i < c->n_ok; i++) {
        wh_lc_add(a, wh_lc_token(c->ok[i].n, c->ok[i].fence),
                  wh_lc_token_len(c->ok[i].fence));
    }
    for (unsigned i = 0; i < c->n_end; i++) {
        const struct wh_lm_end *e = &c->end[i];
        wh_lc_add(a, wh_lc_token(e->n, e->fence), wh_lc_token_len(e->fence));
        wh_lc_add_text(a, "%s", outcomes[e->outcome]);
        wh_lc_add_text(a, "%lld", e->delay_ms);
        wh_lc_add_text(a, "cat%u", e->category - 1);
        wh_lc_add_text(a, "message %u", e->n);
        wh_lc_add_text(a, "%s", "");
        wh_lc_add_text(a, "%s", "result");
    }
}

static void check_cycle(struct wh_lmr *run, const struct wh_lm_cycle *c,
                        const redisReply *r)
{
    assert_int_equal(r->element[0]->integer, run->m.now);
    assert_int_equal(r->element[2]->integer, c->flags);
    assert_int_equal(r->element[3]->elements, c->n_fenced);
    for (unsigned i = 0; i < c->n_fenced; i++) {
        unsigned at = c->fenced[i];
        const struct wh_lm_end *e = at < c->n_ok ? &c->ok[at] : &c->end[at - c->n_ok];
        assert_memory_equal(r->element[3]->element[i]->str, wh_lc_token(e->n, e->fence),
                            wh_lc_token_len(e->fence));
    }
    assert_int_equal(r->element[4]->elements, 3 * c->n_claimed);
    for (unsigned i = 0; i < c->n_claimed; i++) {
        unsigned n = c->claimed[i], fence = run->m.job[n].run_fence;
        assert_int_equal(r->element[4]->element[3 * i]->len, wh_lc_token_len(fence));
        assert_memory_equal(r->element[4]->element[3 * i]->str, wh_lc_token(n, fence),
                            wh_lc_token_len(fence));
    }
    for (unsigned i = 0; i < 3 && i < c->n_claimed; i++) {
        wh_lmr_check_job(run, c->claimed[i]);
    }
    for (unsigned i = 0; i < 3 && i < c->n_end; i++) {
        wh_lmr_check_job(run, c->end[i].n);
    }
}

/* Is what time brings little enough for one cycle, so that a second one finds nothing? */
static bool one_is_enough(const struct wh_lm *m)
{
    unsigned lost = 0, due = 0;

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &m->job[n];
        lost += j->state == WH_LM_RUN && !wh_lm_live(m, j->worker) ? 1 : 0;
        due += j->state == WH_LM_DELAYED && j->due <= m->now ? 1 : 0;
    }
    return lost < 50 && due < 100;
}

void wh_lmr_cycle(struct wh_lmr *run)
{
    struct wh_lm_cycle c = {.worker = wh_lmr_pick_live(run)};
    struct wh_lc_args a = {0};

    c.want = wh_lmr_chance(run, 20)
                 ? 0
                 : wh_lmr_random(run, wh_lmr_chance(run, 10) ? 300 : 15);
    if (wh_lmr_chance(run, 70)) {
        choose_ends(run, &c);
    }
    wh_lmr_note(run, "cycle w%u want %u ok %u end %u", c.worker, c.want, c.n_ok,
                c.n_end);
    send_cycle(&c, &a);
    redisReply *r =
        wh_lmr_call(run, "wh1_cycle", &a, c.want == 0 && one_is_enough(&run->m));
    wh_lm_run_cycle(&run->m, &c);
    if (c.lost) {
        wh_lmr_is_error(r, "WHLOST ");
    } else {
        wh_lmr_is_array(r);
        check_cycle(run, &c, r);
    }
    freeReplyObject(r);
}
