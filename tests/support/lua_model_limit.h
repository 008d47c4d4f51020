/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of docs/protocol.md section 10 as the model has them: settings, GCRA rates,
 * caps, breakers, adaptive rates. The arithmetic is that of the library, number for number,
 * since one job more or less is a difference; it knows no jobs. Used by lua_model.
 */
#ifndef WH_TESTS_SUPPORT_LUA_MODEL_LIMIT_H
#define WH_TESTS_SUPPORT_LUA_MODEL_LIMIT_H

#include "tests/support/lua_model_bucket.h"

#include <stdbool.h>

enum {
    WH_LM_ORGS = 12,
    WH_LM_TYPES = 4,
    WH_LM_GROUPS = 4, /* 0: none */
    WH_LM_SETTINGS = 64,
    WH_LM_SETTING_LEN = 64,
    WH_LM_MUCH = 1000000000, /* room without a limit */
};

extern const char *const wh_lm_types[WH_LM_TYPES];

struct wh_lm_breaker_setting {
    double percent, volume, window, cooldown, probes; /* probes 0: none */
};

struct wh_lm_adaptive {
    double min, max, step; /* max 0: none */
};

enum wh_lm_switch { WH_LM_CLOSED, WH_LM_OPEN, WH_LM_HALF_OPEN };

struct wh_lm_breaker {
    enum wh_lm_switch state;
    double window, since, good, bad, good0, bad0;
    double first; /* unless closed: what was claimed from then on is a probe */
    double rate, rate_at, halved_at;
    struct wh_lm_tat tat;
};

/* What ended of one type in one call. */
struct wh_lm_ran {
    bool any;
    double good, bad, overload, wait_ms;
    /* claimed since the breaker last changed; silent: also probes of before */
    double fresh_good, fresh_bad, silent;
};

/* Theoretical arrival times of the buckets of rates; 0: none. */
struct wh_lm_tats {
    struct wh_lm_tat queue, org[WH_LM_ORGS], type[WH_LM_TYPES];
    struct wh_lm_tat pair[WH_LM_ORGS][WH_LM_TYPES];
};

/* How many jobs one call claimed of each bucket. */
struct wh_lm_spent {
    double queue, org[WH_LM_ORGS], type[WH_LM_TYPES], pair[WH_LM_ORGS][WH_LM_TYPES];
};

/* 0: none. The last one of each array is that of "*". */
struct wh_lm_limits {
    struct wh_lm_rate rate_queue, rate_org[WH_LM_ORGS + 1], rate_type[WH_LM_TYPES + 1];
    struct wh_lm_rate rate_pair[WH_LM_ORGS + 1][WH_LM_TYPES];
    double cap_queue, cap_org[WH_LM_ORGS + 1], cap_type[WH_LM_TYPES + 1], cap_group;
    double cap_org_group[WH_LM_ORGS][WH_LM_GROUPS];
    bool pause_org[WH_LM_ORGS], pause_type[WH_LM_TYPES];
    long long jobs_queue, bytes_queue, jobs_org[WH_LM_ORGS + 1];
    long long bytes_org[WH_LM_ORGS + 1];
    struct wh_lm_breaker_setting breaker[WH_LM_TYPES + 1];
    struct wh_lm_adaptive adaptive[WH_LM_TYPES];
    /* the settings as text, and how many there are */
    char name[WH_LM_SETTINGS][WH_LM_SETTING_LEN];
    unsigned n;
    /* what a call of settings named so far, and as it was before */
    bool touched[WH_LM_TYPES + 1], touched_pace[WH_LM_TYPES];
    struct wh_lm_breaker_setting breaker_was[WH_LM_TYPES + 1];
    struct wh_lm_adaptive adaptive_was[WH_LM_TYPES];
    /* state */
    struct wh_lm_tats tat;
    double changed_at; /* a setting, last */
    struct wh_lm_breaker state[WH_LM_TYPES];
};

/* Limits as one call sees them. */
struct wh_lm_session {
    struct wh_lm_limits *l;
    double now;
    /* jobs in flight */
    double active, active_org[WH_LM_ORGS], active_type[WH_LM_TYPES];
    double active_group[WH_LM_ORGS][WH_LM_GROUPS];
    struct wh_lm_bucket queue, org[WH_LM_ORGS], type[WH_LM_TYPES], adapt[WH_LM_TYPES];
    struct wh_lm_bucket pair[WH_LM_ORGS][WH_LM_TYPES];
    double probes[WH_LM_TYPES], fresh[WH_LM_TYPES]; /* that run; those of this try */
    bool broken[WH_LM_TYPES];                       /* its breaker changed */
};

/* How many jobs something admits, and what holds back the rest. */
struct wh_lm_room {
    double n;
    const char *reason;
};

/* An empty value removes; true: it is a setting. */
bool wh_lm_set_limit(struct wh_lm_limits *l, double now, const char *setting,
                     const char *value);
/* Does any setting hold back types? */
bool wh_lm_holds_types(const struct wh_lm_limits *l);
/* After the settings of one call. */
void wh_lm_settle_limits(struct wh_lm_limits *l);
struct wh_lm_room wh_lm_queue_room(struct wh_lm_session *x);
struct wh_lm_room wh_lm_org_room(struct wh_lm_session *x, unsigned org);
struct wh_lm_room wh_lm_pair_room(struct wh_lm_session *x, unsigned org, unsigned type);
struct wh_lm_room wh_lm_group_room(struct wh_lm_session *x, unsigned org,
                                   unsigned group);
bool wh_lm_group_capped(const struct wh_lm_limits *l, unsigned org, unsigned group);
/* What a slower rate left in a bucket is cut to the burst at the first look at it. Which call
 * looked at it is Redis' choice; seen: what its keys say; spent: the jobs of the last call. False:
 * a bucket is not what it can be. */
bool wh_lm_adopt_cuts(struct wh_lm_limits *l, const struct wh_lm_tats *seen,
                      const struct wh_lm_spent *spent);
/* One job is claimed. */
void wh_lm_spend(struct wh_lm_session *x, unsigned org, unsigned type, unsigned group);
/* The call ends: keeps what was used. */
void wh_lm_close(struct wh_lm_session *x);
/* As wh1_limits lists it; NULL: it has no breaker. Good until the next call. */
const char *wh_lm_breaker_text(const struct wh_lm_limits *l, double now, unsigned type);
/* Jobs of a type ended. */
void wh_lm_note_ended(struct wh_lm_limits *l, double now, unsigned type,
                      const struct wh_lm_ran *ran);

#endif
