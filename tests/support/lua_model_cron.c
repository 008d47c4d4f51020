/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules in the reference model: set by who has seen what stands there and by who has not,
 * by operators and by two sets that may follow one another, fired alone and in batches by schedulers that believe right and wrong things, paused,
 * resumed, removed.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *wh_lmr_cron_text(unsigned text, char out[32])
{
    int n = snprintf(out, 32, "{\"n\":%u", text % 3);

    if (text >= 3) {
        n += snprintf(out + n, 32 - (size_t)n, ",\"declared\":\"s%u\"", text / 3);
    }
    snprintf(out + n, 32 - (size_t)n, "}");
    return out;
}

static unsigned random_text(struct wh_lmr *run, const struct wh_lm_cron *c)
{
    return wh_lmr_chance(run, 60) ? c->text : wh_lmr_random(run, WH_LMR_CRON_TEXTS);
}

static void cron_set(struct wh_lmr *run, unsigned i)
{
    struct wh_lm_cron *c = &run->m.cron[i];
    unsigned text = wh_lmr_random(run, WH_LMR_CRON_TEXTS);
    long long at = run->m.now + wh_lmr_random(run, 300);
    unsigned was = random_text(run, c), from = wh_lmr_random(run, 3);
    bool is_seen = wh_lmr_chance(run, 50), is_old = c->known && c->text == text;
    long long was_at = wh_lmr_chance(run, 80) ? c->at : at;
    bool stale = is_seen && (!c->known || c->text != was || c->at != was_at);
    bool follows = is_seen && from > 0 && from == c->text / 3;
    bool taken = c->known && text >= 3 && c->text / 3 != text / 3 && !follows;
    const char *want = is_old      ? "same"
                       : stale     ? "stale"
                       : taken     ? "taken"
                       : !c->known ? "created"
                                   : "changed";
    char words[160], definition[32];

    int n = snprintf(words, sizeof words, "c%u %s %lld", i,
                     wh_lmr_cron_text(text, definition), at);
    if (is_seen) {
        n += snprintf(words + n, sizeof words - (size_t)n, " %s %lld",
                      wh_lmr_cron_text(was, definition), was_at);
    }
    if (is_seen && from > 0) {
        snprintf(words + n, sizeof words - (size_t)n, " s%u", from);
    }
    wh_lmr_note(run, "cron_set %s", words);
    redisReply *r = wh_lmr_words(run, "wh1_cron_set", true, words);
    assert_string_equal(r->str, want);
    if (want[0] == 'c') {
        *c = (struct wh_lm_cron){.known = true, .text = text, .at = at};
    }
    freeReplyObject(r);
}

/* What a scheduler believes of one schedule, and what it makes of it. */
struct firing {
    unsigned i, count;
    long long expected, next;
    unsigned was; /* of a batch */
    bool is_right;
    struct wh_lm_new specs[4];
};

/* alone: its only job, NULL for any number of jobs. */
static void add_firing(struct wh_lmr *run, struct wh_lc_args *a, struct firing *f,
                       bool in_batch, const struct wh_lm_new *alone)
{
    const struct wh_lm_cron *c = &run->m.cron[f->i];
    char text[32];

    f->expected = wh_lmr_chance(run, 80) ? c->at : run->m.now;
    f->next = wh_lmr_chance(run, 10) ? 0 : f->expected + 1 + wh_lmr_random(run, 300);
    f->count = alone != NULL ? 1 : wh_lmr_random(run, 4);
    f->was = wh_lmr_chance(run, 80) ? c->text : wh_lmr_random(run, WH_LMR_CRON_TEXTS);
    f->is_right = c->known && c->at > 0 && c->at == f->expected &&
                  (!in_batch || c->text == f->was);
    wh_lmr_note(run, "cron_fire c%u %lld %lld was %u with %u", f->i, f->expected,
                f->next, f->was, f->count);
    wh_lc_add_text(a, "c%u", f->i);
    wh_lc_add_text(a, "%lld", f->expected);
    wh_lc_add_text(a, "%lld", f->next);
    if (in_batch) {
        wh_lc_add_text(a, "%s", wh_lmr_cron_text(f->was, text));
        wh_lc_add_text(a, "%u", f->count);
    }
    for (unsigned k = 0; k < f->count; k++) {
        if (alone != NULL) {
            f->specs[k] = *alone;
        } else {
            wh_lmr_random_job(run, &f->specs[k]);
        }
        wh_lmr_add_triple(a, &f->specs[k]);
    }
}

/* Its two numbers, with the specs as the model's enqueue left them. */
static void check_firing(struct wh_lmr *run, const struct firing *f, bool in_batch,
                         const redisReply *word, const redisReply *number)
{
    struct wh_lm_cron *c = &run->m.cron[f->i];
    bool is_stale = in_batch && (!c->known || c->text != f->was);
    unsigned created = 0;

    for (unsigned k = 0; f->is_right && k < f->count; k++) {
        created += f->specs[k].reply == WH_LM_CREATED;
    }
    assert_int_equal(word->integer, f->is_right ? 1 : is_stale ? 2 : 0);
    assert_int_equal(number->integer, f->is_right ? created : c->at > 0 ? c->at : -1);
    c->at = f->is_right ? f->next : c->at;
    run->m.stat[WH_LM_FIRED] += f->is_right;
}

/* Several schedulers call with what they believe the next fire times are: one is right, once.
 * The jobs of all that are right are enqueued together. */
static void cron_fire(struct wh_lmr *run, unsigned first, const struct wh_lm_new *alone)
{
    struct firing firings[WH_LM_CRONS];
    struct wh_lm_new specs[4 * WH_LM_CRONS];
    bool in_batch = wh_lmr_chance(run, 70);
    bool is_many = in_batch && alone == NULL;
    unsigned n = is_many ? 1 + wh_lmr_random(run, WH_LM_CRONS) : 1, count = 0;
    struct wh_lc_args a = {0};
    struct wh_lm_call call;
    struct wh_lm_snap snap;

    for (unsigned i = 0; i < n; i++) {
        struct firing *f = &firings[i];
        f->i = (first + i) % WH_LM_CRONS;
        add_firing(run, &a, f, in_batch, alone);
        if (f->is_right) {
            memcpy(&specs[count], f->specs, f->count * sizeof specs[0]);
            count += f->count;
        }
    }
    const char *fn = in_batch ? "wh1_cron_fire_batch" : "wh1_cron_fire";
    wh_lmr_listen(&call);
    redisReply *r = wh_lmr_call_seen(run, fn, &a, true, &snap);
    const char *error = count > 0 ? wh_lm_enqueue(&run->m, specs, count, true) : NULL;
    wh_lmr_hear(run, count == 1 && error == NULL ? specs : NULL, &call, &snap);
    if (error != NULL) {
        wh_lmr_is_error(r, error);
        freeReplyObject(r);
        return;
    }
    wh_lmr_is_array(r);
    assert_int_equal(r->elements, 2 * n);
    count = 0;
    for (unsigned i = 0; i < n; i++) {
        struct firing *f = &firings[i];
        if (f->is_right) {
            memcpy(f->specs, &specs[count], f->count * sizeof specs[0]);
            count += f->count;
        }
        check_firing(run, f, in_batch, r->element[2 * i], r->element[2 * i + 1]);
    }
    freeReplyObject(r);
}

void wh_lmr_fire_one(struct wh_lmr *run, const struct wh_lm_new *s)
{
    cron_fire(run, wh_lmr_random(run, WH_LM_CRONS), s);
}

/* Pauses, resumes or removes. */
static void cron_other(struct wh_lmr *run, unsigned i)
{
    static const char *const fns[] = {"wh1_cron_pause", "wh1_cron_resume",
                                      "wh1_cron_remove"};
    struct wh_lm_cron *c = &run->m.cron[i];
    unsigned fn = wh_lmr_random(run, 3);
    long long at = run->m.now + wh_lmr_random(run, 300);
    char words[64];

    snprintf(words, sizeof words, fn == 1 ? "c%u %lld" : "c%u", i, at);
    wh_lmr_note(run, "%s %s", fns[fn], words);
    redisReply *r = wh_lmr_words(run, fns[fn], true, words);
    if (!c->known) {
        wh_lmr_is_error(r, "WHNOTFOUND ");
    } else {
        assert_string_equal(r->str, "OK");
        c->at = fn == 1 ? at : 0;
        c->known = fn != 2;
    }
    freeReplyObject(r);
}

void wh_lmr_cron(struct wh_lmr *run)
{
    unsigned i = wh_lmr_random(run, WH_LM_CRONS), what = wh_lmr_random(run, 10);

    if (what < 3) {
        cron_set(run, i);
    } else if (what < 8) {
        cron_fire(run, i, NULL);
    } else {
        cron_other(run, i);
    }
}
