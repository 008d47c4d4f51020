/* SPDX-License-Identifier: Apache-2.0 */
/* native.c and the pool with real wherry-executor processes and a plug-in that misbehaves. */
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

/* Capacity grows with the knowledge that jobs are short; one process runs them all. */
static void test_many_short_jobs_share_a_child(void **state)
{
    (void)state;
    create();
    for (int i = 0; i < 30; i++) {
        (void)run("echo", "x");
    }
    WH_WAIT_FOR(c.loop, c.executor->kind->capacity(c.executor) >= 100);
    unsigned first = c.n_jobs;
    for (int i = 0; i < 100; i++) {
        (void)wh_executor_case_job(&c, "echo", "y");
    }
    wh_executor_case_submit(&c, first, 100);
    WH_WAIT_FOR(c.loop, c.n_ended == c.n_jobs);
    for (unsigned i = first; i < c.n_jobs; i++) {
        assert_int_equal(c.ends[i].status, WH_RESULT_OK);
    }
    assert_int_equal(wh_executor_case_stats(&c).spawned, 1);
}

static void test_children_are_added_for_slow_jobs(void **state)
{
    (void)state;
    c.config.processes = 3;
    create();
    unsigned first = wh_executor_case_job(&c, "sleep", "400");
    wh_executor_case_submit(&c, first, 1);
    /* while it runs, it becomes known that jobs are slow: two more processes may start */
    unsigned second = wh_executor_case_job(&c, "sleep", "50");
    (void)wh_executor_case_job(&c, "sleep", "50");
    wh_executor_case_submit(&c, second, 2);
    WH_WAIT_FOR(c.loop, c.ends[second].results && c.ends[second + 1].results);
    assert_int_equal(c.ends[first].results, 0);
    wh_executor_case_wait(&c, first);
    assert_true(c.ends[first].started);
    assert_int_equal(wh_executor_case_stats(&c).spawned, 3);
}

/* Jobs behind one that turns out slow are not held up when there are other processes,
 * and the short one in front of it is reported at once. */
static void test_slow_job_frees_those_behind_it(void **state)
{
    (void)state;
    c.config.processes = 2;
    create();
    for (int i = 0; i < 30; i++) {
        (void)run("echo", "x");
    }
    WH_WAIT_FOR(c.loop, c.executor->kind->capacity(c.executor) >= 12);
    unsigned first = wh_executor_case_job(&c, "echo", "before");
    unsigned slow = wh_executor_case_job(&c, "sleep", "3000");
    for (int i = 0; i < 10; i++) {
        (void)wh_executor_case_job(&c, "echo", "behind");
    }
    wh_executor_case_submit(&c, first, 12);
    WH_WAIT_FOR(c.loop, c.n_ended == c.n_jobs - 1);
    assert_int_equal(c.ends[slow].results, 0);
    assert_int_equal(c.ends[first].status, WH_RESULT_OK);
    for (unsigned i = slow + 1; i < c.n_jobs; i++) {
        assert_int_equal(c.ends[i].status, WH_RESULT_OK);
    }
    c.executor->kind->cancel(c.executor, c.jobs[slow], WH_CANCEL_REQUESTED);
    wh_executor_case_wait(&c, slow);
    assert_int_equal(run("echo", "after")->status, WH_RESULT_OK);
}

/* With one process they go back, so that another worker may run them. */
static void test_stuck_jobs_are_released(void **state)
{
    (void)state;
    create();
    for (int i = 0; i < 30; i++) {
        (void)run("echo", "x");
    }
    WH_WAIT_FOR(c.loop, c.executor->kind->capacity(c.executor) >= 5);
    unsigned slow = wh_executor_case_job(&c, "sleep", "8000");
    for (int i = 0; i < 4; i++) {
        (void)wh_executor_case_job(&c, "echo", "behind");
    }
    wh_executor_case_submit(&c, slow, 5);
    WH_WAIT_FOR(c.loop, c.n_ended == c.n_jobs - 1);
    for (unsigned i = slow + 1; i < c.n_jobs; i++) {
        assert_int_equal(c.ends[i].status, WH_RESULT_RELEASED);
    }
    assert_int_equal(c.ends[slow].results, 0);
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

/* Of the jobs in a child that dies: done is done, the running one crashed, the others
 * never started. */
static void test_crash_among_queued_jobs(void **state)
{
    (void)state;
    create();
    for (int i = 0; i < 30; i++) {
        (void)run("echo", "x");
    }
    WH_WAIT_FOR(c.loop, c.executor->kind->capacity(c.executor) >= 9);
    unsigned first = wh_executor_case_job(&c, "echo", "a");
    (void)wh_executor_case_job(&c, "echo", "b");
    unsigned bad = wh_executor_case_job(&c, "die", "segv");
    for (int i = 0; i < 6; i++) {
        (void)wh_executor_case_job(&c, "echo", "behind");
    }
    wh_executor_case_submit(&c, first, 9);
    WH_WAIT_FOR(c.loop, c.n_ended == c.n_jobs);
    assert_int_equal(c.ends[first].status, WH_RESULT_OK);
    assert_int_equal(c.ends[first + 1].status, WH_RESULT_OK);
    assert_int_equal(c.ends[bad].status, WH_RESULT_RETRY);
    for (unsigned i = bad + 1; i < c.n_jobs; i++) {
        assert_int_equal(c.ends[i].status, WH_RESULT_RELEASED);
    }
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

/* ----------------------------------------------------------- time and memory */

static void test_timeout_is_heard(void **state)
{
    (void)state;
    c.config.timeout_ms = 80;
    c.config.grace_ms = 8000;
    create();
    const wh_executor_case_end *e = run("sleep", "9000");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_TIMEOUT);
    assert_string_equal(e->message, "timed out after 80ms");
    assert_int_equal(wh_executor_case_stats(&c).killed_timeout, 0);
}

static void test_timeout_of_a_deaf_handler(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "sleep", "*20000");
    c.jobs[job]->timeout_ms = 60;
    wh_executor_case_submit(&c, job, 1);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_RETRY);
    assert_int_equal(c.ends[job].category, WH_ERRCLASS_TIMEOUT);
    assert_int_equal(wh_executor_case_stats(&c).killed_timeout, 1);
    assert_int_equal(run("echo", "next")->status, WH_RESULT_OK);
}

static void test_cancel(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "sleep", "9000");
    wh_executor_case_submit(&c, job, 1);
    WH_WAIT_FOR(c.loop, c.ends[job].started);
    c.executor->kind->cancel(c.executor, c.jobs[job], WH_CANCEL_REQUESTED);
    assert_int_equal(c.ends[job].results, 0);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_CANCELLED);
    assert_int_equal(wh_executor_case_stats(&c).crashed, 0);
}

static void test_cancel_of_a_deaf_handler(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "sleep", "*20000");
    wh_executor_case_submit(&c, job, 1);
    WH_WAIT_FOR(c.loop, c.ends[job].started);
    c.executor->kind->cancel(c.executor, c.jobs[job], WH_CANCEL_LOST);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_CANCELLED);
}

static void test_cancel_of_a_queued_job(void **state)
{
    (void)state;
    create();
    for (int i = 0; i < 30; i++) {
        (void)run("echo", "x");
    }
    WH_WAIT_FOR(c.loop, c.executor->kind->capacity(c.executor) >= 3);
    unsigned slow = wh_executor_case_job(&c, "sleep", "300");
    unsigned behind = wh_executor_case_job(&c, "echo", "behind");
    wh_executor_case_submit(&c, slow, 2);
    c.executor->kind->cancel(c.executor, c.jobs[behind], WH_CANCEL_REQUESTED);
    assert_int_equal(c.ends[behind].results, 0);
    wh_executor_case_wait(&c, behind);
    assert_int_equal(c.ends[behind].status, WH_RESULT_CANCELLED);
    wh_executor_case_wait(&c, slow);
    assert_int_equal(c.ends[slow].status, WH_RESULT_OK);
    assert_int_equal(run("echo", "next")->status, WH_RESULT_OK);
}

static void test_memory_kill(void **state)
{
    (void)state;
    c.config.memory_limit = INT64_C(64) << 20;
    create();
    const wh_executor_case_end *e = run("leak", "300");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_non_null(strstr(e->message, "over twice the limit of 64 MiB"));
    assert_int_equal(wh_executor_case_stats(&c).killed_memory, 1);
}

static void test_memory_recycle(void **state)
{
    (void)state;
    c.config.memory_limit = INT64_C(200) << 20;
    create();
    assert_int_equal(run("leak", "260")->status, WH_RESULT_OK);
    WH_WAIT_FOR(c.loop, wh_executor_case_stats(&c).recycled == 1);
    assert_int_equal(run("echo", "next")->status, WH_RESULT_OK);
    assert_int_equal(wh_executor_case_stats(&c).crashed, 0);
}

static void test_max_jobs_recycles(void **state)
{
    (void)state;
    c.config.max_jobs = 2;
    create();
    char pids[4][1024];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(pids[i], sizeof pids[i], "%s", run("pid", "")->result);
    }
    assert_string_equal(pids[0], pids[1]);
    assert_string_equal(pids[2], pids[3]);
    assert_string_not_equal(pids[0], pids[2]);
    WH_WAIT_FOR(c.loop, wh_executor_case_stats(&c).recycled >= 1);
}

static void test_drain(void **state)
{
    (void)state;
    create();
    for (int i = 0; i < 30; i++) {
        (void)run("echo", "x");
    }
    WH_WAIT_FOR(c.loop, c.executor->kind->capacity(c.executor) >= 3);
    unsigned slow = wh_executor_case_job(&c, "sleep", "100");
    (void)wh_executor_case_job(&c, "sleep", "100");
    (void)wh_executor_case_job(&c, "sleep", "100");
    wh_executor_case_submit(&c, slow, 3);
    WH_WAIT_FOR(c.loop, c.ends[slow].started);
    c.executor->kind->drain(c.executor);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    WH_WAIT_FOR(c.loop, c.n_ended == c.n_jobs);
    assert_int_equal(c.ends[slow].status, WH_RESULT_OK);
    assert_int_equal(c.ends[slow + 2].status, WH_RESULT_RELEASED);
    WH_WAIT_FOR(c.loop, wh_executor_case_stats(&c).children == 0);
    assert_int_equal(wh_executor_case_stats(&c).crashed, 0);
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
        CASE(test_many_short_jobs_share_a_child),
        CASE(test_children_are_added_for_slow_jobs),
        CASE(test_slow_job_frees_those_behind_it),
        CASE(test_stuck_jobs_are_released),
        CASE(test_crashes_cost_one_attempt),
        CASE(test_crash_keeps_a_backtrace),
        CASE(test_crash_among_queued_jobs),
        CASE(test_protocol_errors_kill_the_child),
        CASE(test_flood_is_cut),
        CASE(test_forked_copy_stays_silent),
        CASE(test_timeout_is_heard),
        CASE(test_timeout_of_a_deaf_handler),
        CASE(test_cancel),
        CASE(test_cancel_of_a_deaf_handler),
        CASE(test_cancel_of_a_queued_job),
        CASE(test_memory_kill),
        CASE(test_memory_recycle),
        CASE(test_max_jobs_recycles),
        CASE(test_drain),
        CASE(test_refusals),
        CASE(test_world_writable_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
