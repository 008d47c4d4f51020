/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as Redis might send them, through the reader that a connection uses, limits
 * included. The first byte seeds how the rest is cut into pieces; the pieces must give
 * the same replies, and the same verdict, as all bytes at once.
 */
#include "common/io/conn_reader.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <hiredis/hiredis.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct verdict {
    size_t replies;
    uint64_t digest;
    bool refused;
} verdict;

static void mix(verdict *v, const void *p, size_t n)
{
    const unsigned char *b = p;

    for (size_t i = 0; i < n; i++) {
        v->digest = (v->digest ^ b[i]) * 1099511628211U;
    }
}

/* Touches all of a reply. */
static void mix_reply(verdict *v, const redisReply *r)
{
    if (r == NULL) {
        return;
    }
    mix(v, &r->type, sizeof r->type);
    mix(v, &r->integer, sizeof r->integer);
    if (r->str != NULL) {
        mix(v, r->str, (size_t)r->len + 1); /* with its NUL */
    }
    for (size_t i = 0; i < r->elements; i++) {
        mix_reply(v, r->element[i]);
    }
}

static void read_all(wh_conn_reader *rd, verdict *v)
{
    while (!v->refused) {
        redisReply *r = NULL;

        if (wh_conn_reader_next(rd, &r) != WH_OK) {
            v->refused = true;
            WH_ASSERT(r == NULL);
            WH_ASSERT(*wh_conn_reader_error(rd) != '\0');
        }
        if (r == NULL) {
            return;
        }
        v->replies++;
        mix_reply(v, r);
        freeReplyObject(r);
    }
}

/* seed 0: all at once. */
static verdict feed(const char *data, size_t size, unsigned seed)
{
    verdict v = {.digest = 14695981039346656037U};
    wh_conn_reader rd;

    WH_ASSERT(wh_conn_reader_init(&rd) == WH_OK);
    while (size > 0 && !v.refused) {
        size_t n = size;

        if (seed != 0) {
            seed = seed * 1103515245U + 12345U;
            n = 1 + (seed >> 16) % ((seed >> 8 & 3U) == 0 ? 64U : 4U);
            n = n < size ? n : size;
        }
        if (wh_conn_reader_feed(&rd, data, n) != WH_OK) {
            v.refused = true;
        }
        read_all(&rd, &v);
        data += n;
        size -= n;
    }
    wh_conn_reader_fini(&rd);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Beyond that, how soon a line is too long depends on the pieces. */
    if (size < 2 || size > WH_CONN_READER_MAX_LINE) {
        return 0;
    }
    const char *bytes = (const char *)data + 1;
    verdict whole = feed(bytes, size - 1, 0);
    verdict pieces = feed(bytes, size - 1, data[0] + 1U);

    WH_ASSERT(whole.refused == pieces.refused);
    WH_ASSERT(whole.replies == pieces.replies);
    WH_ASSERT(whole.digest == pieces.digest);
    return 0;
}
