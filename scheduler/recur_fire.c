/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firing: many schedules by one call, the earliest due ones first, so that none waits for
 * ever behind others. Schedulers begin at different places among those that are due at the
 * same time, so they share the work; what another one fired costs a call next to nothing.
 * A call that Redis refuses is made again for each schedule alone: only the one at fault
 * waits.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/schedule/firing.h"
#include "scheduler/recur_internal.h"

#include <stdlib.h>
#include <string.h>

typedef wh_recur_entry entry;
typedef wh_recur_batch batch;

/* Of one call, as in Lua; bytes: so that Redis is not held up by one. Of all calls made
 * before their answers are waited for. */
enum { FIRINGS_MAX = 100, JOBS_MAX = 1000, BYTES_MAX = 1 << 19, ROUND_MAX = 1000 };
/* Of two lines about one that fails in the same way. */
enum { TELL_MS = 60000 };

/* One call: being built, then under way. */
struct wh_recur_batch {
    wh_recur *recur;
    batch *before, *next;
    wh_call call;
    size_t n, jobs;
    entry *entries[FIRINGS_MAX];
};

static void unlink_batch(batch *b)
{
    if (b->before)
        b->before->next = b->next;
    else
        b->recur->batches = b->next;
    if (b->next)
        b->next->before = b->before;
}

static void link_batch(batch *b)
{
    b->next = b->recur->batches;
    if (b->next)
        b->next->before = b;
    b->recur->batches = b;
}

/* ---- answers ---- */

static void tell_fired(const entry *e, int64_t created)
{
    WH_LOG(INFO, "cron.fired", WH_F_STR("partition", e->recur->s.key),
           WH_F_STR("schedule", e->name), WH_F_INT("fire_time_ms", e->next_ms),
           WH_F_INT("jobs", e->n_jobs), WH_F_INT("created", created));
}

/* Once more later, with the same expected time: it can't fire twice. It is said when it
 * begins and each minute; those that begin have lines that repetitions leave. */
static void fire_failed(entry *e, wh_err err, const wh_errbuf *eb)
{
    int64_t mono = wh_clock_mono_ms();
    bool begins = e->failing != err;
    e->retry_ms = mono + WH_RECUR_RETRY_MS;
    if (!begins && mono - e->told_ms < TELL_MS)
        return;
    e->failing = err;
    e->told_ms = mono;
    WH_LOG_LIMITED(WARN, begins ? 20 : 6, "cron.fire_failed",
                   WH_F_STR("partition", e->recur->s.key),
                   WH_F_STR("schedule", e->name), WH_F_INT("fire_time_ms", e->next_ms),
                   WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
}

/* What one of the schedules is to blame for, and not Redis or the way there. */
static bool is_refusal(wh_err err)
{
    return err == WH_EINVAL || err == WH_ETOOBIG || err == WH_EBADDATA;
}

static void batch_failed(batch *b, wh_err err, const wh_errbuf *eb)
{
    for (size_t i = 0; i < b->n; i++) {
        entry *e = b->entries[i];
        e->is_alone = is_refusal(err);
        e->is_refused = e->is_alone && b->n == 1;
        if (!e->is_alone || e->is_refused)
            fire_failed(e, err, eb);
    }
}

static void take_answer(entry *e, int64_t word, int64_t n)
{
    e->is_alone = e->is_refused = false;
    e->failing = WH_OK;
    if (word == 1) {
        tell_fired(e, n);
        e->next_ms = e->after_ms > 0 ? e->after_ms : -1;
        return;
    }
    e->next_ms = n;  /* another scheduler was here first, or it was paused */
    if (word == 2) { /* it was changed or removed */
        e->is_stale = true;
        e->recur->asked = true;
    }
}

static void on_fired(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *reply)
{
    batch *b = arg;
    wh_recur *r = b->recur;
    unlink_batch(b);
    if (err)
        batch_failed(b, err, eb);
    for (size_t i = 0; !err && i < b->n; i++)
        take_answer(b->entries[i], wh_reply_int(wh_reply_at(reply, 2 * i), 0),
                    wh_reply_int(wh_reply_at(reply, 2 * i + 1), -1));
    wh_free(b);
    if (--r->open == 0)
        wh_recur_advance(r);
}

/* ---- calls ---- */

static batch *batch_new(wh_recur *r)
{
    batch *b = wh_calloc(1, sizeof *b);
    if (b) {
        b->recur = r;
        wh_call_init(&b->call, "wh1_cron_fire_batch", false, r->s.key);
    }
    return b;
}

static void drop_unsent(batch *b, wh_err err)
{
    batch_failed(b, err, NULL);
    wh_call_fini(&b->call);
    wh_free(b);
}

/* Consumes b. */
static wh_err send(batch *b)
{
    wh_recur *r = b->recur;
    wh_err err = wh_store_call(r->s.store, &b->call, on_fired, b);
    if (err) {
        drop_unsent(b, err);
        return err;
    }
    link_batch(b);
    r->open++;
    return WH_OK;
}

static void put_arg(void *call, const void *p, size_t n)
{
    wh_call_arg(call, p, n);
}

/* Adds it to *b; where that fails, *b is dropped. */
static wh_err add(batch **to, entry *e, const wh_firing *due, int64_t now)
{
    batch *b = *to;
    const wh_firing_call c = {.partition = b->recur->s.key,
                              .name = e->name,
                              .text = {e->text, e->text_n},
                              .expected_ms = e->next_ms,
                              .now_ms = now};
    wh_err err = wh_firing_write(&c, &e->schedule, due, put_arg, &b->call);
    if (err) {
        drop_unsent(b, err);
        *to = NULL;
        e->is_alone = true;
        return err;
    }
    e->after_ms = due->next_ms;
    e->n_jobs = due->n;
    b->jobs += due->n;
    b->entries[b->n++] = e;
    return WH_OK;
}

static bool has_room(const batch *b, const entry *e, const wh_firing *due)
{
    return b->n < FIRINGS_MAX && b->jobs + due->n <= JOBS_MAX &&
           b->call.body.len + e->text_n + due->n * e->schedule.payload_len <= BYTES_MAX;
}

wh_err wh_recur_fire_one(wh_recur *r, entry *e)
{
    wh_firing due;
    int64_t now = wh_recur_now(r);
    batch *b = batch_new(r);
    if (!b)
        return WH_ENOMEM;
    wh_firing_due(&e->schedule, e->zone, e->next_ms, now, &due);
    wh_err err = add(&b, e, &due, now);
    return err ? err : send(b);
}

void wh_recur_fire_forget(wh_recur *r)
{
    while (r->batches) {
        batch *b = r->batches;
        wh_store_forget(r->s.store, b);
        unlink_batch(b);
        wh_free(b);
    }
}

/* ---- what is due ---- */

/* ms until it is to be tried. */
static int64_t due_in(const entry *e, int64_t now, int64_t mono)
{
    if (e->is_bad || e->is_stale || e->next_ms < 0)
        return INT64_MAX;
    int64_t due = e->next_ms - now, retry = e->retry_ms - mono;
    return due > retry ? due : retry;
}

int64_t wh_recur_earliest(const wh_recur *r)
{
    int64_t least = INT64_MAX, now = wh_recur_now(r), mono = wh_clock_mono_ms();
    for (size_t i = 0; i < r->n; i++) {
        int64_t in = due_in(r->entries[i], now, mono);
        least = in < least ? in : least;
    }
    return least;
}

static int by_due(const void *a, const void *b)
{
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
    if (x->next_ms != y->next_ms)
        return x->next_ms < y->next_ms ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Those that are due, into r->due, in the order in which they are fired. */
static size_t find_due(wh_recur *r)
{
    int64_t now = wh_recur_now(r), mono = wh_clock_mono_ms();
    size_t n = 0, start = r->n > 0 ? (size_t)(r->salt % r->n) : 0;
    for (size_t i = 0; i < r->n; i++) {
        entry *e = r->entries[i];
        if (due_in(e, now, mono) > 0)
            continue;
        e->place = (i + r->n - start) % r->n;
        r->due[n++] = e;
    }
    qsort(r->due, n, sizeof(entry *), by_due);
    return n;
}

/* Adds it to *b, which is sent first where there is no room. */
static wh_err fire(wh_recur *r, entry *e, int64_t now, batch **b)
{
    wh_firing due;
    wh_err err = WH_OK;
    wh_firing_due(&e->schedule, e->zone, e->next_ms, now, &due);
    if (*b && !has_room(*b, e, &due)) {
        err = send(*b);
        *b = NULL;
    }
    if (!err && !*b) {
        *b = batch_new(r);
        err = *b ? WH_OK : WH_ENOMEM;
    }
    return err ? err : add(b, e, &due, now);
}

void wh_recur_fire_due(wh_recur *r)
{
    batch *b = NULL;
    int64_t now = wh_recur_now(r);
    size_t n = find_due(r);
    for (size_t i = 0; i < n && i < ROUND_MAX; i++) {
        entry *e = r->due[i];
        wh_err err = e->is_alone ? wh_recur_fire_one(r, e) : fire(r, e, now, &b);
        if (err)
            fire_failed(e, err, NULL);
    }
    if (b)
        (void)send(b); /* what failed has been said */
}
