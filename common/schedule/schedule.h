/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schedule: a cron expression with its zone, and the job that it makes. Redis keeps one
 * as JSON text that Lua does not look into (wh1_cron_set); this unit is the only reader and
 * writer of that text, for the scheduler and the command line. docs/cron.md is the users'
 * page. A checked schedule is fit to be stored and to be fired.
 */
#ifndef WH_COMMON_SCHEDULE_SCHEDULE_H
#define WH_COMMON_SCHEDULE_SCHEDULE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/job/cron.h"
#include "common/job/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_SCHEDULE_TEXT_MAX 65536 /* of a definition, as in Lua */
#define WH_SCHEDULE_JOBS_MAX 100   /* in one firing, as in Lua */
#define WH_SCHEDULE_MISFIRE_MAX_DEFAULT 10
#define WH_SCHEDULE_JITTER_MAX_MS INT64_C(86400000)
#define WH_SCHEDULE_ZONE_MAX 64

/* What becomes of fire times that nobody was there for. */
typedef enum wh_schedule_misfire {
    WH_SCHEDULE_ONCE, /* one job for all of them */
    WH_SCHEDULE_SKIP, /* none */
    WH_SCHEDULE_ALL,  /* one each, of the latest misfire_max */
    WH_SCHEDULE_MISFIRE_COUNT
} wh_schedule_misfire;

/* Zero means the default everywhere; texts are borrowed, from `memory` after a parse. */
typedef struct wh_schedule {
    const char *expression; /* required */
    const char *zone;       /* an IANA name; NULL: UTC */
    const char *type;       /* required */
    const char *org;
    const char *group;
    const char *declared; /* the set of a configuration that it belongs to, or NULL */
    const char *payload;  /* UTF-8 text */
    size_t payload_len;
    int priority_plus1;
    int max_attempts;
    int64_t timeout_ms;
    int64_t jitter_ms; /* each job starts up to that much later */
    wh_schedule_misfire misfire;
    int misfire_max; /* of ALL; 0: the default */
    bool paused;     /* set without a next fire time */
    wh_cron cron;    /* the expression; filled by the check */
    void *memory;
} wh_schedule;

/* Checks everything but whether the zone exists, and fills s->cron. WH_EINVAL, of a
 * payload WH_EBADDATA or WH_ETOOBIG; eb begins with the field's name and a colon. */
wh_err wh_schedule_check(wh_schedule *s, wh_errbuf *eb) WH_MUSTCHECK;
/* Reads a stored definition and checks it. WH_EBADDATA: no JSON object, an unknown field
 * (a newer version's), a value of the wrong kind; else as _check. out is to be ended in any
 * case. */
wh_err wh_schedule_parse(const char *text, size_t n, wh_schedule *out,
                         wh_errbuf *eb) WH_MUSTCHECK;
/* The text of a checked schedule: equal schedules have equal texts. Check wh_buf_ok(out). */
void wh_schedule_format(const wh_schedule *s, wh_buf *out);
void wh_schedule_fini(wh_schedule *s);
/* The job that it makes, which borrows from s; without an id and a delay. */
wh_job_spec wh_schedule_job(const wh_schedule *s);

/* Whether both have the same fire times, as far as their texts tell. */
bool wh_schedule_same_times(const wh_schedule *a, const wh_schedule *b);

const char *wh_schedule_misfire_name(wh_schedule_misfire m);
bool wh_schedule_misfire_parse(const char *text, wh_schedule_misfire *out);

#endif
