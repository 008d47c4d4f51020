/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many jobs to claim beyond the free slots. Over a link whose round trip is long, a
 * slot that became free would stay empty till the answer to its claim is there; so as
 * many jobs wait here as the slots will need until then. Dispatch owns it and tells it
 * of results, fetch of replies. Pure: whoever calls knows the time.
 *
 * Invariants: nothing while the round trip is short (WH_AHEAD_FAR_US), whatever the rate
 * is; nothing when no job has ended for WH_AHEAD_ROUNDS round trips.
 */
#ifndef WH_WORKER_AHEAD_H
#define WH_WORKER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FAR: what a busy Redis near by hardly ever takes for each of its replies. MAX: of no-op
 * jobs; payloads have a bound in bytes besides. */
enum {
    WH_AHEAD_FAR_US = 5000,
    WH_AHEAD_ROUNDS = 4,
    WH_AHEAD_MAX = 32000,
    WH_AHEAD_BYTES_MAX = 64 * 1024 * 1024
};

typedef struct wh_ahead {
    bool is_off; /* never far, whatever the round trip */
    int64_t least_us
        [2]; /* shortest round trip of this span and of the one before; 0: none */
    int64_t span_ends_us;
    size_t ended
        [WH_AHEAD_ROUNDS]; /* results in each of the last round trips, newest first */
    int64_t round_ends_us;
    double run_us, bytes; /* moving averages: run time, payload */
    size_t jobs;          /* the answer, as of the last turn */
} wh_ahead;

/* A reply took so long. */
void wh_ahead_reply(wh_ahead *a, int64_t took_us, int64_t now_us);
/* A handler's result; that long was the payload. */
void wh_ahead_result(wh_ahead *a, int64_t run_us, size_t bytes);
/* Brings `jobs` up to date; that many slots there are. */
void wh_ahead_turn(wh_ahead *a, size_t slots, int64_t now_us);
bool wh_ahead_is_far(const wh_ahead *a);
/* The round trip when that is far, else 0. */
int64_t wh_ahead_trip_us(const wh_ahead *a);
/* The most jobs that ended in a round trip of late. */
size_t wh_ahead_round(const wh_ahead *a);

#endif
