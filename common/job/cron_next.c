/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From matching times of the wall clock to instants. Two rules, docs/cron.md has them in
 * users' words:
 *
 * An interval fires whenever the clock shows a match: what a gap leaves out does not come,
 * what the clock shows twice comes twice.
 *
 * A fixed time W fires at the first instant at which the clock has reached W:
 *     fire(W) = min { t : clock(t) >= W }
 * That is W itself, its first showing when it is shown twice, the end of the gap when the
 * clock jumps over it; and as fire() never falls, fires of one gap are one fire. With
 * reached(t), the highest the clock has shown up to t, the next fire after t is that of
 * the first match above reached(t).
 *
 * Each search walks spans of a constant distance from UTC, never minutes, and ends with
 * the last year.
 */
#include "common/job/civil.h"
#include "common/job/cron.h"

/* Two instants further apart than this never show their wall times in the wrong order. */
#define FAR_S (INT64_C(2) * WH_ZONE_OFFSET_MAX_S)
#define UNTIL_S (wh_civil_to_days(WH_CRON_LAST_YEAR + 1, 1, 1) * WH_CIVIL_DAY_S)

/* The highest wall time up to this instant. */
static int64_t reached(const wh_zone *zone, int64_t utc_s)
{
    wh_zone_span s = wh_zone_at(zone, utc_s);
    int64_t highest = utc_s + s.offset_s;
    while (s.from_s > utc_s - FAR_S) {
        int64_t last_s = s.from_s - 1;
        s = wh_zone_at(zone, last_s);
        highest = last_s + s.offset_s > highest ? last_s + s.offset_s : highest;
    }
    return highest;
}

/* The first instant, not before from_s, at which the clock has reached `wall_s`. */
static int64_t fire_of(const wh_zone *zone, int64_t from_s, int64_t wall_s)
{
    int64_t at_s =
        wall_s - WH_ZONE_OFFSET_MAX_S; /* it can't have been reached before */
    at_s = at_s > from_s ? at_s : from_s;
    wh_zone_span s = wh_zone_at(zone, at_s);
    while (s.until_s != INT64_MAX && s.until_s - 1 + s.offset_s < wall_s) {
        at_s = s.until_s;
        s = wh_zone_at(zone, at_s);
    }
    return wall_s - s.offset_s > at_s ? wall_s - s.offset_s : at_s;
}

static bool next_fixed(const wh_cron *c, const wh_zone *zone, int64_t after_s,
                       int64_t *at_s)
{
    int64_t wall_s = wh_cron_wall(c, reached(zone, after_s) + 1, UNTIL_S);
    if (wall_s >= UNTIL_S) {
        return false;
    }
    *at_s = fire_of(zone, after_s + 1, wall_s);
    return true;
}

/* Nothing matches in [searched_s, match_s) at any time of the walk: a span that starts in
 * there needs no search, one that starts below only up to there. */
static bool next_interval(const wh_cron *c, const wh_zone *zone, int64_t after_s,
                          int64_t *at_s)
{
    int64_t t = after_s + 1;
    int64_t searched_s = INT64_MAX, match_s = UNTIL_S;
    while (t < UNTIL_S + WH_ZONE_OFFSET_MAX_S) {
        wh_zone_span s = wh_zone_at(zone, t);
        int64_t wall_s = t + s.offset_s;
        if (wall_s > match_s) {
            match_s = UNTIL_S;
            searched_s = INT64_MAX;
        }
        if (wall_s < searched_s) {
            int64_t until_s = searched_s < match_s ? searched_s : match_s;
            int64_t found_s = wh_cron_wall(c, wall_s, until_s);
            match_s = found_s < until_s ? found_s : match_s;
            searched_s = wall_s;
        }
        if (match_s < UNTIL_S &&
            (s.until_s == INT64_MAX || match_s - s.offset_s < s.until_s)) {
            *at_s = match_s - s.offset_s;
            return true;
        }
        if (s.until_s == INT64_MAX) {
            return false;
        }
        t = s.until_s;
    }
    return false;
}

bool wh_cron_next(const wh_cron *c, const wh_zone *zone, int64_t after_ms,
                  int64_t *at_ms)
{
    int64_t after_s = after_ms / 1000 - (after_ms % 1000 < 0 ? 1 : 0);
    int64_t at_s = 0;
    after_s = after_s < -1 ? -1 : after_s; /* nothing fires before 1970 */
    if (after_s >= UNTIL_S + WH_ZONE_OFFSET_MAX_S) {
        return false;
    }
    bool found = c->is_interval ? next_interval(c, zone, after_s, &at_s)
                                : next_fixed(c, zone, after_s, &at_s);
    if (found) {
        *at_ms = at_s * 1000;
    }
    return found;
}

size_t wh_cron_list(const wh_cron *c, const wh_zone *zone, wh_cron_window window,
                    int64_t *out, size_t max)
{
    int64_t at_ms = window.after_ms;
    size_t n = 0;
    while (n < max && wh_cron_next(c, zone, at_ms, &at_ms) &&
           at_ms <= window.until_ms) {
        if (out != NULL) {
            out[n] = at_ms;
        }
        n++;
    }
    return n;
}
