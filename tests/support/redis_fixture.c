/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server is a direct child with PR_SET_PDEATHSIG, so nothing outlives a test that
 * crashes. A test may reap all its children itself (common/io/child does): a pid that
 * waitpid no longer knows counts as gone.
 */
#include "tests/support/redis_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

enum { MAX_ARGS = 96, READY_MS = 20000, STOP_MS = 10000, STEP_MS = 5 };

struct wh_redis_fixture {
    char dir[96];
    char path[112];
    char url[128];
    char log_path[112];
    char **args; /* NULL-terminated copy of the caller's */
    pid_t pid;   /* 0: not running */
    redisContext *ctx;
};

#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 1, 2)))
#endif
static void
die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fputs("redis_fixture: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    abort();
}

static long long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void *must(void *p)
{
    if (p == NULL) {
        die("out of memory");
    }
    return p;
}

static char **copy_args(const char *const *extra)
{
    size_t n = 0;

    while (extra != NULL && extra[n] != NULL) {
        n++;
    }
    char **copy = must(calloc(n + 1, sizeof *copy));
    for (size_t i = 0; i < n; i++) {
        copy[i] = must(strdup(extra[i]));
    }
    return copy;
}

static void show_log(const wh_redis_fixture *f)
{
    char line[512];
    FILE *in = fopen(f->log_path, "r");

    if (in == NULL) {
        return;
    }
    while (fgets(line, sizeof line, in) != NULL) {
        (void)fputs(line, stderr);
    }
    (void)fclose(in);
}

/* True once the child is gone; never blocks. */
static bool is_gone(pid_t pid)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, WNOHANG);

    return got == pid || (got < 0 && errno == ECHILD);
}

static void wait_gone(wh_redis_fixture *f, long long within_ms)
{
    long long until = now_ms() + within_ms;

    while (!is_gone(f->pid)) {
        if (now_ms() > until) {
            kill(f->pid, SIGKILL);
            until = now_ms() + within_ms;
        }
        poll(NULL, 0, STEP_MS);
    }
    f->pid = 0;
}

static void drop_ctx(wh_redis_fixture *f)
{
    if (f->ctx != NULL) {
        redisFree(f->ctx);
        f->ctx = NULL;
    }
}

/* In the child: nothing but exec is left to do. */
static void exec_server(const wh_redis_fixture *f, char *const *argv, pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR);
    int out = open(f->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) { /* it died before the line above */
        _exit(126);
    }
    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0) {
        dup2(null, 0);
    }
    if (out >= 0) {
        dup2(out, 1);
        dup2(out, 2);
    }
    for (int fd = 3; fd < 1024; fd++) {
        close(fd);
    }
    execvp(argv[0], argv);
    _exit(127);
}

static size_t build_argv(const wh_redis_fixture *f, char **argv)
{
    static const char *const fixed[] = {
        "--port",      "0",  "--save",     "",       "--appendonly",     "no",
        "--daemonize", "no", "--loglevel", "notice", "--unixsocketperm", "700"};
    const char *program = getenv("WH_REDIS_SERVER");
    const char *own[] = {"--unixsocket", f->path, "--dir", f->dir};
    size_t n = 0;

    argv[n++] =
        must(strdup(program != NULL && *program != '\0' ? program : "redis-server"));
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        argv[n++] = must(strdup(fixed[i]));
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        argv[n++] = must(strdup(own[i]));
    }
    for (size_t i = 0; f->args[i] != NULL; i++) {
        if (n >= MAX_ARGS - 1) {
            die("too many arguments");
        }
        argv[n++] = must(strdup(f->args[i]));
    }
    argv[n] = NULL;
    return n;
}

static bool answers_ping(wh_redis_fixture *f)
{
    redisReply *r = wh_redis_fixture_cmd(f, "PING");
    bool ok = r != NULL && r->type == REDIS_REPLY_STATUS;

    if (r != NULL) {
        freeReplyObject(r);
    }
    return ok;
}

static void launch(wh_redis_fixture *f)
{
    char *argv[MAX_ARGS];
    size_t n = build_argv(f, argv);
    pid_t parent = getpid();
    long long until = now_ms() + READY_MS;

    unlink(f->path);
    f->pid = fork();
    if (f->pid < 0) {
        die("fork: %s", strerror(errno));
    }
    if (f->pid == 0) {
        exec_server(f, argv, parent);
    }
    for (size_t i = 0; i < n; i++) {
        free(argv[i]);
    }
    while (!answers_ping(f)) {
        if (is_gone(f->pid)) {
            show_log(f);
            die("redis-server ended while starting");
        }
        if (now_ms() > until) {
            show_log(f);
            kill(f->pid, SIGKILL);
            die("redis-server is not ready after %d ms", (int)READY_MS);
        }
        poll(NULL, 0, STEP_MS);
    }
}

/* Removes a folder and what is in it; Redis makes one level of subfolders. */
static void remove_tree(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[512];
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            remove_tree(path);
        } else {
            unlink(path);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    rmdir(dir);
}

wh_redis_fixture *wh_redis_fixture_start(const char *const *extra)
{
    wh_redis_fixture *f = must(calloc(1, sizeof *f));
    const char *tmp = getenv("TMPDIR");

    /* A socket's path has room for 107 characters. */
    if (tmp == NULL || *tmp == '\0' || strlen(tmp) > 60) {
        tmp = "/tmp";
    }
    snprintf(f->dir, sizeof f->dir, "%s/wh-redis-XXXXXX", tmp);
    if (mkdtemp(f->dir) == NULL) {
        die("mkdtemp %s: %s", f->dir, strerror(errno));
    }
    snprintf(f->path, sizeof f->path, "%s/redis.sock", f->dir);
    snprintf(f->url, sizeof f->url, "unix://%s", f->path);
    snprintf(f->log_path, sizeof f->log_path, "%s/redis.log", f->dir);
    f->args = copy_args(extra);
    launch(f);
    return f;
}

void wh_redis_fixture_stop(wh_redis_fixture *f)
{
    if (f == NULL) {
        return;
    }
    drop_ctx(f);
    if (f->pid > 0) {
        wh_redis_fixture_kill9(f);
    }
    remove_tree(f->dir);
    for (size_t i = 0; f->args[i] != NULL; i++) {
        free(f->args[i]);
    }
    free(f->args);
    free(f);
}

const char *wh_redis_fixture_path(const wh_redis_fixture *f)
{
    return f->path;
}

const char *wh_redis_fixture_url(const wh_redis_fixture *f)
{
    return f->url;
}

const char *wh_redis_fixture_dir(const wh_redis_fixture *f)
{
    return f->dir;
}

pid_t wh_redis_fixture_pid(const wh_redis_fixture *f)
{
    return f->pid;
}

void wh_redis_fixture_kill9(wh_redis_fixture *f)
{
    drop_ctx(f);
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        wait_gone(f, STOP_MS);
    }
}

void wh_redis_fixture_restart(wh_redis_fixture *f)
{
    drop_ctx(f);
    if (f->pid > 0) {
        kill(f->pid, SIGCONT);
        kill(f->pid, SIGTERM);
        wait_gone(f, STOP_MS);
    }
    launch(f);
}

void wh_redis_fixture_pause(wh_redis_fixture *f)
{
    if (f->pid > 0) {
        kill(f->pid, SIGSTOP);
    }
}

void wh_redis_fixture_resume(wh_redis_fixture *f)
{
    if (f->pid > 0) {
        kill(f->pid, SIGCONT);
    }
}

/* The helper connection, made when there is none; NULL if the server does not listen. */
static redisContext *helper_ctx(wh_redis_fixture *f)
{
    struct timeval limit = {10, 0};

    if (f->ctx != NULL && f->ctx->err != 0) {
        drop_ctx(f);
    }
    if (f->ctx == NULL) {
        f->ctx = redisConnectUnixWithTimeout(f->path, limit);
        if (f->ctx != NULL && f->ctx->err != 0) {
            drop_ctx(f);
        }
        if (f->ctx != NULL) {
            fcntl(f->ctx->fd, F_SETFD, FD_CLOEXEC);
            redisSetTimeout(f->ctx, limit);
        }
    }
    return f->ctx;
}

redisReply *wh_redis_fixture_vcmd(wh_redis_fixture *f, const char *fmt, va_list ap)
{
    redisContext *ctx = helper_ctx(f);

    return ctx == NULL ? NULL : redisvCommand(ctx, fmt, ap);
}

redisReply *wh_redis_fixture_cmd(wh_redis_fixture *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *r = wh_redis_fixture_vcmd(f, fmt, ap);
    va_end(ap);
    return r;
}

redisReply *wh_redis_fixture_argv(wh_redis_fixture *f, int argc, const char **argv,
                                  const size_t *lens)
{
    redisContext *ctx = helper_ctx(f);

    return ctx == NULL ? NULL : redisCommandArgv(ctx, argc, argv, lens);
}

long long wh_redis_fixture_int(wh_redis_fixture *f, const char *fmt, ...)
{
    va_list ap;
    long long v = 0;

    va_start(ap, fmt);
    redisReply *r = wh_redis_fixture_vcmd(f, fmt, ap);
    va_end(ap);
    if (r == NULL) {
        die("no reply to \"%s\"", fmt);
    }
    if (r->type == REDIS_REPLY_INTEGER) {
        v = r->integer;
    } else if (r->type == REDIS_REPLY_STRING) {
        v = strtoll(r->str, NULL, 10);
    } else if (r->type != REDIS_REPLY_NIL) {
        die("\"%s\" returned type %d: %s", fmt, r->type, r->str != NULL ? r->str : "");
    }
    freeReplyObject(r);
    return v;
}

int wh_redis_fixture_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        die("no free port: %s", strerror(errno));
    }
    close(fd);
    return ntohs(a.sin_port);
}
