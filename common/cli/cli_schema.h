/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas on the command line: `wherry schema check`, and --schema of `job enqueue`.
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

/* Of the file and of the flag --schema-format. Has said what is wrong when it is not
 * WH_EXIT_OK. path NULL: none. */
wh_exit wh_cli_schema_load(wh_cli *c, const char *path, wh_cli_schema *out);
void wh_cli_schema_fini(wh_cli_schema *s);

wh_exit wh_cli_schema_run(wh_cli *c);

#endif
