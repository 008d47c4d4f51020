/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which child gets which job, and how each job ends. The depth rule: a child gets
 * several jobs at once only while jobs are known to be short (10 ms of work at most),
 * so that a system call and a wake-up serve many of them; a job that turns out slow
 * has the ones behind it taken back (pool_tick.c).
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "worker/executors/pool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define DEPTH_MAX 512
#define DEPTH_WORK_US 10000.0
#define SHORT_US 1000.0
#define CHUNK_WORK_US 1000.0
#define CRASH_US 4000.0 /* no queues behind jobs that crash */
#define STARTING_MAX 4
#define OUT_HIGH_WATER ((size_t)4 * 1024 * 1024)
#define BLOCKED_US 5000 /* nobody should queue behind a job that runs so long */

/* ---------------------------------------------------------------- placement */

unsigned wh_pool_jobs_depth(const wh_pool *pool)
{
    if (!pool->driver->queues || pool->run_us < 0 || pool->run_us > SHORT_US) {
        return 1;
    }
    double depth = DEPTH_WORK_US / (pool->run_us < 1 ? 1 : pool->run_us);
    return depth > DEPTH_MAX ? DEPTH_MAX : (unsigned)depth;
}

static bool is_blocked(const wh_pool_child *c)
{
    const wh_run *run = c->runs.first;
    return run != NULL && run->started_us > 0 &&
           wh_clock_mono_us() - run->started_us > BLOCKED_US;
}

unsigned wh_pool_jobs_room(const wh_pool_child *c)
{
    const wh_pool *pool = c->pool;
    unsigned most = pool->driver->queues ? wh_pool_jobs_depth(pool) : c->at_once;
    if (c->phase != WH_POOL_READY || c->recalled > 0 || c->runs.count >= most ||
        c->out.len > OUT_HIGH_WATER || (pool->driver->queues && is_blocked(c))) {
        return 0;
    }
    unsigned room = most - c->runs.count;
    if (pool->config->max_jobs > 0) {
        uint64_t left = (uint64_t)pool->config->max_jobs > c->sent
                            ? (uint64_t)pool->config->max_jobs - c->sent
                            : 0;
        room = left < room ? (unsigned)left : room;
    }
    return room;
}

static wh_pool_child *emptiest(const wh_pool *pool, unsigned *room, unsigned *with_room)
{
    wh_pool_child *best = NULL;
    *with_room = 0;
    for (wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        unsigned r = wh_pool_jobs_room(c);
        *with_room += r > 0;
        if (r > 0 && (best == NULL || c->runs.count < best->runs.count)) {
            best = c;
            *room = r;
        }
    }
    return best;
}

/* False: no memory to say it; the job goes back. */
static bool give(wh_pool_child *c, wh_run *run)
{
    size_t before = c->out.len;
    run->seq = c->sent + 1;
    run->started_us = c->pool->driver->queues ? 0 : wh_clock_mono_us();
    wh_run_set_limits(run, c->pool->config);
    c->pool->driver->write_job(c, run);
    if (!wh_buf_ok(&c->out)) {
        c->out.failed = false;
        c->out.len = before;
        wh_pool_jobs_settle(c->pool, run, WH_RESULT_RELEASED);
        return false;
    }
    c->sent++;
    wh_run_append(&c->runs, run);
    return true;
}

/* An even share, but no less than a millisecond of work: a child is woken for it. */
static unsigned chunk(const wh_pool *pool, unsigned with_room, unsigned room)
{
    unsigned n = (pool->waiting.count + with_room - 1) / with_room;
    double least = pool->run_us > 0 ? CHUNK_WORK_US / pool->run_us : 1;
    if ((double)n < least) {
        n = least > DEPTH_MAX ? DEPTH_MAX : (unsigned)least;
    }
    return n < room ? n : room;
}

static void start_more(wh_pool *pool)
{
    unsigned starting = 0;
    unsigned serving = 0;
    unsigned each = pool->driver->queues ? wh_pool_jobs_depth(pool) : pool->at_once;
    for (const wh_pool_child *c = pool->children; c != NULL; c = c->next) {
        starting += c->phase == WH_POOL_STARTING;
        serving += c->phase == WH_POOL_STARTING || c->phase == WH_POOL_READY;
    }
    unsigned wanted = (pool->waiting.count + each - 1) / (each > 0 ? each : 1);
    wanted = wanted > STARTING_MAX ? STARTING_MAX : wanted;
    while (pool->failures == 0 && starting < wanted && serving < pool->max_children) {
        wh_pool_child_spawn(pool);
        starting++;
        serving++;
    }
}

void wh_pool_jobs_place(wh_pool *pool)
{
    bool gave = false;
    while (pool->waiting.first != NULL) {
        unsigned room = 0;
        unsigned with_room = 0;
        wh_pool_child *c = emptiest(pool, &room, &with_room);
        if (c == NULL) {
            break;
        }
        for (unsigned n = chunk(pool, with_room, room);
             n > 0 && pool->waiting.first != NULL; n--) {
            wh_run *run = pool->waiting.first;
            wh_run_remove(&pool->waiting, run);
            gave = give(c, run) || gave;
        }
    }
    for (wh_pool_child *c = pool->children; gave && c != NULL; c = c->next) {
        if (c->out.len > c->out_sent && c->out_sent == 0) {
            wh_pool_child_flush(c);
        }
    }
    if (!pool->is_draining && pool->waiting.count > 0) {
        start_more(pool);
    }
}

wh_job *wh_pool_jobs_speaker(const wh_pool_child *c)
{
    return c->runs.count == 1 ? c->runs.first->job : NULL;
}

/* --------------------------------------------------------------------- ends */

static void report(wh_pool *pool, wh_run *run, wh_result *r)
{
    wh_job *job = run->job;
    wh_free(run);
    r->message = wh_run_cut(r->message, WH_JOB_MESSAGE_MAX);
    r->context = wh_run_cut(r->context, WH_JOB_CONTEXT_MAX);
    pool->events.on_result(pool->events.arg, job, r);
}

/* Quick to believe that jobs became slow, slower to believe that they became fast. */
static void learn(wh_pool *pool, int64_t run_us)
{
    double us = (double)run_us;
    if (pool->run_us < 0) {
        pool->run_us = us;
    } else {
        pool->run_us += (us - pool->run_us) / (us > pool->run_us ? 4 : 8);
    }
}

static void recycle_if_due(wh_pool_child *c)
{
    int64_t max_jobs = c->pool->config->max_jobs;
    if (c->phase == WH_POOL_READY && max_jobs > 0 && c->sent >= (uint64_t)max_jobs) {
        c->phase = WH_POOL_ENDING;
        c->is_recycled = true;
    }
    wh_pool_child_end_if_idle(c);
    if (c->told_to_end) {
        wh_pool_child_ensure(c->pool);
    }
}

void wh_pool_jobs_result(wh_pool_child *c, wh_run *run, wh_result *r)
{
    char text[128];
    int64_t run_us = r->run_us;
    learn(c->pool, run_us);
    if ((double)run_us >= SHORT_US) { /* what it printed belongs before its result */
        wh_lines_drain(c->printed);
        wh_lines_drain(c->complained);
    }
    wh_lines_forget(c->complained);
    if (run->stop == WH_RUN_GOES_ON && run_us >= wh_run_timeout_us(run)) {
        run->stop = WH_RUN_TIMED_OUT; /* it looked at the clock before we did */
    }
    if (run->stop != WH_RUN_GOES_ON && r->status != WH_RESULT_OK) {
        *r = wh_run_stopped_result(run, text, sizeof text);
        r->run_us = run_us;
    }
    wh_run_remove(&c->runs, run);
    c->ended++;
    c->has_news = true;
    report(c->pool, run, r);
    recycle_if_due(c);
}

void wh_pool_jobs_settle(wh_pool *pool, wh_run *run, wh_result_status verdict)
{
    run->verdict = verdict;
    wh_run_append(&pool->settled, run);
    wh_timer_start(pool->settle, 0);
}

void wh_pool_jobs_on_settle(void *arg)
{
    wh_pool *pool = arg;
    wh_run_list list = pool->settled;
    pool->settled = (wh_run_list){0};
    while (list.first != NULL) {
        wh_run *run = list.first;
        wh_result r = {.status = run->verdict, .delay_ms = -1};
        wh_run_remove(&list, run);
        if (run->verdict == WH_RESULT_CANCELLED) {
            r.message = (wh_slice){"cancelled before it started", 27};
        }
        report(pool, run, &r);
    }
    wh_pool_announce(pool);
}

void wh_pool_jobs_stop(wh_pool_child *c, wh_run *run, wh_run_stop why,
                       const char *reason)
{
    if (run->stop != WH_RUN_GOES_ON) {
        return;
    }
    run->stop = why;
    run->kill_at_us = wh_clock_mono_us() + run->grace_ms * 1000;
    c->pool->driver->ask_to_stop(c, run, reason);
    wh_pool_child_flush(c);
    wh_pool_tick_start(c->pool);
}

void wh_pool_jobs_recall(wh_pool_child *c, wh_run *from, wh_run_list *taken)
{
    if (c->pool->driver->recall == NULL) {
        return;
    }
    c->pool->driver->recall(c, from, taken);
    int64_t now_us = wh_clock_mono_us();
    for (wh_run *run = taken->first; run != NULL; run = run->next) {
        run->since_us = now_us;
    }
}

/* A handler that ran when its process ended. */
static wh_result crash_result(const wh_pool_child *c, const wh_run *run, int status,
                              char *text, size_t size)
{
    char how[64];
    wh_result r = {
        .status = WH_RESULT_RETRY, .category = WH_ERRCLASS_CRASH, .delay_ms = -1};
    if (run->stop != WH_RUN_GOES_ON) {
        return wh_run_stopped_result(run, text, size);
    }
    wh_child_describe(status, how, sizeof how);
    bool by_us = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    switch (by_us ? c->fate : WH_POOL_FATE_NONE) { /* else it was faster than we */
    case WH_POOL_FATE_CLOSED:
    case WH_POOL_FATE_PROTOCOL:
        (void)snprintf(text, size, "protocol error: %s", c->why);
        break;
    case WH_POOL_FATE_STOPPED:
        (void)snprintf(text, size, "its process was killed: another job in it %s",
                       c->why);
        break;
    case WH_POOL_FATE_MEMORY:
    case WH_POOL_FATE_LATE:
    case WH_POOL_FATE_REFUSED:
        (void)snprintf(text, size, "%s", c->why);
        break;
    case WH_POOL_FATE_NONE:
        (void)snprintf(text, size, "handler %s: %s",
                       WIFSIGNALED(status) ? "crashed" : "ended its process", how);
        break;
    }
    r.message = (wh_slice){text, strlen(text)};
    return r;
}

void wh_pool_jobs_bury(wh_pool_child *c, int status)
{
    char text[512];
    int64_t now_us = wh_clock_mono_us();
    wh_run_list list = c->runs;
    c->runs = (wh_run_list){0};
    while (list.first != NULL) {
        wh_run *run = list.first;
        wh_result r = {.status = WH_RESULT_RELEASED, .delay_ms = -1};
        wh_run_remove(&list, run);
        if (run->started_us > 0) {
            r = crash_result(c, run, status, text, sizeof text);
            r.context = wh_lines_tail(c->complained, WH_JOB_CONTEXT_MAX);
            r.run_us = now_us - run->started_us;
            learn(c->pool, r.run_us);
            c->pool->run_us = c->pool->run_us < CRASH_US ? CRASH_US : c->pool->run_us;
        } else if (run->stop != WH_RUN_GOES_ON) {
            r.status = WH_RESULT_CANCELLED;
        }
        report(c->pool, run, &r);
    }
}
