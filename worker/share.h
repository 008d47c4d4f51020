/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may claim how many: splits the free credit over the partitions that probably have
 * work. Strict: the first takes all. Weighted: by weight, and what a partition did not
 * get because credit comes in whole jobs it is owed the next time (smooth weighted round
 * robin), so that even a single slot serves all in proportion. Pure.
 */
#ifndef WH_WORKER_SHARE_H
#define WH_WORKER_SHARE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum wh_share_order { WH_SHARE_WEIGHTED, WH_SHARE_STRICT } wh_share_order;

typedef struct wh_share {
    bool wants;    /* in: takes part this time */
    double weight; /* in: > 0 */
    double owed;   /* kept between calls; start with 0 */
    size_t got;    /* out */
} wh_share;

/* No share gets more than `most`. Sets got of all n. */
void wh_share_split(wh_share *shares, size_t n, wh_share_order order, size_t credit,
                    size_t most);

#endif
