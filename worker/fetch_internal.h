/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fetch.c (whom to ask, when), fetch_cycle.c (one cycle) and fetch_resync.c (after
 * a lost reply) share. Nobody else includes this.
 */
#ifndef WH_WORKER_FETCH_INTERNAL_H
#define WH_WORKER_FETCH_INTERNAL_H

#include "worker/fetch.h"

/* CYCLES: with half a batch each they carry all that may be claimed ahead (WH_AHEAD_MAX).
 * TOKENS: a resync names all that is held. */
enum { WH_FETCH_CYCLES_MAX = 64, WH_FETCH_VAIN_FIRST = 3, WH_FETCH_TOKENS_MAX = 5000 };

typedef struct wh_fetch_lane wh_fetch_lane;

/* One cycle in flight. */
typedef struct wh_fetch_cycle {
    wh_fetch_lane *lane;
    bool in_use;
    bool is_timed; /* goes because something falls due */
    size_t want;
    unsigned generation, rings; /* of the lane when it was sent */
    int64_t sent_us;
    wh_slot_list batch;
} wh_fetch_cycle;

/* What fetch knows of one partition. */
struct wh_fetch_lane {
    wh_fetch *fetch;
    wh_partition *p;
    wh_fetch_cycle cycles[WH_FETCH_CYCLES_MAX];
    size_t in_flight;
    bool maybe_ready;
    bool pass_bell; /* rung, and perhaps we can't come: let Redis ring the next */
    bool resyncing;
    bool one_by_one; /* a batch was refused: find out which finish it was */
    unsigned rings, epoch, failures, resync_generation;
    int64_t resync_sent_us;
    int64_t not_before_us; /* back-off after an error reply */
    int64_t ask_at_us;     /* at the latest */
    bool is_due_next;      /* … because something falls due then */
    bool is_timed;         /* that time has come */
    unsigned vain;         /* times in a row that it came so and got nothing */
    int64_t offset_us;     /* our clock less Redis', at least; 0: not known */
};

struct wh_fetch {
    wh_fetch_setup o;
    wh_fetch_lane *lanes;
    wh_share *shares;
    wh_store_finish *finishes; /* scratch of one request */
    wh_slice *tokens;          /* scratch of a resync */
    size_t tokens_cap;
    wh_timer *flush, *clock;
    bool is_late;        /* `flush` is set to a later time than the next turn */
    int64_t clock_at_us; /* when `clock` fires; 0 not set */
    size_t want_in_flight, in_flight;
    bool is_claiming;
    bool is_held;     /* for now */
    bool was_holding; /* at the last look: wh_dispatch_is_holding */
    wh_lack lack;     /* as told */
};

/* Sends one cycle; the lane has one free. */
void wh_fetch_cycle_send(wh_fetch_lane *lane, size_t want);
void wh_fetch_resync_start(wh_fetch_lane *lane);
/* An error reply or a lost one: back off, then resync. */
void wh_fetch_failed(wh_fetch_lane *lane, wh_err err, const char *what,
                     const wh_errbuf *eb);
/* When a partition of which nothing is heard is asked again. */
int64_t wh_fetch_ask_later(int64_t now_us);
/* The lane wants to be looked at then, if not before. */
void wh_fetch_wake_at(wh_fetch *f, int64_t at_us);

#endif
