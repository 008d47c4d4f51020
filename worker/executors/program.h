/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of the files that children are made of, when an executor is created: a
 * program or plug-in that is missing, not a file, or writable by everybody is refused
 * before any job is claimed for it.
 */
#ifndef WH_WORKER_EXECUTORS_PROGRAM_H
#define WH_WORKER_EXECUTORS_PROGRAM_H

#include "worker/executors/environ.h"
#include "worker/executors/executor.h"

/* The resolved path of a plug-in, to be freed. */
wh_err wh_program_plugin(const char *path, char **out, wh_errbuf *eb) WH_MUSTCHECK;
/* The words of a command line; the first one is resolved by PATH of env (a name with a
 * slash: relative to config->dir) and checked. Free with wh_split_free. */
wh_err wh_program_command(const char *line, const wh_environ *env, const char *dir,
                          char ***out, wh_errbuf *eb) WH_MUSTCHECK;
/* config->dir, when set, is a folder. */
wh_err wh_program_dir(const char *dir, wh_errbuf *eb) WH_MUSTCHECK;

#endif
