/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New jobs in the model: what exists already, idempotency keys and their conflicts, quotas.
 */
#include "tests/support/lua_model.h"

#include <string.h>

/* ---------------------------------------------------------------- sizes */

static unsigned int_size(long long v)
{
    if (v < 128) {
        return 1;
    }
    if (v < 256) {
        return 2;
    }
    if (v < 65536) {
        return 3;
    }
    return v < 4294967296 ? 5 : 9;
}

static unsigned key_size(int key)
{
    return key < 10 ? 2 : key < 100 ? 3 : 4;
}

/* The stamp, the head in its one form, the payload. */
unsigned wh_lm_record_size(const struct wh_lm_new *s, bool by_deadline)
{
    unsigned head = 1 + 1 + (unsigned)strlen(wh_lm_types[s->type]) + 1 + 3 + 1;
    unsigned options = 0;

    if (s->delay_ms >= 0) {
        options += 3 + int_size(s->delay_ms);
    }
    if (s->expires_ms > 0) {
        options += 3 + int_size(s->expires_ms);
    }
    if (s->key >= 0) {
        options += 2 + 1 + key_size(s->key);
        options += s->ttl ? 3 + 5 : 0;
        options += s->unique != WH_LM_BY_TTL ? 3 + 2 : 0;
        options += s->conflict != WH_LM_KEEP ? 3 + 2 : 0;
    }
    options += s->group > 0 ? 2 + 3 : 0;
    options += by_deadline ? 3 + 1 : 0;
    return 9 + head + (options > 0 ? 1 + options : 0) + s->payload;
}

/* ----------------------------------------------------- what exists already */

static bool waits(const struct wh_lm *m, int n)
{
    return n >= 0 &&
           (m->job[n].state == WH_LM_READY || m->job[n].state == WH_LM_DELAYED);
}

static bool has_run(const struct wh_lm_job *j)
{
    return j->started || j->recoveries > 0;
}

/* May another job with its key change it? Not one that ran, nor one that waits under another key: its id was used
 * before by a job whose key is still taken. */
static bool may_change(const struct wh_lm *m, const struct wh_lm_new *s, int holder)
{
    return s->conflict != WH_LM_KEEP && waits(m, holder) && !has_run(&m->job[holder]) &&
           m->job[holder].org == s->org && m->job[holder].key == s->key;
}

/* The key is taken. False: replace at another place. */
static bool meet_holder(const struct wh_lm *m, struct wh_lm_new *s, int holder)
{
    const struct wh_lm_job *j = &m->job[holder];
    bool old = may_change(m, s, holder);

    s->old = old ? holder : -1;
    if (s->conflict == WH_LM_KEEP_LAST) {
        return true;
    }
    s->existing = (unsigned)holder;
    s->reply = WH_LM_EXISTING;
    if (!old) {
        return true;
    }
    s->reply = s->conflict == WH_LM_EXTEND ? WH_LM_EXTENDED : WH_LM_REPLACED;
    return j->type == s->type && j->org == s->org && j->level == s->level &&
           j->group == s->group;
}

/* Of the jobs of a call with the key of job i one counts: the last one that does not keep what is
 * there, else the first. */
static unsigned chosen(const struct wh_lm_new *specs, unsigned count, unsigned i)
{
    int first = -1, last = -1;

    for (unsigned c = 0; c < count && specs[i].key >= 0; c++) {
        if (specs[c].key == specs[i].key && specs[c].org == specs[i].org) {
            first = first < 0 ? (int)c : first;
            last = specs[c].conflict != WH_LM_KEEP ? (int)c : last;
        }
    }
    return last >= 0 ? (unsigned)last : first >= 0 ? (unsigned)first : i;
}

static bool find_existing(const struct wh_lm *m, struct wh_lm_new *specs,
                          unsigned count)
{
    bool seen[WH_LM_JOBS] = {false}, is_known[WH_LM_BATCH] = {false};

    for (unsigned i = 0; i < count; i++) {
        struct wh_lm_new *s = &specs[i];
        int holder = s->key >= 0 ? m->key_holder[s->org][s->key] : -1;

        s->reply = WH_LM_CREATED;
        s->old = -1;
        is_known[i] = m->job[s->n].state != WH_LM_NONE || seen[s->n];
        if (is_known[i]) {
            s->reply = WH_LM_EXISTING;
            s->existing = s->n;
        } else if (chosen(specs, count, i) == i) {
            if (holder >= 0 && !meet_holder(m, s, holder)) {
                return false;
            }
            seen[s->n] = s->reply == WH_LM_CREATED;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        const struct wh_lm_new *c = &specs[chosen(specs, count, i)];

        if (c != &specs[i] && !is_known[i]) {
            int holder = m->key_holder[c->org][c->key];
            bool is_new = c->reply == WH_LM_CREATED;

            specs[i].reply = WH_LM_EXISTING;
            specs[i].existing = is_new || holder < 0 ? c->n : (unsigned)holder;
        }
    }
    return true;
}

/* --------------------------------------------------------------- quotas */

static bool deadline_of(const struct wh_lm *m, const struct wh_lm_new *s)
{
    return m->by_deadline && s->expires_ms > 0 && s->group == 0;
}

/* What the call asks for, jobs [0] and bytes [1]: more than there are, and what it brings itself. */
struct demand {
    long long more[2], brought[2];
};

/* Of one that changes a waiting job only the difference is more. */
static void add_demand(const struct wh_lm *m, const struct wh_lm_new *s,
                       struct demand of[WH_LM_ORGS])
{
    if (s->old >= 0) {
        const struct wh_lm_job *j = &m->job[s->old];
        of[j->org].more[0]--;
        of[j->org].more[1] -= j->bytes;
    }
    if (s->old >= 0 || s->reply == WH_LM_CREATED) {
        const long long add[2] = {1, wh_lm_record_size(s, deadline_of(m, s))};
        for (int i = 0; i < 2; i++) {
            of[s->org].more[i] += add[i];
            of[s->org].brought[i] += add[i];
        }
    }
}

enum fit { FITS, FULL, NEVER };

/* What makes nothing more is never refused; what is over a quota alone never fits. */
static enum fit fit_in(const long long quota[2], const long long there[2],
                       const struct demand *d)
{
    enum fit fit = FITS;

    for (int i = 0; i < 2; i++) {
        if (quota[i] == 0 || d->more[i] <= 0) {
            continue;
        }
        if (d->brought[i] > quota[i]) {
            return NEVER;
        }
        fit = there[i] + d->more[i] > quota[i] ? FULL : fit;
    }
    return fit;
}

static long long pick(const long long *of, unsigned org)
{
    return of[org] > 0 ? of[org] : of[WH_LM_ORGS];
}

static enum fit fit_of(const struct wh_lm *m, const struct wh_lm_new *specs,
                       unsigned count)
{
    const struct wh_lm_limits *l = &m->limits;
    const long long of_queue[2] = {l->jobs_queue, l->bytes_queue};
    struct demand of[WH_LM_ORGS] = {0}, all = {0};
    long long there[WH_LM_ORGS][2] = {{0}}, sum[2] = {0};
    enum fit worst = FITS;

    for (unsigned i = 0; i < count; i++) {
        add_demand(m, &specs[i], of);
    }
    for (int n = 0; n < WH_LM_JOBS; n++) {
        if (waits(m, n)) {
            there[m->job[n].org][0]++;
            there[m->job[n].org][1] += m->job[n].bytes;
        }
    }
    for (unsigned o = 0; o < WH_LM_ORGS; o++) {
        const long long quota[2] = {pick(l->jobs_org, o), pick(l->bytes_org, o)};
        enum fit fit = fit_in(quota, there[o], &of[o]);

        worst = fit > worst ? fit : worst;
        for (int i = 0; i < 2; i++) {
            sum[i] += there[o][i];
            all.more[i] += of[o].more[i];
            all.brought[i] += of[o].brought[i];
        }
    }
    enum fit fit = fit_in(of_queue, sum, &all);
    return fit > worst ? fit : worst;
}

/* --------------------------------------------------------------- writes */

/* What replaces a waiting job changes as much of it as what makes a new one. */
static void describe(struct wh_lm *m, unsigned n, const struct wh_lm_new *s,
                     bool by_deadline)
{
    struct wh_lm_job *j = &m->job[n];
    struct wh_lm_new patient = *s;

    patient.expires_ms = 0;
    j->org = s->org;
    j->level = s->level;
    j->type = s->type;
    j->group = s->group;
    j->key = s->key;
    j->ttl = s->ttl;
    j->unique = s->unique;
    j->expires_ms = s->expires_ms;
    j->by_deadline = by_deadline;
    j->payload = s->payload;
    j->bytes = wh_lm_record_size(s, by_deadline);
    j->patient = wh_lm_record_size(&patient, by_deadline);
}

static void create(struct wh_lm *m, const struct wh_lm_new *s)
{
    struct wh_lm_job *j = &m->job[s->n];

    memset(j, 0, sizeof *j);
    describe(m, s->n, s, deadline_of(m, s));
    j->enqueued_at = m->now;
    if (s->key >= 0) {
        m->key_holder[s->org][s->key] = (int)s->n;
    }
    if (s->expires_ms > 0) {
        m->expiry[s->n] = m->now + s->expires_ms;
    }
    if (s->delay_ms > 0) {
        j->state = WH_LM_DELAYED;
        j->due = m->now + s->delay_ms;
        j->put_off = j->not_started = j->snoozed = false;
    } else {
        wh_lm_push(m, s->n, false);
    }
    m->stat[WH_LM_ENQUEUED]++;
}

static void replace(struct wh_lm *m, const struct wh_lm_new *s)
{
    unsigned n = (unsigned)s->old;
    struct wh_lm_job *j = &m->job[n];

    struct wh_lm_new from_now = *s;

    if (s->expires_ms > 0) { /* a record counts from its enqueue */
        from_now.expires_ms += m->now - j->enqueued_at;
    }
    describe(m, n, &from_now, j->by_deadline);
    m->expiry[n] = s->expires_ms > 0 ? m->now + s->expires_ms : -1;
    wh_lm_move(m, n);
    if (s->conflict == WH_LM_EXTEND && j->state == WH_LM_DELAYED && s->delay_ms > 0) {
        j->due = m->now + s->delay_ms;
    }
}

const char *wh_lm_enqueue(struct wh_lm *m, struct wh_lm_new *specs, unsigned count,
                          bool is_free)
{
    if (!find_existing(m, specs, count)) {
        return "WHBADARG";
    }
    enum fit fit = is_free ? FITS : fit_of(m, specs, count);
    if (fit != FITS) {
        return fit == NEVER ? "WHTOOBIG" : "WHBACKPRESSURE";
    }
    for (unsigned i = 0; i < count; i++) {
        if (specs[i].reply == WH_LM_CREATED) {
            create(m, &specs[i]);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        const struct wh_lm_new *s = &specs[i];
        if (s->old < 0) {
            continue;
        }
        if (s->reply != WH_LM_CREATED) {
            replace(m, s);
        } else {
            wh_lm_finish(m, (unsigned)s->old, WH_LM_CANCELLED);
            m->stat[WH_LM_DID_CANCEL]++;
        }
    }
    return NULL;
}
