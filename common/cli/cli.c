/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a run: parse, settle the global settings (flag > environment > default), run
 * the command, end. Also the one place that writes messages.
 */
#include "common/cli/cli.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/cli/cli_commands.h"
#include "common/cli/cli_help.h"
#include "common/cli/cli_out.h"
#include "common/io/redis_dev.h"
#include "common/job/job.h"
#include "generated/version.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PASSWORD_MAX = 4096 };

/* ---- messages ---- */

WH_PRINTF(4, 0)
static void say(const wh_cli *c, const char *prefix, const char *color, const char *fmt,
                va_list ap)
{
    char text[1024];
    wh_buf line = {0};

    (void)vsnprintf(text, sizeof text, fmt, ap);
    wh_buf_adds(&line, c->has_bar ? "\r\033[K" : "");
    if (c->is_err_color && color != NULL) {
        wh_buf_addf(&line, "\033[%sm%s\033[0m", color, prefix);
    } else {
        wh_buf_adds(&line, prefix);
    }
    wh_cli_out_clean(&line, text, strlen(text), true);
    wh_buf_addc(&line, '\n');
    (void)fwrite(wh_buf_str(&line), 1, line.len, stderr);
    wh_buf_fini(&line);
}

void wh_cli_note(wh_cli *c, const char *fmt, ...)
{
    va_list ap;

    if (c->quiet) {
        return;
    }
    va_start(ap, fmt);
    say(c, "", NULL, fmt, ap);
    va_end(ap);
}

void wh_cli_warn(wh_cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, "wherry: warning: ", "33", fmt, ap);
    va_end(ap);
}

void wh_cli_error(wh_cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, "wherry: ", "31", fmt, ap);
    va_end(ap);
}

wh_exit wh_cli_usage(wh_cli *c, const char *fmt, ...)
{
    const wh_cli_command *command = c->args.command;
    const char *noun = c->args.noun == NULL ? "" : c->args.noun;
    const char *verb = command == NULL || command->verb == NULL ? "" : command->verb;
    va_list ap;

    va_start(ap, fmt);
    say(c, "wherry: ", "31", fmt, ap);
    va_end(ap);
    fprintf(stderr, "Try: wherry%s%s%s%s%s\n", noun[0] == '\0' ? "" : " ", noun,
            verb[0] == '\0' ? "" : " ", verb,
            strcmp(noun, "help") == 0 ? "" : " --help");
    return WH_EXIT_USAGE;
}

const char *wh_cli_reason(wh_err err, const wh_errbuf *eb)
{
    if (eb == NULL || eb->text[0] == '\0') {
        return wh_err_text(err);
    }
    return strncmp(eb->text, "READONLY", 8) == 0
               ? "this Redis is a read-only replica" WH_CLI_REPLICA_HINT
               : eb->text;
}

wh_exit wh_cli_fail(wh_cli *c, wh_err err, const wh_errbuf *eb)
{
    wh_cli_error(c, "%s", wh_cli_reason(err, eb));
    return wh_err_exit(err);
}

wh_exit wh_cli_no_memory(wh_cli *c)
{
    return wh_cli_fail(c, WH_ENOMEM, NULL);
}

/* ---- global settings ---- */

static const char *env_text(const char *name)
{
    const char *value = getenv(name);

    return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool may_color(const wh_cli *c, bool is_terminal)
{
    const char *term = env_text("TERM");

    return is_terminal && !wh_cli_args_has(&c->args, "no-color") &&
           env_text("NO_COLOR") == NULL && (term == NULL || strcmp(term, "dumb") != 0);
}

/* A password has no place in argv: WHERRY_REDIS_PASSWORD, or …_FILE. */
static wh_exit settle_password(wh_cli *c)
{
    const char *path = env_text("WHERRY_REDIS_PASSWORD_FILE");
    char text[PASSWORD_MAX];

    c->password = env_text("WHERRY_REDIS_PASSWORD");
    if (c->password != NULL || path == NULL) {
        return WH_EXIT_OK;
    }
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        wh_cli_error(c, "WHERRY_REDIS_PASSWORD_FILE: can't open %s: %s", path,
                     strerror(errno));
        return WH_EXIT_CONFIG;
    }
    size_t n = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) {
        n--;
    }
    if (n == 0 || n == sizeof text || memchr(text, '\0', n) != NULL) {
        wh_cli_error(c, "WHERRY_REDIS_PASSWORD_FILE: %s holds no password", path);
        return WH_EXIT_CONFIG;
    }
    c->own_password = wh_strndup(text, n);
    c->password = c->own_password;
    return c->password == NULL ? wh_cli_no_memory(c) : WH_EXIT_OK;
}

static wh_exit settle_url(wh_cli *c)
{
    static const char *const names[] = {"WHERRY_REDIS_URL", "REDIS_URL"};

    c->url = wh_cli_args_text(&c->args, "redis");
    c->url_from = c->url == NULL ? NULL : "--redis";
    for (size_t i = 0; i < 2 && c->url == NULL; i++) {
        c->url = env_text(names[i]);
        c->url_from = c->url == NULL ? NULL : names[i];
    }
    if (c->url == NULL) {
        c->own_url = wh_redis_dev_url();
        c->url = c->own_url;
    }
    if (c->url == NULL) {
        c->url = WH_REDIS_DEFAULT_URL;
    }
    return settle_password(c);
}

static wh_exit settle_partition(wh_cli *c)
{
    const char *env_region = env_text("WHERRY_REGION");

    c->region = wh_cli_args_text(&c->args, "region");
    c->queue = wh_cli_args_text(&c->args, "queue");
    c->has_region = c->region != NULL || env_region != NULL;
    c->has_queue = c->queue != NULL;
    c->has_partition = c->has_region || c->has_queue;
    if (c->region == NULL && env_region != NULL) {
        if (!wh_job_name_ok(env_region, strlen(env_region))) {
            return wh_cli_usage(c, "WHERRY_REGION: \"%.70s\" is no name", env_region);
        }
        c->region = env_region;
    }
    c->region = c->region == NULL ? "any" : c->region;
    c->queue = c->queue == NULL ? "default" : c->queue;
    return WH_EXIT_OK;
}

static wh_exit settle(wh_cli *c)
{
    c->json = wh_cli_args_has(&c->args, "json");
    c->quiet = wh_cli_args_has(&c->args, "quiet");
    c->is_out_terminal = isatty(STDOUT_FILENO) == 1;
    c->is_err_terminal = isatty(STDERR_FILENO) == 1;
    c->is_out_color = may_color(c, c->is_out_terminal);
    c->is_err_color = may_color(c, c->is_err_terminal);
    wh_exit status = settle_partition(c);

    return status == WH_EXIT_OK ? settle_url(c) : status;
}

/* ---- the run ---- */

static wh_exit run(wh_cli *c, wh_err parsed, const wh_errbuf *eb)
{
    if (parsed == WH_ENOMEM) {
        return wh_cli_no_memory(c);
    }
    if (parsed != WH_OK) {
        return wh_cli_usage(c, "%s", eb->text);
    }
    if (c->args.help) {
        return wh_cli_help_show(c, c->args.noun, c->args.command);
    }
    if (wh_cli_args_has(&c->args, "version")) {
        return wh_cli_help_version(c);
    }
    wh_exit status = settle(c);
    if (status != WH_EXIT_OK) {
        return status;
    }
    if (c->args.noun == NULL) {
        return wh_cli_help_missing(c, NULL);
    }
    if (c->args.command == NULL) {
        return wh_cli_help_missing(c, c->args.noun);
    }
    if (c->json && c->args.command->no_json) {
        return wh_cli_usage(c, "%s%s%s has no JSON form: leave --json out",
                            c->args.command->noun,
                            c->args.command->verb == NULL ? "" : " ",
                            c->args.command->verb == NULL ? "" : c->args.command->verb);
    }
    return c->args.command->run(c);
}

/* With stdout or stderr closed the next file that is opened would take its number, and a
 * message would go into the connection to Redis. Writing to these fails as it should. */
static bool fill_standard_files(void)
{
    bool ok = true;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

            ok = open("/dev/null", mode) == fd && ok;
        }
    }
    return ok;
}

int wh_cli_main(int argc, char **argv)
{
    wh_cli c = {.url = NULL};
    wh_errbuf eb = {.code = WH_OK};

    if (!fill_standard_files()) {
        return WH_EXIT_OS;
    }
    (void)setlocale(LC_TIME, "C");
    (void)signal(SIGPIPE, SIG_IGN);
    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
    wh_err err = wh_cli_args_parse(&c.args, wh_cli_commands_set(), argc, argv, &eb);
    wh_exit status = run(&c, err, &eb);

    if (fflush(stdout) != 0 && !c.out_failed) {
        wh_cli_error(&c, "can't write to stdout: %s", strerror(errno));
        status = status == WH_EXIT_OK ? WH_EXIT_IO : status;
    }
    if (c.out_failed && status == WH_EXIT_OK) {
        status = WH_EXIT_IO;
    }
    wh_session_free(c.session);
    wh_cli_args_fini(&c.args);
    wh_free(c.own_url);
    wh_free(c.own_password);
    return (int)status;
}
