/* SPDX-License-Identifier: Apache-2.0 */
/* How a connection gets ready, or says why it does not. */
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

static void handshake_says_everything(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_EXPECT, "AUTH u s3cret", 0},
        {WH_FAKE_EXPECT, "CLIENT SETNAME my-name", 0},
        {WH_FAKE_EXPECT, "SELECT 7", 0},
        {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_SEND, "+OK\r\n-ERR name\r\n+OK\r\n+PONG\r\n", 0},
        {WH_FAKE_END, NULL, 0}};
    char user[] = "u";
    char password[] = "s3cret";
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options(NULL);

    o.endpoint.user = user;
    o.endpoint.password = password;
    o.endpoint.db = 7;
    o.name = "my name";
    wh_conn_case_begin_with(f, script, &o);
    memset(password, 'x', 6); /* it was copied */
    assert_int_equal(wh_conn_case_send(f, 0, WH_PING, 0), WH_ECONN);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

static void password_alone(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_EXPECT, "AUTH pw", 0},
        {WH_FAKE_EXPECT, "PING", 0},
        {WH_FAKE_SEND, "+OK\r\n-NOPERM no ping\r\n", 0},
        {WH_FAKE_END, NULL, 0}};
    char password[] = "pw";
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options(NULL);

    o.endpoint.password = password;
    wh_conn_case_begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

static void fails_once(wh_conn_case *f, const char *reply, wh_err code,
                       const char *text)
{
    const wh_fake_step script[] = {{WH_FAKE_EXPECT, "PING", 0},
                                   {WH_FAKE_SEND, reply, 0},
                                   {WH_FAKE_STALL, NULL, 0},
                                   {WH_FAKE_END, NULL, 0}};
    wh_conn_options o = wh_conn_case_options(NULL);

    o.once = true;
    wh_conn_case_begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->downs == 1);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_CLOSED);
    assert_int_equal(wh_conn_error_code(f->conn), code);
    assert_non_null(strstr(wh_conn_error(f->conn), text));
    assert_string_equal(f->why, wh_conn_error(f->conn));
    assert_int_equal(f->ups, 0);
    WH_WAIT_FOR(f->loop, wh_fake_redis_steps(f->peer) == 3);
    assert_null(wh_fake_redis_error(f->peer));
    wh_conn_free(f->conn);
    f->conn = NULL;
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    wh_fake_redis_stop(f->peer);
    f->peer = NULL;
    f->downs = 0;
}

static void handshake_refusals(void **state)
{
    wh_conn_case *f = *state;

    fails_once(f, "-LOADING Redis is loading the dataset in memory\r\n", WH_EBUSY,
               "loading");
    fails_once(f, "-MASTERDOWN Link with MASTER is down\r\n", WH_EBUSY, "MASTERDOWN");
    fails_once(f, "-NOAUTH Authentication required.\r\n", WH_EAUTH, "password");
    fails_once(f, "-ERR unknown\r\n", WH_EREDIS, "ERR unknown");
    fails_once(f, ":1\r\n", WH_EPROTO, "like Redis");
    fails_once(f, "HTTP/1.1 400 Bad Request\r\n\r\n", WH_EPROTO, "broken reply");
}

static void loading_is_waited_for(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "-LOADING wait\r\n", 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin(f, script);
    WH_WAIT_FOR(f->loop, wh_conn_error_code(f->conn) == WH_EBUSY);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_WAITING);
    WH_WAIT_FOR(f->loop, f->ups == 1);
    assert_int_equal(f->downs, 0);
    assert_string_equal(wh_conn_error(f->conn), "");
    assert_int_equal(wh_conn_counters_of(f->conn).connects, 2);
}

static void nobody_listens(void **state)
{
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options("/nonexistent/redis.sock");

    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, NULL), WH_OK);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_IDLE);
    wh_conn_start(f->conn);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_CONNECTING);
    WH_WAIT_FOR(f->loop, wh_conn_state_of(f->conn) == WH_CONN_WAITING);
    assert_non_null(
        strstr(wh_conn_error(f->conn), "/nonexistent/redis.sock: No such file"));
    assert_int_equal(wh_conn_error_code(f->conn), WH_ECONN);
    assert_int_equal(f->downs, 0); /* it never was ready */
}

static void connection_that_says_nothing(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options(NULL);

    o.connect_timeout_ms = 300;
    wh_conn_case_begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, wh_conn_error_code(f->conn) == WH_ETIMEOUT);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

static void unasked_replies_end_it(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_SEND, ":1\r\n", 0},
        {WH_FAKE_STALL, NULL, 0},
        {WH_FAKE_SEND, "-ERR max number of clients reached\r\n", 0},
        {WH_FAKE_CLOSE, NULL, 0},
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_SEND, "-ERR bye\r\n", 0},
        {WH_FAKE_STALL, NULL, 0},
        {WH_FAKE_HELLO, NULL, 0},
        {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;

    wh_conn_case_begin(f, script);
    WH_WAIT_FOR(f->loop, f->downs == 1);
    assert_string_equal(f->why, "Redis sent a reply that nobody asked for");
    WH_WAIT_FOR(f->loop,
                f->downs == 2); /* in between it was refused in the handshake */
    assert_string_equal(f->why, "Redis refused the connection: ERR bye");
    WH_WAIT_FOR(f->loop, f->ups == 3);
}

static void once_may_be_started_again(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_CLOSE, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    wh_conn_case *f = *state;
    wh_conn_options o = wh_conn_case_options(NULL);

    o.once = true;
    wh_conn_case_begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->downs == 1);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_CLOSED);
    assert_string_equal(f->why, "Redis closed the connection");
    wh_conn_start(f->conn);
    WH_WAIT_FOR(f->loop, f->ups == 2);
}

static void options_are_checked(void **state)
{
    wh_conn_case *f = *state;
    wh_errbuf eb = {0};
    char path[200];
    wh_conn_options o = wh_conn_case_options(NULL);

    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_EINVAL);
    assert_null(f->conn);
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    o.endpoint.path = path;
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_EINVAL);
    path[20] = '\0';
    o.endpoint.tls = true;
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_EINVAL);
    wh_conn_free(NULL);
}

int main(void)
{
#define TEST(name)                                                                     \
    cmocka_unit_test_setup_teardown(name, wh_conn_case_setup, wh_conn_case_teardown)
    const struct CMUnitTest tests[] = {
        TEST(handshake_says_everything),
        TEST(password_alone),
        TEST(handshake_refusals),
        TEST(loading_is_waited_for),
        TEST(nobody_listens),
        TEST(connection_that_says_nothing),
        TEST(unasked_replies_end_it),
        TEST(once_may_be_started_again),
        TEST(options_are_checked),
    };

    return cmocka_run_group_tests_name("conn_handshake", tests, NULL, NULL);
}
