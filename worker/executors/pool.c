/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor interface of a pool: what the dispatcher calls. Nothing here waits, and
 * nothing here calls back, but for on_capacity from set_slots.
 */
#include "worker/executors/pool.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "worker/executors/split.h"

#include <stdio.h>
#include <string.h>

#define FAILURES_UNHEALTHY 3

static wh_pool *pool_of(wh_executor *e)
{
    return (wh_pool *)(void *)e;
}

static const wh_pool *const_pool_of(const wh_executor *e)
{
    return (const wh_pool *)(const void *)e;
}

wh_err wh_pool_new(const wh_executor_setup *s, const wh_executor_kind *kind,
                   const wh_pool_driver *driver, wh_pool **out, wh_errbuf *eb)
{
    wh_err err = WH_ENOMEM;
    *out = NULL;
    wh_pool *pool = wh_calloc(1, sizeof *pool);
    if (pool == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    pool->base.kind = kind;
    pool->driver = driver;
    pool->loop = s->loop;
    pool->config = s->config;
    pool->events = *s->events;
    pool->max_children = wh_executor_most(s->config, s->slots);
    pool->at_once = 1;
    pool->run_us = -1;
    pool->worker = wh_strdup(s->worker != NULL ? s->worker : "");
    pool->region = wh_strdup(s->region != NULL ? s->region : "");
    if (pool->worker == NULL || pool->region == NULL ||
        wh_timer_new(s->loop, wh_pool_tick_on, pool, &pool->tick) != WH_OK ||
        wh_timer_new(s->loop, wh_pool_jobs_on_settle, pool, &pool->settle) != WH_OK ||
        wh_timer_new(s->loop, wh_pool_child_on_respawn, pool, &pool->respawn) !=
            WH_OK) {
        (void)wh_err_set(eb, err, "out of memory");
        goto fail;
    }
    err = wh_environ_init(&pool->env, s, eb);
    if (err != WH_OK) {
        goto fail;
    }
    *out = pool;
    return WH_OK;
fail:
    wh_pool_free(&pool->base);
    return err;
}

void wh_pool_free(wh_executor *e)
{
    if (e == NULL) {
        return;
    }
    wh_pool *pool = pool_of(e);
    while (pool->children != NULL) {
        wh_pool_child *c = pool->children;
        pool->children = c->next;
        wh_pool_child_free(c);
    }
    wh_run_clear(&pool->waiting);
    wh_run_clear(&pool->settled);
    wh_timer_free(pool->tick);
    wh_timer_free(pool->respawn);
    wh_timer_free(pool->settle);
    wh_environ_fini(&pool->env);
    wh_split_free(pool->argv);
    wh_free(pool->worker);
    wh_free(pool->region);
    wh_free(pool);
}

/* Children that serve do so although no more of them start. One that fails at once may do
 * better the next time; one that says nothing for all its time has had its chance. */
static bool is_healthy(const wh_pool *pool)
{
    bool serves = false;
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        serves = serves || c->phase == WH_POOL_READY;
    }
    return serves || (pool->failures < FAILURES_UNHEALTHY && !pool->is_late);
}

/* Children that are there are counted by their room; those that are not count only if
 * it is known that they would work and how long jobs take: a fleet of processes for
 * jobs of ten microseconds helps nobody. */
unsigned wh_pool_capacity(const wh_executor *e)
{
    const wh_pool *pool = const_pool_of(e);
    unsigned room = 0;
    unsigned serving = 0;
    unsigned each = pool->driver->queues ? wh_pool_jobs_depth(pool) : pool->at_once;
    if (pool->is_draining || !pool->is_proven || !is_healthy(pool)) {
        return 0;
    }
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        room += c->phase == WH_POOL_READY      ? wh_pool_jobs_room(c)
                : c->phase == WH_POOL_STARTING ? 1
                                               : 0;
        serving += c->phase == WH_POOL_READY || c->phase == WH_POOL_STARTING;
    }
    if (pool->failures == 0 && pool->run_us >= 0 && serving < pool->max_children) {
        room += (pool->max_children - serving) * each;
    }
    return room > pool->waiting.count ? room - pool->waiting.count : 0;
}

wh_err wh_pool_submit(wh_executor *e, wh_job *const *jobs, unsigned n)
{
    wh_pool *pool = pool_of(e);
    wh_run_list runs = {0};
    for (unsigned i = 0; i < n; i++) {
        wh_run *run = wh_run_new(jobs[i]);
        if (run == NULL) {
            wh_run_clear(&runs);
            return WH_ENOMEM; /* none was accepted */
        }
        wh_run_append(&runs, run);
    }
    while (runs.first != NULL) {
        wh_run *run = runs.first;
        wh_run_remove(&runs, run);
        wh_run_append(&pool->waiting, run);
        if (pool->is_draining) {
            wh_run_remove(&pool->waiting, run);
            wh_pool_jobs_settle(pool, run, WH_RESULT_RELEASED);
        }
    }
    wh_pool_jobs_place(pool);
    wh_pool_tick_start(pool);
    return WH_OK;
}

static const char *reason_of(wh_cancel_reason why)
{
    switch (why) {
    case WH_CANCEL_REQUESTED:
        return "requested";
    case WH_CANCEL_LOST:
        return "lost";
    case WH_CANCEL_STOPPING:
        return "stopping";
    }
    return "requested";
}

static void take_back(wh_pool *pool, const wh_run_list *taken)
{
    wh_run_list list = *taken;
    while (list.last != NULL) {
        wh_run *run = list.last;
        wh_run_remove(&list, run);
        wh_run_prepend(&pool->waiting, run);
    }
}

/* True: it was waiting in the child and now waits with us. */
static bool cancel_in_child(wh_pool_child *c, wh_run *run, wh_cancel_reason why)
{
    wh_run_list taken = {0};
    if (c->pool->driver->look != NULL) {
        wh_errbuf eb = {0};
        if (c->pool->driver->look(c, &eb) != WH_OK) {
            wh_pool_child_kill(c, WH_POOL_FATE_PROTOCOL, eb.text);
            return false;
        }
    }
    if (run->started_us == 0) {
        wh_pool_jobs_recall(c, run, &taken);
        take_back(c->pool, &taken);
        if (wh_run_find(&c->pool->waiting, run->job) != NULL) {
            return true;
        }
    }
    wh_pool_jobs_stop(c, run, WH_RUN_CANCELLED, reason_of(why));
    return false;
}

void wh_pool_cancel(wh_executor *e, wh_job *job, wh_cancel_reason why)
{
    wh_pool *pool = pool_of(e);
    for (wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        wh_run *run = wh_run_find(&c->runs, job);
        if (run != NULL && !cancel_in_child(c, run, why)) {
            return;
        }
    }
    wh_run *run = wh_run_find(&pool->waiting, job);
    if (run != NULL) {
        wh_run_remove(&pool->waiting, run);
        wh_pool_jobs_settle(pool, run,
                            why == WH_CANCEL_STOPPING ? WH_RESULT_RELEASED
                                                      : WH_RESULT_CANCELLED);
    }
    wh_pool_tick_start(pool);
}

void wh_pool_drain(wh_executor *e)
{
    wh_pool *pool = pool_of(e);
    pool->is_draining = true;
    wh_timer_stop(pool->respawn);
    for (wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        wh_run_list taken = {0};
        if (c->runs.first != NULL) {
            wh_pool_jobs_recall(c, c->runs.first, &taken);
            take_back(pool, &taken);
        }
        if (c->phase == WH_POOL_READY || c->phase == WH_POOL_STARTING) {
            c->phase = WH_POOL_ENDING;
        }
        wh_pool_child_end_if_idle(c);
    }
    while (pool->waiting.first != NULL) {
        wh_run *run = pool->waiting.first;
        wh_run_remove(&pool->waiting, run);
        wh_pool_jobs_settle(pool, run, WH_RESULT_RELEASED);
    }
    wh_pool_tick_start(pool);
}

void wh_pool_stats(const wh_executor *e, wh_executor_stats *out)
{
    const wh_pool *pool = const_pool_of(e);
    *out = (wh_executor_stats){
        .queued = pool->waiting.count,
        .spawned = pool->spawned,
        .crashed = pool->crashed,
        .killed_timeout = pool->killed_timeout,
        .killed_memory = pool->killed_memory,
        .recycled = pool->recycled,
        .healthy = is_healthy(pool),
    };
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        unsigned running = c->runs.count;
        if (pool->driver->queues && running > 1) {
            out->queued += running - 1;
            running = 1;
        }
        out->children++;
        out->busy += running > 0 ? 1 : 0;
        out->moving = out->moving || c->phase != WH_POOL_READY;
    }
    if (!out->healthy) {
        (void)snprintf(out->why, sizeof out->why, "%s", pool->why);
    }
}

void wh_pool_set_slots(wh_executor *e, unsigned slots)
{
    wh_pool *pool = pool_of(e);
    unsigned before = pool->max_children;
    pool->max_children = wh_executor_most(pool->config, slots);
    if (pool->max_children > before && !pool->is_draining) {
        wh_pool_jobs_place(pool);
        wh_pool_tick_start(pool);
        wh_pool_announce(pool);
    }
}

int64_t wh_pool_busy_until(const wh_executor *e)
{
    int64_t until_us = 0;
    for (const wh_pool_child *c = const_pool_of(e)->children; c != NULL; c = c->next) {
        if (c->phase != WH_POOL_KILLED && c->busy_until_us > until_us) {
            until_us = c->busy_until_us;
        }
    }
    return until_us;
}

int64_t wh_pool_memory(const wh_executor *e)
{
    int64_t bytes = 0;
    for (const wh_pool_child *c = const_pool_of(e)->children; c != NULL; c = c->next) {
        int64_t rss = wh_child_rss(c->process);
        bytes += rss > 0 ? rss : 0;
    }
    return bytes;
}

/* One that never had a job is as small as its successor would be. */
int64_t wh_pool_shed(wh_executor *e, bool end)
{
    wh_pool *pool = pool_of(e);
    wh_pool_child *biggest = NULL;
    int64_t most = 0;
    for (wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        bool is_idle =
            c->phase == WH_POOL_READY && c->runs.count == 0 && c->recalled == 0;
        int64_t rss = is_idle && c->ended > 0 ? wh_child_rss(c->process) : 0;
        if (rss > most) {
            most = rss;
            biggest = c;
        }
    }
    if (end && biggest != NULL && !pool->is_draining) {
        biggest->phase = WH_POOL_ENDING;
        biggest->is_recycled = true;
        wh_pool_child_end_if_idle(biggest);
        wh_pool_child_ensure(pool);
    }
    return most;
}

void wh_pool_announce(wh_pool *pool)
{
    if (!pool->is_creating && pool->events.on_capacity != NULL) {
        pool->events.on_capacity(pool->events.arg);
    }
}
