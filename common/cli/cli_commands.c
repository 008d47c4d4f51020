/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the command line knows: from this table come parsing, --help, completion and
 * docs/cli.md. Commands of one noun stand together, in the order of --help.
 */
#include "common/cli/cli_commands.h"

#include "common/cli/cli_commands_internal.h"

#include <string.h>

enum { COMMANDS_MAX = 80 };

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
     .help = "no notes, no summary of a bulk load, no progress"},
    SWITCH("no-color", "no colours"),
    {.name = "help", .letter = 'h', .kind = WH_CLI_SWITCH, .help = "show help"},
    {.name = "version",
     .letter = 'V',
     .kind = WH_CLI_SWITCH,
     .help = "show the version"},
};

/* The groups one behind the other, made at the first call. */
static wh_cli_command all[COMMANDS_MAX];
static wh_cli_set set = {.globals = globals, .n_globals = COUNT(globals)};

static void add(wh_cli_commands_group g)
{
    WH_ASSERT(set.n_commands + g.n <= COMMANDS_MAX);
    memcpy(&all[set.n_commands], g.commands, g.n * sizeof g.commands[0]);
    set.n_commands += g.n;
}

const wh_cli_set *wh_cli_commands_set(void)
{
    if (set.commands == NULL) {
        set.commands = all;
        add(wh_cli_commands_job());
        add(wh_cli_commands_queue());
        add(wh_cli_commands_cron());
        add(wh_cli_commands_dlq());
        add(wh_cli_commands_fleet());
    }
    return &set;
}
