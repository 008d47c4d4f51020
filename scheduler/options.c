/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table. Order is the order of --help.
 */
#include "scheduler/options.h"

#include "common/io/http.h"
#include "common/job/job.h"
#include "scheduler/declared.h"

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
     .dflt = "5s",
     .min = 10,
     .max = 60000,
     .help = "longest time between two looks for workers whose lease ran out; usually "
             "it wakes exactly when the first one does"},
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
     .help = "longest time between two looks for new partitions; usually it wakes when "
             "one is registered"},
    {.name = "cron.interval",
     .type = WH_OPT_DURATION,
     .offset = AT(cron_ms),
     .dflt = "5s",
     .min = 100,
     .max = 3600000,
     .help = "longest time between two looks at schedules; usually it wakes exactly "
             "when one is due or changed"},
    {.name = "batch",
     .type = WH_OPT_INT,
     .offset = AT(batch),
     .dflt = "500",
     .min = 1,
     .max = 1000,
     .help = "most jobs that one call moves"},
    {.name = "max_active_jobs_per_org",
     .type = WH_OPT_INT,
     .offset = AT(max_active_jobs_per_org),
     .dflt = "0",
     .max = 1000000,
     .env = "MAX_ACTIVE_JOBS_PER_ORG",
     .help = "cap of jobs in flight for each org, set on partitions that have no "
             "active:org/* of their own; 0: none"},
    {.name = "schedule_set",
     .type = WH_OPT_STRING,
     .offset = AT(schedule_set),
     .dflt = "default",
     .min = 1,
     .max = 64,
     .flags = WH_OPT_RELOAD,
     .help = "name that the declared schedules are marked with; schedulers whose "
             "schedules differ need different ones"},
    {.name = "schedule_set_was",
     .type = WH_OPT_LIST,
     .offset = AT(schedule_set_was),
     .unit = "name,…",
     .flags = WH_OPT_RELOAD,
     .help = "former names of this set, or sets that it follows: what they declared "
             "is taken over where it is declared here; else a set never changes "
             "what another one declares"},
    {.name = "metrics.listen",
     .type = WH_OPT_STRING,
     .offset = AT(metrics_listen),
     .dflt = "127.0.0.1:9395",
     .unit = "address:port",
     .check = wh_http_listen_check,
     .help = "/metrics, /livez, /readyz; port 0 picks one; empty: none"},
};

#define IN(field) offsetof(wh_schedule_config, field)
#define ROW(n, t, f) .name = (n), .type = (t), .offset = IN(f), .flags = WH_OPT_RELOAD

static const wh_opt schedule_opts[] = {
    {ROW("expression", WH_OPT_STRING, expression), .max = 256, .unit = "cron",
     .help = "when, as in docs/cron.md; required"},
    {ROW("zone", WH_OPT_STRING, zone), .max = 64, .unit = "zone",
     .help = "time zone such as Europe/Berlin; default UTC"},
    {ROW("partition", WH_OPT_STRING, partition), .unit = "region:queue",
     .help = "where its jobs go; required"},
    {ROW("type", WH_OPT_STRING, type), .max = 64, .help = "type of its jobs; required"},
    {ROW("org", WH_OPT_STRING, org), .max = 64, .help = "whose jobs they are"},
    {ROW("group", WH_OPT_STRING, group), .max = 64, .help = "their group in the org"},
    {ROW("payload", WH_OPT_STRING, payload), .max = 65536, .help = "their payload"},
    {ROW("schema", WH_OPT_STRING, schema), .unit = "path",
     .help = "JSON Schema that the payload must fit, or the configuration is refused"},
    {ROW("priority", WH_OPT_INT, priority), .dflt = "-1", .min = -1, .max = 9,
     .help = "0 to 9, higher runs first; -1: the type's, else the queue's (limit "
             "priority:…), else 5"},
    {ROW("misfire", WH_OPT_ENUM, misfire), .dflt = "once", .choices = "once|skip|all",
     .help = "fire times that passed while no scheduler ran: one job for all of them, "
             "none, or one each"},
    {ROW("misfire_max", WH_OPT_INT, misfire_max), .dflt = "0", .max = 100,
     .help = "of misfire all: the latest that many; 0: 10"},
    {ROW("jitter", WH_OPT_DURATION, jitter_ms), .dflt = "0s", .max = 86400000,
     .help = "each job waits up to that much longer"},
    {ROW("timeout", WH_OPT_DURATION, timeout_ms), .dflt = "0s", .max = 604800000,
     .help = "longest run of one attempt; 0: the worker's"},
    {ROW("max_attempts", WH_OPT_INT, max_attempts), .dflt = "0", .max = 1000,
     .help = "attempts before it is dead; 0: the worker's"},
    {ROW("paused", WH_OPT_BOOL, paused), .dflt = "false", .help = "never fires"},
};

static const wh_opt_section sections[] = {
    {.name = "schedules",
     .offset = AT(schedules),
     .item_size = sizeof(wh_schedule_config),
     .opts = schedule_opts,
     .n_opts = sizeof schedule_opts / sizeof schedule_opts[0],
     .help =
         "cron schedules by name; set at the start and on SIGHUP, removed when they "
         "are no longer here",
     .example =
         "nightly: {expression: \"0 3 * * *\", partition: any:default, type: report}"},
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
             "workers, expires and trims, fires schedules. Any number may run; only "
             "schedules need one.",
    .groups = groups,
    .n_groups = sizeof groups / sizeof groups[0],
    .sections = sections,
    .n_sections = sizeof sections / sizeof sections[0],
    .size = sizeof(wh_scheduler_config),
};

/* What the table can't check, step by step; each schedule is one. */
enum { CHECK_REDIS, CHECK_SET, CHECK_SCHEDULES };

static wh_err check(const wh_scheduler_config *c, size_t step, wh_errbuf *eb)
{
    wh_scheduler_config one = *c;
    wh_declared declared = {0};
    if (step == CHECK_REDIS)
        return wh_redis_options_check(&c->redis, eb);
    one.schedules = (wh_conf_items){0};
    if (step >= CHECK_SCHEDULES) {
        wh_schedule_config *items = c->schedules.items;
        one.schedules = (wh_conf_items){&items[step - CHECK_SCHEDULES], 1};
    }
    wh_err err = wh_declared_load(&one, &declared, eb);
    wh_declared_fini(&declared);
    return err;
}

wh_err wh_options_scheduler_check(const wh_conf *conf, wh_conf_report *report,
                                  wh_errbuf *eb)
{
    const wh_scheduler_config *c = wh_conf_values(conf);
    wh_err first = WH_OK;
    for (size_t step = 0; step < CHECK_SCHEDULES + c->schedules.count; step++) {
        wh_errbuf why = {0};
        wh_err err = check(c, step, &why);
        if (!err)
            continue;
        wh_conf_blame(conf, &why, report);
        if (!first)
            *eb = why;
        first = first ? first : err;
        if (step == CHECK_SET) /* each schedule would say it again */
            break;
    }
    return first;
}
