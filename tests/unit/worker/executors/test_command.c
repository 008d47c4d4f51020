/* SPDX-License-Identifier: Apache-2.0 */
/* command.c and command_job.c with real shell commands. */
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

static int open_case(void **state)
{
    (void)state;
    wh_executor_case_open(&c);
    return 0;
}

static int close_case(void **state)
{
    (void)state;
    wh_executor_case_close(&c);
    return 0;
}

/* The payload is the shell's program. */
static void create(void)
{
    wh_errbuf eb = {0};
    (void)snprintf(c.run, sizeof c.run, "command:sh");
    if (wh_executor_case_create(&c, "script", &eb) != WH_OK) {
        fail_msg("create: %s", eb.text);
    }
}

static const wh_executor_case_end *run(const char *payload)
{
    return &c.ends[wh_executor_case_run(&c, "script", payload)];
}

static void test_output_is_the_result(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("printf hello; echo aside >&2");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_string_equal(e->result, "hello");
    assert_string_equal(wh_buf_str(&c.log), "aside\n");
    assert_int_equal(run("")->status, WH_RESULT_OK);
}

static void test_environment(void **state)
{
    (void)state;
    char item[] = "COLOUR=green";
    char *items[] = {item};
    c.config.env = (wh_strlist){items, 1};
    assert_int_equal(setenv("WHERRY_REDIS_URL", "redis://secret", 1), 0);
    assert_int_equal(setenv("REDIS_URL", "redis://secret", 1), 0);
    create();
    const wh_executor_case_end *e = run(
        "printf %s \"$WHERRY_JOB_ID|$WHERRY_ATTEMPT|$WHERRY_FENCE|$WHERRY_TYPE|"
        "$WHERRY_ORG|$WHERRY_QUEUE|$WHERRY_REGION|$WHERRY_DEADLINE_MS|"
        "$WHERRY_MAX_ATTEMPTS|$WHERRY_ENTITY_ID|$COLOUR|$WHERRY_REDIS_URL$REDIS_URL\"");
    assert_string_equal(e->result,
                        "00000000-0000-0000-0000-000000000000|1|1|script|acme|"
                        "default|eu|10000|5||green|");
    assert_int_equal(unsetenv("WHERRY_REDIS_URL"), 0);
    assert_int_equal(unsetenv("REDIS_URL"), 0);
}

static void test_exit_status_is_classified(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("echo no such thing >&2; exit 66");
    assert_int_equal(e->status, WH_RESULT_RETRY); /* the category decides */
    assert_int_equal(e->category, WH_ERRCLASS_NOT_FOUND);
    assert_string_equal(e->message, "no such thing");
    e = run("exit 75");
    assert_int_equal(e->category, WH_ERRCLASS_UNAVAILABLE);
    assert_string_equal(e->message, "exit status 75");
    e = run("kill -SEGV $$");
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_string_equal(e->message, "handler crashed: signal 11 (SIGSEGV)");
    assert_int_equal(wh_executor_case_stats(&c).crashed, 1);
}

static void test_message_is_the_end_of_stderr(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e =
        run("i=0; while [ $i -lt 300 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
    assert_true(strlen(e->message) <= 1024);
    assert_non_null(strstr(e->message, "line 299"));
}

static void test_oversize_output(void **state)
{
    (void)state;
    create();
    const wh_executor_case_end *e = run("head -c 65536 /dev/zero");
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_int_equal(e->result_len, 65536);
    e = run("head -c 500000 /dev/zero");
    assert_int_equal(e->status, WH_RESULT_FAIL);
    assert_int_equal(e->category, WH_ERRCLASS_OVERSIZE);
}

/* More than a pipe holds, to a program that reads it and to one that does not. */
static void test_big_payload(void **state)
{
    (void)state;
    size_t n = (size_t)2 * 1024 * 1024;
    char *payload = malloc(n + 1);
    assert_non_null(payload);
    memset(payload, '\n', n);
    memcpy(payload, "wc -c; exit #", 13);
    payload[n] = '\0';
    create();
    unsigned reads = wh_executor_case_job(&c, "script", payload);
    memcpy(payload, "exit 0      #", 13);
    unsigned ignores = wh_executor_case_job(&c, "script", payload);
    free(payload);
    wh_executor_case_submit(&c, reads, 1);
    wh_executor_case_wait(&c, reads);
    assert_int_equal(c.ends[reads].status, WH_RESULT_OK);
    assert_true(strtol(c.ends[reads].result, NULL, 10) > 1000000);
    wh_executor_case_submit(&c, ignores, 1);
    wh_executor_case_wait(&c, ignores);
    assert_int_equal(c.ends[ignores].status, WH_RESULT_OK);
}

static void test_timeout(void **state)
{
    (void)state;
    c.config.timeout_ms = 80;
    create();
    const wh_executor_case_end *e = run("sleep 20");
    assert_int_equal(e->status, WH_RESULT_RETRY);
    assert_int_equal(e->category, WH_ERRCLASS_TIMEOUT);
    assert_string_equal(e->message, "timed out after 80ms");
    assert_int_equal(wh_executor_case_stats(&c).killed_timeout,
                     0); /* TERM was enough */
    e = run("trap '' TERM; sleep 20");
    assert_int_equal(e->category, WH_ERRCLASS_TIMEOUT);
    assert_int_equal(wh_executor_case_stats(&c).killed_timeout, 1);
}

static void test_cancel(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "script", "sleep 20 & sleep 20");
    wh_executor_case_submit(&c, job, 1);
    WH_WAIT_FOR(c.loop, c.ends[job].started);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    c.executor->kind->cancel(c.executor, c.jobs[job], WH_CANCEL_REQUESTED);
    assert_int_equal(c.ends[job].results, 0);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_CANCELLED);
    assert_int_equal(c.executor->kind->capacity(c.executor), 1);
}

/* A background process that holds the pipes does not hold up the result. */
static void test_background_process(void **state)
{
    (void)state;
    create();
    assert_string_equal(run("sleep 20 & printf done")->result, "done");
}

static void test_memory_kill(void **state)
{
    (void)state;
    c.config.memory_limit = INT64_C(24) << 20;
    (void)snprintf(c.run, sizeof c.run,
                   "command:python3 -c \"import signal; x = bytearray(200 << 20); "
                   "x[::4096] = b'x' * len(x[::4096]); signal.pause()\"");
    assert_int_equal(wh_executor_case_create(&c, "script", NULL), WH_OK);
    const wh_executor_case_end *e = run("");
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_non_null(strstr(e->message, "over twice the limit of 24 MiB"));
}

/* The shell itself stays small. */
static void test_memory_of_a_subprocess(void **state)
{
    (void)state;
    c.config.memory_limit = INT64_C(24) << 20;
    create();
    const wh_executor_case_end *e =
        run("{ head -c 100000000 /dev/zero; sleep 1000; } | tail -c 100000000; true");
    assert_int_equal(e->category, WH_ERRCLASS_CRASH);
    assert_non_null(strstr(e->message, "over twice the limit of 24 MiB"));
}

static void test_slots_bound_processes(void **state)
{
    (void)state;
    c.config.processes = 0;
    c.slots = 3;
    create();
    assert_int_equal(c.executor->kind->capacity(c.executor), 3);
    unsigned first = wh_executor_case_job(&c, "script", "exec sleep 0.2");
    (void)wh_executor_case_job(&c, "script", "exec sleep 0.2");
    (void)wh_executor_case_job(&c, "script", "exec sleep 0.2");
    wh_executor_case_submit(&c, first, 3);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    WH_WAIT_FOR(c.loop, c.n_ended == 3);
}

static void test_slots_change(void **state)
{
    (void)state;
    const unsigned slots[] = {3, 1, 2};
    c.config.processes = 0;
    c.slots = 1;
    create();
    unsigned first = wh_executor_case_job(&c, "script", "read wait; sleep 20");
    wh_executor_case_submit(&c, first, 1);
    for (size_t i = 0; i < 3; i++) {
        c.executor->kind->set_slots(c.executor, slots[i]);
        assert_int_equal(c.executor->kind->capacity(c.executor), slots[i] - 1);
    }
    assert_int_equal(c.n_capacity, 2); /* told of when there is more */
    c.config.processes = 1;
    c.executor->kind->set_slots(c.executor, 9);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
}

/* What runs keeps the time that it was told; what starts later has the new one. */
static void test_reloaded_timeout(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "script", "sleep 0.3; printf done");
    wh_executor_case_submit(&c, job, 1);
    c.config.timeout_ms = 60;
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_OK);
    assert_string_equal(run("sleep 20")->message, "timed out after 60ms");
}

static void test_drain(void **state)
{
    (void)state;
    create();
    unsigned job = wh_executor_case_job(&c, "script", "sleep 0.1; printf done");
    wh_executor_case_submit(&c, job, 1);
    c.executor->kind->drain(c.executor);
    assert_int_equal(c.executor->kind->capacity(c.executor), 0);
    wh_executor_case_wait(&c, job);
    assert_string_equal(c.ends[job].result, "done");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_output_is_the_result),
        CASE(test_environment),
        CASE(test_exit_status_is_classified),
        CASE(test_message_is_the_end_of_stderr),
        CASE(test_oversize_output),
        CASE(test_big_payload),
        CASE(test_timeout),
        CASE(test_cancel),
        CASE(test_background_process),
        CASE(test_memory_kill),
        CASE(test_memory_of_a_subprocess),
        CASE(test_slots_bound_processes),
        CASE(test_slots_change),
        CASE(test_reloaded_timeout),
        CASE(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
