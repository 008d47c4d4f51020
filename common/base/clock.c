/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that asks the system for the time; everything else calls these, so
 * that a test can stand in for both clocks at once. The fake is process-wide and
 * meant for single-threaded tests.
 */
#include "common/base/clock.h"

#include "common/base/err.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static struct {
    bool on;
    int64_t mono_us;
    int64_t wall_us;
} fake;

static bool read_us(clockid_t id, int64_t *us)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0) {
        return false;
    }
    *us = (int64_t)ts.tv_sec * 1000000 + (int64_t)ts.tv_nsec / 1000;
    return true;
}

int64_t wh_clock_mono_us(void)
{
    if (fake.on) {
        return fake.mono_us;
    }
    int64_t us = 0;
#ifdef CLOCK_BOOTTIME
    if (read_us(CLOCK_BOOTTIME, &us)) {
        return us;
    }
#endif
    /* Some sandboxes know no CLOCK_BOOTTIME; all know this one. */
    WH_ASSERT(read_us(CLOCK_MONOTONIC, &us));
    return us;
}

int64_t wh_clock_mono_ms(void)
{
    return wh_clock_mono_us() / 1000;
}

int64_t wh_clock_wall_ms(void)
{
    if (fake.on) {
        return fake.wall_us / 1000;
    }
    int64_t us = 0;
    WH_ASSERT(read_us(CLOCK_REALTIME, &us));
    return us / 1000;
}

void wh_clock_fake(int64_t mono_us, int64_t wall_ms)
{
    fake.on = true;
    fake.mono_us = mono_us;
    fake.wall_us = wall_ms * 1000;
}

void wh_clock_advance(int64_t us)
{
    WH_ASSERT(fake.on);
    fake.mono_us += us;
    fake.wall_us += us;
}

void wh_clock_real(void)
{
    fake.on = false;
}

char *wh_clock_iso(int64_t wall_ms, char *buf, size_t size)
{
    int64_t sec = wall_ms / 1000;
    int64_t ms = wall_ms % 1000;
    if (ms < 0) { /* before 1970: round towards the past */
        ms += 1000;
        sec--;
    }
    time_t t = (time_t)sec;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900) {
        (void)snprintf(buf, size, "%s", "0000-00-00T00:00:00.000Z");
        return buf;
    }
    (void)snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (int)ms);
    return buf;
}

/* Cuts rather than rounds, so that "59.9s" never reads "60.0s". */
char *wh_clock_human(int64_t ms, char *buf, size_t size)
{
    const int64_t second = 1000;
    const int64_t minute = 60 * second;
    const int64_t hour = 60 * minute;
    const int64_t day = 24 * hour;
    const int64_t most = 9999999 * day; /* keeps the text within 16 bytes */

    const char *sign = ms < 0 ? "-" : "";
    int64_t v = ms < -most || ms > most ? most : ms < 0 ? -ms : ms;
    if (v < second) {
        (void)snprintf(buf, size, "%s%" PRId64 "ms", sign, v);
    } else if (v < minute && v % second < 100) {
        (void)snprintf(buf, size, "%s%" PRId64 "s", sign, v / second);
    } else if (v < minute) {
        (void)snprintf(buf, size, "%s%" PRId64 ".%" PRId64 "s", sign, v / second,
                       v % second / 100);
    } else if (v < hour) {
        (void)snprintf(buf, size, "%s%" PRId64 "m%02" PRId64 "s", sign, v / minute,
                       v % minute / second);
    } else if (v < day) {
        (void)snprintf(buf, size, "%s%" PRId64 "h%02" PRId64 "m", sign, v / hour,
                       v % hour / minute);
    } else {
        (void)snprintf(buf, size, "%s%" PRId64 "d%02" PRId64 "h", sign, v / day,
                       v % day / hour);
    }
    return buf;
}
