/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the C library once an hour; where its answer has changed, the second of the change is
 * found by halving. Between changes, wall times are counted one by one. Two changes within
 * one hour would go unseen; no zone has had them since 1970.
 */
#include "tests/support/cron_brute.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, BACK = 27 * HOUR };

typedef struct search {
    const wh_cron_case *c;
    int64_t after_s;
    int64_t reached_s; /* the highest wall time so far */
    int64_t day;       /* which is_day is about */
    bool is_day;
} search;

void wh_cron_brute_zone(const char *name)
{
    char text[128];
    (void)snprintf(text, sizeof text, ":%s", name);
    (void)setenv("TZ", text, 1);
    tzset();
}

long wh_cron_brute_offset(int64_t utc_s)
{
    time_t t = (time_t)utc_s;
    struct tm tm;
    return localtime_r(&t, &tm) != NULL ? tm.tm_gmtoff : LONG_MIN;
}

/* ---- which wall times match ---- */

static bool is_weekday(const bool *set, int n)
{
    return set[n] || (n == 0 && set[7]);
}

static bool day_matches(const wh_cron_case *c, const struct tm *tm)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int back = lengths[tm->tm_mon] + (leap && tm->tm_mon == 1) - tm->tm_mday;
    bool by_month = c->days[tm->tm_mday] || c->days_from_end[back];
    bool by_week = is_weekday(c->weekdays, tm->tm_wday) ||
                   is_weekday(c->nth_weekdays[(tm->tm_mday + 6) / 7], tm->tm_wday) ||
                   (back < 7 && is_weekday(c->last_weekdays, tm->tm_wday));
    if (!c->months[tm->tm_mon + 1]) {
        return false;
    }
    if (!c->day_star && !c->weekday_star) {
        return by_month || by_week;
    }
    return by_month && by_week;
}

static int64_t day_of(int64_t wall_s)
{
    return wall_s >= 0 ? wall_s / DAY : -((DAY - 1 - wall_s) / DAY);
}

/* Whether the day and the hour of the wall time match. */
static bool hour_matches(search *s, int64_t wall_s)
{
    int64_t day = day_of(wall_s);
    if (day != s->day) {
        time_t t = (time_t)(day * DAY);
        struct tm tm;
        s->day = day;
        s->is_day = gmtime_r(&t, &tm) != NULL && day_matches(s->c, &tm);
    }
    return s->is_day && s->c->hours[(wall_s - day * DAY) / HOUR];
}

static bool matches(search *s, int64_t wall_s)
{
    int64_t of_day = wall_s - day_of(wall_s) * DAY;
    return hour_matches(s, wall_s) && s->c->minutes[of_day / MINUTE % 60] &&
           s->c->seconds[of_day % 60];
}

/* ---- the walk ---- */

/* A wall time is shown. */
static bool fires_at(search *s, int64_t utc_s, int64_t wall_s)
{
    bool again = wall_s <= s->reached_s;
    return utc_s > s->after_s && (s->c->is_interval || !again) && matches(s, wall_s);
}

/* [from_s, until_s), all of the same distance from UTC. */
static int64_t walk(search *s, int64_t from_s, int64_t until_s, long offset)
{
    int64_t wall_s = from_s + offset, end_s = until_s + offset;
    while (wall_s < end_s) {
        int64_t of_day = wall_s - day_of(wall_s) * DAY;
        if (!hour_matches(s, wall_s)) {
            wall_s += HOUR - of_day % HOUR;
        } else if (!s->c->minutes[of_day / MINUTE % 60]) {
            wall_s += MINUTE - of_day % MINUTE;
        } else if (fires_at(s, wall_s - offset, wall_s)) {
            return wall_s - offset;
        } else {
            wall_s++;
        }
    }
    s->reached_s = end_s - 1 > s->reached_s ? end_s - 1 : s->reached_s;
    return -1;
}

/* The clock jumps at utc_s from below from_s to to_s. */
static bool fires_in_gap(search *s, int64_t utc_s, int64_t from_s, int64_t to_s)
{
    if (s->c->is_interval || utc_s <= s->after_s) {
        return false;
    }
    for (int64_t wall_s = from_s; wall_s < to_s; wall_s++) {
        if (wall_s > s->reached_s && matches(s, wall_s)) {
            return true;
        }
    }
    return false;
}

/* Where in (low, high] the distance from UTC stops to be `offset`. */
static int64_t find_change(int64_t low, int64_t high, long offset)
{
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (wh_cron_brute_offset(middle) == offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

/* `before`: the distance from UTC one second before. */
static int64_t walk_hour(search *s, int64_t from_s, long *before)
{
    int64_t until_s = from_s + HOUR;
    long offset = wh_cron_brute_offset(until_s - 1);
    if (offset == *before) {
        return walk(s, from_s, until_s, offset);
    }
    int64_t change_s = find_change(from_s - 1, until_s - 1, *before);
    int64_t at_s = walk(s, from_s, change_s, *before);
    if (at_s < 0 && fires_in_gap(s, change_s, change_s + *before, change_s + offset)) {
        at_s = change_s;
    }
    *before = offset;
    return at_s >= 0 ? at_s : walk(s, change_s, until_s, offset);
}

int64_t wh_cron_brute_next(const wh_cron_case *c, int64_t after_s, int64_t until_s)
{
    search s = {.c = c, .after_s = after_s, .reached_s = INT64_MIN, .day = INT64_MIN};
    int64_t from_s = after_s - BACK; /* no clock was set back by more than a day */
    long offset = wh_cron_brute_offset(from_s - 1);
    while (from_s <= until_s) {
        int64_t at_s = walk_hour(&s, from_s, &offset);
        if (at_s >= 0) {
            return at_s <= until_s ? at_s : -1;
        }
        from_s += HOUR;
    }
    return -1;
}

bool wh_cron_brute_has_day(const wh_cron_case *c)
{
    for (int64_t day = 0; day < INT64_C(131) * 366; day++) {
        time_t t = (time_t)(day * DAY);
        struct tm tm;
        if (gmtime_r(&t, &tm) != NULL && day_matches(c, &tm)) {
            return true;
        }
    }
    return false;
}
