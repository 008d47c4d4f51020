/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table. Order is the order of --help.
 */
#include "scheduler/options.h"

#include "common/io/http.h"
#include "common/job/job.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(wh_scheduler_config, field)

wh_err wh_options_scheduler_partition(const char *text, char key[WH_KEYS_PARTITION_MAX],
                                      wh_errbuf *eb)
{
    const char *colon = strchr(text, ':');
    char region[WH_JOB_NAME_MAX + 1] = "";
    wh_errbuf why = {0};
    if (!colon || (size_t)(colon - text) >= sizeof region)
        return wh_err_set(eb, WH_ECONFIG,
                          "\"%.140s\" is no partition; write region:queue", text);
    memcpy(region, text, (size_t)(colon - text));
    if (wh_keys_partition(region, colon + 1, key, &why))
        return wh_err_set(eb, WH_ECONFIG, "\"%.140s\": %s", text, why.text);
    return WH_OK;
}

static wh_err check_partition(const char *text, wh_errbuf *eb)
{
    char key[WH_KEYS_PARTITION_MAX];
    return wh_options_scheduler_partition(text, key, eb);
}

static const wh_opt opts[] = {
    {.name = "name",
     .type = WH_OPT_STRING,
     .offset = AT(name),
     .max = 64,
     .help = "name of this scheduler in logs; default: the host's"},
    {.name = "partitions",
     .type = WH_OPT_LIST,
     .offset = AT(partitions),
     .unit = "region:queue,…",
     .check = check_partition,
     .help = "partitions to serve besides those that workers registered"},
    {.name = "promote.interval",
     .type = WH_OPT_DURATION,
     .offset = AT(promote_ms),
     .dflt = "1s",
     .min = 10,
     .max = 60000,
     .help = "longest time between two looks at delayed jobs; usually it wakes exactly "
             "when one is due"},
    {.name = "recover.interval",
     .type = WH_OPT_DURATION,
     .offset = AT(recover_ms),
     .dflt = "1s",
     .min = 10,
     .max = 60000,
     .help = "longest time between two looks for workers whose lease ran out"},
    {.name = "trim.interval",
     .type = WH_OPT_DURATION,
     .offset = AT(trim_ms),
     .dflt = "10s",
     .min = 100,
     .max = 3600000,
     .help = "time between two trims of finished jobs"},
    {.name = "gauges.interval",
     .type = WH_OPT_DURATION,
     .offset = AT(gauges_ms),
     .dflt = "5s",
     .min = 100,
     .max = 3600000,
     .help = "age of the figures per queue in /metrics"},
    {.name = "discover.interval",
     .type = WH_OPT_DURATION,
     .offset = AT(discover_ms),
     .dflt = "2s",
     .min = 100,
     .max = 3600000,
     .help = "time between two looks for new partitions"},
    {.name = "batch",
     .type = WH_OPT_INT,
     .offset = AT(batch),
     .dflt = "500",
     .min = 1,
     .max = 1000,
     .help = "most jobs that one call moves"},
    {.name = "metrics.listen",
     .type = WH_OPT_STRING,
     .offset = AT(metrics_listen),
     .dflt = "127.0.0.1:9395",
     .unit = "address:port",
     .check = wh_http_listen_check,
     .help = "/metrics, /livez, /readyz; port 0 picks one; empty: none"},
};

static const wh_opt_group groups[] = {
    {.opts = wh_redis_options_rows,
     .n_opts = WH_REDIS_OPTIONS_COUNT,
     .offset = AT(redis)},
    {.opts = opts, .n_opts = sizeof opts / sizeof opts[0]},
    {.opts = wh_log_options_rows, .n_opts = WH_LOG_OPTIONS_COUNT, .offset = AT(log)},
};

const wh_opt_table wh_options_scheduler = {
    .program = "wherry-scheduler",
    .synopsis = "[options]",
    .examples = "  wherry-scheduler\n"
                "  wherry-scheduler --redis-url redis://redis:6379/0\n"
                "  wherry-scheduler -c scheduler.yaml --log-level debug\n",
    .about = "Keeps time for the fleet: promotes delayed jobs, recovers those of lost "
             "workers, expires and trims. Any number may run; none is needed for "
             "correctness.",
    .groups = groups,
    .n_groups = sizeof groups / sizeof groups[0],
    .size = sizeof(wh_scheduler_config),
};

wh_err wh_options_scheduler_check(const wh_scheduler_config *c, wh_errbuf *eb)
{
    return wh_redis_options_check(&c->redis, eb);
}
