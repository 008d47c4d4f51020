/* SPDX-License-Identifier: Apache-2.0 */
/* A connection against a scripted peer: the handshake, the order and uniqueness of
 * callbacks, and everything a peer can do wrong. */
#include "common/io/conn.h"

#include "common/base/log.h"
#include "tests/support/fake_redis.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/loop_wait.h"

#define PING "*1\r\n$4\r\nPING\r\n"
#define GET_A "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"

typedef struct answer {
    int calls;
    wh_err err;
    int type;
    char text[64];
    long long integer;
    int order; /* of its callback among all */
} answer;

typedef struct fixture {
    wh_loop *loop;
    wh_conn *conn;
    wh_fake_redis *peer;
    int ups, downs, order;
    char why[320];
    answer answers[8];
    wh_err refused; /* what a _send inside a callback returned */
} fixture;

static fixture *now; /* of the running test: callbacks of requests carry their answer */

static int setup(void **state)
{
    now = test_calloc(1, sizeof *now);
    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
    assert_int_equal(wh_loop_new(&now->loop), WH_OK);
    *state = now;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_conn_free(f->conn);
    wh_loop_free(f->loop);
    if (f->peer != NULL) {
        const char *error = wh_fake_redis_error(f->peer);

        if (error != NULL) {
            print_error("peer: %s\n", error);
        }
        wh_fake_redis_stop(f->peer);
        if (error != NULL) {
            return -1;
        }
    }
    test_free(f);
    return 0;
}

static void on_state(void *arg, bool ready, const char *why)
{
    fixture *f = arg;

    if (ready) {
        f->ups++;
        assert_null(why);
    } else {
        f->downs++;
        snprintf(f->why, sizeof f->why, "%s", why);
    }
}

static void on_reply(void *arg, wh_err err, const redisReply *r)
{
    answer *a = arg;

    a->calls++;
    a->err = err;
    a->order = ++now->order;
    assert_int_equal(err == WH_OK, r != NULL);
    if (r != NULL) {
        a->type = r->type;
        a->integer = r->integer;
        snprintf(a->text, sizeof a->text, "%s", r->str != NULL ? r->str : "");
    }
}

static wh_conn_options quick(const char *path)
{
    return (wh_conn_options){.endpoint = {.path = (char *)(uintptr_t)path},
                             .backoff_min_ms = 1,
                             .backoff_max_ms = 5,
                             .on_state = on_state,
                             .arg = now};
}

static void begin_with(fixture *f, const wh_fake_step *script, const wh_conn_options *o)
{
    wh_conn_options own = *o;
    wh_errbuf eb = {0};

    f->peer = wh_fake_redis_start(script);
    own.endpoint.path = (char *)(uintptr_t)wh_fake_redis_path(f->peer);
    assert_int_equal(wh_conn_new(f->loop, &own, &f->conn, &eb), WH_OK);
    wh_conn_start(f->conn);
}

static void begin(fixture *f, const wh_fake_step *script)
{
    wh_conn_options o = quick(NULL);

    begin_with(f, script, &o);
}

static void begin_ready(fixture *f, const wh_fake_step *script)
{
    begin(f, script);
    WH_WAIT_FOR(f->loop, f->ups == 1);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_READY);
}

static wh_err send_to(fixture *f, int i, const char *data, int64_t timeout_ms)
{
    const wh_conn_request r = {.data = data,
                               .len = strlen(data),
                               .timeout_ms = timeout_ms,
                               .cb = on_reply,
                               .arg = &f->answers[i]};

    return wh_conn_send(f->conn, &r);
}

static void pipelines_in_order(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_EXPECT, "GET a", 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+one\r\n-ERR two\r\n:3\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, 0), WH_OK);
    assert_int_equal(send_to(f, 1, GET_A, 0), WH_OK);
    assert_int_equal(send_to(f, 2, PING, 0), WH_OK);
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
    assert_int_equal(n.bytes_out, 3 * strlen(PING) + strlen(GET_A));
}

static void byte_by_byte_is_the_same(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_DRIP, "+PONG\r\n", 0},
                                          {WH_FAKE_EXPECT, "GET a", 0},
                                          {WH_FAKE_DRIP, "$5\r\nab\r\nc\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, GET_A, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 1);
    assert_string_equal(f->answers[0].text, "ab\r\nc");
}

static void handshake_says_everything(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_EXPECT, "AUTH u s3cret", 0},
                                          {WH_FAKE_EXPECT, "CLIENT SETNAME my-name", 0},
                                          {WH_FAKE_EXPECT, "SELECT 7", 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+OK\r\n-ERR name\r\n+OK\r\n+PONG\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    char user[] = "u";
    char password[] = "s3cret";
    fixture *f = *state;
    wh_conn_options o = quick(NULL);

    o.endpoint.user = user;
    o.endpoint.password = password;
    o.endpoint.db = 7;
    o.name = "my name";
    begin_with(f, script, &o);
    memset(password, 'x', 6); /* it was copied */
    assert_int_equal(send_to(f, 0, PING, 0), WH_ECONN);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

static void password_alone(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_EXPECT, "AUTH pw", 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+OK\r\n-NOPERM no ping\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    char password[] = "pw";
    fixture *f = *state;
    wh_conn_options o = quick(NULL);

    o.endpoint.password = password;
    begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

/* What the first answer to the handshake's PING makes of a connection that tries once. */
static void fails_once(fixture *f, const char *reply, wh_err code, const char *text)
{
    const wh_fake_step script[] = {{WH_FAKE_EXPECT, "PING", 0},
                                   {WH_FAKE_SEND, reply, 0},
                                   {WH_FAKE_STALL, NULL, 0},
                                   {WH_FAKE_END, NULL, 0}};
    wh_conn_options o = quick(NULL);

    o.once = true;
    begin_with(f, script, &o);
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
    fixture *f = *state;

    fails_once(f, "-LOADING Redis is loading the dataset in memory\r\n", WH_EBUSY, "loading");
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
    fixture *f = *state;

    begin(f, script);
    WH_WAIT_FOR(f->loop, wh_conn_error_code(f->conn) == WH_EBUSY);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_WAITING);
    WH_WAIT_FOR(f->loop, f->ups == 1);
    assert_int_equal(f->downs, 0);
    assert_string_equal(wh_conn_error(f->conn), "");
    assert_int_equal(wh_conn_counters_of(f->conn).connects, 2);
}

static void nobody_listens(void **state)
{
    fixture *f = *state;
    wh_conn_options o = quick("/nonexistent/redis.sock");

    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, NULL), WH_OK);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_IDLE);
    wh_conn_start(f->conn);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_CONNECTING);
    WH_WAIT_FOR(f->loop, wh_conn_state_of(f->conn) == WH_CONN_WAITING);
    assert_non_null(strstr(wh_conn_error(f->conn), "/nonexistent/redis.sock: No such file"));
    assert_int_equal(wh_conn_error_code(f->conn), WH_ECONN);
    assert_int_equal(f->downs, 0); /* it never was ready */
}

static void close_mid_pipeline(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},  {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_EXPECT, "PING", 0}, {WH_FAKE_SEND, "+first\r\n+hal", 0},
                                          {WH_FAKE_CLOSE, NULL, 0},  {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0}, {WH_FAKE_SEND, "+again\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_to(f, i, PING, -1), WH_OK);
    }
    WH_WAIT_FOR(f->loop, f->order == 3);
    assert_int_equal(f->answers[0].err, WH_OK);
    assert_int_equal(f->answers[1].err, WH_EUNCERTAIN);
    assert_int_equal(f->answers[2].err, WH_EUNCERTAIN);
    assert_int_equal(f->downs, 1);
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(send_to(f, 3, PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->answers[3].calls == 1);
    assert_string_equal(f->answers[3].text, "again"); /* nothing left of the old reply */
}

static void deadline_closes(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, -1), WH_OK);
    assert_int_equal(send_to(f, 1, PING, 3600000), WH_OK);
    assert_int_equal(send_to(f, 2, PING, 20), WH_OK); /* moves the timer forward */
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
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, 1000), WH_OK);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(send_to(f, 1, PING, 1200), WH_OK);
    /* The first deadline passes, with the second request open; then the second one. */
    WH_WAIT_FOR(f->loop, f->answers[1].calls == 1);
    assert_int_equal(f->answers[0].err, WH_OK);
    assert_int_equal(f->answers[1].err, WH_ETIMEOUT);
    assert_int_equal(f->downs, 1);
}

static void connection_that_says_nothing(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;
    wh_conn_options o = quick(NULL);

    o.connect_timeout_ms = 300;
    begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, wh_conn_error_code(f->conn) == WH_ETIMEOUT);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

static void unasked_replies_end_it(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_SEND, ":1\r\n", 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_SEND, "-ERR max number of clients reached\r\n", 0},
                                          {WH_FAKE_CLOSE, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_SEND, "-ERR bye\r\n", 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin(f, script);
    WH_WAIT_FOR(f->loop, f->downs == 1);
    assert_string_equal(f->why, "Redis sent a reply that nobody asked for");
    WH_WAIT_FOR(f->loop, f->downs == 2); /* in between it was refused in the handshake */
    assert_string_equal(f->why, "Redis refused the connection: ERR bye");
    WH_WAIT_FOR(f->loop, f->ups == 3);
}

static void garbage_ends_it(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "*100000000\r\n", 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_FLOOD, "+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 100000},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_string_equal(f->why, "broken reply from Redis: an array of more than 100,000 elements");
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(send_to(f, 1, PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->downs == 2);
    assert_string_equal(f->why, "broken reply from Redis: a line of more than 64 KiB");
}

static void reset_calls_back_later(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, 0), WH_OK);
    wh_conn_reset(f->conn, "READONLY");
    wh_conn_reset(f->conn, "again");
    assert_int_equal(f->answers[0].calls, 0);
    assert_int_equal(f->downs, 0);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_WAITING);
    assert_int_equal(send_to(f, 1, PING, 0), WH_ECONN);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_string_equal(f->why, "READONLY");
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(f->answers[1].calls, 0);
}

static void free_cancels_once(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_STALL, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, 0), WH_OK);
    assert_int_equal(send_to(f, 1, PING, 0), WH_OK);
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
    fixture *f = *state;

    begin_ready(f, script);
    assert_int_equal(send_to(f, 0, PING, 0), WH_OK);
    assert_int_equal(send_to(f, 1, GET_A, 0), WH_OK);
    wh_conn_forget(f->conn, &f->answers[0]);
    WH_WAIT_FOR(f->loop, f->answers[1].calls == 1);
    assert_string_equal(f->answers[1].text, "v");
    assert_int_equal(f->answers[0].calls, 0);
    assert_int_equal(wh_conn_pending(f->conn), 0);
}

static void free_in_reply(void *arg, wh_err err, const redisReply *r)
{
    on_reply(arg, err, r);
    wh_conn_free(now->conn);
    now->conn = NULL;
}

static void free_inside_a_callback(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+1\r\n+2\r\n", 0},
                                          {WH_FAKE_STALL, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;
    const wh_conn_request r = {
        .data = PING, .len = strlen(PING), .cb = free_in_reply, .arg = &f->answers[0]};

    begin_ready(f, script);
    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    assert_int_equal(send_to(f, 1, PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 2);
    assert_int_equal(f->answers[0].err, WH_OK);
    assert_int_equal(f->answers[1].err, WH_ECANCELED);
}

/* Also while requests are ended because the link broke. */
static void free_while_it_breaks(void **state)
{
    static const wh_fake_step script[] = {
        {WH_FAKE_HELLO, NULL, 0}, {WH_FAKE_CLOSE, NULL, 0}, {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;
    const wh_conn_request r = {
        .data = PING, .len = strlen(PING), .cb = free_in_reply, .arg = &f->answers[0]};

    begin_ready(f, script);
    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    assert_int_equal(send_to(f, 1, PING, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 2);
    assert_int_equal(f->answers[0].err, WH_EUNCERTAIN);
    assert_int_equal(f->answers[1].err, WH_ECANCELED);
    assert_int_equal(f->downs, 1);
}

static void send_in_reply(void *arg, wh_err err, const redisReply *r)
{
    on_reply(arg, err, r);
    now->refused = send_to(now, 1, PING, 0);
}

static void callbacks_may_send(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},     {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+1\r\n", 0},  {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_SEND, "+2\r\n", 0},  {WH_FAKE_EXPECT, "PING", 0},
                                          {WH_FAKE_CLOSE, NULL, 0},     {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;
    const wh_conn_request r = {
        .data = PING, .len = strlen(PING), .cb = send_in_reply, .arg = &f->answers[0]};

    begin_ready(f, script);
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
    on_state(arg, ready, why);
    if (ready) {
        assert_int_equal(send_to(arg, 0, GET_A, 0), WH_OK);
    }
}

static void ready_may_send(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_EXPECT, "GET a", 0},
                                          {WH_FAKE_SEND, "$-1\r\n", 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;
    wh_conn_options o = quick(NULL);

    o.on_state = send_when_ready;
    begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->answers[0].calls == 1);
    assert_int_equal(f->answers[0].type, REDIS_REPLY_NIL);
}

static void once_may_be_started_again(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_CLOSE, NULL, 0},
                                          {WH_FAKE_HELLO, NULL, 0},
                                          {WH_FAKE_END, NULL, 0}};
    fixture *f = *state;
    wh_conn_options o = quick(NULL);

    o.once = true;
    begin_with(f, script, &o);
    WH_WAIT_FOR(f->loop, f->downs == 1);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_CLOSED);
    assert_string_equal(f->why, "Redis closed the connection");
    wh_conn_start(f->conn);
    WH_WAIT_FOR(f->loop, f->ups == 2);
}

/* A peer that does not read: what the kernel does not take waits, and goes out later. */
static void large_requests_wait_for_the_peer(void **state)
{
    static const wh_fake_step script[] = {{WH_FAKE_HELLO, NULL, 0},
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
    fixture *f = *state;

    memset(data + head, 'v', BULK);
    memcpy(data + head + BULK, "\r\n", 3);
    begin_ready(f, script);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(send_to(f, i, data, 0), WH_OK);
    }
    memset(data, 0, (size_t)head); /* it was copied */
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(send_to(f, 4, GET_A, 0), WH_OK);
    WH_WAIT_FOR(f->loop, f->order == 5);
    assert_string_equal(f->answers[4].text, "5");
    test_free(data);
}

static void options_are_checked(void **state)
{
    fixture *f = *state;
    wh_errbuf eb = {0};
    char path[200];
    wh_conn_options o = quick(NULL);

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(pipelines_in_order),
        TEST(byte_by_byte_is_the_same),
        TEST(handshake_says_everything),
        TEST(password_alone),
        TEST(handshake_refusals),
        TEST(loading_is_waited_for),
        TEST(nobody_listens),
        TEST(close_mid_pipeline),
        TEST(deadline_closes),
        TEST(deadline_of_answered_requests_is_forgotten),
        TEST(connection_that_says_nothing),
        TEST(unasked_replies_end_it),
        TEST(garbage_ends_it),
        TEST(reset_calls_back_later),
        TEST(free_cancels_once),
        TEST(forgotten_replies_are_skipped),
        TEST(free_inside_a_callback),
        TEST(free_while_it_breaks),
        TEST(callbacks_may_send),
        TEST(ready_may_send),
        TEST(once_may_be_started_again),
        TEST(large_requests_wait_for_the_peer),
        TEST(options_are_checked),
    };

    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
