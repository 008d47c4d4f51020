/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at the environment and at one path. Redis takes its socket away when it ends, so
 * a socket means that it runs (or was killed, and then it is named in the error).
 */
#include "common/io/redis_dev.h"

#include "common/base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *wh_redis_dev_dir(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (data != NULL && data[0] == '/') {
        return wh_asprintf("%s/wherry", data);
    }
    return home != NULL && home[0] == '/' ? wh_asprintf("%s/.local/share/wherry", home)
                                          : NULL;
}

char *wh_redis_dev_url(void)
{
    char *dir = wh_redis_dev_dir();
    char *path = dir == NULL ? NULL : wh_asprintf("%s/" WH_REDIS_DEV_SOCKET, dir);
    char *url = NULL;
    struct stat st;

    /* What can't stand in a URL, `wherry dev` refuses. */
    if (path != NULL && strpbrk(path, "?%#") == NULL && stat(path, &st) == 0 &&
        S_ISSOCK(st.st_mode)) {
        url = wh_asprintf("unix://%s", path);
    }
    wh_free(path);
    wh_free(dir);
    return url;
}
