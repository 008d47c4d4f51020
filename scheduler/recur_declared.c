/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reconciling: runs behind a list, for all once after the start and each reload, then for
 * those that are still to be done: their call failed, or another set has their name. A call
 * that came through changes the list, so another look follows. What is equal already makes
 * no call, so schedulers that reconcile the same set side by side do it once. Each call
 * names what the list had: Redis leaves alone what an operator, or another scheduler, did
 * since (`stale`), and the next list is looked at.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/schedule/firing.h"
#include "scheduler/recur_internal.h"

#include <string.h>

/* What is to be done with a declared schedule; TOLD: as LOOK, and it has been said why it
 * can't be made yet; LEFT: nothing, it is an operator's. DONE: it is ours. */
enum { DONE, LOOK, TOLD, LEFT };
enum { REMOVAL = -1 };

/* A call under way. */
struct wh_recur_change {
    wh_recur *recur;
    wh_recur_change *before, *next;
    long item; /* index of the declared one, or REMOVAL */
    char name[WH_JOB_NAME_MAX + 1];
    char from[WH_JOB_NAME_MAX + 1]; /* the set that it is taken over from, or "" */
};

/* ---- calls ---- */

static void unlink_change(wh_recur_change *c)
{
    if (c->before)
        c->before->next = c->next;
    else
        c->recur->changes = c->next;
    if (c->next)
        c->next->before = c->before;
}

static void link_change(wh_recur_change *c)
{
    c->next = c->recur->changes;
    if (c->next)
        c->next->before = c;
    c->recur->changes = c;
}

static void once_more(wh_recur *r, long item)
{
    if (item == REMOVAL)
        r->reconcile = true;
    else if (r->wants)
        r->wants[item] = LOOK;
}

static void failed(const wh_recur_change *c, const char *why)
{
    c->recur->reconcile_ms = wh_clock_mono_ms() + WH_RECUR_RETRY_MS;
    once_more(c->recur, c->item);
    WH_LOG_LIMITED(WARN, 6, "cron.reconcile_failed",
                   WH_F_STR("partition", c->recur->s.key),
                   WH_F_STR("schedule", c->name), WH_F_STR("error", why));
}

static void take_word(const wh_recur_change *c, const char *word)
{
    if (strcmp(word, "stale") == 0) {
        once_more(c->recur, c->item);
        WH_LOG(INFO, "cron.reconciled_anew", WH_F_STR("partition", c->recur->s.key),
               WH_F_STR("hint", "a schedule changed since it was listed"));
    } else if (strcmp(word, "taken") == 0) {
        failed(c, "another set declares it");
    } else if (strcmp(word, "changed") == 0 && c->from[0]) {
        WH_LOG(INFO, "cron.taken_over", WH_F_STR("partition", c->recur->s.key),
               WH_F_STR("schedule", c->name), WH_F_STR("from", c->from),
               WH_F_STR("schedule_set", c->recur->s.declared->set));
    } else if (strcmp(word, "same") != 0) { /* else another scheduler did it */
        WH_LOG(INFO, "cron.reconciled", WH_F_STR("partition", c->recur->s.key),
               WH_F_STR("schedule", c->name),
               WH_F_STR("change", c->item == REMOVAL ? "removed" : word));
    }
}

static void on_reconciled(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    wh_recur_change *c = arg;
    wh_recur *x = c->recur;
    const char *word = wh_reply_str(r).p;
    unlink_change(c);
    if (!err)
        take_word(c, word ? word : "");
    else if (err != WH_ENOTFOUND) /* gone already: what we wanted */
        failed(c, eb ? eb->text : wh_err_text(err));
    x->asked |= !err || err == WH_ENOTFOUND;
    wh_free(c);
    if (--x->open == 0)
        wh_recur_advance(x);
}

/* from: the set that it is taken over from, or "". */
static void change(wh_recur *r, wh_call *call, long item, const char *name,
                   const char *from)
{
    wh_recur_change *c = wh_calloc(1, sizeof *c);
    if (c) {
        c->recur = r;
        c->item = item;
        memcpy(c->name, name, strlen(name) + 1);
        memcpy(c->from, from, strlen(from) + 1);
    }
    if (!c || wh_store_call(r->s.store, call, on_reconciled, c)) {
        wh_call_fini(call);
        wh_free(c);
        once_more(r, item);
        return;
    }
    link_change(c);
    r->open++;
}

void wh_recur_declared_forget(wh_recur *r)
{
    while (r->changes) {
        wh_recur_change *c = r->changes;
        wh_store_forget(r->s.store, c);
        unlink_change(c);
        wh_free(c);
    }
    wh_free(r->wants);
    r->wants = NULL;
    r->reconcile = true;
    r->reconcile_ms = 0;
}

/* ---- what is to be set ---- */

/* Paused by an operator, who knows better than a new definition. */
static bool is_held(const wh_recur *r, const wh_recur_entry *e)
{
    return e && e->next_ms < 0 && !e->is_bad && !e->schedule.paused &&
           wh_firing_next(&e->schedule, e->zone, wh_recur_now(r)) > 0;
}

/* Two sets that each name the other would take it from each other at every reload: where
 * one was seen to do that, the other leaves it alone. */
static bool is_taken_from_us(const wh_recur *r, const wh_recur_entry *e)
{
    return strcmp(e->taken_from, r->s.declared->set) == 0;
}

static const char *taken_hint(const wh_recur *r, const wh_recur_entry *e)
{
    if (!e->schedule.declared)
        return "an operator made a schedule of this name, which stays as it is: "
               "declare it under another name, or wherry cron remove it and reload";
    if (wh_declared_owns(r->s.declared, e->schedule.declared))
        return "that set took it over from this one, and this one names that one in "
               "schedule_set_was too, so they would take it from each other at every "
               "start: take the option out of the one that is not to have the "
               "schedule, and the schedule too";
    return "another set declares it and keeps it: declare it here under another name, "
           "or take it out there or wherry cron remove it, then it is made here; if "
           "that set is now this one, name it in schedule_set_was";
}

/* Made at run time: an operator's, whatever a file says. Or another set's, until that lets
 * go of it: then it is free for this one. */
static bool is_taken(wh_recur *r, const wh_recur_entry *e, size_t item)
{
    const char *set = e ? e->schedule.declared : NULL;
    bool is_told = r->wants[item] == TOLD;
    if (!e || (set && wh_declared_owns(r->s.declared, set) && !is_taken_from_us(r, e)))
        return false;
    r->wants[item] = set ? TOLD : LEFT;
    if (!is_told)
        WH_LOG_LIMITED(WARN, 20, "cron.name_taken", WH_F_STR("partition", r->s.key),
                       WH_F_STR("schedule", e->name),
                       WH_F_STR("declared_by", set ? set : ""),
                       WH_F_STR("schedule_set", r->s.declared->set),
                       WH_F_STR("hint", taken_hint(r, e)));
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
        WH_LOG_LIMITED(
            WARN, 20, "cron.missed", WH_F_STR("partition", r->s.key),
            WH_F_STR("schedule", e->name), WH_F_INT("fire_time_ms", e->next_ms),
            WH_F_STR("hint", "its jobs were refused until its definition changed"));
        return next_ms;
    }
    if (wh_recur_fire_one(r, e))
        return -1;
    *was_ms = e->after_ms; /* where it does not come to that: stale, and once more */
    return next_ms;
}

/* What is set, and what the list had in its place. */
typedef struct setting {
    size_t item;
    const wh_recur_entry *old;
    int64_t next_ms, was_ms;
} setting;

static void send_set(wh_recur *r, const setting *set)
{
    const wh_declared_item *item = &r->s.declared->items[set->item];
    const wh_recur_entry *e = set->old;
    const char *from = "";
    wh_call call;
    wh_call_init(&call, "wh1_cron_set", false, r->s.key);
    wh_call_args(&call, item->name);
    wh_call_args(&call, item->text);
    wh_call_argi(&call, set->next_ms);
    wh_call_arg(&call, e ? e->text : "", e ? e->text_n : 0);
    wh_call_argi(&call, set->was_ms);
    if (e && strcmp(e->schedule.declared, r->s.declared->set) != 0) {
        from = e->schedule.declared;
        wh_call_args(&call, from);
    }
    change(r, &call, (long)set->item, item->name, from);
}

static void set_declared(wh_recur *r, size_t i)
{
    const wh_declared_item *item = &r->s.declared->items[i];
    wh_recur_entry *e = wh_recur_find(r, item->name);
    const wh_zone *zone = NULL;
    wh_schedule s;
    wh_errbuf eb = {0};
    if (is_taken(r, e, i))
        return;
    r->wants[i] = DONE;
    if (e && strcmp(e->text, item->text) == 0)
        return;
    wh_err err = wh_schedule_parse(item->text, strlen(item->text), &s, &eb);
    if (!err)
        err = wh_zones_get(r->s.zones, s.zone, &zone, &eb);
    if (err) { /* it was sound when it was loaded: tzdata went away, or memory */
        WH_LOG_LIMITED(ERROR, 6, "cron.unreadable", WH_F_STR("partition", r->s.key),
                       WH_F_STR("schedule", item->name), WH_F_STR("error", eb.text));
        once_more(r, (long)i);
    } else {
        bool idle = s.paused || is_held(r, e);
        setting set = {i, e, 0, e && e->next_ms > 0 ? e->next_ms : 0};
        set.next_ms = idle ? 0 : first_of(r, e, &s, zone, &set.was_ms);
        if (set.next_ms >= 0)
            send_set(r, &set);
        else
            once_more(r, (long)i);
    }
    wh_schedule_fini(&s);
}

/* What this set declared and does no more; what another one did is not its business. */
static void remove_rest(wh_recur *r)
{
    const wh_declared *d = r->s.declared;
    for (size_t i = 0; d->governs && i < r->n; i++) {
        const wh_recur_entry *e = r->entries[i];
        const char *set = e->schedule.declared;
        wh_call call;
        if (!set || strcmp(set, d->set) != 0 || wh_declared_has(d, r->s.key, e->name))
            continue;
        wh_call_init(&call, "wh1_cron_remove", false, r->s.key);
        wh_call_args(&call, e->name);
        wh_call_arg(&call, e->text, e->text_n);
        change(r, &call, REMOVAL, e->name, "");
    }
}

/* Ours, and now a set has it that we name too: it was taken over from us. */
static bool is_lost(const wh_recur *r, size_t i)
{
    const wh_declared *d = r->s.declared;
    wh_recur_entry *e = d->n_was > 0 ? wh_recur_find(r, d->items[i].name) : NULL;
    const char *set = e ? e->schedule.declared : NULL;
    if (!set || strcmp(set, d->set) == 0 || !wh_declared_owns(d, set))
        return false;
    memcpy(e->taken_from, d->set, sizeof d->set);
    return true;
}

void wh_recur_declared_reconcile(wh_recur *r)
{
    const wh_declared *d = r->s.declared;
    if (r->listed_ms < r->reconcile_ms)
        return;
    if (!r->wants) {
        r->wants = wh_calloc(d->n + 1, sizeof *r->wants);
        if (!r->wants)
            return;
        memset(r->wants, LOOK, d->n);
    }
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->items[i].key, r->s.key) == 0 &&
            (r->wants[i] == DONE ? is_lost(r, i) : r->wants[i] != LEFT))
            set_declared(r, i);
    if (r->reconcile) {
        r->reconcile = false;
        remove_rest(r);
    }
}
