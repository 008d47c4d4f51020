/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which source wins, the environment, secrets in files, reloads, and memory that
 * runs out anywhere on the way.
 */
#include "common/base/conf_report.h"
#include "tests/support/oom.h"
#include "tests/unit/common/base/conf_fixture.h"

static const char file_text[] = "slots: 20\n"
                                "region: eu\n"
                                "redis:\n"
                                "  url: redis://file\n"
                                "  timeout: 250ms\n"
                                "payload_max: 64KiB\n"
                                "share: 0.25\n"
                                "verbose: yes\n"
                                "log: {level: warn}\n"
                                "tags: [x, 'y,z']\n"
                                "queues:\n"
                                "  mail: 5\n"
                                "  slow: {weight: 2}\n"
                                "  plain:\n"
                                "handlers:\n"
                                "  hash:\n"
                                "    command: /bin/hash\n"
                                "    timeout: 2m\n"
                                "    retry: {max: 3}\n"
                                "  \"job.mail\": /bin/mail\n";

static void test_defaults(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(NULL, NULL, NULL);
    const demo *d = demo_of(c);
    assert_int_equal(d->slots, 10);
    assert_null(d->region);
    assert_string_equal(d->redis_url, "redis://localhost");
    assert_int_equal(d->redis_timeout_ms, 5000);
    assert_int_equal(d->payload_max, 1048576);
    assert_true(d->share > 0.49 && d->share < 0.51);
    assert_false(d->verbose);
    assert_true(d->color);
    assert_int_equal(d->log_level, 1);
    assert_int_equal(d->tags.count, 2);
    assert_int_equal(d->queues.count, 1); /* the section's default */
    assert_int_equal(wh_conf_action_of(c), WH_CONF_RUN);
    assert_null(wh_conf_file(c));
    wh_conf_free(c);
    wh_conf_free(NULL);
}

static void test_file(void **state)
{
    (void)state;
    wh_conf *c = demo_ok(file_text, NULL, NULL);
    const demo *d = demo_of(c);
    assert_int_equal(d->slots, 20);
    assert_string_equal(d->region, "eu");
    assert_string_equal(d->redis_url, "redis://file");
    assert_int_equal(d->redis_timeout_ms, 250);
    assert_int_equal(d->payload_max, 65536);
    assert_true(d->verbose);
    assert_int_equal(d->log_level, 2);
    assert_int_equal(d->tags.count, 2);
    assert_string_equal(d->tags.items[1], "y,z");
    const demo_queue *q = d->queues.items;
    assert_int_equal(d->queues.count, 3);
    assert_string_equal(q[0].name, "mail");
    assert_int_equal(q[0].weight, 5);
    assert_int_equal(q[1].weight, 2);
    assert_int_equal(q[2].weight, 1);
    const demo_handler *h = d->handlers.items;
    assert_int_equal(d->handlers.count, 2);
    assert_string_equal(h[0].command, "/bin/hash");
    assert_int_equal(h[0].timeout_ms, 120000);
    assert_int_equal(h[0].retry_max, 3);
    assert_string_equal(h[1].name, "job.mail");
    assert_string_equal(h[1].command, "/bin/mail");
    assert_int_equal(h[1].timeout_ms, 60000);
    wh_conf_free(c);
}

static void test_precedence(void **state)
{
    (void)state;
    const char *const *env =
        LIST("WHERRY_SLOTS=30", "REDIS_URL=redis://env2",
             "WHERRY_REGION=", "WHERRY_TAGS=e1, e2", "WHERRY_QUEUES=a=7, b",
             "WHERRY_ONCE=true", "WHERRY_OTHER_THING=1", "WHERRY_SLOTSX=99",
             "WHERRY_LOG_LEVEL=debug");
    wh_conf *c = demo_ok(file_text, env, LIST("--slots", "40"));
    const demo *d = demo_of(c);
    assert_int_equal(d->slots, 40);
    assert_string_equal(d->redis_url, "redis://env2");
    assert_string_equal(d->region, "eu"); /* an empty variable is none */
    assert_int_equal(d->log_level, 0);
    assert_int_equal(d->tags.count, 2);
    assert_string_equal(d->tags.items[1], "e2");
    assert_false(d->once);
    const demo_queue *q = d->queues.items;
    assert_int_equal(d->queues.count, 2); /* they replace the file's */
    assert_string_equal(q[0].name, "a");
    assert_int_equal(q[0].weight, 7);
    assert_string_equal(q[1].name, "b");
    assert_int_equal(q[1].weight, 1);
    wh_conf_free(c);

    env = LIST("REDIS_URL=redis://env2", "WHERRY_REDIS_URL=redis://env1",
               "WHERRY_QUEUES=a");
    c = demo_ok(NULL, env, LIST("--queue=x=2", "--queue", "y", "--redis-timeout=1s"));
    d = demo_of(c);
    assert_string_equal(d->redis_url, "redis://env1");
    assert_int_equal(d->redis_timeout_ms, 1000);
    q = d->queues.items;
    assert_int_equal(d->queues.count, 2);
    assert_string_equal(q[1].name, "y");
    wh_conf_free(c);
}

static void test_env_refused(void **state)
{
    (void)state;
    demo_refused(
        NULL, LIST("WHERRY_SLOTS=many"), NULL,
        "environment WHERRY_SLOTS: \"many\" is no whole number; write digits, e.g. 5");
    demo_refused(NULL, LIST("WHERRY_QUEUES=a,a"), NULL,
                 "environment WHERRY_QUEUES: \"a\" is given twice");
    demo_refused(
        NULL, LIST("WHERRY_QUEUES=a=0"), NULL,
        "environment WHERRY_QUEUES: \"0\" is out of range; 1 to 100 is allowed");
    demo_refused(NULL, LIST("WHERRY_QUEUES=a,,b"), NULL,
                 "environment WHERRY_QUEUES: a name must not be empty");
    demo_refused(NULL, LIST("WHERRY_REDIS_PASSWORD=a", "WHERRY_REDIS_PASSWORD_FILE=b"),
                 NULL,
                 "environment WHERRY_REDIS_PASSWORD_FILE: both this and the same "
                 "without _FILE are "
                 "set; use one");
    demo_refused(NULL, LIST("WHERRY_REGION=\xFF"), NULL,
                 "environment WHERRY_REGION: \"\xEF\xBF\xBD\" is not UTF-8");
    demo_refused(NULL, LIST("WHERRY_CONFIG=/nonexistent/x.yaml"), NULL,
                 "/nonexistent/x.yaml: No such file or directory");
}

/* A source is checked whole also where another one wins. */
static void test_every_source_is_checked(void **state)
{
    (void)state;
    demo_refused("slots: many\n", LIST("WHERRY_SLOTS=3"), LIST("--slots=4"),
                 "1:8: slots: \"many\" is no whole number; write digits, e.g. 5");
    demo_refused("tags: [a, 'b!']\n", LIST("WHERRY_TAGS=x"), NULL,
                 "1:11: tags: \"b!\" is too loud");
    demo_refused("queues: {a: 1, 'b!': 2}\n", LIST("WHERRY_QUEUES=a"), NULL,
                 "1:16: queues: \"b!\" is too loud");
    demo_refused(NULL, LIST("WHERRY_TAGS=x!"), LIST("--tags=y"),
                 "environment WHERRY_TAGS: \"x!\" is too loud");
    demo_refused(NULL, LIST("WHERRY_QUEUES=a!=1"), LIST("--queue=y"),
                 "environment WHERRY_QUEUES: \"a!\" is too loud");
    demo_refused(NULL, NULL, LIST("--queue=y", "--queue=a!=1"),
                 "--queue: \"a!\" is too loud");
}

static void test_secret_file(void **state)
{
    (void)state;
    char path[64];
    char arg[128];
    (void)snprintf(path, sizeof path, "%s", demo_file("s3cret\n", 7));

    (void)snprintf(arg, sizeof arg, "redis: {password_file: %s}", path);
    wh_conf *c = demo_ok(arg, NULL, NULL);
    assert_string_equal(demo_of(c)->redis_password, "s3cret");
    wh_conf_free(c);

    (void)snprintf(arg, sizeof arg, "WHERRY_REDIS_PASSWORD_FILE=%s", path);
    c = demo_ok("redis: {password: x}", LIST(arg), NULL);
    assert_string_equal(demo_of(c)->redis_password, "s3cret");
    wh_conf_free(c);

    c = demo_ok(NULL, LIST("WHERRY_REDIS_PASSWORD=e"),
                LIST("--redis-password-file", path));
    assert_string_equal(demo_of(c)->redis_password, "s3cret");
    wh_conf_free(c);
    (void)unlink(path);

    demo_refused("redis:\n  password_file: /nonexistent\n", NULL, NULL,
                 "2:18: redis.password_file: /nonexistent: No such file or directory");
    demo_refused("redis: {password: a, password_file: b}", NULL, NULL,
                 "1:22: redis.password_file: already given in line 1; with and without "
                 "_file exclude each other");
}

static void check_frozen(const char *a, const char *b, const char *want)
{
    wh_conf *x = demo_ok(a, NULL, NULL);
    wh_conf *y = demo_ok(b, NULL, NULL);
    wh_buf names = {0};
    size_t n = wh_conf_frozen_changes(x, y, &names);
    assert_string_equal(wh_buf_str(&names), want);
    size_t commas = want[0] == '\0' ? 0 : 1;
    for (const char *p = want; *p != '\0'; p++) {
        commas += *p == ',';
    }
    assert_int_equal(n, commas);
    wh_buf_fini(&names);
    wh_conf_free(x);
    wh_conf_free(y);
}

static void test_reload(void **state)
{
    (void)state;
    check_frozen("slots: 1", "slots: 2\nlog: {level: debug}", "");
    check_frozen("slots: 1", "slots: 2\nregion: eu\nredis: {timeout: 1s}",
                 "region,redis.timeout");
    check_frozen("tags: [a]", "tags: [b]", "tags");
    check_frozen("queues: {a: 1}", "queues: {b: 1, a: 2}", "");
    check_frozen("handlers: {a: {timeout: 1s}}", "handlers: {a: {timeout: 2s}}", "");
    check_frozen("handlers: {a: x}", "handlers: {a: y}", "handlers.a.command");
    check_frozen("handlers: {a: x}", "handlers: {a: x, b: x}", "handlers");
    check_frozen("handlers: {a: x}", "handlers: {b: x}", "handlers");
}

static void test_bad_default(void **state)
{
    (void)state;
    static const wh_opt opt = {.name = "x", .type = WH_OPT_INT, .dflt = "zero"};
    static const wh_opt_table t = {
        .program = "p", .opts = &opt, .n_opts = 1, .size = 8};
    wh_conf *c = NULL;
    wh_errbuf eb;
    assert_int_equal(wh_conf_load(&t, &(wh_conf_source){0}, &c, &eb), WH_ECONFIG);
    assert_null(c);
    assert_non_null(strstr(eb.text, "a default of p is wrong: \"zero\""));
}

static void check_out_of_memory(const char *const *args)
{
    const char *const *env = LIST("WHERRY_TAGS=e1,e2", "WHERRY_REGION=us");
    long n = 1;
    for (bool more = true; more; n++) {
        wh_conf *c = NULL;
        wh_errbuf eb = {.code = WH_OK};
        wh_buf out = {0};
        oom_on(n);
        wh_err err = demo_load(file_text, env, args, &c, &eb);
        if (err == WH_OK) {
            wh_conf_print(c, &out);
            wh_conf_print_json(c, &out);
            wh_conf_help(&demo_table, &out);
            wh_conf_markdown(&demo_table, &out);
            wh_errbuf late = {.text = "queues.a.weight: too heavy"};
            wh_conf_blame(c, &late, NULL);
            assert_non_null(strstr(late.text, "too heavy"));
            out.failed = out.failed || strncmp(late.text, "--queue: ", 9) != 0;
        }
        bool is_whole = err == WH_OK && wh_buf_ok(&out);
        wh_buf_fini(&out);
        wh_conf_free(c);
        assert_int_equal(oom_held, 0);
        more = oom_off();
        assert_int_equal(is_whole, !more);
        if (err != WH_OK) {
            assert_int_equal(err, WH_ENOMEM);
            assert_int_equal(eb.code, WH_ENOMEM);
            assert_non_null(strstr(eb.text, "out of memory"));
        }
    }
    assert_true(n > 60);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    check_out_of_memory(LIST("--slots=3", "--queue", "a=2", "--tags", "q"));
    check_out_of_memory(LIST("--queue", "a=2", "--print-config", "--json"));
}

/* Messages need memory too: they may say less, never something wrong. */
static void test_out_of_memory_refusing(void **state)
{
    (void)state;
    static const char *const bad[] = {"regoin: x", "slots: x", "handlers: {a: {b: 1}}",
                                      "redis: {password_file: /nonexistent}",
                                      "tags: [1,2,3,4,5]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (long n = 1, more = 1; more; n++) {
            wh_conf *c = NULL;
            wh_errbuf eb;
            oom_on(n);
            wh_err err = demo_load(bad[i], NULL, NULL, &c, &eb);
            assert_int_equal(oom_held, 0);
            more = oom_off();
            assert_null(c);
            assert_int_equal(err, more ? WH_ENOMEM : WH_ECONFIG);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_env_refused),
        cmocka_unit_test(test_every_source_is_checked),
        cmocka_unit_test(test_secret_file),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_bad_default),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_out_of_memory_refusing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
