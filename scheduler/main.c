/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wherry-scheduler: options, signals, the loop. TERM or INT ends it at once (it holds
 * nothing); HUP reloads the log level and the schedules. USR1, USR2 and TSTP mean nothing
 * here, and must not end or stop it: who sends them takes it for a worker.
 */
#include "common/base/conf.h"
#include "common/base/conf_report.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/io/loop.h"
#include "generated/version.h"
#include "scheduler/options.h"
#include "scheduler/scheduler.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

typedef struct program {
    int argc;
    char **argv;
    wh_loop *loop;
    wh_scheduler *scheduler;
    wh_conf *conf;
    wh_conf_report report; /* of the last load */
} program;

static void set_up_log(const wh_scheduler_config *c)
{
    wh_log_options_apply(&c->log);
}

static wh_err load(program *p, wh_conf **out, wh_errbuf *eb)
{
    const wh_conf_source src = {.argc = p->argc,
                                .argv = p->argv,
                                .env = (const char *const *)environ,
                                .report = &p->report,
                                .check = wh_options_scheduler_check};
    return wh_conf_load(&wh_options_scheduler, &src, out, eb);
}

static void reload(program *p)
{
    wh_conf *fresh = NULL;
    wh_errbuf eb = {0};
    if (load(p, &fresh, &eb)) {
        wh_conf_report_log(&p->report, &eb);
        wh_conf_free(fresh);
        return;
    }
    wh_buf frozen = {0};
    if (wh_conf_frozen_changes(p->conf, fresh, &frozen))
        WH_LOG(WARN, "config.needs_restart", WH_F_STR("options", wh_buf_str(&frozen)));
    wh_buf_fini(&frozen);
    set_up_log(wh_conf_values(fresh));
    if (wh_scheduler_reload(p->scheduler, wh_conf_values(fresh), &eb))
        WH_LOG(ERROR, "config.reload_incomplete", WH_F_STR("error", eb.text));
    WH_LOG(INFO, "config.reloaded",
           WH_F_STR("file", wh_conf_file(fresh) ? wh_conf_file(fresh) : ""));
    wh_conf_warn(fresh);
    wh_conf_free(fresh); /* the rest stays p->conf */
}

static void on_signal(void *arg, int signo)
{
    program *p = arg;
    switch (signo) {
    case SIGHUP:
        reload(p);
        break;
    case SIGUSR1:
    case SIGUSR2:
    case SIGTSTP:
        WH_LOG(INFO, "scheduler.signal_ignored", WH_F_INT("signal", signo));
        break;
    default:
        WH_LOG(INFO, "scheduler.stopping", WH_F_INT("signal", signo));
        wh_loop_stop(p->loop);
        break;
    }
}

/* --help and its like: prints and returns true. */
static bool answer(const wh_conf *conf, wh_exit *status)
{
    wh_buf out = {0};
    switch (wh_conf_action_of(conf)) {
    case WH_CONF_RUN:
    case WH_CONF_CHECK:
        return false;
    case WH_CONF_HELP:
        wh_conf_help(&wh_options_scheduler, &out);
        break;
    case WH_CONF_VERSION:
        wh_buf_adds(&out, "wherry-scheduler " WH_VERSION "\n");
        break;
    case WH_CONF_PRINT:
        wh_conf_print(conf, &out);
        break;
    }
    *status = wh_conf_report_say("wherry-scheduler", &out);
    wh_buf_fini(&out);
    return true;
}

static void log_config(const wh_conf *conf)
{
    wh_buf json = {0};
    wh_conf_print_json(conf, &json);
    WH_LOG(INFO, "scheduler.starting", WH_F_STR("version", WH_VERSION),
           WH_F_RAW("config", wh_buf_str(&json)));
    wh_buf_fini(&json);
    wh_conf_warn(conf);
}

/* --check-config goes as far as the files of redis.*; nothing is connected. */
static wh_err check(const wh_scheduler_config *c, wh_errbuf *eb)
{
    wh_conn_options conn = {0};
    wh_err err = wh_redis_options_conn(&c->redis, &conn, eb);
    wh_endpoint_fini(&conn.endpoint);
    return err;
}

static wh_err run(program *p, wh_errbuf *eb)
{
    wh_err err = wh_loop_new(&p->loop);
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP};
    for (size_t i = 0; !err && i < sizeof signals / sizeof signals[0]; i++)
        err = wh_loop_on_signal(p->loop, signals[i], on_signal, p);
    if (!err)
        err = wh_scheduler_new(p->loop, wh_conf_values(p->conf), &p->scheduler, eb);
    if (!err) {
        log_config(p->conf);
        wh_scheduler_start(p->scheduler);
        err = wh_loop_run(p->loop);
    }
    wh_scheduler_free(p->scheduler);
    wh_loop_free(p->loop);
    return err;
}

int main(int argc, char **argv)
{
    program p = {.argc = argc, .argv = argv};
    wh_errbuf eb = {0};
    signal(SIGPIPE, SIG_IGN);
    wh_err err = load(&p, &p.conf, &eb);
    if (err) {
        wh_errbuf why = {0};
        if (p.conf && check(wh_conf_values(p.conf), &why))
            wh_conf_blame(p.conf, &why, &p.report);
        wh_conf_free(p.conf);
        (void)wh_conf_report_tell(&p.report, "wherry-scheduler", &eb);
        return err == WH_EINVAL ? WH_EXIT_USAGE : (int)wh_err_exit(err);
    }
    wh_exit status = WH_EXIT_OK;
    if (!answer(p.conf, &status)) {
        bool only_check = wh_conf_action_of(p.conf) == WH_CONF_CHECK;
        set_up_log(wh_conf_values(p.conf));
        err = only_check ? check(wh_conf_values(p.conf), &eb) : run(&p, &eb);
        if (err && !eb.text[0])
            (void)wh_err_set(&eb, err, "%s", wh_err_text(err));
        if (err)
            wh_conf_blame(p.conf, &eb, &p.report);
        if (err || only_check)
            status = wh_conf_report_tell(&p.report, "wherry-scheduler", &eb);
    }
    wh_conf_free(p.conf);
    return err ? (int)wh_err_exit(err) : (int)status;
}
