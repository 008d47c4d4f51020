/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings and weights may name an org or type before its first job, so a name that is not
 * known is no error. When it looks like one that is, this says so. Hints only: what can't be
 * found out is not said.
 */
#ifndef WH_COMMON_CLI_CLI_NEAR_H
#define WH_COMMON_CLI_CLI_NEAR_H

#include "common/cli/cli_redis.h"

/* No job of this org waits or runs there, but jobs of one with a name much like it do. */
void wh_cli_near_org(wh_cli *c, const wh_cli_partition *p, const char *org);
/* No live worker there has a handler of this type, but one of a name much like it. */
void wh_cli_near_type(wh_cli *c, const wh_cli_partition *p, const char *type);
/* The same of an org that is paused; where none has a name like it, that it has no jobs now. */
void wh_cli_near_paused_org(wh_cli *c, const wh_cli_partition *p, const char *org);
/* The same of a type that is paused; where none has a name like it, that none handles it. */
void wh_cli_near_paused_type(wh_cli *c, const wh_cli_partition *p, const char *type);
/* Those that a setting's scope names: "org/acme/type/mail". */
void wh_cli_near_scope(wh_cli *c, const wh_cli_partition *p, const char *scope);

#endif
