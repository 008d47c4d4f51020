/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `owed` is the difference between what a partition should have had and what it got; it
 * stays within one round, because one that does not want loses its claim to the past.
 */
#include "worker/share.h"

static void split_strict(wh_share *shares, size_t n, size_t credit, size_t most)
{
    for (size_t i = 0; i < n && credit > 0; i++) {
        if (shares[i].wants) {
            shares[i].got = credit < most ? credit : most;
            credit -= shares[i].got;
        }
    }
}

static wh_share *most_owed(wh_share *shares, size_t n, size_t most)
{
    wh_share *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if (shares[i].wants && shares[i].got < most &&
            (best == NULL || shares[i].owed > best->owed)) {
            best = &shares[i];
        }
    }
    return best;
}

static void split_weighted(wh_share *shares, size_t n, size_t credit, size_t most)
{
    double total = 0;
    size_t left = credit;

    for (size_t i = 0; i < n; i++) {
        if (shares[i].wants) {
            total += shares[i].weight;
        } else {
            shares[i].owed = 0;
        }
    }
    if (!(total > 0)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        wh_share *s = &shares[i];

        if (!s->wants) {
            continue;
        }
        s->owed += (double)credit * s->weight / total;
        size_t whole = s->owed < 1 ? 0 : (size_t)s->owed;
        whole = whole < most ? whole : most;
        s->got = whole < left ? whole : left;
        s->owed -= (double)s->got;
        left -= s->got;
    }
    while (left > 0) {
        wh_share *s = most_owed(shares, n, most);

        if (s == NULL) {
            break;
        }
        s->got++;
        s->owed -= 1;
        left--;
    }
    for (size_t i = 0; i < n; i++) { /* one at its bound must not hoard */
        if (shares[i].owed > 1) {
            shares[i].owed = 1;
        }
    }
}

void wh_share_split(wh_share *shares, size_t n, wh_share_order order, size_t credit,
                    size_t most)
{
    for (size_t i = 0; i < n; i++) {
        shares[i].got = 0;
    }
    if (credit == 0) {
        return;
    }
    switch (order) {
    case WH_SHARE_STRICT:
        split_strict(shares, n, credit, most);
        break;
    case WH_SHARE_WEIGHTED:
        split_weighted(shares, n, credit, most);
        break;
    }
}
