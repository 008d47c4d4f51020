/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calendar repeats every 400 years, that is every 146,097 days. Years are counted
 * from March inside, so that the leap day is the last of its year and the lengths of the
 * months before it follow (153 * month + 2) / 5.
 */
#include "common/job/civil.h"

#define ERA_YEARS 400
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

int64_t wh_civil_to_days(int64_t year, int month, int day)
{
    int64_t from_march = (month + 9) % 12;
    int64_t y = year - (month <= 2 ? 1 : 0);
    int64_t era = floor_div(y, ERA_YEARS);
    int64_t of_era = y - era * ERA_YEARS;
    int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;
    int64_t day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

wh_civil wh_civil_of_days(int64_t days)
{
    int64_t z = days + EPOCH_DAYS;
    int64_t era = floor_div(z, ERA_DAYS);
    int64_t day_of_era = z - era * ERA_DAYS;
    int64_t of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
        365;
    int64_t day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    return (wh_civil){.year = of_era + era * ERA_YEARS + (month <= 2 ? 1 : 0),
                      .month = month,
                      .day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1)};
}

int64_t wh_civil_of_seconds(int64_t seconds)
{
    return floor_div(seconds, WH_CIVIL_DAY_S);
}

int wh_civil_weekday(int64_t days)
{
    int64_t thursday = 4; /* was 1970-01-01 */
    return (int)(((days % 7) + 7 + thursday) % 7);
}

bool wh_civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int wh_civil_month_length(int64_t year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return lengths[month - 1] + (month == 2 && wh_civil_is_leap(year) ? 1 : 0);
}
