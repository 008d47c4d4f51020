/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on a partition: its state, its limits, its orgs.
 */
#include "common/cli/cli_commands_internal.h"
#include "common/cli/cli_forget.h"
#include "common/cli/cli_limit.h"
#include "common/cli/cli_org.h"
#include "common/cli/cli_queue.h"
#include "common/cli/cli_stats.h"

static const wh_cli_flag stats_flags[] = {
    SWITCH("watch", "again every second, with rates, until Ctrl-C"),
    DURATION("interval", 100, 3600000,
             "time between two looks of --watch (default: 1s)"),
    NUMBER("orgs", 0, 1000,
           "show that many orgs, those that use most of their quota first, and types "
           "set aside (default: 5)"),
};
#define PAUSE_PARTS                                                                    \
    {.name = "org",                                                                    \
     .kind = WH_CLI_NAME,                                                              \
     .value = "ORG",                                                                   \
     .not_with = "type",                                                               \
     .help = "only the jobs of this org"},                                             \
        NAME("type", "TYPE", "only the jobs of this type")
static const wh_cli_flag pause_flags[] = {
    SWITCH("new", "also when the partition is not known yet"),
    PAUSE_PARTS,
};
static const wh_cli_flag resume_flags[] = {PAUSE_PARTS};
static const wh_cli_flag org_flags[] = {
    LIMIT(1000000, "at most that many (default: 100)"),
    TEXT("cursor", "C", "go on where an earlier list stopped"),
    SWITCH("all", "no limit"),
};

static const wh_cli_command commands[] = {
    {.noun = "queue",
     .verb = "list",
     .operands = "",
     .summary = "List partitions with their figures",
     .examples = "wherry queue list\nwherry queue list --json\n",
     .details =
         "One with values that are not Wherry's is \"damaged\", and its figures are "
         "null in JSON.\n(The \"damaged\" of queue stats counts jobs that were.)\n",
     .run = wh_cli_queue_list},
    {.noun = "queue",
     .verb = "stats",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Show all figures of a partition, what waits and why, and its limits",
     FLAGS(stats_flags),
     .examples = "wherry queue stats eu:default\n"
                 "wherry queue stats eu:default --watch\n"
                 "wherry queue stats eu:default --orgs 100 --json\n",
     .details =
         "\"delayed\" are all jobs that wait for their time: also those between two "
         "attempts, and\nsnoozed ones. Jobs of a paused queue or org are \"parked\" at "
         "once; what another\nlimit holds is \"ready\" until a worker that asks for "
         "work "
         "meets it.\n",
     .run = wh_cli_stats_run},
    {.noun = "queue",
     .verb = "pause",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "Let nothing more be claimed; running jobs go on",
     FLAGS(pause_flags),
     .examples = "wherry queue pause eu:default\n"
                 "wherry queue pause eu:default --org acme\n"
                 "wherry queue pause eu:default --type mail\n"
                 "wherry queue pause eu:import --new\n",
     .details = "A partition that is not known is refused (exit status 3): most often "
                "its name is mistyped.\n--new pauses it before its first job.\n",
     .run = wh_cli_queue_pause},
    {.noun = "queue",
     .verb = "resume",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "End a pause",
     FLAGS(resume_flags),
     .examples = "wherry queue resume eu:default\n"
                 "wherry queue resume eu:default --org acme\n",
     .details = "A paused queue and a paused org or type of it are resumed each by "
                "itself.\nOne that is not paused is left as it is, and told of.\n",
     .run = wh_cli_queue_resume},
    {.noun = "queue",
     .verb = "set",
     .operands = "[PARTITION] NAME=VALUE...",
     .min_operands = 1,
     .max_operands = 5,
     .summary = "Change settings of a partition",
     .examples = "wherry queue set eu:default keep=24h keep-count=10000\n"
                 "wherry queue set payload-max=1MiB\n"
                 "wherry queue set eu:default order=deadline\n",
     .details =
         "keep: how long finished jobs stay visible; keep-count: how many of them;\n"
         "payload-max: largest payload that is accepted (up to 64MiB); order: which of "
         "an "
         "org's jobs\nof one priority runs first, the one that was enqueued first "
         "(arrival) or that expires first (deadline).\n",
     .run = wh_cli_queue_set},
    {.noun = "queue",
     .verb = "forget",
     .operands = "PARTITION",
     .min_operands = 1,
     .max_operands = 1,
     .summary = "Take an empty partition off the lists, such as a mistyped one",
     .examples = "wherry queue forget eu:dflt\n",
     .details =
         "Refused (exit status 4) while it has jobs, also kept ones, dead ones, "
         "workers or "
         "schedules.\nIts settings and counters stay in Redis, and whoever names it "
         "again "
         "brings it back:\na worker that starts, a job, a scheduler that is configured "
         "with it. Schedulers that run\ngo on to look after it until they end.\n",
     .run = wh_cli_forget_run},
    {.noun = "limit",
     .verb = "set",
     .operands = "[PARTITION] SETTING=VALUE...",
     .min_operands = 1,
     .max_operands = OPERANDS_ANY,
     .summary = "Limit rates, concurrency, quotas; at once and everywhere",
     .examples =
         "wherry limit set eu:default rate:org/acme=100/60s/20\n"
         "wherry limit set eu:default 'active:org/*=5' active:type/report=2\n"
         "wherry limit set active:group=1\n"
         "wherry limit set 'jobs:org/*=100000' bytes:queue=2GiB memory:queue=80%\n"
         "wherry limit set breaker:type/mail=50%/20/30s/10s/3\n"
         "wherry limit set adaptive:type/mail=1/100/5\n"
         "wherry limit set priority:queue=3 priority:type/mail=8\n",
     .details =
         "rate      NUMBER/PERIOD/BURST of queue, org/ORG, type/TYPE, "
         "org/ORG/type/TYPE; "
         "no burst: evenly spaced\n"
         "active    jobs in flight of queue, org/ORG, type/TYPE, group (of each one), "
         "org/ORG/group/GROUP\n"
         "pause     1, of org/ORG or type/TYPE (queue pause --org, --type)\n"
         "jobs, bytes   what may wait of queue, org/ORG; more is refused with "
         "WHBACKPRESSURE,\n"
         "          what would not even fit alone with WHTOOBIG\n"
         "memory    percent of the maxmemory of Redis, of queue; above it all is "
         "refused\n"
         "breaker   PERCENT%/VOLUME/WINDOW/COOLDOWN/PROBES of type/TYPE: opens when so "
         "many percent of\n"
         "          at least so many jobs failed in the window, not for good "
         "(permission, "
         "invalid …)\n"
         "adaptive  MIN/MAX/STEP jobs per second of type/TYPE: halved on overload, "
         "grows "
         "on success\n"
         "priority  0 to 9, higher runs first, of queue or type/TYPE: of jobs that are "
         "enqueued without\n"
         "          one; the type's wins; those that wait keep theirs\n"
         "With * for a name, each that has no setting of its own. In force at once, "
         "everywhere.\n"
         "100 at a time are set all together or not at all; with more, it says how "
         "many "
         "are in force when\none is refused.\n",
     .run = wh_cli_limit_set},
    {.noun = "limit",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List limits, with the state of circuit breakers and adaptive rates",
     .examples = "wherry limit list eu:default\nwherry limit list --json\n",
     .details =
         "In JSON \"value\" has times in ms and sizes in bytes; \"set\" is what limit "
         "set takes;\nan adaptive rate has \"rate_now\", in jobs per second, and "
         "\"retry_after_ms\"\nwhile what a handler said holds the type.\n",
     .run = wh_cli_limit_list},
    {.noun = "limit",
     .verb = "remove",
     .operands = "[PARTITION] SETTING...",
     .min_operands = 1,
     .max_operands = OPERANDS_ANY,
     .summary = "Take limits away",
     .examples = "wherry limit remove eu:default rate:org/acme 'active:org/*'\n",
     .run = wh_cli_limit_remove},
    {.noun = "org",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List orgs with jobs that wait or run, by name",
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
     .details = "0.001 to 1000; an org of weight 2 gets twice as much of "
                "the workers' time as one of weight 1,\n"
                "as long as both have jobs that wait.\n",
     .run = wh_cli_org_weight},
};

wh_cli_commands_group wh_cli_commands_queue(void)
{
    return (wh_cli_commands_group){commands, COUNT(commands)};
}
