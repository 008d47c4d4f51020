/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a configuration or of a secret, and who else may read them; what was read
 * is overwritten before it is freed. Called by conf_file.c, conf_secret.c, job/payload.c,
 * io/zoneinfo.c.
 */
#include "common/base/conf_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

wh_err wh_conf_read_fd(int fd, const char *path, size_t max, wh_buf *out, wh_errbuf *eb)
{
    enum { CHUNK = 4096 };
    for (size_t all = 0;;) {
        char *to = wh_buf_reserve(out, CHUNK);
        if (to == NULL) {
            return wh_err_set(eb, WH_ENOMEM, "%s: out of memory while reading it",
                              path);
        }
        ssize_t got = read(fd, to, CHUNK);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return wh_err_sys(eb, errno, "%s", path);
        }
        if (got == 0) {
            return WH_OK;
        }
        out->len += (size_t)got;
        all += (size_t)got;
        if (all > max) {
            return wh_err_set(eb, WH_ETOOBIG, "%s: it is larger than %zu bytes", path,
                              max);
        }
    }
}

wh_err wh_conf_read(const char *path, size_t max, wh_conf_read_result *out,
                    wh_errbuf *eb)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return wh_err_sys(eb, errno, "%s", path);
    }
    wh_err err = wh_conf_read_fd(fd, path, max, &out->text, eb);
    if (err == WH_OK && fstat(fd, &st) != 0) {
        err = wh_err_sys(eb, errno, "%s", path);
    }
    out->mode = err == WH_OK ? (unsigned)st.st_mode & 07777U : 0;
    (void)close(fd);
    return err;
}

void wh_conf_read_fini(wh_conf_read_result *r)
{
    if (r->text.data != NULL) {
        explicit_bzero(r->text.data, r->text.cap);
    }
    wh_buf_fini(&r->text);
}
