/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options redis.* of all daemons: what is refused, with the option's name, and what
 * becomes of them.
 */
#include "common/base/conf_report.h"
#include "common/base/log.h"
#include "common/io/redis_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const wh_opt_group groups[] = {
    {.opts = wh_redis_options_rows, .n_opts = WH_REDIS_OPTIONS_COUNT}};
static const wh_opt_table table = {
    .program = "p", .groups = groups, .n_groups = 1, .size = sizeof(wh_redis_options)};

static wh_err load(const char *const *env, wh_conf **c, wh_errbuf *eb)
{
    const wh_conf_source src = {.env = env};
    return wh_conf_load(&table, &src, c, eb);
}

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_conn(void **state)
{
    (void)state;
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    wh_conn_options conn = {0};
    assert_int_equal(load(ENV("REDIS_URL=redis://a:b@h:1/2", "WHERRY_REDIS_USER=u",
                              "WHERRY_REDIS_TIMEOUT=3s"),
                          &c, &eb),
                     WH_OK);
    assert_int_equal(wh_redis_options_check(wh_conf_values(c), &eb), WH_OK);
    assert_int_equal(wh_redis_options_conn(wh_conf_values(c), &conn, &eb), WH_OK);
    assert_string_equal(conn.endpoint.user, "u");
    assert_string_equal(conn.endpoint.password, "b");
    assert_int_equal(conn.endpoint.db, 2);
    assert_int_equal(conn.request_timeout_ms, 3000);
    wh_endpoint_fini(&conn.endpoint);
    wh_conf_free(c);
}

static void test_url_refused(void **state)
{
    (void)state;
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    assert_int_equal(load(ENV("REDIS_URL=redis://u:hush@h/x"), &c, &eb), WH_ECONFIG);
    assert_null(c);
    assert_non_null(strstr(eb.text, "environment REDIS_URL: the database"));
    assert_null(strstr(eb.text, "hush"));
}

static void refused(const char *const *env, const char *start)
{
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    wh_conn_options conn = {0};
    assert_int_equal(load(env, &c, &eb), WH_OK);
    wh_err err = wh_redis_options_check(wh_conf_values(c), &eb);
    if (err == WH_OK) {
        err = wh_redis_options_conn(wh_conf_values(c), &conn, &eb);
        assert_null(conn.endpoint.host);
    }
    assert_int_equal(err, WH_ECONFIG);
    assert_memory_equal(eb.text, start, strlen(start));
    wh_conf_free(c);
}

static void test_refused(void **state)
{
    (void)state;
    refused(ENV("WHERRY_REDIS_CERT_FILE=/x"), "redis.cert_file: ");
    refused(ENV("WHERRY_REDIS_KEY_FILE=/x"), "redis.key_file: ");
    refused(ENV("REDIS_URL=rediss://h", "WHERRY_REDIS_CA_FILE=/nowhere"),
            "redis.ca_file: TLS: ");
    refused(ENV("REDIS_URL=rediss://h", "WHERRY_REDIS_CERT_FILE=/nowhere",
                "WHERRY_REDIS_KEY_FILE=/nowhere.key"),
            "redis.cert_file: TLS: ");
}

static unsigned n_warned;

static void sink(void *arg, wh_log_level level, const char *line, size_t len)
{
    (void)arg;
    (void)len;
    assert_int_equal(level, WH_LOG_LEVEL_WARN);
    assert_non_null(strstr(line, "config.secret_exposed"));
    n_warned++;
}

/* A private key is a secret too. */
static void test_exposed_key(void **state)
{
    (void)state;
    static const mode_t modes[] = {0600, 0644};
    char path[] = "/tmp/wherry-key-XXXXXX";
    char variable[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)snprintf(variable, sizeof variable, "WHERRY_REDIS_KEY_FILE=%s", path);
    for (unsigned i = 0; i < 2; i++) {
        wh_conf *c = NULL;
        wh_errbuf eb = {.text = ""};
        assert_int_equal(fchmod(fd, modes[i]), 0);
        assert_int_equal(load(ENV(variable), &c, &eb), WH_OK);
        wh_log_set_sink(sink, NULL);
        wh_conf_warn(c);
        wh_log_set_sink(NULL, NULL);
        wh_conf_free(c);
        assert_int_equal(n_warned, i);
    }
    (void)close(fd);
    (void)unlink(path);
}

static void expect_url(const char *const *env, const char *url)
{
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    assert_int_equal(load(env, &c, &eb), WH_OK);
    const wh_redis_options *o = wh_conf_values(c);
    assert_string_equal(o->url, url);
    wh_conf_free(c);
}

/* Where nobody says where Redis is: that of `wherry dev`, if there is a socket. */
static void test_default(void **state)
{
    (void)state;
    char home[] = "/tmp/wherry-home-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char dir[64], url[160];
    assert_non_null(mkdtemp(home));
    (void)snprintf(dir, sizeof dir, "%s/wherry", home);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/redis.sock", dir);
    (void)snprintf(url, sizeof url, "unix://%s", address.sun_path);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", home, 1), 0);
    expect_url(ENV(NULL), "redis://127.0.0.1:6379");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    expect_url(ENV(NULL), url);
    expect_url(ENV("REDIS_URL=redis://h"), "redis://h");
    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
    (void)close(fd);
    (void)unlink(address.sun_path);
    (void)rmdir(dir);
    (void)rmdir(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conn),    cmocka_unit_test(test_url_refused),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_exposed_key),
        cmocka_unit_test(test_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
