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

typedef enum stray { STRAY_NO, STRAY_YES, STRAY_UNKNOWN } stray;

/* A process in the middle of its execve has no environment to read; zombies and the
 * kernel's threads (children of pid 2) never have one. */
static bool is_starting(long pid)
{
    char path[64], text[512];
    char state = 'Z';
    int parent = 2;

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    if (after == NULL || sscanf(after, ") %c %d", &state, &parent) != 2) {
        return false;
    }
    return state != 'Z' && state != 'X' && parent != 2 && pid != 2;
}

static stray look_at(long pid, const char *mark, size_t size)
{
    char path[64];
    char first = '\0';

    (void)snprintf(path, sizeof path, "/proc/%ld/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return STRAY_NO; /* gone, or not ours */
    }
    ssize_t n = pread(fd, &first, 1, 0);
    stray found = n > 0 && holds(fd, mark, size) ? STRAY_YES : STRAY_NO;
    close(fd);
    return n == 0 && is_starting(pid) ? STRAY_UNKNOWN : found;
}

/* Returns whether another look is due: one was killed, which may have forked before, or
 * one could not be told. */
static bool kill_marked(const char *mark, size_t size)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e = NULL;
    bool again = false;

    while (proc != NULL && (e = readdir(proc)) != NULL) {
        char *end = NULL;
        long pid = strtol(e->d_name, &end, 10);

        if (pid > 1 && *end == '\0' && pid != (long)getpid()) {
            stray found = look_at(pid, mark, size);

            if (found == STRAY_YES && kill((pid_t)pid, SIGKILL) != 0) {
                found = STRAY_NO; /* gone */
            }
            again = again || found != STRAY_NO;
        }
    }
    if (proc != NULL) {
        (void)closedir(proc);
    }
    return again;
}

static void kill_until_none(const char *mark, size_t size)
{
    int rounds = 0;

    while (kill_marked(mark, size) && ++rounds < ROUNDS_MAX) {
        /* what was forked meanwhile */
    }
}

bool wh_child_stray_has_mark(pid_t pid, const char *mark)
{
    return look_at((long)pid, mark, strlen(mark) + 1) == STRAY_YES;
}

void wh_child_stray_kill(const char *mark)
{
    kill_until_none(mark, strlen(mark) + 1);
}

void wh_child_stray_kill_all(void)
{
    char mark[WH_CHILD_MARK_MAX];

    (void)snprintf(mark, sizeof mark, MARK "%ld.", (long)getpid());
    kill_until_none(mark, strlen(mark));
}
