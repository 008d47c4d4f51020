/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on jobs.
 */
#include "common/cli/cli_commands_internal.h"
#include "common/cli/cli_enqueue.h"
#include "common/cli/cli_explain.h"
#include "common/cli/cli_job.h"
#include "common/cli/cli_job_list.h"
#include "common/job/payload.h"

#define STATUSES "pending|scheduled|in_progress|completed|failed|cancelled|expired"

static const wh_cli_flag enqueue_flags[] = {
    NAME("org", "ORG", "whose job it is (default: default)"),
    NUMBER("priority", 0, 9,
           "0 to 9, higher runs first (default: the type's, else the "
           "queue's, see limit; else 5)"),
    DURATION("delay", 0, YEARS_10, "run that much later"),
    TEXT("id", "UUID", "id of the job (default: a new one)"),
    TEXT("key", "KEY",
         "idempotency key, unique within its partition and org: while it is taken, no "
         "second job is made"),
    DURATION("key-ttl", 1, YEARS_10, "how long the key is taken (default: 24h)"),
    NUMBER("max-attempts", 1, 1000,
           "attempts before it is dead (default: the worker's)"),
    DURATION("timeout", 1, 604800000,
             "longest run of one attempt (default: the worker's)"),
    DURATION("expires", 1, YEARS_10, "not started that long after now, it expires"),
    TEXT("entity", "TYPE/ID", "what it is about, like invoice/4711"),
    TEXT("traceparent", "TP", "W3C trace context to go on with"),
    NAME("group", "GROUP", "groups of an org take turns, and may run one by one"),
    {.name = "unique",
     .kind = WH_CLI_CHOICE,
     .value = "U",
     .choices = "ttl|done|queued",
     .help = "the key is taken until its time is over, or until the job is done, or "
             "until it is claimed (default: ttl)"},
    {.name = "conflict",
     .kind = WH_CLI_CHOICE,
     .value = "C",
     .choices = "keep|replace|extend|keep-last",
     .help = "what to do when the key is taken by a job that waits (default: keep)"},
    DURATION("retry-for", 1, YEARS_10,
             "no retry starts later than that after now, nor after a snooze"),
    NUMBER("count", 1, 10000000, "enqueue it that many times"),
    TEXT("schema", "FILE", "JSON Schema; payloads that do not fit are refused"),
    {.name = "schema-format",
     .kind = WH_CLI_CHOICE,
     .value = "F",
     .choices = WH_PAYLOAD_FORMAT_CHOICES,
     .help = "what the payloads are, for --schema (default: json)"},
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

static const wh_cli_command commands[] = {
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
         "wherry job enqueue sync --org acme --group user-7 --key user-7 --unique "
         "queued "
         "--conflict replace\n"
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
         "max_attempts, key, key_ttl_ms, entity_type, entity_id, traceparent, id,\n"
         "group, unique (ttl, done, queued), conflict (keep, replace, extend, "
         "keep-last), retry_for_ms;\n"
         "TYPE and flags fill in what a line leaves out. A bad line stops it and names "
         "the line to go on "
         "at;\nso does a Redis or a queue that is full (exit status 75). Lines of an "
         "org that is "
         "at its own quota\nare named and left out, and all others go in: exit status "
         "75 as "
         "well, \"refused\" with --json.\n",
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
     .verb = "explain",
     .operands = "ID",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Say why a job does not run yet",
     .examples = "wherry job explain 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11\n"
                 "wherry job explain 0190c6a0-1c6e-7c3a-9d52-3f1f0a4b2c11 --json\n",
     .details =
         "One sentence first, then what it rests on and who uses the slots. "
         "Changes nothing.\nOf a snoozed job it has what the handler said, of an "
         "adaptive rate what it is now.\n",
     .run = wh_cli_explain_run},
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
         "A job that ends and is not kept (keep-count=0 or keep=0s of its partition, "
         "or "
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
};

wh_cli_commands_group wh_cli_commands_job(void)
{
    return (wh_cli_commands_group){commands, COUNT(commands)};
}
