/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot path touches no clock, log line or heap per job beyond the job's own block:
 * times are taken once per reply, formatted lines only when their level is on.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/dispatch_internal.h"
#include "worker/finish.h"
#include "worker/outcome.h"

#include <string.h>

enum {
    SUBMIT_MAX = 128,
    CHECKS_US = 50000,  /* of one pump; at least one check of each handler */
    SNOOZES_MANY = 100, /* of one job */
    UNSTARTABLE_MS =
        5000 /* a job whose handler does not start comes again after that */
};

wh_slice wh_dispatch_text(const char *s)
{
    return (wh_slice){s, strlen(s)};
}

/* Of its claim, and what passed since. */
static int64_t redis_ms(const wh_slot *slot, int64_t now_us)
{
    return slot->job->claimed_at_ms + (now_us - slot->claimed_us) / 1000;
}

int64_t wh_dispatch_now_ms(const wh_slot *slot)
{
    return slot->job->retry_for_ms > 0 ? redis_ms(slot, wh_clock_mono_us()) : 0;
}

static void log_job(wh_log_level level, const char *event, const wh_slot *slot)
{
    char id[WH_UUID_TEXT + 1] = "";
    char why[WH_JOB_MESSAGE_MAX + 8];
    const wh_store_finish *f = &slot->finish;
    size_t n = f->message.n < sizeof why ? f->message.n : sizeof why;

    if (slot->token.n >= WH_UUID_BYTES) {
        uint8_t raw[WH_UUID_BYTES];

        memcpy(raw, slot->token.p, sizeof raw);
        wh_rng_uuid_format(raw, id);
    }
    if (n > 0) {
        memcpy(why, f->message.p, n);
    }
    const wh_log_field fields[] = {
        WH_F_STR("job", id),
        WH_F_STR("type", slot->job == NULL ? "" : slot->job->type),
        WH_F_STR("org", slot->job == NULL ? "" : slot->job->org),
        WH_F_STR("queue", slot->partition->queue),
        WH_F_INT("attempt", slot->job == NULL ? 0 : slot->job->attempt),
        WH_F_INT("fence", slot->job == NULL ? 0 : slot->job->fence),
        WH_F_STR("category", f->category == NULL ? "" : f->category),
        WH_F_STRN("message", why, n)};
    wh_log_limited(level, level == WH_LOG_LEVEL_DEBUG ? 100000 : 60, event, fields,
                   sizeof fields / sizeof fields[0]);
}

/* Claims that cost neither an attempt nor a recovery: it was snoozed, or released. A
 * handler that snoozes for ever should not do so in silence. One that no handler had before
 * was only given back so often. */
static bool goes_round(const wh_job *j)
{
    return j != NULL && j->has_run && j->attempt >= 0 && j->recoveries >= 0 &&
           j->fence >= (uint64_t)j->attempt + (uint64_t)j->recoveries + SNOOZES_MANY;
}

static void log_quietly(const wh_slot *slot)
{
    if (wh_log_is_on(WH_LOG_LEVEL_DEBUG)) {
        log_job(WH_LOG_LEVEL_DEBUG, "job.finish", slot);
    }
}

static void log_finish(wh_metrics *m, const wh_slot *slot)
{
    switch (slot->finish.outcome) {
    case WH_STORE_RETRY:
        log_job(WH_LOG_LEVEL_INFO, "job.retry", slot);
        break;
    case WH_STORE_DEAD:
        log_job(WH_LOG_LEVEL_WARN, "job.dead", slot);
        break;
    case WH_STORE_SNOOZE:
        if (goes_round(slot->job)) {
            wh_metrics_snoozed_often(m, slot->partition);
            log_job(WH_LOG_LEVEL_WARN, "job.snoozed_often", slot);
        } else {
            log_quietly(slot);
        }
        break;
    case WH_STORE_OK:
    case WH_STORE_RELEASE:
    case WH_STORE_CANCELLED:
    case WH_STORE_EXPIRED:
        log_quietly(slot);
        break;
    }
}

static wh_metrics_end end_of(wh_store_outcome outcome)
{
    switch (outcome) {
    case WH_STORE_OK:
        return WH_METRICS_OK;
    case WH_STORE_RETRY:
    case WH_STORE_DEAD:
        return WH_METRICS_FAILED;
    case WH_STORE_SNOOZE:
    case WH_STORE_RELEASE:
    case WH_STORE_CANCELLED:
    case WH_STORE_EXPIRED:
        break;
    }
    return WH_METRICS_OTHER;
}

void wh_dispatch_finish(wh_dispatch *d, wh_slot *slot, const wh_store_finish *f)
{
    wh_finish_queue(d->slots, slot, f);
    wh_metrics_ended(d->metrics, slot->partition, slot->handler,
                     end_of(slot->finish.outcome));
    log_finish(d->metrics, slot);
}

void wh_dispatch_finish_plain(wh_dispatch *d, wh_slot *slot, wh_store_outcome outcome)
{
    wh_dispatch_finish(d, slot, &(wh_store_finish){.outcome = outcome});
}

void wh_dispatch_give_back(wh_dispatch *d, wh_slot *slot, int64_t delay_ms)
{
    wh_dispatch_finish(
        d, slot,
        &(wh_store_finish){.outcome = delay_ms > 0 ? WH_STORE_SNOOZE : WH_STORE_RELEASE,
                           .delay_ms = delay_ms,
                           .category = WH_STORE_NOT_STARTED});
}

void wh_dispatch_leave_waiting(wh_slot *slot)
{
    if (slot->handler != NULL && slot->state == WH_SLOT_WAITING) {
        wh_slots_remove(&slot->handler->waiting, slot);
    }
}

/* ---- claims ---- */

/* Only a job that never started expires: not between two attempts, nor after a recovery. */
static bool is_expired(const wh_slot *slot, int64_t now_us)
{
    const wh_job *j = slot->job;

    return j->expires_at_ms > 0 && !j->has_run &&
           redis_ms(slot, now_us) >= j->expires_at_ms;
}

/* Its time to start, or to start again, is over: it ends. A pause, a limit or a long queue
 * may have held it up, or it waited here. */
static bool ends_unstarted(wh_dispatch *d, wh_slot *slot, int64_t now_us)
{
    char room[WH_OUTCOME_ROOM];
    wh_store_finish f = {.outcome = WH_STORE_EXPIRED};

    if (!is_expired(slot, now_us)) {
        wh_outcome_question q = {
            .job = slot->job, .now_ms = redis_ms(slot, now_us), .room = room};

        if (!wh_outcome_is_too_late(&q, &f)) {
            return false;
        }
    }
    wh_dispatch_finish(d, slot, &f);
    return true;
}

static void no_handler(wh_dispatch *d, wh_slot *slot)
{
    char room[WH_OUTCOME_ROOM];
    wh_outcome_question q = {.job = slot->job,
                             .policy = &d->fallback,
                             .now_ms = wh_dispatch_now_ms(slot),
                             .room = room};
    wh_store_finish f;

    WH_LOG_LIMITED(WARN, 6, "job.no_handler", WH_F_STR("type", slot->job->type),
                   WH_F_STR("queue", slot->partition->queue));
    wh_outcome_no_handler(&q, &f);
    wh_dispatch_finish(d, slot, &f);
}

/* Producers may have checked it; those that speak to Redis themselves have not. False: the
 * slot is finished. */
static bool fits_schema(wh_dispatch *d, wh_slot *slot)
{
    const wh_handler *h = slot->handler;
    wh_errbuf why = {0};
    wh_err err = wh_payload_check(h->schema, (wh_payload_format)h->config.schema_format,
                                  slot->job->payload, NULL, &why);
    if (err == WH_OK) {
        return true;
    }
    if (err == WH_EINVAL) {
        wh_metrics_refused(d->metrics, slot->partition, h);
        wh_dispatch_finish(
            d, slot,
            &(wh_store_finish){.outcome = WH_STORE_DEAD,
                               .category = wh_errclass_name(WH_ERRCLASS_INVALID),
                               .says = WH_STORE_NOT_STARTED,
                               .message = wh_dispatch_text(why.text)});
    } else { /* no memory to find out */
        wh_dispatch_give_back(d, slot, UNSTARTABLE_MS);
    }
    return false;
}

static void route(wh_dispatch *d, wh_slot *slot, int64_t now_us)
{
    slot->claimed_us = now_us;
    slot->handler = wh_registry_find(d->registry, slot->job->type);
    if (ends_unstarted(d, slot, now_us)) {
        return;
    }
    if (d->is_draining) {
        wh_dispatch_give_back(d, slot, 0);
    } else if (slot->handler == NULL) {
        no_handler(d, slot);
    } else {
        wh_slots_push(&slot->handler->waiting, slot);
    }
}

static wh_err take_malformed(wh_dispatch *d, wh_partition *p, wh_slice token,
                             const wh_errbuf *why)
{
    wh_slot *slot = NULL;
    wh_err err = wh_slots_take_token(d->slots, p, token, &slot);

    if (err == WH_OK) {
        wh_dispatch_finish(
            d, slot,
            &(wh_store_finish){.outcome = WH_STORE_DEAD,
                               .category = wh_errclass_name(WH_ERRCLASS_INVALID),
                               .says = WH_STORE_NOT_STARTED,
                               .message = wh_dispatch_text(why->text)});
    }
    return err;
}

static bool take_claim(wh_dispatch *d, wh_partition *p, const wh_codec_claim *c,
                       int64_t now_us)
{
    wh_errbuf eb = {0};
    wh_job *job = NULL;
    wh_slot *slot = NULL;

    if (wh_slots_of_token(d->slots, p, c->token) != NULL) {
        WH_LOG_LIMITED(ERROR, 6, "claim.twice", WH_F_STR("queue", p->queue));
        return true;
    }
    wh_err err = wh_codec_unpack_job(c, &job, &eb);
    if (err == WH_EBADDATA) {
        err = take_malformed(d, p, c->token, &eb);
    } else if (err == WH_OK) {
        job->queue = p->queue; /* a partition lives as long as the dispatcher's jobs */
        job->region = p->region;
        err = wh_slots_take(d->slots, p, job, &slot);
        if (err == WH_OK) {
            route(d, slot, now_us);
        }
    }
    if (err != WH_OK) {
        WH_LOG_LIMITED(
            ERROR, 6, "claim.failed", WH_F_STR("queue", p->queue),
            WH_F_STR("error", eb.text[0] != '\0' ? eb.text : wh_err_text(err)));
    }
    return err == WH_OK;
}

bool wh_dispatch_claims(wh_dispatch *d, wh_partition *p, const wh_store_cycle *c)
{
    int64_t now_us = c->n_claims > 0 ? wh_clock_mono_us() : 0;
    bool all = true;

    for (size_t i = 0; i < c->n_claims; i++) {
        all = take_claim(d, p, &c->claims[i], now_us) && all;
    }
    return all;
}

/* ---- to the executors ---- */

static void note_started(wh_dispatch *d, const wh_slot *slot, int64_t now_us)
{
    const wh_job *j = slot->job;
    double wait_s = (double)(j->claimed_at_ms - j->ready_at_ms) / 1e3 +
                    (double)(now_us - slot->claimed_us) / 1e6;

    wh_metrics_started(d->metrics, slot->partition, slot->handler,
                       wait_s > 0 ? wait_s : 0);
}

static void submit_failed(wh_dispatch *d, wh_handler *h, wh_slot *const *slots,
                          unsigned n)
{
    for (unsigned i = n; i > 0; i--) {
        wh_slots_set_state(d->slots, slots[i - 1], WH_SLOT_WAITING);
        wh_slots_push_front(&h->waiting, slots[i - 1]);
    }
    h->is_blocked = true;
}

/* One batch; false when there is no more to submit, or payloads were checked for so long
 * that others must have a turn first: fetch, and the heartbeat. */
static bool submit(wh_dispatch *d, wh_handler *h, int64_t now_us)
{
    wh_slot *slots[SUBMIT_MAX];
    wh_job *jobs[SUBMIT_MAX];
    unsigned room = h->is_blocked ? 0 : h->kind->capacity(h->executor);
    size_t free_slots = wh_dispatch_free_slots(d);
    unsigned n = 0;
    bool is_late = false;

    while (n < SUBMIT_MAX && n < room && n < free_slots && h->waiting.first != NULL &&
           !is_late) {
        wh_slot *slot = wh_slots_pop(&h->waiting);

        if (ends_unstarted(d, slot, now_us)) {
            continue;
        }
        if (h->schema != NULL) {
            bool fits = fits_schema(d, slot);

            is_late = wh_clock_mono_us() - now_us > CHECKS_US;
            if (!fits) {
                continue;
            }
        }
        wh_slots_set_state(d->slots, slot, WH_SLOT_RUNNING);
        slots[n] = slot;
        jobs[n++] = slot->job;
    }
    if (is_late && h->waiting.first != NULL) {
        d->ev.on_change(d->ev.arg);
    }
    if (n == 0) {
        return false;
    }
    wh_err err = h->kind->submit(h->executor, jobs, n);
    if (err != WH_OK) {
        WH_LOG_LIMITED(WARN, 6, "handler.submit_failed",
                       WH_F_STR("handler", h->config.name),
                       WH_F_STR("error", wh_err_text(err)));
        submit_failed(d, h, slots, n);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        note_started(d, slots[i], now_us);
    }
    h->pace.starts += n;
    return !is_late;
}

/* A handler that does not start must not hold the slots of those that do: its jobs go
 * back without using an attempt, to where a worker may be that can run them. */
static void give_back_unstartable(wh_dispatch *d, wh_handler *h)
{
    wh_executor_stats s = {0};
    wh_slot *slot = NULL;

    h->kind->stats(h->executor, &s);
    while (!s.healthy && (slot = wh_slots_pop(&h->waiting)) != NULL) {
        wh_dispatch_give_back(d, slot, UNSTARTABLE_MS);
    }
}

void wh_dispatch_pump(wh_dispatch *d)
{
    if (d->is_draining || wh_slots_count(d->slots, WH_SLOT_WAITING) == 0) {
        return;
    }
    int64_t now_us = wh_clock_mono_us();
    for (size_t i = 0; i < wh_registry_count(d->registry); i++) {
        wh_handler *h = wh_registry_at(d->registry, i);

        while (h->waiting.first != NULL && submit(d, h, now_us)) {
        }
        if (h->waiting.first != NULL) {
            give_back_unstartable(d, h);
        }
    }
}

wh_ahead *wh_dispatch_ahead(wh_dispatch *d)
{
    return &d->ahead;
}

/* ---- life ---- */

wh_err wh_dispatch_new(wh_metrics *m, const wh_dispatch_events *ev, wh_dispatch **out)
{
    *out = NULL;
    wh_dispatch *d = wh_calloc(1, sizeof *d);

    if (d == NULL) {
        return WH_ENOMEM;
    }
    d->metrics = m;
    d->ev = *ev;
    d->n_slots = 1;
    wh_retry_default(&d->fallback);
    wh_err err = wh_slots_new(&d->slots);
    if (err != WH_OK) {
        wh_dispatch_free(d);
        return err;
    }
    *out = d;
    return WH_OK;
}

void wh_dispatch_free(wh_dispatch *d)
{
    if (d == NULL) {
        return;
    }
    wh_slots_free(d->slots);
    wh_free(d);
}

void wh_dispatch_use(wh_dispatch *d, wh_registry *r)
{
    d->registry = r;
}

void wh_dispatch_set_slots(wh_dispatch *d, size_t slots)
{
    d->n_slots = slots;
}

wh_slots *wh_dispatch_slots(wh_dispatch *d)
{
    return d->slots;
}
