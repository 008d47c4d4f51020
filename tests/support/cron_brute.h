/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an expression fires, the slow way: every minute (or second) of the wall clock, which
 * comes from the C library's own time zones (TZ). Shares no code with common/job.
 */
#ifndef WH_TESTS_SUPPORT_CRON_BRUTE_H
#define WH_TESTS_SUPPORT_CRON_BRUTE_H

#include "tests/support/cron_random.h"

#include <stdint.h>

/* All further calls use this zone of the system's data. */
void wh_cron_brute_zone(const char *name);
/* Distance from UTC at an instant. */
long wh_cron_brute_offset(int64_t utc_s);
/* The first fire in (after_s, until_s]; -1: none. */
int64_t wh_cron_brute_next(const wh_cron_case *c, int64_t after_s, int64_t until_s);
/* Whether any day from 1970 to 2100 matches. */
bool wh_cron_brute_has_day(const wh_cron_case *c);

#endif
