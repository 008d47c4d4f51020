/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields are stars more often than not, so that most expressions fire often enough for a
 * search minute by minute.
 */
#include "tests/support/cron_random.h"

#include "common/base/rng.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct range {
    int min, max;
    const char *names; /* three letters each, from min on */
} range;

static const range second = {0, 59, ""}, minute = {0, 59, ""},
                   hour_of_day = {0, 23, ""}, day = {1, 31, ""},
                   month = {1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
                   weekday = {0, 7, "SUNMONTUEWEDTHUFRISAT"};

static int pick(int min, int max)
{
    return min + (int)wh_rng_below((uint64_t)(max - min) + 1);
}

static bool chance(int percent)
{
    return pick(1, 100) <= percent;
}

static void say(wh_cron_case *c, const char *text)
{
    size_t n = strlen(c->text);
    (void)snprintf(c->text + n, sizeof c->text - n, "%s", text);
}

static void say_number(wh_cron_case *c, const char *before, int n)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%s%d", before, n);
    say(c, text);
}

static void say_name(wh_cron_case *c, const char *name)
{
    char text[4] = {0};
    for (int i = 0; i < 3; i++) {
        text[i] = chance(50) ? name[i] : (char)tolower((unsigned char)name[i]);
    }
    say(c, text);
}

/* As a number or, where there are names, sometimes as one. */
static void say_value(wh_cron_case *c, const range *r, int n)
{
    if (*r->names == '\0' || n == 7 || chance(50)) {
        say_number(c, "", n);
    } else {
        say_name(c, &r->names[(ptrdiff_t)(n - r->min) * 3]);
    }
}

static void mark(bool *set, int from, int to, int step)
{
    for (int n = from; n <= to; n += step) {
        set[n] = true;
    }
}

static void add_star(wh_cron_case *c, const range *r, bool *set)
{
    int step = 1, max = r == &weekday ? 6 : r->max;
    say(c, chance(85) ? "*" : "?");
    if (chance(35)) {
        step = pick(1, max - r->min + 1);
        say_number(c, "/", step);
    }
    mark(set, r->min, max, step);
}

static void add_range(wh_cron_case *c, const range *r, bool *set)
{
    int from = pick(r->min, r->max - 1), to = pick(from, r->max), step = 1;
    bool open = chance(20) && from < 7;
    say_value(c, r, from);
    if (open) { /* from/step */
        to = r == &weekday ? 6 : r->max;
    } else {
        say(c, "-");
        if (to == 7 && r == &weekday && from > 0 && chance(50)) {
            say_name(c, "SUN"); /* as an end it is the last day of the week */
        } else {
            say_value(c, r, to);
        }
    }
    if (open || chance(30)) {
        step = pick(1, r == &weekday ? 7 : r->max - r->min + 1);
        say_number(c, "/", step);
    }
    mark(set, from, to, step);
}

static void add_item(wh_cron_case *c, const range *r, bool *set, bool first)
{
    if (chance(35)) {
        add_range(c, r, set);
    } else if (!first && chance(15)) {
        add_star(c, r, set); /* makes no star of the field */
    } else {
        int n = pick(r->min, r->max);
        say_value(c, r, n);
        set[n] = true;
    }
}

static void add_day_item(wh_cron_case *c, bool first)
{
    if (!chance(20)) {
        add_item(c, &day, c->days, first);
    } else if (chance(60)) {
        say(c, chance(50) ? "L" : "l");
        c->days_from_end[0] = true;
    } else {
        int back = pick(1, 30);
        say_number(c, "L-", back);
        c->days_from_end[back] = true;
    }
}

static void add_weekday_item(wh_cron_case *c, bool first)
{
    int n = pick(0, 7), nth = pick(1, 5);
    if (!chance(35)) {
        add_item(c, &weekday, c->weekdays, first);
        return;
    }
    say_value(c, &weekday, n);
    if (chance(40)) {
        say(c, chance(50) ? "L" : "l");
        c->last_weekdays[n] = true;
    } else {
        say_number(c, "#", nth);
        c->nth_weekdays[nth][n] = true;
    }
}

/* Whether it begins with a star. */
static bool add_field(wh_cron_case *c, const range *r, bool *set, int stars)
{
    bool star = chance(stars);
    int more = chance(70) ? 0 : pick(1, 3);
    if (star) {
        add_star(c, r, set);
        more = chance(90) ? 0 : 1;
    }
    for (int i = star ? 1 : 0; i <= more; i++) {
        say(c, i > 0 ? "," : "");
        if (r == &day) {
            add_day_item(c, i == 0);
        } else if (r == &weekday) {
            add_weekday_item(c, i == 0);
        } else {
            add_item(c, r, set, i == 0);
        }
    }
    say(c, r == &weekday ? "" : chance(95) ? " " : "\t ");
    return star;
}

/* @daily and so on, all at minute 0: the month, day, hour and day of the week where it is one. */
static void add_word(wh_cron_case *c)
{
    static const struct {
        const char *text;
        int month, day, hour, weekday;
    } words[] = {
        {"@hourly", -1, -1, -1, -1},  {"@daily", -1, -1, 0, -1},
        {"@midnight", -1, -1, 0, -1}, {"@weekly", -1, -1, 0, 0},
        {"@monthly", -1, 1, 0, -1},   {"@yearly", 1, 1, 0, -1},
        {"@annually", 1, 1, 0, -1},
    };
    int i = pick(0, (int)(sizeof words / sizeof words[0]) - 1);
    int mon = words[i].month, mday = words[i].day, at = words[i].hour;
    int wday = words[i].weekday;
    say(c, words[i].text);
    c->seconds[0] = c->minutes[0] = true;
    mark(c->hours, at < 0 ? 0 : at, at < 0 ? 23 : at, 1);
    mark(c->days, mday < 0 ? 1 : mday, mday < 0 ? 31 : mday, 1);
    mark(c->months, mon < 0 ? 1 : mon, mon < 0 ? 12 : mon, 1);
    mark(c->weekdays, wday < 0 ? 0 : wday, wday < 0 ? 6 : wday, 1);
    c->is_interval = at < 0;
    c->day_star = mday < 0;
    c->weekday_star = wday < 0;
}

void wh_cron_random(wh_cron_case *c, int hour)
{
    memset(c, 0, sizeof *c);
    if (chance(4)) {
        add_word(c);
        return;
    }
    if (chance(25)) {
        (void)add_field(c, &second, c->seconds, 40);
    } else {
        c->seconds[0] = true;
    }
    c->is_interval = add_field(c, &minute, c->minutes, 40);
    if (hour >= 0 && chance(50)) {
        int to = hour < 23 ? hour + 1 : 23;
        say_number(c, "", hour);
        say_number(c, "-", to);
        say(c, " ");
        mark(c->hours, hour, to, 1);
    } else {
        c->is_interval |= add_field(c, &hour_of_day, c->hours, 40);
    }
    c->day_star = add_field(c, &day, c->days, 70);
    (void)add_field(c, &month, c->months, 80);
    c->weekday_star = add_field(c, &weekday, c->weekdays, 70);
}
