/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time does in the model: promote, expire, trim, recover.
 */
#include "tests/support/lua_model.h"

#include <stdlib.h>
#include <string.h>

enum { EXPIRE_MOST = 50 }; /* of a call */

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

static long long completed_time(const struct wh_lm *m, unsigned n)
{
    return m->job[n].state == WH_LM_COMPLETED ? m->job[n].finished_at : -1;
}

/* Of what was cancelled or expired. */
static int oldest_other(const struct wh_lm *m)
{
    int best = -1;

    for (int n = WH_LM_JOBS - 1; n >= 0; n--) { /* of equal times the highest id */
        const struct wh_lm_job *j = &m->job[n];
        if ((j->state == WH_LM_CANCELLED || j->state == WH_LM_EXPIRED) &&
            (best < 0 || j->finished_at < m->job[best].finished_at)) {
            best = n;
        }
    }
    return best;
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

    for (unsigned i = 0; i < batch && i < EXPIRE_MOST; i++) {
        int n = earliest(m, expiry_time);
        if (n < 0 || m->expiry[n] > m->now) {
            break;
        }
        m->expiry[n] = -1;
        const struct wh_lm_job *j = &m->job[n];
        bool waits = j->state == WH_LM_READY || j->state == WH_LM_DELAYED;
        if (waits && !j->started && j->recoveries == 0 && j->expires_ms > 0 &&
            j->enqueued_at + j->expires_ms <= m->now) {
            wh_lm_finish(m, (unsigned)n, WH_LM_EXPIRED);
            count++;
        }
    }
    m->stat[WH_LM_DID_EXPIRE] += count;
    return count;
}

/* Completed jobs and the others are counted on their own. */
static unsigned trim_kind(struct wh_lm *m, unsigned batch, bool by_age, bool completed)
{
    long long kept =
        completed ? wh_lm_count(m, WH_LM_COMPLETED)
                  : wh_lm_count(m, WH_LM_CANCELLED) + wh_lm_count(m, WH_LM_EXPIRED);
    unsigned count = 0;

    for (; count < batch; count++) {
        int n = completed ? earliest(m, completed_time) : oldest_other(m);
        if (n < 0 || (by_age && m->job[n].finished_at >= m->now - m->keep_ms) ||
            (!by_age && kept - count <= m->keep_count)) {
            break;
        }
        wh_lm_drop(m, (unsigned)n);
    }
    return count;
}

static unsigned trim(struct wh_lm *m, unsigned batch, bool by_age)
{
    unsigned count = trim_kind(m, batch, by_age, true);

    return count + trim_kind(m, batch - count, by_age, false);
}

unsigned wh_lm_trim_count(struct wh_lm *m, unsigned batch)
{
    return trim(m, batch, false);
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
        struct wh_lm_end e = {.n = i - 1,
                              .fence = j->run_fence,
                              .outcome = how,
                              .no_start = how == WH_LM_RELEASE};

        if (j->state != WH_LM_RUN || j->worker != worker ||
            (spare != NULL && spare[i - 1]) ||
            (held > batch && m->still_held(worker, e.n, e.fence))) {
            continue;
        }
        wh_lm_end_claim(m, &e);
        count++;
    }
    wh_lm_settle_ended(m);
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
