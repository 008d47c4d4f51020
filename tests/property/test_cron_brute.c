/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next fire of random expressions, in random zones, at random instants from 1970 to
 * 2100, against a search that shares no code with it (tests/support/cron_brute). Half of
 * the instants are around a change of clocks. WH_CRON_CASES sets how many,
 * WH_CRON_SEED repeats a run.
 */
#include "common/base/rng.h"
#include "common/io/zoneinfo.h"
#include "common/job/cron.h"
#include "tests/support/cron_brute.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    HOUR = 3600,
    DAY = 86400,
    ZONES_MAX = 600,
    NAME_SIZE = 64,
    HORIZON_DAYS = 400,
    FOLLOWING = 3
};
#define YEAR_S INT64_C(31556952)
#define END_S INT64_C(4133980800) /* 2101-01-01 */

typedef struct zone {
    char name[NAME_SIZE];
    wh_zone *zone;
} zone;

static zone zones[ZONES_MAX];
static size_t n_zones;
static uint64_t seed;

static wh_zone *load(const char *name)
{
    wh_zone *z = NULL;
    wh_buf bytes = {0};
    wh_errbuf eb = {0};
    if (wh_zoneinfo_read(name, &bytes, &eb) != WH_OK ||
        wh_zone_parse(bytes.data, bytes.len, &z, &eb) != WH_OK) {
        print_error("%s\n", eb.text);
    }
    wh_buf_fini(&bytes);
    return z;
}

static void add_zone(const char *name)
{
    assert_true(n_zones < ZONES_MAX);
    zone *z = &zones[n_zones++];
    (void)snprintf(z->name, sizeof z->name, "%s", name);
    z->zone = load(name);
    assert_non_null(z->zone);
}

/* All zones of the system's list, and those of few places, for which cron's rules are. */
static int load_zones(void **state)
{
    (void)state;
    static const char *const peculiar[] = {"UTC",
                                           "Australia/Lord_Howe",
                                           "Pacific/Apia",
                                           "Asia/Kathmandu",
                                           "Pacific/Chatham",
                                           "Australia/Eucla",
                                           "Europe/Dublin",
                                           "Africa/Casablanca",
                                           "Pacific/Kwajalein",
                                           "Africa/Monrovia",
                                           "America/Nuuk",
                                           "Africa/Cairo",
                                           "America/St_Johns",
                                           "Antarctica/Troll",
                                           "Europe/Berlin",
                                           "America/New_York",
                                           "Asia/Gaza",
                                           "Asia/Tehran",
                                           "Africa/El_Aaiun"};
    const char *folder = getenv("TZDIR");
    char path[1024], line[512], name[NAME_SIZE];
    (void)snprintf(path, sizeof path, "%s/zone1970.tab",
                   folder != NULL ? folder : "/usr/share/zoneinfo");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        print_error("%s is missing: install the package tzdata\n", path);
        return -1;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] != '#' && sscanf(line, "%*s %*s %63s", name) == 1) {
            add_zone(name);
        }
    }
    (void)fclose(file);
    for (size_t i = 0; i < sizeof peculiar / sizeof peculiar[0]; i++) {
        add_zone(peculiar[i]);
    }
    return 0;
}

static int free_zones(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_zones; i++) {
        wh_zone_free(zones[i].zone);
    }
    n_zones = 0;
    return 0;
}

static void start_random(void)
{
    const char *given = getenv("WH_CRON_SEED");
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    seed = given != NULL ? strtoull(given, NULL, 10)
                         : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    wh_rng_seed(seed);
}

/* Every span has the C library's distance from UTC at its first and last second, and
 * somewhere inside. */
static void zones_agree(void **state)
{
    (void)state;
    start_random();
    print_message("%zu zones, WH_CRON_SEED=%" PRIu64 "\n", n_zones, seed);
    for (size_t i = 0; i < n_zones; i++) {
        wh_cron_brute_zone(zones[i].name);
        for (int64_t t = 0; t < END_S;) {
            wh_zone_span s = wh_zone_at(zones[i].zone, t);
            int64_t until_s = s.until_s < END_S ? s.until_s : END_S;
            assert_true(s.from_s <= t && until_s > t);
            int64_t inside_s = t + (int64_t)wh_rng_below((uint64_t)(until_s - t));
            if (wh_cron_brute_offset(t) != s.offset_s ||
                wh_cron_brute_offset(inside_s) != s.offset_s ||
                wh_cron_brute_offset(until_s - 1) != s.offset_s) {
                fail_msg("%s: between %" PRId64 " and %" PRId64 " it is not %d",
                         zones[i].name, t, until_s, (int)s.offset_s);
            }
            t = until_s;
        }
    }
}

/* An instant and the hour of the wall clock that is worth to run in, or -1. */
static int64_t pick_instant(int *hour)
{
    int64_t at_s = (int64_t)wh_rng_below((uint64_t)END_S);
    *hour = -1;
    if (wh_rng_below(2) == 0) {
        return at_s;
    }
    long offset = wh_cron_brute_offset(at_s);
    for (int64_t t = at_s; t < at_s + YEAR_S; t += DAY) {
        if (wh_cron_brute_offset(t + DAY) == offset) {
            continue;
        }
        while (wh_cron_brute_offset(t) == offset) {
            t += 60;
        }
        long higher =
            wh_cron_brute_offset(t) < offset ? wh_cron_brute_offset(t) : offset;
        *hour = (int)((t + higher + 2 * DAY) / 3600 % 24);
        /* from days before it until what is shown twice has been shown twice */
        int64_t from_s = t - (wh_rng_below(4) == 0 ? 3 * DAY : 2 * HOUR);
        int64_t picked_s =
            from_s + (int64_t)wh_rng_below((uint64_t)(t + 2 * HOUR - from_s));
        return picked_s > 0 ? picked_s : 0;
    }
    return at_s;
}

static void show(const wh_cron_case *c, const zone *z, int64_t after_s)
{
    print_error("WH_CRON_SEED=%" PRIu64 ": \"%s\" in %s after %" PRId64 "\n", seed,
                c->text, z->name, after_s);
}

/* A random expression that fires at all. Those refused must have no day indeed. */
static void make_case(wh_cron_case *c, int hour, wh_cron *cron)
{
    for (;;) {
        wh_errbuf eb = {0};
        wh_cron_random(c, hour);
        if (wh_cron_parse(c->text, cron, &eb) == WH_OK) {
            return;
        }
        if (strstr(eb.text, "no year has such a day") == NULL ||
            wh_cron_brute_has_day(c)) {
            fail_msg("WH_CRON_SEED=%" PRIu64 ": \"%s\" is refused: %s", seed, c->text,
                     eb.text);
        }
    }
}

/* false: the next fire lies too far away to look for it minute by minute; that it lies
 * there is checked. */
static bool check_next(const wh_cron_case *c, const wh_cron *cron, const zone *z,
                       int64_t *after_s)
{
    int64_t ms = (int64_t)wh_rng_below(1000), at_ms = -1;
    int64_t until_s = *after_s + (int64_t)HORIZON_DAYS * DAY;
    int64_t expected_s = wh_cron_brute_next(c, *after_s, until_s);
    bool found = wh_cron_next(cron, z->zone, *after_s * 1000 + ms, &at_ms);
    if (expected_s < 0) {
        if (found && at_ms <= until_s * 1000) {
            show(c, z, *after_s);
            fail_msg("fires at %" PRId64 " but should not up to %" PRId64, at_ms,
                     until_s);
        }
        return false;
    }
    if (!found || at_ms != expected_s * 1000) {
        show(c, z, *after_s);
        fail_msg("fires at %" PRId64 " ms instead of %" PRId64 "000", at_ms,
                 expected_s);
    }
    *after_s = expected_s;
    return true;
}

static void next_is_the_first(void **state)
{
    (void)state;
    const char *given = getenv("WH_CRON_CASES");
    unsigned long cases = given != NULL ? strtoul(given, NULL, 10) : 10000;
    unsigned long seen = 0, far = 0;
    start_random();
    print_message("WH_CRON_SEED=%" PRIu64 " WH_CRON_CASES=%lu\n", seed, cases);
    for (unsigned long i = 0; i < cases; i++) {
        const zone *z = &zones[wh_rng_below(n_zones)];
        wh_cron_case c;
        wh_cron cron;
        int hour;
        wh_cron_brute_zone(z->name);
        int64_t after_s = pick_instant(&hour);
        make_case(&c, hour, &cron);
        bool found = true;
        for (int n = 0; n < FOLLOWING && found; n++) {
            found = check_next(&c, &cron, z, &after_s);
            seen += found ? 1 : 0;
            far += found ? 0 : 1;
        }
    }
    print_message("%lu fires found by both, %lu further away than %d days for both\n",
                  seen, far, HORIZON_DAYS);
    assert_true(seen > cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_agree),
        cmocka_unit_test(next_is_the_first),
    };
    return cmocka_run_group_tests(tests, load_zones, free_zones);
}
