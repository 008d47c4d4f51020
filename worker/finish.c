/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of a finish are kept in one block until the finish is confirmed, since a lost
 * reply means sending it again. Plain successes have none and cost no allocation.
 */
#include "worker/finish.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/job/errclass.h"

#include <string.h>

enum { BATCH_BYTES_MAX = 4 * 1024 * 1024 };

static wh_slice cut(wh_slice s, size_t max)
{
    /* The store cuts at a character's end; here only memory is bounded. */
    return s.n > max + 4 ? (wh_slice){s.p, max + 4} : s;
}

static wh_slice put(char **at, wh_slice s)
{
    wh_slice copy = {*at, s.n};

    if (s.n > 0) {
        memcpy(*at, s.p, s.n);
        *at += s.n;
    }
    return copy;
}

/* The token of a malformed job lives in texts, so that block is kept in front. */
static bool copy_texts(wh_slot *slot, wh_store_finish *f)
{
    size_t keep = slot->texts != NULL ? slot->token.n : 0;
    size_t n = f->message.n + f->context.n + f->result.n;

    if (n == 0) {
        return true;
    }
    char *block = wh_malloc(keep + n);
    if (block == NULL) {
        return false;
    }
    char *at = block;
    if (keep > 0) {
        slot->token = put(&at, slot->token);
    }
    f->message = put(&at, f->message);
    f->context = put(&at, f->context);
    f->result = put(&at, f->result);
    wh_free(slot->texts);
    slot->texts = block;
    return true;
}

void wh_finish_queue(wh_slots *s, wh_slot *slot, const wh_store_finish *f)
{
    wh_store_finish own = *f;

    own.message = cut(own.message, WH_JOB_MESSAGE_MAX);
    own.context = cut(own.context, WH_JOB_CONTEXT_MAX);
    if (!copy_texts(slot, &own)) {
        /* The outcome matters more than its words; a result can't be left out, though. */
        WH_LOG_LIMITED(ERROR, 6, "finish.out_of_memory",
                       WH_F_STR("queue", slot->partition->queue));
        if (own.result.n > 0) {
            own.outcome = WH_STORE_RELEASE;
        }
        own.message = own.context = own.result = (wh_slice){NULL, 0};
    }
    own.token = slot->token;
    slot->finish = own;
    wh_slots_set_state(s, slot, WH_SLOT_FINISHING);
    wh_slots_push(&slot->partition->pending, slot);
}

size_t wh_finish_take(wh_partition *p, size_t max, wh_slot_list *batch,
                      wh_store_finish *out)
{
    size_t n = 0;
    size_t bytes = 0;

    while (n < max && p->pending.first != NULL && bytes < BATCH_BYTES_MAX) {
        wh_slot *slot = wh_slots_pop(&p->pending);

        out[n++] = slot->finish;
        bytes += 64 + slot->finish.message.n + slot->finish.context.n +
                 slot->finish.result.n;
        wh_slots_push(batch, slot);
    }
    return n;
}

void wh_finish_requeue(wh_partition *p, wh_slot_list *batch)
{
    wh_slots_prepend(&p->pending, batch);
}

bool wh_finish_degrade(wh_slot *slot)
{
    if (slot->degraded) {
        return false;
    }
    slot->degraded = true;
    slot->finish = (wh_store_finish){.token = slot->token,
                                     .outcome = WH_STORE_DEAD,
                                     .category = wh_errclass_name(WH_ERRCLASS_INVALID)};
    return true;
}
