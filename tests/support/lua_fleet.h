/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fairness in worker time, simulated: a fleet of few slots, run times by org (or by group of
 * one), and the library's clock moved from finish to finish. Shares are of the time that
 * slots were busy.
 */
#ifndef WH_TESTS_SUPPORT_LUA_FLEET_H
#define WH_TESTS_SUPPORT_LUA_FLEET_H

/* Job n is of source n >> WH_LF_BITS: an org, or an org's group. */
enum { WH_LF_ORGS = 4, WH_LF_SLOTS = 4, WH_LF_BITS = 20, WH_LF_MINUTE = 60000 };

struct wh_lf_fleet {
    const char *org[WH_LF_ORGS], *type[WH_LF_ORGS]; /* NULL: does not arrive */
    long long run_ms[WH_LF_ORGS];                   /* how long its jobs run */
    unsigned depth[WH_LF_ORGS];                     /* so many wait at any time */
    unsigned groups[WH_LF_ORGS];   /* 0: none, else spread over so many */
    const char *group[WH_LF_ORGS]; /* NULL: none; the one of all its jobs */
    unsigned made[WH_LF_ORGS];     /* how many jobs it has had */
    double busy[WH_LF_ORGS];       /* ms of slots */
    long long now, started_at[WH_LF_ORGS];
    struct {
        unsigned id, fence;
        long long end; /* 0: free */
    } slot[WH_LF_SLOTS];
    unsigned waiting[WH_LF_ORGS];
};

/* Worker "w"; nothing is kept of finished jobs. */
void wh_lf_start(struct wh_lf_fleet *f);
void wh_lf_run_for(struct wh_lf_fleet *f, long long ms);
/* Part of the busy time since _forget_busy, 0 to 1. */
double wh_lf_share(const struct wh_lf_fleet *f, unsigned org);
void wh_lf_forget_busy(struct wh_lf_fleet *f);
/* Fails unless the share is want, give or take within. */
void wh_lf_expect_share(const struct wh_lf_fleet *f, unsigned org, double want,
                        double within);

#endif
