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
#include <sys/stat.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conn),
        cmocka_unit_test(test_url_refused),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_exposed_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
