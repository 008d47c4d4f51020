/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facts of wh1_explain (docs/protocol.md section 8) as members of a JSON object, for
 * cli_explain.c. Facts of a newer library are among them.
 */
#ifndef WH_COMMON_CLI_CLI_EXPLAIN_JSON_H
#define WH_COMMON_CLI_CLI_EXPLAIN_JSON_H

#include "common/base/buf.h"
#include "common/store/call.h"

/* Each as `,"name":value`; reason: what is said in place of the fact of that name. */
void wh_cli_explain_json_add(const wh_reply *flat, const char *reason, wh_buf *out);

#endif
