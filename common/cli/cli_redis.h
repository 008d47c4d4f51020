/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis for the commands: the connection and calls. All functions that return wh_exit
 * have said what is wrong when it is not WH_EXIT_OK.
 */
#ifndef WH_COMMON_CLI_CLI_REDIS_H
#define WH_COMMON_CLI_CLI_REDIS_H

#include "common/cli/cli.h"
#include "common/job/job.h"
#include "common/store/keys.h"

typedef struct wh_cli_partition {
    char key[WH_KEYS_PARTITION_MAX];
    char region[WH_JOB_NAME_MAX + 1], queue[WH_JOB_NAME_MAX + 1];
    char name[2 * WH_JOB_NAME_MAX + 2]; /* "eu:default" */
} wh_cli_partition;

/* Connects (once) and sees to it that the functions are there. A library that is there
 * is never replaced; only `functions load` does that. */
wh_exit wh_cli_redis_open(wh_cli *c);
/* The same without any need of the library (doctor, functions). */
wh_exit wh_cli_redis_open_raw(wh_cli *c);
/* Why it could not be opened, in words for people. */
wh_err wh_cli_redis_try_open(wh_cli *c, bool raw, wh_errbuf *eb) WH_MUSTCHECK;

/* Sends; the reply (never NULL after WH_EXIT_OK) is valid until the next call. */
wh_exit wh_cli_redis_call(wh_cli *c, wh_call *call, const wh_reply **reply);
/* The same, quiet about the error, for callers that know what to make of it. */
wh_err wh_cli_redis_try(wh_cli *c, wh_call *call, const wh_reply **reply,
                        wh_errbuf *eb) WH_MUSTCHECK;
/* A function without arguments on one partition; an error's text names it. */
wh_exit wh_cli_redis_ask(wh_cli *c, const char *function, const wh_cli_partition *p,
                         const wh_reply **reply);
/* Says what eb has of err, which a call on p met, and returns its exit status. */
wh_exit wh_cli_redis_fail(wh_cli *c, const wh_cli_partition *p, wh_err err,
                          const wh_errbuf *eb);
/* The error is of what one partition holds: others may well be sound. */
bool wh_cli_redis_is_damage(wh_err err);
/* The integer behind a name in a flat array; dflt when it is not there. */
int64_t wh_cli_redis_field(const wh_reply *flat, const char *name, int64_t dflt);

/* From here on SIGINT and SIGTERM set c->interrupted and end a wh_session_sleep instead
 * of the process. */
wh_exit wh_cli_redis_catch(wh_cli *c);
/* Lets that much time pass, or less when interrupted. */
wh_exit wh_cli_redis_sleep(wh_cli *c, int64_t ms);

#endif
