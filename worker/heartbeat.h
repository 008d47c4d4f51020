/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease of each partition: registered (`new`), renewed every third of it, given up
 * (`bye`), and guarded: when no heartbeat was accepted in time, the claims count as lost
 * here before they are lost there. Brings commands back and carries notes in.
 *
 *     NEW (not registered) -> HELD -> NEW (lost: another name) …      HELD -> BYE
 */
#ifndef WH_WORKER_HEARTBEAT_H
#define WH_WORKER_HEARTBEAT_H

#include "worker/dispatch.h"
#include "worker/fetch.h"
#include "worker/notes.h"

typedef struct wh_heartbeat wh_heartbeat;

typedef struct wh_heartbeat_setup {
    wh_loop *loop;
    wh_store *store;
    wh_dispatch *dispatch;
    wh_fetch *fetch;
    wh_notes *notes;
    wh_metrics *metrics;
    wh_partitions *partitions;
    const char *name; /* for new incarnations */
    int64_t lease_ms, interval_ms;
    /* A partition was registered, lost or left. */
    void (*on_change)(void *arg);
    void *arg;
} wh_heartbeat_setup;

wh_err wh_heartbeat_new(const wh_heartbeat_setup *o, wh_heartbeat **out) WH_MUSTCHECK;
void wh_heartbeat_free(wh_heartbeat *h);

/* What workers say about themselves (JSON, copied), the second one in partitions where it
 * was told to be quiet; goes out once, with the next heartbeats. */
wh_err wh_heartbeat_set_info(wh_heartbeat *h, const char *json,
                             const char *quiet_json) WH_MUSTCHECK;
/* The connection is there (again): all partitions at once. */
void wh_heartbeat_connected(wh_heartbeat *h);
/* What wh_heartbeat_set_info said must not wait for the next one: at once, but once a second at
 * most in each partition. Nothing new: nothing is sent. */
void wh_heartbeat_say(wh_heartbeat *h);
/* One for this partition at once, or right behind the one in flight. */
void wh_heartbeat_now(wh_heartbeat *h, wh_partition *p);
/* The lease is gone: drops the claims and starts over under a new name. */
void wh_heartbeat_lost(wh_heartbeat *h, wh_partition *p, const char *why);

/* Before finishes go out: carries what their jobs said, which Redis takes only for
 * claims that are held. Nothing to carry: nothing is sent. */
void wh_heartbeat_carry(wh_heartbeat *h, wh_partition *p);
/* Says bye for every registered partition; on_change tells when _is_gone. */
void wh_heartbeat_bye(wh_heartbeat *h);
bool wh_heartbeat_is_gone(const wh_heartbeat *h);
bool wh_heartbeat_is_registered(const wh_heartbeat *h);

/* How long before its end a lease counts as lost here. */
int64_t wh_heartbeat_guard_ms(int64_t lease_ms);

#endif
