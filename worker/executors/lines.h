/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a child prints, as lines: cut at 4 KiB, at most 100 a second (what is left out
 * is counted and said), the last bytes kept for an error message. The pipe is always
 * read, so a child that floods its output neither blocks nor costs memory.
 */
#ifndef WH_WORKER_EXECUTORS_LINES_H
#define WH_WORKER_EXECUTORS_LINES_H

#include "common/base/err.h"
#include "common/io/loop.h"
#include "common/job/job.h"

#define WH_LINES_LENGTH_MAX 4096
#define WH_LINES_PER_SECOND 100
#define WH_LINES_TAIL_MAX 4096

typedef struct wh_lines wh_lines;

/* job: whose line it is where that is known (wh_lines_push), else NULL. */
typedef void wh_lines_fn(void *arg, wh_job *job, wh_slice line);

/* Takes fd (non-blocking), also when it fails. */
wh_err wh_lines_new(wh_loop *loop, int fd, wh_lines_fn *on_line, void *arg,
                    wh_lines **out) WH_MUSTCHECK;
void wh_lines_free(wh_lines *l);
/* Reads what is there now. */
void wh_lines_drain(wh_lines *l);
/* Ends an unfinished last line: the child is gone. */
void wh_lines_flush(wh_lines *l);
/* A line from elsewhere (a log message) through the same limits. */
void wh_lines_push(wh_lines *l, wh_job *job, wh_slice line);
/* The last bytes at most `max`, from the start of a character; valid until the next call. */
wh_slice wh_lines_tail(wh_lines *l, size_t max);
void wh_lines_forget(wh_lines *l);

#endif
