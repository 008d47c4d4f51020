/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule by which a zone goes on when its table ends: a TZ string as POSIX has it,
 * with the hours -167 to 167 of TZif version 3 ("CET-1CEST,M3.5.0,M10.5.0/3"). For zone.
 */
#ifndef WH_COMMON_JOB_ZONE_RULE_H
#define WH_COMMON_JOB_ZONE_RULE_H

#include "common/job/zone.h"

#define WH_ZONE_RULE_NAME_SIZE 16

typedef enum wh_zone_rule_kind {
    WH_ZONE_RULE_JULIAN, /* Jn: day 1 to 365, 29 February is never counted */
    WH_ZONE_RULE_DAY,    /* n: day 0 to 365 */
    WH_ZONE_RULE_MONTH_WEEK, /* Mm.w.d: weekday d of week w of month m; week 5 is the last */
} wh_zone_rule_kind;

typedef struct wh_zone_rule_date {
    wh_zone_rule_kind kind;
    int month, week, day;
    int32_t time_s; /* of the wall clock before the change */
} wh_zone_rule_date;

typedef struct wh_zone_rule {
    char name[2][WH_ZONE_RULE_NAME_SIZE]; /* [1]: in daylight saving time */
    int32_t offset_s[2];
    bool has_dst;
    wh_zone_rule_date start, end; /* of daylight saving time */
} wh_zone_rule;

wh_err wh_zone_rule_parse(const char *text, size_t n, wh_zone_rule *out,
                          wh_errbuf *eb) WH_MUSTCHECK;
/* As wh_zone_at. */
wh_zone_span wh_zone_rule_at(const wh_zone_rule *r, int64_t utc_s);

#endif
