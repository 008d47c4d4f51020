/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an error of a later check is put, and refusals in parts.
 */
#include "common/base/conf_report.h"
#include "tests/unit/common/base/conf_fixture.h"

static const char file_text[] = "slots: 20\n"
                                "redis: {timeout: 1s}\n"
                                "queues: {mail: 5}\n"
                                "handlers:\n"
                                "  job.hash:\n"
                                "    command: x\n"
                                "  job: {timeout: 1m}\n";

/* The file's random path is cut off. */
static void blamed(const wh_conf *c, const char *text, const char *want)
{
    wh_errbuf eb = {.code = WH_ECONFIG, .sys = 7};
    (void)snprintf(eb.text, sizeof eb.text, "%s", text);
    wh_conf_blame(c, &eb, NULL);
    const char *got = eb.text;
    if (strncmp(got, "/tmp/wherry-conf-", 17) == 0) {
        got += strcspn(got, ":") + 1;
    }
    assert_string_equal(got, want);
    assert_int_equal(eb.code, WH_ECONFIG);
    assert_int_equal(eb.sys, 7);
}

static void test_blame_file(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text, NULL, NULL);
    blamed(c, "slots: too many", "1:8: slots: too many");
    blamed(c, "redis.timeout: odd", "2:18: redis.timeout: odd");
    blamed(c, "queues: few", "3:1: queues: few");
    blamed(c, "queues.mail: bad", "3:10: queues.mail: bad");
    blamed(c, "queues.mail.weight: bad", "3:16: queues.mail.weight: bad");
    blamed(c, "handlers.job.hash.command: bad", "6:14: handlers.job.hash.command: bad");
    /* What is missing is missing where the item stands. */
    blamed(c, "handlers.job.hash.timeout: bad", "5:3: handlers.job.hash.timeout: bad");
    blamed(c, "handlers.job.timeout: bad", "7:18: handlers.job.timeout: bad");
    blamed(c, "handlers.job.command: bad", "7:3: handlers.job.command: bad");
    /* A default stands nowhere; and these are about no option. */
    blamed(c, "region: missing", "region: missing");
    blamed(c, "slotsx: a", "slotsx: a");
    blamed(c, "slots are few", "slots are few");
    blamed(c, "handlers.other: a", "handlers.other: a");
    blamed(c, "", "");
    wh_conf_free(c);
}

static void test_blame_others(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text,
                         LIST("WHERRY_SLOTS=3", "REDIS_URL=redis://h", "WHERRY_TAGS=x"),
                         LIST("--region=eu", "--queue=a=2"));
    blamed(c, "slots: bad", "environment WHERRY_SLOTS: bad");
    blamed(c, "redis.url: bad", "environment REDIS_URL: bad");
    blamed(c, "region: bad", "--region: bad");
    blamed(c, "queues.a.weight: bad", "--queue: queues.a.weight: bad");
    blamed(c, "queues.a: bad", "--queue: queues.a: bad");
    blamed(c, "queues: bad", "--queue: queues: bad");
    blamed(c, "queues.mail: bad", "queues.mail: bad"); /* it is gone */
    wh_conf_free(c);
}

static void test_report_of_blame(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text, LIST("WHERRY_REGION=eu"), NULL);
    wh_conf_report r = {.line = 99};
    wh_errbuf eb = {.text = "redis.timeout: too short"};
    wh_conf_blame(c, &eb, &r);
    assert_string_equal(r.file, wh_conf_file(c));
    assert_int_equal(r.line, 2);
    assert_int_equal(r.column, 18);
    assert_string_equal(r.source, "");
    assert_string_equal(r.option, "redis.timeout");
    assert_string_equal(r.message, "too short");
    eb = (wh_errbuf){.text = "region: far"};
    wh_conf_blame(c, &eb, &r);
    assert_string_equal(r.file, "");
    assert_int_equal(r.line, 0);
    assert_string_equal(r.source, "environment WHERRY_REGION");
    wh_conf_free(c);
}

/* The load must be refused, and be printed as this. %s is the file. */
static void check_print(const char *text, const char *const *env,
                        const char *const *args, const char *want)
{
    char *path = text != NULL ? demo_file(text, strlen(text)) : NULL;
    char *argv[8] = {NULL};
    int argc = 0;
    argv[argc++] = strdup("wherry-demo");
    for (size_t i = 0; args[i] != NULL; i++) {
        argv[argc++] = strdup(args[i]);
    }
    wh_conf_report r = {.line = 99};
    wh_errbuf eb = {.text = ""};
    wh_conf *c = NULL;
    wh_conf_source src = {
        .argc = argc, .argv = argv, .env = env, .file = path, .report = &r};
    assert_int_not_equal(wh_conf_load(&demo_table, &src, &c, &eb), WH_OK);
    if (path != NULL) {
        (void)unlink(path);
    }
    assert_int_equal(r.action, WH_CONF_CHECK);
    assert_true(r.as_json);
    wh_buf out = {0};
    char line[1024];
    wh_conf_report_print(&r, &eb, &out);
    (void)snprintf(line, sizeof line, "{\"valid\":false,\"errors\":[{%s%s%s}]}\n", want,
                   path != NULL ? path : "",
                   path != NULL ? strchr(want, '\0') + 1 : "");
    assert_string_equal(wh_buf_str(&out), line);
    wh_buf_fini(&out);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
}

static void test_print(void **state)
{
    (void)state;
    const char *const *args = LIST("--check-config", "--json");
    /* The path goes where the NUL is. */
    check_print("handlers: {hash: {timeout: 5}}\n", NULL, args,
                "\"message\":\"\\\"5\\\" is no duration; write a number with a unit, "
                "e.g. 250ms, 5s, 2m, 1h\",\"file\":\"\0\",\"line\":1,\"column\":28,"
                "\"source\":null,\"option\":\"handlers.hash.timeout\"");
    check_print("solts: 1\n", NULL, args,
                "\"message\":\"unknown option \\\"solts\\\"; did you mean "
                "\\\"slots\\\"?\",\"file\":\"\0\",\"line\":1,\"column\":1,"
                "\"source\":null,\"option\":null");
    check_print(NULL, LIST("WHERRY_SLOTS=0"), args,
                "\"message\":\"\\\"0\\\" is out of range; 1 to 1000 is allowed\","
                "\"file\":null,\"line\":null,\"column\":null,"
                "\"source\":\"environment WHERRY_SLOTS\",\"option\":\"slots\"");
    check_print(NULL, LIST("WHERRY_CONFIG=/nowhere"), args,
                "\"message\":\"No such file or directory\",\"file\":\"/nowhere\","
                "\"line\":null,\"column\":null,\"source\":null,\"option\":null");
    check_print(NULL, NULL, LIST("--check-config", "--json", "--queue=a=0"),
                "\"message\":\"\\\"0\\\" is out of range; 1 to 100 is allowed\","
                "\"file\":null,\"line\":null,\"column\":null,"
                "\"source\":\"--queue\",\"option\":\"queues\"");

    wh_buf out = {0};
    wh_conf_report_print(&(wh_conf_report){.line = 0}, &(wh_errbuf){.text = ""}, &out);
    assert_string_equal(wh_buf_str(&out), "{\"valid\":true}\n");
    wh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blame_file),
        cmocka_unit_test(test_blame_others),
        cmocka_unit_test(test_report_of_blame),
        cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
