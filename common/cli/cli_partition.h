/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partitions a command is about: what the user named, or what the registry knows.
 * A name that nothing in Redis knows is told apart from an empty partition, so that a
 * typing error never looks like "all is quiet". Functions that return wh_exit have said
 * what is wrong.
 */
#ifndef WH_COMMON_CLI_CLI_PARTITION_H
#define WH_COMMON_CLI_CLI_PARTITION_H

#include "common/cli/cli_redis.h"

typedef struct wh_cli_partitions {
    wh_cli_partition *list; /* owned */
    size_t n;
} wh_cli_partitions;

/* "eu:default" -> partition; a lone word is a queue of the region in force. A --region or
 * --queue that says otherwise is an error. */
wh_exit wh_cli_partition_parse(wh_cli *c, const char *text, wh_cli_partition *out);
/* --region and --queue, or their defaults. */
wh_exit wh_cli_partition_default(wh_cli *c, wh_cli_partition *out);

/* The one meant: the operand, the flags, the only one there is, or the default if it is
 * known; otherwise the user is asked to choose. operand may be NULL. One that the user
 * named and that is not known is WH_EXIT_NOTFOUND. */
wh_exit wh_cli_partition_one(wh_cli *c, const char *operand, wh_cli_partition *out);
/* The same for a command that makes a partition what it is before its first job: *known
 * tells of one that is not known, instead of an error. */
wh_exit wh_cli_partition_any(wh_cli *c, const char *operand, wh_cli_partition *out,
                             bool *known);
/* The one named by the operand or by both flags, which must be known; else all registered
 * ones, of the region or the queue that one flag names. Sorted by name, with room for one
 * more in the list. */
wh_exit wh_cli_partition_all(wh_cli *c, const char *operand, wh_cli_partitions *out);
/* All registered ones, whatever the flags name. Sorted by name. */
wh_exit wh_cli_partition_registered(wh_cli *c, wh_cli_partitions *out);
/* Is it among these? */
bool wh_cli_partition_in(const wh_cli_partitions *all, const wh_cli_partition *p);
void wh_cli_partition_list_fini(wh_cli_partitions *p);

/* Says that p is not known, and what may be meant. Returns WH_EXIT_NOTFOUND. hint: what
 * else the user could do, or NULL. */
wh_exit wh_cli_partition_unknown(wh_cli *c, const wh_cli_partition *p,
                                 const char *hint);
/* Puts it into the registry, for `queue list`; true when it was not there. A user without
 * the right to do this has done the work all the same, so nothing is said of that. */
bool wh_cli_partition_register(wh_cli *c, const wh_cli_partition *p);
/* The same after a command that may have made it; of a new one with a name much like
 * that of an older one it says so. */
void wh_cli_partition_founded(wh_cli *c, const wh_cli_partition *p);

#endif
