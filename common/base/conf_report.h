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

/* Most mistakes that one load looks for. */
enum { WH_CONF_FAULTS_MAX = 20 };

/* Texts are cut where they do not fit; "" and 0 where something does not apply. */
typedef struct wh_conf_fault {
    bool in_file; /* the report's; line 0: all of it */
    size_t line, column;
    char source[256]; /* "environment WHERRY_SLOTS" or "--slots" when not in a file */
    char option[WH_CONF_OPTION_MAX]; /* "handlers.hash.run" */
    char message[320];               /* without the place and the option */
    char text[320];                  /* with them */
} wh_conf_fault;

struct wh_conf_report {
    wh_conf_action action; /* also when the load failed */
    bool as_json;
    wh_err code; /* of the first fault */
    char file[1024];
    size_t n;
    wh_conf_fault faults
        [WH_CONF_FAULTS_MAX]; /* the load's in the order of the file, then others */
};

/* An error of a later check: when its text starts with the path of an option or of an
 * item ("handlers.hash.run: …"), puts in front where the value in force comes from. An
 * error that has its place, or is about no option, stays as it is. Adds it to the report
 * (may be NULL), unless what it is about was refused there already: only the first one
 * there changes eb. */
void wh_conf_blame(const wh_conf *c, wh_errbuf *eb, wh_conf_report *report);

/* Is the option, or the item that it belongs to, among what was refused? Its value is not
 * the one that was given, then. report may be NULL. */
bool wh_conf_is_refused(const wh_conf_report *report, const char *option);

/* {"valid":true}, or {"valid":false,"errors":[{"message", "file", "line", "column",
 * "source", "option"}, …]} when eb holds an error. */
void wh_conf_report_print(const wh_conf_report *r, const wh_errbuf *eb, wh_buf *out);

/* Says so: each refusal on stderr (with a text in eb), "configuration ok" on stdout, or
 * the JSON on stdout when the command line asked for it. The status is that of saying
 * it. */
wh_exit wh_conf_report_tell(const wh_conf_report *r, const char *program,
                            const wh_errbuf *eb);
/* Writes all of it to stdout; WH_EXIT_IO, with a word on stderr, when that does not work. */
wh_exit wh_conf_report_say(const char *program, const wh_buf *text);

/* Logs config.reload_refused for each refusal (with a text in eb, as above). */
void wh_conf_report_log(const wh_conf_report *r, const wh_errbuf *eb);

/* Logs config.secret_exposed for each file that holds a secret (NAME_file, private
 * keys, the configuration itself) and that every user of the machine can read. */
void wh_conf_warn(const wh_conf *c);

#endif
