/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the command line knows: from this table come parsing, --help, completion and
 * docs/cli.md. Commands of one noun stand together.
 */
#include "common/cli/cli_commands.h"

#include "common/cli/cli_audit.h"
#include "common/cli/cli_completion.h"
#include "common/cli/cli_config.h"
#include "common/cli/cli_dev.h"
#include "common/cli/cli_dlq.h"
#include "common/cli/cli_dlq_move.h"
#include "common/cli/cli_doctor.h"
#include "common/cli/cli_enqueue.h"
#include "common/cli/cli_functions.h"
#include "common/cli/cli_help.h"
#include "common/cli/cli_job.h"
#include "common/cli/cli_job_list.h"
#include "common/cli/cli_org.h"
#include "common/cli/cli_queue.h"
#include "common/cli/cli_worker.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define FLAGS(a) .flags = (a), .n_flags = COUNT(a)
/* What most flags are made of. */
#define SWITCH(n, h)                                                                   \
    {                                                                                  \
        .name = (n), .kind = WH_CLI_SWITCH, .help = (h)                                \
    }
#define TEXT(n, v, h)                                                                  \
    {                                                                                  \
        .name = (n), .kind = WH_CLI_TEXT, .value = (v), .help = (h)                    \
    }
#define NAME(n, v, h)                                                                  \
    {                                                                                  \
        .name = (n), .kind = WH_CLI_NAME, .value = (v), .help = (h)                    \
    }
#define NUMBER(n, lo, hi, h)                                                           \
    {                                                                                  \
        .name = (n), .kind = WH_CLI_NUMBER, .value = "N", .min = (lo), .max = (hi),    \
        .help = (h)                                                                    \
    }
#define LIMIT(hi, h)                                                                   \
    {                                                                                  \
        .name = "limit", .kind = WH_CLI_NUMBER, .value = "N", .min = 1, .max = (hi),   \
        .not_with = "all", .help = (h)                                                 \
    }
#define DURATION(n, lo, hi, h)                                                         \
    {                                                                                  \
        .name = (n), .kind = WH_CLI_DURATION, .value = "TIME", .min = (lo),            \
        .max = (hi), .help = (h)                                                       \
    }

#define YEARS_10 INT64_C(315360000000)
#define CATEGORIES                                                                     \
    "timeout|connection|rate_limited|unavailable|crash|error|not_found|invalid|"       \
    "unsupported|permission|oversize|lost_worker|no_handler"
#define STATUSES "pending|scheduled|in_progress|completed|failed|cancelled|expired"

static const wh_cli_flag globals[] = {
    TEXT(
        "redis", "URL",
        "where Redis is: redis://, rediss://, unix:// (default: REDIS_URL, else wherry "
        "dev's, else redis://127.0.0.1:6379)"),
    NAME("region", "R", "region of the partition (default: WHERRY_REGION, else any)"),
    NAME("queue", "Q", "queue of the partition (default: default)"),
    SWITCH("json", "print JSON: one document, or one object a line for lists"),
    {.name = "quiet",
     .letter = 'q',
     .kind = WH_CLI_SWITCH,
     .help = "no notes, no progress"},
    SWITCH("no-color", "no colours"),
    {.name = "help", .letter = 'h', .kind = WH_CLI_SWITCH, .help = "show help"},
    {.name = "version",
     .letter = 'V',
     .kind = WH_CLI_SWITCH,
     .help = "show the version"},
};

static const wh_cli_flag enqueue_flags[] = {
    NAME("org", "ORG", "whose job it is (default: default)"),
    NUMBER("priority", 0, 9, "0 to 9, higher runs first (default: 5)"),
    DURATION("delay", 0, YEARS_10, "run that much later"),
    TEXT("id", "UUID", "id of the job (default: a new one)"),
    TEXT("key", "KEY", "idempotency key: while it is taken, no second job is made"),
    DURATION("key-ttl", 1, YEARS_10, "how long the key is taken (default: 24h)"),
    NUMBER("max-attempts", 1, 1000,
           "attempts before it is dead (default: the worker's)"),
    DURATION("timeout", 1, 604800000,
             "longest run of one attempt (default: the worker's)"),
    DURATION("expires", 1, YEARS_10, "not started that long after now, it expires"),
    TEXT("entity", "TYPE/ID", "what it is about, like invoice/4711"),
    TEXT("traceparent", "TP", "W3C trace context to go on with"),
    NUMBER("count", 1, 10000000, "enqueue it that many times"),
    SWITCH("jsonl", "one JSON object a line from stdin, each a job"),
};
static const wh_cli_flag job_list_flags[] = {
    {.name = "status",
     .kind = WH_CLI_CHOICES,
     .value = "S,...",
     .choices = STATUSES,
     .help = "only these (default: all)"},
    NAME("org", "ORG", "only of this org"),
    NAME("type", "TYPE", "only of this type"),
    LIMIT(1000000, "at most that many (default: 50)"),
    TEXT("cursor", "C", "go on where an earlier list stopped"),
    SWITCH("all", "no limit"),
    SWITCH("full", "with payload and result (with --json)"),
};
static const wh_cli_flag wait_flags[] = {
    DURATION("timeout", 0, YEARS_10, "wait that long at most (default: for ever)"),
};
static const wh_cli_flag stats_flags[] = {
    SWITCH("watch", "again every second, with rates, until Ctrl-C"),
    DURATION("interval", 100, 3600000,
             "time between two looks of --watch (default: 1s)"),
};
static const wh_cli_flag pause_flags[] = {
    SWITCH("new", "also when the partition is not known yet"),
};
static const wh_cli_flag org_flags[] = {
    LIMIT(1000000, "at most that many (default: 100)"),
    TEXT("cursor", "C", "go on where an earlier list stopped"),
    SWITCH("all", "no limit"),
};
#define DLQ_FILTERS                                                                    \
    NAME("org", "ORG", "only of this org"), NAME("type", "TYPE", "only of this type"), \
    {                                                                                  \
        .name = "category", .kind = WH_CLI_CHOICE, .value = "C",                       \
        .choices = CATEGORIES, .help = "only with this error category"                 \
    }
static const wh_cli_flag dlq_list_flags[] = {
    DLQ_FILTERS,
    LIMIT(1000000, "at most that many (default: 50)"),
    TEXT("cursor", "ENTRY", "go on behind this entry"),
    SWITCH("all", "no limit"),
};
#define DLQ_MOVE                                                                       \
    DLQ_FILTERS, LIMIT(1000000000, "that many jobs at most"),                          \
        SWITCH("all", "all that are dead now; this or --limit must be given"),         \
        TEXT("cursor", "ENTRY", "go on behind this entry"),                            \
    {                                                                                  \
        .name = "rate", .kind = WH_CLI_RATE, .value = "N/s", .min = 1, .max = 1000000, \
        .help = "at most that many a second"                                           \
    }
static const wh_cli_flag replay_flags[] = {
    DLQ_MOVE,
    {.name = "dry-run", .letter = 'n', .kind = WH_CLI_SWITCH, .help = "only count"},
};
static const wh_cli_flag purge_flags[] = {
    DLQ_MOVE,
    {.name = "dry-run", .letter = 'n', .kind = WH_CLI_SWITCH, .help = "only count"},
    {.name = "yes", .letter = 'y', .kind = WH_CLI_SWITCH, .help = "do not ask"},
};
static const wh_cli_flag load_flags[] = {
    SWITCH("force", "replace an equal revision too, never a newer one"),
};
static const wh_cli_flag audit_flags[] = {
    NUMBER("max-jobs", 1, 10000000, "refuse larger partitions (default: 200000)"),
};
static const wh_cli_flag config_flags[] = {
    {.name = "program",
     .kind = WH_CLI_CHOICE,
     .value = "P",
     .choices = "worker|scheduler",
     .help = "whose configuration it is (default: worker)"},
};
static const wh_cli_flag dev_flags[] = {
    TEXT("dir", "D", "where its data are (default: XDG_DATA_HOME/wherry)"),
    SWITCH("no-scheduler", "start Redis only"),
};
static const wh_cli_flag help_flags[] = {
    {.name = "markdown",
     .kind = WH_CLI_SWITCH,
     .not_with = "json",
     .help = "all commands as Markdown"},
};

static const struct wh_cli_command commands[] = {
    {.noun = "job",
     .verb = "enqueue",
     .operands = "TYPE [PAYLOAD | - | @FILE]",
     .max_operands = 2,
     .summary = "Hand in a job",
     FLAGS(enqueue_flags),
     .examples =
         "wherry job enqueue mail '{\"to\": \"ada@example.org\"}'\n"
         "wherry job enqueue report @query.json --org acme --region eu --delay 10m\n"
         "make-body | wherry job enqueue import - --key import-2026-11-21\n"
         "wherry job enqueue --jsonl --queue bulk < jobs.jsonl\n",
     .details =
         "Prints the id. The payload is opaque bytes: the operand itself, stdin (-), "
         "or a "
         "file (@FILE).\n"
         "With --jsonl each line of stdin is an object with the fields type, payload "
         "(text as it is,\n"
         "other values as JSON) or payload_base64, org, priority, delay_ms, "
         "timeout_ms, "
         "expires_ms,\n"
         "max_attempts, key, key_ttl_ms, entity_type, entity_id, traceparent, id; TYPE "
         "and "
         "flags fill in\n"
         "what a line leaves out. A bad line stops it and names the line to go on "
         "at.\n",
     .run = wh_cli_enqueue_run},
    {.noun = "job",
     .verb = "show",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Show all of one job",
     .examples = "wherry job show 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11\n"
                 "wherry job show 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11 --json\n",
     .details = "The job is looked for in all partitions, unless --region or --queue "
                "is given.\n",
     .run = wh_cli_job_show},
    {.noun = "job",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List jobs",
     FLAGS(job_list_flags),
     .examples = "wherry job list --status pending,scheduled\n"
                 "wherry job list eu:default --org acme --limit 200\n"
                 "wherry job list --status failed --all --json\n",
     .details =
         "Cursors are positions: jobs that move while you page may be missed or seen "
         "twice.\n",
     .run = wh_cli_job_list},
    {.noun = "job",
     .verb = "cancel",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Cancel a job, or ask the worker that runs it to",
     .examples = "wherry job cancel 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11\n",
     .details = "Prints cancelled, or requested when the job runs.\n",
     .run = wh_cli_job_cancel},
    {.noun = "job",
     .verb = "retry",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Run a scheduled job now, or an ended one again",
     .examples = "wherry job retry 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11\n",
     .details = "A dead, cancelled or expired job starts over with all its attempts. "
                "Running and "
                "completed\njobs are refused (exit status 4).\n",
     .run = wh_cli_job_retry},
    {.noun = "job",
     .verb = "wait",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Wait until a job has ended, and show it",
     FLAGS(wait_flags),
     .examples = "wherry job wait \"$(wherry job enqueue report)\" --timeout 5m\n",
     .details =
         "Exit status: 0 completed, 1 failed, cancelled or expired, 75 not ended in "
         "time; 3 no such job.\n"
         "A job that ends and is not kept (keep-count=0 or keep=0 of its partition, or "
         "10,000 newer ones)\n"
         "can't be told from one that never was: start to wait before it ends, or keep "
         "finished jobs.\n",
     .run = wh_cli_job_wait},
    {.noun = "job",
     .verb = "logs",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Show the log lines that a job's handler sent",
     .examples = "wherry job logs 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11\n",
     .details = "The last 100 lines are kept, for a day.\n",
     .run = wh_cli_job_logs},
    {.noun = "queue",
     .verb = "list",
     .operands = "",
     .summary = "List partitions with their figures",
     .examples = "wherry queue list\nwherry queue list --json\n",
     .run = wh_cli_queue_list},
    {.noun = "queue",
     .verb = "stats",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Show all figures of a partition",
     FLAGS(stats_flags),
     .examples =
         "wherry queue stats eu:default\nwherry queue stats eu:default --watch\n",
     .run = wh_cli_queue_stats},
    {.noun = "queue",
     .verb = "pause",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Let nothing more be claimed; running jobs go on",
     FLAGS(pause_flags),
     .examples = "wherry queue pause eu:default\n"
                 "wherry queue pause eu:import --new\n",
     .details = "A partition that is not known is refused (exit status 3): most often "
                "its name is mistyped.\n--new pauses it before its first job.\n",
     .run = wh_cli_queue_pause},
    {.noun = "queue",
     .verb = "resume",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "End a pause",
     .examples = "wherry queue resume eu:default\n",
     .run = wh_cli_queue_resume},
    {.noun = "queue",
     .verb = "set",
     .operands = "[PARTITION] NAME=VALUE...",
     .min_operands = 1,
     .max_operands = 4,
     .summary = "Change settings of a partition",
     .examples = "wherry queue set eu:default keep=24h keep-count=10000\n"
                 "wherry queue set payload-max=1MiB\n",
     .details =
         "keep: how long finished jobs stay visible; keep-count: how many of them;\n"
         "payload-max: largest payload that is accepted (up to 64MiB).\n",
     .run = wh_cli_queue_set},
    {.noun = "org",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List orgs with ready jobs, in the order of their turns",
     FLAGS(org_flags),
     .examples = "wherry org list eu:default\n",
     .run = wh_cli_org_list},
    {.noun = "org",
     .verb = "weight",
     .operands = "ORG W [PARTITION]",
     .min_operands = 2,
     .max_operands = 3,
     .summary = "Set an org's share of the workers (default 1)",
     .examples = "wherry org weight acme 2.5 eu:default\n",
     .details = "0.001 to 1000; an org of weight 2 gets twice as many turns as one of "
                "weight 1.\n",
     .run = wh_cli_org_weight},
    {.noun = "dlq",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List dead jobs, oldest first",
     FLAGS(dlq_list_flags),
     .examples =
         "wherry dlq list\nwherry dlq list eu:default --category timeout --org acme\n",
     .run = wh_cli_dlq_list},
    {.noun = "dlq",
     .verb = "show",
     .operands = "ENTRY | ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Show all of one dead job",
     .examples = "wherry dlq show 1795817123456-0\n"
                 "wherry dlq show 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11\n",
     .run = wh_cli_dlq_show},
    {.noun = "dlq",
     .verb = "replay",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Let dead jobs run again with all their attempts",
     FLAGS(replay_flags),
     .examples =
         "wherry dlq replay eu:default --category connection --all --dry-run\n"
         "wherry dlq replay eu:default --category connection --all --rate 50/s\n"
         "wherry dlq replay --limit 1\n",
     .details = "Ctrl-C stops it and prints the cursor to go on with. Jobs that die "
                "while it runs "
                "stay dead.\n",
     .run = wh_cli_dlq_move_replay},
    {.noun = "dlq",
     .verb = "purge",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Delete dead jobs for good",
     FLAGS(purge_flags),
     .examples = "wherry dlq purge eu:default --type old.import --all --dry-run\n"
                 "wherry dlq purge eu:default --type old.import --all --yes\n",
     .details =
         "Asks for the partition's name on a terminal; elsewhere --yes is needed.\n",
     .run = wh_cli_dlq_move_purge},
    {.noun = "worker",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List workers, one row for each partition they claim from",
     .examples = "wherry worker list\nwherry worker list eu:default\n",
     .run = wh_cli_worker_list},
    {.noun = "worker",
     .verb = "quiet",
     .operands = "NAME [PARTITION]",
     .min_operands = 1,
     .max_operands = 2,
     .summary = "Let a worker claim nothing more until it ends",
     .examples = "wherry worker quiet host7.3f1f0a4b\n",
     .run = wh_cli_worker_quiet},
    {.noun = "functions",
     .verb = "load",
     .operands = "",
     .summary = "Load or update the function library in Redis",
     FLAGS(load_flags),
     .examples = "wherry functions load\n",
     .run = wh_cli_functions_load},
    {.noun = "functions",
     .verb = "status",
     .operands = "",
     .summary = "Compare the library in Redis with this program's",
     .examples = "wherry functions status\n",
     .details = "Exit status 3 when none is loaded.\n",
     .run = wh_cli_functions_status},
    {.noun = "audit",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Check that every job is in exactly one place",
     FLAGS(audit_flags),
     .examples = "wherry audit\nwherry audit eu:default --max-jobs 1000000\n",
     .details =
         "One atomic pass over each partition; Redis serves nobody else for "
         "about 3 us a "
         "job.\nExit status 1 when a problem was found. With --json one object a "
         "partition; when no\npartition is known, one whose partition is "
         "null.\n",
     .run = wh_cli_audit_run},
    {.noun = "config",
     .verb = "check",
     .operands = "FILE",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Check a configuration file",
     FLAGS(config_flags),
     .examples = "wherry config check /etc/wherry/worker.yaml\n",
     .run = wh_cli_config_check},
    {.noun = "config",
     .verb = "print",
     .operands = "FILE",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Show all options in force and where each comes from",
     FLAGS(config_flags),
     .examples = "wherry config print /etc/wherry/worker.yaml\n",
     .run = wh_cli_config_print},
    {.noun = "doctor",
     .operands = "",
     .summary = "Look for what is wrong, and say what would be right",
     .examples = "wherry doctor\nwherry doctor --json\n",
     .details = "Exit status 1 when something fails; warnings alone are 0.\n",
     .run = wh_cli_doctor_run},
    {.noun = "dev",
     .operands = "",
     .summary = "Run a private Redis and the scheduler until Ctrl-C",
     FLAGS(dev_flags),
     .examples = "wherry dev\nwherry dev --dir ./state\n",
     .details = "Redis listens on a unix socket only, with AOF everysec and "
                "noeviction. Prints "
                "REDIS_URL.\n",
     .run = wh_cli_dev_run},
    {.noun = "completion",
     .operands = "bash | zsh | fish",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Print the completion script of a shell",
     .examples = "source <(wherry completion bash)\n"
                 "wherry completion fish > ~/.config/fish/completions/wherry.fish\n",
     .no_json = true,
     .run = wh_cli_completion_run},
    {.noun = "version",
     .operands = "",
     .summary = "Show the version",
     .examples = "wherry version\n",
     .run = wh_cli_help_version},
    {.noun = "help",
     .operands = "[NOUN [VERB]]",
     .max_operands = 2,
     .summary = "Show help",
     FLAGS(help_flags),
     .examples = "wherry help\nwherry help job enqueue\nwherry help --json\n",
     .run = wh_cli_help_run},
};

static const wh_cli_set set = {.commands = commands,
                               .n_commands = COUNT(commands),
                               .globals = globals,
                               .n_globals = COUNT(globals)};

const wh_cli_set *wh_cli_commands_set(void)
{
    return &set;
}
