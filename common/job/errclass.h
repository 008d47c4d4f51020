/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an error means: a handler's word, an exit status, a signal, an HTTP status ->
 * one category, and whether trying again can help. docs/protocol.md section 5 lists
 * the categories.
 */
#ifndef WH_COMMON_JOB_ERRCLASS_H
#define WH_COMMON_JOB_ERRCLASS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum wh_errclass {
    WH_ERRCLASS_ERROR, /* unclassified: retryable */
    WH_ERRCLASS_TIMEOUT,
    WH_ERRCLASS_CONNECTION,
    WH_ERRCLASS_RATE_LIMITED,
    WH_ERRCLASS_UNAVAILABLE,
    WH_ERRCLASS_CRASH,
    WH_ERRCLASS_NOT_FOUND,
    WH_ERRCLASS_INVALID,
    WH_ERRCLASS_UNSUPPORTED,
    WH_ERRCLASS_PERMISSION,
    WH_ERRCLASS_OVERSIZE,
    WH_ERRCLASS_LOST_WORKER,
    WH_ERRCLASS_NO_HANDLER,
    WH_ERRCLASS_COUNT
} wh_errclass;

const char *wh_errclass_name(wh_errclass c);
/* Exact category names, plus the field's usual words and error names in any case
 * ("ETIMEDOUT", "ECONNREFUSED", "ConnectionError", "TimeoutError", "FileNotFoundError",
 * "PermissionError", "ENOENT", "EACCES", "ValueError", "TooManyRequests" …);
 * unknown words are WH_ERRCLASS_ERROR. */
wh_errclass wh_errclass_of_word(const char *word, size_t n);
/* sysexits.h: 64,65,66(not_found),69(unavailable),75(unavailable),77(permission) …; 0 must not be asked. */
wh_errclass wh_errclass_of_exit(int status);
wh_errclass wh_errclass_of_http(int status);
bool wh_errclass_is_retryable(wh_errclass c);

#endif
