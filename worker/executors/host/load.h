/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a plug-in: dlopen, the one symbol, and every check that can be made before
 * a job runs. Called once per process by main.
 */
#ifndef WH_WORKER_EXECUTORS_HOST_LOAD_H
#define WH_WORKER_EXECUTORS_HOST_LOAD_H

#include "common/base/err.h"
#include "common/client/plugin.h"

/* WH_ECONFIG with the file, what was found and what would be right. The plug-in stays
 * loaded as long as the process lives. Its init() has been called. */
wh_err wh_load_plugin(const char *path, const wh_plugin **out,
                      wh_errbuf *eb) WH_MUSTCHECK;
/* The handler of a type: its own, else the one of "*", else NULL. */
const wh_handler *wh_load_find(const wh_plugin *plugin, const char *type);

#endif
