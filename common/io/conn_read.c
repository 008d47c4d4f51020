/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: bytes go from the socket, with TLS from the bufferevent's input, straight into
 * the reader, each complete reply to the oldest request. The callback may send, forget, reset or free
 * the connection; so the loop looks at c->ending after each one. Never a read
 * high-watermark: with TLS, bytes would be left behind in the SSL object.
 */
#include "common/base/alloc.h"
#include "common/io/conn_internal.h"

#include <errno.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

/* At most so much goes into the reader at once: it moves what is left after each
 * reply, which must stay short. */
enum { FEED_BYTES = 16 * 1024, CHUNK_BYTES = 64 * 1024 };

static void deliver(wh_conn *c, const redisReply *reply)
{
    wh_conn_slot p;

    if (!wh_conn_fifo_pop(&c->fifo, &p)) {
        /* Redis says why it will not serve us before it hangs up. */
        if (reply->type == REDIS_REPLY_ERROR) {
            wh_conn_fail(c, WH_ECONN, "Redis refused the connection: %.200s",
                         reply->str);
        } else {
            wh_conn_fail(c, WH_EPROTO, "Redis sent a reply that nobody asked for");
        }
        return;
    }
    c->counters.replies++;
    if (reply->type == REDIS_REPLY_ERROR) {
        c->counters.errors++;
    }
    if (p.cb != NULL) {
        p.cb(p.arg, WH_OK, reply);
    }
}

static void deliver_all(wh_conn *c)
{
    while (!c->ending && !c->freed) {
        redisReply *reply = NULL;
        wh_err err = wh_conn_reader_next(&c->reader, &reply);

        if (err != WH_OK) {
            wh_conn_fail(c, err, "broken reply from Redis: %s",
                         err == WH_ENOMEM ? wh_err_text(err)
                                          : wh_conn_reader_error(&c->reader));
        }
        if (reply == NULL) {
            return;
        }
        deliver(c, reply);
        freeReplyObject(reply);
    }
}

static void take(wh_conn *c, const char *p, size_t n)
{
    wh_err err = wh_conn_reader_feed(&c->reader, p, n);

    if (err != WH_OK) {
        wh_conn_fail(c, err, "broken reply from Redis: %s",
                     err == WH_ENOMEM ? wh_err_text(err)
                                      : wh_conn_reader_error(&c->reader));
        return;
    }
    c->counters.bytes_in += n;
    deliver_all(c);
}

void wh_conn_read(wh_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->link.bev);
    struct evbuffer_iovec v;

    while (!c->ending && !c->freed && evbuffer_peek(in, FEED_BYTES, NULL, &v, 1) > 0) {
        size_t n = v.iov_len < FEED_BYTES ? v.iov_len : FEED_BYTES;

        take(c, v.iov_base, n);
        (void)evbuffer_drain(in, n);
    }
}

/* One read a turn, so that a busy link leaves the others their turn. */
void wh_conn_read_plain(wh_conn *c)
{
    if (c->chunk == NULL) {
        c->chunk = wh_malloc(CHUNK_BYTES);
    }
    if (c->chunk == NULL) {
        wh_conn_fail(c, WH_ENOMEM, "%s", wh_err_text(WH_ENOMEM));
        return;
    }
    ssize_t got = recv(bufferevent_getfd(c->link.bev), c->chunk, CHUNK_BYTES, 0);

    if (got == 0) {
        wh_conn_fail(c, WH_ECONN, "Redis closed the connection");
    } else if (got < 0 && errno != EAGAIN && errno != EINTR) {
        wh_conn_fail(c, WH_ECONN, "connection to Redis lost: %s", strerror(errno));
    }
    for (size_t at = 0; got > 0 && at < (size_t)got && !c->ending && !c->freed;
         at += FEED_BYTES) {
        size_t left = (size_t)got - at;

        take(c, c->chunk + at, left < FEED_BYTES ? left : FEED_BYTES);
    }
}
