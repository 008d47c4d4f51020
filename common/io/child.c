/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children are forked, not spawned: limits, parent-death signal and process group have
 * no place in posix_spawn. Everything that may allocate or lock is done before fork;
 * between fork and exec only system calls are made (child_exec.c). The SIGCHLD watcher
 * peeks at each zombie first: while it is one, its pid, and so its group, can't be
 * anyone else's, and the rest of the group is killed, with what left the group
 * (child_stray.c). Zombies that are nobody's (orphans handed to us as subreaper) are
 * reaped along.
 */
#include "common/io/child.h"

#include "common/base/alloc.h"
#include "common/io/child_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct wh_child {
    wh_loop *loop;
    pid_t pid;
    bool running;
    void (*on_exit)(void *arg, int status);
    void *arg;
    wh_child *next; /* in running_children */
    char mark[WH_CHILD_MARK_MAX];
};

/* Pids are the process's, and so is the list of those we know; loop thread only. */
static wh_child *running_children;

/* --------------------------------------------------------------- reaping */

static wh_child *take_running(pid_t pid)
{
    for (wh_child **at = &running_children; *at != NULL; at = &(*at)->next) {
        if ((*at)->pid == pid) {
            wh_child *c = *at;

            *at = c->next;
            c->next = NULL;
            c->running = false;
            return c;
        }
    }
    return NULL;
}

static pid_t being_buried; /* a zombie that is no longer in running_children */

static bool is_known(pid_t pid)
{
    const wh_child *c = running_children;

    while (c != NULL && c->pid != pid) {
        c = c->next;
    }
    return c != NULL || pid == being_buried;
}

/* c is in running_children no more. */
static void kill_strays(const wh_child *c)
{
    being_buried = c->pid;
    if (wh_child_stray_may_be(is_known)) {
        wh_child_stray_kill(c->mark);
    }
    being_buried = 0;
}

/* False: no more zombies. */
static bool reap_one(void)
{
    siginfo_t si;
    int status = 0;
    wh_child *c = NULL;

    memset(&si, 0, sizeof si);
    if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) != 0 || si.si_pid <= 0) {
        return false;
    }
    c = take_running(si.si_pid);
    if (c != NULL) {
        (void)kill(-si.si_pid, SIGKILL);
        kill_strays(c);
    }
    if (waitpid(si.si_pid, &status, WNOHANG) != si.si_pid) {
        status = 0; /* somebody else's waitpid was faster */
    }
    if (c != NULL && c->on_exit != NULL) {
        c->on_exit(c->arg, status); /* c may be gone now */
    }
    return true;
}

static void on_sigchld(void *arg, int signo)
{
    (void)arg;
    (void)signo;
    while (reap_one()) {
        /* one signal may stand for many */
    }
}

wh_err wh_child_setup(wh_loop *l, wh_errbuf *eb)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return wh_err_sys(eb, errno, "prctl(PR_SET_CHILD_SUBREAPER)");
    }
    wh_err err = wh_loop_on_signal(l, SIGCHLD, on_sigchld, NULL);
    if (err != WH_OK) {
        return wh_err_set(eb, err, "can't watch SIGCHLD");
    }
    return WH_OK;
}

void wh_child_teardown(void)
{
    wh_child_stray_kill_all();
    wh_child_memory_forget();
}

/* -------------------------------------------------------------- spawning */

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static const char *find_variable(const char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; env != NULL && *env != NULL; env++) {
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') {
            return *env + n + 1;
        }
    }
    return NULL;
}

/* The program's path, to be freed; a name with a slash is taken as it is (and then
 * relative to the child's folder). NULL: not found, or out of memory. */
static char *find_program(const char *name, const char *search)
{
    if (strchr(name, '/') != NULL) {
        return wh_strdup(name);
    }
    while (search != NULL) {
        size_t n = strcspn(search, ":");
        char *path = wh_asprintf("%.*s%s%s", (int)n, search, n > 0 ? "/" : "./", name);

        if (path == NULL || is_program(path)) {
            return path;
        }
        wh_free(path);
        search = search[n] == ':' ? search + n + 1 : NULL;
    }
    return NULL;
}

static wh_err check(const wh_child_options *o, wh_errbuf *eb)
{
    struct stat st;

    if (o->argv == NULL || o->argv[0] == NULL || *o->argv[0] == '\0') {
        return wh_err_set(eb, WH_EINVAL, "no program to run");
    }
    if (o->dir != NULL && (stat(o->dir, &st) != 0 || !S_ISDIR(st.st_mode))) {
        return wh_err_set(eb, WH_ENOTFOUND, "not a folder: %s", o->dir);
    }
    for (size_t i = 0; i < o->n_fds; i++) {
        if (o->fds[i].child_fd < 0 || o->fds[i].child_fd > WH_CHILD_MAX_FD ||
            o->fds[i].parent_fd < 0) {
            return wh_err_set(eb, WH_EINVAL, "fd %d as %d is out of range",
                              o->fds[i].parent_fd, o->fds[i].child_fd);
        }
    }
    return o->n_fds > WH_CHILD_MAX_FDS ? wh_err_set(eb, WH_ETOOBIG, "too many fds")
                                       : WH_OK;
}

/* No signal may reach the child before it has left our handlers behind: they would
 * write into the loop's own pipe. */
static pid_t fork_quietly(const wh_child_plan *plan, const wh_child_options *o,
                          int *sys)
{
    sigset_t all;
    sigset_t before;
    pid_t pid;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        wh_child_exec_run(plan, o);
    }
    *sys = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static wh_child *new_child(wh_loop *l, const wh_child_options *o)
{
    wh_child *c = wh_calloc(1, sizeof *c);

    if (c != NULL) {
        *c = (wh_child){.loop = l, .on_exit = o->on_exit, .arg = o->arg};
        wh_child_stray_mark(c->mark);
    }
    return c;
}

/* The environment (NULL: ours) and the mark, to be freed; the texts are borrowed. */
static const char **marked(const char *const *env, const char *mark)
{
    const char *const *from = env != NULL ? env : (const char *const *)environ;
    size_t n = 0;

    while (from != NULL && from[n] != NULL) {
        n++;
    }
    const char **list = wh_calloc(n + 2, sizeof *list);
    for (size_t i = 0; list != NULL && i < n; i++) {
        list[i] = from[i];
    }
    if (list != NULL) {
        list[n] = mark;
    }
    return list;
}

wh_err wh_child_spawn(wh_loop *l, const wh_child_options *o, wh_child **out,
                      wh_errbuf *eb)
{
    const char *const *env = o->env;
    wh_child_plan plan = {.parent = getpid()};
    wh_child *c = NULL;
    int sys = 0;
    wh_err err = check(o, eb);

    *out = NULL;
    if (err != WH_OK) {
        return err;
    }
    const char *search = env != NULL ? find_variable(env, "PATH") : getenv("PATH");
    plan.path = find_program(o->argv[0], search != NULL ? search : "/usr/bin:/bin");
    if (plan.path == NULL) {
        return wh_err_set(eb, WH_ENOTFOUND, "no such program in PATH: %s", o->argv[0]);
    }
    c = new_child(l, o);
    plan.env = c == NULL ? NULL : marked(env, c->mark);
    plan.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (plan.env == NULL || plan.null_fd < 0) {
        err = plan.env == NULL ? wh_err_set(eb, WH_ENOMEM, "out of memory")
                               : wh_err_sys(eb, errno, "open /dev/null");
        goto done;
    }
    c->pid = fork_quietly(&plan, o, &sys);
    if (c->pid < 0) {
        err = wh_err_sys(eb, sys, "fork");
        goto done;
    }
    (void)setpgid(c->pid, c->pid); /* the child does the same; whoever is first */
    c->running = true;
    c->next = running_children;
    running_children = c;
    *out = c;
    c = NULL;
done:
    if (plan.null_fd >= 0) {
        close(plan.null_fd);
    }
    wh_free(plan.env);
    wh_free(plan.path);
    wh_free(c);
    return err;
}

/* ------------------------------------------------------------------- use */

pid_t wh_child_pid(const wh_child *c)
{
    return c->pid;
}

bool wh_child_is_running(const wh_child *c)
{
    return c->running;
}

void wh_child_kill(wh_child *c, int signo)
{
    if (c->running) {
        (void)kill(-c->pid, signo);
    }
}

void wh_child_free(wh_child *c)
{
    if (c == NULL) {
        return;
    }
    if (c->running) {
        wh_child_kill(c, SIGKILL);
        (void)take_running(c->pid);
        kill_strays(c);
    }
    wh_free(c);
}

static const char *signal_name(int signo)
{
    static const struct {
        int signo;
        const char *name;
    } names[] = {
        {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
        {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
        {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
        {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
        {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
        {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].signo == signo) {
            return names[i].name;
        }
    }
    return NULL;
}

void wh_child_describe(int status, char *out, size_t size)
{
    if (WIFEXITED(status)) {
        (void)snprintf(out, size, "exit status %d", WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        const char *name = signal_name(WTERMSIG(status));

        (void)snprintf(out, size, name != NULL ? "signal %d (%s)" : "signal %d",
                       WTERMSIG(status), name != NULL ? name : "");
    } else {
        (void)snprintf(out, size, "wait status 0x%x", (unsigned)status);
    }
}

static wh_child_family family_of(const wh_child *c)
{
    return (wh_child_family){.pid = c->pid, .mark = c->mark, .is_known = is_known};
}

int64_t wh_child_rss(const wh_child *c)
{
    const wh_child_family f = family_of(c);

    return c->running ? wh_child_memory_rss(&f) : -1;
}

int64_t wh_child_pss(const wh_child *c)
{
    const wh_child_family f = family_of(c);

    return c->running ? wh_child_memory_pss(&f) : -1;
}

int64_t wh_child_rss_self(void)
{
    return wh_child_memory_alone(getpid());
}
