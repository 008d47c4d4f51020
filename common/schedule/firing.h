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

#endif
