/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on schedules.
 */
#include "common/cli/cli_commands_internal.h"
#include "common/cli/cli_cron.h"

static const wh_cli_flag set_flags[] = {
    TEXT("zone", "ZONE", "time zone such as Europe/Berlin (default: UTC)"),
    NAME("org", "ORG", "whose jobs they are (default: default)"),
    NAME("group", "GROUP", "their group in the org"),
    NUMBER("priority", 0, 9,
           "0 to 9, higher runs first (default: the type's, else the "
           "queue's, see limit; else 5)"),
    {.name = "misfire",
     .kind = WH_CLI_CHOICE,
     .value = "M",
     .choices = "once|skip|all",
     .help = "fire times that passed while no scheduler ran: one job for all of them "
             "(default), none, one each"},
    NUMBER("misfire-max", 1, 100,
           "of --misfire all: the latest that many (default: 10)"),
    DURATION("jitter", 0, 86400000, "each job waits up to that much longer"),
    DURATION("timeout", 1, 604800000,
             "longest run of one attempt (default: the worker's)"),
    NUMBER("max-attempts", 1, 1000,
           "attempts before it is dead (default: the worker's)"),
    SWITCH("paused", "does not fire before cron resume"),
    TEXT("schema", "FILE", "JSON Schema; a payload that does not fit is refused"),
};
static const wh_cli_flag next_flags[] = {
    TEXT("zone", "ZONE", "time zone such as Europe/Berlin (default: UTC)"),
    {.name = "count",
     .letter = 'n',
     .kind = WH_CLI_NUMBER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .help = "that many (default: 5)"},
};

#define ON_ONE .operands = "NAME [PARTITION]", .min_operands = 1, .max_operands = 2

static const wh_cli_command commands[] = {
    {.noun = "cron",
     .verb = "list",
     .operands = "[PARTITION]",
     .max_operands = 1,
     .summary = "List schedules with their next fire times",
     .examples = "wherry cron list\nwherry cron list eu:default --json\n",
     .run = wh_cli_cron_list},
    {.noun = "cron",
     .verb = "show",
     ON_ONE,
     .summary = "Show all of one schedule",
     .examples = "wherry cron show nightly-report\n",
     .details =
         "The schedule is looked for in all partitions unless one is named; with "
         "--json its\ndefinition is as it is kept. `declared by` names the "
         "schedule_set of the schedulers' configuration\nthat it is from: others "
         "leave it alone.\n",
     .run = wh_cli_cron_show},
    {.noun = "cron",
     .verb = "set",
     .operands = "NAME EXPRESSION TYPE [PAYLOAD | - | @FILE]",
     .min_operands = 3,
     .max_operands = 4,
     .summary = "Make or change a schedule",
     FLAGS(set_flags),
     .examples =
         "wherry cron set nightly-report '0 3 * * *' report --zone Europe/Berlin\n"
         "wherry cron set poll '*/10 * * * * *' poll '{\"feed\": 7}' --org acme "
         "--misfire skip\n"
         "wherry cron set invoices '0 9 L * *' invoice @invoice.json --region eu "
         "--jitter 5m --schema invoice.schema.json\n",
     .details =
         "The partition is that of --region and --queue. Expressions: docs/cron.md; "
         "try one with cron next.\nSetting a schedule that is paused starts it "
         "again, unless --paused is given.\n",
     .run = wh_cli_cron_set},
    {.noun = "cron",
     .verb = "remove",
     ON_ONE,
     .summary = "Remove a schedule; the jobs that it made stay",
     .examples = "wherry cron remove nightly-report eu:default\n",
     .details = "One that a scheduler's configuration declares comes back at the next "
                "start or reload there,\nand at once where another schedule_set that "
                "declares it, too, waits for the name.\n",
     .run = wh_cli_cron_remove},
    {.noun = "cron",
     .verb = "pause",
     ON_ONE,
     .summary = "Let a schedule fire no more",
     .examples = "wherry cron pause nightly-report\n",
     .details = "What would have fired meanwhile is not made up for.\n",
     .run = wh_cli_cron_pause},
    {.noun = "cron",
     .verb = "resume",
     ON_ONE,
     .summary = "Let a paused schedule fire again",
     .examples = "wherry cron resume nightly-report\n",
     .run = wh_cli_cron_resume},
    {.noun = "cron",
     .verb = "run",
     ON_ONE,
     .summary = "Enqueue a schedule's job now, besides its fire times",
     .examples = "wherry job wait \"$(wherry cron run nightly-report)\"\n",
     .details = "Prints the job's id. Works for a paused schedule too; its fire times "
                "stay as they are.\n",
     .run = wh_cli_cron_run},
    {.noun = "cron",
     .verb = "next",
     .operands = "EXPRESSION | NAME [PARTITION]",
     .min_operands = 1,
     .max_operands = 2,
     .summary = "Show when an expression or a schedule fires next",
     FLAGS(next_flags),
     .examples = "wherry cron next '30 2 * * *' --zone Europe/Berlin -n 3\n"
                 "wherry cron next @daily --json\n"
                 "wherry cron next nightly-report -n 10\n",
     .details =
         "An expression needs no Redis. Of a schedule the first line is the fire "
         "time that is set.\n",
     .run = wh_cli_cron_next},
};

wh_cli_commands_group wh_cli_commands_cron(void)
{
    return (wh_cli_commands_group){commands, COUNT(commands)};
}
