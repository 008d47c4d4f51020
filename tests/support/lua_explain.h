/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wh1_explain for the suites that ask why a job waits, on top of lua_case.h.
 */
#ifndef WH_TESTS_SUPPORT_LUA_EXPLAIN_H
#define WH_TESTS_SUPPORT_LUA_EXPLAIN_H

/* A live worker that says this of itself (JSON), for an hour. */
void wh_le_says(const char *worker, const char *info);

/* A fact of a job, "" when absent; good for the next 8 calls. Fails the test when asking
 * changed anything. */
const char *wh_le_fact(unsigned n, const char *name);
/* Fails the test unless the fact is this. */
void wh_le_is(unsigned n, const char *name, const char *want);

#endif
