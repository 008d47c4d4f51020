/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconciling: runs behind a list, once after the start and each reload, and again behind the
 * next list when a call failed. A call that came through changes the list, so another look
 * follows. What is equal already makes no call, so schedulers that reconcile the same set
 * side by side do it once. Each call names what the list had: Redis leaves alone what an
 * operator, or another scheduler, did since (`stale`), and the next list is looked at.
 */
#include "common/base/log.h"
#include "common/schedule/firing.h"
#include "scheduler/recur_internal.h"

#include <string.h>

static void on_reconciled(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_recur *x = arg;
    const char *word = wh_reply_str(r).p;
    if (!err && word && strcmp(word, "stale") == 0) {
        x->reconcile = true;
        WH_LOG(INFO, "cron.reconciled_anew", WH_F_STR("partition", x->s.key),
               WH_F_STR("hint", "a schedule changed since it was listed"));
    } else if (err && err != WH_ENOTFOUND) { /* gone already: what we wanted */
        x->reconcile = true;
        WH_LOG_LIMITED(WARN, 6, "cron.reconcile_failed",
                       WH_F_STR("partition", x->s.key),
                       WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
    }
    x->asked = true;
    if (--x->open == 0)
        wh_recur_advance(x);
}

static void change(wh_recur *r, wh_call *call, const char *what, const char *name)
{
    wh_err err = wh_store_call(r->s.store, call, on_reconciled, r);
    if (err) {
        r->reconcile = true;
        return;
    }
    r->open++;
    WH_LOG(INFO, "cron.reconciled", WH_F_STR("partition", r->s.key),
           WH_F_STR("schedule", name), WH_F_STR("change", what));
}

/* Paused by an operator, who knows better than a new definition. */
static bool is_held(const wh_recur *r, const wh_recur_entry *e)
{
    return e && e->next_ms < 0 && !e->is_bad && !e->schedule.paused &&
           wh_firing_next(&e->schedule, e->zone, wh_recur_now(r)) > 0;
}

/* Made at run time: an operator's, whatever a file says. */
static bool is_taken(const wh_recur *r, const wh_recur_entry *e)
{
    if (!e || e->schedule.declared)
        return false;
    WH_LOG_LIMITED(WARN, 6, "cron.name_taken", WH_F_STR("partition", r->s.key),
                   WH_F_STR("schedule", e->name),
                   WH_F_STR("hint", "an operator made a schedule of this name, which "
                                    "stays as it is: declare it under another name, or "
                                    "wherry cron remove it and reload"));
    return true;
}

/* When the declared one fires first, -1: it can't be set now. What was due before the change
 * is not lost; *was_ms: the fire time that Redis has by then. */
static int64_t first_of(wh_recur *r, wh_recur_entry *e, const wh_schedule *s,
                        const wh_zone *zone, int64_t *was_ms)
{
    bool fire_old = false;
    const wh_firing_change c = {.old = e && !e->is_bad ? &e->schedule : NULL,
                                .old_next_ms = e ? e->next_ms : -1,
                                .now_ms = wh_recur_now(r)};
    int64_t next_ms = wh_firing_changed(&c, s, zone, &fire_old);
    if (!fire_old)
        return next_ms;
    if (e->is_refused) { /* for as long as it is, nothing would ever change */
        WH_LOG(WARN, "cron.missed", WH_F_STR("partition", r->s.key),
               WH_F_STR("schedule", e->name), WH_F_INT("fire_time_ms", e->next_ms),
               WH_F_STR("hint", "its jobs were refused until its definition changed"));
        return next_ms;
    }
    if (wh_recur_fire_one(r, e)) {
        r->reconcile = true;
        return -1;
    }
    *was_ms = e->after_ms; /* where it does not come to that: stale, and once more */
    return next_ms;
}

static void send_set(wh_recur *r, const wh_declared_item *item, const wh_recur_entry *e,
                     int64_t next_ms, int64_t was_ms)
{
    wh_call call;
    wh_call_init(&call, "wh1_cron_set", false, r->s.key);
    wh_call_args(&call, item->name);
    wh_call_args(&call, item->text);
    wh_call_argi(&call, next_ms);
    wh_call_arg(&call, e ? e->text : "", e ? e->text_n : 0);
    wh_call_argi(&call, was_ms);
    change(r, &call, e ? "changed" : "created", item->name);
}

static void set_declared(wh_recur *r, const wh_declared_item *item)
{
    wh_recur_entry *e = wh_recur_find(r, item->name);
    const wh_zone *zone = NULL;
    wh_schedule s;
    wh_errbuf eb = {0};
    if ((e && strcmp(e->text, item->text) == 0) || is_taken(r, e))
        return;
    wh_err err = wh_schedule_parse(item->text, strlen(item->text), &s, &eb);
    if (!err)
        err = wh_zones_get(r->s.zones, s.zone, &zone, &eb);
    if (err) { /* it was sound when it was loaded: tzdata went away, or memory */
        WH_LOG_LIMITED(ERROR, 6, "cron.unreadable", WH_F_STR("partition", r->s.key),
                       WH_F_STR("schedule", item->name), WH_F_STR("error", eb.text));
        r->reconcile = true;
    } else {
        bool idle = s.paused || is_held(r, e);
        int64_t was_ms = e && e->next_ms > 0 ? e->next_ms : 0;
        int64_t next_ms = idle ? 0 : first_of(r, e, &s, zone, &was_ms);
        if (next_ms >= 0)
            send_set(r, item, e, next_ms, was_ms);
    }
    wh_schedule_fini(&s);
}

void wh_recur_declared_reconcile(wh_recur *r)
{
    const wh_declared *d = r->s.declared;
    r->reconcile = false;
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->items[i].key, r->s.key) == 0)
            set_declared(r, &d->items[i]);
    for (size_t i = 0; d->governs && i < r->n; i++) {
        const wh_recur_entry *e = r->entries[i];
        const char *set = e->schedule.declared;
        wh_call call;
        if (!set || strcmp(set, d->set) != 0 || wh_declared_has(d, r->s.key, e->name))
            continue;
        wh_call_init(&call, "wh1_cron_remove", false, r->s.key);
        wh_call_args(&call, e->name);
        wh_call_arg(&call, e->text, e->text_n);
        change(r, &call, "removed", e->name);
    }
}
