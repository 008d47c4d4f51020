/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory limit of a handler's process, with all that it started: over it a process is recycled when it
 * has no job, over twice that it is killed at once.
 */
#ifndef WH_WORKER_EXECUTORS_MEMORY_H
#define WH_WORKER_EXECUTORS_MEMORY_H

#include "common/io/child.h"

#define WH_MEMORY_CHECK_US 1000000

typedef enum wh_memory_verdict {
    WH_MEMORY_FINE,
    WH_MEMORY_RECYCLE,
    WH_MEMORY_KILL
} wh_memory_verdict;

/* text: the error message of the job when it says KILL. */
wh_memory_verdict wh_memory_check(const wh_child *process, int64_t limit, char *text,
                                  size_t size);

#endif
