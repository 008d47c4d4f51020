/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wherry-executor: the process in which a native plug-in runs. Started by
 * wherry-worker with a socket as fd 3 and a shared page as fd 4. By hand it only
 * checks a plug-in: wherry-executor --check FILE.so
 */
#include "generated/version.h"
#include "worker/executors/host/crash.h"
#include "worker/executors/host/host.h"
#include "worker/executors/host/load.h"
#include "worker/executors/host/task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNEL_FD = 3, PAGE_FD = 4 };

static const char usage[] =
    "usage: wherry-executor --check FILE.so\n"
    "\n"
    "Loads a handler plug-in as a worker would and prints what it offers.\n"
    "Without --check it is started by wherry-worker only.\n";

static int check(const char *path)
{
    const wh_plugin *plugin = NULL;
    wh_errbuf eb = {0};
    if (wh_load_plugin(path, &plugin, &eb) != WH_OK) {
        (void)fprintf(stderr, "wherry-executor: %s\n", eb.text);
        return WH_EXIT_CONFIG;
    }
    (void)printf("%s %s\n", plugin->name, plugin->version);
    for (size_t i = 0; i < plugin->n_handlers; i++) {
        (void)printf("  %s\n", plugin->handlers[i].type);
    }
    if (plugin->shutdown != NULL) {
        plugin->shutdown();
    }
    return fflush(stdout) == 0 ? WH_EXIT_OK : WH_EXIT_IO;
}

static int serve(const char *path)
{
    wh_host host;
    wh_errbuf eb = {0};
    const wh_plugin *plugin = NULL;
    wh_err err = wh_host_init(&host, CHANNEL_FD, PAGE_FD, &eb);
    if (err != WH_OK) {
        (void)fprintf(stderr, "wherry-executor: %s\n", eb.text);
        goto done;
    }
    wh_crash_install();
    wh_task_setup();
    (void)signal(SIGPIPE, SIG_IGN); /* a closed peer is an error, not the end */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    err = wh_load_plugin(path, &plugin, &eb);
    if (err != WH_OK) {
        wh_host_refuse(&host, eb.text);
        goto done;
    }
    err = wh_host_serve(&host, plugin);
    if (plugin->shutdown != NULL) {
        plugin->shutdown();
    }
done:
    wh_host_fini(&host);
    return (int)wh_err_exit(err);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        return printf("wherry-executor %s\n", WH_VERSION) > 0 ? WH_EXIT_OK : WH_EXIT_IO;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return fputs(usage, stdout) >= 0 ? WH_EXIT_OK : WH_EXIT_IO;
    }
    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        return check(argv[2]);
    }
    if (argc != 2 || argv[1][0] == '-') {
        (void)fputs(usage, stderr);
        return WH_EXIT_USAGE;
    }
    return serve(argv[1]);
}
