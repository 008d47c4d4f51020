/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields are stars more often than not, so that most expressions fire often enough for a
 * search minute by minute.
 */
#include "tests/support/cron_random.h"

#include "common/base/rng.h"

#include <ctype.h>
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

/* As a number or, where there are names, sometimes as one. */
static void say_value(wh_cron_case *c, const range *r, int n)
{
    char name[4] = {0};
    if (*r->names == '\0' || n == 7 || chance(50)) {
        say_number(c, "", n);
        return;
    }
    for (int i = 0; i < 3; i++) {
        char letter = r->names[(n - r->min) * 3 + i];
        name[i] = chance(50) ? letter : (char)tolower((unsigned char)letter);
    }
    say(c, name);
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
        say_value(c, r, to);
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

void wh_cron_random(wh_cron_case *c, int hour)
{
    memset(c, 0, sizeof *c);
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
