/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs and their transitions. The ring and the claims are in lua_model_claim.c.
 */
#include "tests/support/lua_model.h"

#include <stdlib.h>
#include <string.h>

void wh_lm_init(struct wh_lm *m, long long now)
{
    memset(m, 0, sizeof *m);
    m->now = now;
    m->keep_count = 10000;
    m->keep_ms = 86400000;
    for (int i = 0; i < WH_LM_JOBS; i++) {
        m->expiry[i] = -1;
    }
    for (int i = 0; i < WH_LM_KEYS; i++) {
        m->key_holder[i] = -1;
    }
    for (int i = 0; i < WH_LM_ORGS; i++) {
        m->org[i].weight = 1;
    }
}

bool wh_lm_live(const struct wh_lm *m, unsigned worker)
{
    return m->worker[worker].known && m->worker[worker].deadline > m->now;
}

bool wh_lm_holds(const struct wh_lm *m, unsigned worker, unsigned n, unsigned fence)
{
    const struct wh_lm_job *j = &m->job[n];

    return j->state == WH_LM_RUN && j->worker == worker && j->run_fence == fence;
}

unsigned wh_lm_count(const struct wh_lm *m, enum wh_lm_state state)
{
    unsigned count = 0;

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        count += m->job[n].state == state;
    }
    return count;
}

static bool is_kept(enum wh_lm_state s)
{
    return s == WH_LM_COMPLETED || s == WH_LM_CANCELLED || s == WH_LM_EXPIRED;
}

static void drop(struct wh_lm *m, unsigned n)
{
    memset(&m->job[n], 0, sizeof m->job[n]);
}

void wh_lm_finish(struct wh_lm *m, unsigned n, enum wh_lm_state status, bool queued)
{
    struct wh_lm_job *j = &m->job[n];

    if (m->keep_count == 0) {
        drop(m, n);
        j->state = queued ? WH_LM_TOMB : WH_LM_NONE;
        return;
    }
    j->state = status;
    j->queued = queued;
    j->cancel = false;
    j->finished_at = m->now;
}

int wh_lm_enqueue(struct wh_lm *m, const struct wh_lm_new *spec)
{
    struct wh_lm_job *j = &m->job[spec->n];

    if (j->state != WH_LM_NONE) {
        return (int)spec->n;
    }
    if (spec->key >= 0 && m->key_holder[spec->key] >= 0) {
        return m->key_holder[spec->key];
    }
    if (spec->key >= 0) {
        m->key_holder[spec->key] = (int)spec->n;
    }
    memset(j, 0, sizeof *j);
    j->org = spec->org;
    j->level = spec->level;
    j->enqueued_at = m->now;
    j->expires_ms = spec->expires_ms;
    if (spec->expires_ms > 0) {
        m->expiry[spec->n] = m->now + spec->expires_ms;
    }
    if (spec->delay_ms > 0) {
        j->state = WH_LM_DELAYED;
        j->due = m->now + spec->delay_ms;
    } else {
        wh_lm_push(m, spec->n, false);
    }
    m->stat[WH_LM_ENQUEUED]++;
    return -1;
}

static void die(struct wh_lm *m, unsigned n, unsigned category)
{
    m->job[n].state = WH_LM_DEAD;
    m->job[n].category = category;
    m->dlq[m->n_dlq++] = n;
    m->stat[WH_LM_DEAD_TOTAL]++;
}

static void again(struct wh_lm *m, unsigned n, long long delay_ms)
{
    if (delay_ms > 0) {
        m->job[n].state = WH_LM_DELAYED;
        m->job[n].due = m->now + delay_ms;
    } else {
        wh_lm_push(m, n, false);
    }
}

static void cancelled(struct wh_lm *m, unsigned n)
{
    wh_lm_finish(m, n, WH_LM_CANCELLED, false);
    m->stat[WH_LM_DID_CANCEL]++;
}

static void recovered(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    if (++j->recoveries >= 3) {
        die(m, n, 0);
    } else {
        wh_lm_push(m, n, true);
    }
    m->stat[WH_LM_RECOVERED]++;
}

/* Ends a claim. */
static void end_claim(struct wh_lm *m, const struct wh_lm_end *e)
{
    struct wh_lm_job *j = &m->job[e->n];

    j->fence = e->fence;
    if (j->cancel && (e->outcome == WH_LM_RETRY || e->outcome == WH_LM_SNOOZE ||
                      e->outcome == WH_LM_RELEASE || e->outcome == WH_LM_RECOVER)) {
        cancelled(m, e->n);
        return;
    }
    switch (e->outcome) {
    case WH_LM_OK:
        wh_lm_finish(m, e->n, WH_LM_COMPLETED, false);
        m->stat[WH_LM_DID_COMPLETE]++;
        break;
    case WH_LM_RETRY:
        j->attempts++;
        again(m, e->n, e->delay_ms);
        m->stat[WH_LM_RETRIED]++;
        break;
    case WH_LM_DIE:
        j->attempts++;
        die(m, e->n, e->category);
        break;
    case WH_LM_SNOOZE:
        again(m, e->n, e->delay_ms);
        m->stat[WH_LM_SNOOZED]++;
        break;
    case WH_LM_RELEASE:
        wh_lm_push(m, e->n, true);
        m->stat[WH_LM_RELEASED]++;
        break;
    case WH_LM_CANCEL:
        cancelled(m, e->n);
        break;
    case WH_LM_EXPIRE:
        wh_lm_finish(m, e->n, WH_LM_EXPIRED, false);
        m->stat[WH_LM_DID_EXPIRE]++;
        break;
    case WH_LM_RECOVER:
        recovered(m, e->n);
        break;
    }
}

/* The job with the lowest (time, id) of those that pick takes; -1 none. */
typedef long long (*time_of)(const struct wh_lm *m, unsigned n);

static int earliest(const struct wh_lm *m, time_of time)
{
    int best = -1;

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        long long t = time(m, n);
        if (t >= 0 && (best < 0 || t < time(m, (unsigned)best))) {
            best = (int)n;
        }
    }
    return best;
}

static long long due_time(const struct wh_lm *m, unsigned n)
{
    return m->job[n].state == WH_LM_DELAYED ? m->job[n].due : -1;
}

static long long expiry_time(const struct wh_lm *m, unsigned n)
{
    return m->expiry[n];
}

static long long kept_time(const struct wh_lm *m, unsigned n)
{
    return is_kept(m->job[n].state) ? m->job[n].finished_at : -1;
}

unsigned wh_lm_promote(struct wh_lm *m, unsigned batch)
{
    unsigned count = 0;

    for (; count < batch; count++) {
        int n = earliest(m, due_time);
        if (n < 0 || m->job[n].due > m->now) {
            break;
        }
        wh_lm_push(m, (unsigned)n, false);
    }
    m->stat[WH_LM_PROMOTED] += count;
    return count;
}

unsigned wh_lm_expire(struct wh_lm *m, unsigned batch)
{
    unsigned count = 0;

    for (unsigned i = 0; i < batch; i++) {
        int n = earliest(m, expiry_time);
        if (n < 0 || m->expiry[n] > m->now) {
            break;
        }
        m->expiry[n] = -1;
        const struct wh_lm_job *j = &m->job[n];
        bool waits = j->state == WH_LM_READY || j->state == WH_LM_DELAYED;
        if (waits && j->fence == 0 && j->expires_ms > 0 &&
            j->enqueued_at + j->expires_ms <= m->now) {
            wh_lm_finish(m, (unsigned)n, WH_LM_EXPIRED, j->state == WH_LM_READY);
            count++;
        }
    }
    m->stat[WH_LM_DID_EXPIRE] += count;
    return count;
}

static unsigned trim(struct wh_lm *m, unsigned batch, bool by_age)
{
    long long kept = wh_lm_count(m, WH_LM_COMPLETED) + wh_lm_count(m, WH_LM_CANCELLED) +
                     wh_lm_count(m, WH_LM_EXPIRED);
    unsigned count = 0;

    for (; count < batch; count++) {
        int n = earliest(m, kept_time);
        if (n < 0 || (by_age && m->job[n].finished_at >= m->now - m->keep_ms) ||
            (!by_age && kept - count <= m->keep_count)) {
            break;
        }
        bool queued = m->job[n].queued;
        drop(m, (unsigned)n);
        m->job[n].state = queued ? WH_LM_TOMB : WH_LM_NONE;
    }
    return count;
}

unsigned wh_lm_trim(struct wh_lm *m, unsigned batch)
{
    unsigned count = trim(m, batch, true);

    return count < batch ? count + trim(m, batch - count, false) : count;
}

/* Ends claims of a worker: the highest id first, at most batch. */
static unsigned drop_claims(struct wh_lm *m, unsigned worker, enum wh_lm_outcome how,
                            unsigned batch, const bool *spare)
{
    unsigned held = 0, count = 0;

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        held += m->job[n].state == WH_LM_RUN && m->job[n].worker == worker;
    }
    for (unsigned i = WH_LM_JOBS; i > 0; i--) {
        const struct wh_lm_job *j = &m->job[i - 1];
        struct wh_lm_end e = {.n = i - 1, .fence = j->run_fence, .outcome = how};

        if (j->state != WH_LM_RUN || j->worker != worker ||
            (spare != NULL && spare[i - 1]) ||
            (held > batch && m->still_held(worker, e.n, e.fence))) {
            continue;
        }
        end_claim(m, &e);
        count++;
    }
    return count;
}

unsigned wh_lm_release(struct wh_lm *m, unsigned worker, const bool *named)
{
    return drop_claims(m, worker, WH_LM_RELEASE, WH_LM_JOBS, named);
}

void wh_lm_forget(struct wh_lm *m, unsigned worker)
{
    memset(&m->worker[worker], 0, sizeof m->worker[worker]);
}

static int first_lost(const struct wh_lm *m, const bool *looked_at)
{
    int best = -1;

    for (int w = 0; w < WH_LM_WORKERS; w++) {
        if (m->worker[w].known && !wh_lm_live(m, (unsigned)w) && !looked_at[w] &&
            (best < 0 || m->worker[w].deadline < m->worker[best].deadline)) {
            best = w;
        }
    }
    return best;
}

static bool holds_any(const struct wh_lm *m, unsigned worker)
{
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        if (m->job[n].state == WH_LM_RUN && m->job[n].worker == worker) {
            return true;
        }
    }
    return false;
}

unsigned wh_lm_recover(struct wh_lm *m, unsigned batch, unsigned *workers)
{
    bool looked_at[WH_LM_WORKERS] = {false};
    unsigned jobs = 0;

    *workers = 0;
    for (int w = first_lost(m, looked_at); w >= 0 && (jobs < batch || jobs == 0);
         w = first_lost(m, looked_at)) {
        looked_at[w] = true;
        jobs += drop_claims(m, (unsigned)w, WH_LM_RECOVER, batch - jobs, NULL);
        if (!holds_any(m, (unsigned)w)) {
            wh_lm_forget(m, (unsigned)w);
            ++*workers;
        }
    }
    m->stat[WH_LM_WORKERS_LOST] += *workers;
    return jobs;
}

const char *wh_lm_cancel(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    switch (j->state) {
    case WH_LM_NONE:
        return "WHNOTFOUND";
    case WH_LM_DEAD:
    case WH_LM_COMPLETED:
    case WH_LM_EXPIRED:
        return "WHSTATE";
    case WH_LM_RUN:
        j->cancel = true;
        return "requested";
    case WH_LM_READY:
    case WH_LM_DELAYED:
        wh_lm_finish(m, n, WH_LM_CANCELLED, j->state == WH_LM_READY);
        m->stat[WH_LM_DID_CANCEL]++;
        return "cancelled";
    case WH_LM_CANCELLED:
    case WH_LM_TOMB:
        break;
    }
    return "cancelled";
}

static void leave_dlq(struct wh_lm *m, unsigned n)
{
    unsigned at = 0;

    while (m->dlq[at] != n) {
        at++;
    }
    memmove(&m->dlq[at], &m->dlq[at + 1], (--m->n_dlq - at) * sizeof m->dlq[0]);
}

static void revive(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    leave_dlq(m, n);
    j->attempts = j->recoveries = 0;
    j->cancel = false;
    j->expires_ms = 0;
    wh_lm_push(m, n, false);
    m->stat[WH_LM_REPLAYED]++;
}

const char *wh_lm_retry(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    switch (j->state) {
    case WH_LM_NONE:
    case WH_LM_TOMB:
        return "WHNOTFOUND";
    case WH_LM_RUN:
    case WH_LM_COMPLETED:
        return "WHSTATE";
    case WH_LM_DEAD:
        revive(m, n);
        break;
    case WH_LM_DELAYED:
        wh_lm_push(m, n, false);
        break;
    case WH_LM_CANCELLED:
    case WH_LM_EXPIRED:
        j->attempts = j->recoveries = 0;
        m->expiry[n] = -1;
        if (j->queued) {
            j->queued = false;
            j->state = WH_LM_READY;
        } else {
            wh_lm_push(m, n, false);
        }
        break;
    case WH_LM_READY:
        break;
    }
    return "pending";
}

static void walk(struct wh_lm *m, struct wh_lm_walk *w,
                 void (*act)(struct wh_lm *, unsigned))
{
    unsigned todo[WH_LM_JOBS];

    w->seen = w->matched = 0;
    for (unsigned i = w->from; i < m->n_dlq && w->seen < w->limit; i++, w->seen++) {
        const struct wh_lm_job *j = &m->job[m->dlq[i]];
        if ((w->org < 0 || j->org == (unsigned)w->org) &&
            (w->category < 0 || j->category == (unsigned)w->category)) {
            todo[w->matched++] = m->dlq[i];
        }
    }
    for (unsigned i = 0; !w->dry && i < w->matched; i++) {
        act(m, todo[i]);
    }
}

static void purge(struct wh_lm *m, unsigned n)
{
    leave_dlq(m, n);
    drop(m, n);
    m->stat[WH_LM_PURGED]++;
}

void wh_lm_replay(struct wh_lm *m, struct wh_lm_walk *w)
{
    walk(m, w, revive);
}

void wh_lm_purge(struct wh_lm *m, struct wh_lm_walk *w)
{
    walk(m, w, purge);
}

void wh_lm_run_cycle(struct wh_lm *m, struct wh_lm_cycle *c)
{
    bool held[128] = {false}, more = false;
    unsigned workers, ended = 0;

    c->n_fenced = c->n_claimed = c->flags = 0;
    c->lost = !wh_lm_live(m, c->worker);
    if (c->lost) {
        return;
    }
    for (unsigned i = 0; i < c->n_ok + c->n_end; i++) {
        const struct wh_lm_end *e = i < c->n_ok ? &c->ok[i] : &c->end[i - c->n_ok];
        held[i] = wh_lm_holds(m, c->worker, e->n, e->fence);
        if (held[i]) {
            m->job[e->n].run_fence = 0; /* named once; its list follows below */
        } else {
            c->fenced[c->n_fenced++] = i;
        }
    }
    m->stat[WH_LM_FENCED] += c->n_fenced;
    for (unsigned i = 0; i < c->n_ok + c->n_end; i++) {
        if (held[i]) {
            end_claim(m, i < c->n_ok ? &c->ok[i] : &c->end[i - c->n_ok]);
            ended++;
        }
    }
    if (m->keep_count > 0 && ended > 0) {
        trim(m, 2 * ended, false);
    }
    wh_lm_recover(m, 50, &workers);
    wh_lm_expire(m, 1000);
    wh_lm_promote(m, 100);
    bool ring = false;
    for (int o = 0; o < WH_LM_ORGS; o++) {
        ring = ring || m->org[o].in_ring;
    }
    if (m->worker[c->worker].quiet && c->want > 0) {
        c->flags = 1;
    } else if (m->paused) {
        c->flags = 5;
    } else if (c->want == 0) {
        c->flags = ring ? 2 : 0;
    } else {
        c->n_claimed = wh_lm_claim(m, c->worker, c->want, c->claimed, &more);
        c->flags = more ? 2 : c->n_claimed < c->want ? 4 : 0;
    }
}
