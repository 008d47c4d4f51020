/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name has letters, digits, "_", "+", "-" and single slashes inside; without dots no name
 * leads out of the folder. What a name leads to must be a plain file of sane size.
 */
#include "common/io/zoneinfo.h"

#include "common/base/conf_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_DEFAULT "/usr/share/zoneinfo"
#define FILE_MAX 65536
#define PATH_SIZE 1024

/* TZif version 1: no changes, one local time, called UTC. */
static const char utc[] = "TZif\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* header */
                          "\0\0\0\0\0\0\0\0\0\0\0\0"             /* UT, std, leaps */
                          "\0\0\0\0\0\0\0\1\0\0\0\4" /* changes, types, chars */
                          "\0\0\0\0\0\0"             /* offset, DST, name */
                          "UTC";

static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_+-/";
    size_t n = strnlen(name, WH_ZONEINFO_NAME_MAX + 1);
    return n > 0 && n <= WH_ZONEINFO_NAME_MAX && strspn(name, letters) == n &&
           name[0] != '/' && name[n - 1] != '/' && strstr(name, "//") == NULL;
}

/* What a host calls its own: another one fires at other times. */
static bool is_local(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash == NULL ? name : slash + 1;
    return strcmp(last, "localtime") == 0 || strcmp(last, "posixrules") == 0;
}

static wh_err refuse_missing(const char *folder, const char *name, wh_errbuf *eb)
{
    struct stat st;
    if (stat(folder, &st) != 0) {
        return wh_err_sys(eb, errno,
                          "time zone %s: no time zone data here; install the package "
                          "tzdata, or set TZDIR to its folder: %s",
                          name, folder);
    }
    return wh_err_set(
        eb, WH_ENOTFOUND,
        "time zone %s: there is none of this name in %s; give a name such as "
        "Europe/Berlin, with upper and lower case (names of old are in the "
        "package tzdata-legacy)",
        name, folder);
}

/* Never waits, as a pipe of that name would make it, and reads plain files only. */
static wh_err read_file(const char *path, const char *name, wh_buf *out, wh_errbuf *eb)
{
    struct stat st;
    wh_err err;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return wh_err_sys(eb, errno, "%s", path);
    }
    if (fstat(fd, &st) != 0) {
        err = wh_err_sys(eb, errno, "%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        err = wh_err_set(eb, WH_ENOTFOUND,
                         "time zone %s: that is no file; give a whole name such as "
                         "Europe/Berlin",
                         name);
    } else {
        err = wh_conf_read_fd(fd, path, FILE_MAX, out, eb);
    }
    (void)close(fd);
    return err;
}

wh_err wh_zoneinfo_read(const char *name, wh_buf *out, wh_errbuf *eb)
{
    const char *folder = getenv("TZDIR");
    char path[PATH_SIZE];
    if (name == NULL || !is_name(name)) {
        return wh_err_set(
            eb, WH_EINVAL,
            "a time zone has a name such as Europe/Berlin or UTC, of at most "
            "%d letters, digits, _, +, - and single slashes",
            WH_ZONEINFO_NAME_MAX);
    }
    if (is_local(name)) {
        return wh_err_set(
            eb, WH_EINVAL,
            "time zone %s: it differs from host to host; give a name such "
            "as Europe/Berlin or UTC",
            name);
    }
    if (strcmp(name, "UTC") == 0) {
        wh_buf_add(out, utc, sizeof utc);
        return wh_buf_ok(out)
                   ? WH_OK
                   : wh_err_set(eb, WH_ENOMEM, "time zone UTC: out of memory");
    }
    folder = folder != NULL && *folder != '\0' ? folder : FOLDER_DEFAULT;
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return wh_err_set(eb, WH_EINVAL, "time zone %s: the path in TZDIR is too long",
                          name);
    }
    struct stat st;
    if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return refuse_missing(folder, name, eb);
    }
    return read_file(path, name, out, eb);
}
