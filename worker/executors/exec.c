/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers in any language: a pool of programs that speak the exec protocol
 * (docs/handlers.md) on fds 3 (from us) and 4 (to us). A child says in its `ready` how
 * many jobs it runs at once; each has started when it is sent.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/executors/exec_frame.h"
#include "worker/executors/fds.h"
#include "worker/executors/pool.h"
#include "worker/executors/program.h"

#include <stdio.h>
#include <string.h>

#define READY_MS 10000
#define PING_US 10000000
#define PROGRESS_TEXT_MAX 256
#define NO_TIMEOUT_MS INT64_C(315360000000)

typedef struct exec_child {
    wh_exec_frame frame; /* its header was read */
    bool has_frame;
    size_t skipped; /* of a body that nobody wants */
    int64_t pinged_us;
    bool awaits_pong, is_reported;
} exec_child;

static exec_child *state_of(const wh_pool_child *c)
{
    return c->state;
}

/* ------------------------------------------------------------------ channel */

static void exec_close(wh_pool_child *c)
{
    exec_child *s = state_of(c);
    if (s != NULL) {
        wh_exec_frame_fini(&s->frame);
        wh_free(s);
        c->state = NULL;
    }
}

static wh_err exec_open(wh_pool_child *c, wh_child_fd *fds, size_t *n, wh_errbuf *eb)
{
    wh_fds_pair down = {-1, -1};
    wh_fds_pair up = {-1, -1};
    exec_child *s = wh_calloc(1, sizeof *s);
    c->state = s;
    if (s == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    s->pinged_us = wh_clock_mono_us();
    wh_err err = wh_fds_pipe(false, &down, eb);
    if (err == WH_OK) {
        err = wh_fds_pipe(true, &up, eb);
    }
    if (err != WH_OK) {
        wh_fds_close(&down.ours);
        wh_fds_close(&down.theirs);
        return err;
    }
    c->write_fd = down.ours;
    c->read_fd = up.ours;
    fds[(*n)++] = (wh_child_fd){down.theirs, 3};
    fds[(*n)++] = (wh_child_fd){up.theirs, 4};
    return WH_OK;
}

/* ------------------------------------------------------------------ to them */

static void exec_hello(wh_pool_child *c)
{
    wh_exec_frame_add_hello(&c->out, c->pool->worker, c->pool->config->name);
}

static void exec_write_job(wh_pool_child *c, const wh_run *run)
{
    int64_t timeout_ms = wh_run_timeout_us(run) / 1000;
    const wh_exec_frame_claim claim = {
        .region = c->pool->region,
        .deadline_ms = timeout_ms > NO_TIMEOUT_MS ? NO_TIMEOUT_MS : timeout_ms,
        .max_attempts = wh_executor_attempts(c->pool->config, run->job),
    };
    wh_exec_frame_add_job(&c->out, run->job, &claim);
}

static void exec_write_shutdown(wh_pool_child *c)
{
    wh_exec_frame_add_shutdown(&c->out, c->pool->config->grace_ms);
}

static void exec_ask_to_stop(wh_pool_child *c, const wh_run *run, const char *reason)
{
    wh_exec_frame_add_cancel(&c->out, run->job, reason);
}

/* ---------------------------------------------------------------- from them */

static wh_run *find(const wh_pool_child *c, const uint8_t *id)
{
    wh_run *run = c->runs.first;
    while (run != NULL && memcmp(run->job->id, id, WH_UUID_BYTES) != 0) {
        run = run->next;
    }
    return run;
}

static wh_err take_ready(wh_pool_child *c, const wh_exec_frame *f, wh_errbuf *eb)
{
    char why[96];
    if (c->at_once > 0) {
        return wh_err_set(eb, WH_EPROTO, "ready was said twice");
    }
    if (f->version != WH_EXEC_FRAME_VERSION) {
        (void)snprintf(why, sizeof why,
                       "it speaks version %lld of the exec protocol, this worker %d",
                       (long long)f->version, WH_EXEC_FRAME_VERSION);
        wh_pool_child_kill(c, WH_POOL_FATE_REFUSED, why);
        return WH_OK;
    }
    wh_pool_child_ready(c, (unsigned)f->concurrency);
    return WH_OK;
}

static wh_err take_result(wh_pool_child *c, const wh_exec_frame *f, wh_slice body,
                          wh_errbuf *eb)
{
    char text[96];
    wh_run *run = find(c, f->id);
    if (run == NULL) {
        return wh_err_set(eb, WH_EPROTO, "a result for a job that it does not have");
    }
    wh_result r = {
        .status = f->status,
        .category = f->category,
        .delay_ms = f->delay_ms,
        .message = f->message,
        .context = f->context,
        .run_us = wh_clock_mono_us() - run->started_us,
    };
    if (f->status == WH_RESULT_OK) {
        r.result = body;
    }
    if (f->status == WH_RESULT_OK && f->body_len > WH_JOB_RESULT_MAX) {
        int n = snprintf(text, sizeof text,
                         "the result has %zu bytes; at most %d are allowed",
                         f->body_len, WH_JOB_RESULT_MAX);
        r.status = WH_RESULT_FAIL;
        r.category = WH_ERRCLASS_OVERSIZE;
        r.message = (wh_slice){text, n > 0 ? (size_t)n : 0};
        r.result = (wh_slice){NULL, 0};
    }
    wh_pool_jobs_result(c, run, &r);
    return WH_OK;
}

/* News of a job that has just ended are no fault: threads are not that orderly. */
static void take_note(wh_pool_child *c, const wh_exec_frame *f)
{
    const wh_executor_events *events = &c->pool->events;
    const wh_run *run = find(c, f->id);
    if (run == NULL) {
        return;
    }
    if (f->op == WH_EXEC_FRAME_PROGRESS) {
        if (events->on_progress != NULL) {
            events->on_progress(events->arg, run->job, f->percent,
                                wh_run_cut(f->message, PROGRESS_TEXT_MAX));
        }
    } else if (events->on_log != NULL) {
        wh_lines_push(c->printed, run->job, wh_run_cut(f->message, WH_JOB_MESSAGE_MAX));
    }
}

static wh_err take_frame(wh_pool_child *c, const wh_exec_frame *f, wh_slice body,
                         wh_errbuf *eb)
{
    if (c->at_once == 0 && f->op != WH_EXEC_FRAME_READY &&
        f->op != WH_EXEC_FRAME_UNKNOWN) {
        return wh_err_set(eb, WH_EPROTO, "the first frame is not ready");
    }
    switch (f->op) {
    case WH_EXEC_FRAME_READY:
        return take_ready(c, f, eb);
    case WH_EXEC_FRAME_RESULT:
        return take_result(c, f, body, eb);
    case WH_EXEC_FRAME_PROGRESS:
    case WH_EXEC_FRAME_LOG:
        take_note(c, f);
        return WH_OK;
    case WH_EXEC_FRAME_PONG:
        state_of(c)->awaits_pong = false;
        return WH_OK;
    case WH_EXEC_FRAME_BUSY:
        wh_pool_child_busy(c, f->for_ms);
        return WH_OK;
    case WH_EXEC_FRAME_UNKNOWN:
        return WH_OK;
    }
    return WH_OK;
}

/* A body is either wanted and at most a result long, or skipped as it comes. False:
 * more of it is to come. */
static bool take_body(wh_pool_child *c, wh_slice *body)
{
    exec_child *s = state_of(c);
    size_t len = s->frame.body_len;
    size_t there = c->in.len - c->in_used;
    *body = (wh_slice){NULL, 0};
    if (s->frame.op == WH_EXEC_FRAME_RESULT && len <= WH_JOB_RESULT_MAX) {
        if (there < len) {
            return false;
        }
        *body = (wh_slice){wh_buf_str(&c->in) + c->in_used, len};
        c->in_used += len;
        return true;
    }
    size_t skip = len - s->skipped < there ? len - s->skipped : there;
    c->in_used += skip;
    s->skipped += skip;
    return s->skipped == len;
}

static wh_err exec_parse(wh_pool_child *c, wh_errbuf *eb)
{
    exec_child *s = state_of(c);
    wh_err err = WH_OK;
    while (err == WH_OK) {
        size_t used = 0;
        wh_slice body;
        if (!s->has_frame) {
            err = wh_exec_frame_parse(wh_buf_str(&c->in) + c->in_used,
                                      c->in.len - c->in_used, &s->frame, &used, eb);
            if (err != WH_OK || used == 0) {
                return err;
            }
            s->has_frame = true;
            s->skipped = 0;
            c->in_used += used;
        }
        if (!take_body(c, &body)) {
            return WH_OK;
        }
        err = take_frame(c, &s->frame, body, eb);
        wh_exec_frame_fini(&s->frame);
        s->has_frame = false;
    }
    return err;
}

/* A child that does not answer may just have a handler that blocks: that is logged,
 * and its jobs' time-outs decide. */
static wh_err exec_look(wh_pool_child *c, wh_errbuf *eb)
{
    exec_child *s = state_of(c);
    int64_t now_us = wh_clock_mono_us();
    (void)eb;
    if (c->at_once == 0 || c->told_to_end || now_us - s->pinged_us < PING_US) {
        return WH_OK;
    }
    s->pinged_us = now_us;
    if (!s->awaits_pong) {
        s->awaits_pong = true;
        s->is_reported = false;
        wh_exec_frame_add_ping(&c->out);
        wh_pool_child_flush(c);
    } else if (!s->is_reported) {
        s->is_reported = true;
        WH_LOG_LIMITED(INFO, 6, "handler.no_pong",
                       WH_F_STR("handler", c->pool->config->name),
                       WH_F_INT("pid", wh_child_pid(c->process)));
    }
    return WH_OK;
}

/* ----------------------------------------------------------------- creation */

static const wh_pool_driver exec_driver = {
    .ready_ms = READY_MS,
    .open = exec_open,
    .close = exec_close,
    .hello = exec_hello,
    .write_job = exec_write_job,
    .write_shutdown = exec_write_shutdown,
    .ask_to_stop = exec_ask_to_stop,
    .parse = exec_parse,
    .look = exec_look,
};

static wh_err exec_create(const wh_executor_setup *s, wh_executor **out, wh_errbuf *eb)
{
    const char *line = NULL;
    wh_pool *pool = NULL;
    *out = NULL;
    if (wh_executor_kind_of(s->config->run, &line, eb) != &wh_exec_kind) {
        return WH_ECONFIG;
    }
    wh_err err = wh_program_dir(s->config->dir, eb);
    if (err == WH_OK) {
        err = wh_pool_new(s, &wh_exec_kind, &exec_driver, &pool, eb);
    }
    if (err != WH_OK) {
        return err;
    }
    err = wh_program_command(line, &pool->env, s->config->dir, &pool->argv, eb);
    if (err != WH_OK) {
        wh_pool_free(&pool->base);
        return err;
    }
    wh_pool_child_ensure(pool); /* whether it works is known when it says ready */
    *out = &pool->base;
    return WH_OK;
}

const wh_executor_kind wh_exec_kind = {
    .name = "exec",
    .create = exec_create,
    .capacity = wh_pool_capacity,
    .submit = wh_pool_submit,
    .cancel = wh_pool_cancel,
    .drain = wh_pool_drain,
    .stats = wh_pool_stats,
    .free = wh_pool_free,
    .set_slots = wh_pool_set_slots,
    .busy_until_us = wh_pool_busy_until,
    .memory = wh_pool_memory,
    .shed = wh_pool_shed,
};
