/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain for the suites that ask why a job waits, on top of lua_case.h.
 */
#ifndef WH_TESTS_SUPPORT_LUA_EXPLAIN_H
#define WH_TESTS_SUPPORT_LUA_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

/* A live worker that says this of itself (JSON), for an hour. */
void wh_le_says(const char *worker, const char *info);

/* A fact of a job, "" when absent; good for the next 8 calls. Fails the test when asking
 * changed anything. */
const char *wh_le_fact(unsigned n, const char *name);
/* Fails the test unless the fact is this. */
void wh_le_is(unsigned n, const char *name, const char *want);

/* A setting that holds a job, and the facts that say so: reason, limit and of (the setting as it
 * was set), until_ms, used. */
struct wh_le_holding {
    const char *setting, *value, *reason, *until_ms, *used;
};
bool wh_le_is_pause(const struct wh_le_holding *h);
/* Fails the test unless this holds the job. */
void wh_le_held_by(unsigned n, const struct wh_le_holding *h);
/* check(h, is_met) for each, with empty data and worker "w": twice, so that wh_le_meet makes a
 * difference. */
void wh_le_each(const struct wh_le_holding *list, size_t n,
                void (*check)(const struct wh_le_holding *h, bool is_met));
/* is_met: a claim meets what is held, and gets nothing. */
void wh_le_meet(bool is_met);

/* Job 1 of type mail, which worker "w" fails, opens a breaker for 5 s; then so many probes. */
void wh_le_open_breaker(const char *setting, unsigned probes);

#endif
