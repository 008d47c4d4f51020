/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in flight, oldest first: a ring that doubles and, once grown, costs no
 * allocation per request. Owned by its connection.
 */
#include "common/base/alloc.h"
#include "common/io/conn_internal.h"

enum { FIRST_CAP = 32 };

static wh_err grow(wh_conn_fifo *f)
{
    size_t cap = f->cap == 0 ? FIRST_CAP : f->cap * 2;
    wh_conn_slot *items = wh_calloc(cap, sizeof *items);

    if (items == NULL) {
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < f->count; i++) {
        items[i] = *wh_conn_fifo_at(f, i);
    }
    wh_free(f->items);
    f->items = items;
    f->cap = cap;
    f->head = 0;
    return WH_OK;
}

wh_err wh_conn_fifo_push(wh_conn_fifo *f, const wh_conn_slot *p)
{
    if (f->count == f->cap) {
        wh_err err = grow(f);

        if (err != WH_OK) {
            return err;
        }
    }
    f->items[(f->head + f->count) & (f->cap - 1)] = *p;
    f->count++;
    return WH_OK;
}

bool wh_conn_fifo_pop(wh_conn_fifo *f, wh_conn_slot *out)
{
    if (f->count == 0) {
        return false;
    }
    *out = f->items[f->head];
    f->head = (f->head + 1) & (f->cap - 1);
    f->count--;
    return true;
}

wh_conn_slot *wh_conn_fifo_at(const wh_conn_fifo *f, size_t i)
{
    WH_ASSERT(i < f->count);
    return &f->items[(f->head + i) & (f->cap - 1)];
}

void wh_conn_fifo_fini(wh_conn_fifo *f)
{
    wh_free(f->items);
    *f = (wh_conn_fifo){0};
}
