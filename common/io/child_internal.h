/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between child.c (before fork, in the parent) and child_exec.c (after fork, in the
 * child). Everything here was allocated before the fork.
 */
#ifndef WH_COMMON_IO_CHILD_INTERNAL_H
#define WH_COMMON_IO_CHILD_INTERNAL_H

#include "common/io/child.h"

enum { WH_CHILD_MAX_FDS = 16, WH_CHILD_MAX_FD = 63, WH_CHILD_MARK_MAX = 64 };

typedef struct wh_child_plan {
    char *path;       /* of the program */
    const char **env; /* complete */
    int null_fd;
    pid_t parent;
} wh_child_plan;

/* In the child: never returns. Exit status 126 or 127, and a line on its fd 2, when the
 * program can't be run. */
WH_NORETURN void wh_child_exec_run(const wh_child_plan *plan,
                                   const wh_child_options *o);

/* ---- child_stray.c: what left a child's group and outlives it */

typedef bool wh_child_is_known(pid_t pid);
/* "WHERRY_CHILD=…", of this child alone. */
void wh_child_stray_mark(char out[WH_CHILD_MARK_MAX]);
/* Have we children that are not known? */
bool wh_child_stray_may_be(wh_child_is_known *is_known);
/* SIGKILL to every process with this mark. */
void wh_child_stray_kill(const char *mark);
/* The same with the marks of all children that this process ever had. */
void wh_child_stray_kill_all(void);
bool wh_child_stray_has_mark(pid_t pid, const char *mark);

/* ---- child_memory.c: what a child and all that it started hold */

typedef struct wh_child_family {
    pid_t pid;
    const char *mark;
    wh_child_is_known *is_known;
} wh_child_family;

/* Sum of the resident sets, -1 unknown: pages that several processes have count in each. */
int64_t wh_child_memory_rss(const wh_child_family *f);
/* The same with such pages counted once in all; dearer. Of a lone process its resident set. */
int64_t wh_child_memory_pss(const wh_child_family *f);
/* Resident set of this one process, -1 unknown. */
int64_t wh_child_memory_alone(pid_t pid);
/* At the end of the process. */
void wh_child_memory_forget(void);

#endif
