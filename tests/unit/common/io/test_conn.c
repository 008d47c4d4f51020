/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on a connection: order and uniqueness of callbacks, deadlines, and links
 * that break under them. */
#include "common/base/log.h"
#include "common/io/conn.h"
#include "tests/support/conn_case.h"
#include "tests/support/loop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

static void pipelines_in_order(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_EXPECT, "GET a", 0},
        {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_SEND, "+one\r\n-ERR two\r\n:3\r\n", 0},
        {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 0), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 1, WH_GET_A, 0), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 2, WH_PING, 0), WH_OK);
    assert_int_equal(wh_conn_pending(f->conn), 3);
    assert_int_equal(f->order, 0);
    WH_WAIT_FOR(f->loop, f->order == 3);
    assert_string_equal(f->answers[0].text, "one");
    assert_int_equal(f->answers[1].err, WH_OK);
    assert_int_equal(f->answers[1].type, REDIS_REPLY_ERROR);
    assert_string_equal(f->answers[1].text, "ERR two");
    assert_int_equal(f->answers[2].integer, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->answers[i].order, i + 1);
    }
    wh_conn_counters n = wh_conn_counters_of(f->conn);
    assert_int_equal(n.connects, 1);
    assert_int_equal(n.requests, 4); /* with the handshake's */
    assert_int_equal(n.replies, 4);
    assert_int_equal(n.errors, 1);
    assert_int_equal(n.bytes_in, 7 + 20);
    assert_int_equal(n.bytes_out, 3 * strlen(WH_PING) + strlen(WH_GET_A));
}

static void byte_by_byte_is_the_same(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_DRIP, "+PONG\r\n", 0},
                                          {WH_FAKE_EXPECT, "GET a", 0},
                                          {WH_FAKE_DRIP, "$5\r\nab\r\nc\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_GET_A, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 1);
    assert_string_equal(f->answers[0].text, "ab\r\nc");
}

/* What the first answer to the handshake's PING makes of a connection that tries once. */
static void close_mid_pipeline(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},    {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_EXPECT, "PING", 0}, {WH_FAKE_SEND, "+first\r\n+hal", 0},
        {WH_FAKE_CLOSE, NULL, 0},    {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_EXPECT, "PING", 0}, {WH_FAKE_SEND, "+again\r\n", 0},
        {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wh_conn_case_send(f, i, WH_PING, -1), WH_OK);
    }
    WH_WAIT_FOR(f->loop, f->order == 3);
    assert_int_equal(f->answers[0].err, WH_OK);
    assert_int_equal(f->answers[1].err, WH_EUNCERTAIN);
    assert_int_equal(f->answers[2].err, WH_EUNCERTAIN);
    assert_int_equal(f->downs, 1);
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(wh_conn_case_send(f, 3, WH_PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->answers[3].calls == 1);
    assert_string_equal(f->answers[3].text,
                        "again"); /* nothing left of the old reply */
}

static void deadline_closes(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, -1), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 3600000), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 2, WH_PING, 20),
                     WH_OK); /* moves the timer forward */
    WH_WAIT_FOR(f->loop, f->order == 3);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_int_equal(f->answers[1].err, WH_EUNCERTAIN);
    assert_int_equal(f->answers[2].err, WH_ETIMEOUT);
    assert_int_equal(f->downs, 1);
    WH_WAIT_FOR(f->loop, f->ups == 2);
}

static void deadline_of_answered_requests_is_forgotten(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+x\r\n", 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 1000), WH_OK);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 1200), WH_OK);
    /* The first deadline passes, with the second request open; then the second one. */
    WH_WAIT_FOR(f->loop, f->answers[1].calls == 1);
    assert_int_equal(f->answers[0].err, WH_OK);
    assert_int_equal(f->answers[1].err, WH_ETIMEOUT);
    assert_int_equal(f->downs, 1);
}

static void garbage_ends_it(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_SEND, "*100000000\r\n", 0},
        {WH_FAKE_STALL, NULL, 0},
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_FLOOD, "+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         100000},
        {WH_FAKE_STALL, NULL, 0},
        {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_string_equal(
        f->why, "broken reply from Redis: an array of more than 100,000 elements");
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->downs == 2);
    assert_string_equal(f->why, "broken reply from Redis: a line of more than 64 KiB");
}

static void reset_calls_back_later(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 0), WH_OK);
    wh_conn_reset(f->conn, "READONLY");
    wh_conn_reset(f->conn, "again");
    assert_int_equal(f->answers[0].calls, 0);
    assert_int_equal(f->downs, 0);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_WAITING);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 0), WH_ECONN);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_string_equal(f->why, "READONLY");
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(f->answers[1].calls, 0);
}

static int n_ready_told;

static void count_ready(void *arg, wh_log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    (void)len;
    n_ready_told += strstr(line, "redis.ready") != NULL;
}

/* A server that is taken and left again and again (a replica) is told of three times, and
 * once more when it is kept. */
static void flapping_is_not_told_for_ever(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_STALL, NULL, 0},
        {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options(NULL);

    o.backoff_max_ms = 1000;
    n_ready_told = 0;
    wh_log_configure(WH_LOG_LEVEL_INFO, WH_LOG_FORMAT_TEXT);
    wh_log_set_sink(count_ready, NULL);
    wh_conn_case_begin_with(f, script, &o);
    for (int i = 1; i <= 6; i++) {
        WH_WAIT_FOR(f->loop, f->ups == i);
        assert_int_equal(n_ready_told, i < 3 ? i : 3);
        if (i < 6) {
            wh_conn_reset(f->conn, "READONLY");
        }
    }
    WH_WAIT_FOR(f->loop, n_ready_told == 4);
    assert_int_equal(f->ups, 6);
    wh_log_set_sink(NULL, NULL);
    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
}

static void free_cancels_once(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 0), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 0), WH_OK);
    wh_conn_forget(f->conn, &f->answers[1]);
    wh_conn_free(f->conn);
    f->conn = NULL;
    assert_int_equal(f->answers[0].calls, 0);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].err, WH_ECANCELED);
    assert_int_equal(f->answers[1].calls, 0);
    assert_int_equal(f->downs, 0);
}

static void forgotten_replies_are_skipped(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_EXPECT, "GET a", 0},
                                          {WH_FAKE_SEND, "+one\r\n$1\r\nv\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 0), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 1, WH_GET_A, 0), WH_OK);
    wh_conn_forget(f->conn, &f->answers[0]);
    WH_WAIT_FOR(f->loop, f->answers[1].calls == 1);
    assert_string_equal(f->answers[1].text, "v");
    assert_int_equal(f->answers[0].calls, 0);
    assert_int_equal(wh_conn_pending(f->conn), 0);
}

static void free_in_reply(void *arg, wh_err err, const redisReply *r)
{
    wh_conn_case_on_reply(arg, err, r);
    wh_conn_free(wh_conn_case_now->conn);
    wh_conn_case_now->conn = NULL;
}

static void free_inside_a_callback(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},    {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_EXPECT, "PING", 0}, {WH_FAKE_SEND, "+1\r\n+2\r\n", 0},
        {WH_FAKE_STALL, NULL, 0},    {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    const wh_conn_request r = {.data = WH_PING,
                               .len = strlen(WH_PING),
                               .cb = free_in_reply,
                               .arg = &f->answers[0]};

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 2);
    assert_int_equal(f->answers[0].err, WH_OK);
    assert_int_equal(f->answers[1].err, WH_ECANCELED);
}

/* Also while requests are ended because the link broke. */
static void free_while_it_breaks(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_CLOSE, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    const wh_conn_request r = {.data = WH_PING,
                               .len = strlen(WH_PING),
                               .cb = free_in_reply,
                               .arg = &f->answers[0]};

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 1, WH_PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 2);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_int_equal(f->answers[1].err, WH_ECANCELED);
    assert_int_equal(f->downs, 1);
}

static void send_in_reply(void *arg, wh_err err, const redisReply *r)
{
    wh_conn_case_on_reply(arg, err, r);
    wh_conn_case_now->refused = wh_conn_case_send(wh_conn_case_now, 1, WH_PING, 0);
}

static void callbacks_may_send(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},    {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_SEND, "+1\r\n", 0}, {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_SEND, "+2\r\n", 0}, {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_CLOSE, NULL, 0},    {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    const wh_conn_request r = {.data = WH_PING,
                               .len = strlen(WH_PING),
                               .cb = send_in_reply,
                               .arg = &f->answers[0]};

    wh_conn_case_begin_ready(f, script);
    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 2);
    assert_int_equal(f->refused, WH_OK);
    assert_string_equal(f->answers[1].text, "2");
    /* … but not to a link that has just ended. */
    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 3);
    assert_int_equal(f->refused, WH_ECONN);
    WH_WAIT_FOR(f->loop, f->ups == 2);
}

static void send_when_ready(void *arg, bool ready, const char *why)
{
    wh_conn_case_on_state(arg, ready, why);
    if (ready) {
        assert_int_equal(wh_conn_case_send(arg, 0, WH_GET_A, 0), WH_OK);
    }
}

static void ready_may_send(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "GET a", 0},
                                          {WH_FAKE_SEND, "$-1\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options(NULL);

    o.on_state = send_when_ready;
    wh_conn_case_begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].type, REDIS_REPLY_NIL);
}

/* A peer that does not read: what the kernel does not take waits, and goes out later. */
static void large_requests_wait_for_the_peer(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_EXPECT, "*", 0},
        {WH_FAKE_EXPECT, "*", 0},
        {WH_FAKE_EXPECT, "*", 0},
        {WH_FAKE_EXPECT, "*", 0},
        {WH_FAKE_EXPECT, "GET a", 0},
        {WH_FAKE_SEND, "+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n", 0},
        {WH_FAKE_END, NULL, 0}};
    enum { BULK = 200 * 1024 };
    char *data = test_malloc(BULK + 64);
    int head = snprintf(data, 64, "*2\r\n$3\r\nSET\r\n$%d\r\n", (int)BULK);
    wh_conn_case *f = *state;

    memset(data + head, 'v', BULK);
    memcpy(data + head + BULK, "\r\n", 3);
    wh_conn_case_begin_ready(f, script);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(wh_conn_case_send(f, i, data, 0), WH_OK);
    }
    memset(data, 0, (size_t)head); /* it was copied */
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(wh_conn_case_send(f, 4, WH_GET_A, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 5);
    assert_string_equal(f->answers[4].text, "5");
    test_free(data);
}

int main(void)
{
#define TEST(name)                                                                     \
    cmocka_unit_test_setup_teardown(name, wh_conn_case_setup, wh_conn_case_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pipelines_in_order),
        TEST(byte_by_byte_is_the_same),
        TEST(close_mid_pipeline),
        TEST(deadline_closes),
        TEST(deadline_of_answered_requests_is_forgotten),
        TEST(garbage_ends_it),
        TEST(reset_calls_back_later),
        TEST(flapping_is_not_told_for_ever),
        TEST(free_cancels_once),
        TEST(forgotten_replies_are_skipped),
        TEST(free_inside_a_callback),
        TEST(free_while_it_breaks),
        TEST(callbacks_may_send),
        TEST(ready_may_send),
        TEST(large_requests_wait_for_the_peer),
    };

    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
