/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain: nothing new comes, one worker runs all that it gets, and time goes to where the
 * reply says that something is due. No job that may run waits for long, and a worker that
 * hears "more" does not hear it for ever.
 */
#include "tests/support/lua_model_run.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 60, STARVED = 8, STARVED_MS = 3000, MORE = 20 };

/* Since when a job could run, and in how many rounds it did not. */
struct wait {
    unsigned rounds;
    long long since;
};

static void must(redisReply *r)
{
    if (r->type == REDIS_REPLY_ERROR) {
        fail_msg("%s", r->str);
    }
    freeReplyObject(r);
}

/* A new worker 0 that lives longer than this takes, and nothing paused. */
static void begin(struct wh_lmr *run)
{
    struct wh_lm *m = &run->m;
    unsigned workers;

    must(wh_lc_call("wh1_resume", ""));
    m->paused = false;
    must(wh_lc_call("wh1_recover", "1000"));
    wh_lm_recover(m, 1000, &workers);
    must(wh_lc_call("wh1_heartbeat", "w0 1000 bye %b", "", (size_t)0));
    wh_lm_release(m, 0, NULL);
    wh_lm_forget(m, 0);
    must(wh_lc_call("wh1_heartbeat", "w0 3600000 new %b", "", (size_t)0));
    m->worker[0] = (struct wh_lm_worker){.known = true, .deadline = m->now + 3600000};
}

/* Finishes all that it holds and asks for as much as there is. */
static void turn(struct wh_lmr *run, struct wh_lm_cycle *c)
{
    *c = (struct wh_lm_cycle){.worker = 0, .want = WH_LM_JOBS};
    for (unsigned n = 0; n < WH_LM_JOBS && c->n_ok < 60; n++) {
        const struct wh_lm_job *j = &run->m.job[n];
        if (j->state == WH_LM_RUN && j->worker == 0) {
            c->ok[c->n_ok++] = (struct wh_lm_end){.n = n, .fence = j->run_fence};
        }
    }
    wh_lmr_run_cycle(run, c);
}

/* counts: nothing ended in this round, so that what is left could have run in it. */
static void find_starved(struct wh_lmr *run, struct wait *waits, bool counts)
{
    struct wh_lm_session x = wh_lm_session(&run->m);

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &run->m.job[n];
        struct wait *w = &waits[n];
        if (j->state != WH_LM_READY || !wh_lm_may_run(&run->m, &x, n)) {
            w->rounds = 0;
            continue;
        }
        if (!counts) {
            continue;
        }
        w->since = w->rounds == 0 ? run->m.now : w->since;
        if (++w->rounds >= STARVED && run->m.now - w->since >= STARVED_MS) {
            fail_msg("job %u (org %u, level %u, type %s, group %u%s) could run for %u "
                     "rounds, and nobody got it",
                     n, j->org, j->level, wh_lm_types[j->type], j->group,
                     run->m.stand[n].kind == WH_LM_ASIDE ? ", set aside" : "",
                     w->rounds);
        }
    }
}

void wh_lmr_drain(struct wh_lmr *run)
{
    struct wait waits[WH_LM_JOBS] = {{0}};
    unsigned more = 0;
    struct wh_lm_cycle c;

    wh_lmr_note(run, "drain");
    begin(run);
    for (unsigned i = 0; i < ROUNDS; i++) {
        turn(run, &c);
        if (c.flags & 2) {
            more = c.n_claimed == 0 ? more + 1 : 0;
            if (more >= MORE) {
                fail_msg("more, it says, %u times, and gives nothing", more);
            }
            continue;
        }
        more = 0;
        find_starved(run, waits, c.n_ok == 0);
        if (c.n_ok > 0) {
            continue;
        }
        if (c.next_due < 0 || c.next_due > 3600) {
            break;
        }
        run->m.now = wh_lc_advance(c.next_due > 0 ? c.next_due : 1);
    }
    must(wh_lc_call("wh1_heartbeat", "w0 1000 renew %b", "", (size_t)0));
    run->m.worker[0].deadline = run->m.now + 1000;
}
