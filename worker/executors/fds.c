/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the channels of children. Only our ends are non-blocking: a child's end is
 * an open file description of its own, which programs expect to block.
 */
#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "worker/executors/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static bool make_ours(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static wh_err finish(const int fds[2], int ours, wh_fds_pair *out, wh_errbuf *eb)
{
    *out = (wh_fds_pair){fds[ours], fds[1 - ours]};
    if (!make_ours(out->ours)) {
        wh_err err = wh_err_sys(eb, errno, "fcntl");
        wh_fds_close(&out->ours);
        wh_fds_close(&out->theirs);
        return err;
    }
    return WH_OK;
}

wh_err wh_fds_socket(wh_fds_pair *out, wh_errbuf *eb)
{
    int fds[2];
    *out = (wh_fds_pair){-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return wh_err_sys(eb, errno, "socketpair");
    }
    return finish(fds, 0, out, eb);
}

wh_err wh_fds_pipe(bool to_us, wh_fds_pair *out, wh_errbuf *eb)
{
    int fds[2];
    *out = (wh_fds_pair){-1, -1};
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return wh_err_sys(eb, errno, "pipe");
    }
    return finish(fds, to_us ? 0 : 1, out, eb);
}

/* Without the seals a child could shrink it, and our next look would be a SIGBUS. */
wh_err wh_fds_memory(size_t size, int *out, wh_errbuf *eb)
{
    *out = memfd_create("wherry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*out < 0) {
        return wh_err_sys(eb, errno, "memfd_create");
    }
    if (ftruncate(*out, (off_t)size) != 0 ||
        fcntl(*out, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        wh_err err = wh_err_sys(eb, errno, "shared memory of %zu bytes", size);
        wh_fds_close(out);
        return err;
    }
    return WH_OK;
}

void wh_fds_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}
