/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random cycles: what ends is chosen, what was claimed is judged.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static bool may_not_start(enum wh_lm_outcome outcome)
{
    return outcome == WH_LM_RETRY || outcome == WH_LM_DIE || outcome == WH_LM_SNOOZE ||
           outcome == WH_LM_RELEASE;
}

/* A start that was none has a word in the category, or, of a dead one, in the result. */
static const char *says(const struct wh_lm_end *e)
{
    static const char *const words[] = {"result", "own_delay", "snoozed"};

    return e->no_start && e->outcome == WH_LM_DIE ? "not_started" : words[e->says];
}

static void choose_end(struct wh_lmr *run, struct wh_lm_end *e)
{
    static const long long delays[] = {0, 0, 10, 100, 3000};

    e->outcome = (enum wh_lm_outcome)wh_lmr_random(run, WH_LM_RECOVER);
    e->delay_ms = delays[wh_lmr_random(run, 5)];
    e->no_start = may_not_start(e->outcome) && wh_lmr_chance(run, 40);
    e->says = (enum wh_lm_says)wh_lmr_random(run, WH_LM_SAYS);
    e->category = e->no_start ? WH_LM_INVALID /* as far as breakers care */
                              : 1 + wh_lmr_random(run, WH_LM_CATEGORIES - 1);
}

static void go_bad(struct wh_lmr *run, struct wh_lm_end *e)
{
    e->outcome = wh_lmr_chance(run, 70) ? WH_LM_RETRY : WH_LM_DIE;
    e->category = WH_LM_TIMEOUT;
    e->no_start = false;
    e->says = WH_LM_NOTHING;
}

static void choose_ends(struct wh_lmr *run, struct wh_lm_cycle *c)
{
    bool is_storm = run->op < run->storm;
    unsigned share = wh_lmr_random(run, is_storm ? 40 : 100);

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
        if (wh_lmr_chance(run, is_storm ? 30 : 60) && c->n_ok < 60) {
            c->ok[c->n_ok++] = e;
        } else if (c->n_end < 60) {
            choose_end(run, &e);
            if (is_storm && wh_lmr_chance(run, 60)) {
                go_bad(run, &e);
            }
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
    static const char *const categories[] = {"", "timeout", "rate_limited", "invalid",
                                             ""};

    wh_lc_add_text(a, "w%u", c->worker);
    wh_lc_add_text(a, "%u%s", c->want, c->over_bell ? "+" : "");
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
        wh_lc_add_text(a, "%s",
                       !e->no_start || e->outcome == WH_LM_DIE ? categories[e->category]
                       : e->outcome == WH_LM_RETRY             ? "no_handler"
                                                               : "not_started");
        wh_lc_add_text(a, "message %u", e->n);
        wh_lc_add_text(a, "%s", "");
        wh_lc_add_text(a, "%s", says(e));
    }
}

static void check_fenced(struct wh_lmr *run, const struct wh_lm_cycle *c,
                         const redisReply *r)
{
    assert_int_equal(r->element[0]->integer, run->m.now);
    assert_int_equal(r->element[3]->elements, c->n_fenced);
    for (unsigned i = 0; i < c->n_fenced; i++) {
        unsigned at = c->fenced[i];
        const struct wh_lm_end *e = at < c->n_ok ? &c->ok[at] : &c->end[at - c->n_ok];
        assert_memory_equal(r->element[3]->element[i]->str, wh_lc_token(e->n, e->fence),
                            wh_lc_token_len(e->fence));
    }
}

/* Which jobs Redis gave, and that each token is the next one of its job. */
static void read_claims(const struct wh_lmr *run, struct wh_lm_cycle *c,
                        const redisReply *r)
{
    const redisReply *list = r->element[4];

    c->next_due = r->element[1]->integer;
    c->flags = (unsigned)r->element[2]->integer;
    c->n_claimed = (unsigned)list->elements / 3;
    assert_true(c->n_claimed <= WH_LM_JOBS);
    for (unsigned i = 0; i < c->n_claimed; i++) {
        const redisReply *token = list->element[3 * (size_t)i];
        assert_true(token->len > 16);
        unsigned n = (unsigned)(unsigned char)token->str[14] * 256 +
                     (unsigned char)token->str[15];
        assert_true(n < WH_LM_JOBS);
        unsigned fence = run->m.job[n].fence + 1;
        assert_int_equal(token->len, wh_lc_token_len(fence));
        assert_memory_equal(token->str, wh_lc_token(n, fence), token->len);
        c->claimed[i] = n;
    }
}

static void check_some_jobs(const struct wh_lmr *run, const struct wh_lm_cycle *c)
{
    for (unsigned i = 0; i < 2 && i < c->n_claimed; i++) {
        wh_lmr_check_job(run, c->claimed[i]);
    }
    for (unsigned i = 0; i < 2 && i < c->n_end; i++) {
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

void wh_lmr_run_cycle(struct wh_lmr *run, struct wh_lm_cycle *c)
{
    struct wh_lc_args a = {0};
    struct wh_lm_snap snap;

    send_cycle(c, &a);
    redisReply *r = wh_lmr_call_seen(run, "wh1_cycle", &a,
                                     c->want == 0 && one_is_enough(&run->m), &snap);
    wh_lm_begin_cycle(&run->m, c);
    if (c->lost) {
        wh_lmr_is_error(r, "WHLOST ");
    } else {
        wh_lmr_is_array(r);
        check_fenced(run, c, r);
        read_claims(run, c, r);
        const char *wrong = wh_lm_judge(&run->m, c, &snap);
        if (wrong != NULL) {
            fail_msg("cycle of w%u, %u of %u claimed, flags %u: %s", c->worker,
                     c->n_claimed, c->want, c->flags, wrong);
        }
        check_some_jobs(run, c);
    }
    freeReplyObject(r);
}

void wh_lmr_cycle(struct wh_lmr *run)
{
    struct wh_lm_cycle c = {.worker = wh_lmr_pick_live(run)};

    c.want = wh_lmr_chance(run, 20)
                 ? 0
                 : wh_lmr_random(run, wh_lmr_chance(run, 10) ? 300 : 15);
    c.over_bell = wh_lmr_chance(run, 60);
    if (wh_lmr_chance(run, 70)) {
        choose_ends(run, &c);
    }
    wh_lmr_note(run, "cycle w%u want %u%s ok %u end %u", c.worker, c.want,
                c.over_bell ? "+" : "", c.n_ok, c.n_end);
    wh_lmr_run_cycle(run, &c);
}

/* Of an org of which nothing waits, mostly. */
static void choose_lone_job(struct wh_lmr *run, struct wh_lm_new *s)
{
    bool waits[WH_LM_ORGS] = {false};

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &run->m.job[n];
        waits[j->org] |= j->state == WH_LM_READY || j->state == WH_LM_DELAYED;
    }
    wh_lmr_random_job(run, s);
    for (unsigned i = 0; i < WH_LM_ORGS && waits[s->org]; i++) {
        s->org = (s->org + 1) % WH_LM_ORGS;
    }
    *s = (struct wh_lm_new){.n = s->n,
                            .org = s->org,
                            .level = s->level,
                            .type = s->type,
                            .delay_ms = -1,
                            .key = -1,
                            .payload = s->payload};
}

/* A worker takes all there is, and then, perhaps a little later, a job comes. */
void wh_lmr_alone(struct wh_lmr *run)
{
    struct wh_lm_cycle c = {
        .worker = wh_lmr_pick_live(run), .want = WH_LM_JOBS, .over_bell = true};
    static const struct {
        unsigned percent;
        void (*op)(struct wh_lmr *);
    } between[] = {{40, wh_lmr_advance}, {5, wh_lmr_pause_resume}, {10, wh_lmr_limit}};
    struct wh_lm_new s;

    if (wh_lmr_chance(run, 70)) {
        choose_ends(run, &c);
    }
    wh_lmr_note(run, "cycle w%u want %u+ ok %u end %u", c.worker, c.want, c.n_ok,
                c.n_end);
    wh_lmr_run_cycle(run, &c);
    for (size_t i = 0; i < sizeof between / sizeof between[0]; i++) {
        if (wh_lmr_chance(run, between[i].percent)) {
            between[i].op(run);
        }
    }
    choose_lone_job(run, &s);
    unsigned how = wh_lmr_random(run, 10);
    if (how < 4) {
        wh_lmr_enqueue_one(run, &s);
    } else if (how < 8) {
        wh_lmr_enqueue_many(run, &s, 1);
    } else {
        wh_lmr_fire_one(run, &s);
    }
}
