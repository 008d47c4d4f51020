/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process becomes wherry-worker (or wherry-scheduler) with --check-config or
 * --print-config, and --json when it was given; output and exit status are that
 * program's.
 */
#include "common/cli/cli_config.h"

#include "common/base/alloc.h"
#include "common/cli/cli_sibling.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static wh_exit become(wh_cli *c, const char *action)
{
    const char *which = wh_cli_args_text(&c->args, "program");
    char program[40];
    const char *file = wh_cli_args_operand(&c->args, 0);

    (void)snprintf(program, sizeof program, "wherry-%s",
                   which == NULL ? "worker" : which);
    char *path = wh_cli_sibling_find(program);
    if (path == NULL) {
        wh_cli_error(c,
                     "%s is neither beside wherry nor in PATH; it checks its own "
                     "configuration",
                     program);
        return WH_EXIT_UNAVAILABLE;
    }
    char *argv[] = {program,
                    wh_strdup("--config"),
                    wh_strdup(file),
                    wh_strdup(action),
                    c->json ? wh_strdup("--json") : NULL,
                    NULL};
    if (argv[1] != NULL && argv[2] != NULL && argv[3] != NULL &&
        (argv[4] != NULL || !c->json)) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)execv(path, argv);
        wh_cli_error(c, "can't run %s: %s", path, strerror(errno));
    }
    for (size_t i = 1; i < sizeof argv / sizeof argv[0]; i++) {
        wh_free(argv[i]);
    }
    wh_free(path);
    return WH_EXIT_OS;
}

wh_exit wh_cli_config_check(wh_cli *c)
{
    return become(c, "--check-config");
}

wh_exit wh_cli_config_print(wh_cli *c)
{
    return become(c, "--print-config");
}
