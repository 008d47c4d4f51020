/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What limits admit. Settings are read in lua_model_setting.c.
 */
#include "tests/support/lua_model_limit.h"

#include "tests/support/lua_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const wh_lm_types[WH_LM_TYPES] = {"mail", "pdf", "sms", "csv"};

/* Of a type, however long one of its jobs is told to wait. */
static const double WAIT_MAX_MS = 900000;

/* As Redis keeps it. */
static double thousandths(double v)
{
    char text[64];

    snprintf(text, sizeof text, "%.3f", v);
    return strtod(text, NULL);
}

static void narrow(struct wh_lm_room *r, double n, const char *reason)
{
    if (n < r->n) {
        r->n = n;
        r->reason = reason;
    }
}

static struct wh_lm_room much(void)
{
    return (struct wh_lm_room){.n = WH_LM_MUCH};
}

/* ---------------------------------------------------------------- rates */

static struct wh_lm_rate pick_rate(const struct wh_lm_rate *of, unsigned i,
                                   unsigned any)
{
    return of[i].n > 0 ? of[i] : of[any];
}

static void load(struct wh_lm_session *x, struct wh_lm_bucket *b, struct wh_lm_tat tat,
                 struct wh_lm_rate rate)
{
    if (!b->loaded) {
        b->loaded = true;
        b->rate = rate;
        b->ahead = fmin(wh_lm_tat_ahead(tat, x->now, rate), wh_lm_depth(rate));
    }
}

static void narrow_rate(struct wh_lm_room *r, const struct wh_lm_bucket *b,
                        const char *reason)
{
    if (b->loaded) {
        narrow(r, wh_lm_bucket_room(b), reason);
    }
}

static void spend(struct wh_lm_bucket *b)
{
    if (b->loaded) {
        b->ahead += b->rate.period;
        b->used = true;
    }
}

static void load_queue(struct wh_lm_session *x)
{
    if (x->l->rate_queue.n > 0) {
        load(x, &x->queue, x->l->tat.queue, x->l->rate_queue);
    }
}

static void load_org(struct wh_lm_session *x, unsigned org)
{
    struct wh_lm_rate rate = pick_rate(x->l->rate_org, org, WH_LM_ORGS);

    if (rate.n > 0) {
        load(x, &x->org[org], x->l->tat.org[org], rate);
    }
}

/* Adaptive rate of a type now, in jobs per second. */
static double rate_of(const struct wh_lm_limits *l, unsigned type)
{
    const struct wh_lm_adaptive *a = &l->adaptive[type];
    double rate = l->state[type].rate;

    return rate > 0 ? fmin(fmax(rate, a->min), a->max) : a->max;
}

static void load_type(struct wh_lm_session *x, unsigned type)
{
    struct wh_lm_rate rate = pick_rate(x->l->rate_type, type, WH_LM_TYPES);

    if (rate.n > 0) {
        load(x, &x->type[type], x->l->tat.type[type], rate);
    }
    struct wh_lm_bucket *a = &x->adapt[type];
    if (x->l->adaptive[type].max > 0 &&
        !a->loaded) { /* a wait may be beyond its burst */
        rate = wh_lm_adaptive_rate(rate_of(x->l, type));
        *a = (struct wh_lm_bucket){
            .loaded = true,
            .rate = rate,
            .ahead = wh_lm_tat_ahead(x->l->state[type].tat, x->now, rate),
        };
    }
}

static struct wh_lm_rate pair_rate(const struct wh_lm_limits *l, unsigned org,
                                   unsigned type)
{
    const struct wh_lm_rate *own = &l->rate_pair[org][type];

    return own->n > 0 ? *own : l->rate_pair[WH_LM_ORGS][type];
}

static void load_pair(struct wh_lm_session *x, unsigned org, unsigned type)
{
    struct wh_lm_rate rate = pair_rate(x->l, org, type);

    if (rate.n > 0) {
        load(x, &x->pair[org][type], x->l->tat.pair[org][type], rate);
    }
}

static bool adopt_cut(const struct wh_lm_limits *l, struct wh_lm_tat *tat,
                      struct wh_lm_tat seen, double spent, struct wh_lm_rate rate)
{
    double at = l->changed_at, depth = wh_lm_depth(rate);

    if (rate.n <= 0 || seen.ms <= 0 || tat->ms <= 0) {
        return true;
    }
    double before = wh_lm_tat_ahead(seen, at, rate) - spent * rate.period;
    double mine = wh_lm_tat_ahead(*tat, at, rate);
    if (before >= mine) {
        return true;
    }
    *tat = wh_lm_tat_at(before, at, rate);
    return mine > depth + rate.n && before >= depth;
}

bool wh_lm_adopt_cuts(struct wh_lm_limits *l, const struct wh_lm_tats *seen,
                      const struct wh_lm_spent *spent)
{
    bool good = adopt_cut(l, &l->tat.queue, seen->queue, spent->queue, l->rate_queue);

    for (unsigned o = 0; o < WH_LM_ORGS; o++) {
        good = adopt_cut(l, &l->tat.org[o], seen->org[o], spent->org[o],
                         pick_rate(l->rate_org, o, WH_LM_ORGS)) &&
               good;
        for (unsigned t = 0; t < WH_LM_TYPES; t++) {
            good = adopt_cut(l, &l->tat.pair[o][t], seen->pair[o][t], spent->pair[o][t],
                             pair_rate(l, o, t)) &&
                   good;
        }
    }
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        good = adopt_cut(l, &l->tat.type[t], seen->type[t], spent->type[t],
                         pick_rate(l->rate_type, t, WH_LM_TYPES)) &&
               good;
    }
    return good;
}

/* ------------------------------------------------------------- breakers */

static const struct wh_lm_breaker_setting *setting_of(const struct wh_lm_limits *l,
                                                      unsigned type)
{
    const struct wh_lm_breaker_setting *c = &l->breaker[type];

    if (c->probes <= 0) {
        c = &l->breaker[WH_LM_TYPES];
    }
    return c->probes > 0 ? c : NULL;
}

static void turn(struct wh_lm_breaker *b, double now, enum wh_lm_switch state)
{
    b->first = b->state == WH_LM_CLOSED ? HUGE_VAL : b->first;
    b->state = state;
    b->good = b->bad = b->good0 = b->bad0 = 0;
    b->window = b->since = now;
}

static void narrow_breaker(struct wh_lm_session *x, struct wh_lm_room *r, unsigned type)
{
    const struct wh_lm_breaker_setting *c = setting_of(x->l, type);
    const struct wh_lm_breaker *b = &x->l->state[type];

    if (c == NULL || b->state == WH_LM_CLOSED) {
        return;
    }
    double wanted = c->probes - x->fresh[type] - b->good;
    double n =
        fmin(fmax(wanted, x->fresh[type] <= 0 ? 1 : 0), c->probes - x->probes[type]);
    if (b->state == WH_LM_OPEN && x->now < b->since + c->cooldown) {
        n = 0;
    }
    narrow(r, fmax(n, 0), "breaker_open");
}

static void spend_probe(struct wh_lm_session *x, unsigned type)
{
    struct wh_lm_breaker *b = &x->l->state[type];

    if (setting_of(x->l, type) == NULL || b->state == WH_LM_CLOSED) {
        return;
    }
    if (b->state == WH_LM_OPEN) {
        turn(b, x->now, WH_LM_HALF_OPEN);
        b->first = x->probes[type] > 0 ? b->first : x->now;
    }
    x->probes[type]++;
    x->fresh[type]++;
    x->broken[type] = true;
}

static void slide(struct wh_lm_breaker *b, double now, double width)
{
    if (now >= b->window + 2 * width) {
        b->good0 = b->bad0 = b->good = b->bad = 0;
        b->window = now;
    } else if (now >= b->window + width) {
        b->good0 = b->good;
        b->bad0 = b->bad;
        b->good = b->bad = 0;
        b->window += width;
    }
}

static void note(struct wh_lm_breaker *b, double now,
                 const struct wh_lm_breaker_setting *c, const struct wh_lm_ran *ran)
{
    if (b->state == WH_LM_OPEN) {
        return;
    }
    if (b->state == WH_LM_HALF_OPEN) {
        b->good += ran->fresh_good;
        if (ran->fresh_bad > 0) {
            turn(b, now, WH_LM_OPEN);
        } else if (b->good >= c->probes) {
            turn(b, now, WH_LM_CLOSED);
        }
        return;
    }
    if (ran->fresh_good + ran->fresh_bad <= 0) {
        return;
    }
    slide(b, now, c->window);
    b->good += ran->fresh_good;
    b->bad += ran->fresh_bad;
    double old = 1 - (now - b->window) / c->window;
    double failed = b->bad + b->bad0 * old, all = failed + b->good + b->good0 * old;
    if (all >= c->volume && failed * 100 >= c->percent * all && failed > 0) {
        turn(b, now, WH_LM_OPEN);
    }
}

const char *wh_lm_breaker_text(const struct wh_lm_limits *l, double now, unsigned type)
{
    static char text[32];
    const struct wh_lm_breaker_setting *c = setting_of(l, type);
    const struct wh_lm_breaker *b = &l->state[type];

    if (c == NULL || b->state != WH_LM_OPEN) {
        return c == NULL ? NULL : b->state == WH_LM_CLOSED ? "closed" : "half_open";
    }
    snprintf(text, sizeof text, "open %.0f", fmax(b->since + c->cooldown - now, 0));
    return text;
}

static void adapt(struct wh_lm_limits *l, double now, unsigned type,
                  const struct wh_lm_ran *ran)
{
    const struct wh_lm_adaptive *a = &l->adaptive[type];
    struct wh_lm_breaker *b = &l->state[type];
    double rate = rate_of(l, type);

    if (ran->overload + ran->good + ran->bad <= 0) {
        return;
    }
    if (ran->overload > 0) {
        if (now >= b->halved_at + 1000) {
            rate /= 2;
            b->halved_at = now;
        }
    } else if (ran->good > 0) {
        rate += a->step * fmin(fmax(now - b->rate_at, 0), 1000) / 1000;
    }
    b->rate = fmin(fmax(rate, a->min), a->max);
    b->rate_at = now;
    if (ran->wait_ms > 0) { /* until the burst is used up as well */
        struct wh_lm_rate r = wh_lm_adaptive_rate(b->rate);
        double ahead =
            ceil(fmin(ran->wait_ms, WAIT_MAX_MS)) * r.n + wh_lm_depth(r) - r.period;
        b->tat = wh_lm_tat_at(fmax(wh_lm_tat_ahead(b->tat, now, r), ahead), now, r);
    }
}

static void round_state(struct wh_lm_breaker *b)
{
    b->rate = thousandths(b->rate);
}

void wh_lm_note_ended(struct wh_lm_limits *l, double now, unsigned type,
                      const struct wh_lm_ran *ran)
{
    const struct wh_lm_breaker_setting *c = setting_of(l, type);
    bool judged = c != NULL && ran->fresh_good + ran->fresh_bad + ran->silent > 0;

    if (judged) {
        note(&l->state[type], now, c, ran);
    }
    if (l->adaptive[type].max > 0) {
        adapt(l, now, type, ran);
    }
    if (judged || l->adaptive[type].max > 0) {
        round_state(&l->state[type]);
    }
}

/* ---------------------------------------------------------------- rooms */

struct wh_lm_room wh_lm_queue_room(struct wh_lm_session *x)
{
    struct wh_lm_room r = much();

    if (x->l->cap_queue > 0) {
        narrow(&r, x->l->cap_queue - x->active, "queue_cap");
    }
    load_queue(x);
    narrow_rate(&r, &x->queue, "queue_rate");
    return r;
}

struct wh_lm_room wh_lm_org_room(struct wh_lm_session *x, unsigned org)
{
    const struct wh_lm_limits *l = x->l;
    struct wh_lm_room r = much();
    double cap = l->cap_org[org] > 0 ? l->cap_org[org] : l->cap_org[WH_LM_ORGS];

    if (l->pause_org[org]) {
        return (struct wh_lm_room){.n = 0, .reason = "org_paused"};
    }
    if (cap > 0) {
        narrow(&r, cap - x->active_org[org], "org_cap");
    }
    load_org(x, org);
    narrow_rate(&r, &x->org[org], "org_rate");
    return r;
}

struct wh_lm_room wh_lm_pair_room(struct wh_lm_session *x, unsigned org, unsigned type)
{
    const struct wh_lm_limits *l = x->l;
    struct wh_lm_room r = much();
    double cap = l->cap_type[type] > 0 ? l->cap_type[type] : l->cap_type[WH_LM_TYPES];

    load_pair(x, org, type);
    if (l->pause_type[type]) {
        r = (struct wh_lm_room){.n = 0, .reason = "type_paused"};
    } else {
        if (cap > 0) {
            narrow(&r, cap - x->active_type[type], "type_cap");
        }
        narrow_breaker(x, &r, type);
        load_type(x, type);
        narrow_rate(&r, &x->type[type], "type_rate");
        narrow_rate(&r, &x->adapt[type], "type_rate");
    }
    narrow_rate(&r, &x->pair[org][type], "org_type_rate");
    return r;
}

static double group_cap(const struct wh_lm_limits *l, unsigned org, unsigned group)
{
    if (group == 0) {
        return 0;
    }
    return l->cap_org_group[org][group] > 0 ? l->cap_org_group[org][group]
                                            : l->cap_group;
}

bool wh_lm_group_capped(const struct wh_lm_limits *l, unsigned org, unsigned group)
{
    return group_cap(l, org, group) > 0;
}

struct wh_lm_room wh_lm_group_room(struct wh_lm_session *x, unsigned org,
                                   unsigned group)
{
    struct wh_lm_room r = much();
    double cap = group_cap(x->l, org, group);

    if (cap > 0) {
        narrow(&r, cap - x->active_group[org][group], "group_cap");
    }
    return r;
}

void wh_lm_spend(struct wh_lm_session *x, unsigned org, unsigned type, unsigned group)
{
    load_queue(x);
    load_org(x, org);
    load_type(x, type);
    load_pair(x, org, type);
    spend(&x->queue);
    spend(&x->org[org]);
    spend(&x->type[type]);
    spend(&x->adapt[type]);
    spend(&x->pair[org][type]);
    x->active++;
    x->active_org[org]++;
    x->active_type[type]++;
    x->active_group[org][group]++;
    spend_probe(x, type);
}

static void keep(const struct wh_lm_bucket *b, double now, struct wh_lm_tat *tat)
{
    if (b->used) {
        *tat = wh_lm_tat_at(b->ahead, now, b->rate);
    }
}

void wh_lm_close(struct wh_lm_session *x)
{
    struct wh_lm_limits *l = x->l;

    keep(&x->queue, x->now, &l->tat.queue);
    for (unsigned o = 0; o < WH_LM_ORGS; o++) {
        keep(&x->org[o], x->now, &l->tat.org[o]);
        for (unsigned t = 0; t < WH_LM_TYPES; t++) {
            keep(&x->pair[o][t], x->now, &l->tat.pair[o][t]);
        }
    }
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        keep(&x->type[t], x->now, &l->tat.type[t]);
        keep(&x->adapt[t], x->now, &l->state[t].tat);
        if (x->broken[t] || x->adapt[t].used) {
            round_state(&l->state[t]);
        }
    }
}

static void count_probe(struct wh_lm_session *x, const struct wh_lm_job *j)
{
    const struct wh_lm_breaker *b = &x->l->state[j->type];
    double claimed_at = (double)j->claimed_at;

    if (b->state != WH_LM_CLOSED && claimed_at >= b->first) {
        x->probes[j->type]++;
        x->fresh[j->type] += b->state == WH_LM_HALF_OPEN && claimed_at >= b->since;
    }
}

struct wh_lm_session wh_lm_session(struct wh_lm *m)
{
    struct wh_lm_session x = {.l = &m->limits, .now = (double)m->now};

    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &m->job[n];
        if (j->state == WH_LM_RUN) {
            x.active++;
            x.active_org[j->org]++;
            x.active_type[j->type]++;
            x.active_group[j->org][j->group]++;
            count_probe(&x, j);
        }
    }
    return x;
}
