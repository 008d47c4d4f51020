/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule gives two changes a year. Their order within the year differs between the
 * hemispheres, and hours beyond a day may carry them over its end, so an instant is
 * looked up among the changes of five years, sorted.
 */
#include "common/job/zone_rule.h"

#include "common/job/civil.h"

#include <string.h>

enum { HOUR = 3600, CHANGE_DEFAULT_S = 2 * HOUR, YEARS = 5, CHANGES = 2 * YEARS };
#define INSTANT_MAX (INT64_C(1) << 50) /* beyond 35 million years no rule holds */

typedef struct text {
    const char *p, *end;
} text;

typedef struct change {
    int64_t at_s;
    bool to_dst;
} change;

/* ---- reading ---- */

static bool take(text *t, char c)
{
    bool is = t->p < t->end && *t->p == c;
    t->p += is ? 1 : 0;
    return is;
}

static bool is_digit(const text *t)
{
    return t->p < t->end && *t->p >= '0' && *t->p <= '9';
}

static bool take_number(text *t, int min, int max, int *out)
{
    int value = 0;
    if (!is_digit(t)) {
        return false;
    }
    while (is_digit(t)) {
        value = value * 10 + (*t->p++ - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return value >= min;
}

static bool is_name_char(char c, bool quoted)
{
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    bool other = (c >= '0' && c <= '9') || c == '+' || c == '-';
    return letter || (quoted && other);
}

static bool take_name(text *t, char name[WH_ZONE_RULE_NAME_SIZE])
{
    bool quoted = take(t, '<');
    size_t n = 0;
    while (t->p < t->end && is_name_char(*t->p, quoted)) {
        if (n + 1 >= WH_ZONE_RULE_NAME_SIZE) {
            return false;
        }
        name[n++] = *t->p++;
    }
    name[n] = '\0';
    return n >= 3 && (!quoted || take(t, '>'));
}

/* [+-]h[:mm[:ss]] */
static bool take_time(text *t, int hours_max, int32_t *out)
{
    int hours, minutes = 0, seconds = 0;
    bool negative = take(t, '-');
    if (!negative) {
        (void)take(t, '+');
    }
    if (!take_number(t, 0, hours_max, &hours)) {
        return false;
    }
    if (take(t, ':')) {
        if (!take_number(t, 0, 59, &minutes)) {
            return false;
        }
        if (take(t, ':') && !take_number(t, 0, 59, &seconds)) {
            return false;
        }
    }
    int32_t all = hours * HOUR + minutes * 60 + seconds;
    *out = negative ? -all : all;
    return true;
}

static bool take_day(text *t, wh_zone_rule_date *d)
{
    if (take(t, 'M')) {
        d->kind = WH_ZONE_RULE_MONTH_WEEK;
        return take_number(t, 1, 12, &d->month) && take(t, '.') &&
               take_number(t, 1, 5, &d->week) && take(t, '.') &&
               take_number(t, 0, 6, &d->day);
    }
    if (take(t, 'J')) {
        d->kind = WH_ZONE_RULE_JULIAN;
        return take_number(t, 1, 365, &d->day);
    }
    d->kind = WH_ZONE_RULE_DAY;
    return take_number(t, 0, 365, &d->day);
}

static bool take_date(text *t, wh_zone_rule_date *d)
{
    d->time_s = CHANGE_DEFAULT_S;
    return take(t, ',') && take_day(t, d) &&
           (!take(t, '/') || take_time(t, 167, &d->time_s));
}

static bool take_rule(text *t, wh_zone_rule *r)
{
    int32_t west_s;
    if (!take_name(t, r->name[0]) || !take_time(t, 24, &west_s)) {
        return false;
    }
    r->offset_s[0] = -west_s; /* POSIX counts to the west */
    if (t->p == t->end) {
        return true;
    }
    r->has_dst = true;
    r->offset_s[1] = r->offset_s[0] + HOUR;
    if (!take_name(t, r->name[1])) {
        return false;
    }
    if (t->p < t->end && *t->p != ',') {
        if (!take_time(t, 24, &west_s)) {
            return false;
        }
        r->offset_s[1] = -west_s;
    }
    return take_date(t, &r->start) && take_date(t, &r->end) && t->p == t->end;
}

wh_err wh_zone_rule_parse(const char *rule, size_t n, wh_zone_rule *out, wh_errbuf *eb)
{
    text t = {rule, rule + n};
    wh_zone_rule r;
    memset(&r, 0, sizeof r);
    if (!take_rule(&t, &r)) {
        return wh_err_set(eb, WH_EINVAL,
                          "time zone: its rule is not a TZ string such as "
                          "CET-1CEST,M3.5.0,M10.5.0/3 (wrong at character %zu)",
                          (size_t)(t.p - rule) + 1);
    }
    *out = r;
    return WH_OK;
}

/* ---- asking ---- */

static int64_t day_of(const wh_zone_rule_date *d, int64_t year)
{
    int64_t days = wh_civil_to_days(year, 1, 1);
    switch (d->kind) {
    case WH_ZONE_RULE_JULIAN:
        return days + d->day - 1 + (wh_civil_is_leap(year) && d->day >= 60 ? 1 : 0);
    case WH_ZONE_RULE_DAY:
        return days + d->day;
    case WH_ZONE_RULE_MONTH_WEEK:
        break;
    }
    int64_t first = wh_civil_to_days(year, d->month, 1);
    int day = (d->day - wh_civil_weekday(first) + 7) % 7 + 7 * (d->week - 1);
    int length = wh_civil_month_length(year, d->month);
    return first + (day < length ? day : day - 7);
}

static void insert(change *list, size_t n, change c)
{
    while (n > 0 && list[n - 1].at_s > c.at_s) {
        list[n] = list[n - 1];
        n--;
    }
    list[n] = c;
}

/* The changes of `year` and two years around, in order; equal ones as they are added:
 * a year that ends where the next begins is daylight saving time throughout. */
static void list_changes(const wh_zone_rule *r, int64_t year, change list[CHANGES])
{
    size_t n = 0;
    for (int64_t y = year - YEARS / 2; y <= year + YEARS / 2; y++) {
        int64_t start = day_of(&r->start, y) * WH_CIVIL_DAY_S;
        int64_t end = day_of(&r->end, y) * WH_CIVIL_DAY_S;
        change to_dst = {start + r->start.time_s - r->offset_s[0], true};
        change to_standard = {end + r->end.time_s - r->offset_s[1], false};
        insert(list, n++, to_dst);
        insert(list, n++, to_standard);
    }
}

static wh_zone_span span_of(const wh_zone_rule *r, bool is_dst)
{
    return (wh_zone_span){.from_s = INT64_MIN,
                          .until_s = INT64_MAX,
                          .offset_s = r->offset_s[is_dst ? 1 : 0],
                          .is_dst = is_dst,
                          .abbreviation = r->name[is_dst ? 1 : 0]};
}

wh_zone_span wh_zone_rule_at(const wh_zone_rule *r, int64_t utc_s)
{
    change list[CHANGES];
    wh_zone_span s = span_of(r, false);
    if (!r->has_dst) {
        return s;
    }
    if (utc_s < -INSTANT_MAX) {
        s.until_s = -INSTANT_MAX;
        return s;
    }
    if (utc_s >= INSTANT_MAX) {
        s.from_s = INSTANT_MAX;
        return s;
    }
    list_changes(r, wh_civil_of_days(wh_civil_of_seconds(utc_s)).year, list);
    /* No change is more than nine days away from its year: the first of the list is
     * never above the instant, the last never at it. */
    size_t next = 1;
    while (next < CHANGES - 1 && list[next].at_s <= utc_s) {
        next++;
    }
    int64_t from_s = list[next - 1].at_s, until_s = list[next].at_s;
    s = span_of(r, list[next - 1].to_dst);
    s.from_s = from_s > -INSTANT_MAX ? from_s : -INSTANT_MAX;
    s.until_s = until_s < INSTANT_MAX ? until_s : INSTANT_MAX;
    return s;
}
