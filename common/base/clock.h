/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All clocks of the process. Monotonic times serve deadlines and durations
 * (CLOCK_BOOTTIME, so that a suspended host counts), wall times only logs and
 * ids. Tests replace both.
 */
#ifndef WH_COMMON_BASE_CLOCK_H
#define WH_COMMON_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t wh_clock_mono_ms(void);
int64_t wh_clock_mono_us(void);
int64_t wh_clock_wall_ms(void);

/* Fake both clocks at these values (tests); _real goes back. */
void wh_clock_fake(int64_t mono_us, int64_t wall_ms);
void wh_clock_advance(int64_t us);
void wh_clock_real(void);

/* "2026-11-21T22:20:26.123Z" into buf (>= 25 bytes); returns buf. */
char *wh_clock_iso(int64_t wall_ms, char *buf, size_t size);
/* "350ms", "2.5s", "3m12s", "4h05m", "2d03h" into buf (>= 16 bytes); returns buf. */
char *wh_clock_human(int64_t ms, char *buf, size_t size);

#endif
