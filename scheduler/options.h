/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's options: one table, from which the file, the environment, the command
 * line, --help and the options page come.
 */
#ifndef WH_SCHEDULER_OPTIONS_H
#define WH_SCHEDULER_OPTIONS_H

#include "common/base/conf.h"

#include <stdint.h>

typedef struct wh_scheduler_config {
    char *redis_url, *redis_user, *redis_password, *redis_ca_file, *redis_cert_file,
        *redis_key_file;
    int64_t redis_timeout_ms;
    char *name;
    wh_strlist partitions; /* "eu:default": besides those that workers registered */
    int64_t recover_ms, promote_ms, trim_ms, gauges_ms,
        discover_ms; /* longest pauses */
    int64_t batch;
    char *metrics_listen;
    int log_level, log_format;
} wh_scheduler_config;

extern const wh_opt_table wh_options_scheduler;

#endif
