/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random cron expressions: the text, and beside it what it means, in tables that are filled
 * while the text is made, so that no parser is needed to know. From wh_rng_below.
 */
#ifndef WH_TESTS_SUPPORT_CRON_RANDOM_H
#define WH_TESTS_SUPPORT_CRON_RANDOM_H

#include <stdbool.h>

typedef struct wh_cron_case {
    char text[256];
    bool seconds[60], minutes[60], hours[24];
    bool days[32], days_from_end[31], months[13];
    bool weekdays[8], last_weekdays[8], nth_weekdays[6][8]; /* [7] is Sunday, too */
    bool day_star, weekday_star;                            /* begins with * or ? */
    bool is_interval; /* hour or minute begins with * or ? */
} wh_cron_case;

/* hour: half of the expressions run in this hour or the next (where clocks are changed);
 * -1: any hour. */
void wh_cron_random(wh_cron_case *c, int hour);

#endif
