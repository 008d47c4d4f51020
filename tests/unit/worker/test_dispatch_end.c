/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims that end otherwise than by a result, and those beyond the slots.
 */
#include "common/base/clock.h"
#include "tests/unit/worker/dispatch_case.h"

enum { FAR_US = 80000, SECOND_US = 1000000 };

/* As after a round trip over a long link in which so many jobs of 1 ms ended. */
static void be_far(size_t jobs, int64_t now_us)
{
    wh_ahead *a = wh_dispatch_ahead(dispatch);

    wh_ahead_reply(a, FAR_US, now_us);
    assert_int_equal(wh_dispatch_turn(dispatch, now_us), 0);
    for (size_t i = 0; i < jobs; i++) {
        wh_ahead_result(a, 1000, 7);
    }
    assert_int_equal(wh_dispatch_turn(dispatch, now_us + 1), 0);
}

/* More is claimed than there are slots, but no more is started. */
static void test_claims_ahead(void **state)
{
    (void)state;
    wh_dispatch_set_slots(dispatch, 2);
    be_far(2, wh_clock_mono_us());
    assert_int_equal(wh_dispatch_room(dispatch), 6);
    claim('a', "mail");
    claim('b', "mail");
    claim('c', "mail");
    claim('d', "slow");
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 2);
    assert_int_equal(fakes[1].n, 0);
    assert_int_equal(wh_dispatch_room(dispatch), 2);
    report(&fakes[0], 0, (wh_result){.status = WH_RESULT_OK});
    wh_dispatch_pump(dispatch);
    assert_int_equal(fakes[0].n, 2);
    assert_int_equal(wh_dispatch_room(dispatch), 3);
}

/* No slot became free for a second: those beyond the slots go back, the newest first. */
static void test_what_waits_too_long_goes_back(void **state)
{
    (void)state;
    int64_t now = wh_clock_mono_us();

    wh_dispatch_set_slots(dispatch, 2);
    be_far(2, now);
    for (char id = 'a'; id <= 'd'; id++) {
        claim(id, "mail");
    }
    wh_dispatch_pump(dispatch);
    int64_t at = wh_dispatch_turn(dispatch, now);
    assert_in_range(at, now + SECOND_US, now + 10 * SECOND_US);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_WAITING), 2);
    assert_int_equal(wh_dispatch_turn(dispatch, at), 0);
    assert_int_equal(wh_slots_count(slots, WH_SLOT_WAITING), 0);
    assert_int_equal(part->pending.count, 2);
    assert_int_equal(part->pending.first->finish.outcome, WH_STORE_RELEASE);
    assert_int_equal(part->pending.first->token.p[0], 'd');
    assert_int_equal(part->pending.last->token.p[0], 'c');
    assert_int_equal(fakes[0].n, 2);
}

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
        TEST(test_cancel),
        TEST(test_lost_results_are_dropped),
        TEST(test_gone),
        TEST(test_drain),
        TEST(test_release_everything),
        TEST(test_claims_ahead),
        TEST(test_what_waits_too_long_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
