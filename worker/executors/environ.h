/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of children: ours without the worker's own configuration and
 * credentials (every WHERRY_*, REDIS_URL, REDIS_PASSWORD, REDISCLI_AUTH), then
 * WHERRY_WORKER and WHERRY_REGION, then what the handler's configuration adds.
 */
#ifndef WH_WORKER_EXECUTORS_ENVIRON_H
#define WH_WORKER_EXECUTORS_ENVIRON_H

#include "worker/executors/executor.h"

/* A growing NULL-terminated list of NAME=VALUE. Zero-initialised is valid and empty. */
typedef struct wh_environ {
    char **items; /* owned */
    size_t count, cap;
} wh_environ;

/* WH_ECONFIG when an entry of the configuration is not NAME=VALUE. */
wh_err wh_environ_init(wh_environ *e, const wh_executor_setup *s,
                       wh_errbuf *eb) WH_MUSTCHECK;
void wh_environ_fini(wh_environ *e);
/* Is it NAME=VALUE? */
bool wh_environ_is_variable(const char *item);
/* Replaces NAME if it is there. */
wh_err wh_environ_set(wh_environ *e, const char *name, const char *value,
                      size_t n) WH_MUSTCHECK;
/* NULL when absent. */
const char *wh_environ_get(const wh_environ *e, const char *name);
wh_err wh_environ_copy(const wh_environ *from, wh_environ *to) WH_MUSTCHECK;

#endif
