/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands on dead jobs.
 */
#include "common/cli/cli_commands_internal.h"
#include "common/cli/cli_dlq.h"
#include "common/cli/cli_dlq_move.h"

#define CATEGORIES                                                                     \
    "timeout|connection|rate_limited|unavailable|crash|error|not_found|invalid|"       \
    "unsupported|permission|oversize|lost_worker|no_handler"
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

static const wh_cli_command commands[] = {
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
};

wh_cli_commands_group wh_cli_commands_dlq(void)
{
    return (wh_cli_commands_group){commands, COUNT(commands)};
}
