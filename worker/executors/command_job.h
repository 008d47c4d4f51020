/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job of a command handler: a process with the payload on stdin, its output as
 * result, its complaints as error message. Made and watched by command.c.
 */
#ifndef WH_WORKER_EXECUTORS_COMMAND_JOB_H
#define WH_WORKER_EXECUTORS_COMMAND_JOB_H

#include "common/base/buf.h"
#include "common/io/child.h"
#include "worker/executors/environ.h"
#include "worker/executors/lines.h"
#include "worker/executors/run.h"

typedef struct wh_command_job wh_command_job;

typedef struct wh_command_plan {
    wh_loop *loop;
    const wh_handler_config *config;
    const char *const *argv;
    const wh_environ *env;
    const char *region; /* for jobs that carry none */
    void (*on_line)(void *arg, wh_job *job, wh_slice line);
    void (*on_exit)(void *arg, wh_command_job *j, int status);
    void *arg;
} wh_command_plan;

struct wh_command_job {
    const wh_command_plan *plan;
    wh_command_job *next;
    wh_run *run; /* the owner's */
    wh_child *process;
    int in_fd, out_fd;
    wh_watch *writer, *reader;
    size_t in_sent;
    wh_buf result;
    bool is_oversize;
    bool is_over_memory, is_killed;
    char why[128]; /* when over memory */
    wh_lines *complained;
};

/* Starts it. plan lives longer. */
wh_err wh_command_job_start(const wh_command_plan *plan, wh_run *run,
                            wh_command_job **out, wh_errbuf *eb) WH_MUSTCHECK;
void wh_command_job_free(wh_command_job *j);
/* The process has ended: takes the rest of its output and tells how it went. Texts
 * live as long as j and text. */
wh_result wh_command_job_result(wh_command_job *j, int status, char *text, size_t size);

#endif
