/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets of rates as the model keeps them: GCRA in whole parts of a ms, of which a rate of n jobs
 * each period has n. Used by lua_model_limit.c; nothing here knows what a bucket is of.
 */
#ifndef WH_TESTS_SUPPORT_LUA_MODEL_BUCKET_H
#define WH_TESTS_SUPPORT_LUA_MODEL_BUCKET_H

#include <stdbool.h>

struct wh_lm_rate {
    double n, period, burst; /* n 0: none */
};

/* A theoretical arrival time as its key says it: whole ms, and the rest with 12 decimals. */
struct wh_lm_tat {
    double ms, part;
};

struct wh_lm_bucket {
    bool loaded, used;
    double ahead; /* of now, in parts */
    struct wh_lm_rate rate;
};

/* Of a number as text; {0, 0} when it is none. */
struct wh_lm_tat wh_lm_tat_of(const char *text);
/* That of so many parts ahead of now, as it is stored. */
struct wh_lm_tat wh_lm_tat_at(double ahead, double now, struct wh_lm_rate rate);
/* In parts; not below 0. */
double wh_lm_tat_ahead(struct wh_lm_tat tat, double now, struct wh_lm_rate rate);
double wh_lm_depth(struct wh_lm_rate rate);
/* How many jobs it admits. */
double wh_lm_bucket_room(const struct wh_lm_bucket *b);
/* An adaptive rate's: three decimals of the rate count. */
struct wh_lm_rate wh_lm_adaptive_rate(double per_s);

#endif
