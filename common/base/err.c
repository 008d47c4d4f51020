/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table behind every wh_err: its name, its sentence, the exit status it leads
 * to, whether sending again can help; and the filling of a wh_errbuf. Used by all
 * layers. A text that does not fit is cut at a character and ends in "...".
 */
#include "common/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    wh_exit exit;
    bool transient;
} table[WH_ERR_COUNT] = {
    [WH_OK] = {"ok", "All is well.", WH_EXIT_OK, false},
    [WH_ENOMEM] = {"no_memory", "This process is out of memory.", WH_EXIT_OS, true},
    [WH_EINVAL] = {"invalid", "An argument is wrong.", WH_EXIT_USAGE, false},
    [WH_ETOOBIG] = {"too_big", "Something is over its limit.", WH_EXIT_DATA, false},
    [WH_ENOTFOUND] = {"not_found", "There is no such thing.", WH_EXIT_NOTFOUND, false},
    [WH_ESTATE] = {"wrong_state", "Its state does not allow that.", WH_EXIT_CONFLICT,
                   false},
    [WH_ELOST] = {"lease_lost", "The lease of this worker has run out.",
                  WH_EXIT_CONFLICT, false},
    [WH_EBADDATA] = {"bad_data", "Redis holds data that Wherry did not write.",
                     WH_EXIT_DATA, false},
    [WH_EPROTO] = {"protocol", "The peer broke the protocol.", WH_EXIT_UNAVAILABLE,
                   false},
    [WH_ECONN] = {"no_connection", "There is no connection; the request was not sent.",
                  WH_EXIT_UNAVAILABLE, true},
    [WH_EUNCERTAIN] = {"uncertain",
                       "The connection ended before the reply came; the "
                       "request may have been carried out.",
                       WH_EXIT_TEMPFAIL, true},
    [WH_ETIMEOUT] = {"timeout",
                     "No answer came in time; the request may have been "
                     "carried out.",
                     WH_EXIT_TEMPFAIL, true},
    [WH_EBUSY] = {"busy", "Redis can't serve this at the moment.", WH_EXIT_TEMPFAIL,
                  true},
    [WH_EFULL] = {"full", "Redis refuses writes (memory, disk or replicas).",
                  WH_EXIT_TEMPFAIL, true},
    [WH_EAUTH] = {"not_authenticated", "Redis refused the user or the password.",
                  WH_EXIT_NOPERM, false},
    [WH_EPERM] = {"no_permission", "The Redis user lacks a permission.", WH_EXIT_NOPERM,
                  false},
    [WH_ENOFUNC] = {"no_functions", "The function library is not loaded in Redis.",
                    WH_EXIT_UNAVAILABLE, false},
    [WH_EVERSION] = {"wrong_version", "The versions do not fit together.",
                     WH_EXIT_UNAVAILABLE, false},
    [WH_ECANCELED] = {"canceled", "The caller cancelled the request.", WH_EXIT_FAILED,
                      false},
    [WH_ECONFIG] = {"config", "The configuration was refused.", WH_EXIT_CONFIG, false},
    [WH_EIO] = {"io", "The operating system refused.", WH_EXIT_IO, false},
    [WH_EREDIS] = {"redis", "Redis answered with an unexpected error.",
                   WH_EXIT_SOFTWARE, false},
    [WH_EBACKPRESSURE] = {"backpressure", "The queue takes no more jobs for now.",
                          WH_EXIT_TEMPFAIL, true},
};

static bool is_known(wh_err code)
{
    return (unsigned)code < (unsigned)WH_ERR_COUNT;
}

const char *wh_err_name(wh_err code)
{
    return is_known(code) ? table[code].name : "unknown";
}

const char *wh_err_text(wh_err code)
{
    return is_known(code) ? table[code].text : "An unknown error happened.";
}

wh_exit wh_err_exit(wh_err code)
{
    return is_known(code) ? table[code].exit : WH_EXIT_SOFTWARE;
}

bool wh_err_is_transient(wh_err code)
{
    return is_known(code) && table[code].transient;
}

/* Ends a text that was cut with "...", never inside a UTF-8 character. */
static void mark_cut(char *text, size_t size)
{
    size_t end = size - 4;
    while (end > 0 && ((unsigned char)text[end] & 0xC0U) == 0x80U) {
        end--;
    }
    memcpy(text + end, "...", 4);
}

static void fill(wh_errbuf *eb, wh_err code, int sys, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static void fill(wh_errbuf *eb, wh_err code, int sys, const char *fmt, va_list ap)
{
    /* The arguments may point into eb->text: format beside it first. */
    char text[sizeof eb->text];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n < 0) {
        text[0] = '\0';
    } else if ((size_t)n >= sizeof text) {
        mark_cut(text, sizeof text);
    }
    eb->code = code;
    eb->sys = sys;
    eb->retry_after_ms = 0;
    eb->job = 0;
    memcpy(eb->text, text, sizeof text);
}

wh_err wh_err_set(wh_errbuf *eb, wh_err code, const char *fmt, ...)
{
    if (eb != NULL) {
        va_list ap;
        va_start(ap, fmt);
        fill(eb, code, 0, fmt, ap);
        va_end(ap);
    }
    return code;
}

static const char *sys_text(int sys, char *buf, size_t size)
{
#if defined(_GNU_SOURCE) && defined(__GLIBC__)
    return strerror_r(sys, buf, size);
#else
    if (strerror_r(sys, buf, size) != 0) {
        (void)snprintf(buf, size, "system error %d", sys);
    }
    return buf;
#endif
}

wh_err wh_err_sys(wh_errbuf *eb, int sys, const char *fmt, ...)
{
    wh_err code = sys == ENOMEM ? WH_ENOMEM : WH_EIO;
    if (eb != NULL) {
        va_list ap;
        va_start(ap, fmt);
        fill(eb, code, sys, fmt, ap);
        va_end(ap);

        char buf[96];
        const char *why = sys_text(sys, buf, sizeof buf);
        size_t len = strlen(eb->text);
        size_t room = sizeof eb->text - len;
        int n = snprintf(eb->text + len, room, ": %s", why);
        if (n > 0 && (size_t)n >= room) {
            mark_cut(eb->text, sizeof eb->text);
        }
    }
    return code;
}

void wh_err_assert_failed(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expr);
    (void)fflush(stderr);
    abort();
}
