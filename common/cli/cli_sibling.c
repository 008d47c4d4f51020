/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build folder and an installation both have the programs side by side, so that
 * `wherry dev` of a build never starts the installed scheduler.
 */
#include "common/cli/cli_sibling.h"

#include "common/base/alloc.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *in_folder(const char *folder, size_t len, const char *program)
{
    char *path = wh_asprintf("%.*s/%s", (int)len, folder, program);

    if (path != NULL && is_program(path)) {
        return path;
    }
    wh_free(path);
    return NULL;
}

char *wh_cli_sibling_in_path(const char *program)
{
    const char *p = getenv("PATH");
    char *found = NULL;

    while (p != NULL && *p != '\0' && found == NULL) {
        size_t len = strcspn(p, ":");

        found = len == 0 ? NULL : in_folder(p, len, program);
        p += len + (p[len] == ':');
    }
    return found;
}

char *wh_cli_sibling_find(const char *program)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *found = NULL;

    if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        found = slash == NULL ? NULL : in_folder(self, (size_t)(slash - self), program);
    }
    return found != NULL ? found : wh_cli_sibling_in_path(program);
}
