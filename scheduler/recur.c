/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step at a time: list, reconcile, fire, sleep; while calls are open nothing else is
 * begun, so entries never go while Redis owes an answer for one. Nothing fires from a list
 * older than FRESH_MS (or ten times what listing takes), and Redis refuses what is fired
 * by a definition that changed since. Fire times are compared with Redis' clock as the
 * last list told it.
 */
#include "scheduler/recur.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "scheduler/recur_internal.h"

#include <stdlib.h>
#include <string.h>

typedef wh_recur_entry entry;

/* A list that takes long (10,000 schedules: 0.1 s of Redis) is asked for less often. */
enum { FRESH_TOOK = 10, PAUSE_TOOK = 50, TOOK_MAX_MS = 500 };
enum { FRESH_MS = 1000, BELL_PAUSE_MS = 100 };

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
    wh_err err = wh_schedule_parse(e->text, e->text_n, &e->schedule, &eb);
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
    entry *was = wh_recur_find(r, name.p);
    if (was && !was->is_kept && !was->is_bad && was->text_n == text.n &&
        memcmp(was->text, text.p, text.n) == 0) {
        was->is_kept = true;
        was->is_stale = false;
        return was;
    }
    entry *e = wh_calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->recur = r;
    memcpy(e->name, name.p, name.n + 1);
    e->text_n = text.n;
    e->text = wh_strndup(text.p, text.n);
    if (!e->text) {
        entry_free(e);
        return NULL;
    }
    understand(e);
    const char *set = e->schedule.declared;
    if (was && set && strcmp(set, r->s.declared->set) != 0)
        memcpy(e->taken_from, was->taken_from, sizeof e->taken_from);
    return e;
}

static void drop_entries(entry **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        entry_free(list[i]);
}

static wh_err take_list(wh_recur *r, const wh_reply *reply)
{
    size_t rows = wh_reply_count(reply) / 3, n = 0, left = 0;
    entry **fresh = wh_calloc(rows + 1, sizeof(entry *)),
          **due = wh_calloc(rows + 1, sizeof(entry *));
    if (!fresh || !due) {
        wh_free(fresh);
        wh_free(due);
        return WH_ENOMEM;
    }
    for (size_t i = 0; i < rows; i++) {
        entry *e = entry_of(r, wh_reply_str(wh_reply_at(reply, 1 + 3 * i)),
                            wh_reply_str(wh_reply_at(reply, 2 + 3 * i)));
        if (!e)
            continue;
        int64_t next = wh_reply_int(wh_reply_at(reply, 3 + 3 * i), -1);
        if (next != e->next_ms) {
            e->retry_ms = 0;
            e->is_refused = false;
            e->failing = WH_OK;
        }
        e->next_ms = next;
        fresh[n++] = e;
    }
    for (size_t i = 0; i < r->n; i++)
        if (!r->entries[i]->is_kept)
            r->entries[left++] = r->entries[i];
    drop_entries(r->entries, left);
    wh_free(r->entries);
    wh_free(r->due);
    r->entries = fresh;
    r->due = due;
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
        wh_timer_start(r->timer, WH_RECUR_RETRY_MS);
        return;
    }
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
        wh_timer_start(r->timer,
                       WH_RECUR_RETRY_MS); /* or wh_recur_wake, when Redis is there */
    else
        r->open++;
}

/* ---- the step ---- */

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
        wh_timer_start(r->timer, WH_RECUR_RETRY_MS);
        return;
    }
    int64_t mono = wh_clock_mono_ms(), due = wh_recur_earliest(r);
    int64_t look = list_at(r, due <= 0);
    if (mono >= look) {
        list(r);
        return;
    }
    if (due <= 0)
        wh_recur_fire_due(r);
    if (r->open > 0)
        return;
    due = wh_recur_earliest(r);
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
    r->salt = wh_rng_below(UINT64_MAX);
    wh_recur_declared_forget(r);
    wh_err err = wh_timer_new(s->loop, on_timer, r, &r->timer);
    if (err) {
        wh_recur_free(r);
        return err;
    }
    wh_timer_start(r->timer, 0);
    *out = r;
    return WH_OK;
}

static void forget_calls(wh_recur *r)
{
    if (r->open > 0)
        wh_store_forget(r->s.store, r);
    wh_recur_fire_forget(r);
    wh_recur_declared_forget(r);
    r->open = 0;
}

void wh_recur_free(wh_recur *r)
{
    if (!r)
        return;
    forget_calls(r);
    drop_entries(r->entries, r->n);
    wh_free(r->entries);
    wh_free(r->due);
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
    forget_calls(r);
    for (size_t i = 0; i < r->n; i++) { /* each is read anew by the next list */
        r->entries[i]->zone = NULL;
        r->entries[i]->is_bad = true;
    }
    r->listed_ms = -1;
    wh_recur_wake(r);
}
