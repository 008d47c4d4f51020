/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a setting may stand: "queue", "org/acme", "org/acme/type/mail" and so on
 * (docs/protocol.md section 10), as bits. Used by cli_setting.c; pure.
 */
#ifndef WH_COMMON_CLI_CLI_SCOPE_H
#define WH_COMMON_CLI_CLI_SCOPE_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* ANY: also with "*" for the name. */
enum {
    WH_CLI_AT_QUEUE = 1,
    WH_CLI_AT_ORG = 2,
    WH_CLI_AT_ANY_ORG = 4,
    WH_CLI_AT_TYPE = 8,
    WH_CLI_AT_ANY_TYPE = 16,
    WH_CLI_AT_PAIR = 32,
    WH_CLI_AT_ANY_PAIR = 64,
    WH_CLI_AT_GROUPS = 128,
    WH_CLI_AT_GROUP = 256,
    WH_CLI_AT_ORGS = WH_CLI_AT_ORG | WH_CLI_AT_ANY_ORG,
    WH_CLI_AT_TYPES = WH_CLI_AT_TYPE | WH_CLI_AT_ANY_TYPE
};

/* Its bit; 0: it is none. */
unsigned wh_cli_scope_of(const char *s);
/* Adds the forms of these bits: "queue, org/NAME". */
void wh_cli_scope_list(unsigned bits, wh_buf *out);
/* Of one that is none: WH_EINVAL and which name in it is bad; WH_OK: no name is. */
wh_err wh_cli_scope_names(const char *s, wh_errbuf *eb) WH_MUSTCHECK;

#endif
