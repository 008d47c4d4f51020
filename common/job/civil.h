/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Days since 1970-01-01 and dates of the Gregorian calendar, without the C library's
 * time zones. For zone and cron. Any year within ±10^9 is exact.
 */
#ifndef WH_COMMON_JOB_CIVIL_H
#define WH_COMMON_JOB_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define WH_CIVIL_DAY_S 86400

typedef struct wh_civil {
    int64_t year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
} wh_civil;

int64_t wh_civil_to_days(int64_t year, int month, int day);
wh_civil wh_civil_of_days(int64_t days);
/* Days since 1970 of an instant or a wall time in seconds, rounded down. */
int64_t wh_civil_of_seconds(int64_t seconds);
/* 0 Sunday … 6 Saturday. */
int wh_civil_weekday(int64_t days);
bool wh_civil_is_leap(int64_t year);
int wh_civil_month_length(int64_t year, int month);

#endif
