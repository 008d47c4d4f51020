/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes, error texts and exit statuses: the one vocabulary of failure of
 * all layers. Functions that can fail return wh_err; those that touch the
 * outside also fill a wh_errbuf (which may be NULL) with what happened, where,
 * and what would be right.
 */
#ifndef WH_COMMON_BASE_ERR_H
#define WH_COMMON_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define WH_MUSTCHECK __attribute__((warn_unused_result))
#define WH_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define WH_NORETURN __attribute__((noreturn))
#else
#define WH_MUSTCHECK
#define WH_PRINTF(f, a)
#define WH_NORETURN
#endif

typedef enum wh_err {
    WH_OK = 0,
    WH_ENOMEM,     /* out of memory here */
    WH_EINVAL,     /* an argument is wrong (WHBADARG) */
    WH_ETOOBIG,    /* over a limit (WHTOOBIG) */
    WH_ENOTFOUND,  /* no such thing (WHNOTFOUND) */
    WH_ESTATE,     /* its state does not allow it (WHSTATE) */
    WH_ELOST,      /* this worker's lease ran out (WHLOST) */
    WH_EBADDATA,   /* Redis holds what Wherry did not write (WHBADDATA, WRONGTYPE) */
    WH_EPROTO,     /* the peer broke the protocol */
    WH_ECONN,      /* no connection; the request was not sent */
    WH_EUNCERTAIN, /* sent, and the connection ended before the reply */
    WH_ETIMEOUT,   /* no answer in time; the request may have been carried out */
    WH_EBUSY,      /* for the moment: BUSY, LOADING, MASTERDOWN, READONLY, TRYAGAIN */
    WH_EFULL,      /* Redis refuses writes: OOM, MISCONF, NOREPLICAS */
    WH_EAUTH,      /* NOAUTH, WRONGPASS */
    WH_EPERM,      /* NOPERM */
    WH_ENOFUNC,    /* the function library is not loaded */
    WH_EVERSION,   /* incompatible version */
    WH_ECANCELED,  /* cancelled by the caller */
    WH_ECONFIG,    /* configuration refused */
    WH_EIO,        /* the operating system refused; errno is in the wh_errbuf */
    WH_EREDIS,     /* any other error reply of Redis */
    WH_EBACKPRESSURE, /* the queue takes no more for now (WHBACKPRESSURE) */
    WH_ERR_COUNT
} wh_err;

/* What happened, for people. text is always NUL-terminated. */
typedef struct wh_errbuf {
    wh_err code;
    int sys; /* errno, 0 if none */
    char text[320];
    int64_t retry_after_ms; /* of WH_EBACKPRESSURE: when to try again; else 0 */
    size_t
        job; /* a quota of the org of this job of the call, from 1, refuses it; else 0 */
} wh_errbuf;

/* Exit statuses of all programs: 0 to 4 and sysexits.h. docs/cli.md has the table. */
typedef enum wh_exit {
    WH_EXIT_OK = 0,
    WH_EXIT_FAILED = 1,       /* the job or the check failed */
    WH_EXIT_USAGE = 2,        /* wrong command line */
    WH_EXIT_NOTFOUND = 3,     /* no such job, queue, entry */
    WH_EXIT_CONFLICT = 4,     /* the state does not allow it */
    WH_EXIT_DATA = 65,        /* input data are malformed */
    WH_EXIT_UNAVAILABLE = 69, /* Redis can't be reached */
    WH_EXIT_SOFTWARE = 70,    /* a bug here */
    WH_EXIT_OS = 71,          /* out of memory, fork failed */
    WH_EXIT_IO = 74,
    WH_EXIT_TEMPFAIL = 75, /* try again later */
    WH_EXIT_NOPERM = 77,
    WH_EXIT_CONFIG = 78
} wh_exit;

/* A short constant name: "not_found". Never NULL. */
const char *wh_err_name(wh_err code);
/* One sentence for people. Never NULL. */
const char *wh_err_text(wh_err code);
/* The exit status that a command ends with on this error. */
wh_exit wh_err_exit(wh_err code);
/* May the same request be sent again later with hope? */
bool wh_err_is_transient(wh_err code);

/* Fill eb (may be NULL) and return code, so that `return wh_err_set(eb, WH_EINVAL, …)`
 * reads well. _sys also stores and appends errno. */
wh_err wh_err_set(wh_errbuf *eb, wh_err code, const char *fmt, ...) WH_PRINTF(3, 4);
wh_err wh_err_sys(wh_errbuf *eb, int sys, const char *fmt, ...) WH_PRINTF(3, 4);

/* Programmer errors only; on in all builds. Prints and aborts. */
WH_NORETURN void wh_err_assert_failed(const char *expr, const char *file, int line);
#define WH_ASSERT(e) ((e) ? (void)0 : wh_err_assert_failed(#e, __FILE__, __LINE__))

#endif
