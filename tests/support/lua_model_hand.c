/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-offs in the model: an enqueue of one job may claim it for a worker that waits. It is
 * judged as a claim of a cycle, and nobody may have waited for what it takes. Where nothing
 * speaks against it, it must happen.
 */
#include "tests/support/lua_model.h"

#include <stdio.h>
#include <string.h>

/* A worker whose lease was so long when it registered is not asked for it again until then. */
enum { SURE_MS = 6000, TEXT_MAX = 200 };

/* Nothing that it says bears on where it waits. */
static bool is_plain(const struct wh_lm_new *s)
{
    return s->delay_ms < 0 && s->expires_ms == 0 && s->group == 0 && s->key < 0;
}

static bool is_taken_for_live(const struct wh_lm *m, unsigned worker)
{
    const struct wh_lm_worker *w = &m->worker[worker];

    return wh_lm_live(m, worker) ||
           (w->known && w->sure && m->now - w->idle_since < SURE_MS);
}

/* Does another org wait for the type of this job, and for nothing of its own? */
static bool is_waited_for(struct wh_lm *m, struct wh_lm_session *x, unsigned n,
                          const struct wh_lm_snap *snap)
{
    unsigned type = m->job[n].type;

    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        const struct wh_lm_job *j = &m->job[i];
        const struct wh_lm_stand *s = &m->stand[i];
        bool is_parked = snap->parked_org[j->org] > 0 ||
                         (s->kind == WH_LM_LIST && s->group > 0 &&
                          (snap->parked_group[s->org][s->level][s->group] > 0 ||
                           snap->held_group[s->org][s->level][s->group]));
        if (i != n && j->state == WH_LM_READY && j->type == type && !is_parked &&
            wh_lm_pair_room(x, j->org, type).n < WH_LM_MUCH && wh_lm_may_run(m, x, i)) {
            return true;
        }
    }
    return false;
}

/* Nobody else waits: of its org, also for a time; without limits of any org, for a worker. */
static bool is_alone(const struct wh_lm *m, unsigned n)
{
    bool any = m->limits.n == 0;

    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        const struct wh_lm_job *j = &m->job[i];
        bool waits = j->state == WH_LM_READY || (!any && j->state == WH_LM_DELAYED);
        if (i != n && waits && (any || j->org == m->job[n].org)) {
            return false;
        }
    }
    return true;
}

/* Of what limits held that are no more. */
static bool is_any_parked(const struct wh_lm_snap *snap)
{
    static const struct wh_lm_snap none;

    return snap->parked_queue > 0 ||
           memcmp(snap->parked_org, none.parked_org, sizeof none.parked_org) != 0 ||
           memcmp(snap->parked_type, none.parked_type, sizeof none.parked_type) != 0 ||
           memcmp(snap->parked_group, none.parked_group, sizeof none.parked_group) != 0;
}

/* Somebody waits for such jobs, and nothing else does. */
static bool must_be_handed(struct wh_lm *m, const struct wh_lm_new *s,
                           const struct wh_lm_call *c, const struct wh_lm_snap *snap)
{
    struct wh_lm_session x = wh_lm_session(m);

    if (s->reply != WH_LM_CREATED || !is_plain(s) || c->ring > 0 || c->first < 0 ||
        !c->takes || !wh_lm_live(m, (unsigned)c->first)) {
        return false;
    }
    for (unsigned o = 0; o < WH_LM_ORGS; o++) {
        if (snap->waiting[o][s->type]) {
            return false;
        }
    }
    return (m->limits.n > 0 || !is_any_parked(snap)) && wh_lm_may_run(m, &x, s->n) &&
           is_alone(m, s->n);
}

static const char *why_not(struct wh_lm *m, const struct wh_lm_new *s,
                           const struct wh_lm_call *c, const struct wh_lm_snap *snap)
{
    struct wh_lm_session x = wh_lm_session(m);

    if (s->reply != WH_LM_CREATED || !is_plain(s)) {
        return "it waits otherwise than a plain one";
    }
    if (c->worker != c->first || !c->takes) {
        return "to one that does not wait for it";
    }
    if (!is_taken_for_live(m, (unsigned)c->worker)) {
        return "to one whose lease ran out";
    }
    if (!wh_lm_may_run(m, &x, s->n)) {
        return wh_lm_reason(m, s->n, s->n);
    }
    if (!is_alone(m, s->n)) {
        return "another one waits";
    }
    if (c->ring > 0) {
        return "an org is in the ring";
    }
    if (is_waited_for(m, &x, s->n, snap)) {
        return "another org waits for its type";
    }
    return snap->stand[s->n].in ? "and is still in a list" : NULL;
}

static bool adopt_cuts(struct wh_lm *m, const struct wh_lm_new *s,
                       const struct wh_lm_snap *snap)
{
    struct wh_lm_spent spent = {.queue = 1};

    spent.org[s->org] = spent.type[s->type] = spent.pair[s->org][s->type] = 1;
    return wh_lm_adopt_cuts(&m->limits, &snap->tat, &spent);
}

void wh_lm_note_idle(struct wh_lm *m, const struct wh_lm_cycle *c)
{
    struct wh_lm_worker *w = &m->worker[c->worker];

    w->takes = c->over_bell && (c->flags & 4) != 0;
    w->idle_since = m->now;
    w->sure = w->deadline - m->now >= SURE_MS;
}

void wh_lm_claim(struct wh_lm *m, unsigned worker, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    j->state = WH_LM_RUN;
    j->worker = worker;
    j->run_fence = j->fence + 1;
    j->claimed_at = m->now;
    m->stat[WH_LM_CLAIMED]++;
    if (j->unique == WH_LM_BY_QUEUED) {
        wh_lm_release_key(m, n);
    }
}

const char *wh_lm_hand_off(struct wh_lm *m, const struct wh_lm_new *s,
                           const struct wh_lm_call *c, const struct wh_lm_snap *snap)
{
    static char text[TEXT_MAX];

    if (c->first >= 0 && m->worker[c->first].takes != c->takes) {
        snprintf(text, sizeof text, "w%d waits %s jobs, the model says otherwise",
                 c->first, c->takes ? "for" : "without");
        return text;
    }
    if (c->worker < 0) {
        return must_be_handed(m, s, c, snap) ? "not handed over, and should be" : NULL;
    }
    const char *wrong = why_not(m, s, c, snap);
    if (wrong != NULL) {
        snprintf(text, sizeof text, "handed to w%d: %s", c->worker, wrong);
        return text;
    }
    if (!adopt_cuts(m, s, snap)) {
        return "a bucket is not what it can be";
    }
    struct wh_lm_session x = wh_lm_session(m);
    wh_lm_spend(&x, s->org, s->type, 0);
    wh_lm_close(&x);
    wh_lm_claim(m, (unsigned)c->worker, s->n);
    m->stand[s->n] = (struct wh_lm_stand){.in = false};
    m->worker[c->worker].takes = false; /* until it says so again */
    return NULL;
}
