/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens by time alone: time-outs and the kill after the grace period, children
 * that start or end too slowly, memory limits, jobs that queue behind a slow one or
 * wait for a child that does not come. One timer, only while there is something to
 * watch.
 */
#include "common/base/clock.h"
#include "worker/executors/memory.h"
#include "worker/executors/pool.h"

#include <signal.h>
#include <stdio.h>

#define TICK_MS 50
#define TICK_MIN_MS 5
#define TICK_LEARNING_MS 10 /* until it is known how long jobs take */
#define SLOW_US 20000       /* a job that runs so long frees those behind it */
#define NOTICED_US 5000
#define WAIT_MAX_US 1000000

static void put_back(wh_pool *pool, wh_run_list *taken)
{
    while (taken->last != NULL) {
        wh_run *run = taken->last;
        wh_run_remove(taken, run);
        wh_run_prepend(&pool->waiting, run);
    }
}

static void watch_run(wh_pool_child *c, wh_run *run, int64_t now_us)
{
    wh_pool *pool = c->pool;
    int64_t ran_us = now_us - run->started_us;
    if (!run->announced) {
        run->announced = true;
        if (pool->events.on_started != NULL) {
            pool->events.on_started(pool->events.arg, run->job);
        }
    }
    if (ran_us > NOTICED_US && (double)ran_us > pool->run_us) {
        pool->run_us = (double)ran_us;
        c->has_news = true;
    }
    if (run->stop == WH_RUN_GOES_ON && ran_us >= wh_run_timeout_us(run)) {
        wh_pool_jobs_stop(c, run, WH_RUN_TIMED_OUT, "timeout");
    }
    if (run->stop != WH_RUN_GOES_ON && now_us >= run->kill_at_us &&
        c->phase != WH_POOL_KILLED) {
        bool timed_out = run->stop == WH_RUN_TIMED_OUT;
        pool->killed_timeout += timed_out ? 1 : 0;
        wh_pool_child_kill(c, WH_POOL_FATE_STOPPED,
                           timed_out ? "timed out" : "was cancelled and did not stop");
    }
}

static void watch_runs(wh_pool_child *c, int64_t now_us)
{
    wh_errbuf eb = {0};
    const wh_pool_driver *driver = c->pool->driver;
    if (driver->peek != NULL) {
        driver->peek(c);
    }
    if (driver->look != NULL && driver->look(c, &eb) != WH_OK) {
        wh_pool_child_kill(c, WH_POOL_FATE_PROTOCOL, eb.text);
    }
    for (wh_run *run = c->runs.first; run != NULL; run = run->next) {
        if (run->started_us > 0) {
            watch_run(c, run, now_us);
        }
    }
    wh_run *first = c->runs.first;
    if (driver->queues && c->runs.count > 1 && first->started_us > 0 &&
        now_us - first->started_us > SLOW_US) {
        wh_run_list taken = {0};
        wh_pool_jobs_recall(c, first->next, &taken);
        put_back(c->pool, &taken);
    }
}

static void watch_life(wh_pool_child *c, int64_t now_us)
{
    char text[64];
    if (c->phase == WH_POOL_STARTING && now_us >= c->deadline_us) {
        (void)snprintf(text, sizeof text, "was not ready within %lld s",
                       (long long)c->pool->driver->ready_ms / 1000);
        wh_pool_child_kill(c, WH_POOL_FATE_LATE, text);
    }
    if (c->phase == WH_POOL_KILLED && c->fate == WH_POOL_FATE_NONE &&
        now_us >= c->deadline_us) {
        wh_pool_child_kill(c, WH_POOL_FATE_CLOSED,
                           "it closed its channel to the worker");
    }
    if (c->told_to_end && now_us >= c->deadline_us) {
        c->deadline_us = INT64_MAX;
        wh_child_kill(c->process, SIGKILL);
    }
}

/* ------------------------------------------------------------------- memory */

static void watch_memory(wh_pool_child *c, int64_t limit)
{
    char text[160];
    switch (wh_memory_check(c->process, limit, text, sizeof text)) {
    case WH_MEMORY_FINE:
        break;
    case WH_MEMORY_RECYCLE:
        if (c->phase == WH_POOL_READY) {
            c->phase = WH_POOL_ENDING;
            c->is_recycled = true;
            wh_pool_child_end_if_idle(c);
            wh_pool_child_ensure(c->pool);
        }
        break;
    case WH_MEMORY_KILL:
        wh_pool_child_kill(c, WH_POOL_FATE_MEMORY, text);
        break;
    }
}

static void watch_memories(wh_pool *pool, int64_t now_us)
{
    int64_t limit = pool->config->memory_limit;
    if (limit <= 0 || now_us - pool->memory_checked_us < WH_MEMORY_CHECK_US) {
        return;
    }
    pool->memory_checked_us = now_us;
    for (wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        if (c->phase == WH_POOL_READY || c->phase == WH_POOL_ENDING) {
            watch_memory(c, limit);
        }
    }
}

/* ------------------------------------------------------------------ waiting */

/* What no child will take soon goes back to where other workers find it. */
static void release_overdue(wh_pool *pool, int64_t now_us)
{
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        if (c->phase == WH_POOL_STARTING) {
            return;
        }
    }
    for (wh_run *run = pool->waiting.first; run != NULL;) {
        wh_run *next = run->next;
        if (now_us - run->since_us > WAIT_MAX_US) {
            wh_run_remove(&pool->waiting, run);
            wh_pool_jobs_settle(pool, run, WH_RESULT_RELEASED);
        }
        run = next;
    }
}

/* ---------------------------------------------------------------- the timer */

/* How soon to look again; -1: nothing to watch. */
static int64_t interval_ms(const wh_pool *pool)
{
    int64_t ms = pool->waiting.count > 0 ? TICK_MS : -1;
    int64_t now_us = wh_clock_mono_us();
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        if (c->runs.count > 0 || c->phase == WH_POOL_STARTING || c->told_to_end ||
            c->phase == WH_POOL_KILLED || c->recalled > 0) {
            ms = ms < 0 ? TICK_MS : ms;
        }
        const wh_run *run = c->runs.first;
        if (run == NULL) {
            continue;
        }
        int64_t from_us = run->started_us > 0 ? run->started_us : now_us;
        int64_t due_us = run->stop != WH_RUN_GOES_ON ? run->kill_at_us
                                                     : from_us + wh_run_timeout_us(run);
        int64_t left_ms = (due_us - now_us) / 1000 + 1;
        ms = left_ms < ms ? left_ms : ms;
    }
    if (ms > TICK_LEARNING_MS && pool->run_us < 0) {
        ms = TICK_LEARNING_MS;
    }
    return ms >= 0 && ms < TICK_MIN_MS ? TICK_MIN_MS : ms;
}

void wh_pool_tick_on(void *arg)
{
    wh_pool *pool = arg;
    int64_t now_us = wh_clock_mono_us();
    bool has_news = false;
    for (wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        if (c->runs.count > 0 && c->phase != WH_POOL_KILLED) {
            watch_runs(c, now_us);
        }
        watch_life(c, now_us);
        has_news = has_news || c->has_news;
        c->has_news = false;
    }
    watch_memories(pool, now_us);
    wh_pool_jobs_place(pool);
    release_overdue(pool, now_us);
    if (has_news) {
        wh_pool_announce(pool);
    }
    wh_pool_tick_start(pool);
}

/* Only ever moved to an earlier time: moving it with every submit would keep it from
 * firing at all. */
void wh_pool_tick_start(wh_pool *pool)
{
    int64_t ms = interval_ms(pool);
    if (ms < 0) {
        return;
    }
    int64_t due_us = wh_clock_mono_us() + ms * 1000;
    if (!wh_timer_is_running(pool->tick) ||
        due_us + TICK_MIN_MS * 1000 < pool->tick_due_us) {
        pool->tick_due_us = due_us;
        wh_timer_start(pool->tick, ms);
    }
}
