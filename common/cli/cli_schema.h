/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas on the command line: `wherry schema check`, and --schema of `job enqueue` and
 * `cron set`.
 */
#ifndef WH_COMMON_CLI_CLI_SCHEMA_H
#define WH_COMMON_CLI_CLI_SCHEMA_H

#include "common/cli/cli.h"
#include "common/job/payload.h"

/* What payloads of this run must fit; schema NULL: anything goes. */
typedef struct wh_cli_schema {
    wh_schema *schema; /* owned */
    wh_payload_format format;
} wh_cli_schema;

/* Of the file and of what the payloads are. Has said what is wrong when it is not
 * WH_EXIT_OK. path NULL: none; format NULL: JSON. */
wh_exit wh_cli_schema_load(wh_cli *c, const char *path, const char *format,
                           wh_cli_schema *out);
void wh_cli_schema_fini(wh_cli_schema *s);
/* One payload, which anything may be without a schema. Has said what is wrong when it is
 * not WH_EXIT_OK. */
wh_exit wh_cli_schema_check(wh_cli *c, const wh_cli_schema *s, wh_slice payload);

wh_exit wh_cli_schema_run(wh_cli *c);

#endif
