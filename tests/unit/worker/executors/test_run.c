/* SPDX-License-Identifier: Apache-2.0 */
/* run.c: lists of runs, and how a stopped handler is reported. */
#include "worker/executors/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_lists(void **state)
{
    (void)state;
    wh_job jobs[3];
    wh_run_list list = {0};
    wh_run *runs[3];
    for (size_t i = 0; i < 3; i++) {
        runs[i] = wh_run_new(&jobs[i]);
        assert_non_null(runs[i]);
        runs[i]->seq = i;
    }
    wh_run_append(&list, runs[1]);
    wh_run_append(&list, runs[2]);
    wh_run_prepend(&list, runs[0]);
    assert_int_equal(list.count, 3);
    assert_ptr_equal(list.first, runs[0]);
    assert_ptr_equal(list.last, runs[2]);
    assert_ptr_equal(wh_run_find(&list, &jobs[1]), runs[1]);
    assert_ptr_equal(wh_run_find_seq(&list, 2), runs[2]);
    wh_run_remove(&list, runs[1]);
    assert_null(wh_run_find(&list, &jobs[1]));
    assert_ptr_equal(runs[0]->next, runs[2]);
    wh_run_append(&list, runs[1]);
    wh_run_clear(&list);
    assert_int_equal(list.count, 0);
    assert_null(list.last);
}

static void test_timeouts(void **state)
{
    (void)state;
    wh_job job = {0};
    wh_run run = {.job = &job};
    wh_handler_config config = {.timeout_ms = 2000, .grace_ms = 30};
    wh_run_set_limits(&run, &config);
    assert_int_equal(wh_run_timeout_us(&run), 2000000);
    assert_int_equal(run.grace_ms, 30);
    job.timeout_ms = 5;
    assert_int_equal(wh_run_timeout_us(&run),
                     2000000); /* fixed when it was handed out */
    wh_run_set_limits(&run, &config);
    assert_int_equal(wh_run_timeout_us(&run), 5000);
    job.timeout_ms = 0;
    config.timeout_ms = 0;
    wh_run_set_limits(&run, &config);
    assert_true(wh_run_timeout_us(&run) > INT64_C(1000000000000000));
}

static void test_stopped_results(void **state)
{
    (void)state;
    char text[64];
    wh_job job = {.timeout_ms = 30000};
    const wh_handler_config config = {0};
    wh_run run = {.job = &job, .stop = WH_RUN_TIMED_OUT};
    wh_run_set_limits(&run, &config);
    wh_result r = wh_run_stopped_result(&run, text, sizeof text);
    assert_int_equal(r.status, WH_RESULT_RETRY);
    assert_int_equal(r.category, WH_ERRCLASS_TIMEOUT);
    assert_string_equal(text, "timed out after 30s");
    run.stop = WH_RUN_CANCELLED;
    r = wh_run_stopped_result(&run, text, sizeof text);
    assert_int_equal(r.status, WH_RESULT_CANCELLED);
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(wh_run_cut((wh_slice){"abc", 3}, 5).n, 3);
    assert_int_equal(wh_run_cut((wh_slice){"abc", 3}, 2).n, 2);
    assert_int_equal(wh_run_cut((wh_slice){"a\xe2\x82\xac", 4}, 3).n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_stopped_results),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
