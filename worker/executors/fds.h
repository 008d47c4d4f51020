/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file descriptors between the worker and a child: pairs with one non-blocking end
 * for us and one blocking end for the child, all CLOEXEC. -1 is "none" everywhere.
 */
#ifndef WH_WORKER_EXECUTORS_FDS_H
#define WH_WORKER_EXECUTORS_FDS_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct wh_fds_pair {
    int ours, theirs;
} wh_fds_pair;

/* A stream socket. */
wh_err wh_fds_socket(wh_fds_pair *out, wh_errbuf *eb) WH_MUSTCHECK;
/* A pipe that the child writes (to_us) or reads. */
wh_err wh_fds_pipe(bool to_us, wh_fds_pair *out, wh_errbuf *eb) WH_MUSTCHECK;
/* Shared memory of a size that neither side can change. */
wh_err wh_fds_memory(size_t size, int *out, wh_errbuf *eb) WH_MUSTCHECK;
/* Closes and forgets; -1 is fine. */
void wh_fds_close(int *fd);

#endif
