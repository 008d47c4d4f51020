/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table and the checks beside it.
 */
#include "common/job/payload.h"
#include "worker/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 16 };

/* Loads from these flags; NULL ends them. */
static wh_err load(wh_conf **out, wh_errbuf *eb, const char *const *flags)
{
    char *argv[ARGS_MAX] = {strdup("wherry-worker")};
    int argc = 1;

    while (flags[argc - 1] != NULL && argc < ARGS_MAX - 1) {
        argv[argc] = strdup(flags[argc - 1]);
        argc++;
    }
    wh_err err = wh_conf_load(&wh_options_table,
                              &(wh_conf_source){.argc = argc, .argv = argv}, out, eb);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return err;
}

static void test_defaults(void **state)
{
    (void)state;
    wh_conf *c = NULL;
    wh_errbuf eb = {0};

    assert_int_equal(load(&c, &eb, (const char *const[]){NULL}), WH_OK);
    const wh_options *o = wh_conf_values(c);
    assert_int_equal(wh_options_check(o, &eb), WH_OK);
    assert_string_equal(o->region, "any");
    assert_true(o->also_any);
    assert_int_equal(o->slots, 8);
    assert_true(o->claim_ahead);
    assert_true(o->memory_limit == 0);
    assert_int_equal(o->lease_ms, 15000);
    assert_int_equal(wh_options_heartbeat_ms(o), 5000);
    assert_int_equal(o->drain_timeout_ms, 25000);
    assert_string_equal(o->metrics_listen, "127.0.0.1:9394");
    assert_int_equal(wh_options_queue_count(o), 1);
    assert_string_equal(wh_options_queue_at(o, 0).name, "default");
    assert_true(wh_options_queue_at(o, 0).weight > 0.9);
    char name[WH_JOB_NAME_MAX + 1];
    wh_options_name(o, name);
    assert_true(wh_job_name_ok(name, strlen(name)));
    char program[4096];
    assert_int_equal(wh_options_executor(o, program, sizeof program), WH_OK);
    assert_string_equal(strrchr(program, '/'), "/wherry-executor");
    wh_conf_free(c);
}

/* --print-config tells the retries that are in force where nobody sets them. */
static void test_default_retry(void **state)
{
    (void)state;
    wh_conf *c = NULL;
    wh_errbuf eb = {0};
    wh_retry_policy from_text, built_in;

    assert_int_equal(
        load(&c, &eb, (const char *const[]){"--handler", "a=command:true", NULL}),
        WH_OK);
    const wh_options *o = wh_conf_values(c);
    const wh_handler_config *h = o->handlers.items;
    wh_retry_default(&built_in);
    wh_retry_default(&from_text);
    from_text.n_steps = 0;
    assert_non_null(h->retry);
    assert_int_equal(wh_retry_parse(h->retry, &from_text, &eb), WH_OK);
    assert_int_equal(from_text.kind, built_in.kind);
    assert_int_equal(from_text.n_steps, built_in.n_steps);
    for (int i = 0; i < built_in.n_steps; i++) {
        assert_true(from_text.steps_ms[i] == built_in.steps_ms[i]);
    }
    wh_conf_free(c);
}

static void test_flags(void **state)
{
    (void)state;
    wh_conf *c = NULL;
    wh_errbuf eb = {0};

    assert_int_equal(load(&c, &eb,
                          (const char *const[]){
                              "--queue", "mail=5", "--queue", "default", "--handler",
                              "mail=command:/bin/true", "--order", "strict",
                              "--redis-user", "u", "--redis-password", "p:w", NULL}),
                     WH_OK);
    const wh_options *o = wh_conf_values(c);
    assert_int_equal(wh_options_queue_count(o), 2);
    assert_string_equal(wh_options_queue_at(o, 0).name, "mail");
    assert_true(wh_options_queue_at(o, 0).weight > 4.9);
    assert_int_equal(o->order, 1);
    const wh_handler_config *h = o->handlers.items;
    assert_int_equal(o->handlers.count, 1);
    assert_string_equal(h->run, "command:/bin/true");
    assert_int_equal(h->timeout_ms, 300000);
    assert_int_equal(h->max_attempts, 5);
    assert_null(h->schema);
    assert_int_equal(h->schema_format, WH_PAYLOAD_JSON);
    wh_endpoint e = {0};
    assert_int_equal(wh_redis_options_endpoint(&o->redis, &e, &eb), WH_OK);
    assert_string_equal(e.user, "u");
    assert_string_equal(e.password, "p:w");
    wh_endpoint_fini(&e);
    wh_conf_free(c);
}

/* By the load or by the check; the text must have this in it. */
static void refused(const char *const *flags, const char *word)
{
    wh_conf *c = NULL;
    wh_errbuf eb = {0};
    wh_err err = load(&c, &eb, flags);

    if (err == WH_OK) {
        err = wh_options_check(wh_conf_values(c), &eb);
    }
    assert_int_equal(err, WH_ECONFIG);
    if (strstr(eb.text, word) == NULL) {
        fail_msg("%s", eb.text);
    }
    wh_conf_free(c);
}

static void test_refused(void **state)
{
    (void)state;
    refused((const char *const[]){"--region", "a b", NULL}, "--region: \"a b\" is no");
    refused((const char *const[]){"--queue", "a/b", NULL}, "--queue: \"a/b\" is no");
    refused((const char *const[]){"--name", "a{b}", NULL}, "--name: \"a{b}\" is no");
    refused((const char *const[]){"--lease", "1s", "--heartbeat", "600ms", NULL},
            "heartbeat: ");
    refused((const char *const[]){"--redis-url", "http://x", NULL},
            "--redis-url: must");
    refused((const char *const[]){"--redis-cert-file", "x", NULL}, "redis.key_file");
    refused((const char *const[]){"--handler", "a b=exec:x", NULL},
            "--handler: \"a b\"");
    refused((const char *const[]){"--handler", "x=magic:x", NULL},
            "\"magic\" is unknown");
    refused((const char *const[]){"--handler", "x=run", NULL}, "names no kind");
}

/* What a handler's mapping may not say, and where it is said to stand. */
static void test_refused_in_file(void **state)
{
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"retry: often", ":2:33: handlers.x.retry: "},
        {"env: [A=1, B]", ":2:37: handlers.x.env: \"B\" is not NAME=VALUE"},
        {"run: '', jitter: 2", ":2:31: handlers.x.run: "},
        {"schema_format: xml", ":2:41: handlers.x.schema_format: "},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[] = "/tmp/wherry-options-XXXXXX";
        int fd = mkstemp(path);
        wh_conf *c = NULL;
        wh_errbuf eb = {0};

        assert_true(fd >= 0);
        assert_true(dprintf(fd, "handlers:\n  x: {timeout: 300000ms, %s}\n",
                            cases[i].line) > 0);
        close(fd);
        assert_int_equal(load(&c, &eb, (const char *const[]){"-c", path, NULL}),
                         WH_ECONFIG);
        unlink(path);
        if (strstr(eb.text, cases[i].want) == NULL) {
            fail_msg("%s", eb.text);
        }
    }
}

static void test_help_names_every_option(void **state)
{
    (void)state;
    wh_buf out = {0};

    wh_conf_help(&wh_options_table, &out);
    assert_non_null(strstr(wh_buf_str(&out), "--drain-timeout"));
    assert_non_null(strstr(wh_buf_str(&out), "REDIS_URL"));
    wh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_default_retry),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_in_file),
        cmocka_unit_test(test_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
