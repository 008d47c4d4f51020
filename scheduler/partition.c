/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chores of one partition. The table below is all that differs between them.
 */
#include "scheduler/partition.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "scheduler/cap.h"
#include "scheduler/recur.h"

#include <string.h>

enum { IDLE_PAUSE_MS = 5000 };

typedef enum chore_id {
    CHORE_PROMOTE,
    CHORE_RECOVER,
    CHORE_EXPIRE,
    CHORE_TRIM,
    CHORE_GAUGES,
    CHORE_COUNT
} chore_id;

typedef struct chore_kind {
    const char *name, *function;
    size_t moved_at; /* element of the reply with the number moved */
    size_t next_at;  /* … with ms until it is needed next (-1 never); 0: has none */
    size_t pause;    /* offset of the longest pause in the configuration */
} chore_kind;

#define PAUSE(f) offsetof(wh_scheduler_config, f)
static const chore_kind kinds[CHORE_COUNT] = {
    [CHORE_PROMOTE] = {"promote", "wh1_promote", 1, 2, PAUSE(promote_ms)},
    [CHORE_RECOVER] = {"recover", "wh1_recover", 1, 3, PAUSE(recover_ms)},
    [CHORE_EXPIRE] = {"expire", "wh1_expire", 1, 2, PAUSE(promote_ms)},
    [CHORE_TRIM] = {"trim", "wh1_trim", 1, 0, PAUSE(trim_ms)},
    [CHORE_GAUGES] = {"gauges", "wh1_stats", 0, 0, PAUSE(gauges_ms)},
};

typedef struct chore {
    wh_partition *partition;
    const chore_kind *kind;
    wh_timer *timer;
    int64_t called_us; /* 0: none in flight */
    bool again;        /* asked for while one was in flight */
    bool is_idle;      /* nothing was there */
} chore;

struct wh_partition {
    wh_partition_setup s;
    char key[WH_KEYS_PARTITION_MAX];
    char region[WH_JOB_NAME_MAX + 1], queue[WH_JOB_NAME_MAX + 1];
    wh_gauges_last last;
    wh_recur *recur;
    wh_cap cap;
    chore chores[CHORE_COUNT];
};

static int64_t longest_pause(const chore *c)
{
    const char *base = (const char *)c->partition->s.config;
    int64_t ms;
    memcpy(&ms, base + c->kind->pause, sizeof ms);
    return ms;
}

static void read_gauges(wh_partition *p, const wh_reply *r)
{
    if (wh_gauges_update(p->s.gauges, p->region, p->queue, r, &p->last))
        WH_LOG(ERROR, "scheduler.data_loss_suspected", WH_F_STR("partition", p->key),
               WH_F_STR("hint", "counters in Redis went backwards: FLUSHALL, an old "
                                "backup or a failover"));
}

/* ms until the chore is due next. A full batch means that more is waiting. */
static int64_t next_pause(chore *c, const wh_reply *r, int64_t moved)
{
    int64_t pause = longest_pause(c);
    c->is_idle = false;
    if (moved >= c->partition->s.config->batch)
        return 0;
    if (c->kind->next_at) {
        int64_t next = wh_reply_int(wh_reply_at(r, c->kind->next_at), -1);
        c->is_idle = next < 0;
        if (c->is_idle) /* nothing is there; a bell or a claim notices what comes */
            return pause < IDLE_PAUSE_MS ? IDLE_PAUSE_MS : pause;
        if (next < pause)
            pause = next > 0 ? next : 1;
    }
    return pause;
}

static void on_reply(void *arg, wh_err err, const wh_errbuf *eb, const wh_reply *r)
{
    chore *c = arg;
    wh_partition *p = c->partition;
    int64_t took = wh_clock_mono_us() - c->called_us, moved = 0,
            pause = longest_pause(c);
    c->called_us = 0;
    if (err) {
        WH_LOG_LIMITED(WARN, 6, "scheduler.chore_failed",
                       WH_F_STR("chore", c->kind->name), WH_F_STR("partition", p->key),
                       WH_F_STR("error", eb ? eb->text : wh_err_text(err)));
    } else if (!c->kind->moved_at) {
        read_gauges(p, r);
        wh_cap_wake(&p->cap);
    } else {
        moved = wh_reply_int(wh_reply_at(r, c->kind->moved_at), 0);
        pause = next_pause(c, r, moved);
        if (moved && c->kind == &kinds[CHORE_RECOVER])
            WH_LOG(WARN, "scheduler.recovered", WH_F_STR("partition", p->key),
                   WH_F_INT("jobs", moved));
    }
    wh_gauges_chore(p->s.gauges, c->kind->name, err, moved, took);
    wh_timer_start(c->timer, c->again ? 0 : pause);
    c->again = false;
}

static void on_due(void *arg)
{
    chore *c = arg;
    if (c->called_us) {
        c->again = true;
        return;
    }
    wh_partition *p = c->partition;
    wh_err err = WH_ECONN;
    if (wh_store_is_ready(p->s.store)) {
        wh_call call;
        wh_call_init(&call, c->kind->function, c->kind == &kinds[CHORE_GAUGES], p->key);
        if (c->kind->moved_at)
            wh_call_argi(&call, p->s.config->batch);
        c->called_us = wh_clock_mono_us();
        err = wh_store_call(p->s.store, &call, on_reply, c);
    }
    if (err) { /* not sent: wh_partition_wake comes when Redis is there */
        c->called_us = 0;
        wh_timer_start(c->timer, longest_pause(c));
    }
}

wh_err wh_partition_new(const wh_partition_setup *s, const char *key,
                        wh_partition **out)
{
    *out = NULL;
    wh_partition *p = wh_calloc(1, sizeof *p);
    if (!p)
        return WH_ENOMEM;
    wh_err err = WH_EINVAL;
    p->s = *s;
    if (strlen(key) >= sizeof p->key || !wh_keys_split(key, p->region, p->queue))
        goto fail;
    memcpy(p->key, key, strlen(key) + 1);
    for (size_t i = 0; i < CHORE_COUNT; i++) {
        p->chores[i] = (chore){.partition = p, .kind = &kinds[i]};
        err = wh_timer_new(s->loop, on_due, &p->chores[i], &p->chores[i].timer);
        if (err)
            goto fail;
    }
    const wh_recur_setup recur = {.loop = s->loop,
                                  .store = s->store,
                                  .zones = s->zones,
                                  .declared = s->declared,
                                  .key = p->key,
                                  .interval_ms = s->config->cron_ms};
    err = wh_recur_new(&recur, &p->recur);
    if (err)
        goto fail;
    p->cap = (wh_cap){
        .store = s->store, .key = p->key, .jobs = s->config->max_active_jobs_per_org};
    wh_partition_wake(p);
    *out = p;
    return WH_OK;
fail:
    wh_partition_free(p);
    return err;
}

void wh_partition_free(wh_partition *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < CHORE_COUNT; i++) {
        if (p->chores[i].called_us)
            wh_store_forget(p->s.store, &p->chores[i]);
        wh_timer_free(p->chores[i].timer);
    }
    wh_recur_free(p->recur);
    wh_cap_fini(&p->cap);
    wh_free(p);
}

const char *wh_partition_key(const wh_partition *p)
{
    return p->key;
}

void wh_partition_ring(wh_partition *p)
{
    chore *expire = &p->chores[CHORE_EXPIRE];
    on_due(&p->chores[CHORE_PROMOTE]);
    if (expire->is_idle || expire->called_us) /* else it looks each second */
        on_due(expire);
    wh_recur_wake(p->recur);
}

void wh_partition_redeclare(wh_partition *p)
{
    wh_recur_reset(p->recur);
}

void wh_partition_wake(wh_partition *p)
{
    for (size_t i = 0; i < CHORE_COUNT; i++)
        if (!p->chores[i].called_us)
            wh_timer_start(p->chores[i].timer, 0);
    wh_recur_wake(p->recur);
    wh_cap_wake(&p->cap);
}
