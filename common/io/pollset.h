/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One descriptor that stands for a whole loop, for programs that have a loop of their
 * own: an epoll set that mirrors what the loop waits for at the moment. It becomes
 * readable when the loop has something to do; poll it no longer than the time that
 * _update gives, then turn the loop.
 */
#ifndef WH_COMMON_IO_POLLSET_H
#define WH_COMMON_IO_POLLSET_H

#include "common/base/err.h"
#include "common/io/loop.h"

#include <stdint.h>

typedef struct wh_pollset wh_pollset;

wh_err wh_pollset_new(wh_loop *l, wh_pollset **out, wh_errbuf *eb) WH_MUSTCHECK;
void wh_pollset_free(wh_pollset *p);
/* Stays the same for the life of the set. */
int wh_pollset_fd(const wh_pollset *p);
/* Brings the set up to date; to be called before each wait. *timeout_ms: how long to
 * wait at most (0 to 1,000). */
wh_err wh_pollset_update(wh_pollset *p, int64_t *timeout_ms) WH_MUSTCHECK;

#endif
