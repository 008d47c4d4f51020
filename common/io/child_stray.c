/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that a child started and that left its group (daemons). Orphans come to us
 * as their subreaper, but nothing in the kernel tells whose they were; the mark that
 * each child has in its environment does, and is inherited. child.c asks when a child
 * has ended. The usual answer, "nobody", costs one small read.
 */
#include "common/io/child_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK "WHERRY_CHILD="

enum { CHUNK = 4096, ROUNDS_MAX = 20 };

void wh_child_stray_mark(char out[WH_CHILD_MARK_MAX])
{
    static unsigned long long count; /* loop thread only, as all of child.c */

    (void)snprintf(out, WH_CHILD_MARK_MAX, MARK "%ld.%llu", (long)getpid(), ++count);
}

/* Reads blank-separated pids, in pieces; true at the first that is not known. */
static bool has_unknown(int fd, wh_child_is_known *is_known)
{
    char text[CHUNK];
    long pid = 0;
    ssize_t n = 0;

    while ((n = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid > 0 && !is_known((pid_t)pid)) {
                return true;
            } else {
                pid = 0;
            }
        }
    }
    return pid > 0 && !is_known((pid_t)pid);
}

bool wh_child_stray_may_be(wh_child_is_known *is_known)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return true; /* a kernel without this list */
    }
    bool found = has_unknown(fd, is_known);
    close(fd);
    return found;
}

static bool contains(const char *text, size_t len, const char *what, size_t size)
{
    const char *end = text + len;

    while (text != NULL && (size_t)(end - text) >= size) {
        if (memcmp(text, what, size) == 0) {
            return true;
        }
        text = memchr(text + 1, what[0], (size_t)(end - text) - 1);
    }
    return false;
}

/* Is it in the NUL-ended entries? What spans two reads is put together. */
static bool holds(int fd, const char *mark, size_t size)
{
    char text[CHUNK + WH_CHILD_MARK_MAX];
    size_t kept = 0;
    ssize_t n = 0;

    while ((n = read(fd, text + kept, CHUNK)) > 0) {
        size_t len = kept + (size_t)n;

        if (contains(text, len, mark, size)) {
            return true;
        }
        kept = len < size - 1 ? len : size - 1;
        memmove(text, text + len - kept, kept);
    }
    return false;
}

static bool is_marked(long pid, const char *mark, size_t size)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%ld/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false; /* gone, or not ours */
    }
    bool found = holds(fd, mark, size);
    close(fd);
    return found;
}

static bool kill_if_marked(long pid, const char *mark, size_t size)
{
    return is_marked(pid, mark, size) && kill((pid_t)pid, SIGKILL) == 0;
}

static bool kill_marked(const char *mark, size_t size)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e = NULL;
    bool found = false;

    while (proc != NULL && (e = readdir(proc)) != NULL) {
        char *end = NULL;
        long pid = strtol(e->d_name, &end, 10);

        if (pid > 1 && *end == '\0' && pid != (long)getpid()) {
            found = kill_if_marked(pid, mark, size) || found;
        }
    }
    if (proc != NULL) {
        (void)closedir(proc);
    }
    return found;
}

bool wh_child_stray_has_mark(pid_t pid, const char *mark)
{
    return is_marked((long)pid, mark, strlen(mark) + 1);
}

void wh_child_stray_kill(const char *mark)
{
    (void)kill_marked(mark, strlen(mark) + 1);
}

void wh_child_stray_kill_all(void)
{
    char mark[WH_CHILD_MARK_MAX];
    int rounds = 0;

    (void)snprintf(mark, sizeof mark, MARK "%ld.", (long)getpid());
    while (kill_marked(mark, strlen(mark)) && ++rounds < ROUNDS_MAX) {
        /* what was forked meanwhile */
    }
}
