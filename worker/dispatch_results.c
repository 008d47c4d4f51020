/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What executors report: results, progress, lines, room. They call from inside their own
 * callbacks, so nothing here calls back into them; that is left to the end of the turn.
 */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "worker/dispatch_internal.h"
#include "worker/outcome.h"

enum {
    RETURNED_MAX = 5, /* then an executor that can't start it has failed it */
    NOTE_MAX = 1024
};

/* It never ran: again here, or back to Redis when we stop or it will not start. */
static void returned(wh_dispatch *d, wh_slot *slot)
{
    if (d->is_draining) {
        wh_dispatch_give_back(d, slot, 0);
        return;
    }
    if (slot->cancel == WH_SLOT_CANCEL_REQUESTED) {
        wh_dispatch_finish_plain(d, slot, WH_STORE_CANCELLED);
        return;
    }
    if (++slot->returned < RETURNED_MAX) {
        wh_slots_set_state(d->slots, slot, WH_SLOT_WAITING);
        wh_slots_push_front(&slot->handler->waiting, slot);
        return;
    }
    char room[WH_OUTCOME_ROOM];
    wh_outcome_question q = {.job = slot->job,
                             .policy = &slot->handler->policy,
                             .now_ms = wh_dispatch_now_ms(slot),
                             .room = room};
    wh_result r = {.status = WH_RESULT_RETRY,
                   .category = WH_ERRCLASS_CRASH,
                   .delay_ms = -1,
                   .message = wh_dispatch_text("the handler's process does not start")};
    wh_store_finish f;

    wh_outcome_of_result(&q, &r, &f);
    wh_dispatch_finish(d, slot, &f);
}

static void on_result(void *arg, wh_job *job, const wh_result *r)
{
    wh_dispatch *d = arg;
    wh_slot *slot = wh_slots_of_job(d->slots, job);

    WH_ASSERT(slot != NULL);
    if (slot->state == WH_SLOT_LOST) {
        wh_slots_put(d->slots, slot);
    } else if (r->status == WH_RESULT_RELEASED) {
        returned(d, slot);
    } else {
        char room[WH_OUTCOME_ROOM];
        wh_outcome_question q = {.job = job,
                                 .policy = &slot->handler->policy,
                                 .cancel = slot->cancel,
                                 .now_ms = wh_dispatch_now_ms(slot),
                                 .room = room};
        wh_store_finish f;

        wh_outcome_of_result(&q, r, &f);
        wh_ahead_result(&d->ahead, r->run_us, job->payload.n);
        wh_metrics_ran(d->metrics, slot->partition, slot->handler,
                       (double)r->run_us / 1e6);
        wh_dispatch_finish(d, slot, &f);
    }
    d->ev.on_change(d->ev.arg);
}

static void on_progress(void *arg, wh_job *job, int percent, wh_slice message)
{
    wh_dispatch *d = arg;
    wh_slot *slot = wh_slots_of_job(d->slots, job);

    if (slot == NULL || slot->state != WH_SLOT_RUNNING) {
        return;
    }
    if (percent >= 0) {
        slot->percent = percent > 100 ? 100 : percent;
    }
    if (message.n > 0) {
        char *copy = wh_strndup(message.p, message.n < NOTE_MAX ? message.n : NOTE_MAX);

        if (copy != NULL) {
            wh_free(slot->note);
            slot->note = copy;
        }
    }
    slot->has_note = true;
    d->ev.on_note(d->ev.arg, slot);
}

static void on_log(void *arg, wh_job *job, wh_slice line)
{
    wh_dispatch *d = arg;
    wh_slot *slot = job == NULL ? NULL : wh_slots_of_job(d->slots, job);

    if (job == NULL) {
        WH_LOG_LIMITED(INFO, 600, "handler.output", WH_F_STRN("line", line.p, line.n));
    } else if (slot != NULL && slot->state == WH_SLOT_RUNNING) {
        d->ev.on_line(d->ev.arg, slot, line);
    }
}

static void on_capacity(void *arg)
{
    wh_dispatch *d = arg;

    if (d->registry == NULL) {
        return; /* an executor that tells of itself while it is being made */
    }
    for (size_t i = 0; i < wh_registry_count(d->registry); i++) {
        wh_registry_at(d->registry, i)->is_blocked = false;
    }
    d->ev.on_change(d->ev.arg);
}

wh_executor_events wh_dispatch_events_for_executors(wh_dispatch *d)
{
    return (wh_executor_events){.on_result = on_result,
                                .on_progress = on_progress,
                                .on_log = on_log,
                                .on_capacity = on_capacity,
                                .arg = d};
}
