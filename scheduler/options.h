/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's options: one table, from which the file, the environment, the command
 * line, --help and the options page come.
 */
#ifndef WH_SCHEDULER_OPTIONS_H
#define WH_SCHEDULER_OPTIONS_H

#include "common/base/conf_report.h"
#include "common/base/log_options.h"
#include "common/io/redis_options.h"
#include "common/store/keys.h"

#include <stdbool.h>
#include <stdint.h>

/* A declared schedule, as it is written. */
typedef struct wh_schedule_config {
    char *name, *partition, *expression, *zone, *type, *org, *group, *payload, *schema;
    int64_t priority, max_attempts, timeout_ms, jitter_ms, misfire_max;
    int misfire; /* a wh_schedule_misfire */
    bool paused;
} wh_schedule_config;

typedef struct wh_scheduler_config {
    wh_redis_options redis;
    char *name;
    wh_strlist partitions; /* "eu:default": besides those that workers registered */
    int64_t recover_ms, promote_ms, trim_ms, gauges_ms, discover_ms,
        cron_ms; /* longest pauses */
    int64_t batch;
    int64_t max_active_jobs_per_org; /* 0: no default cap */
    wh_conf_items schedules;         /* wh_schedule_config */
    char *schedule_set;
    wh_strlist schedule_set_was;
    char *metrics_listen;
    wh_log_options log;
} wh_scheduler_config;

extern const wh_opt_table wh_options_scheduler;

/* "eu:default" -> the key of the partition. WH_ECONFIG. */
wh_err wh_options_scheduler_partition(const char *text, char key[WH_KEYS_PARTITION_MAX],
                                      wh_errbuf *eb) WH_MUSTCHECK;
/* What the table can't check; each mistake, with its place, goes into the report, and the
 * first one into eb. WH_ECONFIG. */
wh_err wh_options_scheduler_check(const wh_conf *conf, wh_conf_report *report,
                                  wh_errbuf *eb) WH_MUSTCHECK;

#endif
