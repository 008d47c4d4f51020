/* SPDX-License-Identifier: Apache-2.0 */
/* TLS against a real server: what is accepted, and that everything else is refused. */
#include "common/base/log.h"
#include "common/io/conn.h"
#include "tests/support/localhost.h"
#include "tests/support/loop_wait.h"
#include "tests/support/redis_fixture.h"
#include "tests/support/tls_cert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];
    wh_redis_fixture *redis;
    wh_loop *loop;
    wh_conn *conn;
    int port, ups, downs, replies;
    size_t bytes;
    int64_t connect_timeout_ms; /* 0: the default */
} fixture;

static const char *const files[] = {"good.crt",  "good.key", "other.crt",
                                    "other.key", "old.crt",  "old.key"};

static const char *file(const fixture *f, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", f->dir, name);
    return path;
}

static void start_redis(fixture *f, const char *cert, const char *key)
{
    char port[16];
    const char *const args[] = {"--tls-port",
                                port,
                                "--tls-cert-file",
                                cert,
                                "--tls-key-file",
                                key,
                                "--tls-ca-cert-file",
                                cert,
                                "--tls-auth-clients",
                                "no",
                                "--bind",
                                "127.0.0.1",
                                NULL};

    f->port = wh_redis_fixture_free_port();
    snprintf(port, sizeof port, "%d", f->port);
    f->redis = wh_redis_fixture_start(args);
}

static int setup(void **state)
{
    fixture *f = test_calloc(1, sizeof *f);

    wh_log_configure(WH_LOG_LEVEL_ERROR, WH_LOG_FORMAT_TEXT);
    snprintf(f->dir, sizeof f->dir, "/tmp/wh-tls-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    wh_tls_cert_write(f->dir, "good", "DNS:localhost,IP:127.0.0.1", 10);
    wh_tls_cert_write(f->dir, "other", "DNS:elsewhere.example", 10);
    wh_tls_cert_write(f->dir, "old", "DNS:localhost", -1);
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
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unlink(file(f, files[i]));
    }
    rmdir(f->dir);
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

    if (err == WH_OK && r->type != REDIS_REPLY_ERROR) {
        f->replies++;
        f->bytes += r->type == REDIS_REPLY_STRING ? (size_t)r->len : 0;
    }
}

static void connect_once(fixture *f, const char *host, const char *ca)
{
    wh_errbuf eb = {0};
    char url[64];
    wh_conn_options o = {.once = true,
                         .on_state = on_state,
                         .arg = f,
                         .ca_file = ca,
                         .connect_timeout_ms = f->connect_timeout_ms};

    wh_conn_free(f->conn);
    f->conn = NULL;
    f->ups = f->downs = 0;
    snprintf(url, sizeof url, "rediss://%s:%d", host, f->port);
    assert_int_equal(wh_endpoint_parse(url, &o.endpoint, &eb), WH_OK);
    if (wh_conn_new(f->loop, &o, &f->conn, &eb) != WH_OK) {
        fail_msg("%s", eb.text);
    }
    wh_endpoint_fini(&o.endpoint);
    wh_conn_start(f->conn);
    WH_WAIT_FOR(f->loop, f->ups + f->downs == 1);
}

static void request(fixture *f, int argc, const char **argv)
{
    char *cmd = NULL;
    long long len = redisFormatCommandArgv(&cmd, argc, argv, NULL);
    const wh_conn_request r = {
        .data = cmd, .len = (size_t)len, .cb = on_reply, .arg = f};

    assert_int_equal(wh_conn_send(f->conn, &r), WH_OK);
    redisFreeCommand(cmd);
}

static void verified_peer_is_accepted(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    enum { BULK = 1024 * 1024, N = 8 };
    fixture *f = *state;
    char *value = test_malloc(BULK + 1);
    const char *set[] = {"SET", "big", value};
    const char *get[] = {"GET", "big"};

    memset(value, 'x', BULK);
    value[BULK] = '\0';
    start_redis(f, file(f, "good.crt"), file(f, "good.key"));
    connect_once(f, "localhost", file(f, "good.crt"));
    assert_string_equal(wh_conn_error(f->conn), "");
    assert_int_equal(f->ups, 1);
    /* More than one TLS record at a time, in both directions: nothing may stay behind. */
    request(f, 3, set);
    for (int i = 0; i < N; i++) {
        request(f, 2, get);
    }
    WH_WAIT_FOR(f->loop, f->replies == 1 + N);
    assert_int_equal(f->bytes, (size_t)N * BULK);
    connect_once(f, "127.0.0.1", file(f, "good.crt"));
    assert_int_equal(f->ups, 1);
    test_free(value);
}

static void unknown_ca_is_refused(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    fixture *f = *state;

    start_redis(f, file(f, "good.crt"), file(f, "good.key"));
    connect_once(f, "localhost", NULL);
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(wh_conn_error(f->conn), "certificate of Redis is refused"));
    connect_once(f, "localhost", file(f, "other.crt"));
    assert_int_equal(f->ups, 0);
}

static void wrong_host_is_refused(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    fixture *f = *state;

    start_redis(f, file(f, "other.crt"), file(f, "other.key"));
    connect_once(f, "localhost", file(f, "other.crt"));
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(wh_conn_error(f->conn), "ostname mismatch"));
    connect_once(f, "127.0.0.1", file(f, "other.crt"));
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(wh_conn_error(f->conn), "IP address mismatch"));
}

static void expired_is_refused(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    fixture *f = *state;

    start_redis(f, file(f, "old.crt"), file(f, "old.key"));
    connect_once(f, "localhost", file(f, "old.crt"));
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(wh_conn_error(f->conn), "expired"));
    assert_null(strstr(wh_conn_error(f->conn), "speak TLS"));
}

static void rotated_ca_is_picked_up(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    fixture *f = *state;
    const char *ca = file(f, "good.crt");
    char url[64];
    wh_conn_options o = {.on_state = on_state,
                         .arg = f,
                         .ca_file = ca,
                         .backoff_min_ms = 5,
                         .backoff_max_ms = 20};

    wh_tls_cert_write(f->dir, "old", "DNS:localhost", 10);
    start_redis(f, file(f, "old.crt"), file(f, "old.key"));
    snprintf(url, sizeof url, "rediss://localhost:%d", f->port);
    assert_int_equal(wh_endpoint_parse(url, &o.endpoint, NULL), WH_OK);
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, NULL), WH_OK);
    wh_endpoint_fini(&o.endpoint);
    wh_conn_start(f->conn);
    WH_WAIT_FOR(f->loop, wh_conn_error_code(f->conn) == WH_ECONN);
    assert_int_equal(rename(file(f, "old.crt"), ca), 0);
    WH_WAIT_FOR(f->loop, f->ups == 1);
}

/* A server that speaks no TLS must end in an error, not in waiting. */
static void plain_server_is_refused(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    char port[16];
    const char *const args[] = {"--port", port, "--bind", "127.0.0.1", NULL};
    fixture *f = *state;

    f->port = wh_redis_fixture_free_port();
    snprintf(port, sizeof port, "%d", f->port);
    f->redis = wh_redis_fixture_start(args);
    f->connect_timeout_ms =
        200; /* Redis waits for the end of what it takes for a line */
    connect_once(f, "localhost", file(f, "good.crt"));
    assert_int_equal(f->ups, 0);
    assert_non_null(strstr(wh_conn_error(f->conn), "; does it speak TLS? If not, the "
                                                   "address begins with redis://"));
}

static void bad_files_are_refused_early(void **state)
{
    if (!wh_has_localhost()) {
        skip();
    }
    char host[] = "localhost";
    fixture *f = *state;
    wh_errbuf eb = {0};
    wh_conn_options o = {.endpoint = {.host = host, .port = 1, .tls = true}};

    o.ca_file = file(f, "missing.crt");
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_ECONFIG);
    assert_non_null(strstr(eb.text, "missing.crt"));
    o.ca_file = NULL;
    o.cert_file = file(f, "good.crt");
    o.key_file = file(f, "other.key");
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_ECONFIG);
    o.cert_file = NULL;
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_ECONFIG);
    o.cert_file = file(f, "good.crt");
    o.key_file = file(f, "good.key");
    assert_int_equal(wh_conn_new(f->loop, &o, &f->conn, &eb), WH_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(verified_peer_is_accepted),   TEST(unknown_ca_is_refused),
        TEST(wrong_host_is_refused),       TEST(expired_is_refused),
        TEST(rotated_ca_is_picked_up),     TEST(plain_server_is_refused),
        TEST(bad_files_are_refused_early),
    };

    return cmocka_run_group_tests_name("conn_tls", tests, NULL, NULL);
}
