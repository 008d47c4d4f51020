/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes on the loop: spawned in a process group of their own with CLOEXEC
 * hygiene, chosen fds, rlimits; output pipes; reaping by pid; group kill. Never blocks.
 * What is left of a group when its leader exits is killed, and so are daemons that left
 * it, known by the mark WHERRY_CHILD in their environment. Children die with the thread
 * that spawned them (the loop's). A program that turns out not to run (exec, chdir,
 * limits) exits with 127 (no such file) or 126 and says why on its fd 2.
 */
#ifndef WH_COMMON_IO_CHILD_H
#define WH_COMMON_IO_CHILD_H

#include "common/base/err.h"
#include "common/io/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct wh_child wh_child;

typedef struct wh_child_fd {
    int parent_fd; /* an open fd of ours … */
    int child_fd;  /* … becomes this number in the child */
} wh_child_fd;

typedef struct wh_child_options {
    const char *const *argv; /* argv[0] is looked up in PATH */
    const char *const
        *env; /* NAME=VALUE, NULL-terminated: replaces the environment; NULL: inherit */
    const char *dir; /* working directory, NULL: ours */
    const wh_child_fd
        *fds; /* everything else but 0,1,2 is closed; those not named are /dev/null;
                              * at most 16, child_fd 0 to 63 */
    size_t n_fds;
    int64_t memory_limit;                   /* RLIMIT_AS bytes, 0 none */
    void (*on_exit)(void *arg, int status); /* waitpid status; once; from the loop */
    void *arg;
} wh_child_options;

/* Make the process a subreaper and start reaping (SIGCHLD) on this loop. Once per process. */
wh_err wh_child_setup(wh_loop *l, wh_errbuf *eb) WH_MUSTCHECK;
wh_err wh_child_spawn(wh_loop *l, const wh_child_options *o, wh_child **out,
                      wh_errbuf *eb) WH_MUSTCHECK;
/* At the end of the process, all children freed: kills what they left behind. */
void wh_child_teardown(void);
pid_t wh_child_pid(const wh_child *c);
bool wh_child_is_running(const wh_child *c);
/* Signal the whole process group. */
void wh_child_kill(wh_child *c, int signo);
/* SIGKILLs the group if it still runs, no on_exit afterwards; the zombie is reaped. Legal in
 * on_exit. */
void wh_child_free(wh_child *c);
/* Resident sets in bytes of the child and of all that it started, up to half a second old;
 * -1 unknown. Pages that several of them share count in each. */
int64_t wh_child_rss(const wh_child *c);
/* The same with such pages counted once in all. Dearer: ask when the first is too much. */
int64_t wh_child_pss(const wh_child *c);
/* The resident set of this process. */
int64_t wh_child_rss_self(void);
/* "exit status 3", "signal 11 (SIGSEGV)". */
void wh_child_describe(int status, char *out, size_t size);

#endif
