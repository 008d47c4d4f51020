/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step at a time: list, reconcile, fire, sleep; while calls are open nothing else is
 * begun, so entries never go while Redis owes an answer for one. Nothing fires from a list
 * older than FRESH_MS (or ten times what listing takes): a change is in force everywhere
 * within that time. Fire times are compared with Redis' clock as the last list told it.
 */
#include "scheduler/recur.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/job/codec.h"
#include "common/schedule/firing.h"
#include "scheduler/recur_internal.h"

#include <stdlib.h>
#include <string.h>

typedef wh_recur_entry entry;

/* A list that takes long (10,000 schedules: 0.1 s of Redis) is asked for less often. */
enum { FRESH_TOOK = 10, PAUSE_TOOK = 50, TOOK_MAX_MS = 500 };
enum { FRESH_MS = 1000, BELL_PAUSE_MS = 100, RETRY_MS = 2000, FIRES_MAX = 64 };

int64_t wh_recur_now(const wh_recur *r)
{
    return r->redis_ms + (wh_clock_mono_ms() - r->redis_mono);
}

/* ---- entries ---- */

static void entry_free(entry *e)
{
    wh_schedule_fini(&e->schedule);
    wh_free(e->text);
    wh_free(e);
}

static int by_name(const void *a, const void *b)
{
    const entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

wh_recur_entry *wh_recur_find(const wh_recur *r, const char *name)
{
    entry key;
    const entry *p = &key;
    if (r->n == 0 || strlen(name) >= sizeof key.name)
        return NULL;
    memcpy(key.name, name, strlen(name) + 1);
    entry **at = bsearch(&p, r->entries, r->n, sizeof(entry *), by_name);
    return at ? *at : NULL;
}

static void understand(entry *e)
{
    wh_errbuf eb = {0};
    wh_err err = wh_schedule_parse(e->text, strlen(e->text), &e->schedule, &eb);
    if (!err)
        err = wh_zones_get(e->recur->s.zones, e->schedule.zone, &e->zone, &eb);
    e->is_bad = err != WH_OK;
    if (err)
        WH_LOG_LIMITED(ERROR, 6, "cron.unreadable",
                       WH_F_STR("partition", e->recur->s.key),
                       WH_F_STR("schedule", e->name), WH_F_STR("error", eb.text));
}

/* The entry of one row; an old one with the same text stays as it is. */
static entry *entry_of(wh_recur *r, wh_slice name, wh_slice text)
{
    if (!name.p || !text.p || name.n > WH_JOB_NAME_MAX)
        return NULL;
    entry *e = wh_recur_find(r, name.p);
    if (e && !e->is_kept && !e->is_bad && strcmp(e->text, text.p) == 0) {
        e->is_kept = true;
        return e;
    }
    e = wh_calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->recur = r;
    memcpy(e->name, name.p, name.n + 1);
    e->text = wh_strndup(text.p, text.n);
    if (!e->text) {
        entry_free(e);
        return NULL;
    }
    understand(e);
    return e;
}

static void drop_entries(wh_recur *r, entry **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i]->is_open)
            wh_store_forget(r->s.store, list[i]);
        entry_free(list[i]);
    }
}

static wh_err take_list(wh_recur *r, const wh_reply *reply)
{
    size_t rows = wh_reply_count(reply) / 3, n = 0, left = 0;
    entry **fresh = wh_calloc(rows + 1, sizeof(entry *));
    if (!fresh)
        return WH_ENOMEM;
    for (size_t i = 0; i < rows; i++) {
        entry *e = entry_of(r, wh_reply_str(wh_reply_at(reply, 1 + 3 * i)),
                            wh_reply_str(wh_reply_at(reply, 2 + 3 * i)));
        if (!e)
            continue;
        int64_t next = wh_reply_int(wh_reply_at(reply, 3 + 3 * i), -1);
        if (next != e->next_ms)
            e->retry_ms = 0;
        e->next_ms = next;
        fresh[n++] = e;
    }
    for (size_t i = 0; i < r->n; i++)
        if (!r->entries[i]->is_kept)
            r->entries[left++] = r->entries[i];
    drop_entries(r, r->entries, left);
    wh_free(r->entries);
    r->entries = fresh;
    r->n = n;
    for (size_t i = 0; i < n; i++)
        fresh[i]->is_kept = false;
    qsort(fresh, n, sizeof(entry *), by_name);
    return WH_OK;
}

/* ---- list ---- */

static void on_list(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *reply)
{
    wh_recur *r = arg;
    r->open--;
    r->listed_ms = wh_clock_mono_ms();
    r->took_ms = r->listed_ms - r->sent_ms;
    if (r->took_ms > TOOK_MAX_MS) /* a stall, not a long list */
        r->took_ms = TOOK_MAX_MS;
    if (!err) {
        r->redis_ms = wh_reply_int(wh_reply_at(reply, 0), 0);
        r->redis_mono = r->listed_ms;
        err = take_list(r, reply);
    }
    if (err) {
        WH_LOG_LIMITED(WARN, 6, "cron.list_failed", WH_F_STR("partition", r->s.key),
                       WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
        wh_timer_start(r->timer, RETRY_MS);
        return;
    }
    if (r->reconcile)
        wh_recur_declared_reconcile(r);
    wh_recur_advance(r);
}

static void list(wh_recur *r)
{
    wh_call call;
    wh_call_init(&call, "wh1_cron_list", true, r->s.key);
    wh_err err = wh_store_call(r->s.store, &call, on_list, r);
    r->asked = false;
    r->sent_ms = wh_clock_mono_ms();
    if (err)
        wh_timer_start(r->timer, RETRY_MS); /* or wh_recur_wake, when Redis is there */
    else
        r->open++;
}

/* ---- fire ---- */

static void tell_fired(const entry *e, int64_t created)
{
    WH_LOG(INFO, "cron.fired", WH_F_STR("partition", e->recur->s.key),
           WH_F_STR("schedule", e->name), WH_F_INT("fire_time_ms", e->next_ms),
           WH_F_INT("jobs", e->n_jobs), WH_F_INT("created", created));
}

/* Once more later, with the same expected time: it can't fire twice. */
static void fire_failed(entry *e, wh_err err, const wh_errbuf *eb)
{
    e->retry_ms = wh_clock_mono_ms() + RETRY_MS;
    WH_LOG_LIMITED(WARN, 6, "cron.fire_failed", WH_F_STR("partition", e->recur->s.key),
                   WH_F_STR("schedule", e->name),
                   WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
}

static void on_fired(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *reply)
{
    entry *e = arg;
    wh_recur *r = e->recur;
    e->is_open = false;
    if (err) {
        fire_failed(e, err, eb);
    } else if (wh_reply_int(wh_reply_at(reply, 0), 0) == 1) {
        tell_fired(e, wh_reply_int(wh_reply_at(reply, 1), 0));
        e->next_ms = e->after_ms > 0 ? e->after_ms : -1;
    } else { /* another scheduler was here first, or somebody changed it */
        e->next_ms = wh_reply_int(wh_reply_at(reply, 1), -1);
    }
    if (--r->open == 0)
        wh_recur_advance(r);
}

static wh_err add_job(wh_call *call, const wh_schedule *s, const wh_firing_of *f)
{
    uint8_t id[WH_UUID_BYTES];
    wh_buf head = {0};
    const wh_job_spec spec = wh_firing_job(s, f, id);
    wh_err err = wh_codec_pack_head(&spec, &head);
    if (!err && !wh_buf_ok(&head))
        err = WH_ENOMEM;
    wh_call_arg(call, id, sizeof id);
    wh_call_arg(call, head.data, head.len);
    wh_call_arg(call, s->payload_len > 0 ? s->payload : "", s->payload_len);
    wh_buf_fini(&head);
    return err;
}

static wh_err fire(wh_recur *r, entry *e, int64_t now)
{
    wh_firing due;
    wh_firing_of f = {.partition = r->s.key, .name = e->name, .now_ms = now};
    wh_call call;
    wh_err err = WH_OK;
    wh_firing_due(&e->schedule, e->zone, e->next_ms, now, &due);
    wh_call_init(&call, "wh1_cron_fire", false, r->s.key);
    wh_call_args(&call, e->name);
    wh_call_argi(&call, e->next_ms);
    wh_call_argi(&call, due.next_ms);
    for (size_t i = 0; !err && i < due.n; i++) {
        f.at_ms = due.at_ms[i];
        err = add_job(&call, &e->schedule, &f);
    }
    if (err) {
        wh_call_fini(&call);
        return err;
    }
    e->after_ms = due.next_ms;
    e->n_jobs = due.n;
    err = wh_store_call(r->s.store, &call, on_fired, e);
    e->is_open = err == WH_OK;
    r->open += e->is_open;
    return err;
}

/* ms until it is to be tried, 0 or less: now; INT64_MAX: never. */
static int64_t due_in(const wh_recur *r, const entry *e)
{
    if (e->is_bad || e->next_ms < 0)
        return INT64_MAX;
    int64_t due = e->next_ms - wh_recur_now(r),
            retry = e->retry_ms - wh_clock_mono_ms();
    return due > retry ? due : retry;
}

/* ---- the step ---- */

static void fire_due(wh_recur *r)
{
    for (size_t i = 0; i < r->n && r->open < FIRES_MAX; i++) {
        entry *e = r->entries[i];
        if (due_in(r, e) > 0)
            continue;
        wh_err err = fire(r, e, wh_recur_now(r));
        if (err)
            fire_failed(e, err, NULL);
    }
}

static int64_t earliest(const wh_recur *r)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < r->n; i++) {
        int64_t in = due_in(r, r->entries[i]);
        least = in < least ? in : least;
    }
    return least;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Monotonic time of the next list. */
static int64_t list_at(const wh_recur *r, bool is_due)
{
    int64_t fresh = at_least(FRESH_MS, FRESH_TOOK * r->took_ms);
    if (r->listed_ms < 0)
        return 0;
    if (r->asked)
        return r->listed_ms + at_least(BELL_PAUSE_MS, fresh - FRESH_MS);
    if (is_due)
        return r->listed_ms + fresh;
    return r->listed_ms + at_least(r->s.interval_ms, PAUSE_TOOK * r->took_ms);
}

void wh_recur_advance(wh_recur *r)
{
    if (r->open > 0)
        return;
    if (!wh_store_is_ready(r->s.store)) {
        wh_timer_start(r->timer, RETRY_MS);
        return;
    }
    int64_t mono = wh_clock_mono_ms(), due = earliest(r);
    int64_t look = list_at(r, due <= 0);
    if (mono >= look) {
        list(r);
        return;
    }
    if (due <= 0)
        fire_due(r);
    if (r->open > 0)
        return;
    due = earliest(r);
    if (due > look - mono)
        due = look - mono;
    wh_timer_start(r->timer, due > 0 ? due : 1);
}

static void on_timer(void *arg)
{
    wh_recur_advance(arg);
}

/* ---- life ---- */

wh_err wh_recur_new(const wh_recur_setup *s, wh_recur **out)
{
    *out = NULL;
    wh_recur *r = wh_calloc(1, sizeof *r);
    if (!r)
        return WH_ENOMEM;
    r->s = *s;
    r->listed_ms = -1;
    r->reconcile = true;
    wh_err err = wh_timer_new(s->loop, on_timer, r, &r->timer);
    if (err) {
        wh_recur_free(r);
        return err;
    }
    wh_timer_start(r->timer, 0);
    *out = r;
    return WH_OK;
}

static void forget_all(wh_recur *r)
{
    if (r->open > 0)
        wh_store_forget(r->s.store, r);
    drop_entries(r, r->entries, r->n);
    wh_free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->open = 0;
}

void wh_recur_free(wh_recur *r)
{
    if (!r)
        return;
    forget_all(r);
    wh_timer_free(r->timer);
    wh_free(r);
}

void wh_recur_wake(wh_recur *r)
{
    r->asked = true;
    if (r->open == 0)
        wh_timer_start(r->timer, 0);
}

void wh_recur_reset(wh_recur *r)
{
    forget_all(r);
    r->listed_ms = -1;
    r->reconcile = true;
    wh_recur_wake(r);
}
