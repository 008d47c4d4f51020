/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lowest of the bounds counts. What ended in a round trip of late, twice: it grows
 * with each answer until slots or machine are full, and shrinks when jobs become rare.
 * Twice, since a claim waits in Redis and here besides, and a rate that meets its own
 * delay no longer grows. What all slots can end in one at the run times seen: a burst of
 * long jobs that end together is no reason to claim as many more. With half as much
 * again, since finishes are gathered and jobs do not end evenly.
 */
#include "worker/ahead.h"

#include <string.h>

#define SPAN_US INT64_C(15000000) /* of the shortest round trip */
#define RATE_MARGIN 2.0
#define SLOTS_MARGIN 1.5
#define MEANT 32.0 /* results */

static int64_t round_trip_us(const wh_ahead *a)
{
    int64_t now = a->least_us[0];
    int64_t before = a->least_us[1];

    return now == 0 || (before != 0 && before < now) ? before : now;
}

bool wh_ahead_is_far(const wh_ahead *a)
{
    return !a->is_off && round_trip_us(a) >= WH_AHEAD_FAR_US;
}

int64_t wh_ahead_trip_us(const wh_ahead *a)
{
    return wh_ahead_is_far(a) ? round_trip_us(a) : 0;
}

void wh_ahead_reply(wh_ahead *a, int64_t took_us, int64_t now_us)
{
    if (now_us >= a->span_ends_us) {
        a->least_us[1] = a->least_us[0];
        a->least_us[0] = 0;
        a->span_ends_us = now_us + SPAN_US;
    }
    if (a->least_us[0] == 0 || took_us < a->least_us[0]) {
        a->least_us[0] = took_us > 0 ? took_us : 1;
    }
}

void wh_ahead_result(wh_ahead *a, int64_t run_us, size_t bytes)
{
    a->ended[0]++;
    a->run_us += ((double)run_us - a->run_us) / MEANT;
    a->bytes += ((double)bytes - a->bytes) / MEANT;
}

size_t wh_ahead_round(const wh_ahead *a)
{
    size_t most = 0;

    for (size_t i = 0; i < WH_AHEAD_ROUNDS; i++) {
        most = a->ended[i] > most ? a->ended[i] : most;
    }
    return most;
}

static void begin_round(wh_ahead *a, int64_t now_us)
{
    int64_t trip_us = round_trip_us(a);
    int64_t over = trip_us > 0 ? (now_us - a->round_ends_us) / trip_us + 1 : 1;
    size_t shift = over < WH_AHEAD_ROUNDS ? (size_t)over : WH_AHEAD_ROUNDS;

    memmove(a->ended + shift, a->ended, (WH_AHEAD_ROUNDS - shift) * sizeof a->ended[0]);
    memset(a->ended, 0, shift * sizeof a->ended[0]);
    a->round_ends_us = now_us + trip_us;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

void wh_ahead_turn(wh_ahead *a, size_t slots, int64_t now_us)
{
    a->jobs = 0;
    if (now_us >= a->round_ends_us) {
        begin_round(a, now_us);
    }
    if (!wh_ahead_is_far(a)) {
        return;
    }
    double of_rate = RATE_MARGIN * (double)wh_ahead_round(a);
    double run_us = a->run_us < 1 ? 1 : a->run_us;
    double of_slots = SLOTS_MARGIN * (double)slots * (double)round_trip_us(a) / run_us;
    double of_memory = WH_AHEAD_BYTES_MAX / (a->bytes < 1 ? 1 : a->bytes);
    double jobs = least(least(of_rate, of_slots), least(of_memory, WH_AHEAD_MAX));

    a->jobs = (size_t)jobs;
}
