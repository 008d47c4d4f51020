/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a command (noun, verb, operands, flags, help) and the parsing of a
 * command line against the tables made of it. Usage, --help, completion and docs/cli.md
 * come from the same structs. Knows no Redis and prints nothing.
 */
#ifndef WH_COMMON_CLI_CLI_ARGS_H
#define WH_COMMON_CLI_CLI_ARGS_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wh_cli;

typedef enum wh_cli_kind {
    WH_CLI_SWITCH,   /* no value */
    WH_CLI_TEXT,     /* anything */
    WH_CLI_NAME,     /* a name as in docs/protocol.md section 1 */
    WH_CLI_NUMBER,   /* whole, min to max */
    WH_CLI_DURATION, /* "5s"; number is ms, min to max */
    WH_CLI_RATE,     /* "100" or "100/s"; number is per second */
    WH_CLI_CHOICE,   /* one of choices */
    WH_CLI_CHOICES   /* some of choices, comma-separated */
} wh_cli_kind;

typedef struct wh_cli_flag {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    wh_cli_kind kind;
    const char *value;    /* as help shows it: "ORG"; NULL for switches */
    const char *choices;  /* "a|b|c" */
    int64_t min, max;     /* NUMBER, DURATION, RATE */
    const char *not_with; /* the flag that it can't stand beside, or NULL */
    const char *help;
} wh_cli_flag;

typedef struct wh_cli_command {
    const char *noun, *verb; /* verb NULL: the noun is the whole command */
    const char *operands;    /* "ID", "TYPE [PAYLOAD]", "" */
    size_t min_operands, max_operands;
    const char *summary;  /* one line */
    const char *details;  /* more lines, or NULL */
    const char *examples; /* whole command lines, each ending in \n */
    bool no_json;         /* what it prints is for another program; --json is refused */
    const wh_cli_flag *flags;
    size_t n_flags;
    wh_exit (*run)(struct wh_cli *c);
} wh_cli_command;

/* What there is: the tables of cli_commands.c, or a test's. */
typedef struct wh_cli_set {
    const wh_cli_command *commands;
    size_t n_commands;
    const wh_cli_flag *globals;
    size_t n_globals;
} wh_cli_set;

enum { WH_CLI_FLAGS_MAX = 40 };

typedef struct wh_cli_value {
    const wh_cli_flag *flag;
    const char *text; /* borrowed from argv; "" of a switch; NULL: not given */
    int64_t number;
} wh_cli_value;

typedef struct wh_cli_args {
    const wh_cli_set *set;
    const wh_cli_command *command; /* NULL: none was named */
    const char *noun;              /* known noun, also when the verb is missing */
    bool help;                     /* -h or --help stood somewhere */
    wh_cli_value values[WH_CLI_FLAGS_MAX];
    size_t n_values;
    const char **operands; /* owned array of borrowed texts */
    size_t n_operands;
} wh_cli_args;

/* argv[0] is skipped. WH_EINVAL with the reason in eb; the struct is to be freed in any
 * case. With help set nothing but noun and command is valid. The last of doubled flags
 * wins. */
wh_err wh_cli_args_parse(wh_cli_args *a, const wh_cli_set *set, int argc, char **argv,
                         wh_errbuf *eb) WH_MUSTCHECK;
void wh_cli_args_fini(wh_cli_args *a);

/* The flag's value; it must be a global flag or one of the command. */
bool wh_cli_args_has(const wh_cli_args *a, const char *name);
const char *wh_cli_args_text(const wh_cli_args *a, const char *name);
int64_t wh_cli_args_number(const wh_cli_args *a, const char *name, int64_t dflt);
/* Operand i, or NULL. */
const char *wh_cli_args_operand(const wh_cli_args *a, size_t i);
/* Is word one of a CHOICES value ("a,b")? */
bool wh_cli_args_chosen(const char *list, const char *word);

const wh_cli_command *wh_cli_args_find(const wh_cli_set *set, const char *noun,
                                       const char *verb);
/* The first command of this noun, or NULL. */
const wh_cli_command *wh_cli_args_find_noun(const wh_cli_set *set, const char *noun);

#endif
