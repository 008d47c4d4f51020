/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs and their transitions; more are in lua_model_enqueue.c, _claim.c and _time.c. */
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
        m->job[i].key = -1;
    }
    memset(m->key_holder, -1, sizeof m->key_holder);
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

void wh_lm_drop(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    memset(j, 0, sizeof *j);
    j->key = -1;
    j->state = m->stand[n].in ? WH_LM_TOMB : WH_LM_NONE;
}

/* A job without a time to expire may still stand by deadline: when it starts over. */
static const long long never = 315360000000;

static long long deadline_of(const struct wh_lm_job *j)
{
    return j->enqueued_at + (j->expires_ms > 0 ? j->expires_ms : never);
}

long long wh_lm_aside_rank(const struct wh_lm_job *j)
{
    long long since = (j->again_at > 0 ? j->again_at : j->enqueued_at) + 50000000000000;
    return (9 - (long long)j->level) * 100000000000000 +
           (j->by_deadline ? deadline_of(j) : since);
}

/* Deadlines and ages stand as they are; a list's ranks are made here. */
void wh_lm_push(struct wh_lm *m, unsigned n, bool at_head)
{
    struct wh_lm_job *j = &m->job[n];
    struct wh_lm_stand *s = &m->stand[n];

    j->state = WH_LM_READY;
    *s = (struct wh_lm_stand){.in = true,
                              .fresh = true,
                              .unsure = wh_lm_holds_types(&m->limits),
                              .org = j->org,
                              .level = j->level,
                              .aside = wh_lm_aside_rank(j)};
    if (j->by_deadline) {
        s->kind = WH_LM_SOONEST;
        s->rank = deadline_of(j);
    } else {
        s->kind = WH_LM_LIST;
        s->group = j->group;
        s->rank = at_head ? --m->first : ++m->last;
    }
}

void wh_lm_look(struct wh_lm *m, const struct wh_lm_snap *snap)
{
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        struct wh_lm_stand *s = &m->stand[n];
        if (snap->stand[n].in && snap->stand[n].kind == WH_LM_ASIDE && s->fresh) {
            long long rank = s->aside;
            *s = snap->stand[n];
            s->rank = rank;
        }
        s->fresh = s->unsure = false;
    }
}

/* What it says changed while it stands: by deadline, and set aside, that moves it. */
void wh_lm_move(struct wh_lm *m, unsigned n)
{
    const struct wh_lm_job *j = &m->job[n];
    struct wh_lm_stand *s = &m->stand[n];

    if (s->in) {
        s->aside = wh_lm_aside_rank(j);
        s->rank = s->kind == WH_LM_ASIDE ? s->aside
                  : j->by_deadline       ? deadline_of(j)
                                         : s->rank;
    }
}

/* Its key is free again, when it ends with the job or before. */
void wh_lm_release_key(struct wh_lm *m, unsigned n)
{
    const struct wh_lm_job *j = &m->job[n];

    if (j->key >= 0 && j->unique != WH_LM_BY_TTL &&
        m->key_holder[j->org][j->key] == (int)n) {
        m->key_holder[j->org][j->key] = -1;
    }
}

void wh_lm_finish(struct wh_lm *m, unsigned n, enum wh_lm_state status)
{
    struct wh_lm_job *j = &m->job[n];

    wh_lm_release_key(m, n);
    if (m->keep_count == 0) {
        wh_lm_drop(m, n);
        return;
    }
    j->state = status;
    j->cancel = false;
    j->finished_at = m->now;
}

static void die(struct wh_lm *m, unsigned n, unsigned category)
{
    wh_lm_release_key(m, n);
    m->job[n].state = WH_LM_DEAD;
    m->job[n].category = category;
    m->dlq[m->n_dlq++] = n;
    m->stat[WH_LM_DEAD_TOTAL]++;
}

/* What no handler had may still expire, whenever it was claimed. */
static void note_start(struct wh_lm *m, const struct wh_lm_end *e)
{
    struct wh_lm_job *j = &m->job[e->n];

    j->started = j->started || !e->no_start;
    j->not_started = e->no_start && e->outcome == WH_LM_SNOOZE;
    if (!j->started && j->recoveries == 0 && j->expires_ms > 0) {
        m->expiry[e->n] = j->enqueued_at + j->expires_ms;
    }
}

static void again(struct wh_lm *m, unsigned n, long long delay_ms)
{
    m->job[n].again_at = m->now + delay_ms;
    if (delay_ms > 0) {
        m->job[n].state = WH_LM_DELAYED;
        m->job[n].due = m->now + delay_ms;
        m->job[n].put_off = false;
    } else {
        wh_lm_push(m, n, false);
    }
}

static void cancelled(struct wh_lm *m, unsigned n)
{
    wh_lm_finish(m, n, WH_LM_CANCELLED);
    m->stat[WH_LM_DID_CANCEL]++;
}

static void recovered(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    if (++j->recoveries >= 3) {
        die(m, n, WH_LM_LOST_WORKER);
    } else {
        wh_lm_push(m, n, true);
    }
    m->stat[WH_LM_RECOVERED]++;
}

/* For the breaker and the adaptive rate of its type: by the outcome that was reported. */
static void note(struct wh_lm *m, const struct wh_lm_end *e)
{
    unsigned type = m->job[e->n].type;
    struct wh_lm_ran *ran = &m->ran[type];
    const struct wh_lm_breaker *b = &m->limits.state[type];
    double claimed_at = (double)m->job[e->n].claimed_at;
    bool fresh = claimed_at >= b->since;
    bool failed = e->category == WH_LM_TIMEOUT || e->category == WH_LM_RATE_LIMITED ||
                  e->category == WH_LM_ERROR;

    bool snoozed = e->says == WH_LM_WAS_SNOOZED && e->outcome != WH_LM_OK;

    ran->any = true;
    ran->silent += b->state != WH_LM_CLOSED && !fresh && claimed_at >= b->first;
    if (e->outcome == WH_LM_RELEASE || e->outcome == WH_LM_RECOVER ||
        e->outcome == WH_LM_EXPIRE || e->no_start) {
        ran->silent += fresh;
        return;
    }
    if (e->outcome == WH_LM_SNOOZE || e->outcome == WH_LM_CANCEL || snoozed) {
        ran->silent += fresh;
    } else if (failed && (e->outcome == WH_LM_RETRY || e->outcome == WH_LM_DIE)) {
        ran->bad++;
        ran->fresh_bad += fresh;
    } else {
        ran->good++;
        ran->fresh_good += fresh;
    }
    if (e->category == WH_LM_RATE_LIMITED) {
        bool wish = e->says != WH_LM_OWN_DELAY || e->outcome == WH_LM_OK;
        double wait_ms = wish ? (double)e->delay_ms : 0;
        ran->overload++;
        ran->wait_ms = ran->wait_ms > wait_ms ? ran->wait_ms : wait_ms;
    }
}

void wh_lm_settle_ended(struct wh_lm *m)
{
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        if (m->ran[t].any) {
            wh_lm_note_ended(&m->limits, (double)m->now, t, &m->ran[t]);
        }
    }
    memset(m->ran, 0, sizeof m->ran);
}

void wh_lm_end_claim(struct wh_lm *m, const struct wh_lm_end *e)
{
    struct wh_lm_job *j = &m->job[e->n];

    note(m, e);
    j->fence = e->fence;
    j->snoozed = e->outcome == WH_LM_SNOOZE && !e->no_start;
    if (j->cancel && (e->outcome == WH_LM_RETRY || e->outcome == WH_LM_SNOOZE ||
                      e->outcome == WH_LM_RELEASE || e->outcome == WH_LM_RECOVER)) {
        cancelled(m, e->n);
        return;
    }
    switch (e->outcome) {
    case WH_LM_OK:
        wh_lm_finish(m, e->n, WH_LM_COMPLETED);
        m->stat[WH_LM_DID_COMPLETE]++;
        break;
    case WH_LM_RETRY:
        j->attempts++;
        note_start(m, e);
        again(m, e->n, e->delay_ms);
        m->stat[WH_LM_RETRIED]++;
        break;
    case WH_LM_DIE:
        j->attempts++;
        die(m, e->n, e->category);
        break;
    case WH_LM_SNOOZE:
        note_start(m, e);
        again(m, e->n, e->delay_ms);
        m->stat[WH_LM_SNOOZED]++;
        break;
    case WH_LM_RELEASE:
        note_start(m, e);
        wh_lm_push(m, e->n, true);
        m->stat[WH_LM_RELEASED]++;
        break;
    case WH_LM_CANCEL:
        cancelled(m, e->n);
        break;
    case WH_LM_EXPIRE:
        wh_lm_finish(m, e->n, WH_LM_EXPIRED);
        m->stat[WH_LM_DID_EXPIRE]++;
        break;
    case WH_LM_RECOVER:
        recovered(m, e->n);
        break;
    }
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
        wh_lm_finish(m, n, WH_LM_CANCELLED);
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

/* A job that ended had its key until then: does another one have it now? */
static bool is_key_taken(const struct wh_lm *m, unsigned n)
{
    const struct wh_lm_job *j = &m->job[n];

    return j->key >= 0 && j->unique != WH_LM_BY_TTL &&
           m->key_holder[j->org][j->key] >= 0 &&
           m->key_holder[j->org][j->key] != (int)n;
}

static void take_key(struct wh_lm *m, unsigned n)
{
    const struct wh_lm_job *j = &m->job[n];

    if (j->key >= 0 && j->unique != WH_LM_BY_TTL) {
        m->key_holder[j->org][j->key] = (int)n;
    }
}

/* What the entry of a dead job does not have is lost. */
static void revive(struct wh_lm *m, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];
    struct wh_lm_new bare = {.org = j->org,
                             .type = j->type,
                             .group = j->group,
                             .delay_ms = -1,
                             .key = j->key,
                             .ttl = j->ttl,
                             .unique = j->unique,
                             .payload = j->payload};

    leave_dlq(m, n);
    j->attempts = j->recoveries = 0;
    j->again_at = m->now;
    j->cancel = j->started = j->by_deadline = false;
    j->expires_ms = 0;
    take_key(m, n);
    j->bytes = j->patient = wh_lm_record_size(&bare, false);
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
        if (is_key_taken(m, n)) {
            return "WHSTATE";
        }
        revive(m, n);
        break;
    case WH_LM_DELAYED:
        j->again_at = m->now;
        wh_lm_push(m, n, false);
        break;
    case WH_LM_CANCELLED:
    case WH_LM_EXPIRED:
        if (is_key_taken(m, n)) {
            return "WHSTATE";
        }
        take_key(m, n);
        j->attempts = j->recoveries = 0;
        j->again_at = m->now;
        j->started = false;
        m->expiry[n] = -1;
        j->expires_ms = 0;
        j->bytes = j->patient;
        if (m->stand[n].in) {
            j->state = WH_LM_READY; /* wakes up where it stands */
            wh_lm_move(m, n);
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
    bool used[WH_LM_ORGS][WH_LM_KEYS] = {{false}}; /* by those before */

    w->seen = w->matched = w->taken = 0;
    for (unsigned i = w->from; i < m->n_dlq && w->seen < w->limit; i++, w->seen++) {
        const struct wh_lm_job *j = &m->job[m->dlq[i]];
        if ((w->org < 0 || j->org == (unsigned)w->org) &&
            (w->category < 0 || j->category == (unsigned)w->category)) {
            bool needs_key = act == revive && j->key >= 0 && j->unique != WH_LM_BY_TTL;
            if (needs_key && (used[j->org][j->key] || is_key_taken(m, m->dlq[i]))) {
                w->taken++;
                continue;
            }
            if (needs_key) {
                used[j->org][j->key] = true;
            }
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
    wh_lm_drop(m, n);
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

void wh_lm_begin_cycle(struct wh_lm *m, struct wh_lm_cycle *c)
{
    bool held[128] = {false};
    unsigned workers, ended = 0;

    c->n_fenced = 0;
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
            wh_lm_end_claim(m, i < c->n_ok ? &c->ok[i] : &c->end[i - c->n_ok]);
            ended++;
        }
    }
    wh_lm_settle_ended(m);
    if (m->keep_count > 0 && ended > 0) {
        wh_lm_trim_count(m, 2 * ended);
    }
    wh_lm_recover(m, 50, &workers);
    wh_lm_expire(m, 1000);
    wh_lm_promote(m, 100);
}

bool wh_lm_same_place(const struct wh_lm_stand *a, const struct wh_lm_stand *b)
{
    return a->in && b->in && a->kind == b->kind && a->org == b->org &&
           a->level == b->level && a->group == b->group && a->type == b->type;
}
