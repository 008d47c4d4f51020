/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at files and the folders they are in. A symbolic link is followed and what
 * it leads to is checked and used, so that a link changed later changes nothing.
 */
#include "worker/executors/program.h"

#include "common/base/alloc.h"
#include "worker/executors/split.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who may write into the folder may replace the file, unless the sticky bit is set. */
static wh_err check_folder(const char *path, wh_errbuf *eb)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? wh_strdup(".")
                   : slash == path ? wh_strdup("/")
                                   : wh_strndup(path, (size_t)(slash - path));
    if (folder == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "out of memory");
    }
    wh_err err = WH_OK;
    if (stat(folder, &st) == 0 && (st.st_mode & S_IWOTH) != 0 &&
        (st.st_mode & S_ISVTX) == 0) {
        err = wh_err_set(eb, WH_ECONFIG,
                         "%s: everybody may write to its folder; run: chmod o-w %s",
                         path, folder);
    }
    wh_free(folder);
    return err;
}

static wh_err check_file(const char *path, wh_errbuf *eb)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        int sys = errno;
        return wh_err_set(eb, WH_ECONFIG, "%s: %s", path, strerror(sys));
    }
    if (!S_ISREG(st.st_mode)) {
        return wh_err_set(eb, WH_ECONFIG, "%s: is not a regular file", path);
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        return wh_err_set(eb, WH_ECONFIG,
                          "%s: everybody may write to it; run: chmod o-w %s", path,
                          path);
    }
    return check_folder(path, eb);
}

wh_err wh_program_plugin(const char *path, char **out, wh_errbuf *eb)
{
    char real[PATH_MAX];
    *out = NULL;
    if (*path == '\0') {
        return wh_err_set(eb, WH_ECONFIG,
                          "run: no plug-in named; write native:FILE.so");
    }
    wh_err err = check_file(path, eb);
    if (err != WH_OK) {
        return err;
    }
    if (realpath(path, real) == NULL) {
        int sys = errno;
        return wh_err_set(eb, WH_ECONFIG, "%s: %s", path, strerror(sys));
    }
    err = check_file(real, eb);
    if (err != WH_OK) {
        return err;
    }
    if (access(real, R_OK) != 0) {
        return wh_err_set(eb, WH_ECONFIG, "%s: not readable by this user", path);
    }
    *out = wh_strdup(real);
    return *out != NULL ? WH_OK : wh_err_set(eb, WH_ENOMEM, "out of memory");
}

static bool is_runnable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* NULL: not found or out of memory. */
static char *find(const char *name, const char *search, const char *dir)
{
    if (strchr(name, '/') != NULL) {
        return name[0] == '/' || dir == NULL ? wh_strdup(name)
                                             : wh_asprintf("%s/%s", dir, name);
    }
    while (search != NULL) {
        size_t n = strcspn(search, ":");
        char *path = n == 0 ? wh_asprintf("./%s", name)
                            : wh_asprintf("%.*s/%s", (int)n, search, name);
        if (path == NULL || is_runnable(path)) {
            return path;
        }
        wh_free(path);
        search = search[n] == ':' ? search + n + 1 : NULL;
    }
    return NULL;
}

wh_err wh_program_command(const char *line, const wh_environ *env, const char *dir,
                          char ***out, wh_errbuf *eb)
{
    char real[PATH_MAX];
    char **words = NULL;
    char *path = NULL;
    *out = NULL;
    wh_err err = wh_split_words(line, &words, eb);
    if (err != WH_OK) {
        return err;
    }
    const char *search = wh_environ_get(env, "PATH");
    path = find(words[0], search != NULL ? search : "/usr/bin:/bin", dir);
    if (path == NULL) {
        err = wh_err_set(eb, WH_ECONFIG, "%s: no such program in PATH", words[0]);
        goto fail;
    }
    err = check_file(path, eb);
    if (err != WH_OK) {
        goto fail;
    }
    /* Not resolved further than to an absolute path: a program may look at its name. */
    if (!is_runnable(path)) {
        err = wh_err_set(eb, WH_ECONFIG, "%s: not executable; run: chmod +x %s", path,
                         path);
        goto fail;
    }
    if (path[0] != '/' && realpath(path, real) != NULL) {
        wh_free(path);
        path = wh_strdup(real);
    }
    if (path == NULL) {
        err = wh_err_set(eb, WH_ENOMEM, "out of memory");
        goto fail;
    }
    wh_free(words[0]);
    words[0] = path;
    *out = words;
    return WH_OK;
fail:
    wh_free(path);
    wh_split_free(words);
    return err;
}

wh_err wh_program_dir(const char *dir, wh_errbuf *eb)
{
    struct stat st;
    if (dir == NULL || *dir == '\0' || (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))) {
        return WH_OK;
    }
    return wh_err_set(eb, WH_ECONFIG, "dir: %s is no folder", dir);
}
