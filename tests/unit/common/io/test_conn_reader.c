/* SPDX-License-Identifier: Apache-2.0 */
/* The reply reader: all types in all splits, and every limit. */
#include "common/base/buf.h"
#include "common/io/conn_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
    "+OK\r\n-ERR no\r\n:-42\r\n$-1\r\n$0\r\n\r\n$3\r\na\r\n\r\n*-1\r\n*0\r\n"
    "*2\r\n:1\r\n*2\r\n$1\r\nx\r\n*1\r\n+y\r\n";
static const int sample_types[] = {
    REDIS_REPLY_STATUS, REDIS_REPLY_ERROR,  REDIS_REPLY_INTEGER,
    REDIS_REPLY_NIL,    REDIS_REPLY_STRING, REDIS_REPLY_STRING,
    REDIS_REPLY_NIL,    REDIS_REPLY_ARRAY,  REDIS_REPLY_ARRAY};
enum { N_SAMPLES = sizeof sample_types / sizeof sample_types[0] };

static void check_sample(size_t i, const redisReply *r)
{
    assert_true(i < N_SAMPLES);
    assert_int_equal(r->type, sample_types[i]);
    if (i == 2) {
        assert_int_equal(r->integer, -42);
    }
    if (i == 8) {
        assert_int_equal(r->elements, 2);
        assert_string_equal(r->element[1]->element[1]->element[0]->str, "y");
    }
}

static void any_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof sample; piece++) {
        wh_conn_reader rd;
        size_t got = 0;

        assert_int_equal(wh_conn_reader_init(&rd), WH_OK);
        for (size_t at = 0; at < sizeof sample - 1; at += piece) {
            size_t left = sizeof sample - 1 - at;
            redisReply *r = NULL;

            assert_int_equal(
                wh_conn_reader_feed(&rd, sample + at, left < piece ? left : piece),
                WH_OK);
            while (wh_conn_reader_next(&rd, &r) == WH_OK && r != NULL) {
                check_sample(got++, r);
                freeReplyObject(r);
            }
        }
        assert_int_equal(got, N_SAMPLES);
        assert_int_equal(rd.partial, 0);
        wh_conn_reader_fini(&rd);
    }
}

/* Feeds text and reads to the end; the error, with its text in why. */
static wh_err outcome(const char *data, size_t len, char *why, size_t size)
{
    wh_conn_reader rd;
    wh_err err = WH_OK;
    redisReply *r = NULL;

    assert_int_equal(wh_conn_reader_init(&rd), WH_OK);
    err = wh_conn_reader_feed(&rd, data, len);
    while (err == WH_OK) {
        err = wh_conn_reader_next(&rd, &r);
        if (r == NULL) {
            break;
        }
        freeReplyObject(r);
    }
    snprintf(why, size, "%s", wh_conn_reader_error(&rd));
    wh_conn_reader_fini(&rd);
    return err;
}

static void hostile_headers_are_refused(void **state)
{
    static const char *const cases[] = {
        "*100000000\r\n",
        "*100001\r\n",
        "*2147483648\r\n",
        "*99999999999999999999\r\n",
        "*-2\r\n",
        "$-2\r\n",
        "hello\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        "*1\r\n?\r\n",
        "\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
    };
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (outcome(cases[i], strlen(cases[i]), why, sizeof why) != WH_EPROTO) {
            fail_msg("accepted: %s", cases[i]);
        }
        assert_true(strlen(why) > 0);
    }
}

static void largest_array_is_accepted(void **state)
{
    char *data = malloc(16 + 100000 * 4 + 1);
    size_t len;
    char why[64];

    (void)state;
    assert_non_null(data);
    len = (size_t)sprintf(data, "*100000\r\n");
    for (size_t i = 0; i < 100000; i++, len += 4) {
        memcpy(data + len, ":1\r\n", 4);
    }
    assert_int_equal(outcome(data, len, why, sizeof why), WH_OK);
    free(data);
}

/* Eleven arrays of 100,000 in one: each is small enough, together they are not. */
static void amplification_is_bounded(void **state)
{
    wh_buf data = {0};
    char why[64];

    (void)state;
    wh_buf_adds(&data, "*11\r\n");
    for (int i = 0; i < 11; i++) {
        wh_buf_adds(&data, "*100000\r\n");
        for (int j = 0; j < (i < 10 ? 100000 : 1); j++) {
            wh_buf_adds(&data, "*0\r\n");
        }
    }
    assert_true(wh_buf_ok(&data));
    assert_int_equal(outcome(data.data, data.len, why, sizeof why), WH_EPROTO);
    assert_string_equal(why, "a reply of more than 1,000,000 elements");
    wh_buf_fini(&data);
}

/* Feeds `fill` in pieces behind a head until the reader stops; how much it took. */
static size_t taken(const char *head, char fill, const char *want_why)
{
    static char piece[16 * 1024];
    wh_conn_reader rd;
    wh_err err = WH_OK;
    size_t fed = 0;
    redisReply *r = NULL;

    memset(piece, fill, sizeof piece);
    assert_int_equal(wh_conn_reader_init(&rd), WH_OK);
    assert_int_equal(wh_conn_reader_feed(&rd, head, strlen(head)), WH_OK);
    while (err == WH_OK) {
        err = wh_conn_reader_next(&rd, &r);
        assert_null(r);
        if (err == WH_OK) {
            err = wh_conn_reader_feed(&rd, piece, sizeof piece);
            fed += sizeof piece;
        }
        assert_true(fed <= (size_t)WH_CONN_READER_MAX_REPLY + sizeof piece);
    }
    assert_int_equal(err, WH_EPROTO);
    assert_string_equal(wh_conn_reader_error(&rd), want_why);
    wh_conn_reader_fini(&rd);
    return fed;
}

static void endless_things_are_cut(void **state)
{
    (void)state;
    assert_true(taken("+", 'x', "a line of more than 64 KiB") <= 96 * 1024);
    assert_true(taken("$", '1', "a line of more than 64 KiB") <= 96 * 1024);
    assert_true(taken("$999999999\r\n", 'x', "a string of more than 64 MiB") <=
                65 * 1024 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(largest_array_is_accepted),
        cmocka_unit_test(amplification_is_bounded),
        cmocka_unit_test(endless_things_are_cut),
    };

    return cmocka_run_group_tests_name("conn_reader", tests, NULL, NULL);
}
