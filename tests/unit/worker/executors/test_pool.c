/* SPDX-License-Identifier: Apache-2.0 */
/* Placement, time, memory and endings in a pool, with real processes. */
#include "tests/support/executor_case.h"
#include "tests/support/loop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

/* Until so many may queue. */
static void learn_that_jobs_are_short(unsigned capacity)
{
    while (c.executor->kind->capacity(c.executor) < capacity) {
        assert_true(c.n_jobs < WH_EXECUTOR_CASE_JOBS / 2);
        (void)run("echo", "x");
    }
}

/* Capacity grows with the knowledge that jobs are short; one process runs them all. */
static void test_many_short_jobs_share_a_child(void **state)
{
    (void)state;
    create();
    learn_that_jobs_are_short(100);
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
    learn_that_jobs_are_short(12);
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
    learn_that_jobs_are_short(5);
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

/* Of the jobs in a child that dies: done is done, the running one crashed, the others
 * never started. */
static void test_crash_among_queued_jobs(void **state)
{
    (void)state;
    create();
    learn_that_jobs_are_short(9);
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

/* What runs keeps the time that it was told; what starts later has the new one. */
static void test_reloaded_timeout(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "sleep", "300");
    wh_executor_case_submit(&c, job, 1);
    WH_WAIT_FOR(c.loop, c.ends[job].started);
    c.config.timeout_ms = 60;
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_OK);
    assert_string_equal(run("sleep", "9000")->message, "timed out after 60ms");
}

static void test_slots_change(void **state)
{
    (void)state;
    c.config.processes = 0;
    c.slots = 1;
    create();
    unsigned first = wh_executor_case_job(&c, "sleep", "9000");
    wh_executor_case_submit(&c, first, 1);
    WH_WAIT_FOR(c.loop, c.ends[first].started);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    unsigned told = c.n_capacity;
    c.executor->kind->set_slots(c.executor, 2);
    assert_int_equal(c.n_capacity, told + 1);
    unsigned second = wh_executor_case_job(&c, "sleep", "9000");
    wh_executor_case_submit(&c, second, 1);
    WH_WAIT_FOR(c.loop, c.ends[second].started);
    assert_int_equal(wh_executor_case_stats(&c).children, 2);
    told = c.n_capacity;                        /* other news came, too */
    c.executor->kind->set_slots(c.executor, 1); /* who is there may finish */
    assert_int_equal(c.n_capacity, told);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    assert_int_equal(wh_executor_case_stats(&c).children, 2);
    assert_int_equal(c.ends[first].results + c.ends[second].results, 0);
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
    learn_that_jobs_are_short(3);
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
    const wh_executor_case_end *e = run("leak", "300 9000");
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
    assert_int_equal(run("leak", "260 1")->status, WH_RESULT_OK);
    while (wh_executor_case_stats(&c).recycled == 0) { /* looked at while it has jobs */
        assert_int_equal(run("sleep", "20")->status, WH_RESULT_OK);
    }
    assert_int_equal(wh_executor_case_stats(&c).crashed, 0);
}

/* For the worker's limit: who had a job and grew; not who is new, nor who runs one. */
static void test_shed(void **state)
{
    (void)state;
    create();
    char before[1024];
    assert_int_equal(c.executor->kind->shed(c.executor, true), 0);
    (void)snprintf(before, sizeof before, "%s", run("pid", "")->result);
    assert_true(c.executor->kind->shed(c.executor, false) > 100000);
    unsigned job = wh_executor_case_job(&c, "sleep", "300");
    wh_executor_case_submit(&c, job, 1);
    assert_int_equal(c.executor->kind->shed(c.executor, true), 0);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_OK);
    assert_false(wh_executor_case_stats(&c).moving);
    assert_true(c.executor->kind->shed(c.executor, true) > 100000);
    assert_true(wh_executor_case_stats(&c).moving);
    assert_int_equal(c.executor->kind->shed(c.executor, true), 0); /* once */
    WH_WAIT_FOR(c.loop, !wh_executor_case_stats(&c).moving);
    assert_int_equal(wh_executor_case_stats(&c).recycled, 1);
    assert_int_equal(wh_executor_case_stats(&c).crashed, 0);
    assert_string_not_equal(run("pid", "")->result, before);
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
    learn_that_jobs_are_short(3);
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_many_short_jobs_share_a_child),
        CASE(test_children_are_added_for_slow_jobs),
        CASE(test_slow_job_frees_those_behind_it),
        CASE(test_stuck_jobs_are_released),
        CASE(test_crash_among_queued_jobs),
        CASE(test_timeout_is_heard),
        CASE(test_timeout_of_a_deaf_handler),
        CASE(test_reloaded_timeout),
        CASE(test_slots_change),
        CASE(test_cancel),
        CASE(test_cancel_of_a_deaf_handler),
        CASE(test_cancel_of_a_queued_job),
        CASE(test_memory_kill),
        CASE(test_memory_recycle),
        CASE(test_shed),
        CASE(test_max_jobs_recycles),
        CASE(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
