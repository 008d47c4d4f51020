/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two children on one loop. They have process groups of their own, so that Ctrl-C comes to
 * us alone and the scheduler is ended before the Redis that it talks to.
 */
#include "common/cli/cli_dev.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/cli/cli_out.h"
#include "common/cli/cli_redis.h"
#include "common/cli/cli_sibling.h"
#include "common/io/child.h"
#include "common/io/redis_dev.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    START_MS = 15000,
    STOP_SCHEDULER_MS = 5000,
    STOP_REDIS_MS = 15000,
    TURN_MS = 50
};

typedef struct dev {
    wh_cli *cli;
    char *dir, *url, *server, *scheduler_path; /* owned; the last NULL: none */
    wh_loop *loop;
    wh_child *redis, *scheduler;
    bool stopping, redis_ended;
} dev;

/* ---- where ---- */

/* mkdir -p, for us alone. *made: the first one that was not there, as its end in path. */
static int make_dirs(char *path, char **made)
{
    *made = NULL;
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        char end = *p;
        *p = '\0';
        bool is_new = mkdir(path, 0700) == 0;
        int failed = !is_new && errno != EEXIST;
        *p = end;
        if (is_new && *made == NULL) {
            *made = p;
        }
        if (failed || end == '\0') {
            return failed ? -1 : 0;
        }
    }
}

/* Takes away again what make_dirs made; path is of no use then. */
static void remove_dirs(char *path, const char *made)
{
    for (char *p = path + strlen(path); made != NULL && p >= made; p--) {
        if (*p == '/' || *p == '\0') {
            *p = '\0';
            (void)rmdir(path);
        }
    }
}

static bool is_dir(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    return true;
}

static wh_exit settle_dir(dev *d)
{
    const char *given = wh_cli_args_text(&d->cli->args, "dir");
    char full[PATH_MAX];
    char *made = NULL;

    if (given != NULL && given[0] == '\0') {
        return wh_cli_usage(d->cli, "--dir: the name of a folder is missing");
    }
    d->dir = given != NULL ? wh_strdup(given) : wh_redis_dev_dir();
    if (d->dir == NULL || d->dir[0] == '\0') {
        return wh_cli_usage(d->cli,
                            "neither XDG_DATA_HOME nor HOME is set; give --dir D");
    }
    if (make_dirs(d->dir, &made) != 0 || realpath(d->dir, full) == NULL ||
        !is_dir(full)) {
        wh_cli_error(d->cli, "can't make the folder %s: %s", d->dir, strerror(errno));
        return WH_EXIT_IO;
    }
    if (strlen(full) + sizeof "/" WH_REDIS_DEV_SOCKET >
            sizeof((struct sockaddr_un *)0)->sun_path ||
        strpbrk(full, "?%#") != NULL) {
        remove_dirs(d->dir, made);
        return wh_cli_usage(d->cli,
                            "the path %s can't hold a socket (too long, or one of "
                            "?%%# in it); give another --dir",
                            full);
    }
    wh_free(d->dir);
    d->dir = wh_strdup(full);
    d->url = wh_asprintf("unix://%s/" WH_REDIS_DEV_SOCKET, full);
    return d->dir == NULL || d->url == NULL ? wh_cli_no_memory(d->cli) : WH_EXIT_OK;
}

static wh_exit settle_programs(dev *d)
{
    d->server = wh_cli_sibling_in_path("redis-server");
    if (d->server == NULL) {
        d->server = wh_cli_sibling_in_path("valkey-server");
    }
    if (d->server == NULL) {
        wh_cli_error(d->cli, "redis-server is not in PATH; install Redis 7.0 or newer");
        return WH_EXIT_UNAVAILABLE;
    }
    if (!wh_cli_args_has(&d->cli->args, "no-scheduler")) {
        d->scheduler_path = wh_cli_sibling_find("wherry-scheduler");
    }
    return WH_EXIT_OK;
}

/* ---- children ---- */

static void on_redis_exit(void *arg, int status)
{
    dev *d = arg;
    char text[80];

    d->redis_ended = true;
    wh_child_describe(status, text, sizeof text);
    if (!d->stopping) {
        wh_cli_error(d->cli, "redis-server ended (%s); see %s/redis.log", text, d->dir);
    }
    wh_loop_stop(d->loop);
}

static void on_scheduler_exit(void *arg, int status)
{
    dev *d = arg;
    char text[80];

    wh_child_describe(status, text, sizeof text);
    if (!d->stopping) {
        wh_cli_warn(d->cli,
                    "wherry-scheduler ended (%s); delayed jobs wait until one runs",
                    text);
    }
}

static void on_signal(void *arg, int signo)
{
    dev *d = arg;

    (void)signo;
    d->stopping = true;
    wh_loop_stop(d->loop);
}

static wh_err spawn(dev *d, const char *const *argv, const char *dir, wh_child **out,
                    wh_errbuf *eb)
{
    const wh_child_fd stderr_fd = {STDERR_FILENO, STDERR_FILENO};
    bool is_redis = out == &d->redis;
    wh_child_options o = {.argv = argv,
                          .dir = dir,
                          .fds = &stderr_fd,
                          .n_fds = 1,
                          .on_exit = is_redis ? on_redis_exit : on_scheduler_exit,
                          .arg = d};

    return wh_child_spawn(d->loop, &o, out, eb);
}

static bool is_answering(dev *d)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_session *s = NULL;
    wh_session_options o = {.url = d->url, .open_timeout_ms = 1000, .raw = true};
    wh_err err = wh_session_open(&o, &s, &eb);

    wh_session_free(s);
    return err == WH_OK;
}

static wh_exit start_redis(dev *d)
{
    const char *const argv[] = {d->server,
                                "--port",
                                "0",
                                "--unixsocket",
                                WH_REDIS_DEV_SOCKET,
                                "--unixsocketperm",
                                "700",
                                "--dir",
                                ".",
                                "--appendonly",
                                "yes",
                                "--appendfsync",
                                "everysec",
                                "--save",
                                "",
                                "--logfile",
                                "redis.log",
                                "--maxmemory-policy",
                                "noeviction",
                                "--daemonize",
                                "no",
                                NULL};
    int64_t deadline_ms = wh_clock_mono_ms() + START_MS;
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = spawn(d, argv, d->dir, &d->redis, &eb);

    while (err == WH_OK && !d->redis_ended && !d->stopping) {
        if (is_answering(d)) {
            return WH_EXIT_OK;
        }
        if (wh_clock_mono_ms() > deadline_ms) {
            wh_cli_error(d->cli, "redis-server does not answer; see %s/redis.log",
                         d->dir);
            return WH_EXIT_UNAVAILABLE;
        }
        err = wh_loop_turn(d->loop, TURN_MS);
    }
    if (err != WH_OK) {
        return wh_cli_fail(d->cli, err, &eb);
    }
    return d->stopping ? WH_EXIT_OK : WH_EXIT_UNAVAILABLE;
}

/* What the caller's environment says of some other Redis is not for our scheduler. */
static bool clear_redis_env(void)
{
    static const char *const names[] = {
        "REDIS_URL",         "WHERRY_REDIS_URL",      "WHERRY_REDIS_URL_FILE",
        "WHERRY_REDIS_USER", "WHERRY_REDIS_PASSWORD", "WHERRY_REDIS_PASSWORD_FILE",
    };
    bool ok = true;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ok = unsetenv(names[i]) == 0 && ok;
    }
    return ok;
}

static void start_scheduler(dev *d)
{
    /* No metrics unless asked for: two of us must not fight for the default port. */
    bool has_metrics = getenv("WHERRY_METRICS_LISTEN") != NULL;
    const char *const argv[] = {d->scheduler_path,
                                "--redis-url",
                                d->url,
                                has_metrics ? NULL : "--metrics-listen",
                                "",
                                NULL};
    wh_errbuf eb = {.code = WH_OK};

    if (d->scheduler_path == NULL || d->stopping) {
        return;
    }
    if (!clear_redis_env() || spawn(d, argv, NULL, &d->scheduler, &eb) != WH_OK) {
        wh_cli_warn(d->cli, "can't start wherry-scheduler: %s", eb.text);
    }
}

/* Asks a child to end; it is killed when it takes longer. */
static void stop_child(dev *d, wh_child **child, int64_t patience_ms)
{
    int64_t deadline_ms = wh_clock_mono_ms() + patience_ms;

    if (*child != NULL && wh_child_is_running(*child)) {
        wh_child_kill(*child, SIGTERM);
    }
    while (*child != NULL && wh_child_is_running(*child) &&
           wh_clock_mono_ms() < deadline_ms) {
        if (wh_loop_turn(d->loop, TURN_MS) != WH_OK) {
            break;
        }
    }
    wh_child_free(*child);
    *child = NULL;
}

/* ---- the run ---- */

static wh_exit announce(dev *d)
{
    wh_cli *c = d->cli;
    wh_buf out = {0};

    c->url = d->url;
    c->password = NULL;                    /* meant for another server */
    wh_exit status = wh_cli_redis_open(c); /* loads the library */
    if (status != WH_EXIT_OK) {
        return status;
    }
    wh_session_free(c->session);
    c->session = NULL;
    if (c->json) {
        wh_buf_adds(&out, "{\"redis_url\":");
        wh_buf_add_json(&out, d->url, strlen(d->url));
        wh_buf_adds(&out, "}\n");
    } else {
        wh_buf_addf(&out, "REDIS_URL=%s\n", d->url);
    }
    status = wh_cli_out_print(c, &out);
    if (wh_cli_args_has(&c->args, "dir")) {
        wh_cli_note(c, "for wherry, workers and other programs: export REDIS_URL=%s",
                    d->url);
    } else {
        wh_cli_note(c, "wherry, wherry-worker and wherry-scheduler find it by "
                       "themselves; other programs need REDIS_URL");
    }
    wh_cli_note(c, "data are in %s; Ctrl-C stops Redis%s", d->dir,
                d->scheduler_path == NULL ? "" : " and the scheduler");
    return status;
}

static wh_exit serve(dev *d)
{
    wh_errbuf eb = {.code = WH_OK};
    wh_err err = wh_loop_new(&d->loop);

    if (err == WH_OK) {
        err = wh_child_setup(d->loop, &eb);
    }
    if (err == WH_OK) {
        err = wh_loop_on_signal(d->loop, SIGINT, on_signal, d);
    }
    if (err == WH_OK) {
        err = wh_loop_on_signal(d->loop, SIGTERM, on_signal, d);
    }
    if (err != WH_OK) {
        return wh_cli_fail(d->cli, err, &eb);
    }
    wh_exit status = start_redis(d);
    if (status == WH_EXIT_OK && !d->stopping) {
        status = announce(d);
    }
    if (status == WH_EXIT_OK && !d->stopping) {
        start_scheduler(d);
        err = wh_loop_run(d->loop);
        status = err != WH_OK     ? wh_cli_fail(d->cli, err, NULL)
                 : d->redis_ended ? WH_EXIT_FAILED
                                  : WH_EXIT_OK;
    }
    d->stopping = true;
    stop_child(d, &d->scheduler, STOP_SCHEDULER_MS);
    stop_child(d, &d->redis, STOP_REDIS_MS);
    return status;
}

wh_exit wh_cli_dev_run(wh_cli *c)
{
    dev d = {.cli = c};
    wh_exit status = settle_dir(&d);

    if (status == WH_EXIT_OK) {
        status = settle_programs(&d);
    }
    if (status == WH_EXIT_OK && is_answering(&d)) {
        wh_cli_error(c, "a server answers there already: REDIS_URL=%s", d.url);
        status = WH_EXIT_CONFLICT;
    }
    if (status == WH_EXIT_OK) {
        status = serve(&d);
    }
    wh_child_free(d.scheduler);
    wh_child_free(d.redis);
    wh_loop_free(d.loop);
    wh_free(d.dir);
    wh_free(d.url);
    wh_free(d.server);
    wh_free(d.scheduler_path);
    return status;
}
