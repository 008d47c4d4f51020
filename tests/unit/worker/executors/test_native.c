/* SPDX-License-Identifier: Apache-2.0 */
/* native.c, native_take.c and host/ with real wherry-executor processes. */
#include "common/base/clock.h"
#include "tests/support/executor_case.h"
#include "tests/support/loop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static wh_executor_case c;

static int open_case(void **state)
{
    (void)state;
    wh_executor_case_open(&c);
    wh_executor_case_native(&c, "test-plugins/unruly.so");
    return 0;
}

static int close_case(void **state)
{
    (void)state;
    wh_executor_case_close(&c);
    return 0;
}

static void create(void)
{
    wh_errbuf eb = {0};
    wh_err err = wh_executor_case_create(&c, "*", &eb);
    if (err != WH_OK) {
        fail_msg("create: %s", eb.text);
    }
}

static const wh_executor_case_end *run(const char *type, const char *payload)
{
    return &c.ends[wh_executor_case_run(&c, type, payload)];
}

/* ----------------------------------------------------------------- success */

static void test_result_comes_back(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("echo", "hello");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_string_equal(e->result, "hello");
    assert_int_equal(run("echo", "")->result_len, 0);
}

static void test_handler_sees_the_job(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("facts", "abc");
    assert_string_equal(e->result, "00000000-0000-0000-0000-000000000000 facts acme eu "
                                   "default 1 5 1 10000 [] 3");
}

static void test_failures_are_told(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("fail", "ECONNREFUSED");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_CONNECTION);
    assert_string_equal(e->message, "it did not work");
    assert_string_equal(e->context, "{\"line\": 7}");
    assert_int_equal(e->delay_ms, 1234);
    assert_int_equal(run("fail", "invalid")->status, WH_RESULT_FAIL);
    e = run("snooze", "");
    assert_int_equal(e->status, WH_RESULT_SNOOZE);
    assert_int_equal(e->delay_ms, 5000);
    e = run("odd", "");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_string_equal(e->message, "the handler returned 42");
    e = run("stranger", "");
    assert_int_equal(e->status, WH_RESULT_FAIL);
    assert_int_equal(e->category, WH_ERRCLASS_NO_HANDLER);
}

static void test_largest_result(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("big", "");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_int_equal(e->result_len, 65536);
}

static void test_big_payload(void **state)
{
    (void)state;
    create();
    size_t n = (size_t)3 * 1024 * 1024;
    char *payload = malloc(n + 1);
    assert_non_null(payload);
    memset(payload, 'p', n);
    payload[n] = '\0';
    unsigned job = wh_executor_case_job(&c, "facts", payload);
    free(payload);
    wh_executor_case_submit(&c, job, 1);
    wh_executor_case_wait(&c, job);
    assert_non_null(strstr(c.ends[job].result, " 3145728"));
}

static void test_output_and_progress(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("talk", "");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_int_equal(e->percent, 40);
    WH_WAIT_FOR(c.loop, strstr(wh_buf_str(&c.log), "on stdout\n") != NULL);
    assert_non_null(strstr(wh_buf_str(&c.log), "on stderr\n"));
    assert_non_null(strstr(wh_buf_str(&c.log), "by log\n"));
}

static int64_t busy_ms(void)
{
    int64_t until_us = c.executor->kind->busy_until_us(c.executor);
    return until_us == 0 ? 0 : (until_us - wh_clock_mono_us()) / 1000;
}

/* A child says so, says that it is over, and says no more when it is dead. */
static void test_busy(void **state)
{
    (void)state;
    create();
    assert_int_equal(run("echo", "x")->status, WH_RESULT_OK);
    assert_true(busy_ms() == 0);
    unsigned told = c.n_capacity;
    assert_int_equal(run("busy", "60000")->status, WH_RESULT_OK);
    assert_in_range(busy_ms(), 30000, 60000);
    WH_WAIT_FOR(c.loop, c.n_capacity > told);
    assert_int_equal(run("busy", "0")->status, WH_RESULT_OK);
    assert_true(busy_ms() == 0);
    assert_int_equal(run("busy", "99999999999")->status, WH_RESULT_OK);
    assert_in_range(busy_ms(), 1, WH_EXECUTOR_BUSY_MAX_MS);
    assert_int_equal(run("die", "abort")->status, WH_RESULT_RETRY);
    assert_true(busy_ms() == 0);
    WH_WAIT_FOR(c.loop, c.executor->kind->memory(c.executor) > 100000);
}

/* ------------------------------------------------------------------ faults */

static void check_crash(const char *how, const char *message)
{
    const wh_executor_case_end *e = run("die", how);
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_string_equal(e->message, message);
    assert_int_equal(run("echo", "next")->status, WH_RESULT_OK);
}

static void test_crashes_cost_one_attempt(void **state)
{
    (void)state;
    create();
    check_crash("segv", "handler crashed: signal 11 (SIGSEGV)");
    check_crash("abort", "handler crashed: signal 6 (SIGABRT)");
    check_crash("overflow", "handler crashed: signal 11 (SIGSEGV)");
    check_crash("exit", "handler ended its process: exit status 3");
    assert_int_equal(wh_executor_case_stats(&c).crashed, 4);
    assert_true(wh_executor_case_stats(&c).healthy);
}

static void test_crash_keeps_a_backtrace(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("die", "segv");
    assert_non_null(strstr(e->context, "backtrace"));
    assert_non_null(strstr(e->context, "unruly.so"));
}

static void test_protocol_errors_kill_the_child(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("garbage", "");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_non_null(strstr(e->message, "protocol error"));
    e = run("close", "");
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_non_null(strstr(e->message, "closed its channel"));
    assert_int_equal(run("echo", "next")->status, WH_RESULT_OK);
}

static void test_flood_is_cut(void **state)
{
    (void)state;
    create();
    assert_int_equal(run("flood", "")->status, WH_RESULT_OK);
    assert_true(c.n_lines <= 1000);
    assert_non_null(strstr(wh_buf_str(&c.log), " ... [cut]\n"));
}

static void test_forked_copy_stays_silent(void **state)
{
    (void)state;
    create();
    for (int i = 0; i < 5; i++) {
        const wh_executor_case_end *e = run("fork", "");
        assert_int_equal(e->status, WH_RESULT_OK);
        assert_string_equal(e->result, "one");
    }
}

/* ---------------------------------------------------------------- creation */

static void refused(const char *file, const char *type, const char *reason)
{
    wh_errbuf eb = {0};
    wh_executor_case_native(&c, file);
    assert_int_equal(wh_executor_case_create(&c, type, &eb), WH_ECONFIG);
    assert_null(c.executor);
    if (strstr(eb.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", eb.text, reason);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    refused("test-plugins/missing.so", "*", "No such file");
    refused("test-plugins", "*", "not a regular file");
    refused("test-plugins/no_symbol.so", "*", "no symbol wherry_plugin_v1");
    refused("test-plugins/wrong_abi.so", "*", "ABI 99");
    refused("test-plugins/unruly.so", "unheard.of",
            "no handler of type \"unheard.of\"");
    refused("../../bin/wherry-executor", "*", "wherry-executor");
}

static void test_world_writable_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/wherry-plugin-XXXXXX";
    wh_errbuf eb = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0666), 0);
    close(fd);
    (void)snprintf(c.run, sizeof c.run, "native:%s", path);
    wh_err err = wh_executor_case_create(&c, "*", &eb);
    (void)unlink(path);
    assert_int_equal(err, WH_ECONFIG);
    assert_non_null(strstr(eb.text, "everybody may write"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_result_comes_back),
        CASE(test_handler_sees_the_job),
        CASE(test_failures_are_told),
        CASE(test_largest_result),
        CASE(test_big_payload),
        CASE(test_output_and_progress),
        CASE(test_busy),
        CASE(test_crashes_cost_one_attempt),
        CASE(test_crash_keeps_a_backtrace),
        CASE(test_protocol_errors_kill_the_child),
        CASE(test_flood_is_cut),
        CASE(test_forked_copy_stays_silent),
        CASE(test_refusals),
        CASE(test_world_writable_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
