/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges claims. Whose turn it is among orgs and groups is Redis' choice; what it chose must
 * be admitted by every limit, keep the order inside its org, its list and its group, and
 * leave nothing behind that could run unless something is parked that brings it back.
 */
#include "tests/support/lua_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is parked with a time comes back within a second. */
enum { PATIENCE = 1001, TEXT_MAX = 600 };

struct judge {
    struct wh_lm *m;
    const struct wh_lm_cycle *c;
    const struct wh_lm_snap *snap;
    struct wh_lm_session x;
    bool claimed[WH_LM_JOBS], moved[WH_LM_JOBS];
    bool has_last; /* the worker, one on its last chance */
    /* room for popped ids that turned out not to need it */
    bool kept_by_type[WH_LM_TYPES], kept_by_group[WH_LM_ORGS][WH_LM_GROUPS];
    char *text;
};

static const char *is_wrong(const struct judge *g, unsigned n, const char *what)
{
    static const char *const kinds[] = {"list", "soonest", "aside"};
    const struct wh_lm_job *j = &g->m->job[n];
    struct wh_lm_session x = g->x; /* a look at it is not counted */
    struct wh_lm_room room = wh_lm_pair_room(&x, j->org, j->type);

    snprintf(g->text, TEXT_MAX,
             "job %u (org %u, level %u, type %s, group %u, in its %s, room %g %s): %s",
             n, j->org, j->level, wh_lm_types[j->type], j->group,
             kinds[g->m->stand[n].kind], room.n, room.reason != NULL ? room.reason : "",
             what);
    return g->text;
}

static const char *are_wrong(const struct judge *g, unsigned n, const char *what,
                             unsigned other)
{
    char second[TEXT_MAX];

    snprintf(second, sizeof second, "%s", is_wrong(g, other, "the other one"));
    is_wrong(g, n, what);
    size_t at = strlen(g->text);
    snprintf(g->text + at, TEXT_MAX - at, " %s", second);
    return g->text;
}

/* --------------------------------------------------------------- limits */

/* In the order of the reply: each one had to be admitted by what those before it left. */
static const char *take(struct judge *g)
{
    struct wh_lm *m = g->m;

    g->has_last = wh_lm_has_last(m, g->c->worker);
    for (unsigned i = 0; i < g->c->n_claimed; i++) {
        unsigned n = g->c->claimed[i];
        const struct wh_lm_job *j = &m->job[n];
        if (j->state != WH_LM_READY || g->claimed[n]) {
            return is_wrong(g, n, "claimed, but it is not ready");
        }
        struct wh_lm_room r = wh_lm_queue_room(&g->x);
        r = r.n > 0 ? wh_lm_org_room(&g->x, j->org) : r;
        r = r.n > 0 ? wh_lm_pair_room(&g->x, j->org, j->type) : r;
        r = r.n > 0 ? wh_lm_group_room(&g->x, j->org, j->group) : r;
        if (r.n <= 0) {
            char what[80];
            snprintf(what, sizeof what, "claimed in spite of %s", r.reason);
            return is_wrong(g, n, what);
        }
        if (wh_lm_is_last(j) && g->has_last) {
            return is_wrong(g, n, "claimed beside another one on its last chance");
        }
        g->has_last = g->has_last || wh_lm_is_last(j);
        wh_lm_spend(&g->x, j->org, j->type, j->group);
        g->claimed[n] = true;
    }
    return NULL;
}

static bool adopt_cuts(struct wh_lm *m, const struct wh_lm_cycle *c,
                       const struct wh_lm_snap *snap)
{
    struct wh_lm_spent spent = {.queue = c->n_claimed};

    for (unsigned i = 0; i < c->n_claimed; i++) {
        const struct wh_lm_job *j = &m->job[c->claimed[i]];
        spent.org[j->org]++;
        spent.type[j->type]++;
        spent.pair[j->org][j->type]++;
    }
    return wh_lm_adopt_cuts(&m->limits, &snap->tat, &spent);
}

/* --------------------------------------------------------------- places */

/* Orgs share what a held type admits: it may have been another's turn. */
static bool is_shared(struct judge *g, unsigned n)
{
    const struct wh_lm_job *j = &g->m->job[n];

    return wh_lm_pair_room(&g->x, j->org, j->type).n < WH_LM_MUCH;
}

/* It was popped, and waits since its worker has another one on its last chance. */
static bool is_put_off(const struct judge *g, unsigned n)
{
    return g->has_last && !g->claimed[n] && wh_lm_is_put_off(g->m, g->snap, n);
}

/* What was set aside of a group that has a cap now goes back to its list, also ids of ended jobs. */
static bool is_gathered(const struct judge *g, const struct wh_lm_stand *from,
                        const struct wh_lm_stand *to)
{
    return from->kind == WH_LM_ASIDE && to->kind == WH_LM_LIST && from->group > 0 &&
           to->org == from->org && to->level == from->level &&
           to->group == from->group &&
           wh_lm_group_capped(&g->m->limits, from->org, from->group);
}

/* Where may a job that was not claimed stand now? Where it stood, or where blocked ones go. */
static const char *check_move(struct judge *g, unsigned n)
{
    const struct wh_lm_job *j = &g->m->job[n];
    const struct wh_lm_stand *old = &g->m->stand[n], *new = &g->snap->stand[n];

    if (!new->in) {
        return j->state == WH_LM_READY && !is_put_off(g, n)
                   ? is_wrong(g, n, "stands nowhere any more")
                   : NULL;
    }
    if (!old->in) {
        return is_wrong(g, n, "stands in a list, and should not");
    }
    if (wh_lm_same_place(old, new)) {
        return NULL;
    }
    if (old->fresh && new->kind == WH_LM_ASIDE &&new->org == old->org) {
        return NULL; /* it went there at once */
    }
    if (is_gathered(g, old, new)) {
        return NULL;
    }
    if (j->state != WH_LM_READY || new->org != j->org) {
        return is_wrong(g, n, "stands in another list than before");
    }
    if (new->kind == WH_LM_ASIDE) {
        unsigned group = j->by_deadline ? 0 : j->group;
        bool moved = new->type == j->type &&
                     old->kind != WH_LM_ASIDE &&new->group == group &&
                     (group == 0 || new->level == j->level);
        return moved && (is_shared(g, n) || g->kept_by_type[j->type])
                   ? NULL
                   : is_wrong(g, n, "set aside in vain");
    }
    return is_wrong(g, n, "went to a wrong list");
}

/* From a place the first ones are taken. A claim never passes over one that stays. */
static const char *check_prefix(struct judge *g, unsigned n)
{
    const struct wh_lm *m = g->m;
    const struct wh_lm_stand *s = &m->stand[n];
    bool may_return = !g->claimed[n] && (s->kind == WH_LM_ASIDE || s->group > 0);
    bool went_aside = g->snap->stand[n].in && g->snap->stand[n].kind == WH_LM_ASIDE;
    if (s->unsure || (s->fresh && went_aside)) { /* it may have stood aside */
        return NULL;
    }
    if (!s->in || wh_lm_same_place(s, &g->snap->stand[n]) || may_return) {
        return NULL;
    }
    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        if (wh_lm_same_place(s, &m->stand[i]) && wh_lm_is_before(m, i, n) &&
            wh_lm_same_place(s, &g->snap->stand[i])) {
            return are_wrong(g, n, "taken before one that stands before it:", i);
        }
    }
    return NULL;
}

/* By level; inside a level set-aside ones first, then those with a deadline. */
static unsigned class_of(const struct wh_lm *m, unsigned n)
{
    static const unsigned kinds[] = {
        [WH_LM_ASIDE] = 0, [WH_LM_SOONEST] = 1, [WH_LM_LIST] = 2};

    return 3 * (9 - m->job[n].level) + kinds[m->stand[n].kind];
}

static double parked_group(const struct judge *g, unsigned n)
{
    const struct wh_lm_stand *s = &g->m->stand[n];

    return s->kind == WH_LM_LIST && s->group > 0
               ? g->snap->parked_group[s->org][s->level][s->group]
               : 0;
}

static bool is_group_held(const struct judge *g, unsigned n)
{
    const struct wh_lm_stand *s = &g->m->stand[n];

    return s->kind == WH_LM_LIST && s->group > 0 &&
           g->snap->held_group[s->org][s->level][s->group];
}

static bool comes_back(const struct judge *g, double at)
{
    return at > 0 && at <= (double)g->m->now + PATIENCE;
}

/* Ids take the room of their type or group when they are popped, before it is known that a job
 * ended there or may not run; until the next pass others go without. */
static void find_kept_room(struct judge *g)
{
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_stand *s = &g->m->stand[n];
        bool popped =
            s->in && !g->claimed[n] && !wh_lm_same_place(s, &g->snap->stand[n]);
        if (popped && s->kind == WH_LM_ASIDE) {
            g->kept_by_type[s->type] = true;
        }
        if ((popped && s->group > 0) || comes_back(g, parked_group(g, n)) ||
            is_group_held(g, n)) {
            g->kept_by_group[s->org][s->group] = true;
        }
    }
}

static bool is_kept_out(struct judge *g, unsigned n)
{
    const struct wh_lm_stand *s = &g->m->stand[n];
    const struct wh_lm_job *j = &g->m->job[n];

    /* Of a type that several orgs share its org may have had its part, and room may be kept for
     * those set aside; a capped group may have been held for the type of another job. */
    if (wh_lm_pair_room(&g->x, j->org, j->type).n < WH_LM_MUCH ||
        wh_lm_group_capped(&g->m->limits, j->org, j->group)) {
        return true;
    }
    return s->kind == WH_LM_ASIDE ? g->kept_by_type[s->type]
                                  : g->kept_by_group[s->org][s->group];
}

/* Set-aside jobs take turns with those of other types, and at their level with all others; a
 * group that waits for a type as a whole is as if set aside. */
static bool take_turns(const struct judge *g, unsigned i, unsigned n)
{
    const struct wh_lm *m = g->m;
    unsigned org = m->job[i].org;
    bool is_aside = m->stand[i].kind == WH_LM_ASIDE;
    bool is_whole = m->beside[org] && m->stand[n].group > 0;

    if (is_aside && (m->stand[n].kind == WH_LM_ASIDE || is_whole)) {
        return true;
    }
    return m->job[i].level == m->job[n].level && (is_whole || is_aside);
}

/* Nothing of its org that could run as well may stand in a place that comes first. */
static const char *check_order(struct judge *g, unsigned n)
{
    struct wh_lm *m = g->m;

    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        const struct wh_lm_job *j = &m->job[i];
        if (j->state != WH_LM_READY || g->claimed[i] || j->org != m->job[n].org ||
            m->stand[i].unsure || take_turns(g, i, n) ||
            class_of(m, i) >= class_of(m, n) || is_kept_out(g, i) || is_put_off(g, i) ||
            !wh_lm_may_run_in_org(m, &g->x, i)) {
            continue;
        }
        return are_wrong(g, n, "claimed before one that comes first and may run:", i);
    }
    return NULL;
}

static const char *check_places(struct judge *g)
{
    const char *wrong = NULL;

    find_kept_room(g);
    for (unsigned n = 0; n < WH_LM_JOBS && wrong == NULL; n++) {
        if (g->claimed[n] && g->snap->stand[n].in) {
            wrong = is_wrong(g, n, "claimed, and still in a list");
        } else if (!g->claimed[n]) {
            wrong = check_move(g, n);
        }
        wrong = wrong != NULL ? wrong : check_prefix(g, n);
        if (wrong == NULL && g->claimed[n] && !g->m->stand[n].unsure) {
            wrong = check_order(g, n);
        }
    }
    return wrong;
}

/* -------------------------------------------------------------- adoption */

/* Those that went from a set to the head of a list stand there by age. */
static void rank_moved(struct judge *g)
{
    struct wh_lm *m = g->m;

    for (;;) {
        int last = -1;
        for (unsigned n = 0; n < WH_LM_JOBS; n++) {
            if (g->moved[n] && (last < 0 || wh_lm_is_before(m, (unsigned)last, n))) {
                last = (int)n;
            }
        }
        if (last < 0) {
            return;
        }
        g->moved[last] = false;
        m->stand[last].rank = --m->first;
    }
}

/* Takes over where the ids went. */
static void adopt(struct judge *g)
{
    struct wh_lm *m = g->m;

    for (unsigned i = g->snap->n_ids; i > 0; i--) {
        unsigned n = g->snap->ids[i - 1];
        struct wh_lm_stand old = m->stand[n];
        m->stand[n].fresh = m->stand[n].unsure = false;
        if (wh_lm_same_place(&old, &g->snap->stand[n])) {
            continue;
        }
        m->stand[n] = g->snap->stand[n];
        if (m->stand[n].kind == WH_LM_ASIDE) {
            m->stand[n].rank = old.fresh ? old.aside : wh_lm_aside_rank(&m->job[n]);
        } else {
            m->stand[n].rank = old.rank;
            g->moved[n] = true;
        }
    }
    rank_moved(g);
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        if (m->stand[n].in && !g->snap->stand[n].in) {
            memset(&m->stand[n], 0, sizeof m->stand[n]);
            if (m->job[n].state == WH_LM_TOMB) {
                m->job[n].state = WH_LM_NONE;
            } else if (is_put_off(g, n)) {
                m->job[n].state = WH_LM_DELAYED;
                m->job[n].due = g->snap->due[n];
                m->job[n].put_off = true;
            }
        }
    }
}

static const char *check_lists(struct judge *g)
{
    const struct wh_lm_snap *s = g->snap;

    for (unsigned i = 1; i < s->n_ids; i++) {
        if (!s->first[i] && !wh_lm_is_before(g->m, s->ids[i - 1], s->ids[i])) {
            return are_wrong(g, s->ids[i], "stands, and should not, behind",
                             s->ids[i - 1]);
        }
    }
    return NULL;
}

/* --------------------------------------------------------- what is left */

/* What could run and was left: who brings it back, and soon? */
static bool is_excused(const struct judge *g, unsigned n)
{
    const struct wh_lm_snap *s = g->snap;
    unsigned org = g->m->job[n].org;

    if (comes_back(g, s->parked_queue) || comes_back(g, s->parked_org[org]) ||
        comes_back(g, parked_group(g, n))) {
        return true;
    }
    for (unsigned t = 0; t < WH_LM_TYPES; t++) {
        if ((g->m->stand[n].kind == WH_LM_ASIDE || is_group_held(g, n)) &&
            s->waiting[org][t] && comes_back(g, s->parked_type[t])) {
            return true;
        }
    }
    return false;
}

static const char *check_rest(struct judge *g)
{
    if (g->c->flags & 3) {
        return NULL;
    }
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        if (g->m->job[n].state == WH_LM_READY && wh_lm_may_run(g->m, &g->x, n) &&
            !is_excused(g, n)) {
            return is_wrong(g, n, "could run, but nothing will bring it back");
        }
    }
    return NULL;
}

/* Flags: 1 paused or quiet, 2 more, 4 idle. */
static const char *check_flags(const struct judge *g)
{
    const struct wh_lm_cycle *c = g->c;
    bool quiet = g->m->worker[c->worker].quiet && c->want > 0;
    unsigned flags = c->n_claimed < c->want ? 4 : 0;

    if (quiet || g->m->paused) {
        flags = quiet || c->want == 0 ? 1 : 5;
        return c->flags == flags && c->n_claimed == 0 ? NULL : "claims while paused";
    }
    if (c->n_claimed > c->want) {
        return "more claims than wanted";
    }
    if (c->want == 0) {
        flags = g->snap->ring > 0 ? 2 : 0;
        return c->flags == flags ? NULL : "wrong flags of a call that wants nothing";
    }
    if ((c->flags & 2) != 0 && g->snap->ring == 0) {
        return "it says more, and no org is in the ring";
    }
    return c->flags == flags || c->flags == 2 ? NULL : "wrong flags";
}

const char *wh_lm_judge(struct wh_lm *m, const struct wh_lm_cycle *c,
                        const struct wh_lm_snap *snap)
{
    static char text[TEXT_MAX];
    struct judge g = {.m = m, .c = c, .snap = snap, .text = text};

    if (!adopt_cuts(m, c, snap)) {
        return "a bucket is not what it can be";
    }
    g.x = wh_lm_session(m);
    const char *wrong = check_flags(&g);
    wrong = wrong != NULL ? wrong : take(&g);
    wrong = wrong != NULL ? wrong : check_places(&g);
    if (wrong != NULL) {
        return wrong;
    }
    adopt(&g);
    memcpy(m->beside, snap->beside, sizeof m->beside);
    for (unsigned i = 0; i < c->n_claimed; i++) {
        wh_lm_claim(m, c->worker, c->claimed[i]);
    }
    wrong = check_lists(&g);
    wrong = wrong != NULL ? wrong : check_rest(&g);
    wh_lm_close(&g.x);
    wh_lm_note_idle(m, c);
    return wrong;
}
