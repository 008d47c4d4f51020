/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that ship: worker/handlers, run by real wherry-executor processes. */
#include "tests/support/executor_case.h"
#include "tests/support/loop_wait.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static wh_executor_case c;
static char folder[32];
static char path[64];

static int open_case(void **state)
{
    (void)state;
    wh_executor_case_open(&c);
    (void)snprintf(folder, sizeof folder, "/tmp/wherry-hash-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int close_case(void **state)
{
    (void)state;
    wh_executor_case_close(&c);
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}

static void create(const char *file, const char *type)
{
    wh_errbuf eb = {0};
    wh_executor_case_native(&c, file);
    if (wh_executor_case_create(&c, type, &eb) != WH_OK) {
        fail_msg("create: %s", eb.text);
    }
}

static void make_file(const char *text, off_t size)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(ftruncate(fd, size), 0);
    (void)close(fd);
}

static unsigned hash_job(const char *of)
{
    char payload[128];
    (void)snprintf(payload, sizeof payload, "{\"path\": \"%s\"}", of);
    return wh_executor_case_job(&c, "hash.file", payload);
}

static const wh_executor_case_end *hash(const char *of)
{
    unsigned job = hash_job(of);
    wh_executor_case_submit(&c, job, 1);
    wh_executor_case_wait(&c, job);
    return &c.ends[job];
}

static void test_noop(void **state)
{
    (void)state;
    create("handlers/noop.so", "noop");
    unsigned job = wh_executor_case_run(&c, "noop", "anything");
    assert_int_equal(c.ends[job].status, WH_RESULT_OK);
    assert_int_equal(c.ends[job].result_len, 0);
}

static void test_hash(void **state)
{
    (void)state;
    create("handlers/hash_file.so", "hash.file");
    make_file("abc", 3);
    const wh_executor_case_end *e = hash(path);
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_string_equal(e->result, "{\"sha256\": \"ba7816bf8f01cfea414140de5dae2223"
                                   "b00361a396177a9cb410ff61f20015ad\", \"bytes\": 3}");
    assert_int_equal(e->percent, 0); /* small files tell nothing on the way */
}

static void test_big_file_tells_progress(void **state)
{
    (void)state;
    create("handlers/hash_file.so", "hash.file");
    make_file("", (off_t)9 * 1024 * 1024);
    const wh_executor_case_end *e = hash(path);
    assert_int_equal(e->status, WH_RESULT_OK);
    assert_int_equal(e->percent, 100);
    assert_non_null(strstr(e->result, "\"bytes\": 9437184"));
}

static void test_cancel(void **state)
{
    (void)state;
    c.config.grace_ms = 60000;
    create("handlers/hash_file.so", "hash.file");
    make_file("",
              (off_t)64 * 1024 * 1024 * 1024); /* sparse: hours, if nobody stops it */
    unsigned job = hash_job(path);
    wh_executor_case_submit(&c, job, 1);
    WH_WAIT_FOR(c.loop, c.ends[job].started);
    c.executor->kind->cancel(c.executor, c.jobs[job], WH_CANCEL_REQUESTED);
    wh_executor_case_wait(&c, job);
    assert_int_equal(c.ends[job].status, WH_RESULT_CANCELLED);
    assert_int_equal(wh_executor_case_stats(&c).children, 1);
}

static void test_failures(void **state)
{
    (void)state;
    create("handlers/hash_file.so", "hash.file");
    const wh_executor_case_end *e = hash(path);
    assert_int_equal(e->status, WH_RESULT_FAIL);
    assert_int_equal(e->category, WH_ERRCLASS_NOT_FOUND);
    assert_non_null(strstr(e->message, path));
    e = hash(folder);
    assert_int_equal(e->status, WH_RESULT_FAIL);
    assert_int_equal(e->category, WH_ERRCLASS_INVALID);
    e = &c.ends[wh_executor_case_run(&c, "hash.file", "{\"file\": \"x\"}")];
    assert_int_equal(e->category, WH_ERRCLASS_INVALID);
    assert_non_null(strstr(e->message, "no path"));
    e = &c.ends[wh_executor_case_run(&c, "hash.file", "")];
    assert_int_equal(e->category, WH_ERRCLASS_INVALID);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_noop),   CASE(test_hash),     CASE(test_big_file_tells_progress),
        CASE(test_cancel), CASE(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
