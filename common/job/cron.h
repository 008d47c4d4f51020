/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cron expressions: what they say, and when they fire next in a time zone. For the
 * scheduler and the command line; docs/cron.md is the users' page and has the rules for
 * daylight saving time. A wh_cron holds no memory of its own.
 */
#ifndef WH_COMMON_JOB_CRON_H
#define WH_COMMON_JOB_CRON_H

#include "common/base/err.h"
#include "common/job/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WH_CRON_TEXT_MAX 256
#define WH_CRON_LAST_YEAR 2199 /* nothing fires in later years, nor before 1970 */

/* Bit n of a set: the value n. */
typedef struct wh_cron {
    uint64_t seconds, minutes;
    uint32_t hours;
    uint32_t days;           /* 1..31 */
    uint32_t days_from_end;  /* 0: the last day of the month, 3: "L-3" */
    uint16_t months;         /* 1..12 */
    uint8_t weekdays;        /* 0 Sunday … 6 */
    uint8_t nth_weekdays[5]; /* [1]: "5#2", the second Friday is bit 5 */
    uint8_t last_weekdays;   /* "5L" */
    bool any_day,
        any_weekday;  /* the field begins with a star: both must match, else either */
    bool is_interval; /* hour or minute begins with a star: follows the running clock */
    bool has_seconds; /* six fields */
} wh_cron;

/* Five fields, or six with the second first, or a word such as @daily. Refuses dates that
 * no year has. eb says in which column what is wrong, and what would be right; *out is then
 * left alone. */
wh_err wh_cron_parse(const char *text, wh_cron *out, wh_errbuf *eb) WH_MUSTCHECK;

/* The first instant after `after_ms` at which it fires; always a full second. false: never
 * again. zone NULL: UTC. */
bool wh_cron_next(const wh_cron *c, const wh_zone *zone, int64_t after_ms,
                  int64_t *at_ms);

typedef struct wh_cron_window {
    int64_t after_ms; /* not itself */
    int64_t until_ms; /* itself, too */
} wh_cron_window;
/* How often it fires in the window, but not counting further than max; the instants in out,
 * ascending, unless that is NULL. */
size_t wh_cron_list(const wh_cron *c, const wh_zone *zone, wh_cron_window window,
                    int64_t *out, size_t max);

/* Days of the month that match, bit 1 the first. 0 also when the month does not. */
uint32_t wh_cron_days(const wh_cron *c, int64_t year, int month);
/* The first time on a wall clock, in seconds as if it were UTC, that matches and is in
 * [from_s, until_s); until_s when there is none. */
int64_t wh_cron_wall(const wh_cron *c, int64_t from_s, int64_t until_s);

#endif
