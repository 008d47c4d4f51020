/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which times of a wall clock match an expression, without any zone. The search goes
 * month by month and then jumps, so the rarest date costs a few thousand steps.
 */
#include "common/job/cron.h"

#include "common/job/civil.h"

enum { HOUR = 3600, MINUTE = 60, ALL_WEEKDAYS = 0x7f };

static uint32_t month_days(const wh_cron *c, int length)
{
    uint32_t all = (UINT32_C(0xffffffff) >> (31 - length)) & ~UINT32_C(1);
    uint32_t days = c->days & all;
    for (int back = 0; c->days_from_end >> back != 0 && back < length; back++) {
        if ((c->days_from_end >> back & 1) != 0) {
            days |= UINT32_C(1) << (length - back);
        }
    }
    return days;
}

static uint32_t week_days(const wh_cron *c, int64_t first_day, int length)
{
    int weekday = wh_civil_weekday(first_day);
    uint32_t days = 0;
    for (int day = 1; day <= length; day++) {
        unsigned match = c->weekdays | c->nth_weekdays[(day - 1) / 7];
        if (day + 7 > length) {
            match |= c->last_weekdays;
        }
        days |= (uint32_t)(match >> weekday & 1) << day;
        weekday = weekday == 6 ? 0 : weekday + 1;
    }
    return days;
}

uint32_t wh_cron_days(const wh_cron *c, int64_t year, int month)
{
    if ((c->months >> month & 1) == 0) {
        return 0;
    }
    int length = wh_civil_month_length(year, month);
    uint32_t days = month_days(c, length);
    if (c->any_weekday && c->weekdays == ALL_WEEKDAYS) {
        return days;
    }
    uint32_t by_week = week_days(c, wh_civil_to_days(year, month, 1), length);
    return c->any_day || c->any_weekday ? days & by_week : days | by_week;
}

/* The lowest member of the set that is not below `from`; -1: none. */
static int lowest(uint64_t set, int from)
{
    uint64_t rest = from < 64 ? set >> from : 0;
    return rest != 0 ? from + __builtin_ctzll(rest) : -1;
}

/* The first matching second of a day, not before `from`; -1: none. */
static int time_of_day(const wh_cron *c, int from)
{
    int hour = from / HOUR, minute = from / MINUTE % 60;
    int second = lowest(c->seconds, from % MINUTE);
    if ((c->hours >> hour & 1) != 0) {
        if (second >= 0 && (c->minutes >> minute & 1) != 0) {
            return hour * HOUR + minute * MINUTE + second;
        }
        minute = lowest(c->minutes, minute + 1);
        if (minute >= 0) {
            return hour * HOUR + minute * MINUTE + lowest(c->seconds, 0);
        }
    }
    hour = lowest(c->hours, hour + 1);
    if (hour < 0) {
        return -1;
    }
    return hour * HOUR + lowest(c->minutes, 0) * MINUTE + lowest(c->seconds, 0);
}

int64_t wh_cron_wall(const wh_cron *c, int64_t from_s, int64_t until_s)
{
    int64_t today = wh_civil_of_seconds(from_s);
    wh_civil date = wh_civil_of_days(today);
    int of_day = (int)(from_s - today * WH_CIVIL_DAY_S);
    int64_t first = today - date.day + 1;
    while (first * WH_CIVIL_DAY_S < until_s) {
        uint32_t days = wh_cron_days(c, date.year, date.month);
        for (int day = lowest(days, date.day); day > 0; day = lowest(days, day + 1)) {
            int64_t at_day = first + day - 1;
            int time = time_of_day(c, at_day == today ? of_day : 0);
            if (time >= 0) {
                int64_t at_s = at_day * WH_CIVIL_DAY_S + time;
                return at_s < until_s ? at_s : until_s;
            }
        }
        first += wh_civil_month_length(date.year, date.month);
        date.day = 1;
        date.month++;
        if (date.month > 12) {
            date.month = 1;
            date.year++;
        }
    }
    return until_s;
}
