/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c and the pool with a real child that speaks the protocol, well and badly. */
#include "common/base/clock.h"
#include "tests/support/executor_case.h"
#include "tests/support/loop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static wh_executor_case c;

static void child(const char *mode)
{
    const char *source = getenv("WH_SOURCE_DIR");
    (void)snprintf(c.run, sizeof c.run,
                   "exec:'%s/tests/support/handlers/unruly_exec.py' %s",
                   source != NULL ? source : ".", mode);
}

static int open_case(void **state)
{
    (void)state;
    wh_executor_case_open(&c);
    child("1");
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
    if (wh_executor_case_create(&c, "text.count", &eb) != WH_OK) {
        fail_msg("create: %s", eb.text);
    }
}

static const wh_executor_case_end *run(const char *payload)
{
    return &c.ends[wh_executor_case_run(&c, "text.count", payload)];
}

static void test_result_comes_back(void **state)
{
    (void)state;
    create();
    assert_int_equal(c.executor->kind->capacity(c.executor), 0); /* not ready yet */
    const wh_executor_case_end *e = run("echo hello");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_string_equal(e->result, "hello");
    assert_string_equal(run("pieces")->result, "hello");
    assert_int_equal(wh_executor_case_stats(&c).spawned, 1);
}

static void test_handler_sees_the_job(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "text.count", "facts");
    c.jobs[job]->traceparent = (wh_slice){"00-\"x\"", 6};
    wh_executor_case_submit(&c, job, 1);
    wh_executor_case_wait(&c, job);
    assert_string_equal(c.ends[job].result,
                        "{\"attempt\": 1, \"body_len\": 5, \"deadline_ms\": 10000, "
                        "\"fence\": 1, \"id\": "
                        "\"00000000-0000-0000-0000-000000000000\", \"max_attempts\": "
                        "5, \"op\": \"job\", "
                        "\"org\": \"acme\", \"queue\": \"default\", \"region\": "
                        "\"eu\", \"traceparent\": "
                        "\"00-\\\"x\\\"\", \"type\": \"text.count\"}");
}

static void test_failures_are_told(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("retry ECONNREFUSED");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_CONNECTION);
    assert_string_equal(e->message, "no luck");
    assert_string_equal(e->context, "{\"line\":7}");
    assert_int_equal(e->delay_ms, 1500);
    e = run("permanent");
    assert_int_equal(e->status, WH_RESULT_FAIL);
    assert_int_equal(e->category, WH_ERRCLASS_TIMEOUT);
    e = run("snooze");
    assert_int_equal(e->status, WH_RESULT_SNOOZE);
    assert_int_equal(e->delay_ms, 2500);
}

static void test_output_and_progress(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("talk");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_int_equal(e->percent, 40);
    WH_WAIT_FOR(c.loop, strstr(wh_buf_str(&c.log), "on stderr\n") != NULL);
    assert_non_null(strstr(wh_buf_str(&c.log), "on stdout\n"));
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
    assert_int_equal(run("echo x")->status, WH_RESULT_OK);
    assert_true(busy_ms() == 0);
    unsigned told = c.n_capacity;
    assert_int_equal(run("busy 60000")->status, WH_RESULT_OK);
    assert_in_range(busy_ms(), 30000, 60000);
    WH_WAIT_FOR(c.loop, c.n_capacity > told);
    assert_int_equal(run("busy 0")->status, WH_RESULT_OK);
    assert_true(busy_ms() == 0);
    assert_int_equal(run("busy 99999999999")->status, WH_RESULT_OK);
    assert_in_range(busy_ms(), 1, WH_EXECUTOR_BUSY_MAX_MS);
    assert_int_equal(run("exit 1")->status, WH_RESULT_RETRY);
    assert_true(busy_ms() == 0);
    WH_WAIT_FOR(c.loop, c.executor->kind->memory(c.executor) > 100000);
}

static void test_result_sizes(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("oversize 65536");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_int_equal(e->result_len, 65536);
    e = run("oversize 3000000");
    assert_int_equal(e->status, WH_RESULT_FAIL);
    assert_int_equal(e->category, WH_ERRCLASS_OVERSIZE);
    assert_string_equal(run("echo next")->result, "next");
    assert_int_equal(wh_executor_case_stats(&c).spawned, 1);
}

static void test_several_at_once(void **state)
{
    (void)state;
    child("3");
    create();
    unsigned first = wh_executor_case_job(&c, "text.count", "sleep 3000");
    (void)wh_executor_case_job(&c, "text.count", "sleep 3000");
    (void)wh_executor_case_job(&c, "text.count", "echo quick");
    wh_executor_case_submit(&c, first, 3);
    wh_executor_case_wait(&c, first + 2);
    assert_int_equal(c.n_ended, 1);
    c.executor->kind->cancel(c.executor, c.jobs[first], WH_CANCEL_REQUESTED);
    wh_executor_case_wait(&c, first);
    assert_int_equal(c.ends[first].status, WH_RESULT_CANCELLED);
    assert_int_equal(c.ends[first + 1].results, 0);
    c.executor->kind->cancel(c.executor, c.jobs[first + 1], WH_CANCEL_LOST);
    wh_executor_case_wait(&c, first + 1);
    assert_int_equal(c.ends[first + 1].status, WH_RESULT_CANCELLED);
    assert_int_equal(wh_executor_case_stats(&c).spawned, 1);
}

static void test_protocol_errors(void **state)
{
    static const char *const faults[] = {"garbage", "huge",      "longline", "stranger",
                                         "double",  "badstatus", "closed"};
    (void)state;
    create();
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const wh_executor_case_end *e = run(faults[i]);
        assert_int_equal(e->status, WH_RESULT_RETRY);
        assert_int_equal(e->category, WH_ERRCLASS_CRASH);
        if (strncmp(e->message, "protocol error: ", 16) != 0) {
            fail_msg("%s: %s", faults[i], e->message);
        }
    }
    assert_string_equal(run("echo next")->result, "next");
    assert_true(wh_executor_case_stats(&c).healthy);
}

/* The first one counts; the child is killed for the second. */
static void test_two_results(void **state)
{
    (void)state;
    create();
    assert_int_equal(run("twice")->status, WH_RESULT_OK);
    WH_WAIT_FOR(c.loop, wh_executor_case_stats(&c).crashed == 1);
    assert_string_equal(run("echo next")->result, "next");
}

static void test_crashes(void **state)
{
    (void)state;
    create();
    assert_string_equal(run("segv")->message, "handler crashed: signal 11 (SIGSEGV)");
    assert_string_equal(run("exit 9")->message,
                        "handler ended its process: exit status 9");
    assert_string_equal(run("half")->message,
                        "handler ended its process: exit status 5");
    assert_int_equal(wh_executor_case_stats(&c).crashed, 3);
}

static void test_timeouts(void **state)
{
    (void)state;
    c.config.timeout_ms = 150;
    c.config.grace_ms = 150;
    create();
    assert_int_equal(run("sleep 9000")->category, WH_ERRCLASS_TIMEOUT);
    assert_int_equal(wh_executor_case_stats(&c).killed_timeout, 0);
    const wh_executor_case_end *e = run("deaf");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_TIMEOUT);
    assert_int_equal(wh_executor_case_stats(&c).killed_timeout, 1);
}

static void test_crash_loop_at_start(void **state)
{
    (void)state;
    child("exit");
    create();
    WH_WAIT_FOR(c.loop, !wh_executor_case_stats(&c).healthy);
    wh_executor_stats stats = wh_executor_case_stats(&c);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    assert_non_null(strstr(stats.why, "exit status 1"));
    assert_non_null(strstr(stats.why, "no configuration"));
}

static void test_other_version_is_refused(void **state)
{
    (void)state;
    child("version");
    create();
    WH_WAIT_FOR(c.loop, !wh_executor_case_stats(&c).healthy);
    assert_non_null(strstr(wh_executor_case_stats(&c).why, "version 9"));
}

static void test_drain(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "text.count", "sleep 200");
    wh_executor_case_submit(&c, job, 1);
    WH_WAIT_FOR(c.loop, c.ends[job].started);
    c.executor->kind->drain(c.executor);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_OK);
    WH_WAIT_FOR(c.loop, wh_executor_case_stats(&c).children == 0);
    assert_int_equal(wh_executor_case_stats(&c).crashed, 0);
}

static void refused(const char *line, const char *reason)
{
    wh_errbuf eb = {0};
    (void)snprintf(c.run, sizeof c.run, "%s", line);
    assert_int_equal(wh_executor_case_create(&c, "*", &eb), WH_ECONFIG);
    if (strstr(eb.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", eb.text, reason);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    refused("exec:/no/such/program", "No such file");
    refused("exec:no-such-program-anywhere x", "no such program in PATH");
    refused("exec:/etc/passwd", "not executable");
    refused("exec:'open quote", "not closed");
    refused("exec:", "no program");
    refused("thread:x", "kind \"thread\" is unknown");
    refused("plain", "names no kind");
    c.config.dir = c.run;
    refused("exec:sh", "dir: ");
}

/* One that never says ready is told of when its time is over, not some starts later. */
static void test_never_ready(void **state)
{
    (void)state;
    (void)snprintf(c.run, sizeof c.run, "exec:sleep 1000");
    create();
    assert_true(wh_executor_case_stats(&c).healthy);
    wh_clock_fake(wh_clock_mono_us() + 11 * 1000000, wh_clock_wall_ms());
    WH_WAIT_FOR(c.loop, !wh_executor_case_stats(&c).healthy);
    assert_string_equal(wh_executor_case_stats(&c).why, "was not ready within 10 s");
    wh_clock_real();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_result_comes_back),
        CASE(test_handler_sees_the_job),
        CASE(test_failures_are_told),
        CASE(test_output_and_progress),
        CASE(test_busy),
        CASE(test_result_sizes),
        CASE(test_several_at_once),
        CASE(test_protocol_errors),
        CASE(test_two_results),
        CASE(test_crashes),
        CASE(test_timeouts),
        CASE(test_crash_loop_at_start),
        CASE(test_other_version_is_refused),
        CASE(test_drain),
        CASE(test_refusals),
        CASE(test_never_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
