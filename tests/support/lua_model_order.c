/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes first in a place, and what may run: by the limits, and by the order that groups
 * with a cap keep.
 */
#include "tests/support/lua_model.h"

bool wh_lm_is_before(const struct wh_lm *m, unsigned a, unsigned b)
{
    long long ra = m->stand[a].rank, rb = m->stand[b].rank;

    return ra < rb || (ra == rb && a < b);
}

bool wh_lm_keeps_order(const struct wh_lm *m, unsigned n)
{
    const struct wh_lm_stand *s = &m->stand[n];

    return s->kind == WH_LM_LIST && wh_lm_group_capped(&m->limits, s->org, s->group);
}

/* Only the first of those may run. */
static bool is_behind(const struct wh_lm *m, unsigned n)
{
    const struct wh_lm_stand *s = &m->stand[n];

    if (!wh_lm_keeps_order(m, n)) {
        return false;
    }
    for (unsigned i = 0; i < WH_LM_JOBS; i++) {
        if (m->job[i].state == WH_LM_READY && wh_lm_same_place(s, &m->stand[i]) &&
            wh_lm_is_before(m, i, n)) {
            return true;
        }
    }
    return false;
}

bool wh_lm_may_run_in_org(struct wh_lm *m, struct wh_lm_session *x, unsigned n)
{
    const struct wh_lm_job *j = &m->job[n];

    return wh_lm_pair_room(x, j->org, j->type).n > 0 &&
           wh_lm_group_room(x, j->org, j->group).n > 0 && !is_behind(m, n);
}

bool wh_lm_may_run(struct wh_lm *m, struct wh_lm_session *x, unsigned n)
{
    return !m->paused && wh_lm_queue_room(x).n > 0 &&
           wh_lm_org_room(x, m->job[n].org).n > 0 && wh_lm_may_run_in_org(m, x, n);
}
