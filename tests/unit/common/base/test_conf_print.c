/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --print-config, the log, --help and the options page say; secrets nowhere.
 */
#include "common/base/conf_internal.h"
#include "tests/unit/common/base/conf_fixture.h"

static const char file_text[] = "slots: 20\n"
                                "redis: {url: 'redis://u:pw:x@h/1', password: hush}\n"
                                "queues: {mail: 5}\n"
                                "handlers: {hash: {command: 'a \"b\"'}}\n";

static void test_yaml(void **state)
{
    (void)state;
    wh_conf *c =
        demo_ok(file_text, LIST("WHERRY_SHARE=0.25"), LIST("--tags=x", "--queue=a=2"));
    wh_buf b = {0};
    char want[2048];
    const char *f = wh_conf_file(c);
    (void)snprintf(want, sizeof want,
                   "# Configuration of wherry-demo in force\n"
                   "slots: 20  # %s:1:8\n"
                   "# region: (not set)\n"
                   "redis:\n"
                   "  url: \"redis://u:***@h/1\"  # %s:2:14\n"
                   "  password: \"********\"  # %s:2:46\n"
                   "  timeout: \"5s\"  # default\n"
                   "payload_max: \"1MiB\"  # default\n"
                   "share: 0.25  # environment WHERRY_SHARE\n"
                   "verbose: false  # default\n"
                   "color: true  # default\n"
                   "log:\n"
                   "  level: \"info\"  # default\n"
                   "tags: [\"x\"]  # --tags\n"
                   "queues:\n"
                   "  \"a\":\n"
                   "    weight: 2  # --queue\n"
                   "handlers:\n"
                   "  \"hash\":\n"
                   "    command: \"a \\\"b\\\"\"  # %s:4:28\n"
                   "    timeout: \"1m\"  # default\n"
                   "    retry:\n"
                   "      max: 5  # default\n",
                   f, f, f, f);
    wh_conf_print(c, &b);
    assert_string_equal(wh_buf_str(&b), want);

    /* It loads again and says the same. */
    wh_conf *again = demo_ok(wh_buf_str(&b), NULL, NULL);
    wh_buf names = {0};
    assert_int_equal(wh_conf_frozen_changes(c, again, &names), 2);
    assert_string_equal(wh_buf_str(&names), "redis.url,redis.password");
    wh_buf_fini(&names);
    wh_conf_free(again);
    wh_buf_fini(&b);
    wh_conf_free(c);
}

/* What applies where a section is empty stands there too. */
static void test_empty_sections(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_conf *c = demo_ok("slots: 2\nqueues: {}\n", NULL, NULL);
    char want[320];
    wh_conf_print(c, &b);
    (void)snprintf(want, sizeof want,
                   "queues:\n  \"main\":\n    weight: 3  # %s:2:1\n"
                   "handlers: {}  # default\n",
                   wh_conf_file(c));
    assert_non_null(strstr(wh_buf_str(&b), want));
    wh_buf_clear(&b);
    wh_conf_free(c);
    c = demo_ok(NULL, NULL, LIST("--print-config", "--json"));
    wh_conf_print(c, &b);
    static const char tail[] =
        ",\n \"queues.main.weight\": {\"value\": 3, \"source\": \"default\"}"
        ",\n \"handlers\": {\"value\": {}, \"source\": \"default\"}}\n";
    assert_string_equal(wh_buf_str(&b) + b.len - strlen(tail), tail);
    wh_buf_fini(&b);
    wh_conf_free(c);
}

static void test_json(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text, NULL, NULL);
    wh_buf b = {0};
    wh_conf_print_json(c, &b);
    assert_string_equal(
        wh_buf_str(&b),
        "{\"slots\":20,\"region\":null,\"redis.url\":\"redis://u:***@h/1\","
        "\"redis.password\":\"********\",\"redis.timeout\":\"5s\","
        "\"payload_max\":\"1MiB\",\"share\":0.5,\"verbose\":false,\"color\":true,"
        "\"once\":false,\"log.level\":\"info\",\"tags\":[\"a\", \"b\"],"
        "\"queues\":{\"mail\":{\"weight\":5}},"
        "\"handlers\":{\"hash\":{\"command\":\"a \\\"b\\\"\",\"timeout\":\"1m\","
        "\"retry.max\":5}}}");
    wh_buf_fini(&b);
    wh_conf_free(c);
}

static void test_sources(void **state)
{
    (void)state;
    wh_conf *c = demo_ok("redis: {password: hush}\nqueues: {mail: 5}\n",
                         LIST("REDIS_URL=redis://:pw@h"),
                         LIST("--print-config", "--json", "--slots=3"));
    wh_buf b = {0};
    char queue[256];
    wh_conf_print(c, &b);
    const char *text = wh_buf_str(&b);
    static const char head[] = "{\"slots\": {\"value\": 3, \"source\": \"--slots\"},\n";
    assert_memory_equal(text, head, strlen(head));
    assert_non_null(
        strstr(text, "\"region\": {\"value\": null, \"source\": \"default\"}"));
    assert_non_null(strstr(text, "\"redis.url\": {\"value\": \"redis://:***@h\", "
                                 "\"source\": \"environment REDIS_URL\"}"));
    (void)snprintf(queue, sizeof queue,
                   "\"queues.mail.weight\": {\"value\": 5, \"source\": \"%s:2:16\"}",
                   wh_conf_file(c));
    assert_non_null(strstr(text, queue));
    assert_null(strstr(text, "hush"));
    assert_string_equal(text + b.len - 3, "}}\n");
    wh_buf_fini(&b);
    wh_conf_free(c);
}

/* What `tags` of this value is shown as. */
static void check_masked(const char *value, const char *want)
{
    char file[256];
    (void)snprintf(file, sizeof file, "tags: ['%s']\n", value);
    wh_conf *c = demo_ok(file, NULL, NULL);
    wh_buf b = {0};
    wh_conf_print_json(c, &b);
    (void)snprintf(file, sizeof file, "\"tags\":[\"%s\"]", want);
    assert_non_null(strstr(wh_buf_str(&b), file));
    wh_buf_fini(&b);
    wh_conf_free(c);
}

static void test_urls(void **state)
{
    (void)state;
    check_masked("postgres://u:pw@h/db", "postgres://u:***@h/db");
    check_masked("A=x://u:p@h B=y://:q:r@i/@", "A=x://u:***@h B=y://:***@i/@");
    check_masked("http://h:80/a@b", "http://h:80/a@b");
    check_masked("http://u@h", "http://u@h");
    check_masked("a:b@c", "a:b@c");
    /* Whoever connects takes the last @, so a password may hold one, and a slash. */
    static const wh_opt url = {
        .name = "u", .type = WH_OPT_STRING, .flags = WH_OPT_SECRET | WH_OPT_URL};
    char text[] = "redis://u:p/@q@h/1";
    char *value = text;
    wh_buf b = {0};
    wh_conf_format_json(&url, &value, &b);
    assert_string_equal(wh_buf_str(&b), "\"redis://u:***@h/1\"");
    wh_buf_fini(&b);
}

static void test_help(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_conf_help(&demo_table, &b);
    const char *text = wh_buf_str(&b);
    static const char head[] = "Usage: wherry-demo [options]\n"
                               "\n"
                               "Examples:\n"
                               "  wherry-demo --slots 5\n"
                               "\n"
                               "Shows options.\n"
                               "\n"
                               "Options:\n";
    assert_memory_equal(text, head, strlen(head));
    assert_non_null(strstr(text, "\n  -s, --slots NUMBER            Jobs at a time. "
                                 "Default: 10. [WHERRY_SLOTS]\n"));
    assert_non_null(strstr(text, "[WHERRY_REDIS_URL, REDIS_URL]\n"));
    assert_non_null(strstr(text, "      --queue NAME[=VALUE]      A queue to serve. "
                                 "Repeatable. [WHERRY_QUEUES,\n"));
    assert_non_null(strstr(text, "                                split at commas]\n"));
    assert_non_null(strstr(text, "  -c, --config PATH "));
    assert_non_null(strstr(text, "--no-color"));
    assert_null(strstr(text, "WHERRY_ONCE"));
    for (const char *p = text; *p != '\0'; p += strcspn(p, "\n") + 1) {
        assert_true(strcspn(p, "\n") <= 80);
    }
    wh_buf_fini(&b);
}

static void test_markdown(void **state)
{
    (void)state;
    wh_buf b = {0};
    wh_conf_markdown(&demo_table, &b);
    const char *text = wh_buf_str(&b);
    assert_non_null(strstr(text,
                           "| `slots` | `--slots` `-s` | `WHERRY_SLOTS` | whole "
                           "number, 1 to 1000 | `10` | yes | Jobs at a time |\n"));
    assert_non_null(strstr(text, "| `redis.timeout` | `--redis-timeout` | "
                                 "`WHERRY_REDIS_TIMEOUT` | duration, 100ms to 1m | "
                                 "`5s` | no | For one answer |\n"));
    assert_non_null(strstr(text,
                           "| `handlers.NAME.retry.max` | whole number | `5` | no "
                           "| Attempts \\| tries |\n"));
    assert_non_null(strstr(text, "one of debug, info, warn"));
    assert_non_null(strstr(text, "`redis.password_file` names a file"));
    wh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml),     cmocka_unit_test(test_empty_sections),
        cmocka_unit_test(test_json),     cmocka_unit_test(test_sources),
        cmocka_unit_test(test_urls),     cmocka_unit_test(test_help),
        cmocka_unit_test(test_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
