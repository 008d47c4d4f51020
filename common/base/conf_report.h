/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was refused in a configuration, in parts: for programs that read the answer
 * (`config check --json`), and so that checks which come after the load can say where
 * the value in question stands. Called by the programs' main.c.
 */
#ifndef WH_COMMON_BASE_CONF_REPORT_H
#define WH_COMMON_BASE_CONF_REPORT_H

#include "common/base/conf.h"

/* Longest option name in full, with its NUL. */
enum { WH_CONF_NAME_MAX = 192, WH_CONF_OPTION_MAX = 2 * WH_CONF_NAME_MAX };

/* Texts are cut where they do not fit; "" and 0 where something does not apply. */
struct wh_conf_report {
    wh_conf_action action; /* also when the load failed */
    bool as_json;
    char file[1024];
    size_t line, column;
    char source[256]; /* "environment WHERRY_SLOTS" or "--slots" when not in a file */
    char option[WH_CONF_OPTION_MAX]; /* "handlers.hash.run" */
    char message[320];               /* without the place and the option */
};

/* An error of a later check: when its text starts with the path of an option or of an
 * item ("handlers.hash.run: …"), puts in front where the value in force comes from, and
 * fills the report (may be NULL). An error that has its place, or is about no option,
 * stays as it is. */
void wh_conf_blame(const wh_conf *c, wh_errbuf *eb, wh_conf_report *report);

/* {"valid":true}, or {"valid":false,"errors":[{"message", "file", "line", "column",
 * "source", "option"}]} when eb holds an error. */
void wh_conf_report_print(const wh_conf_report *r, const wh_errbuf *eb, wh_buf *out);

/* Says so: a refusal on stderr (with a text in eb), "configuration ok" on stdout, or the
 * JSON on stdout when the command line asked for it. The status is that of saying it. */
wh_exit wh_conf_report_tell(const wh_conf_report *r, const char *program,
                            const wh_errbuf *eb);
/* Writes all of it to stdout; WH_EXIT_IO, with a word on stderr, when that does not work. */
wh_exit wh_conf_report_say(const char *program, const wh_buf *text);

/* Logs config.secret_exposed for each file that holds a secret (NAME_file, private
 * keys, the configuration itself) and that every user of the machine can read. */
void wh_conf_warn(const wh_conf *c);

#endif
