/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host names to addresses without blocking the loop: getaddrinfo in a thread of its
 * own, so that nsswitch, /etc/hosts and search domains work as everywhere else.
 * Private to io; conn asks anew for every connection attempt.
 */
#ifndef WH_COMMON_IO_RESOLVE_H
#define WH_COMMON_IO_RESOLVE_H

#include "common/base/err.h"
#include "common/io/loop.h"

struct addrinfo;
typedef struct wh_resolve wh_resolve;

/* err WH_OK: list is valid during the call only. Otherwise why says what went wrong. */
typedef void wh_resolve_fn(void *arg, wh_err err, const struct addrinfo *list,
                           const char *why);

/* Calls back once, from the loop, unless freed before. Numeric hosts take no thread. */
wh_err wh_resolve_start(wh_loop *l, const char *host, int port, wh_resolve_fn *cb,
                        void *arg, wh_resolve **out) WH_MUSTCHECK;
/* Legal in the callback and before it; the thread ends by itself. */
void wh_resolve_free(wh_resolve *r);

#endif
