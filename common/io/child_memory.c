/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory a child and everything that it started holds. The processes below this
 * one are listed once for all who ask at about the same time; nothing else on the machine
 * is looked at. To a child belong its group, its descendants, and orphans (they are our
 * own children then) that carry its mark. A kernel without the lists of children shows
 * the child alone.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/io/child_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FRESH_MS = 500,
    PROCESSES_MAX = 8192,
    CHUNK = 4096,
    AFTER_NAME_GROUP = 3, /* words of /proc/PID/stat behind the name */
    AFTER_NAME_RSS = 22
};

typedef struct process {
    pid_t pid, group;
    size_t parent; /* where it stands, before this one; SIZE_MAX: it is us */
    int64_t rss;
    bool counts; /* for the child that was asked for last */
} process;

/* Loop thread only, as all of child.c. */
static struct {
    process *list;
    size_t n, cap;
    int64_t taken_ms; /* 0: never */
} below;

/* A small file below /proc as text; false: it is gone, or not ours to read. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Group and resident set, from one read. */
static bool look_at(process *p)
{
    char text[1024];
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)p->pid);
    if (!read_text(path, text, sizeof text)) {
        return false;
    }
    const char *at = strrchr(text, ')'); /* the name may hold anything */
    for (int word = 1; at != NULL && word <= AFTER_NAME_RSS; word++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && word == AFTER_NAME_GROUP) {
            p->group = (pid_t)strtol(at, NULL, 10);
        }
    }
    if (at == NULL) {
        return false;
    }
    p->rss = strtoll(at, NULL, 10) * (int64_t)sysconf(_SC_PAGESIZE);
    return true;
}

static void add(pid_t pid, size_t parent)
{
    process p = {.pid = pid, .parent = parent};
    process *grown = NULL;

    if (below.n >= PROCESSES_MAX || !look_at(&p)) {
        return;
    }
    grown = wh_grow(below.list, &below.cap, below.n + 1, sizeof *below.list);
    if (grown != NULL) {
        below.list = grown;
        below.list[below.n++] = p;
    }
}

/* Blank-separated pids, in pieces. */
static void add_listed(const char *path, size_t parent)
{
    char text[CHUNK];
    long pid = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (n = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid > 0) {
                add((pid_t)pid, parent);
                pid = 0;
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Each thread has a list of the children that it started. */
static void add_children(pid_t pid, size_t parent)
{
    char path[320];
    const struct dirent *e = NULL;

    (void)snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *threads = opendir(path);
    while (threads != NULL && (e = readdir(threads)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "/proc/%ld/task/%s/children", (long)pid,
                           e->d_name);
            add_listed(path, parent);
        }
    }
    if (threads != NULL) {
        (void)closedir(threads);
    }
}

static void list_below(int64_t now_ms)
{
    below.n = 0;
    below.taken_ms = now_ms;
    add_children(getpid(), SIZE_MAX);
    for (size_t i = 0; i < below.n; i++) { /* grows meanwhile */
        add_children(below.list[i].pid, i);
    }
}

static bool is_listed(pid_t pid)
{
    for (size_t i = 0; i < below.n; i++) {
        if (below.list[i].pid == pid) {
            return true;
        }
    }
    return false;
}

/* Marks what belongs to this child; how many processes that are. */
static size_t choose(const wh_child_family *f)
{
    int64_t now_ms = wh_clock_mono_ms();
    size_t n = 0;

    if (below.taken_ms == 0 || now_ms - below.taken_ms >= FRESH_MS ||
        now_ms < below.taken_ms || !is_listed(f->pid)) {
        list_below(now_ms);
    }
    for (size_t i = 0; i < below.n; i++) {
        process *p = &below.list[i];

        p->counts = p->pid == f->pid || p->group == f->pid;
        if (!p->counts && p->parent != SIZE_MAX) {
            p->counts = below.list[p->parent].counts;
        } else if (!p->counts && !f->is_known(p->pid)) {
            p->counts = wh_child_stray_has_mark(p->pid, f->mark);
        }
        n += p->counts;
    }
    return n;
}

int64_t wh_child_memory_alone(pid_t pid)
{
    process p = {.pid = pid};

    return look_at(&p) ? p.rss : -1;
}

int64_t wh_child_memory_rss(const wh_child_family *f)
{
    int64_t bytes = 0;

    if (choose(f) == 0) {
        return wh_child_memory_alone(f->pid);
    }
    for (size_t i = 0; i < below.n; i++) {
        bytes += below.list[i].counts ? below.list[i].rss : 0;
    }
    return bytes;
}

/* Its share of what it has resident; the whole where the kernel does not say. */
static int64_t share_of(const process *p)
{
    char text[1024];
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)p->pid);
    const char *line =
        read_text(path, text, sizeof text) ? strstr(text, "\nPss:") : NULL;
    return line != NULL ? strtoll(line + 5, NULL, 10) * 1024 : p->rss;
}

int64_t wh_child_memory_pss(const wh_child_family *f)
{
    int64_t bytes = 0;

    if (choose(f) < 2) {
        return wh_child_memory_rss(f);
    }
    for (size_t i = 0; i < below.n; i++) {
        bytes += below.list[i].counts ? share_of(&below.list[i]) : 0;
    }
    return bytes;
}

void wh_child_memory_forget(void)
{
    wh_free(below.list);
    memset(&below, 0, sizeof below);
}
