/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th allocation of an enqueue fails, for every n: the call ends with an error or
 * succeeds, the client stays usable, and no job is made twice.
 */
#include "common/base/alloc.h"
#include "common/client/wherry.h"
#include "tests/support/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { JOBS = 3, SWEEP_MAX = 400 };

static long allocations_left;

static void *failing_malloc(size_t n)
{
    return allocations_left-- == 0 ? NULL : malloc(n);
}

static void *failing_realloc(void *p, size_t n)
{
    return allocations_left-- == 0 ? NULL : realloc(p, n);
}

static const wh_allocator failing = {failing_malloc, failing_realloc, free};

static void make_jobs(wh_client_job jobs[JOBS])
{
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = wh_client_job_make("mail", "body", 4);
        jobs[i].key = i == 0 ? "only-once" : NULL;
    }
}

static void test_enqueue(void **state)
{
    wh_redis_fixture *redis = *state;
    wh_client *c = NULL;
    wh_client_job jobs[JOBS];
    wh_client_enqueued results[JOBS];
    wh_client_stats stats = {.size = sizeof stats};
    int64_t created = 0;
    long n = 0;
    bool reached = true;

    wh_alloc_set(&failing);
    allocations_left = -1;
    assert_int_equal(wh_client_open(wh_redis_fixture_url(redis), NULL, &c), 0);
    make_jobs(jobs);
    for (; reached && n < SWEEP_MAX; n++) {
        allocations_left = n;
        int err = wh_client_enqueue_batch(c, NULL, jobs, JOBS, results);
        reached = allocations_left < 0;
        allocations_left = -1;
        assert_true(err == 0 || err == WHERRY_ENOMEM ||
                    wh_client_code_is_transient(err));
        if (err != 0) {
            assert_string_not_equal(wh_client_error(c), "");
        }
        for (size_t i = 0; i < JOBS && err == 0; i++) {
            created += results[i].created;
        }
        if (err != 0) { /* it may have been carried out: the reply could not be read */
            assert_int_equal(wh_client_queue_stats(c, NULL, &stats), 0);
            assert_true(stats.pending >= created);
            created = stats.pending;
        }
    }
    assert_true(n > 5);
    assert_true(n < SWEEP_MAX);
    assert_int_equal(wh_client_queue_stats(c, NULL, &stats), 0);
    assert_int_equal(stats.pending, created);
    wh_client_close(c);
    wh_alloc_set(NULL);
}

static void test_open(void **state)
{
    wh_redis_fixture *redis = *state;
    wh_client_options o = wh_client_options_make();
    bool reached = true;
    long n = 0;

    o.timeout_ms = 2000;
    wh_alloc_set(&failing);
    for (; reached && n < SWEEP_MAX; n++) {
        wh_client *c = NULL;

        allocations_left = n;
        int err = wh_client_open(wh_redis_fixture_url(redis), &o, &c);
        reached = allocations_left < 0;
        allocations_left = -1;
        assert_true((err == 0) == (c != NULL));
        wh_client_close(c);
    }
    wh_alloc_set(NULL);
    assert_true(n > 5);
    assert_true(n < SWEEP_MAX);
}

static int setup(void **state)
{
    *state = wh_redis_fixture_start(NULL);
    return 0;
}

static int teardown(void **state)
{
    wh_redis_fixture_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_enqueue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
