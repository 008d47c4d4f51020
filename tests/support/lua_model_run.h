/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model and the real functions side by side: makes a call (twice, when asked to prove
 * that a repeated call changes nothing), and compares what a reader can see.
 */
#ifndef WH_TESTS_SUPPORT_LUA_MODEL_RUN_H
#define WH_TESTS_SUPPORT_LUA_MODEL_RUN_H

#include "tests/support/lua_case.h"
#include "tests/support/lua_model.h"

struct wh_lmr {
    struct wh_lm m;
    uint64_t seed, random;
    unsigned long op, ops, notes;
    bool twice;          /* send each repeatable call twice */
    bool many_grouped;   /* most jobs have a group, of few orgs, at one level */
    bool no_events;      /* those of a repeated call do not count */
    bool finished;       /* else the last operations are shown */
    unsigned long storm; /* until that operation most ends are bad */
    unsigned long handed;
    long long acted_at; /* when something but time changed last */
    char last[20][256]; /* notes */
};

/* Seed and number of operations come from WH_MODEL_SEED and WH_MODEL_OPS (100,000), of
 * which this run does a share, in percent. */
void wh_lmr_init(struct wh_lmr *r, unsigned share);
unsigned wh_lmr_random(struct wh_lmr *r, unsigned below);
bool wh_lmr_chance(struct wh_lmr *r, unsigned percent);
/* Notes what comes next, for the list that a failure shows. */
void wh_lmr_note(struct wh_lmr *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void wh_lmr_show(const struct wh_lmr *r);

/* Takes the arguments; the reply is the caller's. repeatable: with r->twice it is sent
 * again, and the data must be the same after it (bells, idle workers, counters aside). */
redisReply *wh_lmr_call(struct wh_lmr *r, const char *fn, struct wh_lc_args *a,
                        bool repeatable);
/* The same, and where ids stand right behind the first one. */
redisReply *wh_lmr_call_seen(struct wh_lmr *r, const char *fn, struct wh_lc_args *a,
                             bool repeatable, struct wh_lm_snap *snap);
/* One call, and where ids stand right behind it. */
redisReply *wh_lmr_see(const struct wh_lmr *run, const char *fn, struct wh_lc_args *a,
                       struct wh_lm_snap *snap);
/* A call with these words; "@" is an empty one. */
redisReply *wh_lmr_words(struct wh_lmr *run, const char *fn, bool repeatable,
                         const char *text);
void wh_lmr_check_job(const struct wh_lmr *r, unsigned n);
void wh_lmr_check_stats(const struct wh_lmr *r);
/* What breakers are said to be. */
void wh_lmr_check_breakers(const struct wh_lmr *r);
/* Everything: jobs, quotas, DLQ, schedules, audit. */
void wh_lmr_check_all(const struct wh_lmr *r);
/* A job in this state, or any; a live worker, mostly. */
unsigned wh_lmr_pick_in(struct wh_lmr *run, enum wh_lm_state state);
unsigned wh_lmr_pick_live(struct wh_lmr *run);
void wh_lmr_is_error(const redisReply *r, const char *word);
void wh_lmr_is_array(const redisReply *r);

/* A cycle that was chosen: sent, judged, applied. Answers what Redis said in it. */
void wh_lmr_run_cycle(struct wh_lmr *run, struct wh_lm_cycle *c);
void wh_lmr_random_job(struct wh_lmr *run, struct wh_lm_new *s);
/* A job as wh1_enqueue_batch and wh1_cron_fire take it: id, head, payload. */
void wh_lmr_add_triple(struct wh_lc_args *a, const struct wh_lm_new *s);

void wh_lmr_enqueue_one(struct wh_lmr *run, struct wh_lm_new *s);
void wh_lmr_enqueue_many(struct wh_lmr *run, struct wh_lm_new *specs, unsigned count);
void wh_lmr_fire_one(struct wh_lmr *run, const struct wh_lm_new *s);
/* Before an enqueue of one job, and after it; s NULL: it was refused. */
void wh_lmr_listen(struct wh_lm_call *c);
void wh_lmr_hear(struct wh_lmr *run, const struct wh_lm_new *s, struct wh_lm_call *c,
                 const struct wh_lm_snap *snap);

/* One random operation each: chosen, sent, applied to the model, compared. */
void wh_lmr_enqueue(struct wh_lmr *run);
void wh_lmr_enqueue_batch(struct wh_lmr *run);
void wh_lmr_alone(struct wh_lmr *run);
void wh_lmr_cycle(struct wh_lmr *run);
void wh_lmr_heartbeat(struct wh_lmr *run);
void wh_lmr_bye(struct wh_lmr *run);
void wh_lmr_resync(struct wh_lmr *run);
void wh_lmr_quiet(struct wh_lmr *run);
void wh_lmr_advance(struct wh_lmr *run);
void wh_lmr_timed(struct wh_lmr *run);
void wh_lmr_cancel(struct wh_lmr *run);
void wh_lmr_retry(struct wh_lmr *run);
void wh_lmr_pause_resume(struct wh_lmr *run);
void wh_lmr_dlq(struct wh_lmr *run);
void wh_lmr_settings(struct wh_lmr *run);
void wh_lmr_limit(struct wh_lmr *run);
/* A breaker with a short cooldown, and ends that open it again and again. */
void wh_lmr_storm(struct wh_lmr *run);
void wh_lmr_explain(struct wh_lmr *run);
void wh_lmr_cron(struct wh_lmr *run);
/* The definition of a schedule, 3 of each set: those from 3 on are declared. */
#define WH_LMR_CRON_TEXTS 9
const char *wh_lmr_cron_text(unsigned text, char out[32]);
/* Time passes and a worker runs what it gets: in the end only what may not run is left. */
void wh_lmr_drain(struct wh_lmr *run);

bool wh_lmr_still_held(unsigned worker, unsigned n, unsigned fence);

#endif
