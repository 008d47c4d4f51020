/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on workers and on all of the fleet, and those about the program itself.
 */
#include "common/cli/cli_audit.h"
#include "common/cli/cli_commands_internal.h"
#include "common/cli/cli_completion.h"
#include "common/cli/cli_config.h"
#include "common/cli/cli_dev.h"
#include "common/cli/cli_doctor.h"
#include "common/cli/cli_functions.h"
#include "common/cli/cli_help.h"
#include "common/cli/cli_schema.h"
#include "common/cli/cli_worker.h"

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
static const wh_cli_flag schema_flags[] = {
    {.name = "schema-format",
     .kind = WH_CLI_CHOICE,
     .value = "F",
     .choices = WH_PAYLOAD_FORMAT_CHOICES,
     .help = "what the payloads are (default: json)"},
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

static const wh_cli_command commands[] = {
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
     .examples = "wherry audit\nwherry audit eu:default --max-jobs 500000\n",
     .details =
         "One atomic pass over each partition; Redis serves nobody else for "
         "about 7 us a "
         "job,\nlonger on a slow machine. With a million jobs that may outlast the "
         "leases of the workers (15s):\nworkers that are healthy lose their jobs to "
         "others. Then audit while none runs.\nExit status 1 when a problem was found. "
         "With --json one object a "
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
    {.noun = "schema",
     .verb = "check",
     .operands = "SCHEMA [PAYLOAD...]",
     .min_operands = 1,
     .max_operands = 1000,
     .summary = "Check a JSON Schema, and payloads against it",
     FLAGS(schema_flags),
     .examples = "wherry schema check mail.json\n"
                 "wherry schema check mail.json example-1.json example-2.json\n"
                 "make-body | wherry schema check mail.json - --json\n",
     .details =
         "Operands are files; a PAYLOAD may be - for stdin. One line, or with --json "
         "one "
         "object, for\neach payload. Exit status: 0 all fit, 65 one does not, 78 the "
         "schema is no good\n(with --json one object tells so, too). Needs no Redis.\n",
     .run = wh_cli_schema_run},
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

wh_cli_commands_group wh_cli_commands_fleet(void)
{
    return (wh_cli_commands_group){commands, COUNT(commands)};
}
