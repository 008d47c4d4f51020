/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other random operations: workers, time, single jobs, the queue.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of functions that may cut what a slower rate left in a bucket: seen, or its key would end by
 * Redis' own clock. */
static redisReply *call_seen(struct wh_lmr *run, const char *fn, struct wh_lc_args *a,
                             bool repeatable)
{
    struct wh_lm_snap unread;

    return wh_lmr_call_seen(run, fn, a, repeatable, &unread);
}

/* -------------------------------------------------------------- workers */

void wh_lmr_heartbeat(struct wh_lmr *run)
{
    static const char *const modes[] = {"new", "renew"};
    unsigned w = wh_lmr_random(run, WH_LM_WORKERS),
             lease = 500 + wh_lmr_random(run, wh_lmr_chance(run, 10) ? 8000 : 4000),
             mode = wh_lmr_random(run, 2);
    struct wh_lm_worker *worker = &run->m.worker[w];
    bool lost = worker->known ? !wh_lm_live(&run->m, w) : mode == 1;
    char text[128];

    snprintf(text, sizeof text, "w%u %u %s @", w, lease, modes[mode]);
    wh_lmr_note(run, "heartbeat %s", text);
    redisReply *r = wh_lmr_words(run, "wh1_heartbeat", true, text);
    if (lost) {
        wh_lmr_is_error(r, "WHLOST ");
    } else {
        wh_lmr_is_array(r);
        worker->known = true;
        worker->deadline = run->m.now + lease;
    }
    freeReplyObject(r);
}

void wh_lmr_bye(struct wh_lmr *run)
{
    unsigned w = wh_lmr_random(run, WH_LM_WORKERS);
    struct wh_lc_args a = {0};

    wh_lmr_note(run, "heartbeat w%u 1000 bye", w);
    wh_lc_add_text(&a, "w%u", w);
    wh_lc_add_text(&a, "1000");
    wh_lc_add_text(&a, "bye");
    wh_lc_add_text(&a, "%s", "");
    redisReply *r = call_seen(run, "wh1_heartbeat", &a, true);
    if (run->m.worker[w].known && !wh_lm_live(&run->m, w)) {
        wh_lmr_is_error(r, "WHLOST ");
    } else {
        wh_lmr_is_array(r);
        wh_lm_release(&run->m, w, NULL);
        wh_lm_forget(&run->m, w);
    }
    freeReplyObject(r);
}

void wh_lmr_resync(struct wh_lmr *run)
{
    unsigned w = wh_lmr_pick_live(run), share = wh_lmr_random(run, 101), unknown = 0;
    bool named[WH_LM_JOBS] = {false};
    struct wh_lc_args a = {0};

    wh_lmr_note(run, "resync w%u naming %u%%", w, share);
    wh_lc_add_text(&a, "w%u", w);
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &run->m.job[n];
        if (j->state == WH_LM_RUN && j->worker == w &&
            wh_lmr_random(run, 100) < share) {
            named[n] = true;
            wh_lc_add(&a, wh_lc_token(n, j->run_fence), wh_lc_token_len(j->run_fence));
        } else if (wh_lmr_chance(run, 1)) {
            wh_lc_add(&a, wh_lc_token(n, 77777), wh_lc_token_len(77777));
            unknown++;
        }
    }
    redisReply *r = call_seen(run, "wh1_resync", &a, true);
    if (!wh_lm_live(&run->m, w)) {
        wh_lmr_is_error(r, "WHLOST ");
    } else {
        wh_lmr_is_array(r);
        assert_int_equal(r->element[0]->integer, wh_lm_release(&run->m, w, named));
        assert_int_equal(r->elements, 1 + unknown);
    }
    freeReplyObject(r);
}

void wh_lmr_quiet(struct wh_lmr *run)
{
    unsigned w = wh_lmr_random(run, WH_LM_WORKERS);
    char text[16];

    snprintf(text, sizeof text, "w%u", w);
    wh_lmr_note(run, "quiet %s", text);
    redisReply *r = wh_lmr_words(run, "wh1_quiet", true, text);
    if (run->m.worker[w].known) {
        run->m.worker[w].quiet = true;
        run->m.worker[w].takes = false;
        assert_int_equal(r->type, REDIS_REPLY_STATUS);
    } else {
        wh_lmr_is_error(r, "WHNOTFOUND ");
    }
    freeReplyObject(r);
}

/* ----------------------------------------------------------------- time */

void wh_lmr_advance(struct wh_lmr *run)
{
    long long ms = wh_lmr_chance(run, 85)   ? wh_lmr_random(run, 40)
                   : wh_lmr_chance(run, 80) ? wh_lmr_random(run, 400)
                                            : wh_lmr_random(run, 6000);

    wh_lmr_note(run, "advance %lld", ms);
    run->m.now = wh_lc_advance(ms);
}

static void bounded(struct wh_lmr *run, const char *fn, unsigned batch)
{
    unsigned want = 0, workers = 0;
    struct wh_lc_args a = {0};

    wh_lc_add_text(&a, "%u", batch);
    wh_lmr_note(run, "%s %u", fn, batch);
    redisReply *r = call_seen(run, fn, &a, batch == 1000);
    wh_lmr_is_array(r);
    if (strcmp(fn, "wh1_promote") == 0) {
        want = wh_lm_promote(&run->m, batch);
    } else if (strcmp(fn, "wh1_expire") == 0) {
        want = wh_lm_expire(&run->m, batch);
    } else if (strcmp(fn, "wh1_trim") == 0) {
        want = wh_lm_trim(&run->m, batch);
    } else {
        want = wh_lm_recover(&run->m, batch, &workers);
        assert_int_equal(r->element[2]->integer, workers);
    }
    assert_int_equal(r->element[1]->integer, want);
    freeReplyObject(r);
}

void wh_lmr_timed(struct wh_lmr *run)
{
    static const char *const fns[] = {"wh1_promote", "wh1_expire", "wh1_trim",
                                      "wh1_recover"};

    bounded(run, fns[wh_lmr_random(run, 4)],
            wh_lmr_chance(run, 50) ? 1000 : 1 + wh_lmr_random(run, 20));
}

/* ------------------------------------------------------------- one job */

static unsigned pick_job(struct wh_lmr *run)
{
    static const enum wh_lm_state states[] = {
        WH_LM_READY,   WH_LM_DELAYED, WH_LM_RUN, WH_LM_CANCELLED,
        WH_LM_EXPIRED, WH_LM_DEAD,    WH_LM_TOMB};

    return wh_lmr_chance(run, 20) ? wh_lmr_random(run, WH_LM_JOBS)
                                  : wh_lmr_pick_in(run, states[wh_lmr_random(run, 7)]);
}

static void check_word(const redisReply *r, const char *want)
{
    if (strncmp(want, "WH", 2) == 0) {
        wh_lmr_is_error(r, want);
    } else {
        assert_string_equal(r->str, want);
    }
}

void wh_lmr_cancel(struct wh_lmr *run)
{
    unsigned n = pick_job(run);

    wh_lmr_note(run, "cancel %u", n);
    /* Kept nowhere, a scheduled job is forgotten, and so is that it was cancelled. */
    redisReply *r = wh_lmr_words(run, "wh1_cancel", true, wh_lc_id(n));
    check_word(r, wh_lm_cancel(&run->m, n));
    wh_lmr_check_job(run, n);
    freeReplyObject(r);
}

void wh_lmr_retry(struct wh_lmr *run)
{
    unsigned n = pick_job(run);

    wh_lmr_note(run, "retry %u", n);
    redisReply *r = wh_lmr_words(run, "wh1_retry", true, wh_lc_id(n));
    check_word(r, wh_lm_retry(&run->m, n));
    wh_lmr_check_job(run, n);
    freeReplyObject(r);
}

/* ---------------------------------------------------------------- queue */

void wh_lmr_pause_resume(struct wh_lmr *run)
{
    bool pause = !run->m.paused && wh_lmr_chance(run, 50);

    wh_lmr_note(run, "%s", pause ? "pause" : "resume");
    redisReply *r = wh_lmr_words(run, pause ? "wh1_pause" : "wh1_resume", true, "");
    assert_string_equal(r->str, "OK");
    run->m.paused = pause;
    freeReplyObject(r);
}

/* The cursor behind which the walk starts: the entry of an earlier dead job. */
static void put_cursor(struct wh_lmr *run, char *text, size_t size,
                       struct wh_lm_walk *w)
{
    snprintf(text, size, "-");
    if (run->m.n_dlq == 0 || wh_lmr_chance(run, 70)) {
        return;
    }
    unsigned at = wh_lmr_random(run, run->m.n_dlq);
    redisReply *job = wh_lc_call("wh1_job", "%s", wh_lc_id(run->m.dlq[at]));
    const redisReply *entry = wh_lc_find(job, "dlq_entry");
    assert_non_null(entry);
    snprintf(text, size, "%s", entry->str);
    w->from = at + 1;
    freeReplyObject(job);
}

void wh_lmr_dlq(struct wh_lmr *run)
{
    static const char *const names[] = {"lost_worker", "timeout", "rate_limited",
                                        "invalid", "error"};
    struct wh_lm_walk w = {.limit = 1 + wh_lmr_random(run, 12),
                           .org = -1,
                           .category = -1,
                           .dry = wh_lmr_chance(run, 20)};
    bool replay = wh_lmr_chance(run, 60);
    char text[200];

    put_cursor(run, text, sizeof text, &w);
    size_t at = strlen(text);
    at += (size_t)snprintf(text + at, sizeof text - at, " %u", w.limit);
    if (wh_lmr_chance(run, 30)) {
        w.org = (int)wh_lmr_random(run, WH_LM_ORGS);
        at += (size_t)snprintf(text + at, sizeof text - at, " ORG o%02d", w.org);
    }
    if (wh_lmr_chance(run, 30)) {
        w.category = (int)wh_lmr_random(run, WH_LM_CATEGORIES);
        at += (size_t)snprintf(text + at, sizeof text - at, " CATEGORY %s",
                               names[w.category]);
    }
    if (w.dry) {
        snprintf(text + at, sizeof text - at, " DRYRUN");
    }
    wh_lmr_note(run, "dlq %s %s", replay ? "replay" : "purge", text);
    bool all = w.from + w.limit >= run->m.n_dlq; /* else a second call finds more */
    redisReply *r = wh_lmr_words(run, replay ? "wh1_dlq_replay" : "wh1_dlq_purge",
                                 all || w.dry, text);
    wh_lmr_is_array(r);
    (replay ? wh_lm_replay : wh_lm_purge)(&run->m, &w);
    assert_int_equal(r->element[1]->integer, w.seen);
    assert_int_equal(r->element[2]->integer, w.matched);
    assert_int_equal(r->elements, w.taken > 0 ? 4 : 3);
    if (w.taken > 0) {
        assert_int_equal(r->element[3]->integer, w.taken);
    }
    freeReplyObject(r);
}

static void set_order(struct wh_lmr *run, char *text, size_t size)
{
    run->m.by_deadline = wh_lmr_chance(run, 50);
    snprintf(text, size, "order %s", run->m.by_deadline ? "deadline" : "arrival");
}

void wh_lmr_settings(struct wh_lmr *run)
{
    static const long long counts[] = {0, 3, 40, 10000};
    static const long long ages[] = {0, 500, 5000, 86400000};
    static const char *const weights[] = {"1", "0.5", "3", "0.125", "10"};
    unsigned org = wh_lmr_random(run, WH_LM_ORGS), weight = wh_lmr_random(run, 5);
    char text[64];

    if (wh_lmr_chance(run, 40)) {
        snprintf(text, sizeof text, "o%02u %s", org, weights[weight]);
    } else if (wh_lmr_chance(run, 50)) {
        set_order(run, text, sizeof text);
    } else {
        run->m.keep_count = counts[wh_lmr_random(run, 4)];
        run->m.keep_ms = ages[wh_lmr_random(run, 4)];
        snprintf(text, sizeof text, "keep_count %lld keep_ms %lld", run->m.keep_count,
                 run->m.keep_ms);
    }
    wh_lmr_note(run, "settings %s", text);
    redisReply *r = wh_lmr_words(
        run,
        strncmp(text, "o", 1) == 0 && text[1] != 'r' ? "wh1_weight" : "wh1_configure",
        true, text);
    assert_string_equal(r->str, "OK");
    freeReplyObject(r);
}
