/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: discovers partitions, serves their chores, listens to their bells, shows
 * figures. Holds no state that Redis does not hold; any number may run side by side.
 */
#ifndef WH_SCHEDULER_SCHEDULER_H
#define WH_SCHEDULER_SCHEDULER_H

#include "common/base/err.h"
#include "common/io/loop.h"
#include "scheduler/options.h"

typedef struct wh_scheduler wh_scheduler;

/* config outlives it. */
wh_err wh_scheduler_new(wh_loop *l, const wh_scheduler_config *config,
                        wh_scheduler **out, wh_errbuf *eb) WH_MUSTCHECK;
void wh_scheduler_start(wh_scheduler *s);
/* Takes over the declared schedules of fresh (borrowed for the call), and reads zones
 * anew. */
wh_err wh_scheduler_reload(wh_scheduler *s, const wh_scheduler_config *fresh,
                           wh_errbuf *eb) WH_MUSTCHECK;
void wh_scheduler_free(wh_scheduler *s);

#endif
