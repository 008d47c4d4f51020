/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ready lists, the ring of orgs and the fair order of claims. The same arithmetic in
 * the same order as lib/fair and lib/claim, so that the very jobs can be predicted; that the
 * arithmetic is fair is tested elsewhere.
 */
#include "tests/support/lua_model.h"

#include <stdlib.h>
#include <string.h>

struct share {
    unsigned org;
    double v, w, n;
    unsigned got, valid;
};

struct take {
    unsigned worker, need, visits, n_empty;
    bool empty[WH_LM_ORGS];
    unsigned *out;
    unsigned n_out;
};

static int lowest(const struct wh_lm *m, const bool *taken)
{
    int best = -1;

    for (int o = 0; o < WH_LM_ORGS; o++) {
        if (m->org[o].in_ring && (taken == NULL || !taken[o]) &&
            (best < 0 || m->org[o].v < m->org[best].v)) {
            best = o;
        }
    }
    return best;
}

void wh_lm_push(struct wh_lm *m, unsigned n, bool at_head)
{
    struct wh_lm_job *j = &m->job[n];
    struct wh_lm_org *o = &m->org[j->org];
    unsigned *len = &o->list[j->level].n, *id = o->list[j->level].id;

    memmove(id + (at_head ? 1 : 0), id, *len * sizeof *id);
    id[at_head ? 0 : *len] = n;
    ++*len;
    j->state = WH_LM_READY;
    if (!o->in_ring) {
        int first = lowest(m, NULL);
        o->v = first < 0 ? 0 : m->org[first].v;
        o->in_ring = true;
    }
}

static double round_up(double x)
{
    double whole = (double)(long long)x;

    return whole < x ? whole + 1 : whole;
}

/* The orgs below the level to which need jobs raise the lowest ones, and their shares. */
static unsigned shares(const struct wh_lm *m, unsigned need, struct share *s)
{
    bool taken[WH_LM_ORGS] = {false};
    double sum_w = 0, sum_wv = 0, level = 0, left = need;
    unsigned n = 0, window = need < 100 ? need : 100;

    for (int o = lowest(m, taken); o >= 0 && n < window; o = lowest(m, taken)) {
        if (n > 0 && m->org[o].v >= level) {
            break;
        }
        taken[o] = true;
        s[n++] =
            (struct share){.org = (unsigned)o, .v = m->org[o].v, .w = m->org[o].weight};
        sum_w += m->org[o].weight;
        sum_wv += m->org[o].weight * m->org[o].v;
        level = (need + sum_wv) / sum_w;
    }
    for (unsigned i = 0; i < n; i++) {
        s[i].n = round_up((level - s[i].v) * s[i].w - 1e-9);
        if (s[i].n < 1) {
            s[i].n = 1;
        }
        if (s[i].n > left) {
            s[i].n = left;
        }
        left -= s[i].n;
        if (left <= 0) {
            return i + 1;
        }
    }
    return n;
}

/* A popped id: a job to run, or the mark of one that ended in its list. */
static void accept(struct wh_lm *m, struct take *t, struct share *s, unsigned n)
{
    struct wh_lm_job *j = &m->job[n];

    s->got++;
    if (j->state == WH_LM_TOMB) {
        j->state = WH_LM_NONE;
    } else if (j->state != WH_LM_READY) {
        j->queued = false;
    } else {
        j->state = WH_LM_RUN;
        j->worker = t->worker;
        j->run_fence = j->fence + 1;
        t->out[t->n_out++] = n;
        s->valid++;
    }
}

static void pop(struct wh_lm *m, struct take *t, struct share *s)
{
    struct wh_lm_org *o = &m->org[s->org];

    for (int level = WH_LM_LEVELS - 1; level >= 0; level--) {
        unsigned *len = &o->list[level].n, *id = o->list[level].id;
        while (*len > 0 && s->got < (unsigned)s->n) {
            unsigned n = id[0];
            memmove(id, id + 1, --*len * sizeof *id);
            accept(m, t, s, n);
        }
    }
}

static bool pass(struct wh_lm *m, struct take *t)
{
    struct share s[WH_LM_ORGS];
    unsigned n = shares(m, t->need, s);

    for (unsigned i = 0; i < n; i++) {
        struct wh_lm_org *o = &m->org[s[i].org];
        t->visits++;
        if (t->empty[s[i].org]) {
            t->n_empty--;
            o->in_ring = false;
            continue;
        }
        pop(m, t, &s[i]);
        if (s[i].got == 0) {
            o->in_ring = false;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (s[i].got > 0) {
            m->org[s[i].org].v = s[i].v + s[i].valid / s[i].w;
            t->need -= s[i].valid;
            if (s[i].got < (unsigned)s[i].n) {
                t->empty[s[i].org] = true;
                t->n_empty++;
            }
        }
    }
    return n > 0;
}

unsigned wh_lm_claim(struct wh_lm *m, unsigned worker, unsigned want, unsigned *out,
                     bool *more)
{
    struct take t = {.worker = worker, .need = want, .out = out};
    unsigned ring = 0;

    *more = true;
    while (t.need > 0 && t.visits < 200 + want) {
        *more = pass(m, &t);
        if (!*more) {
            break;
        }
    }
    m->stat[WH_LM_CLAIMED] += t.n_out;
    for (int o = 0; o < WH_LM_ORGS; o++) {
        ring += m->org[o].in_ring;
    }
    *more = *more && ring > t.n_empty;
    return t.n_out;
}
