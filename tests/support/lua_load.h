/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads for the suites of many orgs, on top of lua_case.h: many jobs at once, what a claim
 * gave as numbers, finishes of many claims, and how often Redis ran a command. An error
 * reply fails the test.
 */
#ifndef WH_TESTS_SUPPORT_LUA_LOAD_H
#define WH_TESTS_SUPPORT_LUA_LOAD_H

#include <stdbool.h>

enum { WH_LL_MAX = 1000 };

/* Jobs first, first + 1, … of one kind, a batch of 1,000 in each call. */
struct wh_ll_jobs {
    unsigned first, count;
    const char *type, *org; /* at most 31 bytes each */
    const char *group;      /* NULL: none */
    int priority;           /* 0: the default */
    /* Not 0: job i is of type "<type><i % types>", group "<group><i / types % groups>". */
    unsigned types, groups;
};
void wh_ll_fill(const struct wh_ll_jobs *jobs);
void wh_ll_fill_org(unsigned first, unsigned count, const char *type, const char *org);

/* A worker "w" that lives for an hour, and nothing is kept of finished jobs. */
void wh_ll_start(void);

/* One job of any type; option words separated by blanks. */
void wh_ll_put(unsigned n, const char *type, const char *options);

/* wh1_limit with one setting; value "" removes it. */
void wh_ll_set(const char *setting, const char *value);

/* What one call of wh1_cycle gave. */
struct wh_ll_claims {
    unsigned n;
    unsigned id[WH_LL_MAX];
    unsigned fence[WH_LL_MAX];
    long long next_due;
    unsigned flags;
};
void wh_ll_take(const char *worker, unsigned want, struct wh_ll_claims *c);
/* Only how many. */
unsigned wh_ll_take_count(const char *worker, unsigned want);
/* Completes what was claimed, in one call; each must still be held. */
void wh_ll_done(const char *worker, const struct wh_ll_claims *c);
/* Ends one claim; category NULL: none. */
void wh_ll_end(const char *worker, unsigned n, unsigned fence, const char *outcome,
               long long delay_ms, const char *category);

/* Sets a schedule and fires it once: job n, of type mail and org o, is created. */
void wh_ll_fire(unsigned n);

/* Calls of one Redis command inside functions since _reset, NULL: of all. */
void wh_ll_reset_calls(void);
long long wh_ll_calls(const char *command);

#endif
