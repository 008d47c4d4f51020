/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `wherry limit …`: rates, caps, quotas, pauses and circuit breakers of a partition.
 */
#ifndef WH_COMMON_CLI_CLI_LIMIT_H
#define WH_COMMON_CLI_CLI_LIMIT_H

#include "common/cli/cli_partition.h"
#include "common/cli/cli_setting.h"
#include "common/cli/cli_table.h"

wh_exit wh_cli_limit_set(wh_cli *c);
wh_exit wh_cli_limit_list(wh_cli *c);
wh_exit wh_cli_limit_remove(wh_cli *c);

/* In calls of at most 100, each all or nothing. Removals of what is not set are told, and
 * marked in the list. */
wh_exit wh_cli_limit_apply(wh_cli *c, const wh_cli_partition *p, wh_cli_setting *list,
                           size_t n);
/* The value behind a name in a reply of wh1_limits, or NULL. */
const char *wh_cli_limit_value(const wh_reply *flat, const char *name);
/* The value of a breaker's state, "open 4000", for people. */
void wh_cli_limit_show_state(const char *value, wh_buf *out);
/* What wh1_limits puts before the rate that an adaptive type has now, and its value,
 * "12.5 4000", for people. */
#define WH_CLI_LIMIT_PACE "pace:"
void wh_cli_limit_show_pace(const char *value, wh_buf *out);

#endif
