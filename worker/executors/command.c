/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers that are started once per job. What is watched by time (time-outs, the kill
 * after the grace period, memory) is here; one process and its verdict are in
 * command_job.c.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/executors/command_job.h"
#include "worker/executors/memory.h"
#include "worker/executors/program.h"
#include "worker/executors/split.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TICK_MS 50
#define TICK_MIN_MS 5
#define FAILURES_UNHEALTHY 3
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 30000
#define TEXT_MAX 256

typedef struct command {
    wh_executor base; /* first */
    wh_executor_events events;
    wh_command_plan plan;
    char **argv;
    wh_environ env;
    char *region;
    unsigned most, running;
    wh_command_job *jobs;
    wh_run_list runs;    /* of jobs */
    wh_run_list settled; /* end without having run */
    wh_timer *tick, *settle, *pause;
    int64_t tick_due_us, memory_checked_us;
    unsigned failures; /* starts in a row that failed; no starts while pause runs */
    bool is_draining;
    uint64_t spawned, crashed, killed_timeout, killed_memory;
    char why[160];
} command;

static command *command_of(wh_executor *e)
{
    return (command *)(void *)e;
}

static const command *const_command_of(const wh_executor *e)
{
    return (const command *)(const void *)e;
}

static void announce(const command *c)
{
    if (c->events.on_capacity != NULL) {
        c->events.on_capacity(c->events.arg);
    }
}

/* --------------------------------------------------------------------- time */

static int64_t interval_ms(const command *c)
{
    int64_t ms = c->running > 0 ? TICK_MS : -1;
    int64_t now_us = wh_clock_mono_us();
    for (const wh_run *run = c->runs.first; run != NULL; run = run->next) {
        int64_t due_us = run->stop != WH_RUN_GOES_ON
                             ? run->kill_at_us
                             : run->started_us + wh_run_timeout_us(run);
        int64_t left_ms = (due_us - now_us) / 1000 + 1;
        ms = left_ms < ms ? left_ms : ms;
    }
    return ms >= 0 && ms < TICK_MIN_MS ? TICK_MIN_MS : ms;
}

static void start_tick(command *c)
{
    int64_t ms = interval_ms(c);
    int64_t due_us = wh_clock_mono_us() + ms * 1000;
    if (ms >= 0 && (!wh_timer_is_running(c->tick) ||
                    due_us + TICK_MIN_MS * 1000 < c->tick_due_us)) {
        c->tick_due_us = due_us;
        wh_timer_start(c->tick, ms);
    }
}

static void stop(command *c, wh_command_job *j, wh_run_stop why)
{
    if (j->run->stop == WH_RUN_GOES_ON) {
        j->run->stop = why;
        j->run->kill_at_us = wh_clock_mono_us() + j->run->grace_ms * 1000;
        wh_child_kill(j->process, SIGTERM);
        start_tick(c);
    }
}

static void watch_job(command *c, wh_command_job *j, int64_t now_us)
{
    wh_run *run = j->run;
    if (!run->announced) {
        run->announced = true;
        if (c->events.on_started != NULL) {
            c->events.on_started(c->events.arg, run->job);
        }
    }
    if (run->stop == WH_RUN_GOES_ON &&
        now_us - run->started_us >= wh_run_timeout_us(run)) {
        stop(c, j, WH_RUN_TIMED_OUT);
    }
    if (run->stop != WH_RUN_GOES_ON && now_us >= run->kill_at_us && !j->is_killed) {
        j->is_killed = true;
        c->killed_timeout += run->stop == WH_RUN_TIMED_OUT ? 1 : 0;
        wh_child_kill(j->process, SIGKILL);
    }
}

static void watch_memories(command *c, int64_t now_us)
{
    char text[TEXT_MAX];
    if (now_us - c->memory_checked_us < WH_MEMORY_CHECK_US) {
        return;
    }
    c->memory_checked_us = now_us;
    for (wh_command_job *j = c->jobs; j != NULL; j = j->next) {
        if (!j->is_killed && wh_memory_check(j->process, c->plan.config->memory_limit,
                                             text, sizeof text) == WH_MEMORY_KILL) {
            j->is_killed = j->is_over_memory = true;
            wh_run_copy(j->why, sizeof j->why, text);
            c->killed_memory++;
            wh_child_kill(j->process, SIGKILL);
        }
    }
}

static void on_tick(void *arg)
{
    command *c = arg;
    int64_t now_us = wh_clock_mono_us();
    for (wh_command_job *j = c->jobs; j != NULL; j = j->next) {
        watch_job(c, j, now_us);
    }
    watch_memories(c, now_us);
    start_tick(c);
}

/* --------------------------------------------------------------------- ends */

static void settle(command *c, wh_run *run, wh_result_status verdict)
{
    run->verdict = verdict;
    wh_run_append(&c->settled, run);
    wh_timer_start(c->settle, 0);
}

static void on_settle(void *arg)
{
    command *c = arg;
    wh_run_list list = c->settled;
    c->settled = (wh_run_list){0};
    while (list.first != NULL) {
        wh_run *run = list.first;
        wh_job *job = run->job;
        const wh_result r = {.status = run->verdict, .delay_ms = -1};
        wh_run_remove(&list, run);
        wh_free(run);
        c->events.on_result(c->events.arg, job, &r);
    }
    announce(c);
}

static void unlink_job(command *c, const wh_command_job *j)
{
    wh_command_job **at = &c->jobs;
    while (*at != NULL && *at != j) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = j->next;
        c->running--;
    }
}

static void on_exit_status(void *arg, wh_command_job *j, int status)
{
    char text[TEXT_MAX];
    command *c = arg;
    wh_run *run = j->run;
    wh_job *job = run->job;
    wh_result r = wh_command_job_result(j, status, text, sizeof text);
    r.message = wh_run_cut(r.message, WH_JOB_MESSAGE_MAX);
    r.context = wh_run_cut(r.context, WH_JOB_CONTEXT_MAX);
    if (r.category == WH_ERRCLASS_CRASH && !j->is_over_memory) {
        c->crashed++;
    }
    unlink_job(c, j);
    wh_run_remove(&c->runs, run);
    wh_free(run);
    c->events.on_result(c->events.arg, job, &r);
    wh_command_job_free(j);
    announce(c);
}

static void on_line(void *arg, wh_job *job, wh_slice line)
{
    const command *c = arg;
    if (c->events.on_log != NULL) {
        c->events.on_log(c->events.arg, job, line);
    }
}

/* ------------------------------------------------------------------- starts */

/* The system refuses processes for the moment: no claims for a while. */
static void start_failed(command *c, const char *why)
{
    int64_t ms = PAUSE_MIN_MS;
    wh_run_copy(c->why, sizeof c->why, why);
    c->failures++;
    for (unsigned i = 1; i < c->failures && ms < PAUSE_MAX_MS; i++) {
        ms *= 2;
    }
    wh_timer_start(c->pause, ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS);
    WH_LOG_LIMITED(WARN, 6, "handler.start_failed",
                   WH_F_STR("handler", c->plan.config->name), WH_F_STR("why", why),
                   WH_F_INT("failures", c->failures));
}

static void on_pause_over(void *arg)
{
    announce(arg);
}

static void start(command *c, wh_run *run)
{
    wh_errbuf eb = {0};
    wh_command_job *j = NULL;
    if (c->is_draining || wh_timer_is_running(c->pause)) {
        settle(c, run, WH_RESULT_RELEASED);
        return;
    }
    if (wh_command_job_start(&c->plan, run, &j, &eb) != WH_OK) {
        start_failed(c, eb.text);
        settle(c, run, WH_RESULT_RELEASED);
        return;
    }
    c->failures = 0;
    c->spawned++;
    c->running++;
    j->next = c->jobs;
    c->jobs = j;
    wh_run_append(&c->runs, run);
}

/* ---------------------------------------------------------------- interface */

static unsigned command_capacity(const wh_executor *e)
{
    const command *c = const_command_of(e);
    bool stopped = c->is_draining || wh_timer_is_running(c->pause);
    return stopped || c->running >= c->most ? 0 : c->most - c->running;
}

static wh_err command_submit(wh_executor *e, wh_job *const *jobs, unsigned n)
{
    command *c = command_of(e);
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
        start(c, run);
    }
    start_tick(c);
    return WH_OK;
}

static void command_cancel(wh_executor *e, wh_job *job, wh_cancel_reason why)
{
    command *c = command_of(e);
    (void)why;
    for (wh_command_job *j = c->jobs; j != NULL; j = j->next) {
        if (j->run->job == job) {
            stop(c, j, WH_RUN_CANCELLED);
            return;
        }
    }
}

static void command_drain(wh_executor *e)
{
    command_of(e)->is_draining = true;
}

static void command_stats(const wh_executor *e, wh_executor_stats *out)
{
    const command *c = const_command_of(e);
    *out = (wh_executor_stats){
        .children = c->running,
        .busy = c->running,
        .spawned = c->spawned,
        .crashed = c->crashed,
        .killed_timeout = c->killed_timeout,
        .killed_memory = c->killed_memory,
        .healthy = c->failures < FAILURES_UNHEALTHY,
    };
    if (!out->healthy) {
        wh_run_copy(out->why, sizeof out->why, c->why);
    }
}

static int64_t command_memory(const wh_executor *e)
{
    int64_t bytes = 0;
    for (const wh_command_job *j = const_command_of(e)->jobs; j != NULL; j = j->next) {
        int64_t rss = wh_child_rss(j->process);
        bytes += rss > 0 ? rss : 0;
    }
    return bytes;
}

static void command_set_slots(wh_executor *e, unsigned slots)
{
    command *c = command_of(e);
    unsigned before = c->most;
    c->most = wh_executor_most(c->plan.config, slots);
    if (c->most > before) {
        announce(c);
    }
}

static void command_free(wh_executor *e)
{
    if (e == NULL) {
        return;
    }
    command *c = command_of(e);
    while (c->jobs != NULL) {
        wh_command_job *j = c->jobs;
        c->jobs = j->next;
        wh_command_job_free(j);
    }
    wh_run_clear(&c->runs);
    wh_run_clear(&c->settled);
    wh_timer_free(c->tick);
    wh_timer_free(c->settle);
    wh_timer_free(c->pause);
    wh_environ_fini(&c->env);
    wh_split_free(c->argv);
    wh_free(c->region);
    wh_free(c);
}

static wh_err make_timers(command *c, wh_loop *loop)
{
    wh_err err = wh_timer_new(loop, on_tick, c, &c->tick);
    if (err == WH_OK) {
        err = wh_timer_new(loop, on_settle, c, &c->settle);
    }
    return err == WH_OK ? wh_timer_new(loop, on_pause_over, c, &c->pause) : err;
}

static wh_err command_create(const wh_executor_setup *s, wh_executor **out,
                             wh_errbuf *eb)
{
    const char *line = NULL;
    *out = NULL;
    if (wh_executor_kind_of(s->config->run, &line, eb) != &wh_command_kind) {
        return WH_ECONFIG;
    }
    wh_err err = wh_program_dir(s->config->dir, eb);
    if (err != WH_OK) {
        return err;
    }
    command *c = wh_calloc(1, sizeof *c);
    if (c == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    c->base.kind = &wh_command_kind;
    c->events = *s->events;
    c->most = wh_executor_most(s->config, s->slots);
    c->region = wh_strdup(s->region != NULL ? s->region : "");
    if (c->region == NULL || make_timers(c, s->loop) != WH_OK) {
        err = wh_err_set(eb, WH_ENOMEM, "out of memory");
        goto fail;
    }
    err = wh_environ_init(&c->env, s, eb);
    if (err == WH_OK) {
        err = wh_program_command(line, &c->env, s->config->dir, &c->argv, eb);
    }
    if (err != WH_OK) {
        goto fail;
    }
    c->plan = (wh_command_plan){.loop = s->loop,
                                .config = s->config,
                                .argv = (const char *const *)c->argv,
                                .env = &c->env,
                                .region = c->region,
                                .on_line = on_line,
                                .on_exit = on_exit_status,
                                .arg = c};
    *out = &c->base;
    return WH_OK;
fail:
    command_free(&c->base);
    return err;
}

const wh_executor_kind wh_command_kind = {
    .name = "command",
    .create = command_create,
    .capacity = command_capacity,
    .submit = command_submit,
    .cancel = command_cancel,
    .drain = command_drain,
    .stats = command_stats,
    .free = command_free,
    .set_slots = command_set_slots,
    .memory = command_memory,
};
