/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wherry-worker: options, signals, the loop. TERM or INT drains, the second one gives
 * back at once; HUP reloads; TSTP stops claiming; USR1 logs the state; USR2 means nothing.
 * Any fault of the configuration, handlers included, ends with status 78 before Redis is
 * touched.
 */
#include "common/base/clock.h"
#include "common/base/conf_report.h"
#include "common/base/log.h"
#include "common/io/child.h"
#include "generated/version.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>

extern char **environ;

typedef struct program {
    int argc;
    char **argv;
    wh_loop *loop;
    wh_conf *conf;  /* of the start: the worker borrows from it */
    wh_conf *fresh; /* of the last reload */
    wh_worker *worker;
    wh_conf_report report; /* of the last load */
} program;

static wh_err load(program *p, wh_conf **out, wh_errbuf *eb)
{
    const wh_conf_source src = {.argc = p->argc,
                                .argv = p->argv,
                                .env = (const char *const *)environ,
                                .report = &p->report,
                                .check = wh_options_check_all};

    return wh_conf_load(&wh_options_table, &src, out, eb);
}

static void reload(program *p)
{
    wh_conf *fresh = NULL;
    wh_errbuf eb = {0};
    wh_buf frozen = {0};
    wh_err err = load(p, &fresh, &eb);

    if (err == WH_OK) {
        err = wh_worker_reload(p->worker, wh_conf_values(fresh), &eb);
        if (err != WH_OK) {
            wh_conf_blame(fresh, &eb, &p->report);
        }
    }
    if (err != WH_OK) {
        wh_conf_report_log(&p->report, &eb);
        wh_conf_free(fresh);
        return;
    }
    if (wh_conf_frozen_changes(p->conf, fresh, &frozen) > 0) {
        WH_LOG(WARN, "config.needs_restart", WH_F_STR("options", wh_buf_str(&frozen)));
    }
    wh_buf_fini(&frozen);
    WH_LOG(INFO, "config.reloaded",
           WH_F_STR("file", wh_conf_file(fresh) == NULL ? "" : wh_conf_file(fresh)));
    wh_conf_warn(fresh);
    wh_conf_free(p->fresh);
    p->fresh = fresh;
}

static void on_signal(void *arg, int signo)
{
    program *p = arg;

    if (p->worker == NULL) {
        wh_loop_stop(p->loop);
        return;
    }
    switch (signo) {
    case SIGHUP:
        reload(p);
        break;
    case SIGUSR1:
        wh_worker_dump(p->worker);
        break;
    case SIGTSTP:
        wh_worker_quiet(p->worker);
        break;
    case SIGUSR2: /* must not end it */
        WH_LOG(INFO, "worker.signal_ignored", WH_F_INT("signal", signo));
        break;
    default:
        WH_LOG(INFO, "worker.signal", WH_F_INT("signal", signo));
        wh_worker_stop(p->worker);
        break;
    }
}

static void log_config(const wh_conf *conf, const wh_options *o)
{
    char name[WH_JOB_NAME_MAX + 1];
    wh_buf json = {0};

    wh_log_options_apply(&o->log);
    wh_options_name(o, name);
    const wh_log_field common[] = {WH_F_STR("worker", name)};
    wh_log_set_common(common, sizeof common / sizeof common[0]);
    wh_conf_print_json(conf, &json);
    WH_LOG(INFO, "worker.starting", WH_F_STR("version", WH_VERSION),
           WH_F_RAW("config", wh_buf_ok(&json) ? wh_buf_str(&json) : "null"));
    wh_buf_fini(&json);
    wh_conf_warn(conf);
}

static wh_err set_up(program *p, wh_errbuf *eb)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP};
    wh_err err = wh_loop_new(&p->loop);

    for (size_t i = 0; err == WH_OK && i < sizeof signals / sizeof signals[0]; i++) {
        err = wh_loop_on_signal(p->loop, signals[i], on_signal, p);
    }
    if (err != WH_OK) {
        return wh_err_set(eb, err, "%s", wh_err_text(err));
    }
    return wh_child_setup(p->loop, eb);
}

/* A start logs worker.no_handlers. */
static void warn_of_nothing(const wh_options *o)
{
    if (o->handlers.count == 0) {
        fputs("wherry-worker: warning: handlers: there is none, so this worker would "
              "claim nothing\n",
              stderr);
    }
}

static void on_refused(void *arg, const wh_errbuf *eb)
{
    program *p = arg;
    wh_errbuf why = *eb;

    wh_conf_blame(p->conf, &why, &p->report);
}

static void tear_down(program *p)
{
    wh_worker_free(p->worker);
    wh_child_teardown();
    wh_loop_free(p->loop);
}

/* Connects to nothing. Each refusal goes into the report. */
static wh_err make(program *p, wh_errbuf *eb)
{
    const wh_registry_refusals refusals = {on_refused, p};
    wh_err err = set_up(p, eb);

    return err != WH_OK ? err
                        : wh_worker_new(p->loop, wh_conf_values(p->conf), &refusals,
                                        &p->worker, eb);
}

/* The load was refused: what else would be, so that nobody has to come twice? */
static void look_further(program *p)
{
    wh_errbuf eb = {0};

    (void)make(p, &eb);
    tear_down(p);
}

/* --check-config goes as far as the handlers; nothing is connected. */
static int run(program *p, bool only_check)
{
    const wh_options *o = wh_conf_values(p->conf);
    wh_errbuf eb = {0};
    wh_exit status = WH_EXIT_OK;
    wh_err err = make(p, &eb);

    if (err == WH_OK && only_check) {
        warn_of_nothing(o);
        status = wh_conf_report_tell(&p->report, "wherry-worker", &eb);
    } else if (err == WH_OK) {
        log_config(p->conf, o);
        err = wh_worker_start(p->worker, &eb);
        if (err == WH_OK) {
            err = wh_loop_run(p->loop);
            status = wh_worker_exit(p->worker);
        }
    }
    if (err != WH_OK) {
        if (eb.text[0] == '\0') {
            (void)wh_err_set(&eb, err, "%s", wh_err_text(err));
        }
        if (p->report.n == 0) { /* not told yet */
            wh_conf_blame(p->conf, &eb, &p->report);
        }
        (void)wh_conf_report_tell(&p->report, "wherry-worker", &eb);
        status = wh_err_exit(err);
    }
    tear_down(p);
    return (int)status;
}

static wh_exit print(const wh_conf *conf, wh_conf_action action)
{
    wh_buf out = {0};

    if (action == WH_CONF_HELP) {
        wh_conf_help(&wh_options_table, &out);
    } else if (action == WH_CONF_VERSION) {
        wh_buf_adds(&out, "wherry-worker " WH_VERSION "\n");
    } else {
        wh_conf_print(conf, &out);
    }
    wh_exit status = wh_conf_report_say("wherry-worker", &out);
    wh_buf_fini(&out);
    return status;
}

int main(int argc, char **argv)
{
    program p = {.argc = argc, .argv = argv};
    wh_errbuf eb = {0};
    int status = WH_EXIT_OK;

    signal(SIGPIPE, SIG_IGN);
    wh_err err = load(&p, &p.conf, &eb);
    if (err != WH_OK) {
        if (p.conf != NULL && wh_conf_action_of(p.conf) != WH_CONF_PRINT) {
            look_further(&p);
        }
        (void)wh_conf_report_tell(&p.report, "wherry-worker", &eb);
        wh_conf_free(p.conf);
        return err == WH_EINVAL ? WH_EXIT_USAGE : (int)wh_err_exit(err);
    }
    wh_conf_action action = wh_conf_action_of(p.conf);
    if (action == WH_CONF_RUN || action == WH_CONF_CHECK) {
        status = run(&p, action == WH_CONF_CHECK);
    } else {
        status = (int)print(p.conf, action);
    }
    wh_conf_free(p.fresh);
    wh_conf_free(p.conf);
    return status;
}
