/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kinds of executors have in common before a child runs: which kind a
 * configuration text names. The checks of files are in program.c.
 */
#include "worker/executors/executor.h"

#include <string.h>

#define CHILDREN_MAX 4096

static const wh_executor_kind *const kinds[] = {&wh_native_kind, &wh_exec_kind,
                                                &wh_command_kind};

const wh_executor_kind *wh_executor_kind_of(const char *run, const char **rest,
                                            wh_errbuf *eb)
{
    const char *colon = run != NULL ? strchr(run, ':') : NULL;
    if (colon == NULL) {
        (void)wh_err_set(eb, WH_ECONFIG,
                         "\"%.80s\" names no kind; write native:FILE.so, "
                         "exec:PROGRAM ARGUMENTS or command:PROGRAM ARGUMENTS",
                         run != NULL ? run : "");
        return NULL;
    }
    size_t n = (size_t)(colon - run);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i]->name) == n && strncmp(run, kinds[i]->name, n) == 0) {
            *rest = colon + 1 + strspn(colon + 1, " \t");
            return kinds[i];
        }
    }
    (void)wh_err_set(eb, WH_ECONFIG,
                     "kind \"%.*s\" is unknown; there are native, exec and command",
                     n > 40 ? 40 : (int)n, run);
    return NULL;
}

unsigned wh_executor_most(const wh_handler_config *config, unsigned slots)
{
    int64_t most = config->processes > 0 ? config->processes : (int64_t)slots;
    return most < 1 ? 1 : (unsigned)(most > CHILDREN_MAX ? CHILDREN_MAX : most);
}

/* `none` is about the handler: what it does must not be done again (retry.c). */
int64_t wh_executor_attempts(const wh_handler_config *config, const wh_job *job)
{
    if (config->retry != NULL && strcmp(config->retry, "none") == 0) {
        return 1;
    }
    return job->max_attempts > 0 ? job->max_attempts : config->max_attempts;
}
