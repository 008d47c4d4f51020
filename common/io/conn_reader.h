/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hiredis' RESP2 reader behind limits that it lacks: the bytes of an incomplete reply,
 * bulk strings, lines, array elements. Private to conn and its fuzz target. After an
 * error the reader is spent: only _fini is legal.
 */
#ifndef WH_COMMON_IO_CONN_READER_H
#define WH_COMMON_IO_CONN_READER_H

#include "common/base/err.h"

#include <stddef.h>

#include <hiredis/hiredis.h>

enum {
    WH_CONN_READER_MAX_BULK = 64 * 1024 * 1024,
    WH_CONN_READER_MAX_REPLY = 128 * 1024 * 1024, /* raw bytes of one reply */
    WH_CONN_READER_MAX_LINE = 64 * 1024,          /* status, error, integer, header */
    WH_CONN_READER_MAX_ARRAY = 100000,            /* elements of one array … */
    WH_CONN_READER_MAX_ELEMENTS = 1000000         /* … and of all arrays in a reply */
};

#if HIREDIS_MAJOR >= 1
typedef size_t wh_conn_reader_count;
#else
typedef int wh_conn_reader_count;
#endif

typedef struct wh_conn_reader {
    redisReader *reader;
    void *(*create_array)(const redisReadTask *task, wh_conn_reader_count n);
    redisReplyObjectFunctions fns; /* hiredis' own but for the guard on arrays */
    size_t partial;                /* bytes fed that no complete reply has used yet */
    size_t elements;               /* array elements of the reply being read */
    const char *refused;           /* why the guard stopped, NULL: it did not */
} wh_conn_reader;

/* The reader keeps rd's address: it must not move. */
wh_err wh_conn_reader_init(wh_conn_reader *rd) WH_MUSTCHECK;
void wh_conn_reader_fini(wh_conn_reader *rd);
/* Takes bytes off the wire; a caller feeds at most a few KiB before it calls _next. */
wh_err wh_conn_reader_feed(wh_conn_reader *rd, const char *data,
                           size_t len) WH_MUSTCHECK;
/* The next complete reply (the caller's, freeReplyObject), NULL: more bytes are needed. */
wh_err wh_conn_reader_next(wh_conn_reader *rd, redisReply **out) WH_MUSTCHECK;
/* What was wrong, after WH_EPROTO. Never NULL. */
const char *wh_conn_reader_error(const wh_conn_reader *rd);

#endif
