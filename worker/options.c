/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the worker, and the checks of single values. Order is the order of
 * --help.
 */
#include "worker/options.h"

#include "common/io/http.h"
#include "common/job/payload.h"
#include "worker/executors/environ.h"

#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(wh_options, field)
#define IN(field) offsetof(wh_handler_config, field)

static wh_err check_name(const char *text, wh_errbuf *eb)
{
    if (wh_job_name_ok(text, strlen(text))) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_ECONFIG,
                      "\"%.64s\" is no name; use 1 to 64 of A-Z a-z 0-9 _ . -", text);
}

/* Empty: the host's. */
static wh_err check_own_name(const char *text, wh_errbuf *eb)
{
    return text[0] == '\0' ? WH_OK : check_name(text, eb);
}

static wh_err check_type(const char *text, wh_errbuf *eb)
{
    if (strcmp(text, "*") == 0 || wh_job_name_ok(text, strlen(text))) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_ECONFIG,
                      "\"%.64s\": a job type is 1 to 64 of A-Z a-z 0-9 _ . -, or \"*\"",
                      text);
}

static wh_err check_run(const char *text, wh_errbuf *eb)
{
    const char *rest = NULL;

    return wh_executor_kind_of(text, &rest, eb) != NULL ? WH_OK : WH_ECONFIG;
}

static wh_err check_retry(const char *text, wh_errbuf *eb)
{
    wh_retry_policy policy;

    wh_retry_default(&policy);
    return text[0] == '\0' || wh_retry_parse(text, &policy, eb) == WH_OK ? WH_OK
                                                                         : WH_ECONFIG;
}

static wh_err check_variable(const char *text, wh_errbuf *eb)
{
    return wh_environ_is_variable(text)
               ? WH_OK
               : wh_err_set(eb, WH_ECONFIG, "\"%.80s\" is not NAME=VALUE", text);
}

static const wh_opt opts[] = {
    {.name = "name",
     .type = WH_OPT_STRING,
     .offset = AT(name),
     .max = WH_JOB_NAME_MAX,
     .check = check_own_name,
     .help = "name of this worker; default: the host's. Each start adds pid and a "
             "random part"},
    {.name = "region",
     .type = WH_OPT_STRING,
     .offset = AT(region),
     .dflt = "any",
     .min = 1,
     .max = WH_JOB_NAME_MAX,
     .check = check_name,
     .help = "region whose jobs this worker runs"},
    {.name = "also_any",
     .type = WH_OPT_BOOL,
     .offset = AT(also_any),
     .dflt = "true",
     .help = "run jobs of region \"any\" too"},
    {.name = "order",
     .type = WH_OPT_ENUM,
     .offset = AT(order),
     .dflt = "weighted",
     .choices = "weighted|strict",
     .flags = WH_OPT_RELOAD,
     .help =
         "weighted: queues share slots by weight; strict: the first one that has jobs"},
    {.name = "slots",
     .type = WH_OPT_INT,
     .offset = AT(slots),
     .dflt = "8",
     .min = 1,
     .max = 1000,
     .flags = WH_OPT_RELOAD,
     .letter = 's',
     .aka = "concurrency|workers|threads|processes|parallelism",
     .help = "jobs that run at once. Child processes of a handler keep the number of "
             "the start"},
    {.name = "claim_ahead",
     .type = WH_OPT_BOOL,
     .offset = AT(claim_ahead),
     .dflt = "true",
     .flags = WH_OPT_RELOAD,
     .help = "far from Redis (5 ms and more), claim jobs that wait here for slots"},
    {.name = "memory_limit",
     .type = WH_OPT_SIZE,
     .offset = AT(memory_limit),
     .dflt = "0",
     .min = 0,
     .max = 0x1p46,
     .flags = WH_OPT_RELOAD,
     .help = "resident memory of the worker and its children over which it claims "
             "nothing until they are below 90 % of it; 0: none"},
    {.name = "lease",
     .type = WH_OPT_DURATION,
     .offset = AT(lease_ms),
     .dflt = "15s",
     .min = 500,
     .max = 3600000,
     .help = "a worker that is silent for so long has lost its jobs"},
    {.name = "heartbeat",
     .type = WH_OPT_DURATION,
     .offset = AT(heartbeat_ms),
     .dflt = "0s",
     .min = 0,
     .max = 1200000,
     .help = "time between two heartbeats; 0: a third of the lease"},
    {.name = "drain_timeout",
     .type = WH_OPT_DURATION,
     .offset = AT(drain_timeout_ms),
     .dflt = "25s",
     .min = 0,
     .max = 86400000,
     .flags = WH_OPT_RELOAD,
     .help = "after SIGTERM, jobs have so long to end; then they are given back"},
    {.name = "executor",
     .type = WH_OPT_STRING,
     .offset = AT(executor),
     .unit = "path",
     .help =
         "program that runs native handlers; default: wherry-executor beside this one"},
    {.name = "metrics.listen",
     .type = WH_OPT_STRING,
     .offset = AT(metrics_listen),
     .dflt = "127.0.0.1:9394",
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

static const wh_opt queue_opts[] = {
    {.name = "weight",
     .type = WH_OPT_NUMBER,
     .offset = offsetof(wh_options_queue, weight),
     .dflt = "1",
     .min = 0.001,
     .max = 1000,
     .flags = WH_OPT_RELOAD,
     .help = "share of the slots, relative to other queues"},
};

static const wh_opt handler_opts[] = {
    {.name = "run",
     .type = WH_OPT_STRING,
     .offset = IN(run),
     .unit = "kind:what",
     .aka = "command|cmd|exec",
     .check = check_run,
     .help =
         "native:FILE.so, exec:COMMAND (long-lived) or command:COMMAND (one per job)"},
    {.name = "timeout",
     .type = WH_OPT_DURATION,
     .offset = IN(timeout_ms),
     .dflt = "5m",
     .min = 1,
     .max = 604800000,
     .flags = WH_OPT_RELOAD,
     .help = "for jobs that set none"},
    {.name = "grace",
     .type = WH_OPT_DURATION,
     .offset = IN(grace_ms),
     .dflt = "5s",
     .min = 0,
     .max = 3600000,
     .flags = WH_OPT_RELOAD,
     .help = "between asking a handler to stop and killing it"},
    {.name = "processes",
     .type = WH_OPT_INT,
     .offset = IN(processes),
     .dflt = "0",
     .min = 0,
     .max = 1000,
     .help = "most child processes; 0: as many as slots"},
    {.name = "memory_limit",
     .type = WH_OPT_SIZE,
     .offset = IN(memory_limit),
     .dflt = "0",
     .min = 0,
     .max = 0x1p46,
     .help =
         "resident memory over which a child, with all that it started, is replaced "
         "between jobs; killed at twice that"},
    {.name = "max_jobs",
     .type = WH_OPT_INT,
     .offset = IN(max_jobs),
     .dflt = "0",
     .min = 0,
     .max = 1e9,
     .flags = WH_OPT_RELOAD,
     .help = "a child is replaced after so many; 0: never"},
    {.name = "retry",
     .type = WH_OPT_STRING,
     .offset = IN(retry),
     .dflt = "0s,1m,5m,15m,1h",
     .flags = WH_OPT_RELOAD,
     .check = check_retry,
     .help =
         "steps, fixed:30s, exp:1s:1h[:2], or none: one attempt, whatever the job asks "
         "for"},
    {.name = "max_attempts",
     .type = WH_OPT_INT,
     .offset = IN(max_attempts),
     .dflt = "5",
     .min = 1,
     .max = 1000,
     .flags = WH_OPT_RELOAD,
     .help = "for jobs that set none"},
    {.name = "jitter",
     .type = WH_OPT_NUMBER,
     .offset = IN(jitter),
     .dflt = "0.1",
     .min = 0,
     .max = 1,
     .flags = WH_OPT_RELOAD,
     .help = "retry delays vary by this share"},
    {.name = "dir",
     .type = WH_OPT_STRING,
     .offset = IN(dir),
     .unit = "path",
     .help = "working directory"},
    {.name = "env",
     .type = WH_OPT_LIST,
     .offset = IN(env),
     .unit = "NAME=VALUE,…",
     .check = check_variable,
     .help = "more environment for the children"},
    {.name = "schema",
     .type = WH_OPT_STRING,
     .offset = IN(schema),
     .unit = "path",
     .flags = WH_OPT_RELOAD,
     .help = "JSON Schema; a job whose payload does not fit is dead, category invalid, "
             "and never runs"},
    {.name = "schema_format",
     .type = WH_OPT_ENUM,
     .offset = IN(schema_format),
     .dflt = "json",
     .choices = WH_PAYLOAD_FORMAT_CHOICES,
     .flags = WH_OPT_RELOAD,
     .help = "what the payloads are, for the schema"},
};

static const wh_opt_section sections[] = {
    {.name = "queues",
     .flag = "queue",
     .offset = AT(queues),
     .item_size = sizeof(wh_options_queue),
     .opts = queue_opts,
     .n_opts = sizeof queue_opts / sizeof queue_opts[0],
     .check_name = check_name,
     .help = "queues to serve, in order; default: the queue \"default\"",
     .dflt = "default",
     .example = "mail: 5, default: 1"},
    {.name = "handlers",
     .flag = "handler",
     .offset = AT(handlers),
     .item_size = sizeof(wh_handler_config),
     .opts = handler_opts,
     .n_opts = sizeof handler_opts / sizeof handler_opts[0],
     .check_name = check_type,
     .help = "job type -> what runs it; \"*\": all other types",
     .example = "mail.send: \"command:/srv/mail\""},
};

const wh_opt_table wh_options_table = {
    .program = "wherry-worker",
    .synopsis = "[options]",
    .examples =
        "  wherry-worker --handler 'thumbnail=exec:python3 thumbnail.py'\n"
        "  wherry-worker --region eu --queue mail=5 --queue default=1 -c worker.yaml\n"
        "  wherry-worker -c worker.yaml --check-config\n",
    .about =
        "Claims jobs of its region and queues, runs their handlers in child processes "
        "and reports to Redis. SIGTERM drains, a second one stops; SIGHUP reloads, "
        "SIGTSTP stops claiming, SIGUSR1 logs the state.",
    .groups = groups,
    .n_groups = sizeof groups / sizeof groups[0],
    .sections = sections,
    .n_sections = sizeof sections / sizeof sections[0],
    .size = sizeof(wh_options),
};
