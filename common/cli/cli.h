/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the `wherry` command: the parsed command line, global settings, messages.
 * Every command gets a wh_cli, prints data to stdout through wh_cli_out_* and messages
 * to stderr through the functions here, and returns its exit status.
 */
#ifndef WH_COMMON_CLI_CLI_H
#define WH_COMMON_CLI_CLI_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/cli/cli_args.h"
#include "common/client/session.h"

typedef struct wh_cli {
    wh_cli_args args;
    const char *url; /* where Redis is */
    const char
        *url_from;      /* "--redis", or the variable that says so; NULL: nobody did */
    char *own_url;      /* memory behind url, or NULL */
    char *own_password; /* the same of a password from a file */
    const char *password; /* or NULL */
    const char *region, *queue;
    bool has_region, has_queue; /* the user named it */
    bool has_partition;         /* either of them */
    bool json, quiet;
    bool is_out_color, is_err_color;
    bool is_out_terminal, is_err_terminal;
    bool out_failed;  /* stdout takes no more; nobody reads on */
    bool has_bar;     /* one of progress stands on stderr: a message wipes it away */
    bool interrupted; /* SIGINT or SIGTERM, once wh_cli_redis_catch was called */
    wh_session *session;
} wh_cli;

/* Behind what says that a server is a read-only replica. */
#define WH_CLI_REPLICA_HINT "; give --redis the address of its primary"

/* All of main(). */
int wh_cli_main(int argc, char **argv);

/* Messages, each one line on stderr, control characters made harmless. A note is left out
 * with --quiet. */
void wh_cli_note(wh_cli *c, const char *fmt, ...) WH_PRINTF(2, 3);
void wh_cli_warn(wh_cli *c, const char *fmt, ...) WH_PRINTF(2, 3);
void wh_cli_error(wh_cli *c, const char *fmt, ...) WH_PRINTF(2, 3);
/* An error of the command line; says where help is. Returns WH_EXIT_USAGE. */
wh_exit wh_cli_usage(wh_cli *c, const char *fmt, ...) WH_PRINTF(2, 3);
/* What eb says of err; in other words where Redis' own are of little help. */
const char *wh_cli_reason(wh_err err, const wh_errbuf *eb);
/* Prints what eb says of err and returns its exit status. */
wh_exit wh_cli_fail(wh_cli *c, wh_err err, const wh_errbuf *eb);
/* The same for out of memory. */
wh_exit wh_cli_no_memory(wh_cli *c);

#endif
