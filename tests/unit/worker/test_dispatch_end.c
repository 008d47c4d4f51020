/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims that end otherwise than by a result.
 */
#include "tests/unit/worker/dispatch_case.h"

static void test_cancel(void **state)
{
    (void)state;
    fakes[0].room = 1;
    claim('a', "mail");
    claim('b', "mail");
    wh_dispatch_pump(dispatch);
    wh_dispatch_cancel(dispatch, part, token_of('b')); /* waits */
    assert_int_equal(pending_outcome(), WH_STORE_CANCELLED);
    confirm_all();
    wh_dispatch_cancel(dispatch, part, token_of('a')); /* runs */
    assert_ptr_equal(fakes[0].cancelled, fakes[0].jobs[0]);
    assert_int_equal(fakes[0].why, WH_CANCEL_REQUESTED);
    fakes[0].cancelled = NULL;
    wh_dispatch_cancel(dispatch, part, token_of('a')); /* once is enough */
    assert_null(fakes[0].cancelled);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_RETRY, .delay_ms = -1});
    assert_int_equal(pending_outcome(), WH_STORE_CANCELLED);
    wh_dispatch_cancel(dispatch, part, token_of('z')); /* unknown: nothing */
}

static void test_lost_results_are_dropped(void **state)
{
    (void)state;
    fakes[0].room = 1;
    claim('a', "mail");
    claim('b', "mail");
    wh_dispatch_pump(dispatch);
    claim('c', "slow");
    wh_dispatch_pump(dispatch);
    report(&fakes[1], 0, (wh_result){.status = WH_RESULT_OK});
    assert_int_equal(wh_dispatch_lose(dispatch, part), 3);
    assert_int_equal(fakes[0].why, WH_CANCEL_LOST);
    assert_int_equal(wh_slots_held(slots), 0);
    assert_int_equal(part->pending.count, 0);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_LOST), 1);
    assert_int_equal(wh_dispatch_room(dispatch), 9); /* it still takes a place */
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK});
    assert_int_equal(wh_slots_count(slots, WH_SLOT_LOST), 0);
    assert_int_equal(part->pending.count, 0);
}

static void test_gone(void **state)
{
    (void)state;
    claim('a', "mail");
    claim('b', "mail");
    wh_dispatch_pump(dispatch);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK});
    wh_dispatch_gone(dispatch, part, token_of('a')); /* was accepted before */
    assert_int_equal(part->pending.count, 0);
    wh_dispatch_gone(dispatch, part, token_of('b')); /* was taken away */
    assert_int_equal(fakes[0].why, WH_CANCEL_LOST);
    assert_int_equal(wh_slots_held(slots), 0);
    wh_dispatch_gone(dispatch, part, token_of('z'));
}

static void test_drain(void **state)
{
    (void)state;
    fakes[0].room = 1;
    claim('a', "mail");
    claim('b', "mail");
    wh_dispatch_pump(dispatch);
    wh_dispatch_drain(dispatch);
    assert_int_equal(pending_outcome(), WH_STORE_RELEASE); /* b never started */
    assert_string_equal(part->pending.first->finish.category, "not_started");
    confirm_all();
    assert_int_equal(wh_dispatch_room(dispatch), 0);
    claim('c', "mail"); /* its cycle was under way */
    assert_int_equal(pending_outcome(), WH_STORE_RELEASE);
    confirm_all();
    wh_dispatch_stop_running(dispatch);
    assert_int_equal(fakes[0].why, WH_CANCEL_STOPPING);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_CANCELLED});
    assert_int_equal(pending_outcome(), WH_STORE_RELEASE);
    assert_null(part->pending.first->finish.category);
}

static void test_release_everything(void **state)
{
    (void)state;
    fakes[0].room = 1;
    claim('a', "mail");
    claim('b', "mail");
    claim('c', "slow");
    wh_dispatch_pump(dispatch);
    report(&fakes[1], 0, (wh_result){.status = WH_RESULT_OK});
    wh_registry_kill(registry);
    wh_dispatch_release(dispatch);
    assert_int_equal(part->pending.count, 3);
    assert_int_equal(slot_of('a')->finish.outcome, WH_STORE_RELEASE);
    assert_int_equal(slot_of('b')->finish.outcome, WH_STORE_RELEASE);
    assert_int_equal(slot_of('c')->finish.outcome, WH_STORE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_cancel), TEST(test_lost_results_are_dropped), TEST(test_gone),
        TEST(test_drain),  TEST(test_release_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
