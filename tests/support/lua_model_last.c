/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on their last chance in the model: a worker holds one of them at a time, and others that a
 * claim of it meets are delayed for a moment.
 */
#include "tests/support/lua_model.h"

enum { LOST_MAX = 3, LATER_MS = 100, APART_MS = 25 };

bool wh_lm_is_last(const struct wh_lm_job *j)
{
    return j->recoveries + 1 >= LOST_MAX;
}

bool wh_lm_has_last(const struct wh_lm *m, unsigned worker)
{
    for (unsigned n = 0; n < WH_LM_JOBS; n++) {
        const struct wh_lm_job *j = &m->job[n];
        if (j->state == WH_LM_RUN && j->worker == worker && wh_lm_is_last(j)) {
            return true;
        }
    }
    return false;
}

/* Those of one call come one after another. */
bool wh_lm_is_put_off(const struct wh_lm *m, const struct wh_lm_snap *snap, unsigned n)
{
    const struct wh_lm_job *j = &m->job[n];
    long long more_ms = snap->due[n] - m->now - LATER_MS;

    return j->state == WH_LM_READY && wh_lm_is_last(j) && more_ms >= 0 &&
           more_ms <= APART_MS * WH_LM_JOBS && more_ms % APART_MS == 0;
}
