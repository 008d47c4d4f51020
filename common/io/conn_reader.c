/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of the reply reader, for a peer that is hostile or broken. Arrays are
 * checked before hiredis allocates them (a header of ten bytes may ask for gigabytes),
 * everything else while its bytes arrive. Works with hiredis 0.14 and 1.x, whose array
 * constructors differ in one type.
 */
#include "common/io/conn_reader.h"

#include <string.h>

/* Unused buffer space that hiredis may keep when it has no data. */
enum { KEEP_BUFFER = 256 * 1024, MAX_DEPTH = 7 };

/* hiredis 0.14 refuses deep nesting by itself, 1.x follows it as far as memory goes. */
static int depth_of(const redisReadTask *task)
{
    int depth = 0;

    while ((task = task->parent) != NULL) {
        depth++;
    }
    return depth;
}

/* NULL makes hiredis give up with "out of memory" and free what it has built. */
static void *guarded_array(const redisReadTask *task, wh_conn_reader_count n)
{
    wh_conn_reader *rd = task->privdata;

    if (task->parent == NULL) {
        rd->elements = 0;
    }
    if (depth_of(task) >= MAX_DEPTH) {
        rd->refused = "a reply of arrays nested more than 7 deep";
        return NULL;
    }
    if ((size_t)n > WH_CONN_READER_MAX_ARRAY) { /* also a negative int */
        rd->refused = "an array of more than 100,000 elements";
        return NULL;
    }
    rd->elements += (size_t)n;
    if (rd->elements > WH_CONN_READER_MAX_ELEMENTS) {
        rd->refused = "a reply of more than 1,000,000 elements";
        return NULL;
    }
    return rd->create_array(task, n);
}

wh_err wh_conn_reader_init(wh_conn_reader *rd)
{
    memset(rd, 0, sizeof *rd);
    rd->reader = redisReaderCreate();
    if (rd->reader == NULL) {
        return WH_ENOMEM;
    }
    rd->fns = *rd->reader->fn;
    rd->create_array = rd->fns.createArray;
    rd->fns.createArray = guarded_array;
    rd->reader->fn = &rd->fns;
    rd->reader->privdata = rd;
    rd->reader->maxbuf = KEEP_BUFFER;
    return WH_OK;
}

void wh_conn_reader_fini(wh_conn_reader *rd)
{
    if (rd->reader != NULL) {
        redisReaderFree(rd->reader);
        rd->reader = NULL;
    }
}

wh_err wh_conn_reader_feed(wh_conn_reader *rd, const char *data, size_t len)
{
    if (len > WH_CONN_READER_MAX_REPLY - rd->partial) {
        rd->refused = "a reply of more than 128 MiB";
        return WH_EPROTO;
    }
    rd->partial += len;
    return redisReaderFeed(rd->reader, data, len) == REDIS_OK ? WH_OK : WH_ENOMEM;
}

/* Looks at the item that is not complete yet: its first line starts at the reader's
 * position, its bulk data follow. Without this a peer that never ends a line makes
 * hiredis scan all of it again for every few bytes. */
static wh_err check_pending(wh_conn_reader *rd)
{
    const redisReader *r = rd->reader;
    size_t pending = r->len - r->pos;

    if (pending > WH_CONN_READER_MAX_LINE &&
        memchr(r->buf + r->pos, '\n', WH_CONN_READER_MAX_LINE) == NULL) {
        rd->refused = "a line of more than 64 KiB";
        return WH_EPROTO;
    }
    if (pending > (size_t)WH_CONN_READER_MAX_BULK + 64) {
        rd->refused = "a string of more than 64 MiB";
        return WH_EPROTO;
    }
    return WH_OK;
}

wh_err wh_conn_reader_next(wh_conn_reader *rd, redisReply **out)
{
    void *reply = NULL;

    *out = NULL;
    if (redisReaderGetReply(rd->reader, &reply) != REDIS_OK) {
        return rd->reader->err == REDIS_ERR_OOM && rd->refused == NULL ? WH_ENOMEM
                                                                       : WH_EPROTO;
    }
    if (reply == NULL) {
        return check_pending(rd);
    }
    rd->partial = rd->reader->len - rd->reader->pos;
    *out = reply;
    return WH_OK;
}

const char *wh_conn_reader_error(const wh_conn_reader *rd)
{
    if (rd->refused != NULL) {
        return rd->refused;
    }
    return rd->reader != NULL && rd->reader->err != 0 ? rd->reader->errstr
                                                      : "not a reply of Redis";
}
