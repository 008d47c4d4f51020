/* SPDX-License-Identifier: Apache-2.0 */
/* A connection against real servers: unix, TCP by name, passwords, kill, pause, restart. */
#include "common/base/log.h"
#include "common/io/conn.h"
#include "tests/support/localhost.h"
#include "tests/support/loop_wait.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

#define PING "*1\r\n$4\r\nPING\r\n"
#define BLPOP "*3\r\n$5\r\nBLPOP\r\n$4\r\nlist\r\n$1\r\n0\r\n"

typedef struct fixture {
    wh_loop *loop;
    wh_conn *conn;
    wh_redis_fixture *redis;
    int ups, downs;
    int replies, uncertain, timeouts, others;
    long long last;
    char text[128];
} fixture;

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
    assert_int_equal(wh_loop_new(&f->loop), WH_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    wh_conn_free(f->conn);
    wh_loop_free(f->loop);
    wh_redis_fixture_stop(f->redis);
    test_free(f);
    return 0;
}

static void on_state(void *arg, bool ready, const char *why)
{
    fixture *f = arg;

    (void)why;
    if (ready) {
        f->ups++;
    } else {
        f->downs++;
    }
}

static void on_reply(void *arg, wh_err err, const redisReply *r)
{
    fixture *f = arg;

    if (err == WH_OK) {
        f->replies++;
        f->last = r->integer;
        snprintf(f->text, sizeof f->text, "%s", r->str != NULL ? r->str : "");
    } else if (err == WH_EUNCERTAIN) {
        f->uncertain++;
    } else if (err == WH_ETIMEOUT) {
        f->timeouts++;
    } else {
        f->others++;
    }
}

static void connect_to(fixture *f, const char *url, wh_conn_options o)
{
    wh_errbuf eb = {0};

    o.on_state = on_state;
    o.arg = f;
    o.backoff_min_ms = 5;
    o.backoff_max_ms = 50;
    if (wh_endpoint_parse(url, &o.endpoint, &eb) != WH_OK ||
        wh_conn_new(f->loop, &o, &f->conn, &eb) != WH_OK) {
        fail_msg("%s", eb.text);
    }
    wh_endpoint_fini(&o.endpoint);
    wh_conn_start(f->conn);
}

static wh_err send_text(fixture *f, const char *text, int64_t timeout_ms)
{
    const wh_conn_request r = {.data = text,
                               .len = strlen(text),
                               .timeout_ms = timeout_ms,
                               .cb = on_reply,
                               .arg = f};

    return wh_conn_send(f->conn, &r);
}

static void send_words(fixture *f, int argc, const char **argv)
{
    char *cmd = NULL;
    int len = (int)redisFormatCommandArgv(&cmd, argc, argv, NULL);

    assert_true(len > 0);
    assert_int_equal(send_text(f, cmd, 0), WH_OK);
    redisFreeCommand(cmd);
}

static void many_in_flight(void **state)
{
    enum { N = 20000 };
    const char *incr[] = {"INCR", "n"};
    fixture *f = *state;

    f->redis = wh_redis_fixture_start(NULL);
    connect_to(f, wh_redis_fixture_url(f->redis), (wh_conn_options){.name = "many"});
    WH_WAIT_FOR(f->loop, f->ups == 1);
    for (int i = 0; i < N; i++) {
        send_words(f, 2, incr);
    }
    assert_int_equal(wh_conn_pending(f->conn), N);
    WH_WAIT_FOR(f->loop, f->replies == N);
    assert_int_equal(f->last, N);
    assert_int_equal(wh_redis_fixture_int(f->redis, "GET n"), N);
    redisReply *r = wh_redis_fixture_cmd(f->redis, "CLIENT LIST");
    assert_non_null(strstr(r->str, "name=many"));
    freeReplyObject(r);
}

static void large_values_survive(void **state)
{
    enum { BULK = 3 * 1024 * 1024 };
    char *value = test_malloc(BULK + 1);
    const char *set[] = {"SET", "big", value};
    const char *get[] = {"GET", "big"};
    fixture *f = *state;

    memset(value, 'x', BULK);
    value[BULK] = '\0';
    f->redis = wh_redis_fixture_start(NULL);
    connect_to(f, wh_redis_fixture_url(f->redis), (wh_conn_options){0});
    WH_WAIT_FOR(f->loop, f->ups == 1);
    send_words(f, 3, set);
    send_words(f, 2, get);
    WH_WAIT_FOR(f->loop, f->replies == 2);
    assert_true(wh_conn_counters_of(f->conn).bytes_in > BULK);
    assert_int_equal(wh_redis_fixture_int(f->redis, "STRLEN big"), BULK);
    test_free(value);
}

static void kill_and_restart(void **state)
{
    static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always",
                                       NULL};
    const char *set[] = {"SET", "a", "1"};
    fixture *f = *state;

    f->redis = wh_redis_fixture_start(args);
    connect_to(f, wh_redis_fixture_url(f->redis), (wh_conn_options){0});
    WH_WAIT_FOR(f->loop, f->ups == 1);
    send_words(f, 3, set);
    WH_WAIT_FOR(f->loop, f->replies == 1);
    assert_int_equal(send_text(f, BLPOP, -1), WH_OK);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    wh_redis_fixture_kill9(f->redis);
    WH_WAIT_FOR(f->loop, f->uncertain == 1);
    assert_int_equal(f->downs, 1);
    assert_int_equal(wh_conn_state_of(f->conn), WH_CONN_WAITING);
    wh_redis_fixture_restart(f->redis);
    WH_WAIT_FOR(f->loop, f->ups == 2);
    assert_int_equal(wh_redis_fixture_int(f->redis, "GET a"), 1);
    assert_int_equal(f->others, 0);
}

static void paused_server_times_out(void **state)
{
    fixture *f = *state;

    f->redis = wh_redis_fixture_start(NULL);
    connect_to(f, wh_redis_fixture_url(f->redis),
               (wh_conn_options){.connect_timeout_ms = 200});
    WH_WAIT_FOR(f->loop, f->ups == 1);
    wh_redis_fixture_pause(f->redis);
    assert_int_equal(send_text(f, PING, 50), WH_OK);
    WH_WAIT_FOR(f->loop, f->timeouts == 1);
    /* The kernel still takes connections for it; the handshake does not end. */
    WH_WAIT_FOR(f->loop, strstr(wh_conn_error(f->conn), "first commands") != NULL);
    wh_redis_fixture_resume(f->redis);
    WH_WAIT_FOR(f->loop, f->ups == 2);
}

static void tcp_by_name(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    char port[16];
    char url[128];
    const char *const args[] = {"--port", port, "--bind", "127.0.0.1", NULL};
    fixture *f = *state;

    snprintf(port, sizeof port, "%d", wh_redis_fixture_free_port());
    f->redis = wh_redis_fixture_start(args);
    freeReplyObject(wh_redis_fixture_cmd(f->redis, "CONFIG SET requirepass pw"));
    snprintf(url, sizeof url, "redis://:pw@localhost:%s/2", port);
    connect_to(f, url, (wh_conn_options){.name = "by name"});
    WH_WAIT_FOR(f->loop, f->ups == 1);
    const char *info[] = {"CLIENT", "INFO"};
    send_words(f, 2, info);
    WH_WAIT_FOR(f->loop, f->replies == 1);
    assert_non_null(strstr(f->text, "name=by-name"));
}

static void wrong_password_waits(void **state)
{
    char url[200];
    fixture *f = *state;

    f->redis = wh_redis_fixture_start(NULL);
    freeReplyObject(wh_redis_fixture_cmd(f->redis, "ACL SETUSER w on >right ~* +@all"));
    snprintf(url, sizeof url, "unix://w:wrong@%s", wh_redis_fixture_path(f->redis));
    connect_to(f, url, (wh_conn_options){0});
    WH_WAIT_FOR(f->loop, wh_conn_error_code(f->conn) == WH_EAUTH);
    assert_non_null(strstr(wh_conn_error(f->conn), "WRONGPASS"));
    assert_null(strstr(wh_conn_error(f->conn), "wrong@"));
    freeReplyObject(wh_redis_fixture_cmd(f->redis, "ACL SETUSER w >wrong"));
    WH_WAIT_FOR(f->loop, f->ups == 1); /* the account was mended meanwhile */
}

static void unknown_names_and_closed_ports(void **state)
{
    char url[64];
    fixture *f = *state;

    snprintf(url, sizeof url, "redis://127.0.0.1:%d", wh_redis_fixture_free_port());
    connect_to(f, url, (wh_conn_options){.once = true});
    WH_WAIT_FOR(f->loop, f->downs == 1);
    assert_non_null(strstr(wh_conn_error(f->conn), "Connection refused"));
    wh_conn_free(f->conn);
    connect_to(f, "redis://does-not-exist.invalid", (wh_conn_options){.once = true});
    WH_WAIT_FOR(f->loop, f->downs == 2);
    assert_non_null(strstr(wh_conn_error(f->conn), "resolve does-not-exist.invalid"));
    wh_conn_free(f->conn);
    /* Freed while the thread is still asking. */
    connect_to(f, "redis://does-not-exist-either.invalid", (wh_conn_options){0});
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
    assert_int_equal(wh_loop_turn(f->loop, 0), WH_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(many_in_flight),
        TEST(large_values_survive),
        TEST(kill_and_restart),
        TEST(paused_server_times_out),
        TEST(tcp_by_name),
        TEST(wrong_password_waits),
        TEST(unknown_names_and_closed_ports),
    };

    return cmocka_run_group_tests_name("conn_redis", tests, NULL, NULL);
}
