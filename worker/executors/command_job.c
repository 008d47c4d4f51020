/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipes and the verdict of one command process. Nothing blocks: the payload is
 * written as the process reads it (a process that does not read it is fine), output
 * over the limit is read and thrown away, so that the program can finish its work.
 */
#include "worker/executors/command_job.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "worker/executors/fds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE ((size_t)16 * 1024)
#define READS_PER_TURN 8
#define READS_OF_THE_DEAD 64
#define MESSAGE_TAIL 1024

/* -------------------------------------------------------------- environment */

static wh_err set_slice(wh_environ *e, const char *name, wh_slice s)
{
    return wh_environ_set(e, name, s.p != NULL ? s.p : "", s.n);
}

static wh_err set_text(wh_environ *e, const char *name, const char *s)
{
    return set_slice(e, name, (wh_slice){s, s != NULL ? strlen(s) : 0});
}

static wh_err set_number(wh_environ *e, const char *name, uint64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, v);
    return set_text(e, name, text);
}

static wh_err set_claim(wh_environ *e, const wh_command_plan *plan, const wh_run *run)
{
    const wh_job *job = run->job;
    int64_t timeout_us = wh_run_timeout_us(run);
    int64_t attempts = wh_executor_attempts(plan->config, job);
    char id[WH_UUID_TEXT + 1];
    wh_rng_uuid_format(job->id, id);
    const wh_err errors[] = {
        set_text(e, "WHERRY_JOB_ID", id),
        set_number(e, "WHERRY_ATTEMPT",
                   (uint64_t)(job->attempt > 0 ? job->attempt : 0)),
        set_number(e, "WHERRY_FENCE", job->fence),
        set_text(e, "WHERRY_TYPE", job->type),
        set_text(e, "WHERRY_ORG", job->org),
        set_text(e, "WHERRY_QUEUE", job->queue),
        set_text(e, "WHERRY_REGION", job->region != NULL ? job->region : plan->region),
        set_number(e, "WHERRY_DEADLINE_MS", (uint64_t)timeout_us / 1000),
        set_number(e, "WHERRY_MAX_ATTEMPTS", (uint64_t)(attempts > 0 ? attempts : 0)),
        set_slice(e, "WHERRY_TRACEPARENT", job->traceparent),
        set_slice(e, "WHERRY_ENTITY_TYPE", job->entity_type),
        set_slice(e, "WHERRY_ENTITY_ID", job->entity_id),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i] != WH_OK) {
            return errors[i];
        }
    }
    return WH_OK;
}

/* -------------------------------------------------------------------- pipes */

static void close_input(wh_command_job *j)
{
    wh_watch_free(j->writer);
    j->writer = NULL;
    wh_fds_close(&j->in_fd);
}

static void write_payload(wh_command_job *j)
{
    wh_slice payload = j->run->job->payload;
    while (j->in_sent < payload.n) {
        ssize_t n = write(j->in_fd, payload.p + j->in_sent, payload.n - j->in_sent);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            break; /* EPIPE: it does not want it */
        }
        j->in_sent += (size_t)n;
    }
    close_input(j);
}

static void on_writable(void *arg, unsigned events)
{
    (void)events;
    write_payload(arg);
}

static void take_output(wh_command_job *j, const char *p, size_t n)
{
    if (j->result.len + n > WH_JOB_RESULT_MAX) {
        j->is_oversize = true;
    } else if (!j->is_oversize) {
        wh_buf_add(&j->result, p, n);
    }
}

static void read_output(wh_command_job *j, int reads)
{
    char buf[READ_SIZE];
    while (reads-- > 0 && j->out_fd >= 0) {
        ssize_t n = read(j->out_fd, buf, sizeof buf);
        if (n > 0) {
            take_output(j, buf, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else {
            wh_watch_free(j->reader);
            j->reader = NULL;
            wh_fds_close(&j->out_fd);
        }
    }
}

static void on_readable(void *arg, unsigned events)
{
    (void)events;
    read_output(arg, READS_PER_TURN);
}

static void on_line(void *arg, wh_job *job, wh_slice line)
{
    wh_command_job *j = arg;
    (void)job;
    j->plan->on_line(j->plan->arg, j->run->job, line);
}

static void on_exit_status(void *arg, int status)
{
    wh_command_job *j = arg;
    j->plan->on_exit(j->plan->arg, j, status);
}

/* -------------------------------------------------------------------- start */

static wh_err spawn(wh_command_job *j, const wh_child_fd *fds, wh_errbuf *eb)
{
    wh_environ env = {0};
    const char *dir = j->plan->config->dir;
    wh_err err = wh_environ_copy(j->plan->env, &env);
    if (err == WH_OK) {
        err = set_claim(&env, j->plan, j->run);
    }
    if (err != WH_OK) {
        (void)wh_err_set(eb, err, "out of memory");
        goto done;
    }
    const wh_child_options options = {
        .argv = j->plan->argv,
        .env = (const char *const *)env.items,
        .dir = dir != NULL && *dir != '\0' ? dir : NULL,
        .fds = fds,
        .n_fds = 3,
        .on_exit = on_exit_status,
        .arg = j,
    };
    err = wh_child_spawn(j->plan->loop, &options, &j->process, eb);
done:
    wh_environ_fini(&env);
    return err;
}

static wh_err watch(wh_command_job *j, int complaints_fd, wh_errbuf *eb)
{
    wh_loop *loop = j->plan->loop;
    wh_err err = wh_lines_new(loop, complaints_fd, on_line, j, &j->complained);
    if (err == WH_OK) {
        err = wh_watch_new(loop, j->out_fd, WH_WATCH_READ, on_readable, j, &j->reader);
    }
    if (err == WH_OK) {
        err = wh_watch_new(loop, j->in_fd, WH_WATCH_WRITE, on_writable, j, &j->writer);
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "can't watch a command's pipes");
    }
    write_payload(j);
    return WH_OK;
}

wh_err wh_command_job_start(const wh_command_plan *plan, wh_run *run,
                            wh_command_job **out, wh_errbuf *eb)
{
    wh_fds_pair in = {-1, -1};
    wh_fds_pair result = {-1, -1};
    wh_fds_pair complaints = {-1, -1};
    *out = NULL;
    wh_command_job *j = wh_calloc(1, sizeof *j);
    if (j == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    j->plan = plan;
    j->run = run;
    wh_run_set_limits(run, plan->config);
    wh_err err = wh_fds_pipe(false, &in, eb);
    if (err == WH_OK) {
        err = wh_fds_pipe(true, &result, eb);
    }
    if (err == WH_OK) {
        err = wh_fds_pipe(true, &complaints, eb);
    }
    j->in_fd = in.ours;
    j->out_fd = result.ours;
    if (err == WH_OK) {
        const wh_child_fd fds[] = {
            {in.theirs, 0}, {result.theirs, 1}, {complaints.theirs, 2}};
        err = spawn(j, fds, eb);
    }
    wh_fds_close(&in.theirs);
    wh_fds_close(&result.theirs);
    wh_fds_close(&complaints.theirs);
    if (err == WH_OK) {
        err = watch(j, complaints.ours, eb);
    } else {
        wh_fds_close(&complaints.ours);
    }
    if (err != WH_OK) {
        wh_command_job_free(j);
        return err;
    }
    run->started_us = wh_clock_mono_us();
    *out = j;
    return WH_OK;
}

void wh_command_job_free(wh_command_job *j)
{
    if (j == NULL) {
        return;
    }
    wh_child_free(j->process);
    close_input(j);
    wh_watch_free(j->reader);
    wh_fds_close(&j->out_fd);
    wh_lines_free(j->complained);
    wh_buf_fini(&j->result);
    wh_free(j);
}

/* ------------------------------------------------------------------ verdict */

static wh_result succeeded(const wh_command_job *j, char *text, size_t size)
{
    wh_result r = {.status = WH_RESULT_OK, .delay_ms = -1};
    if (j->is_oversize) {
        (void)snprintf(text, size, "the output has more than %d bytes",
                       WH_JOB_RESULT_MAX);
        r.status = WH_RESULT_FAIL;
        r.category = WH_ERRCLASS_OVERSIZE;
        r.message = (wh_slice){text, strlen(text)};
    } else if (j->result.failed) {
        r.status = WH_RESULT_RETRY;
        r.category = WH_ERRCLASS_UNAVAILABLE;
        r.message = (wh_slice){"no memory for the output", 24};
    } else {
        r.result = (wh_slice){wh_buf_str(&j->result), j->result.len};
    }
    return r;
}

static wh_result crashed(wh_command_job *j, int status, char *text, size_t size)
{
    char how[64];
    wh_result r = {
        .status = WH_RESULT_RETRY, .category = WH_ERRCLASS_CRASH, .delay_ms = -1};
    if (j->is_over_memory) {
        wh_run_copy(text, size, j->why);
    } else {
        wh_child_describe(status, how, sizeof how);
        (void)snprintf(text, size, "handler crashed: %s", how);
    }
    r.message = (wh_slice){text, strlen(text)};
    r.context = wh_lines_tail(j->complained, WH_JOB_CONTEXT_MAX);
    return r;
}

static wh_result failed(wh_command_job *j, int status, char *text, size_t size)
{
    wh_result r = {.status = WH_RESULT_RETRY, .delay_ms = -1};
    r.category = wh_errclass_of_exit(WEXITSTATUS(status));
    r.message = wh_lines_tail(j->complained, MESSAGE_TAIL);
    if (r.message.n == 0) {
        wh_child_describe(status, text, size);
        r.message = (wh_slice){text, strlen(text)};
    }
    return r;
}

wh_result wh_command_job_result(wh_command_job *j, int status, char *text, size_t size)
{
    wh_result r;
    wh_lines_drain(j->complained);
    wh_lines_flush(j->complained);
    read_output(j, READS_OF_THE_DEAD);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        r = succeeded(j, text, size);
    } else if (j->run->stop != WH_RUN_GOES_ON) {
        r = wh_run_stopped_result(j->run, text, size);
    } else if (WIFEXITED(status)) {
        r = failed(j, status, text, size);
    } else {
        r = crashed(j, status, text, size);
    }
    r.run_us = wh_clock_mono_us() - j->run->started_us;
    return r;
}
