/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child between fork and exec. Another thread of the parent may have held any lock at
 * the fork, so only async-signal-safe functions and plain system calls are allowed
 * here: no allocation, no stdio, no strerror.
 */
#include "common/io/child_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CANNOT_RUN = 126, NOT_FOUND = 127, CLOEXEC_RANGE = 4 /* CLOSE_RANGE_CLOEXEC */ };

/* "wherry: cannot run PROGRAM: WHAT failed, errno N" on the child's own fd 2. */
WH_NORETURN static void give_up(const char *program, const char *what, int sys)
{
    char digits[12];
    size_t n = sizeof digits;
    int status = sys == ENOENT ? NOT_FOUND : CANNOT_RUN;
    const char *const parts[] = {"wherry: cannot run ", program, ": ", what,
                                 " failed, errno "};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        ssize_t ignored = write(2, parts[i], strlen(parts[i]));
        (void)ignored;
    }
    digits[--n] = '\n';
    do {
        digits[--n] = (char)('0' + sys % 10);
        sys /= 10;
    } while (sys > 0 && n > 0);
    ssize_t ignored = write(2, digits + n, sizeof digits - n);
    (void)ignored;
    _exit(status);
}

static void reset_signals(void)
{
    struct sigaction dfl;
    sigset_t none;

    memset(&dfl, 0, sizeof dfl);
    dfl.sa_handler = SIG_DFL;
    sigemptyset(&dfl.sa_mask);
    for (int signo = 1; signo < NSIG; signo++) {
        (void)sigaction(signo, &dfl, NULL); /* KILL, STOP and libc's own refuse */
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void mark_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags >= 0) {
        (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
}

/* The kernel's own directory record; libc has no header for it. */
struct linux_dirent64 {
    unsigned long long ino;
    long long off;
    unsigned short len;
    unsigned char type;
    char name[];
};

static int parse_fd(const char *name)
{
    int fd = 0;

    if (*name == '\0') {
        return -1;
    }
    for (; *name != '\0'; name++) {
        if (*name < '0' || *name > '9' || fd > 100000000) {
            return -1;
        }
        fd = fd * 10 + (*name - '0');
    }
    return fd;
}

/* Kernels before 5.11. readdir allocates, the system call does not. */
static void mark_listed_fds(void)
{
    _Alignas(struct linux_dirent64) char buf[2048];
    int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0) {
        for (int fd = 3; fd < 4096; fd++) {
            mark_cloexec(fd);
        }
        return;
    }
    for (;;) {
        long n = syscall(SYS_getdents64, dir, buf, sizeof buf);

        for (long at = 0; at < n;) {
            struct linux_dirent64 e;

            memcpy(&e, buf + at, sizeof e);
            int fd = parse_fd(buf + at + offsetof(struct linux_dirent64, name));
            if (fd > 2) {
                mark_cloexec(fd);
            }
            at += e.len;
        }
        if (n <= 0) {
            break;
        }
    }
    close(dir);
}

static void mark_all_fds(void)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3U, ~0U, CLOEXEC_RANGE) == 0) {
        return;
    }
#endif
    mark_listed_fds();
}

/* All of ours get CLOEXEC; then the chosen ones are copied to their numbers, by way of
 * high ones, so that no copy hits an original that is still needed. */
static bool place_fds(const wh_child_plan *plan, const wh_child_options *o)
{
    int copies[WH_CHILD_MAX_FDS];
    bool named[3] = {false, false, false};

    mark_all_fds();
    int null_fd = fcntl(plan->null_fd, F_DUPFD_CLOEXEC, WH_CHILD_MAX_FD + 1);
    if (null_fd < 0) {
        return false;
    }
    for (size_t i = 0; i < o->n_fds; i++) {
        copies[i] = fcntl(o->fds[i].parent_fd, F_DUPFD_CLOEXEC, WH_CHILD_MAX_FD + 1);
        if (copies[i] < 0) {
            return false;
        }
        if (o->fds[i].child_fd < 3) {
            named[o->fds[i].child_fd] = true;
        }
    }
    for (int fd = 0; fd < 3; fd++) {
        if (!named[fd] && dup2(null_fd, fd) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < o->n_fds; i++) {
        if (dup2(copies[i], o->fds[i].child_fd) < 0) {
            return false;
        }
    }
    return true;
}

/* execve promises not to write through its vectors, but its type does not say so. */
typedef union vector {
    const char *const *given;
    char *const *wanted;
} vector;

void wh_child_exec_run(const wh_child_plan *plan, const wh_child_options *o)
{
    const char *program = o->argv[0];
    const vector argv = {.given = o->argv};
    const vector env = {.given = plan->env};

    /* A worker that is killed leaves nothing behind. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan->parent) { /* it died before the line above */
        _exit(CANNOT_RUN);
    }
    (void)setpgid(0, 0);
    reset_signals();
    if (!place_fds(plan, o)) {
        give_up(program, "passing file descriptors", errno);
    }
    if (o->dir != NULL && chdir(o->dir) != 0) {
        give_up(program, "chdir", errno);
    }
    if (o->memory_limit > 0) {
        struct rlimit limit = {.rlim_cur = (rlim_t)o->memory_limit,
                               .rlim_max = (rlim_t)o->memory_limit};

        if (setrlimit(RLIMIT_AS, &limit) != 0) {
            give_up(program, "setrlimit", errno);
        }
    }
    (void)execve(plan->path, argv.wanted, env.wanted);
    give_up(program, "exec", errno);
}
