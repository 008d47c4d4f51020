/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One submitted job inside an executor, from submit to its on_result: where it is,
 * since when, and whether it was asked to stop. Plain data, used by pool and command.
 */
#ifndef WH_WORKER_EXECUTORS_RUN_H
#define WH_WORKER_EXECUTORS_RUN_H

#include "worker/executors/executor.h"

typedef enum wh_run_stop {
    WH_RUN_GOES_ON,
    WH_RUN_TIMED_OUT,
    WH_RUN_CANCELLED
} wh_run_stop;

typedef struct wh_run {
    wh_job *job;
    uint64_t seq;       /* in its child, from 1 */
    int64_t since_us;   /* waits for a child since then */
    int64_t started_us; /* 0: not started */
    int64_t kill_at_us; /* once asked to stop */
    int64_t timeout_ms; /* as its child was told, whatever is reloaded; <= 0 none */
    int64_t grace_ms;
    wh_run_stop stop;
    wh_result_status verdict; /* of one that ends without having started */
    bool announced;           /* on_started was sent */
    struct wh_run *prev, *next;
} wh_run;

typedef struct wh_run_list {
    wh_run *first, *last;
    unsigned count;
} wh_run_list;

/* NULL: out of memory. */
wh_run *wh_run_new(wh_job *job);
void wh_run_append(wh_run_list *list, wh_run *run);
void wh_run_prepend(wh_run_list *list, wh_run *run);
void wh_run_remove(wh_run_list *list, wh_run *run);
wh_run *wh_run_find(const wh_run_list *list, const wh_job *job);
wh_run *wh_run_find_seq(const wh_run_list *list, uint64_t seq);
void wh_run_clear(wh_run_list *list);
/* It is handed to a child: its time-out and grace are fixed from now on. */
void wh_run_set_limits(wh_run *run, const wh_handler_config *config);
/* INT64_MAX / 4 when it has no time-out. */
int64_t wh_run_timeout_us(const wh_run *run);
/* At most max bytes of s, not in the middle of a character. */
wh_slice wh_run_cut(wh_slice s, size_t max);
/* A copy that is cut to fit. */
void wh_run_copy(char *out, size_t size, const char *s);
/* What the callback gets when a handler was asked to stop and did not succeed first. */
wh_result wh_run_stopped_result(const wh_run *run, char *text, size_t size);

#endif
