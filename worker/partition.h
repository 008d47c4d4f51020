/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partitions a worker serves ({its region, any} x its queues), in the order of the
 * configuration, and what all units must know of each: its key, the name this worker has
 * there (its incarnation), whether it may call, and the finishes that wait to be sent.
 * One name per partition: a lease lost in one leaves the jobs of the others alone.
 */
#ifndef WH_WORKER_PARTITION_H
#define WH_WORKER_PARTITION_H

#include "common/store/keys.h"
#include "worker/slots.h"

struct wh_partition {
    size_t index;
    char key[WH_KEYS_PARTITION_MAX];
    char region[WH_JOB_NAME_MAX + 1], queue[WH_JOB_NAME_MAX + 1];
    double weight;
    char worker[WH_JOB_NAME_MAX + 1]; /* this incarnation */
    unsigned generation;              /* grows with each incarnation */
    bool registered;                  /* the lease is ours */
    bool quiet;                       /* an operator stopped claiming here */
    bool paused;                      /* the last cycle said so */
    bool needs_resync;                /* a reply was lost: ask before the next cycle */
    size_t count[WH_SLOT_STATE_COUNT];
    wh_slot_list pending; /* FINISHING and in no cycle, oldest first */
};

typedef struct wh_partitions {
    wh_partition *list;
    size_t n;
} wh_partitions;

typedef struct wh_partition_queue {
    const char *name;
    double weight;
} wh_partition_queue;

typedef struct wh_partitions_setup {
    const char *region;
    bool also_any;
    const wh_partition_queue *queues;
    size_t n_queues;
    const char *name; /* of this worker, for the incarnations */
} wh_partitions_setup;

wh_err wh_partitions_init(wh_partitions *ps, const wh_partitions_setup *o,
                          wh_errbuf *eb) WH_MUSTCHECK;
void wh_partitions_fini(wh_partitions *ps);

/* Starts over under a new name: not registered, the next generation. */
wh_err wh_partition_renew(wh_partition *p, const char *name) WH_MUSTCHECK;
/* Claims that Redis counts as ours here. */
size_t wh_partition_held(const wh_partition *p);

/* "<name>-<pid>-<8 hex digits>", cut and cleaned to the charset of names. */
wh_err wh_partition_incarnation(const char *name,
                                char out[WH_JOB_NAME_MAX + 1]) WH_MUSTCHECK;

#endif
