/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that name a Redis: what is understood, what is refused, and that no password
 * is ever repeated. */
#include "common/io/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct good {
    const char *url, *path, *host;
    int port, db;
    bool tls;
    const char *user, *password, *printed;
} good;

static void same(const char *got, const char *want)
{
    if (want == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, want);
    }
}

static void understands(void **state)
{
    static const good cases[] = {
        {"redis://h", NULL, "h", 6379, 0, false, NULL, NULL, "redis://h:6379"},
        {"redis://h:7000/3", NULL, "h", 7000, 3, false, NULL, NULL, "redis://h:7000/3"},
        {"redis://h/", NULL, "h", 6379, 0, false, NULL, NULL, "redis://h:6379"},
        {"redis://h?db=4", NULL, "h", 6379, 4, false, NULL, NULL, "redis://h:6379/4"},
        {"rediss://[::1]:7001/1", NULL, "::1", 7001, 1, true, NULL, NULL,
         "rediss://[::1]:7001/1"},
        {"redis://[fe80::1]", NULL, "fe80::1", 6379, 0, false, NULL, NULL,
         "redis://[fe80::1]:6379"},
        {"redis://u:p@h", NULL, "h", 6379, 0, false, "u", "p", "redis://u@h:6379"},
        {"redis://:p%40%2f%25:@h", NULL, "h", 6379, 0, false, NULL,
         "p@/%:", "redis://h:6379"},
        {"redis://u:p/@q@h:1", NULL, "h", 1, 0, false, "u", "p/@q", "redis://u@h:1"},
        {"unix:///run/r.sock", "/run/r.sock", NULL, 0, 0, false, NULL, NULL,
         "unix:///run/r.sock"},
        {"unix:///run/r.sock?db=2", "/run/r.sock", NULL, 0, 2, false, NULL, NULL,
         "unix:///run/r.sock?db=2"},
        {"unix://u:p@/run/r%20s", "/run/r s", NULL, 0, 0, false, "u", "p",
         "unix://u@/run/r s"},
        {"/run/a@b.sock", "/run/a@b.sock", NULL, 0, 0, false, NULL, NULL,
         "unix:///run/a@b.sock"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const good *g = &cases[i];
        wh_endpoint e;
        wh_errbuf eb = {0};
        char printed[128];

        if (wh_endpoint_parse(g->url, &e, &eb) != WH_OK) {
            fail_msg("%s: %s", g->url, eb.text);
        }
        same(e.path, g->path);
        same(e.host, g->host);
        same(e.user, g->user);
        same(e.password, g->password);
        assert_int_equal(e.port, g->port);
        assert_int_equal(e.db, g->db);
        assert_int_equal(e.tls, g->tls);
        wh_endpoint_print(&e, printed, sizeof printed);
        assert_string_equal(printed, g->printed);
        wh_endpoint_fini(&e);
        assert_null(e.password);
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {
        "",
        "h:6379",
        "http://h",
        "redis:/h",
        "redis://",
        "redis:///1",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:12a",
        "redis://h:",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/10000000",
        "redis://h?user=a",
        "redis://h?db=",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[h]",
        "redis://user@h",
        "redis://@h",
        "redis://user:@h",
        "redis://:%zz@h",
        "redis://:%0@h",
        "redis://:a%@h",
        "redis://:%00@h",
        "unix://run/r.sock",
        "unix://",
        "unix:///",
        "/",
        "/r?x=1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_endpoint e;
        wh_errbuf eb = {0};

        if (wh_endpoint_parse(cases[i], &e, &eb) != WH_EINVAL) {
            fail_msg("accepted: %s", cases[i]);
        }
        assert_true(strlen(eb.text) > 0);
        assert_null(e.host);
        assert_null(e.path);
    }
}

static void too_long(void **state)
{
    char url[400] = "redis://";
    wh_endpoint e;

    (void)state;
    memset(url + 8, 'h', 256);
    assert_int_equal(wh_endpoint_parse(url, &e, NULL), WH_EINVAL);
    memset(url, '/', 1);
    memset(url + 1, 'p', 107);
    url[108] = '\0';
    assert_int_equal(wh_endpoint_parse(url, &e, NULL), WH_EINVAL);
    url[107] = '\0';
    assert_int_equal(wh_endpoint_parse(url, &e, NULL), WH_OK);
    wh_endpoint_fini(&e);
}

static void errors_keep_the_secret(void **state)
{
    static const char *const cases[] = {
        "redis://u:hunter2@h:99999", "redis://u:hunter2@", "redis://:hunter2%@h",
        "redis://u:hunter2@h/x",     "hunter2@h",          "unix://u:hunter2@x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wh_endpoint e;
        wh_errbuf eb = {0};

        assert_int_equal(wh_endpoint_parse(cases[i], &e, &eb), WH_EINVAL);
        assert_null(strstr(eb.text, "hunter2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands),
        cmocka_unit_test(refuses),
        cmocka_unit_test(too_long),
        cmocka_unit_test(errors_keep_the_secret),
    };

    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
