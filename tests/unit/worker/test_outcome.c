/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Result -> outcome: the whole table.
 */
#include "worker/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static wh_retry_policy policy;

static wh_store_finish decide(int attempt, wh_slot_cancel cancel, wh_result r)
{
    wh_job job = {.attempt = attempt};
    char room[WH_OUTCOME_ROOM];
    wh_outcome_question q = {
        .job = &job, .policy = &policy, .cancel = cancel, .room = room};
    wh_store_finish f;

    memset(&f, 0x5a, sizeof f); /* everything must be set */
    wh_outcome_of_result(&q, &r, &f);
    return f;
}

static int set_up(void **state)
{
    (void)state;
    wh_retry_default(&policy);
    policy.max_attempts = 3;
    return wh_retry_parse("fixed:7s", &policy, NULL) == WH_OK ? (policy.jitter = 0, 0)
                                                              : -1;
}

static void test_success(void **state)
{
    (void)state;
    wh_store_finish f = decide(1, WH_SLOT_KEEP, (wh_result){.status = WH_RESULT_OK});

    assert_int_equal(f.outcome, WH_STORE_OK);
    assert_null(f.category);
    assert_int_equal(f.result.n, 0);
    f = decide(1, WH_SLOT_KEEP,
               (wh_result){.status = WH_RESULT_OK, .result = {"abc", 3}});
    assert_int_equal(f.result.n, 3);
    /* Done is done, whoever asked it to stop meanwhile. */
    f = decide(1, WH_SLOT_CANCEL_REQUESTED, (wh_result){.status = WH_RESULT_OK});
    assert_int_equal(f.outcome, WH_STORE_OK);
    f = decide(1, WH_SLOT_CANCEL_STOPPING, (wh_result){.status = WH_RESULT_OK});
    assert_int_equal(f.outcome, WH_STORE_OK);
}

static void test_oversize(void **state)
{
    (void)state;
    static char big[WH_JOB_RESULT_MAX + 1];
    wh_result r = {.status = WH_RESULT_OK, .result = {big, sizeof big}};
    wh_store_finish f = decide(1, WH_SLOT_KEEP, r);

    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "oversize");
    assert_int_equal(f.result.n, 0);
    r.result.n--;
    assert_int_equal(decide(1, WH_SLOT_KEEP, r).outcome, WH_STORE_OK);
}

static void test_retry(void **state)
{
    (void)state;
    wh_result r = {.status = WH_RESULT_RETRY,
                   .category = WH_ERRCLASS_TIMEOUT,
                   .delay_ms = -1,
                   .message = {"slow", 4},
                   .context = {"ctx", 3}};
    wh_store_finish f = decide(2, WH_SLOT_KEEP, r);

    assert_int_equal(f.outcome, WH_STORE_RETRY);
    assert_int_equal(f.delay_ms, 7000);
    assert_string_equal(f.category, "timeout");
    assert_string_equal(f.says, "own_delay");
    assert_int_equal(f.message.n, 4);
    assert_int_equal(f.context.n, 3);
    r.delay_ms = 90000; /* the handler's wish */
    assert_int_equal(decide(2, WH_SLOT_KEEP, r).delay_ms, 90000);
    assert_null(decide(2, WH_SLOT_KEEP, r).says);
    f = decide(3, WH_SLOT_KEEP,
               r); /* the last attempt: the wish still tells of the type */
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_int_equal(f.delay_ms, 90000);
    assert_null(f.says);
    r.delay_ms = -1;
    assert_int_equal(decide(3, WH_SLOT_KEEP, r).delay_ms, 0);
    r.category = WH_ERRCLASS_NOT_FOUND; /* trying again can't help */
    assert_int_equal(decide(1, WH_SLOT_KEEP, r).outcome, WH_STORE_DEAD);
}

/* Before an attempt starts: the first may whenever. */
static void test_too_late_to_start(void **state)
{
    (void)state;
    char room[WH_OUTCOME_ROOM];
    wh_job job = {.attempt = 2,
                  .enqueued_at_ms = 100000,
                  .retry_for_ms = 60000,
                  .was_put_off = true,
                  .last_error = WH_ERRCLASS_TIMEOUT};
    wh_outcome_question q = {.job = &job, .now_ms = 160000, .room = room};
    wh_store_finish f = {0};

    assert_false(wh_outcome_is_too_late(&q, &f));
    q.now_ms++;
    assert_true(wh_outcome_is_too_late(&q, &f));
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "timeout");
    assert_string_equal(f.says, "not_started");
    assert_int_equal(f.delay_ms, 0);
    assert_string_equal(f.message.p,
                        "no retry: more than 60000 ms (retry_for) after its enqueue");
    assert_int_equal(f.message.n, strlen(f.message.p));
    job.was_put_off =
        false; /* released, or its worker was lost: whatever the attempt */
    assert_false(wh_outcome_is_too_late(&q, &f));
    job.attempt = 1;
    assert_false(wh_outcome_is_too_late(&q, &f));
    job.was_put_off = true; /* snoozed by its handler */
    assert_true(wh_outcome_is_too_late(&q, &f));
    assert_memory_equal(f.message.p, "no snooze: more", 15);
    job.attempt = 2; /* failed once, and was snoozed then */
    job.is_snoozed = true;
    job.snooze_category = WH_ERRCLASS_RATE_LIMITED;
    job.snooze_message = (wh_slice){"busy there", 10};
    assert_true(wh_outcome_is_too_late(&q, &f));
    assert_string_equal(f.category, "rate_limited");
    assert_string_equal(f.message.p, "no snooze: more than 60000 ms (retry_for) after "
                                     "its enqueue: busy there");
    job.retry_for_ms = 0;
    assert_false(wh_outcome_is_too_late(&q, &f));
}

/* The policy says 7 s; the job's time for retries decides whether that is too late. */
static void test_retry_for(void **state)
{
    (void)state;
    static char room[WH_OUTCOME_ROOM], longest[WH_JOB_MESSAGE_MAX + 50];
    wh_job job = {.attempt = 1, .enqueued_at_ms = 100000, .retry_for_ms = 60000};
    wh_outcome_question q = {
        .job = &job, .policy = &policy, .now_ms = 153000, .room = room};
    wh_result r = {.status = WH_RESULT_RETRY,
                   .category = WH_ERRCLASS_CONNECTION,
                   .delay_ms = -1,
                   .message = {"refused", 7},
                   .context = {"ctx", 3}};
    wh_store_finish f;

    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_RETRY); /* at the last moment */
    q.now_ms++;
    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "connection");
    assert_int_equal(f.delay_ms, 0);
    assert_int_equal(f.context.n, 3);
    assert_int_equal(f.message.n, strlen(f.message.p));
    assert_string_equal(f.message.p,
                        "no retry: more than 60000 ms (retry_for) after its "
                        "enqueue: refused");
    r.delay_ms = 0; /* the handler's own wish is in time */
    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_RETRY);
    r.delay_ms = INT64_MAX;
    memset(longest, 'x', sizeof longest);
    r.message = (wh_slice){longest, sizeof longest};
    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_true(f.message.n > WH_JOB_MESSAGE_MAX && f.message.n < WH_OUTCOME_ROOM);
    r.message = (wh_slice){NULL, 0};
    wh_outcome_of_result(&q, &r, &f);
    assert_string_equal(f.message.p,
                        "no retry: more than 60000 ms (retry_for) after its enqueue");
    assert_null(f.says);
    wh_outcome_no_handler(&q, &f);
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "no_handler");
}

/* Nothing else ends a job that is snoozed again and again. */
static void test_retry_for_bounds_snoozes(void **state)
{
    (void)state;
    static char room[WH_OUTCOME_ROOM];
    wh_job job = {.attempt = 1, .enqueued_at_ms = 100000, .retry_for_ms = 60000};
    wh_outcome_question q = {
        .job = &job, .policy = &policy, .now_ms = 159000, .room = room};
    wh_result r = {.status = WH_RESULT_SNOOZE,
                   .category = WH_ERRCLASS_RATE_LIMITED,
                   .delay_ms = -1, /* one second */
                   .message = {"later", 5}};
    wh_store_finish f;

    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_SNOOZE);
    assert_string_equal(f.says, "own_delay");
    r.delay_ms = 1001;
    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "rate_limited");
    assert_string_equal(f.says, "snoozed");
    assert_int_equal(f.delay_ms, 1001); /* the wish still tells of the type */
    assert_string_equal(f.message.p,
                        "no snooze: more than 60000 ms (retry_for) after its "
                        "enqueue: later");
    r.category = WH_ERRCLASS_ERROR; /* it said none */
    wh_outcome_of_result(&q, &r, &f);
    assert_string_equal(f.category, "error");
    job.retry_for_ms = 0;
    wh_outcome_of_result(&q, &r, &f);
    assert_int_equal(f.outcome, WH_STORE_SNOOZE);
    assert_null(f.says);
    assert_null(f.category);
}

static void test_fail_is_for_good(void **state)
{
    (void)state;
    wh_store_finish f = decide(1, WH_SLOT_KEEP,
                               (wh_result){.status = WH_RESULT_FAIL,
                                           .category = WH_ERRCLASS_CONNECTION,
                                           .delay_ms = 5});
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "connection");
    assert_int_equal(f.delay_ms, 5); /* of the type */
}

static void test_snooze(void **state)
{
    (void)state;
    wh_result r = {.status = WH_RESULT_SNOOZE, .delay_ms = -1};

    assert_int_equal(decide(9, WH_SLOT_KEEP, r).outcome, WH_STORE_SNOOZE);
    assert_int_equal(decide(9, WH_SLOT_KEEP, r).delay_ms, 1000);
    r.delay_ms = 0;
    assert_int_equal(decide(9, WH_SLOT_KEEP, r).delay_ms, 0);
    r.delay_ms = INT64_MAX;
    assert_int_equal(decide(9, WH_SLOT_KEEP, r).delay_ms, INT64_C(315360000000));
    assert_null(decide(9, WH_SLOT_KEEP, r).category); /* it said none */
    r.message = (wh_slice){"try later", 9};
    assert_string_equal(decide(9, WH_SLOT_KEEP, r).message.p, "try later");
    r.category = WH_ERRCLASS_RATE_LIMITED;
    assert_string_equal(decide(9, WH_SLOT_KEEP, r).category, "rate_limited");
}

static void test_asked_to_stop(void **state)
{
    (void)state;
    static const wh_result_status not_ok[] = {WH_RESULT_RETRY, WH_RESULT_FAIL,
                                              WH_RESULT_SNOOZE, WH_RESULT_CANCELLED};

    for (size_t i = 0; i < sizeof not_ok / sizeof not_ok[0]; i++) {
        wh_result r = {.status = not_ok[i], .message = {"m", 1}};

        assert_int_equal(decide(1, WH_SLOT_CANCEL_REQUESTED, r).outcome,
                         WH_STORE_CANCELLED);
        assert_int_equal(decide(1, WH_SLOT_CANCEL_STOPPING, r).outcome,
                         WH_STORE_RELEASE);
    }
    /* It says cancelled, but nobody asked. */
    wh_result r = {.status = WH_RESULT_CANCELLED, .delay_ms = -1};
    assert_int_equal(decide(1, WH_SLOT_KEEP, r).outcome, WH_STORE_RETRY);
    r.status = WH_RESULT_RELEASED;
    assert_int_equal(decide(1, WH_SLOT_KEEP, r).outcome, WH_STORE_RELEASE);
}

static void test_no_handler(void **state)
{
    (void)state;
    wh_job job = {.attempt = 1};
    wh_outcome_question q = {.job = &job, .policy = &policy};
    wh_store_finish f;

    wh_outcome_no_handler(&q, &f);
    assert_int_equal(f.outcome, WH_STORE_RETRY);
    assert_string_equal(f.category, "no_handler");
    job.attempt = 3;
    wh_outcome_no_handler(&q, &f);
    assert_int_equal(f.outcome, WH_STORE_DEAD);
    assert_string_equal(f.category, "no_handler");
    assert_true(f.message.n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_too_late_to_start),
        cmocka_unit_test(test_retry_for),
        cmocka_unit_test(test_retry_for_bounds_snoozes),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_fail_is_for_good),
        cmocka_unit_test(test_snooze),
        cmocka_unit_test(test_asked_to_stop),
        cmocka_unit_test(test_no_handler),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
