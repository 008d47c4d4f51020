/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executor under test with real children: a loop, a configuration, jobs, and a
 * record of all that it called back. Programs and plug-ins come from the build folder.
 */
#ifndef WH_TESTS_SUPPORT_EXECUTOR_CASE_H
#define WH_TESTS_SUPPORT_EXECUTOR_CASE_H

#include "common/base/buf.h"
#include "common/io/loop.h"
#include "worker/executors/executor.h"

#define WH_EXECUTOR_CASE_JOBS 2048

/* What became of one job. */
typedef struct wh_executor_case_end {
    unsigned results; /* exactly 1 in the end */
    wh_result_status status;
    wh_errclass category;
    int64_t delay_ms, run_us;
    char message[1100], context[4200], result[1024];
    size_t result_len;
    bool started;
    int percent;
} wh_executor_case_end;

typedef struct wh_executor_case {
    wh_loop *loop;
    wh_executor *executor;
    wh_handler_config config;
    char run[4096];
    wh_job *jobs[WH_EXECUTOR_CASE_JOBS];
    wh_executor_case_end ends[WH_EXECUTOR_CASE_JOBS];
    unsigned n_jobs, n_ended, n_capacity;
    unsigned slots;
    bool in_submit; /* a callback now is a fault */
    wh_buf log;     /* lines, each with a line break */
    unsigned n_lines;
} wh_executor_case;

/* Defaults: 10 s time-out, 200 ms grace, one process, 4 slots. Change c->config, then
 * _create. */
void wh_executor_case_open(wh_executor_case *c);
/* c->run is set already, "native:…". */
wh_err wh_executor_case_create(wh_executor_case *c, const char *type, wh_errbuf *eb);
/* Frees everything. */
void wh_executor_case_close(wh_executor_case *c);

/* "native:<build>/lib/wherry/<file>" and the like. */
void wh_executor_case_native(wh_executor_case *c, const char *file);
/* Makes a job and returns its number. */
unsigned wh_executor_case_job(wh_executor_case *c, const char *type,
                              const char *payload);
/* Waits for capacity and submits jobs first … first + n - 1. */
void wh_executor_case_submit(wh_executor_case *c, unsigned first, unsigned n);
/* Makes, submits, waits; the number. */
unsigned wh_executor_case_run(wh_executor_case *c, const char *type,
                              const char *payload);
void wh_executor_case_wait(wh_executor_case *c, unsigned job);
wh_executor_stats wh_executor_case_stats(const wh_executor_case *c);

#endif
