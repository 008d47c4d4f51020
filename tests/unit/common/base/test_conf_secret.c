/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that hold a secret and that everybody can read.
 */
#include "common/base/conf_report.h"
#include "common/base/log.h"
#include "tests/unit/common/base/conf_fixture.h"

#include <sys/stat.h>

static char said[2048];
static unsigned n_said;

static void sink(void *arg, wh_log_level level, const char *line, size_t len)
{
    (void)arg;
    assert_int_equal(level, WH_LOG_LEVEL_WARN);
    size_t have = strlen(said);
    (void)snprintf(said + have, sizeof said - have, "%.*s\n", (int)len, line);
    n_said++;
}

static void listen(wh_conf *c)
{
    said[0] = '\0';
    n_said = 0;
    wh_log_configure(WH_LOG_LEVEL_INFO, WH_LOG_FORMAT_JSON);
    wh_log_set_sink(sink, NULL);
    wh_conf_warn(c);
    wh_log_set_sink(NULL, NULL);
    wh_conf_free(c);
}

static void test_secret_file(void **state)
{
    (void)state;
    char path[64];
    (void)snprintf(path, sizeof path, "%s", demo_file("s3cret\n", 7));
    assert_int_equal(chmod(path, 0644), 0);
    listen(demo_ok(NULL, NULL, LIST("--redis-password-file", path)));
    assert_int_equal(n_said, 1);
    assert_non_null(strstr(said, "config.secret_exposed"));
    assert_non_null(strstr(said, path));
    assert_non_null(strstr(said, "0644"));
    assert_null(strstr(said, "s3cret"));
    assert_int_equal(chmod(path, 0640), 0);
    listen(demo_ok(NULL, NULL, LIST("--redis-password-file", path)));
    assert_int_equal(n_said, 0);
    (void)unlink(path);
}

/* The configuration file with this text; "" goes without it. */
static void check_file(const char *text, mode_t mode, unsigned want)
{
    char *path = demo_file(text, strlen(text));
    wh_conf *c = NULL;
    wh_errbuf eb = {.text = ""};
    assert_int_equal(chmod(path, mode), 0);
    wh_conf_source src = {.file = path};
    assert_int_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_OK);
    (void)unlink(path);
    listen(c);
    assert_int_equal(n_said, want);
}

static void test_in_configuration(void **state)
{
    (void)state;
    check_file("redis: {password: hush}\n", 0604, 1);
    check_file("redis: {password: hush}\n", 0600, 0);
    check_file("slots: 3\n", 0644, 0);
    listen(demo_ok(NULL, LIST("WHERRY_REDIS_PASSWORD=hush"), NULL));
    assert_int_equal(n_said, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_file),
        cmocka_unit_test(test_in_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
