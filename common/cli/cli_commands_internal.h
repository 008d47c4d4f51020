/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tables of commands are made of. Each file cli_commands_<group>.c has the rows of
 * nouns that belong together; cli_commands.c joins them. Nobody else includes this.
 */
#ifndef WH_COMMON_CLI_CLI_COMMANDS_INTERNAL_H
#define WH_COMMON_CLI_CLI_COMMANDS_INTERNAL_H

#include "common/cli/cli_args.h"

typedef struct wh_cli_commands_group {
    const wh_cli_command *commands;
    size_t n;
} wh_cli_commands_group;

wh_cli_commands_group wh_cli_commands_job(void);
wh_cli_commands_group wh_cli_commands_queue(void); /* queue, limit, org */
wh_cli_commands_group wh_cli_commands_cron(void);
wh_cli_commands_group wh_cli_commands_dlq(void);
wh_cli_commands_group wh_cli_commands_fleet(void); /* all other nouns */

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

/* Operands of commands that take any number of them. */
#define OPERANDS_ANY 1000000

#define YEARS_10 INT64_C(315360000000)

#endif
