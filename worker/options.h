/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the worker: the one option table, and the checks that no table can say.
 */
#ifndef WH_WORKER_OPTIONS_H
#define WH_WORKER_OPTIONS_H

#include "common/base/conf_report.h"
#include "common/base/log_options.h"
#include "common/io/redis_options.h"
#include "worker/executors/executor.h"

/* One item of `queues:`. name first: conf fills it. */
typedef struct wh_options_queue {
    char *name;
    double weight;
} wh_options_queue;

typedef struct wh_options {
    wh_redis_options redis;
    char *name;
    char *region;
    bool also_any;
    int order; /* wh_share_order */
    int64_t slots;
    bool claim_ahead;
    int64_t memory_limit;
    int64_t lease_ms, heartbeat_ms, drain_timeout_ms;
    char *executor;
    char *metrics_listen;
    wh_log_options log;
    wh_conf_items queues, handlers;
} wh_options;

extern const wh_opt_table wh_options_table;

/* What the table can't check: lease against heartbeat, options that go together.
 * WH_ECONFIG; the option's name comes first. */
wh_err wh_options_check(const wh_options *o, wh_errbuf *eb) WH_MUSTCHECK;
/* The same for all mistakes, each with its place in the report; eb has the first. What was
 * refused before is no part of it. */
wh_err wh_options_check_all(const wh_conf *conf, wh_conf_report *report,
                            wh_errbuf *eb) WH_MUSTCHECK;
/* The name, or the host's. */
void wh_options_name(const wh_options *o, char out[WH_JOB_NAME_MAX + 1]);
int64_t wh_options_heartbeat_ms(const wh_options *o);
/* The executor program: the option, or wherry-executor beside this program. */
wh_err wh_options_executor(const wh_options *o, char *out, size_t size) WH_MUSTCHECK;

size_t wh_options_queue_count(const wh_options *o);
/* The i-th queue; there is one at least, "default" when none is configured. */
wh_options_queue wh_options_queue_at(const wh_options *o, size_t i);

#endif
