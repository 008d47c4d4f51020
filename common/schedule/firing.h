/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a schedule and the time to jobs: which fire times are due, what the misfire policy
 * makes of those that passed, and the job of each. Pure and repeatable: every scheduler
 * that looks at the same fire time makes the same job with the same id, so that a firing
 * which is tried twice creates nothing twice.
 */
#ifndef WH_COMMON_SCHEDULE_FIRING_H
#define WH_COMMON_SCHEDULE_FIRING_H

#include "common/schedule/schedule.h"

/* A fire time that nobody served for so long was missed: misfire "skip" drops it. */
#define WH_FIRING_GRACE_MS 60000

typedef struct wh_firing {
    int64_t at_ms[WH_SCHEDULE_JOBS_MAX]; /* fire times that get a job, ascending */
    size_t n;
    int64_t next_ms; /* the first one after now; 0: never again */
} wh_firing;

/* expected_ms: the fire time that is due (<= now_ms), as Redis has it. */
void wh_firing_due(const wh_schedule *s, const wh_zone *zone, int64_t expected_ms,
                   int64_t now_ms, wh_firing *out);
/* The first fire time after `after_ms`; 0: never again. */
int64_t wh_firing_next(const wh_schedule *s, const wh_zone *zone, int64_t after_ms);

/* A definition takes another one's place. */
typedef struct wh_firing_change {
    const wh_schedule *old; /* NULL: there was none that can be read */
    int64_t old_next_ms;    /* -1: none */
    int64_t now_ms;
} wh_firing_change;
/* When the new one fires first; 0: never, or it is paused. What was due before the change
 * stays so where the times are the same; else *fire_old: it is to be fired as the old one
 * says, before the change. */
int64_t wh_firing_changed(const wh_firing_change *c, const wh_schedule *s,
                          const wh_zone *zone, bool *fire_old);

typedef struct wh_firing_of {
    const char *partition; /* key */
    const char *name;      /* of the schedule */
    int64_t at_ms;         /* the fire time */
    int64_t now_ms;
} wh_firing_of;

/* A UUID version 8: the fire time, then a hash of all three. */
void wh_firing_id(const wh_firing_of *f, uint8_t id[WH_UUID_BYTES]);
/* What the fire time's job waits because of the jitter: 0 to jitter_ms. */
int64_t wh_firing_jitter(const wh_schedule *s, const wh_firing_of *f);
/* The job; borrows from s and id. */
wh_job_spec wh_firing_job(const wh_schedule *s, const wh_firing_of *f,
                          uint8_t id[WH_UUID_BYTES]);

/* Takes the arguments of a call, one after the other. */
typedef void wh_firing_put(void *arg, const void *p, size_t n);
typedef struct wh_firing_call {
    const char *partition, *name;
    wh_slice text; /* the definition as it is stored */
    int64_t expected_ms, now_ms;
} wh_firing_call;
/* One firing as wh1_cron_fire_batch takes it, with the job of each time in `due`. */
wh_err wh_firing_write(const wh_firing_call *c, const wh_schedule *s,
                       const wh_firing *due, wh_firing_put *out,
                       void *arg) WH_MUSTCHECK;

#endif
