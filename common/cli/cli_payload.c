/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read whole before anything is sent, up to the largest payload that there may be.
 */
#include "common/cli/cli_payload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 65536 };

static wh_exit read_fd(wh_cli *c, int fd, const char *name, wh_buf *out)
{
    for (;;) {
        char *to = wh_buf_reserve(out, READ_SIZE);

        if (to == NULL) {
            return wh_cli_no_memory(c);
        }
        ssize_t n = read(fd, to, READ_SIZE);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            wh_cli_error(c, "can't read %s: %s", name, strerror(errno));
            return WH_EXIT_IO;
        }
        if (n == 0) {
            return WH_EXIT_OK;
        }
        out->len += (size_t)n;
        if (out->len > WH_CLI_PAYLOAD_MAX) {
            wh_cli_error(c, "%s has over %d bytes: too much for a payload", name,
                         WH_CLI_PAYLOAD_MAX);
            return WH_EXIT_DATA;
        }
    }
}

static wh_exit read_path(wh_cli *c, const char *path, wh_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        wh_cli_error(c, "can't open %s: %s", path, strerror(errno));
        return WH_EXIT_IO;
    }
    wh_exit status = read_fd(c, fd, path, out);
    (void)close(fd);
    return status;
}

wh_exit wh_cli_payload_file(wh_cli *c, const char *path, wh_buf *out)
{
    return strcmp(path, "-") == 0 ? read_fd(c, STDIN_FILENO, "stdin", out)
                                  : read_path(c, path, out);
}

wh_exit wh_cli_payload_read(wh_cli *c, const char *word, wh_buf *out)
{
    if (word == NULL) {
        return WH_EXIT_OK;
    }
    if (strcmp(word, "-") == 0) {
        return read_fd(c, STDIN_FILENO, "stdin", out);
    }
    if (word[0] != '@') {
        wh_buf_adds(out, word);
        return wh_buf_ok(out) ? WH_EXIT_OK : wh_cli_no_memory(c);
    }
    if (word[1] == '\0') {
        return wh_cli_usage(c, "\"@\" needs a file's name behind it: @FILE");
    }
    return read_path(c, word + 1, out);
}
