/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher's part, played for tests of executors. Every broken promise of the
 * interface (a second result, a result inside submit) fails the test at once.
 */
#include "tests/support/executor_case.h"

#include "common/io/child.h"
#include "tests/support/loop_wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned number_of(const wh_executor_case *c, const wh_job *job)
{
    for (unsigned i = 0; i < c->n_jobs; i++) {
        if (c->jobs[i] == job) {
            return i;
        }
    }
    fail_msg("a callback for a job that nobody submitted");
    return 0;
}

static void copy(char *to, size_t size, wh_slice s)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;
    if (n > 0) {
        memcpy(to, s.p, n);
    }
    to[n] = '\0';
}

static void on_result(void *arg, wh_job *job, const wh_result *r)
{
    wh_executor_case *c = arg;
    wh_executor_case_end *e = &c->ends[number_of(c, job)];
    assert_false(c->in_submit);
    assert_int_equal(e->results, 0);
    e->results++;
    e->status = r->status;
    e->category = r->category;
    e->delay_ms = r->delay_ms;
    e->run_us = r->run_us;
    copy(e->message, sizeof e->message, r->message);
    copy(e->context, sizeof e->context, r->context);
    copy(e->result, sizeof e->result, r->result);
    e->result_len = r->result.n;
    c->n_ended++;
}

static void on_started(void *arg, wh_job *job)
{
    wh_executor_case *c = arg;
    c->ends[number_of(c, job)].started = true;
}

static void on_progress(void *arg, wh_job *job, int percent, wh_slice message)
{
    wh_executor_case *c = arg;
    (void)message;
    c->ends[number_of(c, job)].percent = percent;
}

static void on_log(void *arg, wh_job *job, wh_slice line)
{
    wh_executor_case *c = arg;
    if (job != NULL) {
        (void)number_of(c, job);
    }
    wh_buf_add(&c->log, line.p, line.n);
    wh_buf_addc(&c->log, '\n');
    c->n_lines++;
}

static void on_capacity(void *arg)
{
    wh_executor_case *c = arg;
    assert_false(c->in_submit);
    c->n_capacity++;
}

void wh_executor_case_open(wh_executor_case *c)
{
    memset(c, 0, sizeof *c);
    c->config.timeout_ms = 10000;
    c->config.grace_ms = 200;
    c->config.processes = 1;
    c->config.max_attempts = 5;
    c->config.run = c->run;
    c->slots = 4;
    assert_int_equal(wh_loop_new(&c->loop), WH_OK);
    assert_int_equal(wh_child_setup(c->loop, NULL), WH_OK);
}

wh_err wh_executor_case_create(wh_executor_case *c, const char *type, wh_errbuf *eb)
{
    static char name[WH_JOB_NAME_MAX + 1];
    char program[4096];
    const char *rest = NULL;
    const char *build = getenv("WH_BUILD_DIR");
    const wh_executor_events events = {on_result, on_started,  on_progress,
                                       on_log,    on_capacity, c};
    (void)snprintf(name, sizeof name, "%s", type);
    (void)snprintf(program, sizeof program, "%s/bin/wherry-executor",
                   build != NULL ? build : ".");
    c->config.name = name;
    const wh_executor_setup setup = {.loop = c->loop,
                                     .config = &c->config,
                                     .events = &events,
                                     .worker = "w1",
                                     .region = "eu",
                                     .executor_program = program,
                                     .slots = c->slots};
    const wh_executor_kind *kind = wh_executor_kind_of(c->run, &rest, eb);
    return kind == NULL ? WH_ECONFIG : kind->create(&setup, &c->executor, eb);
}

void wh_executor_case_close(wh_executor_case *c)
{
    if (c->executor != NULL) {
        c->executor->kind->free(c->executor);
    }
    wh_loop_free(c->loop);
    for (unsigned i = 0; i < c->n_jobs; i++) {
        free(c->jobs[i]);
    }
    wh_buf_fini(&c->log);
}

void wh_executor_case_native(wh_executor_case *c, const char *file)
{
    const char *build = getenv("WH_BUILD_DIR");
    (void)snprintf(c->run, sizeof c->run, "native:%s/lib/wherry/%s",
                   build != NULL ? build : ".", file);
}

unsigned wh_executor_case_job(wh_executor_case *c, const char *type,
                              const char *payload)
{
    unsigned number = c->n_jobs++;
    size_t n = strlen(payload);
    assert_true(number < WH_EXECUTOR_CASE_JOBS);
    wh_job *job = calloc(1, sizeof *job + n + 1);
    assert_non_null(job);
    char *bytes = (char *)(job + 1);
    memcpy(bytes, payload, n + 1);
    job->payload = (wh_slice){bytes, n};
    job->id[14] = (uint8_t)(number >> 8U);
    job->id[15] = (uint8_t)number;
    job->attempt = 1;
    job->fence = number + 1;
    job->queue = "default";
    job->region = "eu";
    (void)snprintf(job->type, sizeof job->type, "%s", type);
    (void)snprintf(job->org, sizeof job->org, "acme");
    c->jobs[number] = job;
    return number;
}

void wh_executor_case_submit(wh_executor_case *c, unsigned first, unsigned n)
{
    const wh_executor_kind *kind = c->executor->kind;
    WH_WAIT_FOR(c->loop, kind->capacity(c->executor) >= n);
    c->in_submit = true;
    assert_int_equal(kind->submit(c->executor, &c->jobs[first], n), WH_OK);
    c->in_submit = false;
}

void wh_executor_case_wait(wh_executor_case *c, unsigned job)
{
    WH_WAIT_FOR(c->loop, c->ends[job].results > 0);
}

unsigned wh_executor_case_run(wh_executor_case *c, const char *type,
                              const char *payload)
{
    unsigned job = wh_executor_case_job(c, type, payload);
    wh_executor_case_submit(c, job, 1);
    wh_executor_case_wait(c, job);
    return job;
}

wh_executor_stats wh_executor_case_stats(const wh_executor_case *c)
{
    wh_executor_stats stats;
    c->executor->kind->stats(c->executor, &stats);
    return stats;
}
