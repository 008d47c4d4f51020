/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results on their way to Redis. A slot that became FINISHING waits in its partition's
 * pending list; a cycle takes a batch from there and keeps it until the reply: confirmed
 * ones are freed, those of a failed cycle go back to the front.
 */
#ifndef WH_WORKER_FINISH_H
#define WH_WORKER_FINISH_H

#include "common/store/store.h"
#include "worker/partition.h"

/* Decides the slot's finish (f: texts borrowed, copied here) and queues it. The slot is
 * WAITING or RUNNING and in no list. */
void wh_finish_queue(wh_slots *s, wh_slot *slot, const wh_store_finish *f);
/* Moves up to max of the oldest into `batch` and writes them to out[]; returns how many.
 * Bounded by bytes, too, so that one request stays small beside the loop's turn. */
size_t wh_finish_take(wh_partition *p, size_t max, wh_slot_list *batch,
                      wh_store_finish *out);
/* The batch of a cycle that failed: back to the front, in order. */
void wh_finish_requeue(wh_partition *p, wh_slot_list *batch);
/* A finish that Redis refused for its own sake: the first time it becomes dead without
 * texts (true: try again), the second time it is hopeless (false). */
bool wh_finish_degrade(wh_slot *slot);

#endif
