/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Last words of a crashing handler: a backtrace on stderr, which the worker keeps
 * with the failed attempt. The signal then ends the process as if nobody had caught it.
 */
#ifndef WH_WORKER_EXECUTORS_HOST_CRASH_H
#define WH_WORKER_EXECUTORS_HOST_CRASH_H

void wh_crash_install(void);

#endif
